"""Two recorded runs of the same prompts, before and after a change: what became slower, what else changed, and how sure that is.

Two runs are two sittings. Within one run models are interleaved and a slow minute hits them all; between two runs
nothing is: the whole of one lies in one stretch of time. The interval given here knows that, see `ratio_of_sittings`.
"""

import html
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from ..common.errors import KitError, UsageError
from ..common.show import Table, one_line
from ..timing.metrics import COMPARED
from ..timing.metrics import METRICS as ALL_METRICS
from .info import Difference, what_differs
from .record import Run, load_run

DRIFT = 0.05
MAX_DRIFT = 0.5
ROUNDS_NEEDED = 3
METRICS = {
    metric.removesuffix("_s") if metric in ("ttft_s", "latency_s") else metric: metric
    for metric in COMPARED
}
Values = Mapping[str, Sequence[tuple[int, float]]]
"""Prompt id to (round, value) of each answer; arrays of shape (answers, 2) are fastest."""


@dataclass(frozen=True)
class Change:
    """One metric of one model in two runs. `before` and `after` are geometric means over the shared prompts, in the metric's unit.

    `ratio` is after / before, paired by prompt; `low` and `high` bound it at `confidence`. `rounds` counts those of each run.
    """

    model: str
    metric: str
    before: float | None = None
    after: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    prompts: int = 0
    rounds: tuple[int, int] = (0, 0)

    @property
    def apart(self) -> bool:
        """Whether the interval leaves out 1, so that the data tells the two runs apart."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high

    @property
    def verdict(self) -> str:
        """The finding in a few words."""
        if self.ratio is None:
            return "not measured in both"
        if self.low is None:
            return f"cannot tell: needs {ROUNDS_NEEDED} rounds in each run"
        return (
            f"{max(self.ratio, 1 / self.ratio):.3g}x {self._direction}"
            if self.apart
            else "cannot tell"
        )

    @property
    def _direction(self) -> str:
        words = ALL_METRICS[self.metric]
        return (words.more if self.ratio > 1 else words.less).removesuffix(" than")

    def __str__(self) -> str:
        what = f"{ALL_METRICS[self.metric].label} of {self.model}"
        sample = f"{self.rounds[0]} and {self.rounds[1]} rounds, {_count(self.prompts, 'prompt')}"
        if self.ratio is None:
            return f"{what}: not measured in both runs, so not compared."
        if self.low is None:
            return f"{what}: cannot tell the runs apart, an interval needs {ROUNDS_NEEDED} rounds in each ({sample})."
        if not self.apart:
            bounds = f"after/before {self.low:.3g} to {self.high:.3g}"
            return f"{what}: cannot tell the runs apart ({bounds}, {sample})."
        ratio, low, high = (
            (self.ratio, self.low, self.high)
            if self.ratio > 1
            else (1 / self.ratio, 1 / self.high, 1 / self.low)
        )
        interval = f"{self.confidence * 100:.4g} % interval {low:.3g} to {high:.3g}"
        return f"{what}: {ratio:.3g}x {self._direction} after than before ({interval}, {sample})."


@dataclass(frozen=True)
class Answers:
    """Texts of one model at temperature 0: ids of the prompts whose answers differ between the runs, and within each."""

    model: str
    prompts: int
    changed: tuple[str, ...]
    unsteady_before: tuple[str, ...]
    unsteady_after: tuple[str, ...]

    def __str__(self) -> str:
        if not (self.changed or self.unsteady_before or self.unsteady_after):
            return (
                f"Answers of {self.model}: the same texts for all {_count(self.prompts, 'prompt')}."
            )
        changed = (
            f" Changed, so that times compare different texts: {', '.join(self.changed)}."
            if self.changed
            else ""
        )
        return (
            f"Answers of {self.model}: {len(self.changed)} of {_count(self.prompts, 'prompt')} differ between the runs; within a run "
            f"the text varies for {len(self.unsteady_before)} before and {len(self.unsteady_after)} after.{changed}"
        )


@dataclass(frozen=True)
class OutcomeCounts:
    """How the measured requests of one model ended in one run."""

    requests: int
    failed: int
    skipped: int

    def __str__(self) -> str:
        skipped = f" and {self.skipped} skipped" if self.skipped else ""
        return f"{self.failed} failed{skipped} of {self.requests}"


@dataclass(frozen=True)
class Failures:
    """Requests of one model that were not answered, in both runs."""

    model: str
    before: OutcomeCounts
    after: OutcomeCounts

    def __str__(self) -> str:
        return f"Failures of {self.model}: {self.before} before, {self.after} after."


@dataclass(frozen=True)
class Gate:
    """A limit for continuous integration: `metric` after/before must not lie above (`>`) or below (`<`) `ratio`."""

    text: str
    metric: str
    sign: str
    ratio: float

    def beyond(self, value: float) -> bool:
        """Whether a ratio lies on the wrong side."""
        return value > self.ratio if self.sign == ">" else value < self.ratio


@dataclass(frozen=True)
class GateResult:
    """What a bound says of one model. `outcome` is failed, not certain, held or not judged."""

    bound: Gate
    change: Change
    outcome: str

    @property
    def failed(self) -> bool:
        """Whether the whole interval lies beyond the bound."""
        return self.outcome == "failed"

    def as_dict(self) -> dict:
        """Bound, model, outcome and figures, for JSON."""
        change = self.change
        return {
            "bound": self.bound.text,
            "model": change.model,
            "outcome": self.outcome,
            "ratio": change.ratio,
            "low": change.low,
            "high": change.high,
        }

    def __str__(self) -> str:
        change, text = self.change, self.bound.text
        if self.outcome == "not judged":
            return f"{text}: not judged for {change.model}, {ALL_METRICS[change.metric].label} was not measured in both runs."
        if change.low is None:
            return f"{text}: not certain for {change.model}, {change.ratio:.3g} without an interval: it needs {ROUNDS_NEEDED} rounds in each run."
        figures = f"{change.ratio:.4g}, interval {change.low:.4g} to {change.high:.4g}"
        if self.failed:
            return f"{text}: FAILED for {change.model} ({figures}); the whole interval is beyond the bound."
        if self.outcome == "held":
            return f"{text}: held by {change.model} ({figures})."
        where = (
            "the ratio is beyond the bound, the whole interval is not"
            if self.bound.beyond(change.ratio)
            else "the interval contains the bound"
        )
        return f"{text}: not certain for {change.model} ({figures}); {where}."


@dataclass(frozen=True)
class Regression:
    """Two runs compared. Shows itself as a table and sentences; `as_dict` is ready for JSON.

    `drift` is the allowance for the sittings: the standard deviation, as a share, of one sitting's speed.
    """

    before: str
    after: str
    drift: float
    changes: tuple[Change, ...]
    answers: tuple[Answers, ...] = ()
    failures: tuple[Failures, ...] = ()
    notes: tuple[str, ...] = ()
    differences: tuple[Difference, ...] = field(default=())

    def table(self) -> Table:
        """One row for each model and metric; times in seconds."""
        rows = [
            [c.model, c.metric, c.before, c.after, c.ratio, c.low, c.high, c.verdict]
            for c in self.changes
        ]
        return Table(
            ("model", "metric", "before", "after", "after/before", "low", "high", "verdict"), rows
        )

    def sentences(self) -> list[str]:
        """Everything that the table does not say, one finding a line."""
        differences = [f"Different: {difference}" for difference in self.differences] or [
            "Environment, models and settings: no difference found."
        ]
        return [
            one_line(sentence, width=600)
            for sentence in [
                *map(str, self.changes),
                *map(str, self.answers),
                *map(str, self.failures),
                *self.notes,
                *differences,
                self.warning,
            ]
        ]

    @property
    def warning(self) -> str:
        """What no figure from two runs can say."""
        allowed = (
            f"the intervals allow for {self.drift * 100:.3g} % of drift (standard deviation of a sitting)"
            if self.drift
            else "the intervals allow for none (drift 0), so they hold for these two sittings only"
        )
        return (
            "Each run is one sitting, and differences between sittings (heat, other load, a new process) are part of what is compared; "
            f"the rounds of a run cannot show them, and {allowed}. Where possible measure both in one run, with interleaved models."
        )

    def judge(self, bounds: Sequence[Gate]) -> list[GateResult]:
        """What each bound says of each model. Raises UsageError for a bound whose metric no model has in both runs."""
        found = [
            GateResult(bound, c, _outcome(bound, c))
            for bound in bounds
            for c in self.changes
            if c.metric == bound.metric
        ]
        for bound in bounds:
            if all(j.outcome == "not judged" for j in found if j.bound == bound):
                raise UsageError(
                    f"--fail-if {bound.text} cannot be judged: no model has {ALL_METRICS[bound.metric].label} for a shared prompt in both runs."
                )
        return found

    def as_dict(self) -> dict:
        """All of it as plain values, for JSON."""
        changes = [{**asdict(c), "apart": c.apart, "verdict": c.verdict} for c in self.changes]
        return {**asdict(self), "changes": changes, "caution": self.warning}

    def __str__(self) -> str:
        return "\n".join(
            [f"before: {self.before}\nafter:  {self.after}\n\n{self.table()}\n", *self.sentences()]
        )

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.sentences())
        return f"<p>{html.escape(f'before: {self.before}, after: {self.after}')}</p>{self.table()._repr_html_()}<ul>{lines}</ul>"


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
        drift: standard deviation, as a share (0 to 0.5), by which the speed of one machine differs between sittings.

    Only prompts with the same id and the same text count. Intervals hold together at 95 % (Bonferroni over all
    comparisons made). Raises UsageError when a run cannot be read, or the two have no model or no prompt in common.
    """
    if not 0 <= drift <= MAX_DRIFT:
        raise UsageError(
            f"drift must be between 0 and {MAX_DRIFT} (a share: 0.05 is 5 %), found {drift}."
        )
    old, new = _Sitting(_loaded(before)), _Sitting(_loaded(after))
    models = [model for model in old.models if model in new.models]
    if not models:
        raise UsageError(
            f"The two runs have no model in common: before has {_names(old.models)}; after has {_names(new.models)}."
        )
    prompts = [p for p, text in old.prompts.items() if new.prompts.get(p) == text]
    if not prompts:
        raise UsageError(
            f"The two runs have no prompt in common (same id and same text): before has {_names(old.prompts)}; after has {_names(new.prompts)}."
        )
    steady = old.plan.temperature == new.plan.temperature == 0
    return Regression(
        before=old.run.folder.name,
        after=new.run.folder.name,
        drift=drift,
        changes=tuple(_changes(old, new, models, prompts, drift)),
        answers=tuple(_answers(old, new, model, prompts) for model in models) if steady else (),
        failures=tuple(Failures(model, old.tally(model), new.tally(model)) for model in models),
        notes=tuple(_notes(old, new, steady)),
        differences=tuple(_differences(old, new, models)),
    )


def parse_gate(text: str) -> Gate:
    """`ttft>1.10` as a Bound. Raises UsageError, saying what is allowed, for anything else."""
    found = re.fullmatch(
        rf"\s*({'|'.join(METRICS)})\s*([<>])\s*([0-9]*\.?[0-9]+|[0-9]+\.)\s*", text
    )
    if not found or not 0.01 <= float(found[3]) <= 100:
        raise UsageError(
            f"--fail-if '{one_line(text, width=60)}': expected one of {', '.join(METRICS)}, then > or <, then a ratio after/before "
            "from 0.01 to 100, for instance 'ttft>1.10'."
        )
    return Gate("".join(found.groups()), METRICS[found[1]], found[2], float(found[3]))


def parse_drift(text: str) -> float:
    """A percentage from 0 to 50, with or without the sign, as a share. Raises UsageError for anything else."""
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*%?\s*", text)
    if not found or float(found[1]) > 100 * MAX_DRIFT:
        raise UsageError(
            f"--drift '{one_line(text, width=60)}': expected a percentage from 0 to {100 * MAX_DRIFT:g}, for instance 5."
        )
    return float(found[1]) / 100


def ratio_of_sittings(
    model: str,
    metric: str,
    before: Values,
    after: Values,
    *,
    comparisons: int = 1,
    drift: float = DRIFT,
) -> Change:
    """After/before of one metric, paired by prompt, with an interval for two separate sittings.

    Each prompt gives the ratio of its geometric means over rounds; their geometric mean over prompts is the ratio. The
    prompts are the same in both runs, so they are not what could have come out otherwise; the rounds are, and the values
    of one round resemble each other. So each run's variance is the jackknife over its rounds: leave each out in turn (with
    no answer missing this is Welch's formula over the means of the rounds). It needs 3 rounds with answers in each run.

    No round can show by how much whole sittings differ, as all rounds of a run share one. So there are two half widths, both
    corrected for the number of `comparisons` (Bonferroni): one of the rounds, Student's t with the degrees of freedom of
    Welch and Satterthwaite, and one of the normal distribution for two sittings that each vary by the assumed `drift`.
    The interval takes the root of the sum of their squares, so that an allowance never makes it narrower.
    """
    prompts = [p for p in before if len(before[p]) and len(after.get(p, ()))]
    confidence = 1 - 0.05 / max(comparisons, 1)
    if not prompts:
        return Change(model, metric, confidence=confidence)
    old, new = _logs_left_out(before, prompts), _logs_left_out(after, prompts)
    difference = float(np.mean(new.means - old.means))
    rounds = (old.without.shape[1], new.without.shape[1])
    low = high = None
    if min(rounds) >= ROUNDS_NEEDED:
        half = _half_width(
            [(_jackknife(old, new), rounds[0]), (_jackknife(new, old), rounds[1])],
            confidence,
            drift,
        )
        low, high = _exp(difference - half), _exp(difference + half)
    typical = _exp(np.mean(old.means)), _exp(np.mean(new.means))
    return Change(
        model, metric, *typical, _exp(difference), low, high, confidence, len(prompts), rounds
    )


@dataclass(frozen=True)
class _LeftOut:
    """Mean log of each prompt, and the same without each round: arrays of (prompts,) and (prompts, rounds); nan where nothing is left."""

    means: np.ndarray
    without: np.ndarray


def _logs_left_out(values: Values, prompts: Sequence[str]) -> _LeftOut:
    answers = [np.asarray(values[p], dtype=float) for p in prompts]
    rounds = np.unique(np.concatenate(answers)[:, 0])
    total, count = np.zeros((len(prompts), len(rounds))), np.zeros((len(prompts), len(rounds)))
    for row, some in enumerate(answers):
        places = np.searchsorted(rounds, some[:, 0])
        np.add.at(total[row], places, np.log(some[:, 1]))
        np.add.at(count[row], places, 1)
    sums, counts = total.sum(axis=1), count.sum(axis=1)
    left = counts[:, None] - count
    without = np.full(total.shape, np.nan)
    np.divide(sums[:, None] - total, left, out=without, where=left > 0)
    return _LeftOut(sums / counts, without)


def _jackknife(of: _LeftOut, other: _LeftOut) -> float:
    """Variance of the mean difference of two runs as far as it comes from the rounds of one."""
    estimates = np.nanmean(of.without - other.means[:, None], axis=0)
    return float(
        (len(estimates) - 1) / len(estimates) * np.sum((estimates - estimates.mean()) ** 2)
    )


def _exp(log: float) -> float:
    """The exponential, kept within what JSON can hold: three wild rounds give an interval without end."""
    return math.exp(min(max(float(log), -300.0), 300.0))


def _half_width(parts: Sequence[tuple[float, int]], confidence: float, drift: float) -> float:
    """Half the width of the interval of the log ratio, from (variance, rounds) of each run and the assumed drift."""
    from scipy import stats  # slow to import; most commands never compare

    variance = sum(part for part, _ in parts)
    freedom = (
        variance**2 / sum(part**2 / (rounds - 1) for part, rounds in parts)
        if variance > 0
        else math.inf
    )
    of_rounds = stats.t.ppf((1 + confidence) / 2, freedom) * math.sqrt(variance)
    of_sittings = stats.norm.ppf((1 + confidence) / 2) * math.sqrt(len(parts)) * drift
    return float(math.hypot(of_rounds, of_sittings))


class _Sitting:
    """One run, its measured rows sorted out in a single pass."""

    def __init__(self, run: Run):
        self.run = run
        self.plan, self.models, self.prompts = run.info.plan, run.info.models, run.prompts
        rows = run.headline
        self._ended = Counter(rows.groupby(["model", "status"], observed=True).size().to_dict())
        self._answered = rows[(rows["status"] == "ok").to_numpy()]
        texts = self._answered.groupby(["model", "prompt_id"], observed=True)["text"].unique()
        self._texts = {key: set(some) for key, some in texts.items()}

    def values(self, model: str, metric: str, prompts: Sequence[str]) -> Values:
        """Measured values of the given prompts, answered requests only."""
        rows = self._answered
        # A logarithm of anything but a positive number would take the whole comparison with it.
        rows = rows[
            ((rows["model"] == model) & (rows[metric] > 0) & np.isfinite(rows[metric])).to_numpy()
        ]
        found = {
            str(p): some[["round", metric]].to_numpy(float)
            for p, some in rows.groupby("prompt_id", observed=True)
        }
        return {prompt: found[prompt] for prompt in prompts if prompt in found}

    def texts(self, model: str, prompt: str) -> set[str]:
        """The different answers to one prompt."""
        return self._texts.get((model, prompt), set())

    def tally(self, model: str) -> OutcomeCounts:
        """How the measured requests ended."""
        requests = sum(count for (name, _), count in self._ended.items() if name == model)
        return OutcomeCounts(requests, self._ended[model, "failed"], self._ended[model, "skipped"])


def _loaded(run: Run | str | os.PathLike | None) -> Run:
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
    except KitError as error:  # the command exits with 1 for a regression alone, so that nothing else may look like one
        raise UsageError(str(error)) from error


def _changes(
    old: _Sitting, new: _Sitting, models: Sequence[str], prompts: Sequence[str], drift: float
) -> Iterator[Change]:
    pairs = [
        (m, metric, old.values(m, metric, prompts), new.values(m, metric, prompts))
        for m in models
        for metric in COMPARED
    ]
    made = sum(any(p in theirs for p in ours) for _, _, ours, theirs in pairs)
    for model, metric, ours, theirs in pairs:
        yield ratio_of_sittings(model, metric, ours, theirs, comparisons=made, drift=drift)


def _answers(old: _Sitting, new: _Sitting, model: str, prompts: Sequence[str]) -> Answers:
    answered = [p for p in prompts if old.texts(model, p) and new.texts(model, p)]
    return Answers(
        model,
        len(answered),
        tuple(p for p in answered if old.texts(model, p) != new.texts(model, p)),
        tuple(p for p in answered if len(old.texts(model, p)) > 1),
        tuple(p for p in answered if len(new.texts(model, p)) > 1),
    )


def _notes(old: _Sitting, new: _Sitting, steady: bool) -> Iterator[str]:
    if old.run.folder.resolve() == new.run.folder.resolve():
        yield "Both are the same run: there is nothing between them to find."
    for words, sitting in (("before", old), ("after", new)):
        if resumed := sitting.run.info.resumed:
            yield f"The run {words} was resumed {_count(len(resumed), 'time')}: it is {len(resumed) + 1} sittings and not one."
    if not steady:
        yield "Answers: not compared, as they may differ at a temperature above 0."
    for words, here, there in (("before", old, new), ("after", new, old)):
        if only := [model for model in here.models if model not in there.models]:
            yield f"Models only {words}: {_names(only)}."
        if only := [prompt for prompt in here.prompts if prompt not in there.prompts]:
            yield f"Prompts only {words}, left out: {_names(only)}."
    if changed := [p for p, text in old.prompts.items() if new.prompts.get(p, text) != text]:
        yield f"Prompts whose text is not the same, left out: {_names(changed)}."


def _differences(old: _Sitting, new: _Sitting, models: Sequence[str]) -> list[Difference]:
    differences = what_differs(old.run.info.facts(models), new.run.info.facts(models))
    revision = old.run.info.environment.git_revision or ""
    if revision.endswith("+changes") and revision == new.run.info.environment.git_revision:
        differences.append(
            Difference("files beside the git revision (may differ)", revision, revision)
        )
    return differences


def _outcome(bound: Gate, change: Change) -> str:
    if change.ratio is None:
        return "not judged"
    if change.low is None:
        return "not certain"
    ends = {bound.beyond(change.low), bound.beyond(change.high)}
    return "not certain" if len(ends) == 2 else "failed" if True in ends else "held"


def _names(names) -> str:
    return ", ".join(names) or "none"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"
