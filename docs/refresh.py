"""Make the documents that are made from something else: the glossary, and the table of commands.

    python docs/refresh.py

A test fails while one of them is not what this script would write.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

HERE = Path(__file__).parent
templates = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


@dataclass(frozen=True)
class Term:
    """Hold a word of the course with its meaning, in both languages."""

    key: str
    term: str
    meaning: str
    fa: str
    meaning_fa: str


@dataclass(frozen=True)
class Chapter:
    """Hold the terms of one part of the course."""

    title: str
    title_fa: str
    terms: list[Term]


def glossary() -> list[Chapter]:
    """Return the chapters of the glossary in the order of the course."""
    read = tomllib.loads((HERE / "glossary.toml").read_text(encoding="utf-8"))
    return [
        Chapter(
            chapter.pop("title"),
            chapter.pop("title_fa"),
            [Term(key, **texts) for key, texts in chapter.items()],
        )
        for chapter in read.values()
    ]


def persian(text: str) -> Markup:
    """Return a Persian sentence as HTML in which code is read from left to right."""
    parts = str(escape(text)).split("`")
    parts[1::2] = [f'<code dir="ltr">{code}</code>' for code in parts[1::2]]
    emphasis = "".join(parts).split("*")
    emphasis[1::2] = [f'<em dir="ltr">{words}</em>' for words in emphasis[1::2]]
    return Markup("".join(emphasis))


templates.filters["persian"] = persian


def glossary_page() -> str:
    """Return the glossary as Markdown, each term with a heading that a link can name."""
    return templates.get_template("glossary.md.jinja").render(chapters=glossary())


PAGES = {"glossary.md": glossary_page}


def main() -> None:
    """Write every page, the same bytes on every system."""
    for name, make in PAGES.items():
        (HERE / name).write_text(make(), encoding="utf-8", newline="\n")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
