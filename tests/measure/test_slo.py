"""Limits of a request: how they are read, refused and shown."""

import pytest

from helpers.common.errors import UsageError
from helpers.measure.plan import Slo, parse_slo


@pytest.mark.parametrize(
    ("text", "slo", "shown"),
    [
        ("itl=0.05", Slo(itl_s=0.05), "ITL 0.05 s"),
        (" latency=5, ttft=0.5", Slo(ttft_s=0.5, latency_s=5), "TTFT 0.5 s, latency 5 s"),
    ],
)
def test_limits_are_read_in_any_order(text, slo, shown):
    assert parse_slo(text) == slo
    assert f"{slo}" == shown


@pytest.mark.parametrize("text", ["", "ttft", "ttft=", "speed=1", "ttft=1,ttft=2", "ttft=nan"])
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match=r"^slo: expected limits like ttft"):
        parse_slo(text)


@pytest.mark.parametrize(
    "limits", [{}, {"ttft_s": 0}, {"itl_s": -1}, {"latency_s": 1e9}, {"ttft_s": float("inf")}]
)
def test_limits_are_positive_and_finite_and_there_is_one(limits):
    with pytest.raises(ValueError, match="expected limits like"):
        Slo(**limits)
