"""Turn samples into summaries, intervals and comparisons. Nothing here knows where a value came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .metrics import METRICS

P95_NEEDS = 20
OUTLIER_CUTOFF = 3.5
RESAMPLES = 4000
MANY = 1000  # values, from which resampling gives nothing that a formula does not give at once
STRETCHES = 20


@dataclass(frozen=True)
class Estimate:
    """A value with its interval: `low` and `high` bound it at `confidence` and are None where `n` is too small for one."""

    value: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95
    n: int = 0

    def excludes(self, value: float) -> bool:
        """Tell whether the interval leaves `value` out, so that the data tells them apart."""
        return self.low is not None and self.high is not None and not self.low <= value <= self.high


@dataclass(frozen=True)
class Summary:
    """A sample in figures; `p95` is None below 20 values, `low` and `high` bound the median at 95 %."""

    n: int
    mean: float | None = None
    p50: float | None = None
    p95: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    low: float | None = None
    high: float | None = None


def summarize(values: Sequence[float | None], rounds: Sequence[int] | None = None) -> Summary:
    """Exact percentiles (numpy, linear interpolation: never outside the sample) and an interval of the median.

    `rounds` names the round of each value; see `interval_of_median`.
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
    sample: Sequence[float], rounds: Sequence[int] | None = None, confidence: float = 0.95
) -> tuple[float | None, float | None]:
    """Interval of the median, within the observed range.

    A machine's speed drifts over seconds, so values of one round resemble each other and do not count as independent:
    with `rounds` it is Student's t over the medians of the rounds, around the median of all, and needs 3 rounds.
    Without them it is a percentile bootstrap and needs 3 values; above 1,000 values it is the interval between order statistics,
    which the bootstrap of a median tends to. (None, None) where there are fewer.
    """
    sample = np.asarray(sample, dtype=float)
    if rounds is None and len(sample) > MANY:
        return _order_statistics(sample, confidence)
    if rounds is None:
        return _bootstrap(sample, np.median, confidence) if len(sample) >= 3 else (None, None)
    of_rounds = medians_by(rounds, sample)
    if len(of_rounds) < 3:
        return None, None
    half, middle = _half_width(of_rounds, confidence), float(np.median(sample))
    return max(middle - half, float(sample.min())), min(middle + half, float(sample.max()))


def medians_by(keys: Sequence[int], values: Sequence[float]) -> np.ndarray:
    """The median of the values of each key, by rising key. Sorting once keeps a hundred thousand rounds cheap."""
    keys, values = np.asarray(keys), np.asarray(values, dtype=float)
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    starts = (
        np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]]) if len(keys) else np.zeros(0, dtype=int)
    )
    counts = np.diff(np.r_[starts, len(keys)])
    return (values[starts + (counts - 1) // 2] + values[starts + counts // 2]) / 2


def interval_of_mean(
    sample: Sequence[float],
    *,
    confidence: float = 0.95,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[float | None, float | None]:
    """Student's interval of a mean, cut to what is possible (`within`); (None, None) below 3 values."""
    if len(sample) < 3:
        return None, None
    middle, half = float(np.mean(sample)), _half_width(sample, confidence)
    return max(middle - half, within[0]), min(middle + half, within[1])


@dataclass(frozen=True)
class Comparison:
    """How one model's figure relates to another's: `ratio` is (this / baseline), paired by prompt."""

    metric: str
    model: str
    baseline: str
    n: int
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    confidence: float = 0.95

    @property
    def apart(self) -> bool:
        """Whether the interval leaves out 1, so that the data tells the two apart."""
        return self.low is not None and self.high is not None and not self.low <= 1 <= self.high

    def __str__(self) -> str:
        metric = METRICS[self.metric]
        if self.n == 0:
            return f"{metric.label}: not measured for both {self.model} and {self.baseline}, so not compared."
        if not self.apart:
            return f"{metric.label}: cannot tell {self.model} and {self.baseline} apart with n = {self.n}."
        ratio, low, high = self.ratio, self.low, self.high
        if ratio < 1:
            ratio, low, high = 1 / ratio, 1 / high, 1 / low
        return (
            f"{metric.label}: {self.model} is {ratio:.3g}x {metric.more if self.ratio > 1 else metric.less} {self.baseline} "
            f"({self.confidence * 100:.4g} % interval {low:.3g} to {high:.3g}, n = {self.n})."
        )


def compare_paired(
    metric: str,
    model: str,
    baseline: str,
    ours: Mapping[str, Sequence[float]],
    theirs: Mapping[str, Sequence[float]],
    *,
    comparisons: int = 1,
) -> Comparison:
    """Ratio of two models' figures with an interval, paired by prompt.

    `ours` and `theirs` map prompt id to that prompt's values (rounds). Each prompt gives one log ratio of medians; their
    mean is the log of the ratio, and its interval is Student's t over prompts (below 5 shared prompts: a bootstrap over
    rounds within each prompt, which needs 3 of them, and above 1,000 rounds Student's t over 20 stretches of the run). With several `comparisons` side by side the interval is
    widened by Bonferroni's correction, so that all of them hold together at 95 %.
    """
    shared = [p for p in ours if len(ours[p]) and len(theirs.get(p, ()))]
    n = sum(min(len(ours[p]), len(theirs[p])) for p in shared)
    confidence = 1 - 0.05 / max(comparisons, 1)
    if not shared:
        return Comparison(metric, model, baseline, n=0, confidence=confidence)
    logs = np.array([np.log(np.median(ours[p]) / np.median(theirs[p])) for p in shared])
    if len(shared) >= 5:
        half = _half_width(logs, confidence)
        low, high = float(logs.mean()) - half, float(logs.mean()) + half
    elif (fewest := min(min(len(ours[p]), len(theirs[p])) for p in shared)) >= 3:
        over_rounds = _resampled_rounds if fewest <= MANY else _over_stretches
        low, high = over_rounds([(ours[p], theirs[p]) for p in shared], confidence)
    else:
        low = high = None
    bounds = (None, None) if low is None else (float(np.exp(low)), float(np.exp(high)))
    return Comparison(
        metric, model, baseline, n, float(np.exp(logs.mean())), *bounds, confidence=confidence
    )


def outliers(values: Sequence[float]) -> list[bool]:
    """Which values lie more than 3.5 scaled median absolute deviations from the median (Iglewicz and Hoaglin, 1993).

    Outliers are marked and kept. A sample without spread has none.
    """
    sample = np.asarray(values, dtype=float)
    deviation = np.abs(sample - np.median(sample))
    spread = np.median(deviation) / 0.6745
    return (deviation > OUTLIER_CUTOFF * spread).tolist() if spread > 0 else [False] * len(sample)


def _bootstrap(sample: np.ndarray, statistic, confidence: float) -> tuple[float, float]:
    if np.ptp(sample) == 0:
        return float(sample[0]), float(sample[0])
    from scipy import stats  # slow to import; most commands never compare

    result = stats.bootstrap(
        (sample,),
        statistic,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def _order_statistics(sample: np.ndarray, confidence: float) -> tuple[float, float]:
    """The two values of a large sample between which its median lies, by the normal form of the binomial distribution."""
    from scipy import stats

    ordered, half = np.sort(sample), stats.norm.ppf((1 + confidence) / 2) * np.sqrt(len(sample)) / 2
    places = np.floor(len(sample) / 2 - half), np.ceil(len(sample) / 2 + half)
    low, high = (int(np.clip(place, 0, len(sample) - 1)) for place in places)
    return float(ordered[low]), float(ordered[high])


def _over_stretches(
    pairs: list[tuple[Sequence[float], Sequence[float]]], confidence: float
) -> tuple[float, float]:
    """Student's t over the log ratios of 20 stretches of the run, around the ratio of the whole: values in order of their rounds."""

    def logs(values: Sequence[float]) -> np.ndarray:
        return np.log(
            [
                np.median(stretch)
                for stretch in np.array_split(np.asarray(values, dtype=float), STRETCHES)
            ]
        )

    half = _half_width(np.mean([logs(a) - logs(b) for a, b in pairs], axis=0), confidence)
    middle = float(np.mean([np.log(np.median(a) / np.median(b)) for a, b in pairs]))
    return middle - half, middle + half


def _half_width(sample: Sequence[float], confidence: float) -> float:
    """Half the width of Student's interval of a mean. Over 3 to 12 values a percentile bootstrap would be far too narrow."""
    from scipy import stats

    return float(
        stats.t.ppf((1 + confidence) / 2, len(sample) - 1)
        * np.std(sample, ddof=1)
        / np.sqrt(len(sample))
    )


def _resampled_rounds(
    pairs: list[tuple[Sequence[float], Sequence[float]]], confidence: float
) -> tuple[float, float]:
    rng = np.random.default_rng(0)

    def medians(values: Sequence[float]) -> np.ndarray:
        return np.median(
            rng.choice(np.asarray(values, dtype=float), size=(RESAMPLES, len(values))), axis=1
        )

    means = np.mean([np.log(medians(a) / medians(b)) for a, b in pairs], axis=0)
    tail = (1 - confidence) / 2
    return float(np.quantile(means, tail)), float(np.quantile(means, 1 - tail))
