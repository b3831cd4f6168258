"""Estimates, summaries of samples, and verdicts on two models."""

import numpy as np
import pytest

from helpers.timing.intervals import (
    interval_of_p95,
    is_settled,
    outliers,
    summarize,
)


def interval_of_median(values, rounds):
    found = summarize(values, rounds)
    return found.low, found.high


# Summaries ---------------------------------------------------------------------------------------------------------


def test_exact_values_against_numpy():
    sample = np.random.default_rng(1).lognormal(size=137)
    found = summarize(sample, np.arange(137))
    assert found.n == 137
    assert found.mean == float(np.mean(sample))
    assert found.p50 == float(np.median(sample))
    assert found.p95 == float(np.percentile(sample, 95))


def test_by_hand():
    found = summarize([4.0, 1.0, 10.0, 3.0], [1, 1, 2, 2])
    assert (found.n, found.mean, found.p50) == (4, 4.5, 3.5)
    assert summarize(range(1, 22), [1] * 21).p95 == 20.0


def test_p95_from_twenty_values_on():
    assert summarize(range(19), [1] * 19).p95 is None
    assert summarize(range(20), [1] * 20).p95 == pytest.approx(18.05)


def test_no_figure_is_outside_the_sample():
    """The seed script's p95 of three samples was 220.7 s where the slowest had taken 191.8 s."""
    random = np.random.default_rng(2)
    for n in [1, 2, 3, 5, 19, 20, 21, 60]:
        sample = random.lognormal(sigma=2, size=n)
        found = summarize(sample, range(n))
        present = [
            v for v in (found.mean, found.p50, found.p95, found.low, found.high) if v is not None
        ]
        assert len(present) == 2 + (n >= 20) + 2 * (n >= 3)
        assert all(min(sample) <= v <= max(sample) for v in present)


def test_missing_values_are_left_out_and_nothing_gives_nothing():
    assert summarize([None, 2.0, None, 4.0], [1, 1, 2, 2]).mean == 3.0
    assert summarize([None, 2.0], [1, 1]).n == 1
    nothing = summarize([], [])
    assert nothing == summarize([None], [1])
    assert (nothing.n, nothing.p50, nothing.low) == (0, None, None)


def test_interval_of_the_median_needs_three_rounds():
    assert interval_of_median([1.0, 2.0], rounds=[1, 2]) == (None, None)
    low, high = interval_of_median([1.0, 2.0, 4.0], rounds=[1, 2, 3])
    assert 1.0 <= low <= 2.0 <= high <= 4.0
    assert interval_of_median([2.5, 2.5, 2.5], rounds=[1, 2, 3]) == (2.5, 2.5)


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


def test_on_a_drifting_machine_the_interval_over_rounds_holds_its_promise():
    rng = np.random.default_rng(7)
    held = 0
    for _ in range(200):
        speed = rng.normal(1.0, 0.1, size=5)  # each round meets the machine in another state
        values = np.repeat(speed, 8) + rng.normal(0, 0.02, size=40)
        low, high = interval_of_median(values, rounds=np.repeat(range(5), 8))
        held += low <= 1.0 <= high
    assert held >= 180


def test_values_that_are_missing_do_not_shift_the_rounds():
    whole = summarize([1.0, 2.0, 3.0, 4.0], [1, 2, 3, 4])
    with_gaps = summarize([None, 1.0, None, 2.0, 3.0, 4.0, None], [9, 1, 1, 2, 3, 4, 4])
    assert (with_gaps.low, with_gaps.high, with_gaps.n) == (whole.low, whole.high, 4)


@pytest.mark.parametrize(
    ("n", "low", "high"),
    [
        (0, None, None),
        (1, None, None),
        (24, 19, None),
        (71, 62, None),
        (72, 63, 71),
        (1000, 935, 963),
    ],
)
def test_the_interval_of_a_p95_lies_between_two_values_and_has_an_upper_end_from_72_on(
    n, low, high
):
    assert interval_of_p95(np.arange(n)[::-1]) == (low, high)


def test_the_interval_of_a_p95_holds_its_promise():
    rng = np.random.default_rng(3)
    found = [interval_of_p95(rng.exponential(size=100)) for _ in range(1000)]
    truth = -np.log(0.05)
    assert np.mean([low <= truth <= high for low, high in found]) >= 0.94
    assert np.mean([low > truth for low, _ in found]) <= 0.03


@pytest.mark.parametrize(
    ("latencies", "answer"),
    [
        ([1.0] * 5, False),  # three and three are needed
        ([1.0] * 6, True),
        ([9, 8, 7, 1, 1, 1], False),
        ([9, 8, 7, 1, 1, 1, 1.02, 0.98, 1], True),
        ([1, 1, 1, 1.09, 1.09, 1.09], True),
        ([1, 1, 1, 1.2, 1.2, 1.2], False),
        ([1, 1, 9, 1, 9, 1], True),  # one slow answer in three does not hide that it has settled
    ],
)
def test_settled(latencies, answer):
    assert is_settled(latencies) is answer
