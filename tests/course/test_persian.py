"""The Persian edition: it says what the English one says, and a change of the English text is noticed."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import edition
from helpers.course import notebooks
from helpers.course.widgets import link_to
from rendering import MARKDOWN, rendered
from support.notebooks import NAMES, text_of


@pytest.mark.parametrize("name", edition.PAGES)
def test_every_block_says_what_its_english_original_says(name):
    assert edition.problems(name) == []


def test_what_readers_open_is_what_the_blocks_give():
    assert edition.outdated() == [], "run: python notebooks/fa/build.py"


@pytest.mark.parametrize("name", NAMES)
def test_every_code_cell_is_the_english_one_byte_for_byte(name):
    assert edition.other_code(name) == []


def test_all_notebooks_are_there():
    assert edition.NOTEBOOKS == NAMES


# A change of one file, and what is said of it: the page, the block and the reason.
CHANGES = {
    "an English sentence": (
        "notebooks/00_check.ipynb",
        "For each problem it says what to do.",
        "It says what to do.",
        "00_check.md: check-idea: the English text has changed since; bring the Persian up to date, "
        "then run: python notebooks/fa/build.py --accept 00_check",
    ),
    "a new English cell": (
        "notebooks/00_check.ipynb",
        '"id": "miss-idea"',
        '"id": "other-idea"',
        "00_check.md: other-idea: not translated; write a block below <!-- other-idea ",
    ),
    "a cell that is gone": (
        "notebooks/00_check.ipynb",
        '"id": "miss-idea"',
        '"id": "other-idea"',
        "00_check.md: miss-idea: the English text has no such part; delete the block.",
    ),
    "a hint of an exercise": (
        "notebooks/fa/hints.md",
        "`int4` نیست",
        "`int8` نیست",
        "hints.md: alias: code spans differ: missing nothing, not in English int8.",
    ),
    "a number": (
        "notebooks/fa/01_download.md",
        "93 MB",
        "94 MB",
        "01_download.md: download-idea: numbers differ: missing 93, not in English 94.",
    ),
    "a code span": (
        "notebooks/fa/00_check.md",
        "`resolve`",
        "resolve",
        "00_check.md: names-idea: code spans differ: missing resolve, not in English nothing.",
    ),
    "a link": (
        "notebooks/fa/00_check.md",
        "(../../data/models.json)",
        "(../../data/prompts.json)",
        "00_check.md: lineup-idea: links differ: missing data/models.json, "
        "not in English data/prompts.json.",
    ),
    "a link to an English page that is translated": (
        "notebooks/fa/00_check.md",
        "(../../docs/fa/troubleshooting.md)",
        "(../../docs/english.md)",
        "00_check.md: check-see: links differ: missing docs/fa/troubleshooting.md, "
        "not in English docs/english.md.",
    ),
    "a row of a table": (
        "notebooks/fa/instructor.md",
        "| 24 | 04، *تصمیم* |\n",
        "",
        "instructor.md: timing-marks: tables differ: missing 2 columns, not in English nothing.",
    ),
    "a block of code": (
        "notebooks/fa/06_custom_model.md",
        "-p int4 -e cpu",
        "-p int8 -e cpu",
        "06_custom_model.md: convert-idea: blocks of code differ: missing ```",
    ),
    "a level of a heading": (
        "notebooks/fa/00_check.md",
        "## یک مدل، دو نام",
        "### یک مدل، دو نام",
        "00_check.md: names-idea: headings differ: missing ##, not in English ###.",
    ),
    "an Arabic ye": (
        "notebooks/fa/00_check.md",
        "آدم‌ها نام کوتاه",
        "آدم‌ها نام کوتاه \u064a",
        "00_check.md: key-points: Arabic letters or digits: \u064a; write ی, ک and 0-9.",
    ),
    "an Arabic kaf": (
        "notebooks/fa/00_check.md",
        "آدم‌ها نام کوتاه",
        "آدم‌ها نام \u0643وتاه",
        "00_check.md: key-points: Arabic letters or digits: \u0643; write ی, ک and 0-9.",
    ),
    "a half-space of a verb": (
        "notebooks/fa/00_check.md",
        "اینجا کار می‌کنند",
        "اینجا کار می کنند",
        "00_check.md: plan: a half-space is missing in: می کنند.",
    ),
    "a half-space of a plural": (
        "notebooks/fa/00_check.md",
        "آدم‌ها نام کوتاه",
        "آدم ها نام کوتاه",
        "00_check.md: key-points: a half-space is missing in: آدم ها.",
    ),
    "a word of the glossary": (
        "notebooks/fa/00_check.md",
        "[محیط اجرا]",
        "[زمان اجرا]",
        "00_check.md: key-points: the glossary calls runtime محیط اجرا, not زمان اجرا.",
    ),
}


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the texts of both languages that a test may change."""
    for name in ("notebooks", "docs", "README.md", "README.fa.md"):
        source = edition.PROJECT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    monkeypatch.setattr(edition, "PROJECT", tmp_path)
    monkeypatch.setattr(edition, "HERE", tmp_path / "notebooks/fa")
    return tmp_path


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="\n")


@pytest.mark.parametrize("what", CHANGES)
def test_a_difference_between_the_languages_is_told_with_its_block(copy, what):
    name, old, new, message = CHANGES[what]
    change(copy / name, old, new)
    found = [words for page in edition.PAGES for words in edition.problems(page)]
    assert [words for words in found if words.startswith(f"notebooks/fa/{message}")], found


def test_a_code_cell_that_differs_is_named(copy):
    change(copy / "notebooks/fa/00_check.ipynb", "poket-mini", "pokot-mini")
    assert edition.other_code("00_check") == ["miss"]
    assert edition.outdated() == ["notebooks/fa/00_check.ipynb"]


def build(folder: Path, *arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(folder / "notebooks/fa/build.py"), *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(edition.PROJECT), "PYTHONIOENCODING": "utf-8"},
    )


def test_a_change_goes_from_english_to_persian_by_the_steps_that_the_message_names(tmp_path, copy):
    original = copy / "notebooks/00_check.ipynb"
    change(original, "For each problem it says what to do.", "It also names 7 ways out.")
    first = build(tmp_path)
    assert first.returncode == 1
    assert "check-idea: the English text has changed since" in first.stderr
    change(
        copy / "notebooks/fa/00_check.md", "برای هر مشکل می‌گوید چه باید کرد", "7 راه چاره هم دارد"
    )
    second = build(tmp_path, *first.stderr.rpartition("build.py ")[2].split())
    assert (second.returncode, second.stderr) == (0, "")
    assert second.stdout == "up to date: check-idea\n"
    assert "7 راه چاره" in (copy / "notebooks/fa/00_check.ipynb").read_text(encoding="utf-8")
    assert edition.outdated() == []


def test_a_page_that_does_not_exist_is_told_in_a_sentence(tmp_path, copy):
    done = build(tmp_path, "--accept", "08_more")
    assert done.returncode == 1
    assert done.stderr.startswith("error: no page is called '08_more'; there are 00_check, ")


# Rendering


def test_paragraphs_lists_and_tables_carry_their_own_direction():
    shown = rendered("متن\n\n- یک\n- دو\n\n1. سه\n\n| الف |\n|---|\n| ب |", "x.ipynb")
    assert shown.startswith('<div dir="rtl" lang="fa">\n\n<p style="text-align:right">متن</p>')
    for tag in ("ul", "ol"):
        assert f'<{tag} style="padding-right:2em;padding-left:0">' in shown
    assert '<th style="text-align:right">الف</th>' in shown
    assert '<td style="text-align:right">ب</td>' in shown


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("تابع `connect()` است", '<code dir="ltr">connect()</code>'),
        ("پس از 1.2 s آمد", '<span dir="ltr">1.2&nbsp;s</span>'),
        ("بسته 93 MB است", '<span dir="ltr">93&nbsp;MB</span>'),
        ("در 95 % پر شد", '<span dir="ltr">95&nbsp;%</span>'),
        ("از -5 تا", '<span dir="ltr">-5</span>'),
        ("جمله *Ready.* دارد", '<em dir="ltr">Ready.</em>'),
        ("سرور [llama.cpp](https://a.example/b) هم", '<a href="https://a.example/b" dir="ltr">'),
        ("از `a < b` بگذر", '<code dir="ltr">a &lt; b</code>'),
    ],
)
def test_what_is_not_persian_carries_its_direction(text, html):
    assert html in rendered(text, "notebooks/fa/x.ipynb")


def test_headings_and_long_code_stay_markdown_so_that_outlines_and_copying_work():
    shown = rendered("## عنوان\n\nمتن\n\n```\npython -m x\n```\n\nپایان", "x.ipynb")
    tokens = MARKDOWN.parse(shown)
    assert [t.tag for t in tokens if t.type == "heading_open"] == ["h2"]
    assert [t.content for t in tokens if t.type == "fence"] == ["python -m x\n"]
    depth, open_at_fence = 0, None
    for line in shown.splitlines():
        depth += line.startswith("<div") - line.startswith("</div")
        if line.startswith("```") and open_at_fence is None:
            open_at_fence = depth
    assert (open_at_fence, depth) == (0, 0)


def test_links_lead_somewhere_from_where_the_page_is():
    for page in edition.PAGES.values():
        text = (edition.PROJECT / page.built).read_text(encoding="utf-8")
        if page.built.endswith(".ipynb"):
            cells = json.loads(text)["cells"]
            text = "\n".join(edition.source(c) for c in cells if c["cell_type"] == "markdown")
        folder = (edition.PROJECT / page.built).parent
        links = re.findall(r'(?:href|src)="([^"#:]+)["#]', text)
        assert [link for link in links if not (folder / link).exists()] == [], page.built


def test_the_instructors_marks_name_headings_of_the_persian_notebooks():
    marks = edition.persian("instructor")["timing-marks"].text
    found = re.findall(r"^\| \d+ \| (\d\d)، \*(.+)\* \|$", marks, re.MULTILINE)
    assert len(found) > 8
    for number, heading in found:
        (name,) = [name for name in NAMES if name.startswith(number)]
        texts = [block.text for block in edition.persian(name).values()]
        assert [text for text in texts if text.startswith(f"## {heading}\n")], heading


# Running


def test_a_persian_notebook_runs_headless(server, tmp_path, monkeypatch):
    """Their code is the English code; a cheap one shows that it runs as it stands there, 04 where the sample run is tested."""
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path / "results"))
    there = edition.HERE / "00_check.ipynb"
    assert "Ready." in text_of(notebooks.execute(there, tmp_path / "00_check.ipynb"))


@pytest.mark.parametrize("folder", ["notebooks", "notebooks/fa"])
def test_a_report_is_a_link_from_the_folder_of_either_language(tmp_path, monkeypatch, folder):
    (tmp_path / folder).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / folder)
    up = "../" * len(Path(folder).parts)
    report = tmp_path / "results" / "report.html"
    assert link_to(report).data == f"[report.html](<{up}results/report.html>)"
    elsewhere = tmp_path.parent / "report.html"
    assert link_to(elsewhere).data == f"`{elsewhere}`"
