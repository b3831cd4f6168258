"""The speed that is expected of a model, and how the forecast is held against what was measured."""

import json

import pytest

from helpers.common import machine
from helpers.common.paths import home
from helpers.measure.forecast import FILE, Forecast, MachineSpeed, expected, forecast, machine_speed
from helpers.servers.model_table import ModelInfo
from support.records import about, answer, edit_info, record

SPEED = MachineSpeed("some cpu", 10e9, 100e9)


def model(alias: str, size_mb: float | None = 100.0, **facts) -> ModelInfo:
    return ModelInfo(alias, f"{alias}:1", "catalog", size_mb=size_mb, **facts)


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path / "results"))
    return tmp_path


def test_bandwidth_bounds_writing_and_arithmetic_bounds_reading():
    assert expected(100.0, "pocket-large", SPEED) == pytest.approx(
        {"tokens_per_s": 100, "ttft_s": 2 * 100e6 / 1.1 * 500 / 100e9}
    )
    # the same bytes hold more weights of four bits, so a prompt takes longer
    assert expected(100.0, "qwen", SPEED)["ttft_s"] > expected(100.0, "pocket-x", SPEED)["ttft_s"]
    assert expected(None, "qwen", SPEED) == {}


def test_the_speed_is_measured_once_and_again_on_another_processor(places):
    speed = machine_speed()
    assert speed.cpu == machine.cpu_name()
    assert 1e8 < speed.bytes_per_s < 1e13 and 1e8 < speed.operations_per_s < 1e15
    assert machine_speed() == speed
    path = home() / FILE
    path.write_text(json.dumps({"cpu": "other", "bytes_per_s": 1, "operations_per_s": 1}))
    assert machine_speed().cpu == speed.cpu
    path.write_text("half a fi")
    assert machine_speed().cpu == speed.cpu


def test_a_model_is_forecast_from_the_others_and_never_from_itself():
    factors = {"tokens_per_s": {"a": 0.5, "b": 0.8, "c": 0.1}, "ttft_s": {}}
    found = Forecast([model("a"), model("new")], SPEED, factors)
    assert found.expect(model("a"), "tokens_per_s") == pytest.approx((10, 80))
    assert found.expect(model("new"), "tokens_per_s") == pytest.approx((10, 80))
    assert found.expect(model("c"), "tokens_per_s") == pytest.approx((50, 80))
    assert found.expect(model("gpu", device="GPU"), "tokens_per_s") is None
    assert found.expect(model("unknown", None), "tokens_per_s") is None
    assert [row[2] for row in found.table().rows] == ["10 to 80", "10 to 80"]
    # c was forecast as the root of 0.5 x 0.8, and did 0.1
    assert "at most 6.3" in found.sentences()[1]


def test_runs_of_this_processor_correct_the_forecast_and_others_do_not(places):
    facts = {name: about(size_mb=size) for name, size in (("a", 10.0), ("b", 20.0))}
    rows = [
        answer(name, "p", number, 1.0, prompt_tokens=100) for name in facts for number in (1, 2, 3)
    ]
    folder = places / "results"
    folder.mkdir()
    run = record(folder, facts, rows)
    server = {"kind": "Foundry Local 2.2.1", "base_url": "http://127.0.0.1:1/v1"}
    edit_info(run, server=server, environment={"machine": {"cpu": "another"}})
    assert forecast([]).factors == {"tokens_per_s": {}, "ttft_s": {}}  # measured on another cpu
    edit_info(run, server=server, environment={"machine": machine.machine()})
    found = forecast([])
    assert found.factors["ttft_s"].keys() == found.factors["tokens_per_s"].keys() == {"a", "b"}
    row = run.summary[0]
    bound = expected(10.0, "a", found.speed)["tokens_per_s"]
    assert found.factors["tokens_per_s"]["a"] == pytest.approx(
        row["output_tokens_per_s_p50"] / bound
    )
    edit_info(
        run, server={"kind": "OpenAI-compatible server"}, environment={"machine": machine.machine()}
    )
    assert forecast([]).factors["ttft_s"] == {}
    assert "ranges are wide" in forecast([]).sentences()[1]
