"""The pack of an instructor: it opens without a network, its pictures come from the sample run, and the guide's clock names headings that are there."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import handouts
import nbformat
import pytest

from helpers import check_setup
from helpers.common.paths import DATA, PROJECT
from helpers.course import notebooks
from helpers.measure.record import SAMPLE
from sample_pictures import PICTURES, SampleRun

GUIDE = (PROJECT / "docs" / "instructor" / "README.md").read_text(encoding="utf-8")
README = (PROJECT / "README.md").read_text(encoding="utf-8")
COMMANDS = (PROJECT / "docs" / "commands.md").read_text(encoding="utf-8")


class Page(HTMLParser):
    """What a page would fetch, what it links to, and its elements."""

    def __init__(self, path: Path):
        super().__init__()
        self.fetched, self.links, self.tags, self.texts = [], [], [], []
        self.path = path
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        if tag == "a":
            self.links.append(given.get("href") or "")
        else:
            self.fetched += [given[name] for name in ("src", "href", "srcset") if name in given]

    def handle_data(self, data):
        self.texts.append(data)


def assert_opens_offline(page: Page) -> None:
    """No script, nothing fetched but what is in the page, and every link leads to a file or another site that the reader chooses."""
    assert [tag for tag, _ in page.tags if tag in ("script", "iframe", "object", "embed")] == []
    assert [name for name in page.fetched if not name.startswith("data:")] == []
    styles = page.path.read_text(encoding="utf-8")
    assert re.findall(r"@import|url\((?!['\"]?(?:data:|#))[^)]{0,40}", styles) == []
    for link in page.links:
        name, _, _ = link.partition("#")
        if name and not link.startswith(("http://", "https://")):
            assert (page.path.parent / name).is_file(), f"{page.path.name}: {link}"


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    """A small notebook, executed by papermill, with what a page must not keep: a path, a widget, links."""
    folder = tmp_path_factory.mktemp("small")
    cells = [
        nbformat.v4.new_markdown_cell(
            "# A title\n\nOn to [01](01_download.ipynb), [a guide](../docs/method.md), [a site](https://example.org)."
        ),
        nbformat.v4.new_code_cell("place = ''", metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(
            'display({"application/vnd.jupyter.widget-view+json": {"model_id": "1"}}, raw=True)'
        ),
        nbformat.v4.new_code_cell("print('sum:', 40 + 2)"),
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {
        "name": "python3",
        "display_name": "Python 3",
        "language": "python",
    }
    source = folder / "01_download.ipynb"
    nbformat.write(notebook, source)
    return notebooks.execute(source, folder / "out" / source.name, {"place": str(folder)})


@pytest.fixture(scope="module")
def pack(small, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pack")
    handouts.write_pack(folder, [small])
    return folder


def test_every_page_of_the_pack_opens_without_a_request_and_links_to_what_is_there(pack):
    pages = sorted(pack.rglob("*.html"))
    assert len(pages) == len(handouts.PAGES) + 3  # and slides, one notebook, the index
    for path in pages:
        assert_opens_offline(Page(path))


def test_the_first_page_leads_to_all_others(pack):
    links = {(pack / link).resolve() for link in Page(pack / "index.html").links}
    assert links == {p.resolve() for p in pack.rglob("*.html") if p.name != "index.html"}


def test_an_executed_notebook_keeps_outputs_and_loses_folders_scripts_and_buttons(pack, small):
    page = Page(pack / "notebooks" / "01_download.html")
    text = "".join(page.texts)
    assert "sum: 42" in text
    assert "Here the live notebook has buttons." in text
    assert str(small.parent.parent) not in text
    assert "01_download.html" in page.links
    assert [link for link in page.links if "method" in link] == []


def test_a_copy_counts_only_while_the_notebook_is_the_same_and_ran_to_its_end(small, tmp_path):
    source = small.parent.parent / small.name
    assert handouts.is_copy(small, source)
    assert not handouts.is_copy(tmp_path / "none.ipynb", source)
    changed = tmp_path / "changed.ipynb"
    changed.write_text(source.read_text("utf-8").replace("40 + 2", "40 + 3"), encoding="utf-8")
    assert not handouts.is_copy(small, changed)
    content = json.loads(small.read_text(encoding="utf-8"))
    content["metadata"]["papermill"]["exception"] = True
    changed.write_text(json.dumps(content), encoding="utf-8")
    assert not handouts.is_copy(changed, source)


def test_the_slides_have_six_pictures_with_texts_and_leave_the_sample_run_as_it_is(pack):
    page = Page(pack / "slides.html")
    pictures = [given for tag, given in page.tags if tag == "img"]
    assert len(pictures) == len(PICTURES) == 6
    assert all(len(given["alt"]) > 20 for given in pictures)
    assert len({given["src"] for given in pictures}) == 6
    assert len([tag for tag, _ in page.tags if tag == "section"]) >= 12
    judged = "judge-smollm2-135m-instruct.jsonl"
    assert {path.name for path in (DATA / SAMPLE).iterdir()} == {
        "run.json",
        "requests.jsonl",
        judged,
    }


def test_the_slides_say_what_the_sample_run_says(pack):
    text, sample = " ".join("".join(Page(pack / "slides.html").texts).split()), SampleRun()
    for sentence in (sample.decision(), *sample.verdicts()):
        assert " ".join(sentence.split()) in text
    for answer in sample.example["answers"]:
        assert " ".join(answer["text"].split()) in text
    low, high = map(int, re.findall(r"(\d+) to (\d+) % above", sample.p95_of_three().finding)[0])
    assert 0 < low <= high


def test_the_marks_of_the_clock_name_headings_of_the_notebooks_in_order():
    table = re.search(r"<!-- marks -->\n(.*?)<!-- end of marks -->", GUIDE, re.DOTALL)[1]
    marks = re.findall(r"^\| (\d+) \| (\d\d), \*(.+)\* \|$", table, re.MULTILINE)
    assert len(marks) >= 8
    minutes = [int(minute) for minute, _, _ in marks]
    assert minutes == sorted(set(minutes))
    places = []
    for _, number, heading in marks:
        (path,) = (path for path in notebooks.notebook_files() if path.name.startswith(number))
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        headings = re.findall(
            r"^#+ (.+)$", "\n".join("".join(c["source"]) for c in cells), re.MULTILINE
        )
        assert heading in headings, f"{path.name} has no heading {heading}"
        places.append((number, headings.index(heading)))
    assert places == sorted(places)


def test_the_minutes_of_the_session_are_thirty_and_those_of_the_notebooks():
    table = re.findall(r"^\| \[\d\d .+?\]\((notebooks/.+?)\) \| (.+?) \| (\d+) \|", README, re.M)
    assert len(table) == len(notebooks.notebook_files())
    assert sum(int(room) for _, room, _ in table if room.isdigit()) == 30
    for name, room, alone in table:
        stated = re.search(r"\*\*Minutes:\*\*(.+?)\*\*Needs", (PROJECT / name).read_text("utf-8"))[
            1
        ]
        assert set(re.findall(r"\d+", room)) | {alone} == set(re.findall(r"\d+", stated)), name


def test_the_run_of_show_has_no_gap_and_ends_with_the_session():
    rows = re.findall(r"^\| (-?\d+) to (\d+) \|(?: (\d\d)?)", GUIDE, re.MULTILINE)
    times = [(int(start), int(end)) for start, end, _ in rows]
    assert times[0][0] < 0
    assert [start for start, _ in times[1:]] == [end for _, end in times[:-1]]
    assert times[-1][1] == 30


def test_the_mail_asks_for_the_line_that_the_check_ends_with():
    mail = (PROJECT / "docs" / "instructor" / "mail.txt").read_text(encoding="utf-8")
    last = str(check_setup()).strip().splitlines()[-1]
    assert last == "Ready." or last.startswith("Not ready:")
    assert "\n     Ready.\n" in mail
    assert '"Not ready: ..."' in mail
    assert max(map(len, mail.splitlines())) <= 79
    for command in re.findall(r"^ +((?:python|py) .+)$", mail, re.MULTILINE):
        assert command in README or f"`{command}`" in COMMANDS
