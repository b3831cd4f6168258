"""The scenario: its file, weights in any scale and spelling, and what is good enough."""

import pytest

from helpers.common.errors import UsageError
from helpers.common.paths import DATA
from helpers.decision.limits import DIMENSIONS
from helpers.decision.scenario import load_scenario, make_good_enough
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
        (dict.fromkeys(DIMENSIONS, 0), "All weights are 0"),
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


@pytest.mark.parametrize("wrong", [{"latency": 0}, {"license": 1}, {"speed": 1}, {"disk": "much"}])
def test_good_enough_values_that_make_no_sense_are_named(wrong):
    with pytest.raises(UsageError, match=f"good enough {next(iter(wrong))}: "):
        make_good_enough(wrong)


SHIPPED = (DATA / "limits.toml").read_text(encoding="utf-8")


def scenario(tmp_path, *changes):
    text = SHIPPED
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_decides_and_an_option_wins_over_it(tmp_path, command_here):
    run = run_of(tmp_path, {"a": {"disk_mb": 900.0}, "b": {"disk_mb": 90.0, "license": "gemma"}})
    path = scenario(
        tmp_path,
        ("[limits]", '[limits]\nmax_disk_mb = 500\nlicenses = ["gemma"]'),
        ('decider = ""', 'decider = "R. Okafor"'),
        ('review_date = ""', 'review_date = "2027-06-30"'),
        ("quality = 40", "quality = 90"),
        ("throughput = 20.0 ", "throughput = 5.0 "),
    )
    decision = decide(run, scenario=path)
    assert decision.winner.model == "b"
    assert decision.scenario.weights["quality"] == pytest.approx(90 / 150)
    assert decision.scenario.good_enough["throughput"] == 5
    mixed = decide(run, {"max_disk_mb": 1000}, good_enough={"latency": 0.2}, scenario=path)
    assert (mixed.limits.max_disk_mb, mixed.limits.licenses) == (1000, ("gemma",))
    assert mixed.scenario.good_enough["latency"] == 0.2
    assert mixed.scenario.good_enough["throughput"] == 5
    done = command_here("report", str(run.folder), "--limits", str(path), "--licenses", "MIT")
    assert done.returncode == 0, done.stderr
    text = (run.folder / "decision.md").read_text(encoding="utf-8")
    assert "Decided by: R. Okafor. Review on: 2027-06-30." in text
    assert "# Decision: no model" in text
    wrong = command_here("report", str(run.folder), "--limits", str(tmp_path / "none.toml"))
    assert wrong.returncode == 2 and "none.toml cannot be read" in wrong.stderr


def test_memory_is_good_enough_up_to_a_share_of_the_machine(tmp_path):
    run = run_of(tmp_path, {"a": {"memory_mb": 10.0}, "b": {"memory_mb": 400.0}})
    for machine_mb, score in ((4000, 0.5), (8000, 1), (800_000, 1), (None, 1)):
        run.info.environment.machine["memory_mb"] = machine_mb
        large = next(option for option in decide(run).options if option.model == "b")
        assert large.scores["memory"] == pytest.approx(score)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("max_failed", "max_fail"), r"mine\.toml: limit max_fail: unknown field .*max_failed"),
        (("quality = 40", "taste = 40"), r"mine\.toml: weight taste: unknown field"),
        (("disk = 1000.0", "disk = -1"), r"mine\.toml: good enough disk: must be greater than 0"),
        (("share_of_machine = 0.05", "share_of_machine = 0"), "good enough share_of_machine: must"),
        (('review_date = ""', 'review_date = "soon"'), r"mine\.toml: field review_date: must be"),
        (("decider =", "boss ="), r"mine\.toml: field boss: unknown field, expected one of"),
        (("[weights]", "[weight"), r"mine\.toml is not valid TOML"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path, change, message):
    with pytest.raises(UsageError, match=message):
        load_scenario(scenario(tmp_path, change))
