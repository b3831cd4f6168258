"""Fill in the sentences of this folder: each is a template beside the code."""

from pathlib import Path

TEMPLATES = Path(__file__).with_name("templates")


def sentence(template: str, **values: object) -> str:
    """Return the text of `templates/<template>.jinja` on one line."""
    import jinja2  # slow to import, and most commands have nothing to say

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    text = environment.get_template(f"{template}.jinja").render(**values)
    return " ".join(text.split())
