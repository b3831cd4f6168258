"""Fill in the templates: the page, the Markdown files and the sentences of a report.

Whatever a model or a file says is escaped, and the page's policy lets no script run but its own.
"""

import base64
import hashlib
import re

import jinja2

from ..common import show, templates
from ..common.files import read_toml
from ..common.paths import DATA
from ..decision.cost import money
from ..timing.refusals import in_words

COMMAND = r"(python -m helpers(?: (?!\()\S*[^\s,.;:])+)"


def render(template: str, **values: object) -> str:
    """Return a filled template; `.html.jinja` is escaped as HTML, Markdown by the filter `md`."""
    environment = _environment(autoescape=template.endswith(".html.jinja"))
    return environment.get_template(template).render(**values)


def sentences(template: str, **values: object) -> list[str]:
    """Return the sentences of a template: each of its lines that is not empty, as plain text."""
    _environment(finalize=templates.one_line)
    return templates.sentences(f"report/{template}", **values)


def _environment(**options) -> jinja2.Environment:
    """Return the environment of this folder's templates, which is made once."""
    environment = templates.environment("report", **options)
    environment.filters |= {
        "md": lambda value: show.plain_markdown(str(value)),
        "base64": lambda content: base64.b64encode(content).decode(),
        "sha256": lambda text: hashlib.sha256(text.encode()).digest(),
        "money": money,
        "fields": in_words,
        "commands": lambda text: re.split(COMMAND, text),  # every second part is a command
    }
    environment.globals["licenses"] = read_toml(DATA / "licenses.toml")
    return environment
