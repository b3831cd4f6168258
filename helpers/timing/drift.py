"""Whether figures hold still: warm-up that settles, intervals that are narrow enough, drift over a run, repeats from a cache.

Pure numbers, like `timing`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from . import intervals, metrics

SETTLE_WINDOW = 3  # answers; the last ones are compared with as many before them
SETTLED_WITHIN = 0.10
DRIFT_NEEDS = 6  # rounds: with 5, even a perfect order is too likely by chance once several figures are looked at
BLOCKS = 200  # Theil and Sen look at every pair
PROMPTS_NEEDED = 5
CACHED_FROM = 1.10  # a first use this much slower than repeats is worth a sentence


def is_settled(latencies_s: Sequence[float]) -> bool:
    """Whether warm-up has done its work: the median of the last three answers is within 10 % of the three before."""
    if len(latencies_s) < 2 * SETTLE_WINDOW:
        return False
    before, last = (
        np.median(latencies_s[-2 * SETTLE_WINDOW : -SETTLE_WINDOW]),
        np.median(latencies_s[-SETTLE_WINDOW:]),
    )
    return bool(abs(last / before - 1) <= SETTLED_WITHIN)


def relative_width(values: Sequence[float], rounds: Sequence[int]) -> float | None:
    """Half the width of the 95 % interval of the median as a share of the median; None below 3 rounds."""
    found = intervals.summarize(values, rounds)
    return None if found.low is None or not found.p50 else (found.high - found.low) / 2 / found.p50


@dataclass(frozen=True)
class Drift:
    """How much one figure of one model changed from the first round to the last: `change` is a share, 0.1 is 10 % up."""

    model: str
    metric: str
    rounds: int
    change: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95

    @property
    def found(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low is not None and not self.low <= 0 <= self.high

    def __str__(self) -> str:
        name = metrics.METRICS[self.metric].label
        if self.change is None:
            return f"{name} of {self.model}: {self.rounds} rounds are too few to look for drift, it needs {DRIFT_NEEDS}."
        if not self.found:
            return f"{name} of {self.model}: no drift found over {self.rounds} rounds."
        size, low, high = (100 * abs(value) for value in (self.change, self.low, self.high))
        return (
            f"{name} of {self.model} {'rose' if self.change > 0 else 'fell'} by {size:.3g} % from the first round to the last "
            f"({100 * self.confidence:.4g} % interval {min(low, high):.3g} to {max(low, high):.3g} %, {self.rounds} rounds)."
        )


def drift(
    model: str,
    metric: str,
    prompts: Sequence[str],
    rounds: Sequence[int],
    values: Sequence[float],
    *,
    comparisons: int = 1,
) -> Drift:
    """Look for a trend over the rounds of a run.

    Each value counts as the logarithm of its ratio to its prompt's median, each round as the median of its values. The slope is
    that of Theil and Sen, with Sen's interval (scipy.stats.theilslopes), widened by Bonferroni's correction. Above 200 rounds
    neighbouring ones are taken together.
    """
    confidence = 1 - 0.05 / max(comparisons, 1)
    numbers = len(np.unique(rounds))
    if numbers < DRIFT_NEEDS:
        return Drift(model, metric, numbers, confidence=confidence)
    from scipy import stats  # slow to import; most commands never look

    _, place = np.unique(np.asarray(prompts, dtype=str), return_inverse=True)
    logs = np.log(np.asarray(values, dtype=float))
    _, order = np.unique(rounds, return_inverse=True)
    blocks = order * min(numbers, BLOCKS) // numbers
    of_rounds = intervals.medians_by(blocks, logs - intervals.medians_by(place, logs)[place])
    slope, _, low, high = stats.theilslopes(of_rounds, alpha=confidence)
    change, low, high = (float(np.expm1(x * (len(of_rounds) - 1))) for x in (slope, low, high))
    return Drift(model, metric, numbers, change, low, high, confidence)


@dataclass(frozen=True)
class FirstUse:
    """TTFT of the first use of a prompt over that of its repeats: `ratio` is a geometric mean over prompts."""

    model: str
    prompts: int
    first_s: float | None = None
    repeat_s: float | None = None
    ratio: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def cached(self) -> bool:
        """Whether repeats are certainly quicker by a tenth or more, as they are from a cache of prompt prefixes."""
        return self.low is not None and self.low > CACHED_FROM

    def __str__(self) -> str:
        return (
            f"{self.model}: the first use of a prompt has a TTFT {self.ratio:.3g}x that of its repeats (95 % interval {self.low:.3g} to {self.high:.3g}, "
            f"{self.prompts} prompts; medians {1000 * self.first_s:.3g} and {1000 * self.repeat_s:.3g} ms): repeats probably come from a prompt cache, "
            "and the median of all stands for repeats."
        )


def first_use(
    model: str,
    prompts: Sequence[str],
    rounds: Sequence[int],
    ttft_s: Sequence[float],
    *,
    warmed: Sequence[str] = (),
) -> FirstUse:
    """Compare round 1 with rounds 2 and 3 (later ones would add drift), prompt by prompt; prompts of the warm-up are left out.

    The interval is Student's t over the logarithms, and needs 5 prompts.
    """
    prompts, rounds, ttft_s = (
        np.asarray(prompts, dtype=str),
        np.asarray(rounds),
        np.asarray(ttft_s, dtype=float),
    )
    pairs = []
    for prompt in np.unique(prompts):
        first, repeats = (
            ttft_s[(prompts == prompt) & wanted]
            for wanted in (rounds == 1, (rounds == 2) | (rounds == 3))
        )
        if prompt not in warmed and len(first) and len(repeats):
            pairs.append((np.median(first), np.median(repeats)))
    if len(pairs) < PROMPTS_NEEDED:
        return FirstUse(model, len(pairs))
    firsts, repeats = np.array(pairs).T
    logs = np.log(firsts / repeats)
    low, high = intervals.interval_of_mean(logs)
    ratio, low, high = (float(np.exp(x)) for x in (logs.mean(), low, high))
    return FirstUse(
        model, len(pairs), float(np.median(firsts)), float(np.median(repeats)), ratio, low, high
    )
