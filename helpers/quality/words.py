"""Fill in the templates with the sentences of this folder."""

from functools import cache
from pathlib import Path

import jinja2

from ..common.show import count, one_line

MAX_CHARACTERS = 600  # of one value


def sentences(template: str, **values: object) -> list[str]:
    """Return each line of a filled-in template that is not empty."""
    lines = _environment().get_template(template).render(**values).splitlines()
    return [line.strip() for line in lines if line.strip()]


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: one_line(str(value), MAX_CHARACTERS),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = count
    return environment
