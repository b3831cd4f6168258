"""Records of every earlier form, and one of a later form, are read, summarized and reported.

tests/measure/data has a small run for each set of fields that the kit has written so far: the first
release; `resumed` and the hashes of model files; what a model needs; load, goodput and TTFO. The
last one has fields that this kit does not know.
"""

import json
import shutil
from pathlib import Path

import pytest

from helpers import load_run, write_report
from helpers.common.paths import DATA
from helpers.measure.record import SAMPLE, Run
from helpers.measure.recorder import Recorder
from helpers.measure.two_runs import compare_runs

FORMS = sorted(path for path in (Path(__file__).parent / "data").iterdir())


@pytest.mark.parametrize("folder", [*FORMS, DATA / SAMPLE], ids=lambda folder: folder.name)
def test_a_record_is_read_summarized_and_reported(tmp_path, folder):
    run = load_run(shutil.copytree(folder, tmp_path / folder.name))
    assert all(row["status"] == "ok" and row["n_ok"] >= 6 for row in run.summary)
    assert all(row["latency_p50_s"] > row["ttft_p50_s"] > 0 for row in run.summary)
    assert all(row["request_tokens_per_s_p50"] > 0 for row in run.summary)
    assert run.info.plan.concurrency == run.level == 1
    report = write_report(run).read_text(encoding="utf-8")
    assert all(model in report for model in run.models)
    assert compare_runs(run, run).changes[0].ratio == pytest.approx(1)


@pytest.mark.parametrize("given", ["run.json", "requests.jsonl", "", "~"])
def test_a_run_may_be_given_by_its_folder_or_by_a_file_in_it(tmp_path, monkeypatch, given):
    folder = Path(shutil.copytree(FORMS[0], tmp_path / "one"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert load_run("~/one" if given == "~" else folder / given).folder == folder


def test_a_record_of_the_first_release_has_defaults_for_what_it_lacks():
    run = Run(FORMS[0])
    assert (run.info.plan.sweep, run.info.plan.slo, run.info.resumed) == ((), None, [])
    assert run.info.models["pocket-nano"].memory_mb is None
    assert run.frame["ttfo_s"].isna().all()


def test_fields_of_a_newer_kit_are_kept_when_the_run_is_written_again(tmp_path):
    run = Run(shutil.copytree(FORMS[-1], tmp_path / "newer"))
    before = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    Recorder(run.info, folder=run.folder).finish("finished")
    after = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert after["weather"] == "sunny"
    assert after["plan"]["patience_s"] == 9
    assert after["plan"]["prompts"] == before["plan"]["prompts"]
    assert after["models"]["pocket-nano"]["mood"] == "calm"
