"""Turn Markdown, cells and outputs into the HTML of the site's pages."""

import base64
import html
import itertools
import re
import tomllib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markupsafe import Markup
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import PythonLexer

from helpers.common.paths import PROJECT
from refresh import glossary, persian

__all__ = ["glossary", "inline", "markdown", "output", "plain", "render", "title"]

TEMPLATES = Path(__file__).parent / "templates"
WIDGET = "application/vnd.jupyter.widget-view+json"
MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
# What stands around the pages in both languages; the English pitch is that of the front page.
WORDS = tomllib.loads((TEMPLATES / "words.toml").read_text(encoding="utf-8"))
WORDS["en"]["pitch"] = (PROJECT / "README.md").read_text(encoding="utf-8").split("\n\n")[1]

environment = Environment(
    loader=FileSystemLoader(TEMPLATES),
    undefined=StrictUndefined,
    autoescape=lambda name: bool(name and name.endswith(".html.jinja")),
    trim_blocks=True,
    lstrip_blocks=True,
)
environment.filters["persian"] = persian


def render(template: str, **values: object) -> Markup:
    """Return a template filled in with values."""
    return Markup(environment.get_template(template).render(**values))


def slug(text: str) -> str:
    """Return the anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w -]", "", text.lower()).replace(" ", "-")


def markdown(text: str) -> Markup:
    """Return Markdown as HTML, headings with the anchors that links name."""
    tokens = MARKDOWN.parse(text)
    for token, following in itertools.pairwise(tokens):
        if token.type == "heading_open":
            token.attrSet("id", slug(following.content))
    return framed(MARKDOWN.renderer.render(tokens, MARKDOWN.options, {}))


def framed(page: str) -> Markup:
    """Return HTML whose tables can be moved sideways, also by keyboard."""
    frame = '<div class="wide" tabindex="0" role="group" aria-label="table">'
    return Markup(re.sub(r"(<table\b.*?</table>)", rf"{frame}\1</div>", page, flags=re.DOTALL))


def inline(text: str) -> Markup:
    """Return one paragraph of Markdown as HTML without the paragraph."""
    return Markup(MARKDOWN.renderInline(text))


def plain(text: str) -> str:
    """Return the words of Markdown or HTML without the marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", MARKDOWN.render(text))).split())


def title(page: str) -> str:
    """Return the text of the first heading of a page."""
    found = re.search(r"<h1[^>]*>(.*?)</h1>", page, re.DOTALL)
    return html.unescape(re.sub(r"<[^>]+>", "", found[1])) if found else ""


def code(text: str) -> Markup:
    """Return Python with its parts marked for colors."""
    return Markup(highlight(text, PythonLexer(), HtmlFormatter(nowrap=True)))


def base64_of(content: bytes) -> str:
    """Return bytes as the text of a data address."""
    return base64.b64encode(content).decode()


environment.filters |= {
    "markdown": markdown,
    "inline": inline,
    "code": code,
    "base64": base64_of,
}


def output(given: dict) -> str:
    """Return one output of a cell as HTML."""
    data = given.get("data", {})
    if WIDGET in data:
        return "<p><em>Here the live notebook has buttons.</em></p>"
    if "text/html" in data:
        return framed(without_headings(data["text/html"]))
    if "text/markdown" in data:
        return framed(without_headings(MARKDOWN.render(data["text/markdown"])))
    text = given.get("text") or data.get("text/plain") or "\n".join(given.get("traceback", []))
    return f"<pre>{html.escape(text)}</pre>"


def without_headings(page: str) -> str:
    """Return HTML of an output whose headings do not disturb those of the notebook."""
    return re.sub(r"<(/?)h[1-6][^>]*>", r"<\1p>", page)
