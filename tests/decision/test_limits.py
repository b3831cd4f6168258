"""Hard limits: what breaks one, by how much, and which is hardest to meet."""

import pytest

from helpers.common.errors import UsageError
from helpers.decision.selection import decide
from helpers.report.report import write_report
from support.records import run_of


def option(decision, model):
    return next(o for o in decision.options if o.model == model)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_ram": 1}, "limit max_ram: unknown field, expected one of max_p95_s"),
        ({"min_quality": 2}, "limit min_quality: must be"),
        ({"max_p95_s": -1}, "max_p95_s"),
    ],
)
def test_limits_that_make_no_sense_are_told(tmp_path, limits, message):
    with pytest.raises(UsageError, match=message):
        decide(run_of(tmp_path, {"a": {}}), limits)


def test_a_model_that_breaks_a_limit_is_out_with_its_reason(tmp_path):
    run = run_of(
        tmp_path,
        {
            "slow": {"latency_s": 10.0, "memory_mb": 50.0},
            "big": {"memory_mb": 900.0},
            "wrong": {"right": 0.25, "memory_mb": 50.0},
            "closed": {"license": "other", "memory_mb": 50.0},
            "unknown": {"memory_mb": None},
            "fit": {"memory_mb": 50.0},
        },
    )
    decision = decide(
        run, {"max_p95_s": 3, "max_memory_mb": 600, "min_quality": 0.5, "licenses": ["mit"]}
    )
    assert decision.winner.model == "fit"
    assert decision.answer == "fit is the default: it is the only model left to choose from."
    assert (
        option(decision, "slow").out.startswith("p95 latency ")
        and "times the limit of 3 s" in option(decision, "slow").out
    )
    assert option(decision, "big").out == "memory 900 MB is 50 % over the limit of 600 MB"
    assert option(decision, "wrong").out == "quality 0.25 is 50 % under the limit of 0.5"
    assert option(decision, "closed").out == "license other is not on the list"
    assert (
        option(decision, "unknown").out == "memory at most 600 MB cannot be checked: not measured"
    )


def test_nobody_meets_the_limits_names_the_tightest_and_by_how_much(tmp_path):
    run = run_of(
        tmp_path,
        {"a": {"memory_mb": 120.0, "disk_mb": 500.0}, "b": {"memory_mb": 110.0, "disk_mb": 900.0}},
    )
    decision = decide(run, {"max_memory_mb": 100, "max_disk_mb": 600})
    assert decision.winner is None
    assert decision.answer == (
        "No model can be the default. The binding limit is memory. "
        "The nearest model is b: memory 110 MB is 10 % over the limit of 100 MB."
    )
    each = decide(run, {"max_memory_mb": 115, "max_disk_mb": 600})
    assert (
        "Some model meets each limit, but no model meets all of them. "
        "The nearest is a: memory 120 MB is 4.35 % over" in each.answer
    )
    report = write_report(run, limits={"max_memory_mb": 100})
    assert "No model can be the default." in report.read_text(encoding="utf-8")
    assert "# Decision: no model" in (run.folder / "decision.md").read_text(encoding="utf-8")
