"""The report as a reader meets it: in a real browser, with hostile names and answers, by keyboard, on paper, at two sizes, checked by axe-core."""

import re
import shutil

import pytest

from helpers.common.paths import DATA
from helpers.decision.cost import make_prices
from helpers.measure.record import Run
from helpers.quality.people import BlindRating
from helpers.report.report import write_report
from support.records import NASTY, PROMPTS, about, answer, record, rows_of

BROWSER = next(
    filter(
        None,
        map(
            shutil.which,
            (
                "chromium",
                "chromium-browser",
                "google-chrome",
                "google-chrome-stable",
                "msedge",
                "chrome",
            ),
        ),
    ),
    None,
)
pytestmark = pytest.mark.skipif(
    BROWSER is None,
    reason="no Chromium here: install one (Debian: apt-get install chromium) to check the report in a browser",
)

SAMPLE_RUN = DATA / "sample_run"
EVIL = '"\'><img src=x onerror="window.hit=1"><script>window.hit=2</script></td></table>|`${window.hit=3}`{{7*7}}{% raw %}&lt;b&gt;'


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A run whose model names, answers, licence, errors, notes, raters and machine all try to leave their place."""
    folder = tmp_path_factory.mktemp("hostile")
    facts = {
        f"plain{EVIL}": about(license=EVIL, size_mb=2.0),
        "=2+3|x": about(license="=cmd", size_mb=12.0),
        "gone": about(status="skipped", error=EVIL),
    }
    facets = [{"id": "word", "any_of": ["right"]}]
    prompts = [
        {"id": p, "text": EVIL, "facets": facets, "format": None}
        for p in [*PROMPTS, "fourth", "fifth"]
    ]
    rows = [
        answer(
            m,
            p["id"],
            n,
            0.1 * k + 0.01 * n,
            text=f"right {EVIL} {NASTY}" if k == 1 else f"={NASTY}",
        )
        for k, m in enumerate(list(facts)[:2], 1)
        for p in prompts
        for n in range(1, 5)
    ]
    run = record(folder, facts, rows, prompts={"name": "mine", "title": EVIL, "prompts": prompts})
    run.info.environment.machine["cpu"] = EVIL
    for rater in (f"ana {EVIL}", EVIL):
        blind = BlindRating(run, rater, file=run.folder / "annotations-x.csv")
        while blind.current:
            blind.score(3 + len(blind.todo) % 2, EVIL)
    write_report(run, prices=make_prices(per_kwh=0.3, cloud_input=1, cloud_output=2))
    return run.folder


@pytest.fixture(scope="module")
def shipped(tmp_path_factory):
    """A copy of the sample run, reported."""
    run = Run(shutil.copytree(SAMPLE_RUN, tmp_path_factory.mktemp("shipped") / "run"))
    write_report(run)
    return run.folder


def unfold(page):
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")


@pytest.fixture
def page(browser, hostile):
    """The page, opened at a laptop's size; what it asked for, and what it complained of."""
    opened = browser.new_page(viewport={"width": 1366, "height": 768})
    opened.asked, opened.said = [], []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.on("dialog", lambda dialog: opened.said.append(dialog.message))
    opened.goto((hostile / "report.html").as_uri())
    unfold(opened)
    yield opened
    opened.close()


def test_no_script_but_its_own_runs_and_nothing_is_fetched(page):
    assert page.evaluate("typeof window.hit") == "undefined"
    assert page.said == []
    assert [
        url for url in page.asked if not url.startswith(("file:", "data:image/svg+xml;base64,"))
    ] == []
    assert page.locator("script").count() == 1
    assert page.locator("table").count() == 4
    assert "<script>window.hit=2</script>" in page.locator("main").inner_text()
    assert "49" not in page.locator("dd").all_inner_texts()


def test_the_policy_of_the_page_stops_what_the_escaping_would_let_through(page):
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.hit=9\">')"
    )
    page.evaluate(
        "{ const s = document.createElement('script'); s.textContent = 'window.hit=8'; document.body.append(s); }"
    )
    page.wait_for_function("document.images[document.images.length - 1].complete")
    assert page.evaluate("typeof window.hit") == "undefined"


def test_axe_finds_nothing(page):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page)
    assert found.response["passes"], "axe did not run"
    assert found.violations_count == 0, found.generate_report()


def test_the_first_screen_says_all_that_a_decision_needs(browser, shipped):
    """At 1280 x 800: a sentence, a chart, four models in eight columns, what went wrong, and what to do next."""
    opened = browser.new_page(viewport={"width": 1280, "height": 800})
    opened.goto((shipped / "report.html").as_uri())
    for part in ("h1", ".answer", ".front figure", ".front li", ".front + .scroll", ".next code"):
        box = opened.locator(part).last.bounding_box()
        assert box["y"] + box["height"] <= 800, part
        assert box["x"] + box["width"] <= 1280, part
    table = opened.locator(".front + .scroll table")
    assert (table.locator("tbody tr").count(), table.locator("th").count()) == (4, 8)
    assert (
        len(
            {
                round(box["height"])
                for box in map(lambda th: th.bounding_box(), table.locator("th").all())
            }
        )
        == 1
    )
    assert table.locator("tbody td").first.inner_text() == "smollm2-135m-notes"  # the default
    wrong = opened.locator(".front li").all_inner_texts()
    assert len(wrong) == 4
    assert (
        "smollm2-135m on call-back-service: wrong owner: Okafor, not Priyanka; "
        "invented date: Tuesday; missing: due (3 March), open (pick up)"
    ) in wrong
    assert wrong[-1].startswith("smollm2-135m-notes on crossing-guard: copied: 63 %")
    assert opened.locator(".next code").inner_text().startswith("python -m helpers annotate")
    assert opened.locator("details[open]").count() == 0
    unfold(opened)
    reasons = opened.locator("dt").all_inner_texts()
    assert {"Why", "How sure", "What it costs", "What would change it"} <= {*reasons}
    opened.close()


def test_a_default_without_a_fault_is_said_to_have_none(tmp_path):
    facets = [{"id": "word", "any_of": ["right"]}]
    ids = [*PROMPTS, "fourth", "fifth"]
    prompts = [{"id": p, "text": "Is it right?", "facets": facets, "format": None} for p in ids]
    rows = [answer("small", p, n, 0.1, text="It is right.") for p in ids for n in (1, 2, 3)]
    run = record(
        tmp_path, {"small": about()}, rows, prompts={"name": "m", "title": "m", "prompts": prompts}
    )
    page = write_report(run, limits={"min_quality": 0.1}).with_name("report.html")
    assert "<strong>small</strong>: nothing wrong was found on 5 prompts" in page.read_text("utf-8")


@pytest.mark.parametrize(("width", "height"), [(1366, 768), (1920, 1080), (400, 800)])
def test_the_page_fits_its_window(page, width, height):
    page.set_viewport_size({"width": width, "height": height})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_table_is_sorted_by_keyboard(page):
    def column(number: int) -> list[str]:
        return page.locator(f"table.sortable tbody tr td:nth-child({number})").all_inner_texts()

    heading = page.locator("table.sortable th").filter(has_text="disk")
    number = page.locator("table.sortable th").all_inner_texts().index(heading.inner_text()) + 1
    button = heading.locator("button")
    button.focus()
    page.keyboard.press("Enter")
    assert heading.get_attribute("aria-sort") == "ascending"
    up = column(number)
    assert up == ["2", "12", "-"]  # as numbers, and what is not there comes last
    page.keyboard.press("Space")
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(number) == [*up[:-1][::-1], "-"]
    assert page.locator("[aria-sort]").count() == 1


def test_every_picture_says_its_finding(page):
    figures = page.locator("figure")
    assert figures.count() == 3
    for i in range(3):
        alt, caption = (
            figures.nth(i).locator("img").get_attribute("alt"),
            figures.nth(i).locator("figcaption").inner_text(),
        )
        assert len(caption) > 20
        assert alt.endswith(caption[-60:])
        assert figures.nth(i).locator("img").evaluate("image => image.naturalWidth > 300")


def test_it_can_be_printed(page):
    page.emulate_media(media="print")
    page.evaluate("document.querySelector('details').open = false")
    pdf = page.pdf(format="A4")
    assert page.locator("details:not([open])").count() == 0
    assert pdf.startswith(b"%PDF-")
    assert page.locator(".screen").first.is_hidden()


def test_no_form_of_the_report_lets_a_name_out_of_its_cell(hostile):
    for name in ("benchmark_report.md", "decision.md"):
        text = (hostile / name).read_text(encoding="utf-8")
        assert not re.search(r"<(script|img|/td)", text), name
        rows = [line for line in text.splitlines() if line.startswith("|")]
        for row in rows:
            cells = re.findall(r"(?<!\\)\|", row)
            assert len(cells) >= 5, row
    widths = {
        len(re.findall(r"(?<!\\)\|", line))
        for line in (hostile / "decision.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("|")
    }
    assert len(widths) == 1
    csv_text = (hostile / "summary.csv").read_text(encoding="utf-8")
    assert "'=2+3|x" in csv_text and "'=cmd" in csv_text


def test_a_run_without_an_answer_is_a_page_too(browser, tmp_path):
    run = record(tmp_path, {"small": about(status="planned")}, [], status="interrupted")
    write_report(run)
    opened = browser.new_page()
    opened.goto((run.folder / "report.html").as_uri())
    assert (
        "No model can be the default. No model answered." in opened.locator(".answer").inner_text()
    )
    assert "This run is interrupted" in opened.locator(".warning").inner_text()
    assert opened.locator("figure").count() == 0
    opened.close()


def test_one_model_is_a_page_too(browser, tmp_path):
    run = record(tmp_path, {"small": about(size_mb=2.0)}, rows_of("small"))
    write_report(run)
    opened = browser.new_page()
    opened.goto((run.folder / "report.html").as_uri())
    answer = opened.locator(".answer").inner_text()
    assert answer.startswith(
        "There is no decision, because quality is unknown: no answer was judged."
    )
    assert "python -m helpers annotate" in opened.locator(".next code").first.inner_text()
    opened.close()
