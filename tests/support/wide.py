"""Executed notebooks in headless Chromium, laid out in the width that JupyterLab gives them."""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pytest
from handouts import template_folder
from nbconvert import HTMLExporter

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
# The output area of JupyterLab 4.6 in CSS pixels, measured with its own page at 1280 x 800: with the
# file list open, and at 150 % with the file list closed, as the instructor's projector check asks.
FILE_LIST_OPEN, PROJECTOR_150 = 848, 673
WIDTH = "() => document.querySelector('.jp-OutputArea-output').clientWidth"
MEASURE = """() => {
    const wide = (kind, part) => [...document.querySelectorAll(part)]
        .filter(one => one.scrollWidth > one.clientWidth + 1)
        .map(one => `${kind}, ${one.scrollWidth} in ${one.clientWidth}: ${one.innerText.slice(0, 90)}`);
    const broken = [...document.querySelectorAll('.jp-RenderedHTMLCommon td:first-child')]
        .filter(cell => /^[a-z0-9]+(-[a-z0-9]+)+$/.test(cell.innerText.trim()))
        .filter(cell => { const r = document.createRange(); r.selectNodeContents(cell); return new Set([...r.getClientRects()].map(b => Math.round(b.top))).size > 1; })
        .map(cell => `broken: ${cell.innerText}`);
    return [...wide('output', '.jp-OutputArea-output'), ...wide('code', '.jp-InputArea-editor, .jp-InputArea-editor .highlight, .jp-InputArea-editor pre'), ...broken];
}"""


def to_html(notebook: Path | nbformat.NotebookNode) -> str:
    """The page of an executed notebook, in the style of JupyterLab."""
    node = nbformat.read(notebook, as_version=4) if isinstance(notebook, Path) else notebook
    folder = [template_folder()]
    exporter = HTMLExporter(
        template_name="lab", extra_template_basedirs=folder, extra_template_paths=folder
    )
    return exporter.from_notebook_node(node)[0]


@contextlib.contextmanager
def pages():
    """A function that gives what is too wide on a page, for each width, in one browser. Skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if BROWSER is None:
        pytest.skip("no Chromium here; on Debian and Ubuntu: apt-get install chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=BROWSER, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.route("http*://**", lambda route: route.abort())

        def too_wide(html: str, widths: Sequence[int]) -> dict[int, list[str]]:
            page.set_content(html, wait_until="load")
            found = {}
            for width in widths:
                page.set_viewport_size({"width": width, "height": 800})
                beside = width - page.evaluate(WIDTH)  # prompts and margins
                page.set_viewport_size({"width": width + beside, "height": 800})
                assert page.evaluate(WIDTH) == width
                found[width] = page.evaluate(MEASURE)
            return found

        yield too_wide
        browser.close()
