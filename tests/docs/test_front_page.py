"""The front page is short, its pictures are there, its three doors open, and what it no longer says stands in the page of commands."""

import re

import yaml
from PIL import Image

import refresh
from helpers.common.paths import PROJECT

README = (PROJECT / "README.md").read_text(encoding="utf-8")
COMMANDS = (PROJECT / "docs" / "commands.md").read_text(encoding="utf-8")
PICTURES = re.findall(r"!\[([^]]+)\]\(([^)]+)\)", README)
BLOCKS = re.findall(r"```(?:bash|powershell)\n(.*?)```", README, re.DOTALL)


def test_it_has_at_most_600_words():
    assert len(README.split()) <= 600


def test_the_pitch_is_two_sentences_and_comes_first():
    title, pitch, *_ = README.split("\n\n")
    assert title.startswith("# ")
    assert len(re.findall(r"[.?!](?: |\n|$)", pitch)) == 2
    for promise in ("evidence", "minute", "no account", "no GPU", "no internet"):
        assert promise in pitch.replace("\n", " ")


def test_its_pictures_are_small_and_described_and_lie_in_the_repository():
    assert len(PICTURES) == 2
    paths = [PROJECT / path for _, path in PICTURES]
    assert sum(path.stat().st_size for path in paths) < 300_000
    for (words, _), path in zip(PICTURES, paths, strict=True):
        assert len(words) > 40
        width, height = Image.open(path).size
        assert width >= 900
        assert 0.5 < height / width < 1
    assert "<img" not in README
    assert "img.shields.io" not in README


def test_pictures_and_three_doors_come_before_the_session():
    places = [README.index(text) for text in ("docs/pictures/", "## Start", "## The session")]
    assert places == sorted(places)
    assert "git clone --depth 1 " in BLOCKS[0]
    assert [line.split("  ")[0] for line in BLOCKS[0].splitlines()[1:]] == [
        "make workshop",
        "make lab",
    ]
    assert BLOCKS[1].splitlines()[-2:] == [
        "python -m helpers workshop",
        "python -m jupyter lab --config=jupyter/lab.json",
    ]


def test_the_door_of_uv_is_tried_on_three_systems():
    workflow = (PROJECT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    job = yaml.safe_load(workflow)["jobs"]["uv"]
    assert len(job["strategy"]["matrix"]["os"]) == 3
    assert job["steps"][-1]["run"] == BLOCKS[2]


def test_the_workflow_of_the_site_runs_commands_that_are_documented():
    workflow = (PROJECT / ".github" / "workflows" / "site.yml").read_text(encoding="utf-8")
    steps = yaml.safe_load(workflow)["jobs"]["build"]["steps"]
    install, course, site = (step["run"] for step in steps if "run" in step)
    assert install in README
    assert f"`{course}`" in COMMANDS
    assert f"`{site.removesuffix(' --output site')}`" in COMMANDS


def test_every_variable_that_the_kit_reads_is_in_the_table_of_settings():
    table = COMMANDS[COMMANDS.index("## Settings") :]
    names = {
        name
        for path in (PROJECT / "helpers").rglob("*.py")
        for name in re.findall(
            r"\b(?:WORKSHOP|BENCH|FOUNDRY_LOCAL)_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8")
        )
    }
    assert len(names) >= 10
    assert [name for name in sorted(names) if f"`{name}`" not in table] == []


def test_every_option_that_help_shows_is_on_the_page_of_commands():
    commands = {command.name: command for command in refresh.commands()}
    assert (
        "--rounds STR",
        "times that every prompt is sent (BENCH_ROUNDS; default 3)",
    ) in commands["benchmark"].options
    for command in commands.values():
        assert f"```\n{command.usage}\n```" in COMMANDS
        for names, said in command.options:
            assert f"| `{names}` | {said} |" in COMMANDS
            assert said
    assert sum(len(command.options) for command in commands.values()) > 60
