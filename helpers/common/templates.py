"""Fill in the templates that hold the kit's sentences, beside the code that says them."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from typing import TYPE_CHECKING

from . import show

if TYPE_CHECKING:  # slow to import, and most commands have nothing to say
    import jinja2

COMMAND = r"(python -m helpers(?: (?!\()\S*[^\s,.;:])+)"
MAX_CHARACTERS = 600  # of one value


@cache
def environment(folder: str, **options) -> jinja2.Environment:
    """Return the environment of a folder's templates, with the filters that all folders share."""
    import jinja2

    shared = jinja2.Environment(
        loader=jinja2.PackageLoader(f"helpers.{folder}"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    shared.filters |= {
        "base64": lambda content: base64.b64encode(content).decode(),
        "cell": lambda value: show.one_line(show.format_cell(value), 200),
        "commands": lambda text: re.split(COMMAND, text),  # every second part is a command
        "count": show.count,
        "duration": show.duration,
        "join_words": show.join_words,
        "lines": show.lines,
        "md": lambda value: show.plain_markdown(str(value)),
        "one_line": one_line,
        "sha256": lambda text: hashlib.sha256(text.encode()).digest(),
        "utc": lambda at: f"{at[:16].replace('T', ' ')} UTC",
    }
    return shared


def render(template: str, **values: object) -> str:
    """Return a filled template; `.html.jinja` is escaped as HTML, Markdown by the filter `md`.

    `template` names folder and file: `course/outcome.html.jinja`.
    """
    folder, _, name = template.partition("/")
    options = {"autoescape": template.endswith(".html.jinja")}
    return environment(folder, **options).get_template(name).render(**values)


def sentences(template: str, **values: object) -> list[str]:
    """Return the sentences of a template: each of its lines that is not empty, as plain text."""
    folder, _, name = template.partition("/")
    chosen = environment(folder, finalize=one_line).get_template(name)
    lines = (" ".join(line.split()) for line in chosen.render(**values).split("\n"))
    return [line for line in lines if line]


def paragraph(template: str, **values: object) -> str:
    """Return the sentences of a template as one text."""
    return " ".join(sentences(template, **values))


def one_line(value: object) -> str:
    """Return a value as one line of text without control characters."""
    return show.one_line(str(value), MAX_CHARACTERS)
