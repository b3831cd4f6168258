"""Estimates, summaries of samples, and verdicts on two models."""

import numpy as np
import pytest
from scipy import stats

from helpers.timing.intervals import (
    Comparison,
    Estimate,
    compare_paired,
    interval_of_mean,
    interval_of_median,
    medians_by,
    outliers,
    summarize,
)

# Estimates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "excluded"),
    [(1.1, 2.0, True), (0.5, 0.9, True), (0.9, 1.1, False), (1.0, 2.0, False), (0.5, 1.0, False)],
)
def test_an_estimate_excludes_what_lies_outside_its_interval(low, high, excluded):
    assert Estimate(1.5, low, high, n=9).excludes(1.0) is excluded


@pytest.mark.parametrize(("low", "high"), [(None, None), (None, 0.5), (2.0, None)])
def test_an_estimate_without_an_interval_excludes_nothing(low, high):
    assert not Estimate(9.0, low, high).excludes(1.0)


def test_verdicts_are_estimates():
    found = verdict(2.0, 1.6, 2.5)
    assert isinstance(found, Estimate)
    assert (found.value, found.ratio, found.confidence, found.n) == (2.0, 2.0, 0.95, 12)


def test_the_interval_of_a_mean_is_students_and_stays_within_what_is_possible():
    sample = [0.9, 1.0, 0.8, 1.0]
    low, high = interval_of_mean(sample, within=(0, 1))
    expected = stats.t.interval(0.95, 3, loc=np.mean(sample), scale=stats.sem(sample))
    assert (low, high) == (pytest.approx(expected[0]), 1)
    assert interval_of_mean(sample[:2]) == (None, None)


def test_medians_by_key_come_by_rising_key():
    assert list(medians_by([2, 1, 2, 1, 1, 3], [4.0, 1.0, 8.0, 3.0, 9.0, 5.0])) == [3.0, 6.0, 5.0]
    assert len(medians_by([], [])) == 0


# Summaries ---------------------------------------------------------------------------------------------------------


def test_exact_values_against_numpy():
    sample = np.random.default_rng(1).lognormal(size=137)
    found = summarize(sample)
    assert found.n == 137
    assert found.mean == float(np.mean(sample))
    assert found.p50 == float(np.median(sample))
    assert found.p95 == float(np.percentile(sample, 95))
    assert (found.minimum, found.maximum) == (float(sample.min()), float(sample.max()))


def test_by_hand():
    found = summarize([4.0, 1.0, 10.0, 3.0])
    assert (found.n, found.mean, found.p50, found.minimum, found.maximum) == (
        4,
        4.5,
        3.5,
        1.0,
        10.0,
    )
    assert summarize(range(1, 22)).p95 == 20.0


def test_p95_from_twenty_values_on():
    assert summarize(range(19)).p95 is None
    assert summarize(range(20)).p95 == pytest.approx(18.05)


def test_no_figure_is_outside_the_sample():
    """The seed script's p95 of three samples was 220.7 s where the slowest had taken 191.8 s."""
    random = np.random.default_rng(2)
    for n in [1, 2, 3, 5, 19, 20, 21, 60]:
        found = summarize(random.lognormal(sigma=2, size=n))
        present = [
            v for v in (found.mean, found.p50, found.p95, found.low, found.high) if v is not None
        ]
        assert len(present) == 2 + (n >= 20) + 2 * (n >= 6)
        assert all(found.minimum <= v <= found.maximum for v in present)


def test_missing_values_are_left_out_and_nothing_gives_nothing():
    assert summarize([None, 2.0, None, 4.0]).mean == 3.0
    assert summarize([None, 2.0]).n == 1
    assert summarize([]) == summarize([None])
    assert (summarize([]).n, summarize([]).p50, summarize([]).low) == (0, None, None)


def test_interval_of_the_median_needs_six_values_or_three_rounds():
    """Five values lie all on one side of the median in 1 of 16 samples, six in 1 of 32."""
    assert interval_of_median(np.arange(1.0, 6.0)) == (None, None)
    assert interval_of_median(np.arange(1.0, 7.0)) == (1.0, 6.0)
    assert interval_of_median([1.0, 2.0], rounds=[1, 2]) == (None, None)
    low, high = interval_of_median([1.0, 2.0, 4.0], rounds=[1, 2, 3])
    assert 1.0 <= low <= 2.0 <= high <= 4.0


def test_interval_of_the_median_without_spread():
    assert interval_of_median(np.full(6, 2.5)) == (2.5, 2.5)


@pytest.mark.parametrize(("n", "at_least"), [(8, 0.88), (20, 0.90), (60, 0.90)])
def test_interval_covers_the_true_median(n, at_least):
    """200 seeded samples from a distribution whose median is 1; about 95 % of the intervals must contain it."""
    random = np.random.default_rng(3)
    intervals = [interval_of_median(random.lognormal(sigma=0.5, size=n)) for _ in range(200)]
    assert np.mean([low <= 1 <= high for low, high in intervals]) >= at_least


def test_more_values_narrow_the_interval():
    random = np.random.default_rng(4)
    widths = [
        np.ptp(interval_of_median(random.lognormal(sigma=0.5, size=n))) for n in (10, 100, 1000)
    ]
    assert widths[0] > widths[1] > widths[2] > 0


# Comparisons -------------------------------------------------------------------------------------------------------


def measured(
    random, prompts: int, rounds: int, factor: float = 1.0, noise: float = 0.1, levels=None
) -> dict[str, list[float]]:
    """Latencies by prompt: prompts differ a lot, rounds of one a little."""
    levels = np.linspace(1, 5, prompts) if levels is None else levels
    return {
        f"p{i}": list(factor * level * random.lognormal(sigma=noise, size=rounds))
        for i, level in enumerate(levels)
    }


def compared(ours, theirs, comparisons: int = 1) -> Comparison:
    return compare_paired("latency_s", "new", "old", ours, theirs, comparisons=comparisons)


@pytest.mark.parametrize(("prompts", "rounds"), [(1, 7), (2, 7), (4, 7), (5, 3), (12, 3)])
def test_a_true_factor_of_two_is_told(prompts, rounds):
    random = np.random.default_rng(5)
    found = compared(measured(random, prompts, rounds, 2.0), measured(random, prompts, rounds))
    assert found.apart
    assert found.low <= found.ratio <= found.high
    assert 1.0 < found.low < 2.0 < found.high < 4.0
    assert found.n == prompts * rounds


def test_ratio_by_hand_is_the_geometric_mean_over_prompts():
    """Medians 2/1, 2/1 and 16/1: the ratio is 4, whatever the number of rounds of each prompt."""
    found = compared(
        {"a": [2.0, 1.0, 90.0], "b": [2.0], "c": [16.0, 16.0]},
        {"a": [1.0, 0.5, 70.0], "b": [1.0], "c": [1.0]},
    )
    assert found.ratio == pytest.approx(4.0)
    assert found.n == 5  # pairs: three, one, and one of the two


def test_pairing_by_prompt_beats_the_difference_between_prompts():
    """Prompts differ a hundredfold, the models by 20 %; unpaired, that would drown."""
    random = np.random.default_rng(6)
    levels = np.geomspace(0.1, 10, 8)
    found = compared(
        measured(random, 8, 3, 1.2, 0.02, levels), measured(random, 8, 3, 1.0, 0.02, levels)
    )
    assert found.apart
    assert found.ratio == pytest.approx(1.2, rel=0.05)


def test_equal_models_cannot_be_told_apart():
    random = np.random.default_rng(7)
    found = compared(measured(random, 8, 3), measured(random, 8, 3))
    assert not found.apart
    assert str(found) == "Latency: cannot tell new and old apart with n = 24."


def test_the_same_figures_cannot_be_told_apart():
    same = measured(np.random.default_rng(8), 6, 3)
    found = compared(same, same)
    assert (found.ratio, found.apart) == (pytest.approx(1.0), False)


def test_more_comparisons_widen_the_interval():
    random = np.random.default_rng(9)
    for prompts in (3, 10):
        ours, theirs = measured(random, prompts, 7), measured(random, prompts, 7)
        one, six = compared(ours, theirs), compared(ours, theirs, comparisons=6)
        assert six.low < one.low < one.high < six.high
        assert six.ratio == one.ratio
        assert six.confidence == pytest.approx(1 - 0.05 / 6)


def test_few_prompts_take_their_interval_from_the_rounds():
    """Two prompts with ratios 1 and 4: their rounds agree well, so the interval is narrow, although the prompts differ."""
    steady = [0.99, 1.0, 1.01, 1.0, 1.0, 0.99, 1.01]
    found = compared({"a": steady, "b": [4 * v for v in steady]}, {"a": steady, "b": steady})
    assert found.ratio == pytest.approx(2.0)
    assert 1.9 < found.low <= 2.0 <= found.high < 2.1


@pytest.mark.parametrize("values", [1, 2])
def test_too_few_values_give_a_ratio_and_no_verdict(values):
    found = compared({"a": [2.0] * values}, {"a": [1.0] * values})
    assert (found.ratio, found.low, found.high, found.apart) == (2.0, None, None, False)
    assert str(found) == f"Latency: cannot tell new and old apart with n = {values}."


@pytest.mark.parametrize("rounds", [1, 2])
def test_few_prompts_with_few_rounds_give_no_verdict(rounds):
    """One value a prompt has no spread to resample, and two have too little: that must not pass for certainty."""
    random = np.random.default_rng(13)
    found = compared(measured(random, 4, rounds, 2.0), measured(random, 4, rounds))
    assert found.ratio == pytest.approx(2.0, rel=0.3)
    assert (found.low, found.high, found.apart) == (None, None, False)


def test_only_shared_prompts_count():
    random = np.random.default_rng(10)
    ours, theirs = measured(random, 6, 3, 2.0), measured(random, 6, 3)
    more = compared(
        {**ours, "extra": [1e6] * 3, "none": []}, {**theirs, "other": [1e-6] * 3, "none": [1.0]}
    )
    assert more == compared(ours, theirs)


def test_no_shared_prompt_is_no_verdict():
    found = compared({"a": [1.0]}, {"b": [1.0]})
    assert (found.n, found.ratio, found.apart) == (0, None, False)
    assert str(found) == "Latency: not measured for both new and old, so not compared."


def false_alarms(prompts: int, rounds: int, runs: int = 200) -> float:
    """The share of comparisons of a model with itself that claim a difference. Prompts weigh differently on each sitting."""
    random = np.random.default_rng(11)
    return float(
        np.mean(
            [
                compared(measured(random, prompts, rounds), measured(random, prompts, rounds)).apart
                for _ in range(runs)
            ]
        )
    )


@pytest.mark.parametrize(("prompts", "rounds"), [(1, 7), (3, 7), (5, 3), (8, 3), (12, 3)])
def test_a_model_compared_with_itself_seldom_raises_an_alarm(prompts, rounds):
    """5 % is what a 95 % interval promises; 200 seeded runs scatter by 1.5 points around that."""
    assert false_alarms(prompts, rounds) <= 0.10


def verdict(ratio, low, high, *, metric="ttft_s", confidence=0.95) -> Comparison:
    return Comparison(ratio, low, high, confidence, 12, metric=metric, model="new", baseline="old")


# Words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "ratio", "low", "high", "sentence"),
    [
        (
            "latency_s",
            2.0,
            1.6,
            2.5,
            "Latency: new is 2x slower than old (95 % interval 1.6 to 2.5, n = 12).",
        ),
        (
            "latency_s",
            0.5,
            0.4,
            0.625,
            "Latency: new is 2x faster than old (95 % interval 1.6 to 2.5, n = 12).",
        ),
        (
            "ttft_s",
            0.8,
            0.5,
            0.9,
            "TTFT: new is 1.25x faster than old (95 % interval 1.11 to 2, n = 12).",
        ),
        (
            "output_tokens_per_s",
            2.0,
            1.6,
            2.5,
            "Output tokens/s: new is 2x faster than old (95 % interval 1.6 to 2.5, n = 12).",
        ),
        (
            "output_tokens_per_s",
            0.5,
            0.4,
            0.625,
            "Output tokens/s: new is 2x slower than old (95 % interval 1.6 to 2.5, n = 12).",
        ),
    ],
)
def test_verdict_in_words(metric, ratio, low, high, sentence):
    assert str(verdict(ratio, low, high, metric=metric)) == sentence


def test_both_directions_say_the_same():
    random = np.random.default_rng(12)
    ours, theirs = measured(random, 8, 3, 2.0), measured(random, 8, 3)
    there, back = str(compared(ours, theirs)), str(compared(theirs, ours))
    assert "slower than" in there
    assert "faster than" in back
    assert there.partition("x ")[0] == back.partition("x ")[0]


def test_the_confidence_after_correction_is_said():
    found = verdict(2.0, 1.6, 2.5, confidence=1 - 0.05 / 6)
    assert "(99.17 % interval 1.6 to 2.5, n = 12)" in str(found)


@pytest.mark.parametrize(
    ("low", "high", "apart"),
    [(1.01, 2, True), (0.5, 0.99, True), (0.9, 1.1, False), (1.0, 2.0, False), (None, None, False)],
)
def test_apart_means_that_one_is_outside(low, high, apart):
    assert verdict(1.5, low, high).apart is apart


# Outliers ----------------------------------------------------------------------------------------------------------


def test_outliers_by_hand():
    """Median 3, deviations 2 1 0 1 97, their median 1, so the limit is 3.5 / 0.6745 = 5.19."""
    assert outliers([1, 2, 3, 4, 100]) == [False, False, False, False, True]
    assert outliers([1, 2, 3, 4, 3 + 5.1]) == [False] * 5
    assert outliers([1, 2, 3, 4, 3 + 5.3]) == [False] * 4 + [True]
    assert outliers([2, 3, 4, 5, 3 - 5.1]) == [False] * 5
    assert outliers([2, 3, 4, 5, 3 - 5.3]) == [False] * 4 + [True]


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0, 2.0, 9.0], [1.0, 1.0]])
def test_no_spread_means_no_outliers(values):
    assert outliers(values) == [False] * len(values)


def test_the_interval_of_a_median_comes_from_the_spread_between_rounds():
    values = [1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 3.0, 3.0, 3.0]
    low, high = interval_of_median(values, rounds=[1, 1, 1, 2, 2, 2, 3, 3, 3])
    # Student's t for the round medians 1, 2, 3 is 2 +- 4.303 * 1 / sqrt(3): wider than what was observed, and cut to it.
    assert (low, high) == (1.0, 3.0)
    middles = [10.0, 11.0, 12.0, 11.0]
    values = [middle + offset for middle in middles for offset in (-3, 0, 3)]
    low, high = interval_of_median(values, rounds=[1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4])
    half = 3.18245 * np.std(middles, ddof=1) / 2
    assert (low, high) == (pytest.approx(11 - half, abs=1e-3), pytest.approx(11 + half, abs=1e-3))


def test_two_rounds_give_no_interval_however_many_values_they_hold():
    assert interval_of_median(list(np.linspace(1, 2, 100)), rounds=[1] * 50 + [2] * 50) == (
        None,
        None,
    )
    assert summarize(list(np.linspace(1, 2, 100)), [1] * 50 + [2] * 50).low is None


def test_on_a_drifting_machine_the_interval_over_rounds_holds_its_promise_and_that_over_values_does_not():
    rng = np.random.default_rng(7)
    held = {"rounds": 0, "values": 0}
    for _ in range(200):
        speed = rng.normal(1.0, 0.1, size=5)  # each round meets the machine in another state
        values = np.repeat(speed, 8) + rng.normal(0, 0.02, size=40)
        by_round = interval_of_median(values, rounds=list(np.repeat(range(5), 8)))
        independent = interval_of_median(values)
        held["rounds"] += by_round[0] <= 1.0 <= by_round[1]
        held["values"] += independent[0] <= 1.0 <= independent[1]
    assert held["rounds"] >= 180
    assert held["values"] < held["rounds"] - 20


def test_values_that_are_missing_do_not_shift_the_rounds():
    whole = summarize([1.0, 2.0, 3.0, 4.0], [1, 2, 3, 4])
    with_gaps = summarize([None, 1.0, None, 2.0, 3.0, 4.0, None], [9, 1, 1, 2, 3, 4, 4])
    assert (with_gaps.low, with_gaps.high, with_gaps.n) == (whole.low, whole.high, 4)


def slow_interval(sample) -> tuple[float, float]:
    """The percentile bootstrap, which takes seconds for so many values."""
    found = stats.bootstrap(
        (sample,), np.median, n_resamples=4000, method="percentile", rng=np.random.default_rng(0)
    )
    return found.confidence_interval.low, found.confidence_interval.high


def test_the_interval_of_a_large_sample_is_that_of_the_bootstrap():
    sample = np.random.default_rng(3).lognormal(0, 0.3, 5000)
    low, high = interval_of_median(sample)
    slow_low, slow_high = slow_interval(sample)
    assert (low, high) == pytest.approx((slow_low, slow_high), rel=0.003)


def test_how_often_the_interval_of_a_large_sample_holds_the_median():
    rng = np.random.default_rng(4)
    hits = [
        low <= 0 <= high
        for low, high in (interval_of_median(rng.normal(size=1001)) for _ in range(400))
    ]
    assert 0.92 <= np.mean(hits) <= 0.98


def test_one_prompt_with_many_rounds_is_compared_at_once_and_rightly():
    rng = np.random.default_rng(5)
    hits = []
    for _ in range(200):
        ours, theirs = (level * np.exp(rng.normal(0, 0.2, 1200)) for level in (1.1, 1.0))
        found = compare_paired("ttft_s", "a", "b", {"p": ours}, {"p": theirs})
        hits.append(found.low <= 1.1 <= found.high)
    assert 0.91 <= np.mean(hits) <= 0.99
    large = np.exp(rng.normal(0, 0.2, 300_000))
    assert compare_paired("ttft_s", "a", "b", {"p": 1.01 * large}, {"p": large[::-1]}).apart
