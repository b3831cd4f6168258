"""Turn samples into summaries, intervals and comparisons; a value's origin does not matter here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from .metrics import METRICS

P95_NEEDS = 20
OUTLIER_CUTOFF = 3.5
RESAMPLES = 4000
MANY = 1000  # with more values, a formula gives at once what resampling would
STRETCHES = 20

Values = Sequence[float] | np.ndarray
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

    def excludes(self, value: float) -> bool:
        """Return whether the interval leaves `value` out, so that the data tells them apart."""
        return self.low is not None and self.high is not None and not self.low <= value <= self.high


@dataclass(frozen=True)
class Summary:
    """Hold the figures of a sample.

    `p95` is None below 20 values; `low` and `high` bound the median at 95 %.
    """

    n: int
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    low: float | None = None
    high: float | None = None


def summarize(values: ArrayLike, rounds: ArrayLike | None = None) -> Summary:
    """Return exact percentiles and an interval of the median; None in `values` is left out.

    Percentiles are numpy's, by linear interpolation: they are never outside the sample. `rounds`
    has the round of each value; see `interval_of_median`.
    """
    sample = np.asarray(values, dtype=float)  # None becomes nan
    present = ~np.isnan(sample)
    sample = sample[present]
    if not sample.size:
        return Summary(n=0)
    low, high = interval_of_median(sample, None if rounds is None else np.asarray(rounds)[present])
    return Summary(
        n=int(sample.size),
        mean=float(sample.mean()),
        p50=float(np.percentile(sample, 50)),
        p95=float(np.percentile(sample, 95)) if sample.size >= P95_NEEDS else None,
        minimum=float(sample.min()),
        maximum=float(sample.max()),
        low=low,
        high=high,
    )


def interval_of_median(
    values: ArrayLike, rounds: ArrayLike | None = None, confidence: float = 0.95
) -> Bounds:
    """Return an interval of the median, within the observed range; (None, None) where n is small.

    A machine's speed drifts over seconds, so values of one round resemble each other and do not
    count as independent: with `rounds` it is Student's t over the medians of the rounds, around the
    median of all, and needs 3 rounds. Without them it lies between two values of the sample, by the
    binomial distribution (scipy.stats.quantile_test); at 95 % it needs 6 values.
    """
    sample = np.asarray(values, dtype=float)
    if rounds is None:
        from scipy import stats  # slow to import; most commands never compare

        interval = stats.quantile_test(sample, p=0.5).confidence_interval(confidence)
        known = np.isfinite(interval).all()
        return (float(interval.low), float(interval.high)) if known else (None, None)
    of_rounds = medians_by(rounds, sample)
    if len(of_rounds) < 3:
        return None, None
    half, middle = _half_width(of_rounds, confidence), float(np.median(sample))
    return max(middle - half, float(sample.min())), min(middle + half, float(sample.max()))


def medians_by(keys: ArrayLike, values: ArrayLike) -> np.ndarray:
    """Return the median of the values of each key, by rising key.

    Sorting once keeps a hundred thousand rounds cheap.
    """
    labels, sample = np.asarray(keys), np.asarray(values, dtype=float)
    order = np.lexsort((sample, labels))
    sample = sample[order]
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    return (sample[starts + (counts - 1) // 2] + sample[starts + counts // 2]) / 2


def interval_of_mean(
    sample: Values, *, confidence: float = 0.95, within: tuple[float, float] = (-np.inf, np.inf)
) -> Bounds:
    """Return Student's interval of a mean, cut to what is possible (`within`); it needs 3 values."""
    if len(sample) < 3:
        return None, None
    middle, half = float(np.mean(sample)), _half_width(sample, confidence)
    return max(middle - half, within[0]), min(middle + half, within[1])


@dataclass(frozen=True, kw_only=True)
class Comparison(Estimate):
    """Relate one model's figure to another's: the value is (this / baseline), paired by prompt."""

    metric: str
    model: str
    baseline: str

    @property
    def ratio(self) -> float | None:
        """Return this model's figure over the baseline's."""
        return self.value

    @property
    def apart(self) -> bool:
        """Return whether the interval leaves out 1, so that the data tells the two apart."""
        return self.excludes(1)

    def __str__(self) -> str:
        metric, models = METRICS[self.metric], f"{self.model} and {self.baseline}"
        if self.n == 0:
            return f"{metric.label}: not measured for both {models}, so not compared."
        if not self.apart:
            return f"{metric.label}: cannot tell {models} apart with n = {self.n}."
        ratio, low, high, words = self.value, self.low, self.high, metric.more
        assert ratio is not None and low is not None and high is not None
        if ratio < 1:
            ratio, low, high, words = 1 / ratio, 1 / high, 1 / low, metric.less
        return (
            f"{metric.label}: {self.model} is {ratio:.3g}x {words} {self.baseline} "
            f"({self.confidence * 100:.4g} % interval {low:.3g} to {high:.3g}, n = {self.n})."
        )


def compare_paired(
    metric: str,
    model: str,
    baseline: str,
    ours: Mapping[str, Values],
    theirs: Mapping[str, Values],
    *,
    comparisons: int = 1,
) -> Comparison:
    """Return the ratio of two models' figures with an interval, paired by prompt.

    `ours` and `theirs` map a prompt's id to its values (rounds). Each prompt gives one log ratio of
    medians; their mean is the log of the ratio. Its interval is Student's t over prompts. Below 5
    shared prompts it comes from the rounds within each prompt and needs 3 of them: a bootstrap, or
    above 1,000 rounds Student's t over 20 stretches of the run. With several `comparisons` side by
    side Bonferroni's correction widens the interval, so that all of them hold together at 95 %.
    """
    pairs = [
        (np.asarray(ours[p], dtype=float), np.asarray(theirs[p], dtype=float))
        for p in ours
        if len(ours[p]) and len(theirs.get(p, ()))
    ]
    rounds = [min(len(a), len(b)) for a, b in pairs]
    result = Comparison(
        metric=metric,
        model=model,
        baseline=baseline,
        n=sum(rounds),
        confidence=1 - 0.05 / max(comparisons, 1),
    )
    if not pairs:
        return result
    logs = np.array([np.log(np.median(a) / np.median(b)) for a, b in pairs])
    middle = float(logs.mean())
    if len(pairs) >= 5:
        half = _half_width(logs, result.confidence)
        low, high = middle - half, middle + half
    elif min(rounds) > MANY:
        half = _half_width(_stretches(pairs), result.confidence)
        low, high = middle - half, middle + half
    elif min(rounds) >= 3:
        low, high = _resampled_rounds(pairs, result.confidence)
    else:
        return replace(result, value=float(np.exp(middle)))
    middle, low, high = (float(np.exp(log)) for log in (middle, low, high))
    return replace(result, value=middle, low=low, high=high)


def outliers(values: ArrayLike) -> list[bool]:
    """Mark the values more than 3.5 scaled median absolute deviations from the median.

    The rule is that of Iglewicz and Hoaglin (1993). Outliers are marked and kept. A sample without
    spread has none.
    """
    sample = np.asarray(values, dtype=float)
    deviation = np.abs(sample - np.median(sample))
    spread = np.median(deviation) / 0.6745
    return (deviation > OUTLIER_CUTOFF * spread).tolist() if spread > 0 else [False] * len(sample)


def _half_width(sample: Values, confidence: float) -> float:
    """Return half the width of Student's interval of a mean.

    Over 3 to 12 values a percentile bootstrap would be far too narrow.
    """
    from scipy import stats

    return float(stats.t.ppf((1 + confidence) / 2, len(sample) - 1) * stats.sem(sample))


def _stretches(pairs: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Return the mean log ratio in each of 20 stretches of the run; values are in order of rounds."""

    def medians(values: np.ndarray) -> np.ndarray:
        return np.array([np.median(stretch) for stretch in np.array_split(values, STRETCHES)])

    return np.mean([np.log(medians(a) / medians(b)) for a, b in pairs], axis=0)


def _resampled_rounds(
    pairs: list[tuple[np.ndarray, np.ndarray]], confidence: float
) -> tuple[float, float]:
    rng = np.random.default_rng(0)

    def medians(values: np.ndarray) -> np.ndarray:
        return np.median(rng.choice(values, size=(RESAMPLES, len(values))), axis=1)

    means = np.mean([np.log(medians(a) / medians(b)) for a, b in pairs], axis=0)
    tail = (1 - confidence) / 2
    return float(np.quantile(means, tail)), float(np.quantile(means, 1 - tail))
