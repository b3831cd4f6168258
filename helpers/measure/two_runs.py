"""Compare two recorded runs of the same prompts, before and after a change.

Two runs are two sittings. Within one run models are interleaved, and a slow minute hits them all;
between two runs nothing is. `timing.ratios` allows for that.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from ..common.errors import KitError, UsageError
from ..common.show import Shown, Table, count, one_line
from ..timing.metrics import COMPARED, METRICS
from ..timing.ratios import DRIFT, ROUNDS_NEEDED, Comparison, compare_rounds, describe_family
from .info import Difference, what_differs
from .record import Run, load_run

MAX_DRIFT = 0.5
GATED = {
    metric.removesuffix("_s") if METRICS[metric].unit == "s" else metric: metric
    for metric in COMPARED
}


@dataclass(frozen=True)
class Answers:
    """Tell which texts of one model changed at temperature 0.

    Ids of the prompts whose answers differ between the runs, and within each.
    """

    model: str
    prompts: int
    changed: tuple[str, ...]
    unsteady_before: tuple[str, ...]
    unsteady_after: tuple[str, ...]

    def __str__(self) -> str:
        prompts = count(self.prompts, "prompt")
        if not (self.changed or self.unsteady_before or self.unsteady_after):
            return f"Answers of {self.model}: the same texts for all {prompts}."
        sentence = (
            f"Answers of {self.model}: {len(self.changed)} of {prompts} differ between the runs; "
            f"within a run the text varies for {len(self.unsteady_before)} before "
            f"and {len(self.unsteady_after)} after."
        )
        if self.changed:
            sentence += (
                f" Changed, so that times compare different texts: {', '.join(self.changed)}."
            )
        return sentence


@dataclass(frozen=True)
class OutcomeCounts:
    """Count how the measured requests of one model ended in one run."""

    requests: int
    failed: int
    skipped: int

    def __str__(self) -> str:
        skipped = f" and {self.skipped} skipped" if self.skipped else ""
        return f"{self.failed} failed{skipped} of {self.requests}"


@dataclass(frozen=True)
class Failures:
    """Count the requests of one model that were not answered, in both runs."""

    model: str
    before: OutcomeCounts
    after: OutcomeCounts

    def __str__(self) -> str:
        return f"Failures of {self.model}: {self.before} before, {self.after} after."


@dataclass(frozen=True)
class Gate:
    """A limit for continuous integration: after/before must not be above (`>`) or below (`<`) it."""

    text: str
    metric: str
    sign: str
    ratio: float

    def beyond(self, value: float) -> bool:
        """Tell if a ratio is on the wrong side."""
        return value > self.ratio if self.sign == ">" else value < self.ratio


@dataclass(frozen=True)
class GateResult:
    """Judge one model by a gate. `outcome` is failed, not certain, held or not judged."""

    bound: Gate
    change: Comparison

    @property
    def outcome(self) -> str:
        """Return the verdict; only a whole interval beyond the gate fails it."""
        if self.change.ratio is None:
            return "not judged"
        if self.change.low is None or self.change.high is None:
            return "not certain"
        ends = {self.bound.beyond(self.change.low), self.bound.beyond(self.change.high)}
        return "not certain" if len(ends) == 2 else "failed" if True in ends else "held"

    @property
    def failed(self) -> bool:
        """Tell if the whole interval is beyond the gate."""
        return self.outcome == "failed"

    def as_dict(self) -> dict:
        """Return gate, model, outcome and figures, for JSON."""
        figures = {name: getattr(self.change, name) for name in ("model", "ratio", "low", "high")}
        return {"bound": self.bound.text, "outcome": self.outcome, **figures}

    def __str__(self) -> str:
        change, text, model = self.change, self.bound.text, self.change.model
        if change.ratio is None:
            label = METRICS[change.metric].label
            return f"{text}: not judged for {model}, {label} was not measured in both runs."
        if change.low is None:
            return (
                f"{text}: not certain for {model}, {change.ratio:.3g} without an interval: "
                f"it needs {ROUNDS_NEEDED} rounds in each run."
            )
        figures = f"{change.ratio:.4g}, interval {change.low:.4g} to {change.high:.4g}"
        if self.failed:
            return (
                f"{text}: FAILED for {model} ({figures}); the whole interval is beyond the bound."
            )
        if self.outcome == "held":
            return f"{text}: held by {model} ({figures})."
        where = "the interval contains the bound"
        if self.bound.beyond(change.ratio):
            where = "the ratio is beyond the bound, the whole interval is not"
        return f"{text}: not certain for {model} ({figures}); {where}."


@dataclass(frozen=True)
class Regression(Shown):
    """Hold two runs compared; it shows itself as a table and sentences.

    `drift` is the allowance for the sittings: the standard deviation, as a share, of one sitting's
    speed.
    """

    before: str
    after: str
    drift: float
    changes: tuple[Comparison, ...]
    answers: tuple[Answers, ...] = ()
    failures: tuple[Failures, ...] = ()
    notes: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = ()

    def table(self) -> Table:
        """Return one row for each model and metric; times in seconds."""
        rows = [
            [c.model, c.metric, c.before, c.after, c.ratio, c.low, c.high, c.verdict]
            for c in self.changes
        ]
        headers = ("model", "metric", "before", "after", "after/before", "low", "high", "verdict")
        return Table(headers, rows, note=f"before: {self.before}, after: {self.after}")

    def sentences(self) -> list[str]:
        """Return everything that the table does not say, one finding each."""
        family = describe_family(self.changes)
        differences = [f"Different: {difference}" for difference in self.differences]
        sentences = [
            *self.changes,
            *([family] if family else []),
            *self.answers,
            *self.failures,
            *self.notes,
            *(differences or ["Environment, models and settings: no difference found."]),
            self.warning,
        ]
        return [one_line(str(sentence), width=600) for sentence in sentences]

    @property
    def warning(self) -> str:
        """Say what two runs cannot show."""
        allowed = "the intervals allow for none (drift 0), so they hold for these two sittings only"
        if self.drift:
            allowed = (
                f"the intervals allow for {self.drift * 100:.3g} % of drift "
                "(standard deviation of a sitting)"
            )
        return (
            "Each run is one sitting, and differences between sittings (heat, other load, a new "
            "process) are part of what is compared; the rounds of a run cannot show them, and "
            f"{allowed}. Where possible measure both in one run, with interleaved models."
        )

    def judge(self, bounds: Sequence[Gate]) -> list[GateResult]:
        """Judge each model by each gate.

        Raises UsageError for a gate whose metric no model has in both runs.
        """
        results = [
            GateResult(bound, change)
            for bound in bounds
            for change in self.changes
            if change.metric == bound.metric
        ]
        for bound in bounds:
            if all(r.outcome == "not judged" for r in results if r.bound == bound):
                raise UsageError(
                    f"--fail-if {bound.text} cannot be judged: no model has "
                    f"{METRICS[bound.metric].label} for a shared prompt in both runs."
                )
        return results

    def as_dict(self) -> dict:
        """Return all of it as plain values, for JSON."""
        changes = [{**asdict(c), "apart": c.apart, "verdict": c.verdict} for c in self.changes]
        return {**asdict(self), "changes": changes, "caution": self.warning}


def compare_runs(
    before: Run | str | os.PathLike | None,
    after: Run | str | os.PathLike | None,
    *,
    drift: float = DRIFT,
) -> Regression:
    """Compare two recorded runs, model by model and prompt by prompt.

    Args:
        before: a Run, or anything that `load_run` takes.
        after: the same, for the later run.
        drift: standard deviation, as a share (0 to 0.5), by which the speed of one machine differs
            between sittings.

    Only prompts with the same id and the same text count. Intervals hold together at 95 %
    (Bonferroni over all comparisons made). Raises UsageError when a run cannot be read, or the two
    have no model or no prompt in common.
    """
    if not 0 <= drift <= MAX_DRIFT:
        raise UsageError(
            f"drift must be between 0 and {MAX_DRIFT} (a share: 0.05 is 5 %), found {drift}."
        )
    old, new = _load(before), _load(after)
    models = [model for model in old.models if model in new.models]
    prompts = [p for p, text in old.prompts.items() if new.prompts.get(p) == text]
    if not models:
        raise UsageError(_nothing_shared("model in common", old.models, new.models))
    if not prompts:
        what = "prompt in common (same id and same text)"
        raise UsageError(_nothing_shared(what, [*old.prompts], [*new.prompts]))
    steady = old.info.plan.temperature == new.info.plan.temperature == 0
    return Regression(
        before=old.folder.name,
        after=new.folder.name,
        drift=drift,
        changes=tuple(_changes(old, new, models, set(prompts), drift)),
        answers=tuple(_answers(old, new, models, prompts)) if steady else (),
        failures=tuple(Failures(m, _outcomes(old, m), _outcomes(new, m)) for m in models),
        notes=tuple(_notes(old, new, steady)),
        differences=tuple(_differences(old, new, models)),
    )


def parse_gate(text: str) -> Gate:
    """Read `ttft>1.10`. Raises UsageError, saying what is allowed, for anything else."""
    match = re.fullmatch(rf"\s*({'|'.join(GATED)})\s*([<>])\s*([0-9]*\.?[0-9]+|[0-9]+\.)\s*", text)
    if not match or not 0.01 <= float(match[3]) <= 100:
        raise UsageError(
            f"--fail-if '{one_line(text, width=60)}': expected one of {', '.join(GATED)}, then > "
            "or <, then a ratio after/before from 0.01 to 100, for instance 'ttft>1.10'."
        )
    return Gate("".join(match.groups()), GATED[match[1]], match[2], float(match[3]))


def parse_drift(text: str) -> float:
    """Read a percentage from 0 to 50, with or without the sign, as a share.

    Raises UsageError for anything else.
    """
    match = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*%?\s*", text)
    if not match or float(match[1]) > 100 * MAX_DRIFT:
        raise UsageError(
            f"--drift '{one_line(text, width=60)}': expected a percentage from 0 to "
            f"{100 * MAX_DRIFT:g}, for instance 5."
        )
    return float(match[1]) / 100


def _load(run: Run | str | os.PathLike | None) -> Run:
    if isinstance(run, Run):
        return run
    if run == "":  # an unset variable in a script; load_run would take the latest run for it
        raise UsageError(
            "Which run? An empty name was given; give the folder that a benchmark printed."
        )
    try:
        return load_run(run)
    except UsageError:
        raise
    except KitError as error:  # the command exits with 1 for a regression alone
        raise UsageError(str(error)) from error


def _nothing_shared(what: str, before: Sequence[str], after: Sequence[str]) -> str:
    names = [", ".join(names) or "none" for names in (before, after)]
    return f"The two runs have no {what}: before has {names[0]}; after has {names[1]}."


def _changes(
    old: Run, new: Run, models: Sequence[str], prompts: set[str], drift: float
) -> Iterator[Comparison]:
    values = {
        (model, metric): [
            {p: group for p, group in run.by_round(model, metric).items() if p in prompts}
            for run in (old, new)
        ]
        for model in models
        for metric in COMPARED
    }
    made = sum(bool(before.keys() & after.keys()) for before, after in values.values())
    for (model, metric), (before, after) in values.items():
        yield compare_rounds(model, metric, before, after, comparisons=made, drift=drift)


def _answers(
    old: Run, new: Run, models: Sequence[str], prompts: Sequence[str]
) -> Iterator[Answers]:
    before, after = old.texts, new.texts
    for model in models:
        keys = [(model, p) for p in prompts if (model, p) in before and (model, p) in after]
        yield Answers(
            model,
            len(keys),
            tuple(prompt for _, prompt in keys if before[model, prompt] != after[model, prompt]),
            tuple(prompt for _, prompt in keys if len(before[model, prompt]) > 1),
            tuple(prompt for _, prompt in keys if len(after[model, prompt]) > 1),
        )


def _outcomes(run: Run, model: str) -> OutcomeCounts:
    row = run.summary[run.models.index(model)]
    requests = row["n_ok"] + row["n_failed"] + row["n_skipped"]
    return OutcomeCounts(requests, row["n_failed"], row["n_skipped"])


def _notes(old: Run, new: Run, steady: bool) -> Iterator[str]:
    if old.folder.resolve() == new.folder.resolve():
        yield "Both are the same run: there is nothing between them to find."
    for words, run in (("before", old), ("after", new)):
        if times := len(run.info.resumed):
            yield (
                f"The run {words} was resumed {count(times, 'time')}: "
                f"it is {times + 1} sittings and not one."
            )
    if not steady:
        yield "Answers: not compared, as they may differ at a temperature above 0."
    for words, here, there in (("before", old, new), ("after", new, old)):
        if only := [model for model in here.models if model not in there.models]:
            yield f"Models only {words}: {', '.join(only)}."
        if only := [prompt for prompt in here.prompts if prompt not in there.prompts]:
            yield f"Prompts only {words}, left out: {', '.join(only)}."
    if changed := [p for p, text in old.prompts.items() if new.prompts.get(p, text) != text]:
        yield f"Prompts whose text is not the same, left out: {', '.join(changed)}."


def _differences(old: Run, new: Run, models: Sequence[str]) -> list[Difference]:
    differences = what_differs(old.info.facts(models), new.info.facts(models))
    revision = old.info.environment.git_revision or ""
    if revision.endswith("+changes") and revision == new.info.environment.git_revision:
        what = "files beside the git revision (may differ)"
        differences.append(Difference(what, revision, revision))
    return differences
