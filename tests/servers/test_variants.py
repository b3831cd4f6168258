"""Acceleration on and off: one alias, two devices, through the real runtime and a loopback catalog that offers both."""

import json
import shutil

import pytest

from helpers import benchmark, connect
from helpers.common.errors import KitError
from helpers.common.paths import BUILT_IN_MODELS, model_cache
from helpers.measure.record import load_run
from helpers.models import built_in
from helpers.report.report import make_report, write_report
from helpers.report.sentences import acceleration
from helpers.servers.catalog import catalog_entry
from support.azure import catalog_of

ALIAS = "two-ways"


def entry(provider: str, device: str, name: str) -> dict:
    """pocket-nano's catalog entry under another name, for a device."""
    made = catalog_entry(built_in.built_in_packages(BUILT_IN_MODELS)["pocket-nano"])
    made |= {
        "name": name,
        "entityId": name,
        "assetId": f"azureml://registries/azureml/models/{name}/versions/1",
        "version": "1",
        "publisher": "Somebody",
    }
    made["annotations"] = {"tags": {"alias": ALIAS}}
    made["variantInformation"]["parents"] = [
        {"assetId": f"azureml://registries/azureml/models/{ALIAS}/versions/1"}
    ]
    made["variantInformation"]["variantMetadata"] |= {
        "device": device,
        "executionProvider": provider,
    }
    folder = model_cache() / "Somebody" / f"{name}-1"
    shutil.copytree(BUILT_IN_MODELS / "pocket-nano", folder)
    about = json.loads((folder / "inference_model.json").read_text(encoding="utf-8"))
    (folder / "inference_model.json").write_text(
        json.dumps({**about, "Name": f"{name}:1"}), encoding="utf-8"
    )
    return made


@pytest.fixture
def both(own_home, monkeypatch):
    """A runtime whose catalog has one alias for CPU, for a GPU provider that loads here, and for one that is not installed."""
    entries = [
        entry("CPUExecutionProvider", "cpu", f"{ALIAS}-generic-cpu"),
        entry("WebGpuExecutionProvider", "gpu", f"{ALIAS}-generic-gpu"),
        entry("QNNExecutionProvider", "npu", f"{ALIAS}-qnn-npu"),
    ]
    with catalog_of(entries) as address:
        monkeypatch.setenv("WORKSHOP_CATALOG", address)
        with connect() as server:
            yield server


def test_one_alias_on_each_device_is_two_rows_and_a_ratio(both, tmp_path):
    variants = both.variants([ALIAS])
    assert sorted((v.device, v.execution_provider) for v in variants) == [
        ("CPU", "CPUExecutionProvider"),
        ("GPU", "WebGpuExecutionProvider"),
        ("NPU", "QNNExecutionProvider"),
    ]
    run = benchmark(
        both,
        variants.names(),
        ["Hello", "Say OK."],
        rounds=3,
        warmup=1,
        output=tmp_path,
        progress=False,
    )
    rows = {row["model"]: row for row in run.summary}
    assert {name: row["n_ok"] for name, row in rows.items()} == {
        f"{ALIAS}-generic-cpu:1": 6,
        f"{ALIAS}-generic-gpu:1": 6,
        f"{ALIAS}-qnn-npu:1": 0,
    }
    assert (rows[f"{ALIAS}-qnn-npu:1"]["status"], rows[f"{ALIAS}-qnn-npu:1"]["n_skipped"]) == (
        "skipped",
        6,
    )

    said = sorted(acceleration(run))
    assert [line.split(":")[0] for line in said] == [
        f"{ALIAS} on GPU against CPU",
        f"{ALIAS} on GPU against CPU",
        f"{ALIAS} on NPU",
    ]
    assert "Latency" in said[0] and "TTFT" in said[1]
    assert "requires QNNExecutionProvider which is not registered" in said[2]
    assert set(said) <= {
        point for section in make_report(load_run(run.folder)).sections for point in section.points
    }
    assert f"{ALIAS} on NPU: not measured" in write_report(run).read_text(encoding="utf-8")


def test_a_machine_without_a_provider_says_so_in_one_line_and_goes_on(server):
    variants = server.variants(["pocket-nano", "pocket-mini"])
    assert [v.id for v in variants] == [
        server.resolve(alias).id for alias in ("pocket-nano", "pocket-mini")
    ]
    assert variants.names() == ["pocket-nano", "pocket-mini"]
    assert "No execution provider for a GPU or NPU was found on this machine" in variants.note
    assert (
        "Built for one device only, so there is nothing to compare: pocket-nano, pocket-mini."
        in variants.note
    )
    with pytest.raises(KitError, match="No model is called"):
        server.variants(["no-such-model"])


def test_variants_from_the_command_line_go_on_where_there_are_none(server, command_here, tmp_path):
    done = command_here(
        "benchmark",
        "--variants",
        "--models",
        "pocket-nano",
        "--prompt",
        "Hi",
        "--rounds",
        "1",
        "--no-resources",
        "--output",
        str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert (
        "No execution provider for a GPU or NPU was found on this machine, so models run on its CPU."
        in done.stderr
    )
    assert load_run(tmp_path).models == ["pocket-nano"]
