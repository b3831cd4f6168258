"""Compare two recorded runs of the same prompts, before and after a change.

Two runs are two sittings. Within one run models are interleaved, and a slow minute hits them all;
between two runs nothing is. `timing.ratios` allows for that.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from ..common import templates
from ..common.errors import KitError, UsageError
from ..common.show import Shown, Table, one_line
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
    """Hold the ids of the prompts whose texts differ at temperature 0: between runs and within."""

    model: str
    prompts: int
    changed: tuple[str, ...]
    unsteady_before: tuple[str, ...]
    unsteady_after: tuple[str, ...]


@dataclass(frozen=True)
class OutcomeCounts:
    """Count how the measured requests of one model ended in one run."""

    requests: int
    failed: int
    skipped: int


@dataclass(frozen=True)
class Failures:
    """Count the requests of one model that were not answered, in both runs."""

    model: str
    before: OutcomeCounts
    after: OutcomeCounts


@dataclass(frozen=True)
class Gate:
    """Hold a limit that after/before must not be above (`>`) or below (`<`)."""

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

    gate: Gate
    change: Comparison

    @property
    def outcome(self) -> str:
        """Return the verdict; only a whole interval beyond the gate fails it."""
        if self.change.ratio is None:
            return "not judged"
        if self.change.low is None or self.change.high is None:
            return "not certain"
        low, high = self.gate.beyond(self.change.low), self.gate.beyond(self.change.high)
        if low != high:
            return "not certain"
        return "failed" if low else "held"

    def as_dict(self) -> dict:
        """Return gate, model, outcome and figures, for JSON."""
        figures = {name: getattr(self.change, name) for name in ("model", "ratio", "low", "high")}
        return {"bound": self.gate.text, "outcome": self.outcome, **figures}

    def __str__(self) -> str:
        label = METRICS[self.change.metric].label
        values = {"result": self, "label": label, "rounds_needed": ROUNDS_NEEDED}
        return templates.paragraph("measure/gate.jinja", **values)


@dataclass(frozen=True)
class Regression(Shown):
    """Hold two runs compared. `drift` is the allowance, as `compare_runs` takes it."""

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
        return templates.sentences("measure/two_runs.jinja", found=self, family=family)

    @property
    def warning(self) -> str:
        """Say what two runs cannot show."""
        return templates.paragraph("measure/two_sittings.jinja", drift=self.drift)

    def judge(self, gates: Sequence[Gate]) -> list[GateResult]:
        """Judge each model by each gate.

        Raises UsageError for a gate whose metric no model has in both runs.
        """
        results = [
            GateResult(gate, change)
            for gate in gates
            for change in self.changes
            if change.metric == gate.metric
        ]
        for gate in gates:
            if all(r.outcome == "not judged" for r in results if r.gate == gate):
                raise UsageError(
                    f"--fail-if {gate.text} cannot be judged: no model has "
                    f"{METRICS[gate.metric].label} for a shared prompt in both runs."
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
    reworded = [p for p, text in old.prompts.items() if new.prompts.get(p, text) != text]
    steady = old.info.plan.temperature == new.info.plan.temperature == 0
    noted = {"old": old, "new": new, "steady": steady, "reworded": reworded}
    return Regression(
        before=old.folder.name,
        after=new.folder.name,
        drift=drift,
        changes=tuple(_changes(old, new, models, set(prompts), drift)),
        answers=tuple(_answers(old, new, models, prompts)) if steady else (),
        failures=tuple(Failures(m, _outcomes(old, m), _outcomes(new, m)) for m in models),
        notes=tuple(templates.sentences("measure/two_runs_notes.jinja", **noted)),
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


def _load(run: Run | str | os.PathLike | None) -> Run:
    if isinstance(run, Run):
        return run
    if run == "":  # an unset variable in a script; load_run would take the latest run for it
        raise UsageError(
            "Which run? An empty name was given; give the folder that a benchmark printed."
        )
    try:
        return load_run(run)
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


def _differences(old: Run, new: Run, models: Sequence[str]) -> list[Difference]:
    differences = what_differs(old.info.facts(models), new.info.facts(models))
    revision = old.info.environment.git_revision or ""
    if revision.endswith("+changes") and revision == new.info.environment.git_revision:
        what = "files beside the git revision (may differ)"
        differences.append(Difference(what, revision, revision))
    return differences
