"""`report.html`: one file, no outside resource, for a reader who has two minutes. The template stands beside this module."""

import base64
import hashlib
from pathlib import Path

import jinja2

from ..common.show import Table, format_cell, one_line

TEMPLATE = Path(__file__).with_name("templates") / "report.html.jinja"
CAPTIONS = {
    "Table": "Every model and what is known of it",
    "Load": "Each model at each level of load",
    "Decision": "How the models rank: totals, and the scores behind them",
    "Quality": "Quality and the checks behind it",
}
SCRIPT = Path(__file__).with_name("templates") / "sort.js"


def page(report) -> str:
    """The whole page of a `report.Report`. Whatever a model or a file said is escaped, and a policy in the page lets no script run but its own."""
    script = SCRIPT.read_text(encoding="utf-8")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "cell": _cell,
        "one_line": lambda text: one_line(str(text), 600),
        "picture": lambda chart: _base64(chart.svg()),
    }
    environment.globals |= {"sort_key": _sort_key, "is_number": _is_number}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        report=report,
        decision=report.decision,
        captions=CAPTIONS,
        script=jinja2.utils.markupsafe.Markup(script),
        script_hash=_base64(hashlib.sha256(script.encode()).digest()),
    )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _cell(value: object) -> str:
    return one_line(format_cell(value), 200)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _sort_key(table: Table, row: int, column: int) -> str:
    """What a cell sorts by: a number exactly, text in lower case, and nothing for a value that is not there."""
    value = table.rows[row][column]
    return (
        ""
        if value is None
        else repr(value)
        if _is_number(value)
        else one_line(str(value), 200).casefold()
    )
