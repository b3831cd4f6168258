"""Every command that a document, a notebook or a message names exists, as far as a dated list and this package can say."""

import datetime
import re
import tomllib

from helpers.cli.app import app
from helpers.common.paths import PROJECT

LISTED = tomllib.loads((PROJECT / "tests/support/commands.toml").read_text(encoding="utf-8"))
SAID_IN = ("*.md", "docs/*.md", "data/**/*.md", "notebooks/**/*.ipynb", "notebooks/**/*.py")
SAID_IN += ("helpers/**/*.py", "helpers/**/*.jinja", "helpers/**/*.toml", "helpers/**/*.html")


def texts() -> dict[str, str]:
    """Path to text of every file in which the kit tells somebody what to type."""
    paths = {path for pattern in SAID_IN for path in PROJECT.glob(pattern) if path.is_file()}
    return {str(path.relative_to(PROJECT)): path.read_text(encoding="utf-8") for path in paths}


def test_commands_of_foundry_local_are_on_the_dated_list():
    assert datetime.date.fromisoformat(LISTED["date"])
    said: dict[str, set[str]] = {}
    for path, text in texts().items():
        for command in re.findall(r"\bfoundry (?:[a-z]+ )?[a-z]+(?=`)", text):
            said.setdefault(path, set()).add(command)
    assert any("foundry server status" in commands for commands in said.values())
    for path, commands in said.items():
        old = commands & LISTED["foundry_before_0_10"].keys()
        assert commands - old <= LISTED["foundry"].keys(), path
        assert {LISTED["foundry_before_0_10"][command] for command in old} <= commands, path


def test_commands_of_the_kit_exist():
    known = {name for name in app if not name.startswith("-")}
    for path, text in texts().items():
        said = set(re.findall(r"python -m helpers ([a-z]+(?:-[a-z]+)*)", text))
        assert said <= known, (path, said - known)


def test_make_targets_that_documents_name_exist():
    targets = set(re.findall(r"^([a-z-]+):", (PROJECT / "Makefile").read_text("utf-8"), re.M))
    for path, text in texts().items():
        if path.endswith(".md"):
            said = set(re.findall(r"`make ([a-z-]+)[^`]*`", text))
            assert said <= targets, (path, said - targets)
