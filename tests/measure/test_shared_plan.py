"""A plan that one person writes and many machines follow: names and numbers, and a sentence for everything else."""

import json

import pytest

from helpers.common.errors import UsageError
from helpers.measure.shared_plan import (
    SharedPlan,
    check_shared_plan,
    kit_version,
    read_shared_plan,
)


def test_a_plan_is_read_from_toml_and_from_json(tmp_path):
    (tmp_path / "plan.toml").write_text(
        'models = ["pocket-nano"]\nprompts = "deterministic"\nrounds = 4\n', encoding="utf-8"
    )
    plan = read_shared_plan(tmp_path / "plan.toml")
    assert plan == SharedPlan(models=("pocket-nano",), prompts="deterministic", rounds=4)
    assert plan.requests == 12
    (tmp_path / "plan.json").write_text(plan.model_dump_json(), encoding="utf-8")
    assert read_shared_plan(tmp_path / "plan.json") == plan


def test_the_shipped_set_counts_whatever_the_working_folder_holds(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deterministic").mkdir()
    (tmp_path / "deterministic" / "mine.txt").write_text("Mine.", encoding="utf-8")
    texts = [p.text for p in SharedPlan(models=["a"], prompts="deterministic").prompt_set().prompts]
    assert len(texts) == 3 and "Mine." not in texts
    assert len(SharedPlan(models=["a"], prompts="meeting-notes:all").prompt_set()) > len(
        SharedPlan(models=["a"]).prompt_set()
    )


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"models": ["http://evil.example/x"]}, "models"),
        ({"models": ["../../etc"]}, "models"),
        ({"models": ["a"], "prompts": "/etc/passwd"}, "must be a shipped prompt set"),
        ({"models": ["a"], "prompts": "prompts.json:session"}, "must be a shipped prompt set"),
        ({"models": ["a"], "rounds": 10**9}, "rounds"),
        ({"models": [f"m{n}" for n in range(50)]}, "at most 20"),
        ({"models": []}, "at least 1"),
        (["a"], "must be a valid dictionary"),
    ],
)
def test_addresses_paths_and_excess_are_refused(values, words):
    with pytest.raises(UsageError, match=words) as caught:
        check_shared_plan(values, "plan.toml")
    assert "newer kit" not in str(caught.value)


@pytest.mark.parametrize("more", [{"kit": "9.0.0"}, {"form": 2}])
def test_a_field_of_a_newer_version_is_called_that(more):
    with pytest.raises(UsageError, match=r"warmth: unknown field.*a newer kit may know it; this"):
        check_shared_plan({"models": ["a"], "warmth": 3, **more}, "plan.toml")


def test_a_plan_of_this_version_with_a_typing_error_is_not_called_newer():
    mine = kit_version().partition("+")[0]
    with pytest.raises(UsageError, match="did you mean rounds") as caught:
        check_shared_plan({"models": ["a"], "round": 3, "kit": mine}, "plan.toml")
    assert "newer kit" not in str(caught.value)


def test_a_plan_that_is_not_there_is_told_in_a_sentence(tmp_path):
    """Left out, none would be used: no plan ships with the kit."""
    with pytest.raises(UsageError, match=r"no file .*plan\.toml; check the name and the folder\.$"):
        read_shared_plan(tmp_path / "plan.toml")


def test_a_file_that_is_no_plan_is_told_in_a_sentence(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"models": ["a"]})[:-1], encoding="utf-8")
    with pytest.raises(UsageError, match="not valid TOML or JSON"):
        read_shared_plan(path)
