"""Which of the recorded runs is the latest."""

import json
import shutil

from helpers import load_run
from helpers.common.paths import DATA


def test_the_run_of_a_lab_or_of_notebook_06_is_never_the_latest(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path))
    mine = shutil.copytree(DATA / "sample_run", tmp_path / "mine")
    for aside in ("custom", "fleet-2026-11-27T10-00-00-ab12", "workshop-1/custom"):
        other = shutil.copytree(DATA / "sample_run", tmp_path / aside / "device")
        info = json.loads((other / "run.json").read_text("utf-8"))
        info["started_at"] = "2027-01-01T00:00:00.000+00:00"
        (other / "run.json").write_text(json.dumps(info), "utf-8")
    assert load_run().folder == mine
    named = load_run("fleet-2026-11-27T10-00-00-ab12")
    assert named.folder.name == "device"
