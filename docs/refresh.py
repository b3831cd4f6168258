"""Make the documents that are made from something else: the glossary, and the table of commands.

    python docs/refresh.py

A test fails while one of them is not what this script would write.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cyclopts import App
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from helpers.cli.app import app
from helpers.common.paths import PROJECT

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


# Commands


@dataclass(frozen=True)
class Command:
    """Hold what `--help` says of a command."""

    name: str
    usage: str
    does: str
    options: list[tuple[str, str]]


def commands() -> list[Command]:
    """Return the commands in the order of the command line's own list."""
    found = []
    for name, command in _leaves(app):
        text = command.generate_docs(output_format="markdown")
        ((usage, does),) = re.findall(r"```console\n(.+?)\n```\n\n(.+?)\n", text + "\n")
        options = re.findall(r"^\* `(.+?)`:? ?(.*)$", text, re.MULTILINE)
        rows = [(_names(names), _meaning(said)) for names, said in options]
        given = [n for n, _ in rows if not n.startswith("--") and n not in usage]
        group = name.rpartition(" ")[0] + " " * (" " in name)
        usage = re.sub(r" -m \w+", "", usage)  # cyclopts adds how this very process was started
        usage = usage.replace("ARGS", " ".join(given))
        rows = [row for row in rows if row[1]]
        found.append(Command(name, f"python -m helpers {group}{usage}", _cell(does), rows))
    return found


def _leaves(of: App, before: str = "") -> Iterator[tuple[str, App]]:
    """Yield the commands, those of a group with its name before theirs."""
    for name in of:
        if not name.startswith("-"):
            inner = list(_leaves(of[name], f"{before}{name} "))
            yield from inner or [(f"{before}{name}", of[name])]


def _names(names: str) -> str:
    """Return the names of an option; of the negative ones only those that --help shows."""
    shown = re.sub(r"(--([a-z-]+)), --no-\2$", r"\1", names) if names not in SWITCHES else names
    return _cell(shown)


def _meaning(said: str) -> str:
    """Return what is said of an option without what cyclopts adds to it, except choices."""
    said = re.sub(r" ?\*+\[(default: .*?|required)\]\*+", "", said)
    said = re.sub(r"\w+\([^()]*\*\*\w+\)", r"`\g<0>`", said)
    return _cell(said.replace("*[choices:", "(").replace("]*", ")").replace("( ", "("))


def _cell(text: str) -> str:
    """Return a text as the cell of a Markdown table."""
    return text.replace("|", "\\|").strip()


# Options whose negative has a meaning; of all others cyclopts lists one as well.
SWITCHES = ("--resources, --no-resources", "--stream, --no-stream")


@dataclass(frozen=True)
class Target:
    """Hold a target of the Makefile: what it does, and the same without make."""

    name: str
    does: str
    portable: list[str]


def targets() -> list[Target]:
    """Return the targets that `make help` lists."""
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    found = []
    for name, does, recipe in re.findall(
        r"^([a-z-]+):.*?## (.*)\n((?:\t.*\n)*)", makefile, re.MULTILINE
    ):
        lines = re.findall(r"^\t-?@?\$\(PY\) ((?!-c).+?)(?: \$\(.*)?$", recipe, re.MULTILINE)
        found.append(Target(name, _cell(does), [f"python {line}" for line in lines]))
    return found


def commands_page() -> str:
    """Return the page of all commands, their options and the settings."""
    return templates.get_template("commands.md.jinja").render(
        commands=commands(), targets=targets()
    )


PAGES = {"glossary.md": glossary_page, "commands.md": commands_page}


def main() -> None:
    """Write every page, the same bytes on every system."""
    for name, make in PAGES.items():
        (HERE / name).write_text(make(), encoding="utf-8", newline="\n")
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
