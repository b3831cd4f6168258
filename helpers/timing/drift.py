"""Judge whether figures hold still: warm-up, interval widths, drift over a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..common.templates import paragraph
from .intervals import Estimate, medians_by, summarize
from .metrics import METRICS

SETTLE_WINDOW = 3  # answers; the last ones are compared with as many before them
SETTLED_WITHIN = 0.10
# With 5 rounds even a perfect order is too likely by chance once several figures are looked at.
DRIFT_NEEDS = 6
BLOCKS = 200  # Theil and Sen look at every pair


def is_settled(latencies_s: Sequence[float]) -> bool:
    """Return whether the medians of the last three answers and the three before are within 10 %."""
    if len(latencies_s) < 2 * SETTLE_WINDOW:
        return False
    before = np.median(latencies_s[-2 * SETTLE_WINDOW : -SETTLE_WINDOW])
    last = np.median(latencies_s[-SETTLE_WINDOW:])
    return bool(abs(last / before - 1) <= SETTLED_WITHIN)


def relative_width(values: ArrayLike, rounds: ArrayLike) -> float | None:
    """Return half the width of the median's 95 % interval over the median; None below 3 rounds."""
    summary = summarize(values, rounds)
    if summary.low is None or summary.high is None or not summary.p50:
        return None
    return (summary.high - summary.low) / 2 / summary.p50


@dataclass(frozen=True, kw_only=True)
class Drift(Estimate):
    """Say by what share one figure of one model changed over its `n` rounds: 0.1 is 10 % up."""

    model: str
    metric: str

    @property
    def found(self) -> bool:
        """Return whether the interval leaves out 0."""
        return self.excludes(0)

    def __str__(self) -> str:
        name = f"{METRICS[self.metric].label} of {self.model}"
        return paragraph("timing/drift.jinja", of=self, name=name, needs=DRIFT_NEEDS)


def drift(
    model: str,
    metric: str,
    prompts: ArrayLike,
    rounds: ArrayLike,
    values: ArrayLike,
    *,
    comparisons: int = 1,
) -> Drift:
    """Look for a trend over the rounds of a run.

    Each value counts as the logarithm of its ratio to its prompt's median, each round as the median
    of its values (above 200 rounds neighbors are taken together). The slope is that of Theil and
    Sen, with Sen's interval, widened by Bonferroni's correction.
    """
    confidence = 1 - 0.05 / max(comparisons, 1)
    numbers, order = np.unique(rounds, return_inverse=True)
    n = len(numbers)
    if n < DRIFT_NEEDS:
        return Drift(model=model, metric=metric, n=n, confidence=confidence)
    from scipy import stats  # slow to import; most commands never look

    _, place = np.unique(np.asarray(prompts, dtype=str), return_inverse=True)
    logs = np.log(np.asarray(values, dtype=float))
    of_rounds = medians_by(order * min(n, BLOCKS) // n, logs - medians_by(place, logs)[place])
    slope, _, low, high = stats.theilslopes(of_rounds, alpha=confidence)
    change, low, high = (float(np.expm1(x * (len(of_rounds) - 1))) for x in (slope, low, high))
    return Drift(change, low, high, confidence, n, model=model, metric=metric)
