"""Compare the models of one run with each other."""

from dataclasses import replace

import numpy as np

from ..common.errors import UsageError
from ..common.show import Shown
from ..measure.record import Run
from ..measure.two_runs import DRIFT
from ..timing import intervals, metrics


class Comparisons(Shown, tuple[intervals.Comparison, ...]):
    """Hold verdicts on every other model against one baseline; shows itself as sentences."""

    def sentences(self) -> list[str]:
        """Return one sentence for each verdict."""
        alone = "Only one model answered, so there is nothing to compare."
        return [str(verdict) for verdict in self] or [alone]


def compare_models(run: Run, baseline: str | None = None) -> Comparisons:
    """Compare TTFT, latency and output tokens/s of every other model with `baseline`.

    The default baseline is the first model that answered. Ratios are paired by prompt. Intervals
    hold together at 95 % (Bonferroni's correction over all comparisons made here).
    Raises UsageError when the baseline is not in the run.
    """
    answered = [row["model"] for row in run.summary if row["n_ok"]]
    if baseline is not None and baseline not in run.models:
        raise UsageError(f"'{baseline}' is not in this run; it has {', '.join(run.models)}.")
    baseline = baseline or (answered[0] if answered else None)
    others = [model for model in answered if model != baseline]
    measured = [m for m in metrics.COMPARED if any(run.values(model, m) for model in run.models)]
    total = len(others) * len(measured)
    return Comparisons(
        compare_two(run, metric, model, baseline, comparisons=total)
        for model in others
        for metric in measured
        if baseline
    )


def compare_two(
    run: Run, metric: str, model: str, baseline: str, *, comparisons: int = 1
) -> intervals.Comparison:
    """Compare one metric of one model with another's, paired by prompt.

    `comparisons` is how many are made side by side.
    """
    verdict = intervals.compare_paired(
        metric,
        model,
        baseline,
        run.values(model, metric),
        run.values(baseline, metric),
        comparisons=comparisons,
    )
    return _across_sittings(run, verdict)


def _across_sittings(run: Run, verdict: intervals.Comparison) -> intervals.Comparison:
    """Widen the interval by the allowance for drift when two joined runs measured the models.

    Those models were not interleaved. A comparison of two runs gets the same allowance.
    """
    sittings = [run.info.models[model].from_run for model in (verdict.model, verdict.baseline)]
    if sittings[0] == sittings[1] or verdict.low is None:
        return verdict
    from scipy import stats

    drift = float(stats.norm.ppf((1 + verdict.confidence) / 2)) * DRIFT * np.sqrt(2)
    low, middle, high = np.log(np.array([verdict.low, verdict.ratio, verdict.high], dtype=float))
    return replace(
        verdict,
        low=float(np.exp(middle - np.hypot(middle - low, drift))),
        high=float(np.exp(middle + np.hypot(high - middle, drift))),
    )
