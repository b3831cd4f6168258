"""What people read: messages in the documents are those of the source, links and headings hold, pictures have texts, sentences are not too long for a line."""

import ast
import itertools
import json
import re
from pathlib import Path

import nbformat
import pytest
import yaml
from markdown_it import MarkdownIt

from helpers.common.paths import PROJECT
from helpers.course import notebooks

MARKDOWN = MarkdownIt("commonmark").enable("table")
PAGES = sorted(
    path
    for folder in (".", "docs", "docs/instructor", "data/baseline")
    for path in (PROJECT / folder).glob("*.md")
)
NOTEBOOKS = notebooks.notebook_files()


def literals(path: Path) -> list[str]:
    """The texts in a source file; what is put into an f-string is a NUL."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.append(node.value)
        elif isinstance(node, ast.JoinedStr):
            found.append(
                "".join(
                    part.value if isinstance(part, ast.Constant) else "\0" for part in node.values
                )
            )
    return found


SOURCE = [text for path in sorted((PROJECT / "helpers").rglob("*.py")) for text in literals(path)]
for path in sorted((PROJECT / "helpers").glob("*/templates/*.jinja")):
    sentences = re.sub(r"{[#%].*?[#%]}", "", path.read_text(encoding="utf-8"))
    sentences = sentences.replace("{{ key_variable }}", "FOUNDRY_LOCAL_API_KEY")
    sentences = re.sub(r"{{.*?}}", "\0", sentences)
    SOURCE.append(" ".join(sentences.split()))
# What Python, PowerShell and Foundry Local itself print.
FOREIGN = (
    "ModuleNotFoundError",
    "NameError",
    "running scripts is disabled",
    "exceeds the model's maximum context length",
)


def shown_messages() -> list[str]:
    text = (PROJECT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    table = re.findall(
        r"^\| `([^`|]{12,})` \|",
        (PROJECT / "docs" / "instructor" / "README.md").read_text(encoding="utf-8"),
        re.MULTILINE,
    )
    return re.findall(r"^### .*?`(.+)`$", text, re.MULTILINE) + [
        message for message in table if " " in message
    ]


@pytest.mark.parametrize("message", shown_messages())
def test_a_message_of_the_troubleshooting_pages_is_one_that_the_kit_prints(message):
    if any(words in message for words in FOREIGN):
        return
    parts = [
        part
        for part in re.split(r"\.\.\.|\d+\.\d+|\(\S+\.ms\)", message.removeprefix("error: "))
        if len(part.strip(" '`:;.()")) > 3
    ]
    pattern = re.compile(".*".join(map(re.escape, (part.strip() for part in parts))), re.DOTALL)
    assert parts
    assert any(pattern.search(text) for text in SOURCE), message


def test_the_troubleshooting_page_has_the_messages_of_every_step():
    assert len(shown_messages()) >= 30


def prose(path: Path) -> str:
    """The Markdown of a page, or of all text cells of a notebook."""
    if path.suffix == ".md":
        return path.read_text(encoding="utf-8")
    return "\n\n".join(
        cell.source
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
    )


def named(path: Path) -> str:
    return path.relative_to(PROJECT).as_posix()


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=named)
def test_headings_make_a_table_of_contents(path):
    tokens = MARKDOWN.parse(prose(path))
    headings = [
        (int(token.tag[1]), tokens[place + 1].content)
        for place, token in enumerate(tokens)
        if token.type == "heading_open"
    ]
    levels = [level for level, _ in headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels)), headings
    assert len({text for _, text in headings}) == len(headings), "two headings are the same"
    assert not [text for _, text in headings if text.endswith((".", ":")) and "`" not in text]


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=named)
def test_markdown_is_whole(path):
    """Nothing that a reader would see as raw signs: unclosed code, bold or links, tables with odd rows, tabs, trailing spaces."""
    text = prose(path)
    assert "\t" not in text
    assert not re.search(r"[^\S\n]+$", text, re.MULTILINE)
    assert text.count("```") % 2 == 0
    for token in MARKDOWN.parse(text):
        if token.type == "inline":
            plain = "".join(child.content for child in token.children if child.type == "text")
            assert not re.search(r"\*\*|\]\(|(?<!`)`(?!`)|<[a-z]+>", plain), plain
            assert all(
                child.content.strip() or child.attrs.get("alt")
                for child in token.children
                if child.type == "image"
            ), "a picture without a text"
    for block in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        assert (
            len(
                {
                    len(re.findall(r"(?<!\\)\|", re.sub(r"`[^`]*`", "", line)))
                    for line in block.splitlines()
                }
            )
            == 1
        ), block


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=named)
def test_links_lead_to_a_file_and_a_heading(path):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(path)):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        goal = (path.parent / name).resolve() if name else path
        assert goal.exists(), link
        if anchor:
            headings = [
                token.content for token in MARKDOWN.parse(prose(goal)) if token.type == "inline"
            ]
            assert anchor in {
                re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-") for text in headings
            }, link


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_each_notebook_can_be_read_in_its_minutes(path):
    """At 200 words a minute: in the room what is for the room, alone all of it."""
    text = prose(path)
    (stated,) = re.findall(r"\*\*Minutes:\*\* (.*?)\*\*", text, re.DOTALL)
    numbers = [int(number) for number in re.findall(r"\d+", stated)]
    for_the_room = [
        part
        for part in re.split(r"^(?=#+ )", text, flags=re.MULTILINE)
        if "*Alone.*" not in part.splitlines()[:3]
    ]
    assert sum(len(part.split()) for part in for_the_room) / 200 <= numbers[0]
    assert len(text.split()) / 200 <= numbers[-1]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=named)
def test_notebooks_say_where_one_comes_from_and_what_they_need(path):
    text = prose(path)
    for part in (
        "**Goals.**",
        "(1)",
        "(2)",
        "(3)",
        "**Minutes:**",
        "**Needs:**",
        "**Checkpoint:**",
    ):
        assert part in text
    assert re.search(r"\*\*(?:Next|Previous):\*\*", text)


def test_the_devcontainer_installs_what_the_readme_says():
    container = json.loads(
        (PROJECT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    )
    assert container["postCreateCommand"] in (PROJECT / "README.md").read_text(encoding="utf-8")


def test_the_hosted_workflow_runs_the_readme_commands_on_three_systems():
    workflow = yaml.safe_load(
        (PROJECT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8")
    )
    job = workflow["jobs"]["course"]
    assert {name.split("-")[0] for name in job["strategy"]["matrix"]["os"]} == {
        "ubuntu",
        "windows",
        "macos",
    }
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands[-2:] == ["python -m helpers workshop", "python -m pytest"]
    page = (PROJECT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert all(f"`{command}`" in page for command in commands[-2:])
