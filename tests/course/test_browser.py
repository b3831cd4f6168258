"""The course as a learner sees it: real JupyterLab in headless Chromium, every notebook opened and run, its panels used.

One Lab and one browser serve all tests here. Pictures of the notebooks are left in results/screenshots/. Skipped where there is no browser:
on Debian and Ubuntu `apt-get install chromium` brings one.
"""

import json
import os
import posixpath
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from helpers.common.paths import PROJECT
from helpers.course import notebooks
from support.notebooks import POCKET, TINY

sync_api = pytest.importorskip(
    "playwright.sync_api",
    reason="playwright is not installed: python -m pip install -r requirements-dev.txt",
)
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
pytestmark = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium here; on Debian and Ubuntu: apt-get install chromium"
)

SMALL = {"prompts": '"deterministic"', "rounds": "2", "models": f'"{POCKET}"', "gguf": f'r"{TINY}"'}
SMALL["slow_s"] = "1"
PICTURES = PROJECT / "results" / "screenshots"
QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
)
PANEL = ".jp-NotebookPanel:not(.lm-mod-hidden)"
START_LIMIT_S, CELL_LIMIT_MS = 240, 120_000


@pytest.fixture(scope="module")
def lab(server, tmp_path_factory):
    """The address of a JupyterLab over a copy of the project, with short benchmarks."""
    root = tmp_path_factory.mktemp("lab")
    for name in ("notebooks", "docs", "data", "jupyter"):
        ignored = shutil.ignore_patterns(".ipynb_checkpoints", "*.onnx*", "tokenizer.json")
        shutil.copytree(PROJECT / name, root / name, ignore=ignored)
    for name in ("README.md", "README.fa.md", "KNOWN-ISSUES.md"):
        shutil.copy(PROJECT / name, root)
    for path in (root / "notebooks").rglob("*.ipynb"):
        path.write_text(
            json.dumps(shortened(json.loads(path.read_text("utf-8")))), encoding="utf-8"
        )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = [
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=x",
        "--LabApp.expose_app_in_browser=True",
        "--allow-root",
    ]
    # As `make lab` starts it: in the project's folder, with the project's settings.
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    (start,) = re.findall(r"^lab:.*\n\t@\$\(PY\) -m (jupyter lab.*)$", makefile, re.MULTILINE)
    options += ["--no-browser", "--ip=127.0.0.1"]
    command = [sys.executable, "-m", *start.split(), *options]
    own = {
        "JUPYTERLAB_SETTINGS_DIR": str(root / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(root / "workspaces"),
        "JUPYTER_CONFIG_DIR": str(root / "config"),
        "WORKSHOP_RESULTS": str(root / "results"),
    }
    with (root / "lab.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=root, env=os.environ | own, stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/api?token=x", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()  # it ends its kernels
        process.wait(120)


def shortened(notebook: dict) -> dict:
    for cell in notebook["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            cell["source"] = [
                f"{name} = {SMALL[name]}\n" if (name := line.split(" = ")[0]) in SMALL else line
                for line in cell["source"]
            ]
    return notebook


def wait_for(url: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while True:
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=2)
            return
        except OSError:
            assert process.poll() is None, "JupyterLab ended"
            assert time.monotonic() < deadline, "JupyterLab did not start"
            time.sleep(0.2)


@pytest.fixture(scope="module")
def page(lab):
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=QUIET)
        page = browser.new_page(viewport={"width": 1280, "height": 3000})
        page.set_default_timeout(CELL_LIMIT_MS)
        page.goto(f"{lab}/lab?token=x&reset")
        page.wait_for_function("() => window.jupyterapp?.restored !== undefined")
        page.evaluate("() => window.jupyterapp.restored")
        yield page
        browser.close()


RUN = """async path => {
    const app = window.jupyterapp;
    if (window.ran?.path === path) {
        await app.commands.execute('docmanager:open', {path, factory: 'Notebook'});
        return window.ran.outputs;
    }
    window.ran = null;
    await app.commands.execute('docmanager:save-all');  // else closing what has changed would ask
    await app.commands.execute('application:close-all');
    await app.serviceManager.sessions.shutdownAll();
    const panel = await app.commands.execute('docmanager:open', {path, factory: 'Notebook', kernel: {name: 'python3'}});
    await panel.context.ready;
    await panel.sessionContext.ready;
    await app.commands.execute('notebook:run-all-cells');
    await panel.context.save();  // else closing it would ask
    const cells = panel.content.model.sharedModel.toJSON().cells;
    window.ran = {path, outputs: cells.flatMap(cell => (cell.outputs || []).map(output => ({cell: cell.id, ...output})))};
    return window.ran.outputs;
}"""


def opened(page, name: str) -> list[dict]:
    """Open a notebook, run all its cells, and give their outputs; the one that was run last is only shown again."""
    return page.evaluate(RUN, f"notebooks/{name}.ipynb")


HERE = "window.jupyterapp.shell.currentWidget?.context?.path"
OPEN = """async path => {
    const app = window.jupyterapp;
    const kernelPreference = {shouldStart: false, canStart: false};
    const panel = await app.commands.execute('docmanager:open', {path, factory: 'Notebook', kernelPreference});
    await panel.context.ready;
    await panel.revealed;
    return panel.content.model.sharedModel.toJSON().cells.map(cell => cell.cell_type == 'markdown' ? [].concat(cell.source).join('') : '');
}"""
SCROLL = "cell => window.jupyterapp.shell.currentWidget.content.scrollToItem(cell)"


def test_a_start_in_the_folder_of_the_project_shows_the_first_notebook_and_no_question(lab, page):
    page.goto(f"{lab}/?token=x&reset")
    page.wait_for_function(f"() => {HERE} === 'notebooks/00_check.ipynb'")
    page.evaluate("() => window.jupyterapp.restored")
    page.wait_for_selector(f"{PANEL} h1")
    questions = page.locator(".jp-Dialog, .Toastify__toast, .jp-toastContainer *")
    assert questions.all_inner_texts() == []


@pytest.mark.parametrize("name", [path.stem for path in notebooks.notebook_files()])
def test_a_click_on_each_link_opens_what_it_names(page, name):
    """Links are resolved by JupyterLab, from the notebook's folder up to its own root."""
    notebook = f"notebooks/{name}.ipynb"
    targets = {}
    for number, text in enumerate(page.evaluate(OPEN, notebook)):
        targets |= dict.fromkeys(re.findall(r"\[([^]]+)\]\(([^)#:]+)\)", text), number)
    assert targets
    for (words, target), number in targets.items():
        page.evaluate(OPEN, notebook)
        page.evaluate(SCROLL, number)
        page.locator(f"{PANEL} .jp-RenderedMarkdown a", has_text=words).first.click()
        wanted = posixpath.normpath(f"notebooks/{target}")
        page.wait_for_function(f"wanted => {HERE} === wanted", arg=wanted, timeout=20_000)


def runs_from_top_to_bottom(page, outputs, name):
    page.wait_for_timeout(300)  # for the picture only: images are painted after their cell is done
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.locator(PANEL).first.screenshot(path=PICTURES / f"{name}.png")
    assert outputs
    assert [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"] == []
    widgets = [
        o for o in outputs if "application/vnd.jupyter.widget-view+json" in o.get("data", {})
    ]
    assert (page.locator(f"{PANEL} .widget-vbox").count() > 0) == bool(widgets)


def has_a_chat_box_that_answers_and_shows_its_ttft(page, outputs, name):
    page.locator(f"{PANEL} .widget-vbox input[type=text]").fill(
        "List 3 privacy benefits of local inference."
    )
    page.get_by_role("button", name="Send").click()
    page.wait_for_function("() => /done: TTFT \\d+ ms/.test(document.body.innerText)")
    page.locator(f"{PANEL} .widget-vbox pre").scroll_into_view_if_needed()
    page.locator(f"{PANEL} .widget-vbox").first.screenshot(path=PICTURES / "chat.png")
    assert page.locator(f"{PANEL} .widget-vbox pre").inner_text().count("\n") >= 2
    assert page.get_by_role("button", name="Stop").is_disabled()


def has_sliders_that_change_the_decision(page, outputs, name):
    panel = page.locator(f"{PANEL} .widget-vbox").first
    panel.scroll_into_view_if_needed()
    before = panel.inner_text()
    limit = panel.locator(".noUi-handle").last  # the least quality
    limit.focus()
    for _ in range(20):
        limit.press("ArrowRight")
    page.wait_for_function(
        "before => document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) .widget-vbox').innerText !== before",
        arg=before,
    )
    panel.screenshot(path=PICTURES / "sliders.png")
    assert "quality" in panel.inner_text()


def has_hints_and_a_solution_that_unfold_below_an_exercise(page, outputs, name):
    folds = page.locator(f"{PANEL} .jp-OutputArea details")
    hint = folds.filter(has_text="Hint 1").first
    hint.scroll_into_view_if_needed()
    assert not hint.locator("pre").is_visible()
    hint.locator("summary").click()
    assert "An id is the alias" in hint.locator("pre").inner_text()
    hint.locator("xpath=..").screenshot(path=PICTURES / "hints.png")
    titles = [*map(str.strip, folds.locator("summary").all_inner_texts())]
    assert titles[:4] == ["Hint 1", "Hint 2", "Hint 3", "One solution"]


def has_a_last_link_that_opens_the_report(page, outputs, name):
    page.locator(f"{PANEL} a", has_text="report.html").last.click()
    page.wait_for_function(f"() => {HERE}?.startsWith('results/')")
    frame = page.frame_locator(".jp-HTMLViewer iframe, iframe.jp-IFrame, .jp-IFrame iframe").first
    assert frame.locator("h1").first.inner_text()


PARTS = {
    "00_check": [has_hints_and_a_solution_that_unfold_below_an_exercise],
    "02_smoke_test": [has_a_chat_box_that_answers_and_shows_its_ttft],
    "04_compare": [has_sliders_that_change_the_decision, has_a_last_link_that_opens_the_report],
}


@pytest.mark.parametrize(
    ("name", "part"),
    [
        (path.stem, part)
        for path in notebooks.notebook_files()
        for part in (runs_from_top_to_bottom, *PARTS.get(path.stem, []))
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_notebook_in_the_lab(page, name, part):
    outputs = opened(page, name)
    assert not [o for o in outputs if o["output_type"] == "error"]
    part(page, outputs, name)


# Where the letters of one text node of each element stand, and where its paragraph is.
LETTERS = """elements => elements.map(element => {
    const range = document.createRange(), node = element.firstChild;
    const left = [...node.data].map((_, place) => {
        range.setStart(node, place);
        range.setEnd(node, place + 1);
        return range.getClientRects()[0];
    });
    return {text: node.data, left: left.map(box => box.left), top: left.map(box => box.top)};
})"""
PARAGRAPHS = """paragraphs => paragraphs.map(paragraph => {
    const range = document.createRange();
    range.selectNodeContents(paragraph);
    const lines = [...range.getClientRects()], box = paragraph.getBoundingClientRect();
    return {
        words: paragraph.textContent,
        to_the_right: box.right - Math.max(...lines.map(line => line.right)),
        to_the_left: Math.min(...lines.map(line => line.left)) - box.left,
        width: box.width,
    };
})"""


@pytest.mark.parametrize(
    ("name", "figure"),
    [("00_check", "connect()"), ("01_download", "15 GB"), ("03_benchmark", "2 s")],
)
def test_persian_lies_to_the_right_and_code_in_it_reads_from_left_to_right(page, name, figure):
    sources = page.evaluate(OPEN, f"notebooks/fa/{name}.ipynb")
    cells = page.locator(f"{PANEL} .jp-RenderedMarkdown")
    cells.first.wait_for()
    picture = PICTURES / f"fa-{name}.png"
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.wait_for_function(
        f"() => document.querySelectorAll('{PANEL} .jp-RenderedMarkdown p').length > 5"
    )
    page.wait_for_timeout(1000)  # for the picture only: cells are rendered when there is time
    page.locator(PANEL).first.screenshot(path=picture)
    # Cells are rendered when they come into view.
    source = f">{figure.replace(' ', '&nbsp;')}<"
    page.evaluate(SCROLL, next(n for n, text in enumerate(sources) if source in text))
    figures = cells.locator("code[dir=ltr], span[dir=ltr]")
    words = re.compile("^" + r"\s".join(map(re.escape, figure.split())) + "$")
    figures.filter(has_text=words).first.wait_for()
    paragraphs = cells.locator("p").evaluate_all(PARAGRAPHS)
    assert [p for p in paragraphs if abs(p["to_the_right"]) > 2] == []
    assert [p for p in paragraphs if p["to_the_left"] > p["width"] / 3], "no short line"
    for heading in cells.locator("h1, h2, h3").evaluate_all(PARAGRAPHS):
        assert heading["to_the_left"] > heading["to_the_right"], heading
    spans = figures.evaluate_all(LETTERS)
    lines = [span for span in spans if len(set(span["top"])) == 1]
    assert figure in [span["text"].replace("\u00a0", " ") for span in lines]
    assert [span["text"] for span in lines if span["left"] != sorted(span["left"])] == []


def test_a_click_on_each_link_of_a_persian_notebook_opens_what_it_names(page):
    notebook = "notebooks/fa/00_check.ipynb"
    page.evaluate(OPEN, notebook)
    links = f"{PANEL} .jp-RenderedMarkdown a[href]:not(.jp-InternalAnchorLink)"
    page.locator(links).first.wait_for()
    sources = "\n".join(page.evaluate(OPEN, notebook))
    for target in sorted(set(re.findall(r'<a href="([^"#:]+)', sources))):
        page.evaluate(OPEN, notebook)
        name = posixpath.normpath(f"notebooks/fa/{target}")
        page.locator(f"{links}[href*='{posixpath.basename(name)}']").first.click()
        page.wait_for_function(f"wanted => {HERE} === wanted", arg=name, timeout=20_000)
