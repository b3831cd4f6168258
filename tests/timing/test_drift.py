"""Warm-up that settles, a stopping rule, drift and repeats: on made numbers whose truth is known."""

import numpy as np
import pytest

from helpers.report.sentences import limits
from helpers.timing import drift
from support.records import about, answer, record


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
    assert drift.is_settled(latencies) is answer


def test_the_width_is_half_the_interval_over_the_median():
    values, rounds = [9.0, 10.0, 11.0], [1, 2, 3]
    assert drift.relative_width(values, rounds) == pytest.approx(
        0.1
    )  # Student's 2.48 is cut to the observed range
    assert drift.relative_width(values[:2], rounds[:2]) is None


def made(rounds, slope=0.0, spread=0.02, prompts=8, seed=1, first=1.0):
    """prompts, rounds and values of one model: prompt p takes p + 1 ms, times a trend over the rounds."""
    rng = np.random.default_rng(seed)
    number, prompt = (
        np.repeat(np.arange(1, rounds + 1), prompts),
        np.tile(np.arange(prompts), rounds),
    )
    trend = 1 + slope * (number - 1) / max(rounds - 1, 1)
    values = (
        0.001
        * (prompt + 1)
        * trend
        * np.where(number == 1, first, 1)
        * np.exp(rng.normal(0, spread, len(number)))
    )
    return [f"p{p}" for p in prompt], number, values


def test_a_drift_is_found_with_its_size():
    found = drift.drift("m", "ttft_s", *made(20, slope=0.30), comparisons=6)
    assert found.found
    assert found.low < 0.30 < found.high
    assert found.value == pytest.approx(0.30, abs=0.03)
    assert str(found).startswith("TTFT of m rose by ")
    assert "(99.17 % interval" in str(found)
    fell = drift.drift("m", "latency_s", *made(20, slope=-0.30))
    assert str(fell).startswith("Latency of m fell by ")


def test_how_often_a_steady_run_is_called_drifting():
    said = [
        drift.drift("m", "ttft_s", *made(12, spread=0.1, seed=seed)).found for seed in range(300)
    ]
    assert np.mean(said) <= 0.08


def test_too_few_rounds_are_said():
    found = drift.drift("m", "ttft_s", *made(5))
    assert (found.found, str(found)) == (
        False,
        "TTFT of m: 5 rounds are too few to look for drift, it needs 6.",
    )


def test_a_hundred_thousand_rounds_give_the_same_answer():
    found = drift.drift("m", "ttft_s", *made(50_000, slope=0.10, spread=0.2, prompts=2))
    assert found.found
    assert found.value == pytest.approx(0.10, abs=0.01)


def test_repeats_from_a_cache_are_noticed():
    found = drift.first_use("m", *made(5, first=1.8))
    assert found.cached
    assert found.value == pytest.approx(1.8, rel=0.05)
    assert found.first_s == pytest.approx(1.8 * found.repeat_s, rel=0.1)


def test_the_limits_of_a_report_name_a_prompt_cache(tmp_path):
    rows = [
        answer("m", f"p{prompt}", number, latency_s)
        for prompt in range(5)
        for number, latency_s in enumerate([1.0, 0.5, 0.5], 1)
    ]
    (sentence,) = [
        line for line in limits(record(tmp_path, {"m": about()}, rows)) if "TTFT 2x" in line
    ]
    assert sentence == (
        "m: the first use of a prompt has a TTFT 2x that of its repeats (95 % interval 2 to 2, "
        "5 prompts; medians 100 and 50 ms): repeats probably come from a prompt cache, and the "
        "median of all stands for repeats."
    )


@pytest.mark.parametrize("settings", [{}, {"first": 1.05}, {"spread": 0.5, "first": 1.2}])
def test_nothing_is_said_of_a_small_or_uncertain_difference(settings):
    assert not drift.first_use("m", *made(5, **settings)).cached


def test_prompts_of_the_warm_up_do_not_count_as_first_uses():
    data = made(5, first=1.8, prompts=6)
    assert drift.first_use("m", *data).n == 6
    assert drift.first_use("m", *data, warmed=["p0", "p3"]).n == 4
    assert not drift.first_use("m", *data, warmed=["p0", "p3"]).cached
