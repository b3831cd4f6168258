"""Write the instructor's pack: slides, pages to print and executed notebooks, all for a browser.

    python docs/instructor/handouts.py [--output FOLDER]

Nothing in it needs a network. The pictures come from the sample run; the executed notebooks from
the latest `python -m helpers workshop`, which is run now if there is none of these notebooks.
"""

import argparse
import base64
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import jinja2
import mistune
import nbformat
from nbconvert import HTMLExporter

from helpers.common.errors import KitError
from helpers.common.paths import results_folder
from helpers.course.notebooks import notebook_files, workshop
from helpers.report.draw import Chart
from sample_pictures import SampleRun

HERE = Path(__file__).resolve().parent

# Printed pages, in the order of the index.
PAGES = {
    "learner-commands.md": "for each learner",
    "learner-results.md": "for each learner",
    "exit-ticket.md": "for the last five minutes, or at home",
    "feedback.md": "for the way out",
    "README.md": "for the instructor",
    "before.md": "for the instructor",
    "discussion.md": "for the instructor",
    "exit-ticket-key.md": "for the instructor",
}
WIDGET = "application/vnd.jupyter.widget-view+json"
INJECTED = "injected-parameters"  # papermill's own cell, with folders of this machine
LINK = re.compile(r"\[([^\]]+)\]\((?!https?://)([^)\s]+)\)")
SCRIPT = re.compile(r"<script\b.*?</script>", re.DOTALL)

markdown = mistune.create_markdown(escape=False, plugins=["table", "task_lists"])
templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(HERE / "templates"),
    undefined=jinja2.StrictUndefined,
    autoescape=lambda name: bool(name and name.endswith(".html.jinja")),
    trim_blocks=True,
    lstrip_blocks=True,
)


def main(arguments: list[str] | None = None) -> int:
    """Write the pack and print where it is."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", help="folder to write into (default: results/handouts)")
    given = parser.parse_args(arguments)
    try:
        folder = Path(given.output) if given.output else results_folder() / "handouts"
        print("the pack:", write_pack(folder, executed_notebooks()))
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def write_pack(folder: Path, executed: list[Path]) -> Path:
    """Write everything into a folder, and return the path of its first page."""
    (folder / "notebooks").mkdir(parents=True, exist_ok=True)
    write(folder / "slides.html", slides())
    for name in PAGES:
        write(folder / f"{Path(name).stem}.html", printed_page(name))
    for path in executed:
        write(folder / "notebooks" / f"{path.stem}.html", notebook_page(path))
    pages = [(f"{Path(name).stem}.html", heading(name), use) for name, use in PAGES.items()]
    notebooks = [(f"notebooks/{path.stem}.html", path.stem) for path in executed]
    index = templates.get_template("index.html.jinja").render(pages=pages, notebooks=notebooks)
    return write(folder / "index.html", index)


def write(path: Path, text: str) -> Path:
    """Write a page, the same bytes on every system, and return its path."""
    path.write_text(text, encoding="utf-8", newline="\n")
    return path


# Executed notebooks


def executed_notebooks() -> list[Path]:
    """Return executed copies of all notebooks as they are now; run the course if there are none."""
    copies = latest_copies()
    if not copies:
        workshop()
        copies = latest_copies()
    if not copies:
        raise KitError("The course ran, but its notebooks were changed meanwhile; try again.")
    return copies


def latest_copies() -> list[Path]:
    """Return the newest complete set of executed copies of today's notebooks; else nothing."""
    sources = notebook_files()
    for folder in sorted(results_folder().glob("workshop-*/notebooks"), reverse=True):
        copies = [folder / source.name for source in sources]
        if all(is_copy(copy, source) for copy, source in zip(copies, sources, strict=True)):
            return copies
    return []


def is_copy(copy: Path, source: Path) -> bool:
    """Tell whether a file is a whole executed copy of a notebook with these cells."""
    if not copy.is_file():
        return False
    notebook = nbformat.read(copy, as_version=4)
    noted = notebook.metadata.get("papermill", {})
    finished = bool(noted.get("end_time")) and not noted.get("exception")
    same = [*texts(notebook)] == [*texts(nbformat.read(source, as_version=4))]
    return finished and same


def texts(notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Yield the text of every cell, without the one that papermill adds."""
    for cell in notebook.cells:
        if INJECTED not in cell.metadata.get("tags", []):
            yield cell.source


def notebook_page(path: Path) -> str:
    """Return an executed notebook as one page without scripts, for reading along."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    notebook.cells = [
        cell for cell in notebook.cells if INJECTED not in cell.metadata.get("tags", [])
    ]
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = LINK.sub(link_in_pack, cell.source)
        for output in cell.get("outputs", []):
            if WIDGET in output.get("data", {}):
                output["data"] = {"text/markdown": "*Here the live notebook has buttons.*"}
    exporter = HTMLExporter(
        template_name="lab",
        extra_template_basedirs=[template_folder()],
        extra_template_paths=[template_folder()],
        embed_images=True,
    )
    named = {"metadata": {"name": path.stem}}
    page, _ = exporter.from_notebook_node(notebook, resources=named)
    return SCRIPT.sub("", page)  # they would be fetched from other hosts


def template_folder() -> str:
    """Return where nbconvert was installed with its templates.

    Jupyter looks only in the running environment, which may stand on top of another one.
    """
    installed = next(
        file
        for file in metadata.files("nbconvert") or ()
        if file.as_posix().endswith("templates/lab/index.html.j2")
    )
    return str(Path(str(installed.locate())).resolve().parents[1])


def link_in_pack(link: re.Match) -> str:
    """Return a link to a notebook as one to its page; of others keep the words."""
    words, goal = link.groups()
    if re.fullmatch(r"\d\d_\w+\.ipynb", goal):
        return f"[{words}]({goal.removesuffix('.ipynb')}.html)"
    return words


# Slides and printed pages


def slides() -> str:
    """Return the slides: the sections of slides.md.jinja, filled in from the sample run."""
    text = templates.get_template("slides.md.jinja").render(run=SampleRun(), picture=picture)
    sections = []
    for section in re.split(r"^---$", text, flags=re.MULTILINE):
        mark, _, body = section.strip().partition("\n")
        sections.append((mark.removeprefix("at ").strip(), markdown(body)))
    return templates.get_template("slides.html.jinja").render(slides=sections)


def picture(chart: Chart, finding: str = "") -> str:
    """Return a chart as an image inside the page, with what it shows in words below it."""
    data = base64.b64encode(chart.svg).decode()
    words = {"alt": chart.alt, "finding": finding or chart.finding, "data": data}
    template = templates.from_string(
        '<figure><img alt="{{ alt|e }}" src="data:image/svg+xml;base64,{{ data }}">'
        "<figcaption>{{ finding|e }}</figcaption></figure>"
    )
    return template.render(words)


def printed_page(name: str) -> str:
    """Return a document of this folder as a page for paper."""
    text = LINK.sub(link_between_pages, (HERE / name).read_text(encoding="utf-8"))
    page = templates.get_template("page.html.jinja")
    return page.render(title=heading(name), body=markdown(text))


def link_between_pages(link: re.Match) -> str:
    """Return a link to another page of the pack; of others keep the words."""
    words, goal = link.groups()
    name, hash_sign, anchor = goal.partition("#")
    if name in PAGES:
        return f"[{words}]({Path(name).stem}.html)"
    return f"[{words}](#{anchor})" if hash_sign and not name else words


def heading(name: str) -> str:
    """Return the title of a document."""
    return (HERE / name).read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")


if __name__ == "__main__":
    sys.exit(main())
