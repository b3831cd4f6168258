"""The board as the last row sees it: real Chromium, no other server asked, thirty machines, names with scripts."""

import io
import shutil
import urllib.parse

import numpy as np
import pytest

from support.room import drawn

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))),
    None,
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium here")

HOSTILE = "<script>document.title=1</script>"
TEXTS = """() => [...document.querySelectorAll('body *')]
    .filter(e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
    .map(e => { const box = (e.closest('section') ?? e).getBoundingClientRect();  // what is too long is cut there
        const drawn = e.ownerSVGElement?.getScreenCTM()?.a ?? 1;
        return [e.textContent, parseFloat(getComputedStyle(e).fontSize) * drawn, box.bottom, box.right]; })
    .filter(([, , bottom]) => bottom > 0)"""

# What follows a name in its tile ends within the tile.
CUT = """() => [...document.querySelectorAll('section')].filter(tile => {
    const range = document.createRange();
    range.selectNode(tile.lastChild);
    return range.getBoundingClientRect().right > tile.getBoundingClientRect().right;
}).map(tile => tile.lastChild.textContent)"""


def test_the_board_is_whole_legible_and_harmless_with_thirty_machines(room, post):
    door, _ = room
    draw = np.random.default_rng(3)
    for number in range(30):
        mains = [True, False, None][number % 3]
        machine = {"on_mains_power": mains, "cores": [2, 8, 16][number // 3 % 3]}
        name = f'Ada" onload="taken{number}'[: 8 + number]
        slower = float(np.exp(draw.uniform(0, 3)))
        body = drawn(post, f"{name} {number}", slower, float(draw.uniform(2, 3)), **machine)
        body["course"] = {"passed": 21, "exercises": 21, "right": 10, "guesses": 12}
        assert door.post(body).status_code == 200
    door.get("/plan.json", **{"Workshop-Name": urllib.parse.quote(HOSTILE)})
    asked, said = [], []
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: said.append(message.text))
        page.goto(f"{door.url}/board")
        texts = page.evaluate(TEXTS)
        shown = page.locator("body").inner_text()
        cut = page.evaluate(CUT)
        dots = page.locator("div svg path").count()
        picture = page.screenshot()
        fills = set(
            page.locator("div svg path").evaluate_all("p => p.map(e => e.getAttribute('fill'))")
        )
        page.wait_for_event("load")  # it refreshes itself
        title = page.title()
        browser.close()
    assert {url for url in asked if not url.startswith(f"{door.url}/")} == set()
    assert len([url for url in asked if url.endswith("/board")]) >= 2
    assert (title, said) == ("The room", [])
    assert HOSTILE in shown and 'Ada" onload="taken29 29' in shown
    assert cut == [] and "21/21 and 10/12" in shown
    assert "30 of 31 machines" in shown and "the ratio travels" in shown
    assert dots == 30 * 3  # two models in milliseconds, one ratio
    assert fills == {"#333", "#fff", "#aaa"}  # told apart without color
    assert [text for text, size, _, _ in texts if size < 16] == []
    assert [text for text, _, bottom, right in texts if bottom > 800 or right > 1281] == []
    from PIL import Image

    red, green, blue = np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), int).T
    assert abs(red - green).max() <= 1 and abs(red - blue).max() <= 1  # right in grey scale
