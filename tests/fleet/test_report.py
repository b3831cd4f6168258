"""A fleet's report: the device is the unit, and what the devices cannot tell is said."""

import json
import shutil

import numpy as np
import pytest

from helpers.cli.app import main
from helpers.common.errors import UsageError
from helpers.common.paths import DATA
from helpers.decision.scenario import load_scenario
from helpers.decision.selection import decide
from helpers.fleet.report import FleetReport, Judged, judge_device, report_fleet
from helpers.measure.record import Run

FINE = {"answers": True, "p95 latency": True}
SLOW = {"answers": True, "p95 latency": False}


def fleet(n: int, small: float = 0.0, seed: int = 1, noise: float = 0.02) -> list[Judged]:
    """Devices on which `large` is better by 0.1, save that on those with little memory `small` is better by `small`."""
    rng = np.random.default_rng(seed)
    devices = []
    for number in range(n):
        roomy = number % 2 == 0
        gap = 0.1 if roomy else -small
        wobble = rng.normal(0, noise)
        scores = {"large": 0.6 + gap / 2 + wobble, "small": 0.6 - gap / 2 - wobble}
        machine = {"memory_mb": 16_000 if roomy else 4_000, "cores": 4, "system": "Linux"}
        devices.append(Judged(f"d{number}", machine, dict.fromkeys(scores, FINE), scores))
    return devices


def words(report: FleetReport) -> str:
    return " ".join(report.sentences())


def test_two_defaults_by_class_are_proposed_where_they_gain():
    report = FleetReport(fleet(40, small=0.06))
    assert report.two.words == "memory_mb of at least 16,000"
    assert (report.two.model, report.two.other) == ("large", "small")
    assert report.two.gain.value == pytest.approx(0.03, abs=0.015) and report.two.gain.low > 0
    assert "Two defaults would gain" in words(report)


def test_one_default_that_is_best_everywhere_needs_no_second():
    report = FleetReport(fleet(40, small=-0.1))
    assert report.best == "large"
    assert report.leads["small"].low > 0
    assert "Two defaults by class would gain nothing" in words(report)


def test_what_the_devices_cannot_tell_apart_is_said():
    report = FleetReport(fleet(12, small=0.1, noise=0.1))
    assert report.leads["small" if report.best == "large" else "large"].low <= 0
    assert "cannot tell it apart from" in words(report)


def test_a_gain_that_only_the_choosing_devices_show_is_not_claimed():
    """Of fleets in which no class differs, few may claim a gain: the intervals are those of 95 %."""
    claims = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        devices = [
            Judged(
                f"d{n}",
                {
                    "memory_mb": int(rng.choice([4000, 8000, 16000])),
                    "cores": int(rng.choice([2, 4, 8])),
                },
                {"a": FINE, "b": FINE},
                {"a": rng.normal(0.6, 0.1), "b": rng.normal(0.6, 0.1)},
            )
            for n in range(30)
        ]
        claims += "Two defaults would gain" in words(FleetReport(devices))
    assert claims <= 8


def test_a_few_devices_that_agree_are_not_taken_for_all():
    alike = fleet(4, small=-0.1, noise=0)
    assert FleetReport(alike).leads["small"].low <= 0
    assert FleetReport(fleet(3)).leads["small"].low is None
    assert "3 devices are too few" in words(FleetReport(fleet(3)))


def test_the_share_that_meets_each_limit_counts_devices():
    devices = fleet(10)
    devices[:4] = [
        one._replace(met={**one.met, "large": SLOW}, scores={"small": 0.5}) for one in devices[:4]
    ]
    report = FleetReport(devices)
    assert report.share("p95 latency", "large")[0] == 6
    assert report.share("all limits", "small")[0] == 10
    assert report.best == "small"  # 0 counts where a limit is broken
    assert "6 of 10 (26-88 %)" in str(report)
    assert "out: p95 latency" in str(report.by_device())


def test_a_model_that_does_not_answer_meets_no_limit():
    silent = {"answers": False}
    devices = [one._replace(met={**one.met, "small": silent}) for one in fleet(6)]
    report = FleetReport(devices)
    assert report.share("p95 latency", "small")[0] == 0
    assert report.share("p95 latency", "large")[0] == 6


def test_where_no_model_meets_the_limits_there_is_no_default():
    devices = [one._replace(met={"large": SLOW, "small": SLOW}, scores={}) for one in fleet(6)]
    report = FleetReport(devices)
    assert report.best is None
    assert "there is no default" in words(report) and "leads" not in words(report)


@pytest.fixture
def experiment(tmp_path):
    for name in ("edge-1", "edge-2"):
        shutil.copytree(DATA / "sample_run", tmp_path / name)
    return tmp_path


def test_a_device_is_judged_by_the_rules_of_a_single_machine(experiment):
    run = Run(experiment / "edge-1")
    judged = judge_device("edge-1", run, load_scenario())
    decision = decide(run)
    assert {option.model for option in decision.left} == set(judged.scores)
    assert judged.scores == pytest.approx({o.model: o.total for o in decision.left})
    for option in decision.options:
        broken = [limit for limit, met in judged.met[option.model].items() if not met]
        limits = dict.fromkeys(violation.limit for violation in option.broken)
        assert broken == list(limits)  # one may be missed twice: by rules and by two sentences


def test_a_damaged_run_and_a_lost_device_are_named_and_the_rest_is_reported(experiment, capsys):
    (experiment / "edge-2" / "run.json").write_text("{", encoding="utf-8")
    devices = [{"name": "edge-1", "state": "done"}, {"name": "edge-3", "state": "lost"}]
    (experiment / "fleet.json").write_text(json.dumps({"devices": devices}), encoding="utf-8")
    assert main(["fleet", "report", str(experiment)]) == 0
    said = capsys.readouterr().out
    assert "edge-2 is passed over: " in said and "is not valid JSON" in said
    assert "edge-3 has no run (lost)." in said
    assert "edge-1 has no run" not in said
    assert (experiment / "fleet.md").read_text(encoding="utf-8").count("\n\n") >= 2


def test_limits_of_a_file_count(experiment, tmp_path):
    limits = (DATA / "limits.toml").read_text(encoding="utf-8")
    (tmp_path / "strict.toml").write_text(
        limits.replace("[limits]\n", "[limits]\nmax_p95_s = 0.000001\n"), encoding="utf-8"
    )
    report = report_fleet(experiment, tmp_path / "strict.toml")
    assert report.best is None and not report.limits["p95 latency"].any()


def test_a_folder_without_runs_is_told(tmp_path):
    with pytest.raises(UsageError, match="holds no run of a device"):
        report_fleet(tmp_path)


def test_ten_thousand_devices_go_through_the_same_report():
    report = FleetReport(fleet(10_000, small=0.06))
    assert report.two.gain.n == 10_000 and report.two.gain.low > 0.025
    assert "9,960 more are counted" in str(report)
