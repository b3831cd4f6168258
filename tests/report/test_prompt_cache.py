"""Repeats that a server's cache makes faster are noticed, and nothing else is."""

import pytest

from helpers.report.prompt_cache import first_use
from helpers.report.sentences import limits
from support.records import about, answer, record, steady_figures


def test_repeats_from_a_cache_are_noticed():
    found = first_use("m", *steady_figures(5, first=1.8))
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
    assert not first_use("m", *steady_figures(5, **settings)).cached


def test_prompts_of_the_warm_up_do_not_count_as_first_uses():
    data = steady_figures(5, first=1.8, prompts=6)
    assert first_use("m", *data).n == 6
    assert first_use("m", *data, warmed=["p0", "p3"]).n == 4
    assert not first_use("m", *data, warmed=["p0", "p3"]).cached
