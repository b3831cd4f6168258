"""Read, check and render the Persian edition.

Each file in this folder is a list of blocks of Markdown. A line such as `<!-- load-idea 3f2a... -->`
opens a block: it names the cell (or the section) of the English original, and the SHA-256 of its
text when the block was translated. So a changed original is noticed. A block that is only in the
Persian edition has a name alone, such as `<!-- fa-lab -->`.
"""

import hashlib
import json
import posixpath
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from helpers.course.exercises import load_exercises
from rendering import CODE, FENCE, FOLDER, HEADING, rendered

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
EXERCISES = "notebooks/exercises"


@dataclass(frozen=True)
class Page:
    """One text in both languages; paths start at the project's folder."""

    english: str
    built: str
    whole: bool = True  # every part of the original is translated


NOTEBOOKS = sorted(path.stem for path in HERE.parent.glob("[0-9][0-9]_*.ipynb"))
PAGES = {
    name: Page(f"notebooks/{name}.ipynb", f"{FOLDER}/{name}.ipynb")
    for name in NOTEBOOKS
} | {
    "readme": Page("README.md", "README.fa.md", whole=False),
    "instructor": Page(
        "docs/instructor/README.md", "docs/fa/instructor.md", whole=False
    ),
    "troubleshooting": Page("docs/troubleshooting.md", "docs/fa/troubleshooting.md"),
    "hints": Page(EXERCISES, "docs/fa/hints.md"),
}
TWINS = {page.english: page.built for page in PAGES.values()}


@dataclass(frozen=True)
class Block:
    """A translated part, and the hash of what it was translated from."""

    of: str
    text: str


def sha256(text: str) -> str:
    """Return the hash that a block carries of its original."""
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def source_of(name: str) -> Path:
    """Return the file with the Persian blocks of a page."""
    return HERE / f"{name}.md"


MARKER = re.compile(r"^<!-- ([a-z0-9-]+)(?: ([0-9a-f]{64}))? -->\n", re.MULTILINE)


def persian(name: str) -> dict[str, Block]:
    """Return the blocks of a page, by the id of their original."""
    _, *parts = MARKER.split(source_of(name).read_text(encoding="utf-8"))
    blocks = zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    return {id: Block(of or "", text.strip()) for id, of, text in blocks}


def english(name: str) -> dict[str, str]:
    """Return the parts of the original: Markdown cells, sections, or hints of exercises."""
    path = PROJECT / PAGES[name].english
    if PAGES[name].english == EXERCISES:
        return {exercise: hints_of(exercise) for exercise in load_exercises()}
    if path.suffix == ".ipynb":
        return {
            c["id"]: source(c) for c in cells_of(path) if c["cell_type"] == "markdown"
        }
    return sections(path.read_text(encoding="utf-8"))


def cells_of(path: Path) -> list[dict]:
    """Return the cells of a notebook."""
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def source(cell: dict) -> str:
    """Return the text of a cell."""
    return "".join(cell["source"])


def hints_of(exercise: str) -> str:
    """Return title, hints and reason of an exercise as one text."""
    found = load_exercises()[exercise]
    hints = [f"{number}. {hint}" for number, hint in enumerate(found.hints, 1)]
    return "\n".join([f"## {exercise}: {found.title}", *hints, found.why])


def sections(text: str) -> dict[str, str]:
    """Return the sections of a document, each with its heading; ids are made from headings."""
    found: dict[str, str] = {}
    id = "start"
    in_fence = False
    for line in text.splitlines(keepends=True):
        in_fence ^= line.startswith("```")
        if HEADING.match(line) and not in_fence:
            id = re.sub(r"[^a-z0-9]+", "-", line.lower()).strip("-")
            while id in found:
                id += "-again"
        found[id] = found.get(id, "") + line
    return {id: part.strip() for id, part in found.items() if part.strip()}


# Checks


LINK = re.compile(r"\]\(<?([^)>]+)>?\)")
FIGURE = re.compile(r"\d(?:[\d.,:]*\d)?")
TABLE_ROW = re.compile(r"^\|.*\|$", re.MULTILINE)
LETTERS = re.compile("[\u064a\u0643\u0649\u0660-\u0669\u06f0-\u06f9]")
# A prefix or an ending with a space where a half-space belongs.
SPACED = re.compile(
    "(?<![\u0621-\u06cc\u200c])\u0646?\u0645\u06cc [\u0621-\u06cc]+"
    "|[\u0621-\u06cc]+ (?:\u0647\u0627(?:\u06cc|\u06cc\u06cc)?|\u062a\u0631|\u062a\u0631\u06cc\u0646)(?![\u0621-\u06cc\u200c])"
)


def problems(name: str) -> list[str]:
    """Return what is wrong with a page, a sentence for each, with the block's id."""
    ours, theirs = persian(name), english(name)
    gone = [id for id, block in ours.items() if block.of and id not in theirs]
    found = [
        f"{id}: the English text has no such part; delete the block." for id in gone
    ]
    if PAGES[name].whole:
        found += [
            f"{id}: not translated; write a block below <!-- {id} {sha256(theirs[id])} -->"
            for id in theirs.keys() - ours.keys()
        ]
    for id, block in ours.items():
        words = [*spelling(block.text), *other_words(block.text)]
        if id in theirs:
            words += differences(name, block, theirs[id])
        found += [f"{id}: {sentence}" for sentence in words]
    return [f"{FOLDER}/{name}.md: {words}" for words in sorted(found)]


def differences(name: str, block: Block, original: str) -> Iterator[str]:
    """Yield how a block differs from its original."""
    if block.of != sha256(original):
        yield (
            "the English text has changed since; bring the Persian up to date, "
            f"then run: python {FOLDER}/build.py --accept {name}"
        )
    ours, theirs = (
        facts(block.text, f"{FOLDER}/{name}.md"),
        facts(original, PAGES[name].english),
    )
    if PAGES[name].english == EXERCISES:  # English hints have no marks for code
        spans = ours.pop("code spans")
        ours = facts(block.text.replace("`", ""), f"{FOLDER}/{name}.md")
        ours["code spans"] = Counter(span for span in spans if span not in original)
        theirs = facts(original.replace("`", ""), EXERCISES)
    for kind, expected in theirs.items():
        if ours[kind] != expected:
            missing, extra = expected - ours[kind], ours[kind] - expected
            yield f"{kind} differ: missing {listed(missing)}, not in English {listed(extra)}."


def spelling(text: str) -> Iterator[str]:
    """Yield what the spelling of a block lacks."""
    if letters := LETTERS.findall(text):
        yield f"Arabic letters or digits: {' '.join(letters)}; write \u06cc, \u06a9 and 0-9."
    if spaced := [hit[0] for hit in SPACED.finditer(prose(text))]:
        yield f"a half-space is missing in: {', '.join(spaced)}."


WORD_LINK = re.compile(r"\[([^]]+)\]\([^)]*glossary\.md#([\w-]+)\)")


def other_words(text: str) -> Iterator[str]:
    """Yield links to the glossary under another word than it has."""
    for word, key in WORD_LINK.findall(text):
        if word != (wanted := glossary().get(key, "(no such term)")):
            yield f"the glossary calls {key} {wanted}, not {word}."


@cache
def glossary() -> dict[str, str]:
    """Return the Persian words of the glossary by their keys."""
    chapters = tomllib.loads(
        (PROJECT / "docs/glossary.toml").read_text(encoding="utf-8")
    ).values()
    terms = [term for chapter in chapters for term in chapter.items()]
    return {key: term["fa"] for key, term in terms if isinstance(term, dict)}


def listed(items: Counter[str]) -> str:
    """Return items as words."""
    return ", ".join(sorted(items.elements())) or "nothing"


def prose(text: str) -> str:
    """Return a text without code and without the targets of its links."""
    return LINK.sub("]", CODE.sub(" ", FENCE.sub(" ", text)))


def facts(text: str, path: str) -> dict[str, Counter[str]]:
    """Return what must be the same in both languages; `path` is where the text stands."""
    plain = FENCE.sub(" ", text)
    links = [target(link, path) for link in LINK.findall(CODE.sub(" ", plain))]
    return {
        "code spans": Counter(" ".join(span.split()) for span in CODE.findall(plain)),
        "blocks of code": Counter(FENCE.findall(text)),
        "numbers": Counter(FIGURE.findall(prose(text))),
        "links": Counter(link for link in links if link),
        "tables": Counter(
            f"{row.count('|') - 1} columns" for row in TABLE_ROW.findall(plain)
        ),
        "headings": Counter(re.findall(r"^#+(?= )", plain, re.MULTILINE)),
    }


def target(link: str, path: str) -> str:
    """Return what a link names: the Persian page where there is one, else the file or address."""
    address, _, _ = link.partition("#")
    if not address or urlsplit(link).scheme:
        return link if address else ""
    there = posixpath.normpath(posixpath.join(posixpath.dirname(path), address))
    return TWINS.get(there, there)


# What is made from the blocks


def built(name: str) -> str:
    """Return the page that readers open."""
    page = PAGES[name]
    if not page.english.endswith(".ipynb"):
        parts = [rendered(block.text, page.built) for block in persian(name).values()]
        return "\n\n".join(
            [f"<!-- Made by {FOLDER}/build.py from {FOLDER}/{name}.md. -->", *parts, ""]
        )
    notebook = json.loads((PROJECT / page.english).read_text(encoding="utf-8"))
    blocks = persian(name)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            text = blocks[cell["id"]].text if cell["id"] in blocks else source(cell)
            cell["source"] = rendered(text, page.built).splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def outdated() -> list[str]:
    """Return the pages in the checkout that are not what their sources give."""
    return [
        page.built for name, page in PAGES.items() if written(page.built) != built(name)
    ]


def written(path: str) -> str:
    """Return a built page as it is now, empty when it is missing."""
    there = PROJECT / path
    return there.read_text(encoding="utf-8") if there.is_file() else ""


def other_code(name: str) -> list[str]:
    """Return the ids of the cells that a built notebook does not share with its original."""
    ours, theirs = (
        [
            (c["id"], "" if c["cell_type"] == "markdown" else json.dumps(c))
            for c in cells_of(path)
        ]
        for path in (PROJECT / PAGES[name].built, PROJECT / PAGES[name].english)
    )
    return sorted({id for id, _ in {*ours} ^ {*theirs}}) or ["order"] * (ours != theirs)
