"""Compare the models of a run: the one statistic that report, charts and notebooks share."""

from ..common.errors import UsageError
from ..common.show import Shown
from ..measure.record import Run
from ..timing.metrics import COMPARED
from ..timing.ratios import DRIFT, Comparison, compare_rounds, describe_family


class Comparisons(Shown, tuple[Comparison, ...]):
    """Hold the verdicts on every other model against one baseline; show them as sentences."""

    @property
    def firm(self) -> "Comparisons":
        """Return those with an interval that rests on 5 prompts, or on as many as any has."""
        enough = min(5, max((verdict.prompts for verdict in self), default=0))
        return Comparisons(v for v in self if v.low is not None and v.prompts >= enough)

    def sentences(self) -> list[str]:
        """Return the verdicts, and for how many the intervals were widened."""
        measured = {verdict.metric for verdict in self if verdict.ratio is not None}
        verdicts = [str(verdict) for verdict in self if verdict.metric in measured]
        if not verdicts:
            return ["Only one model answered, so there is nothing to compare."]
        family = describe_family(self)
        return [*verdicts, family] if family else verdicts


def compare_models(run: Run, baseline: str | None = None) -> Comparisons:
    """Compare every other model with `baseline` (default: the first with answers).

    Gives TTFT, latency and output tokens/s as ratios, paired by prompt; the intervals rest on the
    rounds, and hold together at 95 % (Bonferroni over all comparisons made here). Raises UsageError
    when the baseline is not in the run.
    """
    answered = [row["model"] for row in run.summary if row["n_ok"]]
    if baseline is not None and baseline not in run.models:
        raise UsageError(f"'{baseline}' is not in this run; it has {', '.join(run.models)}.")
    baseline = baseline or (answered[0] if answered else None)
    others = [model for model in answered if model != baseline]
    pairs = [(model, metric) for model in others for metric in COMPARED]
    made = [pair for pair in pairs if baseline and _measured_in_both(run, *pair, baseline)]
    return Comparisons(
        compare_two(run, *pair, baseline, comparisons=len(made)) for pair in pairs if baseline
    )


def compare_two(
    run: Run, model: str, metric: str, baseline: str, *, comparisons: int = 1
) -> Comparison:
    """Compare one metric of two models; those of two merged runs are two sittings."""
    records = run.info.models
    return compare_rounds(
        model,
        metric,
        run.by_round(baseline, metric),
        run.by_round(model, metric),
        baseline=baseline,
        comparisons=comparisons,
        drift=None if records[model].from_run == records[baseline].from_run else DRIFT,
    )


def _measured_in_both(run: Run, model: str, metric: str, baseline: str) -> bool:
    return bool(run.by_round(model, metric).keys() & run.by_round(baseline, metric).keys())
