"""Turn samples into summaries, intervals and comparisons; a value's origin does not matter here."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

P95_NEEDS = 20
OUTLIER_CUTOFF = 3.5
SETTLE_WINDOW = 3  # values; the last ones are compared with as many before them
SETTLED_WITHIN = 0.10

Bounds = tuple[float, float] | tuple[None, None]


@dataclass(frozen=True)
class Estimate:
    """Hold a value and the interval that bounds it at `confidence`.

    `low` and `high` are None where `n` is too small for an interval.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    n: int = 0


@dataclass(frozen=True)
class Summary:
    """Hold the figures of a sample.

    `p95` is None below 20 values; `low` and `high` bound the median at 95 %.
    """

    n: int
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    low: float | None = None
    high: float | None = None


def summarize(values: ArrayLike, rounds: ArrayLike) -> Summary:
    """Return exact percentiles and an interval of the median; None in `values` is left out.

    Percentiles are numpy's, by linear interpolation: they are never outside the sample. `rounds`
    has the round of each value; with fewer than 3 rounds there is no interval.
    """
    import pandas as pd  # slow to import

    sample = np.asarray(values, dtype=float)  # None becomes nan
    present = ~np.isnan(sample)
    sample = sample[present]
    if not sample.size:
        return Summary(n=0)
    middle, observed = float(np.median(sample)), (float(sample.min()), float(sample.max()))
    # A machine's speed drifts over seconds, so values of one round resemble each other and do not
    # count as independent: it is Student's t over the medians of the rounds, around that of all.
    medians = pd.Series(sample).groupby(np.asarray(rounds)[present]).median()
    low, high = interval_of_mean(medians, around=middle, within=observed)
    return Summary(
        n=int(sample.size),
        mean=float(sample.mean()),
        p50=float(np.percentile(sample, 50)),
        p95=float(np.percentile(sample, 95)) if sample.size >= P95_NEEDS else None,
        low=low,
        high=high,
    )


def interval_of_mean(
    sample: ArrayLike,
    *,
    around: float | None = None,
    confidence: float = 0.95,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> Bounds:
    """Return Student's interval of a mean, cut to what is possible (`within`); it needs 3 values.

    `around` replaces the mean as its middle.
    """
    from scipy import special  # a fifth of the time that scipy.stats takes to import

    values = np.asarray(sample, dtype=float)
    if len(values) < 3:
        return None, None
    # Over 3 to 12 values a percentile bootstrap would be far too narrow.
    error = values.std(ddof=1) / np.sqrt(len(values))
    half = float(special.stdtrit(len(values) - 1, (1 + confidence) / 2) * error)
    middle = float(values.mean()) if around is None else around
    return max(middle - half, within[0]), min(middle + half, within[1])


def interval_of_p95(values: ArrayLike) -> tuple[float | None, float | None]:
    """Return the 95 % interval of the 95th percentile, between two of the values.

    It holds for any distribution of independent values. A bound is None where there are too few of
    them: the upper one takes 72.
    """
    from scipy import special

    ordered = np.sort(np.asarray(values, dtype=float))
    n = len(ordered)
    # At place k (from 0): the chance that the value there lies above the percentile, because at
    # most k values lie below it. The rest is the chance that it lies below.
    at_most = special.bdtr(np.arange(n, dtype=float), n, 0.95)
    lows, highs = ordered[at_most <= 0.025], ordered[1 - at_most <= 0.025]
    return (float(lows[-1]) if lows.size else None), (float(highs[0]) if highs.size else None)


def outliers(values: ArrayLike) -> list[bool]:
    """Mark the values more than 3.5 scaled median absolute deviations from the median.

    The rule is that of Iglewicz and Hoaglin (1993). Outliers are marked and kept. A sample without
    spread has none.
    """
    sample = np.asarray(values, dtype=float)
    deviation = np.abs(sample - np.median(sample))
    spread = np.median(deviation) / 0.6745
    return (deviation > OUTLIER_CUTOFF * spread).tolist() if spread > 0 else [False] * len(sample)


def is_settled(values: Sequence[float]) -> bool:
    """Return whether the medians of the last three values and the three before are within 10 %."""
    if len(values) < 2 * SETTLE_WINDOW:
        return False
    before = np.median(values[-2 * SETTLE_WINDOW : -SETTLE_WINDOW])
    last = np.median(values[-SETTLE_WINDOW:])
    return bool(abs(last / before - 1) <= SETTLED_WITHIN)
