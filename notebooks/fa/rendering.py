"""Render Persian Markdown as what JupyterLab, VS Code and GitHub show from right to left.

JupyterLab puts paragraphs to the left unless each says otherwise, and removes `<style>`. VS Code
removes `<bdi>`. So every paragraph, list and cell carries its own attributes.
"""

import posixpath
import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

FOLDER = "notebooks/fa"  # where links of the sources begin
HEADING = re.compile(r"^#{1,6} ")
FENCE = re.compile(r"^(```.*?^```)[ \t]*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(?<!`)`([^`]+)`(?!`)")


OPEN, CLOSE = '<div dir="rtl" lang="fa">', "</div>"
RIGHT = "text-align:right"
STYLES = {
    "paragraph_open": RIGHT,
    "th_open": RIGHT,
    "td_open": RIGHT,
    "bullet_list_open": "padding-right:2em;padding-left:0",
    "ordered_list_open": "padding-right:2em;padding-left:0",
}
# A figure would change places with its Latin unit, and a sign with its figure.
MEASURED = re.compile(
    r"(?<!\w)(?:[-+]?\d[\d.,:]*(?: ?%|[ -]?[A-Za-z][\w/-]*)|[-+]\d[\d.,]*)"
)
PERSIAN_LETTER = re.compile("[\u0621-\u06cc]")
MARKDOWN = MarkdownIt("commonmark").enable("table")


def rendered(text: str, place: str) -> str:
    """Return a block as HTML that runs from right to left; headings and long code stay Markdown."""
    out: list[str] = []
    for position, part in enumerate(FENCE.split(text)):
        if position % 2:
            out.append(part)
        elif part.strip():
            out.append("\n\n".join([OPEN, *pieces(part.strip(), place), CLOSE]))
    return "\n\n".join(out)


def pieces(text: str, place: str) -> Iterator[str]:
    """Yield headings as they are, and what stands between them as HTML."""
    lines: list[str] = []
    for line in [*text.splitlines(), "# "]:
        if not HEADING.match(line):
            lines.append(line)
            continue
        if "".join(lines).strip():
            yield html("\n".join(lines), place)
        if line != "# ":
            yield CODE.sub(
                lambda hit: f'<code dir="ltr">{escaped(hit[1])}</code>', line
            )
        lines = []


def escaped(text: str) -> str:
    """Return a text as it stands in HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def html(text: str, place: str) -> str:
    """Return Markdown without headings as HTML."""
    tokens = MARKDOWN.parse(text)
    for token in walked(tokens):
        if token.type in STYLES:
            token.attrSet("style", STYLES[token.type])
        if token.type == "link_open":
            token.attrSet("href", moved(str(token.attrGet("href")), place))
        if token.type == "image":
            token.attrSet("src", moved(str(token.attrGet("src")), place))
    for token in tokens:
        if token.children:
            token.children = [*directed(token.children)]
    return MARKDOWN.renderer.render(tokens, MARKDOWN.options, {}).strip()


def walked(tokens: list[Token]) -> Iterator[Token]:
    """Yield all tokens, those inside others too."""
    for token in tokens:
        yield token
        yield from walked(token.children or [])


def directed(tokens: list[Token]) -> Iterator[Token]:
    """Yield the tokens of a line, with the direction of whatever is not Persian."""
    is_persian = PERSIAN_LETTER.search("".join(token.content for token in tokens))
    for position, token in enumerate(tokens):
        is_latin = token.nesting == 1 and not PERSIAN_LETTER.search(
            inside(tokens[position:])
        )
        if token.type == "code_inline" or is_latin:
            token.attrSet("dir", "ltr")
        if token.type == "text" and is_persian:
            yield from measured(token.content)
        else:
            yield token


def inside(tokens: list[Token]) -> str:
    """Return the text between an opening token and its end."""
    depth, words = 0, ""
    for token in tokens:
        depth += token.nesting
        words += token.content
        if token.nesting and not depth:
            break
    return words


def measured(text: str) -> Iterator[Token]:
    """Yield a text with its figures in spans of their own direction."""
    done = 0
    for hit in MEASURED.finditer(text):
        yield Token("text", "", 0, content=text[done : hit.start()])
        figure = hit[0].replace(" ", "&nbsp;")  # it stays on one line
        yield Token("html_inline", "", 0, content=f'<span dir="ltr">{figure}</span>')
        done = hit.end()
    yield Token("text", "", 0, content=text[done:])


def moved(link: str, place: str) -> str:
    """Return a link of this folder as it must be in the folder of the built page."""
    if urlsplit(link).scheme or link.startswith("#"):
        return link
    return posixpath.relpath(
        posixpath.join(FOLDER, link), posixpath.dirname(place) or "."
    )
