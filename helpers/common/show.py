"""Show rows and numbers the same way in a notebook, in a terminal and in a Markdown file."""

import html
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import tabulate

from .foreign import visible

tabulate.PRESERVE_WHITESPACE = False
# Soft hyphen, zero-width spaces, and marks of direction that open nothing: none parts two words.
UNSEEN = dict.fromkeys(map(ord, "\u00ad\u200b\u2060\ufeff\u061c\u200e\u200f"))
# A row that begins with a name with hyphens, or with its place and such a name.
ALIAS = re.compile(r'<tr>(<td[^>]*>[ \w]{1,6}</td>)?<td[^>]*left;">[\w.]+(-[\w.]+)+ *</td>')


@dataclass(frozen=True)
class Table:
    """Hold rows of cells under headers, which `format_cell` shows."""

    headers: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = field(default="")

    def __str__(self) -> str:
        return self._drawn("simple", one_line) + (f"\n{self.note}" if self.note else "")

    def to_markdown(self) -> str:
        """Return a GitHub table; model output can neither leave its cell nor become markup."""
        return self._drawn("github", plain_markdown)

    def _repr_html_(self) -> str:
        # JupyterLab aligns cells to the right unless each says otherwise.
        left = ' style="text-align: left;">'
        drawn = self._drawn("html", one_line).replace("<td>", f"<td{left}")
        head, body, rest = drawn.replace("<th>", f"<th{left}").partition("<tbody>")
        if len(self.headers) > 6:
            head = head.replace("<thead", '<thead style="font-size: 11px"')
            body = '<tbody style="font-size: 11px">'
        head = head.replace("_", "_<wbr>")  # long names may break after an underscore
        rest = ALIAS.sub(lambda row: row[0].replace('">', ' white-space: nowrap;">'), rest)
        return head + body + rest + (f"<p>{html.escape(self.note)}</p>" if self.note else "")

    def _drawn(self, form: str, clean: Callable[[str], str]) -> str:
        cells = [[clean(format_cell(cell)) for cell in row] for row in self.rows]
        columns = zip(*self.rows, strict=True)
        align = ["right" if _numeric(column) else "left" for column in columns]
        return tabulate.tabulate(
            cells,
            headers=[clean(header) for header in self.headers],
            tablefmt=form,
            disable_numparse=True,
            colalign=align or None,
        )


def format_cell(value: object) -> str:
    """Return a cell's text: `-` for a missing value, yes or no, a float with three digits."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value))
    return str(value)


def one_line(text: str, width: int = 400) -> str:
    """Return text without line breaks, controls and escapes, shortened to `width`.

    What joins letters of Persian or parts of an emoji stays; what is there but unseen goes.
    """
    flat = " ".join(visible(text.translate(UNSEEN)).split())
    return flat if len(flat) <= width else f"{flat[: width - 3]}..."


def lines(text: str) -> list[str]:
    """Return the lines of a text as a terminal may show them: without controls and escapes."""
    return [visible(line.expandtabs(4)) for line in text.splitlines()]


def sanitize_for_csv(text: str, width: int = 200) -> str:
    """Return one line of text, with an apostrophe where a spreadsheet would see a formula."""
    flat = one_line(text, width)
    return f"'{flat}" if flat[:1] in tuple("=+-@'") else flat


def plain_markdown(text: str) -> str:
    """Return text as one line of Markdown that shows every character and runs none."""
    flat = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*\[\]|~$]|(?<!\w)_|_(?!\w))", r"\\\1", flat)


def _numeric(column: Iterable[object]) -> bool:
    present = [cell for cell in column if cell is not None]
    return bool(present) and all(
        isinstance(cell, (int, float)) and not isinstance(cell, bool) for cell in present
    )


class Shown:
    """Show an object as its `table()` and its `sentences()`, in a terminal and in a notebook."""

    def table(self) -> Table | None:
        """Return the rows to show, or None when sentences say all of it."""
        return None

    def sentences(self) -> Sequence[str]:
        """Return what to say below the table."""
        return ()

    def __str__(self) -> str:
        table = self.table()
        return "\n".join([*([str(table)] if table else []), *self.sentences()])

    def _repr_html_(self) -> str:
        table = self.table()
        points = "".join(f"<li>{html.escape(sentence)}</li>" for sentence in self.sentences())
        return (table._repr_html_() if table else "") + (f"<ul>{points}</ul>" if points else "")


def join_words(words: Sequence[str], none: str = "none") -> str:
    """Return words as a sentence lists them: `a, b and c`."""
    if len(words) < 2:
        return words[0] if words else none
    return f"{', '.join(words[:-1])} and {words[-1]}"


def count(number: int, thing: str) -> str:
    """Return a number with its noun: `1 round`, `3 rounds`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def duration(seconds: float) -> str:
    """Return a time with three digits, in the unit that reads best: `12.3 ms`, `1.23 s`."""
    return f"{seconds:.3g} s" if abs(seconds) >= 1 else f"{1000 * seconds:.3g} ms"


def size(n_bytes: float) -> str:
    """Return a size in MB or GB of 10^6 and 10^9 bytes."""
    return f"{n_bytes / 1e9:,.2f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"
