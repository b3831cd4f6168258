"""A trend over the rounds of a run: on made numbers whose truth is known."""

import numpy as np
import pytest

from helpers.measure import drift
from support.records import steady_figures


def test_a_drift_is_found_with_its_size():
    found = drift.drift("m", "ttft_s", *steady_figures(20, slope=0.30), comparisons=6)
    assert found.found
    assert found.low < 0.30 < found.high
    assert found.value == pytest.approx(0.30, abs=0.03)
    assert str(found).startswith("TTFT of m rose by ")
    assert "(99.17 % interval" in str(found)
    fell = drift.drift("m", "latency_s", *steady_figures(20, slope=-0.30))
    assert str(fell).startswith("Latency of m fell by ")


def test_how_often_a_steady_run_is_called_drifting():
    said = [
        drift.drift("m", "ttft_s", *steady_figures(12, spread=0.1, seed=seed)).found
        for seed in range(300)
    ]
    assert np.mean(said) <= 0.08


def test_too_few_rounds_are_said():
    found = drift.drift("m", "ttft_s", *steady_figures(5))
    assert (found.found, str(found)) == (
        False,
        "TTFT of m: 5 rounds are too few to look for drift, it needs 6.",
    )


def test_a_hundred_thousand_rounds_give_the_same_answer():
    found = drift.drift("m", "ttft_s", *steady_figures(50_000, slope=0.10, spread=0.2, prompts=2))
    assert found.found
    assert found.value == pytest.approx(0.10, abs=0.01)
