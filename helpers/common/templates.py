"""Fill in the templates that hold the kit's sentences, beside the code that says them."""

from pathlib import Path

import jinja2

from . import show

MAX_CHARACTERS = 600  # of one value


def environment(folder: Path, **options) -> jinja2.Environment:
    """Return an environment for the templates of a folder, with the filters that all share."""
    shared = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    shared.filters |= {
        "cell": lambda value: show.one_line(show.format_cell(value), 200),
        "count": show.count,
        "duration": show.duration,
        "join_words": show.join_words,
        "one_line": one_line,
        "utc": lambda at: f"{at[:16].replace('T', ' ')} UTC",
    }
    return shared


def sentences(template: Path, **values: object) -> list[str]:
    """Return the sentences of a template: each of its lines that is not empty, as plain text."""
    chosen = environment(template.parent, finalize=one_line).get_template(template.name)
    return [line.strip() for line in chosen.render(**values).split("\n") if line.strip()]


def one_line(value: object) -> str:
    """Return a value as one line of text without control characters."""
    return show.one_line(str(value), MAX_CHARACTERS)
