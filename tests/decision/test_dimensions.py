"""Weights and good-enough values in any scale and spelling."""

import pytest

from helpers.common.errors import UsageError
from helpers.decision.dimensions import WEIGHTS, make_good_enough
from helpers.decision.selection import decide
from support.records import run_of


def test_weights_have_no_scale(tmp_path):
    run = run_of(tmp_path, {"a": {"latency_s": 1.0, "right": 0.5}, "b": {"latency_s": 3.0}})
    one, two = (
        decide(run, weights={"quality": 3, "latency": 1}),
        decide(run, weights={"quality": 0.75, "latency": 0.25}),
    )
    assert [(o.model, o.total) for o in one.options] == [
        (o.model, pytest.approx(o.total)) for o in two.options
    ]
    assert set(one.weights) == {"quality", "latency"}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (dict.fromkeys(WEIGHTS, 0), "All weights are 0"),
        ({"quality": -1}, "weight quality: must be greater than or equal to 0, found -1"),
        ({"quality": float("nan")}, "weight quality"),
        ({"quality": "much"}, "weight quality: must be a valid number, .*, found 'much'"),
        (
            {"speed": 1},
            "weight speed: unknown field, expected one of latency, throughput, memory, quality, disk, license",
        ),
    ],
)
def test_weights_that_make_no_sense_are_told(tmp_path, weights, message):
    with pytest.raises(UsageError, match=message):
        decide(run_of(tmp_path, {"a": {}}), weights=weights)


def test_license_may_be_spelled_licence_in_weights_and_limits(tmp_path):
    run = run_of(tmp_path, {"a": {}, "b": {"license": "gemma"}})
    decision = decide(run, {"licences": ["MIT"]}, {"licence": 1, "quality": 3})
    assert decision.weights == {"quality": 0.75, "license": 0.25}
    assert decision.limits.licenses == ("MIT",)
    assert [option.model for option in decision.options if option.out] == ["b"]


@pytest.mark.parametrize("wrong", [{"latency": 0}, {"license": 1}, {"speed": 1}, {"disk": "much"}])
def test_good_enough_values_that_make_no_sense_are_named(wrong):
    with pytest.raises(UsageError, match=f"good enough {next(iter(wrong))}: "):
        make_good_enough(wrong)
