"""Compare two models of one run, or two runs: one ratio, with an interval that rests on rounds.

Prompts are fixed, so the uncertainty comes from the rounds, and the values of one round resemble
each other. Within a run the models take turns, so rounds pair up and a slow minute cancels out.
Between two runs nothing does, and an allowance for the drift between sittings is added.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..common.templates import paragraph
from .metrics import METRICS

DRIFT = 0.05  # the standard deviation of one sitting's speed, as a share
ROUNDS_NEEDED = 3
MAX_WIDENING, MAX_MORE_ROUNDS = 1000, 1000  # beyond, two are alike for all that rounds can tell

Values = Mapping[str, Sequence[tuple[float, float]] | np.ndarray]
"""Prompt id to (round, value) of each answer; arrays of shape (answers, 2) are fastest."""


@dataclass(frozen=True)
class Comparison:
    """Relate one metric of a model to a baseline: another model, or (None) the run before.

    `before` (the baseline) and `after` (the model) are geometric means over the shared prompts, in
    the metric's unit. `ratio` is after / before, paired by prompt; `low` and `high` bound it at
    `confidence`, which is 95 % for all `comparisons` together. `rounds` has those of both.
    """

    model: str
    metric: str
    baseline: str | None = None
    before: float | None = None
    after: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    comparisons: int = 1
    prompts: int = 0
    rounds: tuple[int, int] = (0, 0)
    drift: float | None = None

    @property
    def apart(self) -> bool:
        """Tell if the interval leaves out 1, so that the data tells the two apart."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high

    @property
    def more_rounds(self) -> int | None:
        """Return how many more rounds would tell the two apart if the ratio stays as it is.

        None where they are apart, where it would take more than 1,000, and between two sittings,
        whose drift no round can narrow.
        """
        if self.low is None or self.high is None or not self.ratio or self.drift is not None:
            return None
        effect, half = abs(math.log(self.ratio)), math.log(self.high / self.low) / 2
        if self.apart or half >= effect * MAX_WIDENING:
            return None
        more = math.ceil(self.rounds[1] * ((half / effect) ** 2 - 1)) or 1
        return more if more <= MAX_MORE_ROUNDS else None

    @property
    def verdict(self) -> str:
        """Return the finding in a word or two."""
        if self.ratio is None:
            return "not measured in both"
        if self.low is None:
            return f"cannot tell: needs {ROUNDS_NEEDED} rounds in each run"
        if not self.apart:
            return "cannot tell"
        return "faster" if (self.ratio > 1) is METRICS[self.metric].more_is_better else "slower"

    def __str__(self) -> str:
        label, times = METRICS[self.metric].label, METRICS[self.metric].times
        about = {"of": self, "label": label, "times": times, "needed": ROUNDS_NEEDED}
        about["digits"] = _digits
        return paragraph("timing/comparison.jinja", **about)


def _digits(ratio: float) -> str:
    """Return a ratio with two digits, or with three where two would hide what is beyond 1."""
    return f"{ratio:.3g}" if ratio < 1.2 else f"{float(f'{ratio:.2g}'):,g}"


def describe_family(comparisons: Sequence[Comparison]) -> str:
    """Say for how many comparisons the intervals were widened; nothing for a single one."""
    made = max((item.comparisons for item in comparisons), default=0)
    return f"{made} comparisons: their intervals hold together at 95 %." if made > 1 else ""


def compare_rounds(
    model: str,
    metric: str,
    before: Values,
    after: Values,
    *,
    baseline: str | None = None,
    comparisons: int = 1,
    drift: float | None = None,
) -> Comparison:
    """Return after/before of one metric, paired by prompt, with an interval.

    The ratio is the geometric mean of those of the prompts; its variance is the jackknife over
    rounds. The interval needs 3 rounds on each side; `comparisons` correct it (Bonferroni).

    Without a `drift` both sides are models of one run: a round is left out of both, and the
    interval is Student's t over the rounds that both have. With one they are two sittings: each run
    has its jackknife (Welch and Satterthwaite), and as no round can show by how much sittings
    differ, a second half width allows for two that each vary by `drift` (normal, a share).
    """
    confidence = 1 - 0.05 / max(comparisons, 1)
    result = Comparison(
        model, metric, baseline, confidence=confidence, comparisons=comparisons, drift=drift
    )
    if drift is None:
        before, after = _pair_rounds(before, after)
    prompts = [p for p in before if len(before[p]) and len(after.get(p, ()))]
    if not prompts:
        return result
    old, new = _leave_out(before, prompts), _leave_out(after, prompts)
    rounds = old.without.shape[1], new.without.shape[1]
    difference = float(np.mean(new.means - old.means))
    if min(rounds) >= ROUNDS_NEEDED:
        half = _half_width(old, new, confidence, drift)
        result = replace(result, low=_exp(difference - half), high=_exp(difference + half))
    return replace(
        result,
        before=_exp(np.mean(old.means)),
        after=_exp(np.mean(new.means)),
        ratio=_exp(difference),
        prompts=len(prompts),
        rounds=rounds,
    )


def _pair_rounds(before: Values, after: Values) -> tuple[Values, Values]:
    """Keep the prompts and the rounds that both sides have, so that rounds pair up.

    Within a round each side may lack other prompts: a rate is not known of every answer, and those
    that both have in the same round would be few.
    """
    prompts = [p for p in before if len(before[p]) and len(after.get(p, ()))]
    sides = [{p: np.asarray(side[p], dtype=float) for p in prompts} for side in (before, after)]
    rounds = [{n for values in side.values() for n in values[:, 0]} for side in sides]
    if rounds[0] != rounds[1]:
        shared = list(rounds[0] & rounds[1])
        sides = [{p: v[np.isin(v[:, 0], shared)] for p, v in side.items()} for side in sides]
        return _pair_rounds(*sides)
    return sides[0], sides[1]


@dataclass(frozen=True)
class _LeftOut:
    """Hold the mean log of each prompt, and the same without each round.

    The shapes are (prompts,) and (prompts, rounds); nan where nothing is left.
    """

    means: np.ndarray
    without: np.ndarray


def _leave_out(values: Values, prompts: Sequence[str]) -> _LeftOut:
    answers = [np.asarray(values[p], dtype=float) for p in prompts]
    rounds = np.unique(np.concatenate(answers)[:, 0])
    total, counted = np.zeros((2, len(prompts), len(rounds)))
    for place, group in enumerate(answers):
        columns = np.searchsorted(rounds, group[:, 0])
        np.add.at(total[place], columns, np.log(group[:, 1]))
        np.add.at(counted[place], columns, 1)
    sums, counts = total.sum(axis=1), counted.sum(axis=1)
    left = counts[:, None] - counted
    without = np.full(total.shape, np.nan)
    np.divide(sums[:, None] - total, left, out=without, where=left > 0)
    return _LeftOut(sums / counts, without)


def _variance(differences: np.ndarray) -> float:
    """Return the jackknife variance of a mean over prompts, of shape (prompts, rounds left out)."""
    if np.isnan(differences).all(axis=0).any():
        return math.inf  # without one of the rounds nothing is left to compare
    estimates = np.nanmean(differences, axis=0)
    share = (len(estimates) - 1) / len(estimates)
    return float(share * np.sum((estimates - estimates.mean()) ** 2))


def _half_width(old: _LeftOut, new: _LeftOut, confidence: float, drift: float | None) -> float:
    """Return half the width of the interval of the log ratio."""
    from scipy import special  # a fifth of the time that scipy.stats takes to import

    if drift is None:
        variance = _variance(new.without - old.without)
        freedom: float = new.without.shape[1] - 1
    else:
        parts = [
            (_variance(of.without - other.means[:, None]), of.without.shape[1])
            for of, other in ((old, new), (new, old))
        ]
        variance = sum(part for part, _ in parts)
        spread = sum(part**2 / (rounds - 1) for part, rounds in parts)
        freedom = variance**2 / spread if variance > 0 else math.inf
    tail = (1 + confidence) / 2
    of_rounds = special.stdtrit(freedom, tail) * math.sqrt(variance)
    of_sittings = special.ndtri(tail) * math.sqrt(2) * (drift or 0)
    return float(math.hypot(of_rounds, of_sittings))


def _exp(log: float) -> float:
    """Exponentiate within what JSON can hold: three wild rounds give an interval without end."""
    return math.exp(min(max(float(log), -300.0), 300.0))
