"""Make a site of the course: notebooks with outputs, one real report, documents and glossary.

    python docs/make_site.py [--output FOLDER]

It needs no network, and neither do its pages. Notebooks that read a record are executed on the
sample run. The others are copies that `python -m helpers workshop` left in the results; where
there are none, the quick ones are executed and the rest is shown without outputs. Each page says
which of these it is.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import nbformat
from markupsafe import Markup

sys.path[:0] = [str(Path(__file__).parent / "instructor")]

from handouts import INJECTED, is_copy

import pages
from helpers.common.errors import KitError
from helpers.common.paths import DATA, PROJECT, results_folder
from helpers.course.notebooks import NOTEBOOKS, execute, notebook_files
from helpers.measure.record import SAMPLE, Run
from helpers.report.report import write_report
from helpers.servers import foundry
from sample_pictures import SampleRun

POCKET = "pocket-nano,pocket-mini,pocket-midi"
# Notebooks that read a record, and those that take seconds, with the parameters for it.
ON_SAMPLE: dict[str, dict[str, object]] = {"04_compare": {}, "05_quality": {"requests": 2}}
QUICK: dict[str, dict[str, object]] = {
    "00_check": {},
    "01_download": {"models": POCKET},
    "02_smoke_test": {"models": POCKET},
    "07_starter_project": {"rounds": 1},
}
NOTES = {
    "sample": "Executed on the sample run that ships with the kit, when this site was made.",
    "quick": "Executed with the three smallest models when this site was made.",
    "workshop": "Executed by `python -m helpers workshop`, which measured the models anew.",
    "none": "Shown without outputs, because it measures for a minute or more: "
    "`python -m helpers workshop` executes it.",
}
STARTS = ("README.md", "docs", "docs/instructor", "docs/fa", "CONTRIBUTING.md", "CHANGELOG.md")
GLOSSARY = PROJECT / "docs" / "glossary.md"  # the site has a page of its own for each language
MAX_TEXT_BYTES = 300_000
LINK = re.compile(r'<a\b[^>]*?\bhref="([^"]*)"[^>]*>(.*?)</a>', re.DOTALL)
SOURCE = re.compile(r'(<img\b[^>]*?\bsrc=")([^":]+)(")')


def main(arguments: list[str] | None = None) -> int:
    """Write the site and print where it is and how long it took."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", help="folder to write into (default: results/site)")
    given = parser.parse_args(arguments)
    start = time.monotonic()
    try:
        folder = Path(given.output) if given.output else results_folder() / "site"
        with tempfile.TemporaryDirectory() as work:
            first = write_site(folder, executed_notebooks(Path(work)), Path(work))
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"the site: {first} ({time.monotonic() - start:.0f} s)")
    return 0


# Executed notebooks


@dataclass(frozen=True)
class Executed:
    """Hold an executed copy of a notebook, or the notebook itself, and how it came about."""

    path: Path
    how: str


def executed_notebooks(work: Path) -> dict[str, Executed]:
    """Return name to executed copy of every notebook; execute what has to be and is quick."""
    found: dict[str, Executed] = {}
    jobs: dict[str, dict[str, object]] = {}
    for notebook in notebook_files():
        name, copy = notebook.stem, latest_copy(notebook)
        if name in ON_SAMPLE:
            jobs[name] = ON_SAMPLE[name] | {"run": str(sample_copy(work / f"{name}-run"))}
            found[name] = Executed(work / notebook.name, "sample")
        elif copy:
            found[name] = Executed(copy, "workshop")
        elif name in QUICK:
            jobs[name] = QUICK[name]
            found[name] = Executed(work / notebook.name, "quick")
        else:
            found[name] = Executed(notebook, "none")
    execute_all(jobs, work)
    return found


def latest_copy(notebook: Path) -> Path | None:
    """Return the newest executed copy of a notebook as it is now that the course has left."""
    folders = sorted(results_folder().glob("workshop-*/notebooks"), reverse=True)
    copies = (folder / notebook.name for folder in folders)
    return next((copy for copy in copies if is_copy(copy, notebook)), None)


def sample_copy(folder: Path) -> Path:
    """Return a copy of the sample run: the shipped folder must not get new files."""
    return Path(shutil.copytree(DATA / SAMPLE, folder / SAMPLE))


def execute_all(jobs: dict[str, dict[str, object]], work: Path) -> None:
    """Execute notebooks side by side, with results, guesses and scores in a folder of their own."""
    own = {"WORKSHOP_RESULTS": str(work / "results"), "WORKSHOP_CATALOG": "off"}
    before = {name: os.environ.get(name) for name in own}
    os.environ.update(own)
    was_running = foundry.find() is not None
    try:
        with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
            for job in [
                pool.submit(execute, NOTEBOOKS / f"{name}.ipynb", work / f"{name}.ipynb", given)
                for name, given in jobs.items()
            ]:
                job.result()
    finally:
        if not was_running:
            foundry.stop_service()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


# The site


@dataclass
class Site:
    """Hold what goes into the folder: pages by the path of what they are made from."""

    folder: Path
    executed: dict[str, Executed]
    work: Path
    queue: list[Path] = field(default_factory=list)
    titles: dict[Path, str] = field(default_factory=dict)

    def target(self, source: Path) -> Path:
        """Return the path of a source's page within the site."""
        path = source.relative_to(PROJECT)
        if path.suffix in (".md", ".ipynb"):
            return path.with_suffix(".html")
        return path if path.suffix in (".webp", ".png") else path.with_name(f"{path.name}.html")

    def wanted(self, source: Path) -> bool:
        """Return whether the site has a page of a file, and see to it that it is made."""
        inside = source.is_file() and source.is_relative_to(PROJECT)
        if not inside or source.stat().st_size > MAX_TEXT_BYTES:
            return False
        if source not in self.queue:
            self.queue.append(source)
        return True

    def linked(self, html: str, source: Path) -> str:
        """Return HTML whose links lead to pages of the site; of links to nothing keep the words."""
        here, persian = self.target(source).parent, "fa" in source.parts

        def link(match: re.Match) -> str:
            goal = match[1]
            if goal.startswith(("http://", "https://", "#", "mailto:")):
                return match[0]
            name, hash_sign, anchor = goal.partition("#")
            path = (source.parent / name).resolve()
            path = path / "README.md" if path.is_dir() else path
            if name.endswith("report.html"):
                target = Path("report.html")
            elif path == GLOSSARY:
                target = Path("fa/glossary.html" if persian else "glossary.html")
            elif self.wanted(path):
                target = self.target(path)
            else:
                return match[2]
            way = f"{self.relative(target, here)}{hash_sign}{anchor}"
            return match[0].replace(f'"{goal}"', f'"{way}"')

        def picture(match: re.Match) -> str:
            self.wanted((source.parent / match[2]).resolve())
            return match[0]

        return SOURCE.sub(picture, LINK.sub(link, html))

    def relative(self, target: Path, here: Path) -> str:
        """Return the way from a folder of the site to one of its files."""
        return os.path.relpath(target, here).replace(os.sep, "/")

    def write(self, target: Path, text: str) -> Path:
        """Write a page, the same bytes on every system."""
        path = self.folder / target
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="\n")
        return path

    def page(self, target: Path, title: str, body: str, language: str = "en") -> Path:
        """Write a page with the frame that all have."""
        return self.write(
            target,
            pages.render(
                "site.html.jinja",
                title=title,
                body=Markup(body),
                words=pages.WORDS[language],
                language=language,
                root=self.relative(Path("."), target.parent),
                path=target.as_posix(),
            ),
        )

    def add(self, source: Path) -> None:
        """Make the page of one file."""
        target, language = self.target(source), "fa" if "fa" in source.parts else "en"
        if source.suffix in (".webp", ".png"):
            (self.folder / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, self.folder / target)
            return
        if source.suffix == ".ipynb":
            body = self.notebook(source)
        elif source.suffix == ".md":
            body = pages.markdown(source.read_text(encoding="utf-8"))
        else:
            text = source.read_text(encoding="utf-8", errors="replace")
            body = pages.render("file.html.jinja", name=source.name, text=text)
        title = pages.title(body) or source.name
        self.titles[source] = title
        self.page(target, title, self.linked(body, source), language)

    def notebook(self, source: Path) -> str:
        """Return a notebook as HTML, with the outputs of its executed copy, cell by cell."""
        copy = self.executed[source.stem]
        read = nbformat.read(copy.path, as_version=4)
        outputs = {cell.id: cell.get("outputs", []) for cell in read.cells}
        cells = [
            cell
            for cell in nbformat.read(source, as_version=4).cells
            if INJECTED not in cell.metadata.get("tags", [])
        ]
        shown = [(cell, [*map(self.output, outputs.get(cell.id, []))]) for cell in cells]
        language = "fa" if "fa" in source.parts else "en"
        note = pages.inline(NOTES[copy.how])
        return pages.render("notebook.html.jinja", cells=shown, note=note, language=language)

    def output(self, output: nbformat.NotebookNode) -> str:
        """Return one output as HTML, without folders of this machine."""
        html = pages.output(output)
        for folder in (str(self.work / "results"), str(self.work), str(results_folder())):
            html = html.replace(folder, "results")
        return html.replace(f"{PROJECT}{os.sep}", "").replace(str(Path.home()), "~")

    @cached_property
    def sample(self) -> SampleRun:
        """Return the sample run of the report and of the first page."""
        return SampleRun(Run(sample_copy(self.work / "report")))


def write_site(folder: Path, executed: dict[str, Executed], work: Path) -> Path:
    """Write the whole site, and return the path of its first page."""
    if folder.exists():
        shutil.rmtree(folder)
    site = Site(folder, executed, work)
    write_report(site.sample.run)
    site.write(Path("report.html"), (site.sample.run.folder / "report.html").read_text("utf-8"))
    site.write(Path("style.css"), (pages.TEMPLATES / "style.css").read_text("utf-8"))
    notebooks = {
        "en": notebook_files(),
        "fa": sorted((NOTEBOOKS / "fa").glob("[0-9][0-9]_*.ipynb")),
    }
    for source in [*starts(), *notebooks["en"], *notebooks["fa"]]:
        site.wanted(source)
    for source in site.queue:  # it grows with the links of each page
        site.add(source)
    for language in pages.WORDS:
        first_page(site, language, notebooks[language])
    return folder / "index.html"


def starts() -> Iterator[Path]:
    """Yield the documents that the site begins with; it follows their links to further ones."""
    for name in STARTS:
        path = PROJECT / name
        found = sorted(path.glob("*.md")) if path.is_dir() else [path]
        yield from (path for path in found if path != GLOSSARY)


def first_page(site: Site, language: str, notebooks: list[Path]) -> None:
    """Write the start page and the glossary of a language."""
    folder = Path("fa") if language == "fa" else Path()
    chart = site.sample.charts["quality"]
    documents = {
        site.relative(site.target(path), folder): title
        for path, title in site.titles.items()
        if path.suffix == ".md" and ("fa" in path.parts) == (language == "fa")
        if path.parent != PROJECT / "docs" / "instructor" and path.name != "README.md"
    }
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    course = [(site.relative(site.target(path), folder), *promise(path)) for path in notebooks]
    body = pages.render(
        "start.html.jinja",
        words=pages.WORDS[language],
        language=language,
        course=course,
        documents=documents,
        pitch=pages.inline(pages.WORDS[language]["pitch"]),
        commands=re.findall(r"```bash\n(.+?)```", readme, re.DOTALL)[0],
        decision=site.sample.decision(),
        chart=chart,
        report=site.relative(Path("report.html"), folder),
        guide=site.relative(Path("docs/instructor/README.html"), folder),
    )
    site.page(folder / "index.html", pages.WORDS[language]["title"], body, language)
    words = pages.WORDS[language]["glossary"]
    page = pages.render("words.html.jinja", chapters=pages.glossary(), language=language)
    site.page(folder / "glossary.html", words, page, language)


def promise(notebook: Path) -> tuple[str, str]:
    """Return the title of a notebook and the sentence that ends its first cell."""
    first = pages.markdown(nbformat.read(notebook, as_version=4).cells[0].source)
    paragraphs = re.findall(r"<p[^>]*>(.*?)</p>", first, re.DOTALL)
    return pages.title(first), pages.plain(paragraphs[-1])


if __name__ == "__main__":
    sys.exit(main())
