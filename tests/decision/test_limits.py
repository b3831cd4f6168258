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
        rounds=9,
    )
    decision = decide(
        run, {"max_p95_s": 3, "max_memory_mb": 600, "min_quality": 0.5, "licenses": ["mit"]}
    )
    assert decision.winner.model == "fit"
    assert decision.answer == "fit is the default: none of the other 5 models meets the limits."
    assert (
        option(decision, "slow").out.startswith("p95 latency ")
        and "times the limit of 3 s" in option(decision, "slow").out
    )
    assert option(decision, "big").out == "memory 900 MB is 50 % over the limit of 600 MB"
    assert (
        option(decision, "wrong").out == "quality 0.25 (0 to 0.637) is 50 % under the limit of 0.5"
    )
    assert option(decision, "closed").out == "license other is not on the list"
    assert (
        option(decision, "unknown").out == "memory at most 600 MB cannot be checked: not measured"
    )


@pytest.mark.parametrize(
    ("limits", "rounds", "words"),
    [
        ({"min_quality": 0.6}, 3, ""),
        (
            {"min_quality": 0.9},
            3,
            "8 prompts cannot tell whether its quality of 1 (0.631 to 1) meets 0.9",
        ),
        ({"max_p95_s": 9}, 9, ""),
        (
            {"max_p95_s": 9},
            8,
            "64 answers cannot tell whether its p95 latency of 1.7 s meets 9 s (that takes 72)",
        ),
        (
            {"max_p95_s": 1.7},
            9,
            "72 answers cannot tell whether its p95 latency of 1.7 s (1.7 to 2) meets 1.7 s",
        ),
    ],
)
def test_a_limit_that_the_data_cannot_check_leaves_doubt(tmp_path, limits, rounds, words):
    """One model, always right; 2 s once where there are 9 rounds."""
    late = {"spread": lambda i, n: 2 / 1.7 if (i, n) == (7, 9) else 1.0}
    decision = decide(run_of(tmp_path, {"a": late}, rounds=rounds), limits)
    assert "; ".join(decision.winner.doubts) == words
    first = "the first choice: it is the only model left to choose from, but " + words
    assert (
        decision.answer
        == f"a is {first if words else 'the default: it is the only model left to choose from'}."
    )
    assert ("Not certain" in decision.confidence) == bool(words)


def test_nobody_meets_the_limits_names_the_tightest_and_by_how_much(tmp_path):
    run = run_of(
        tmp_path,
        {"a": {"memory_mb": 120.0, "disk_mb": 500.0}, "b": {"memory_mb": 110.0, "disk_mb": 900.0}},
    )
    decision = decide(run, {"max_memory_mb": 100, "max_disk_mb": 600})
    assert decision.winner is None
    assert decision.answer == (
        "None of these models can be the default. The binding limit is memory. "
        "The nearest model is b: memory 110 MB is 10 % over the limit of 100 MB. "
        "Allow more in limits.toml, or measure a smaller model: python -m helpers models --fits."
    )
    each = decide(run, {"max_memory_mb": 115, "max_disk_mb": 600})
    assert (
        "Some model meets each limit, but no model meets all of them. "
        "The nearest is a: memory 120 MB is 4.35 % over" in each.answer
    )
    report = write_report(run, limits={"max_memory_mb": 100})
    assert "None of these models can be the default." in report.read_text(encoding="utf-8")
    assert "# Decision: no model" in (run.folder / "decision.md").read_text(encoding="utf-8")
