"""Fill in the templates: the page, the Markdown files and the sentences of a report.

Whatever a model or a file says is escaped. The page is one file that needs nothing from outside,
and its policy lets no script run but its own.
"""

import base64
import hashlib
from pathlib import Path

from markupsafe import Markup

from ..common import show, templates

TEMPLATES = Path(__file__).with_name("templates")


def render(template: str, **values: object) -> str:
    """Return a template filled in with values.

    Templates whose names end in `.html.jinja` are escaped as HTML. Those of Markdown escape by the
    filter `md`.
    """
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    environment = templates.environment("report", autoescape=template.endswith(".html.jinja"))
    environment.filters |= {
        "md": lambda value: show.plain_markdown(str(value)),
        "base64": _base64,
    }
    environment.globals |= {
        "script": Markup(script),
        "script_hash": _base64(digest),
        "sort_key": _sort_key,
        "is_number": _is_number,
    }
    return environment.get_template(template).render(**values)


def sentences(template: str, **values: object) -> list[str]:
    """Return the sentences of a template: each of its lines that is not empty, as plain text."""
    return templates.sentences(f"report/{template}", **values)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _sort_key(table: show.Table, row: int, column: int) -> str:
    """Return what a cell sorts by: a number in full, text in lower case, "" for a missing value."""
    value = table.rows[row][column]
    if value is None:
        return ""
    return repr(value) if _is_number(value) else show.one_line(str(value), 200).casefold()
