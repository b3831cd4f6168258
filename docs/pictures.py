"""Take the pictures of README.md from the site: the sample run's report, and a notebook.

    python docs/make_site.py
    python docs/pictures.py [--site FOLDER]

It needs the packages of requirements-dev.txt and a Chromium that the system has.
"""

import argparse
import io
import shutil
import sys
from pathlib import Path

from PIL import Image

from helpers.common.errors import KitError
from helpers.common.paths import results_folder

FOLDER = Path(__file__).parent / "pictures"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
# Picture to page of the site, the anchor that it begins at, and the width of the window.
PICTURES = {
    "report.webp": ("report.html", "", 1180),
    "notebook.webp": ("notebooks/04_compare.html", "#the-same-as-a-picture", 860),
}
SHAPE, WIDTH, QUALITY = 0.7, 1300, 82


def main(arguments: list[str] | None = None) -> int:
    """Take the pictures and print their sizes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--site", help="folder of the site (default: results/site)")
    given = parser.parse_args(arguments)
    try:
        take(Path(given.site) if given.site else results_folder() / "site")
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    for name in PICTURES:
        print(f"docs/pictures/{name}: {(FOLDER / name).stat().st_size / 1000:.0f} kB")
    return 0


def take(site: Path) -> None:
    """Take all pictures. Raises KitError without a site or a browser."""
    from playwright.sync_api import sync_playwright

    browser_path = next(filter(None, map(shutil.which, NAMES)), None)
    if browser_path is None:
        raise KitError("No Chromium is on this machine; install one (Debian: chromium).")
    if missing := [page for page, _, _ in PICTURES.values() if not (site / page).is_file()]:
        raise KitError(f"{site} has no {missing[0]}; first: python docs/make_site.py")
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=browser_path, args=["--no-sandbox"])
        for name, (path, anchor, width) in PICTURES.items():
            page = browser.new_page(
                viewport={"width": width, "height": round(width * SHAPE)},
                device_scale_factor=WIDTH / width,
            )
            page.goto((site / path).resolve().as_uri() + anchor)
            picture = Image.open(io.BytesIO(page.screenshot()))
            picture.convert("RGB").save(FOLDER / name, quality=QUALITY, method=6)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
