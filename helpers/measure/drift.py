"""Tell whether a figure went up or down over the rounds of a run."""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..common.templates import paragraph
from ..timing.intervals import Estimate, medians_by
from ..timing.metrics import COMPARED, METRICS
from .record import Run

# With 5 rounds even a perfect order is too likely by chance once several figures are looked at.
DRIFT_NEEDS = 6
BLOCKS = 200  # Theil and Sen look at every pair


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
        return paragraph("measure/drift.jinja", of=self, name=name, needs=DRIFT_NEEDS)


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


def drifts(run: Run) -> list[Drift]:
    """Tell for each model and metric how it changed over the rounds, together at 95 %."""
    pairs = itertools.product(run.models, COMPARED)
    samples = {pair: sample for pair in pairs if len(sample := run.sample(*pair))}
    return [
        drift(*pair, rows["prompt_id"], rows["round"], rows[pair[1]], comparisons=len(samples))
        for pair, rows in samples.items()
    ]
