"""Fill in the templates: the page, the Markdown files and the sentences of a report.

Whatever a model or a file says is escaped. The page is one file that needs nothing from outside,
and its policy lets no script run but its own.
"""

import base64
import hashlib
from pathlib import Path

import jinja2

from ..common import show
from ..decision.cost import money

TEMPLATES = Path(__file__).with_name("templates")
MAX_CHARACTERS = 600  # of one sentence


def render(template: str, **values: object) -> str:
    """Return a template filled in with values.

    Templates whose names end in `.html.jinja` are escaped as HTML. Those of Markdown escape by the
    filter `md`.
    """
    environment = _environment(autoescape=template.endswith(".html.jinja"))
    return environment.get_template(template).render(**values)


def sentences(template: str, **values: object) -> list[str]:
    """Return the sentences of a template: each of its lines that is not empty, as plain text."""
    text = _environment(finalize=_one_line).get_template(template).render(**values)
    return [line.strip() for line in text.split("\n") if line.strip()]


def _environment(**options) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        **options,
    )
    environment.filters |= {
        "cell": lambda value: show.one_line(show.format_cell(value), 200),
        "count": show.count,
        "duration": show.duration,
        "join_words": show.join_words,
        "md": lambda value: show.plain_markdown(str(value)),
        "one_line": _one_line,
        "base64": _base64,
        "sha256": lambda text: hashlib.sha256(text.encode()).digest(),
        "money": money,
        "utc": lambda at: f"{at[:16].replace('T', ' ')} UTC",
    }
    return environment


def _one_line(value: object) -> str:
    return show.one_line(str(value), MAX_CHARACTERS)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
