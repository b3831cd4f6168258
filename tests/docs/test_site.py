"""The site: it asks no other host for anything, its links lead somewhere, axe-core finds nothing, and each notebook says how it was executed."""

import functools
import http.server
import json
import re
import shutil
import threading
import urllib.parse

import nbformat
import papermill
import pytest

import make_site
import pages
from helpers.common.paths import PROJECT
from helpers.course import notebooks
from support.notebooks import NAMES, notebook

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium here; on Debian and Ubuntu: apt-get install chromium"
)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return tmp_path_factory.mktemp("work")


@pytest.fixture(scope="module")
def executed(server, work):
    """As `make site` has it, with one quick notebook instead of four."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make_site, "QUICK", {"00_check": {}})
        patch.setattr(make_site, "ON_SAMPLE", {"04_compare": {}})
        return make_site.executed_notebooks(work)


@pytest.fixture(scope="module")
def site(executed, work, tmp_path_factory):
    folder = tmp_path_factory.mktemp("made") / "site"
    return make_site.write_site(folder, executed, work).parent


@pytest.fixture(scope="module")
def address(site):
    """The site as a server on loopback has it."""
    handler = functools.partial(Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}"
        served.shutdown()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        """Say nothing."""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def text_of(site, name: str) -> str:
    return (site / name).read_text(encoding="utf-8")


@needs_browser
def test_no_page_asks_another_host_and_nothing_it_asks_for_is_missing(site, address, browser):
    page, asked, failed = browser.new_page(), [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on(
        "response", lambda response: failed.append(response.url) if response.status >= 400 else None
    )
    page.on("console", lambda message: failed.append(message.text))
    names = [path.relative_to(site).as_posix() for path in sorted(site.rglob("*.html"))]
    assert len(names) > 30
    for name in names:
        page.goto(f"{address}/{name}")
    page.close()
    outside = [url for url in asked if not url.startswith((f"{address}/", "data:"))]
    assert (len(outside), outside) == (0, [])
    assert len(asked) >= 2 * len(names) - 1  # each page and its style, except the report's
    assert failed == []


@needs_browser
@pytest.mark.parametrize(
    "name",
    [
        "index.html",
        "fa/index.html",
        "glossary.html",
        "fa/glossary.html",
        "notebooks/03_benchmark.html",
        "notebooks/04_compare.html",
        "docs/commands.html",
        "docs/method.html",
        "docs/instructor/README.html",
        "data/models.json.html",
    ],
)
def test_axe_finds_nothing(address, browser, name):
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page()
    page.goto(f"{address}/{name}")
    found = Axe().run(page)
    page.close()
    assert found.response["passes"], "axe did not run"
    assert found.violations_count == 0, found.generate_report()


@needs_browser
def test_persian_is_read_from_the_right_and_code_from_the_left(address, browser):
    page = browser.new_page(viewport={"width": 1000, "height": 900})
    page.goto(f"{address}/fa/glossary.html")
    heading = page.locator("h1").bounding_box()
    word = page.locator("dd", has_text="pocket-mini").first
    assert heading["x"] + heading["width"] > 900
    assert page.evaluate("document.documentElement.scrollWidth") == 1000
    edges = "e => { const r = document.createRange(); r.selectNodeContents(e); return r.getBoundingClientRect().right; }"
    assert word.evaluate(edges) > 900
    assert word.locator("code").evaluate("e => getComputedStyle(e).direction") == "ltr"
    page.close()


def test_every_link_leads_to_a_page_and_a_place_in_it(site):
    places = {}
    for path in site.rglob("*.html"):
        places[path.resolve()] = set(re.findall(r'\bid="([^"]+)"', path.read_text("utf-8")))
    checked = 0
    for path in places:
        for link in re.findall(r'<(?:a|link)\b[^>]*?href="([^"]*)"', path.read_text("utf-8")):
            if link.startswith(("http://", "https://", "data:")) or path.name == "report.html":
                continue
            name, _, anchor = urllib.parse.unquote(link).partition("#")
            goal = (path.parent / name).resolve() if name else path
            assert goal.is_file(), f"{path.name}: {link}"
            if anchor:
                assert anchor in places[goal], f"{path.name}: {link}"
            checked += 1
    assert checked > 400


def test_every_page_has_a_language_a_title_and_one_first_heading(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        name = path.relative_to(site).as_posix()
        language = "fa" if "fa/" in name else "en"
        assert f'<html lang="{language}"' in text, name
        assert re.search(r"<title>[^<]{3,}</title>", text), name
        assert len(re.findall(r"<h1\b", text)) == 1, name


def test_all_notebooks_a_report_and_the_documents_are_on_the_first_page(site):
    text = text_of(site, "index.html")
    links = re.findall(r'href="([^"]*)"', text)
    assert [name for name in NAMES if f"notebooks/{name}.html" not in links] == []
    documents = {path.stem for path in (PROJECT / "docs").glob("*.md")} - {"glossary"}
    assert [name for name in documents if f"docs/{name}.html" not in links] == []
    assert {"report.html", "glossary.html", "./fa/index.html"} <= set(links)
    decision = re.search(r"<strong>(.+?)</strong>", text)[1]
    assert decision in text_of(site, "report.html")


def test_each_notebook_says_how_it_was_executed_and_shows_what_it_gave(site):
    for name, how, outputs in (
        ("00_check", "quick", True),
        ("04_compare", "sample", True),
        ("03_benchmark", "none", False),
    ):
        text = text_of(site, f"notebooks/{name}.html")
        note = str(pages.inline(make_site.NOTES[how]))
        assert f">{note}</p>" in text
        assert ('<div class="output"' in text) == outputs
    compared = text_of(site, "notebooks/04_compare.html")
    assert "takes 40 times as long as pocket-mini" in compared
    assert compared.count("<img alt=") >= 2 or compared.count("data:image/png") >= 2
    assert "Here the live notebook has buttons." in compared


def test_nothing_of_this_machine_is_in_the_site(site, work):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        for folder in (str(PROJECT), str(work), "/tmp/", "injected-parameters"):
            assert folder not in text, f"{path.name}: {folder}"


def test_a_copy_that_the_course_left_is_taken_while_the_notebook_is_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path))
    source = notebook("03_benchmark")
    assert make_site.latest_copy(source) is None
    content = nbformat.read(source, as_version=4)
    content.metadata["papermill"] = {"end_time": "2026-11-27T10:00:00", "exception": None}
    folder = tmp_path / "workshop-2026-11-27T10-00-00" / "notebooks"
    folder.mkdir(parents=True)
    nbformat.write(content, folder / source.name)
    assert make_site.latest_copy(source) == folder / source.name
    content.cells[-1].source += " A change."
    nbformat.write(content, folder / source.name)
    assert make_site.latest_copy(source) is None


def test_a_persian_notebook_has_the_outputs_of_the_english_one(
    executed, work, tmp_path, monkeypatch
):
    monkeypatch.setattr(make_site, "PROJECT", tmp_path)
    content = json.loads(notebook("04_compare").read_text(encoding="utf-8"))
    content["cells"][0]["source"] = (
        '<div dir="rtl" lang="fa">\n\n# 04 مقایسه و تصمیم\n\n<p dir="rtl">کدام <b>مدل</b>؟</p>\n\n</div>'
    )
    source = tmp_path / "notebooks" / "fa" / "04_compare.ipynb"
    source.parent.mkdir(parents=True)
    source.write_text(json.dumps(content), encoding="utf-8")
    site = make_site.Site(tmp_path / "site", executed, work)
    site.add(source)
    text = text_of(tmp_path / "site", "notebooks/fa/04_compare.html")
    assert '<html lang="fa" dir="rtl">' in text
    assert make_site.promise(source) == ("04 مقایسه و تصمیم", "کدام مدل؟")
    assert "<title>04 مقایسه و تصمیم</title>" in text
    assert "takes 40 times as long as pocket-mini" in text
    assert 'href="../../style.css"' in text
    assert '<pre class="code" dir="ltr">' in text


def test_the_notebooks_that_are_executed_are_notebooks_with_these_parameters():
    by_name = {path.stem: path for path in notebooks.notebook_files()}
    for name, given in (make_site.ON_SAMPLE | make_site.QUICK).items():
        assert set(given) <= set(papermill.inspect_notebook(str(by_name[name])))
