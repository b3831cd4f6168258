"""Draw one updating progress line: on standard error in a terminal, as a display in a notebook.

Where standard error is a file or a pipe, it is a new line now and then.
"""

import contextlib
import io
import sys
from collections.abc import Callable

from tqdm import tqdm

from .show import one_line

REFRESH_S = 0.2
LINE_EVERY_S, LINE = 10.0, "{n_fmt}/{total_fmt}{unit} [{elapsed}] {desc}"  # of a log


class Progress(tqdm):
    """Count to `total` in a `with` block. In a terminal the line goes away when it ends."""

    def __init__(self, total: float, unit: str, shown: bool = True):
        # Shows a text in place of the line; None in a terminal.
        self._show: Callable[[str], None] | None = None
        every_s, form = REFRESH_S, None
        if shown and _in_notebook():
            self._show = _cell()
        elif sys.stderr is None or not sys.stderr.isatty():
            self._show, every_s, form = _log, LINE_EVERY_S, LINE
        super().__init__(
            total=total,
            unit=f" {unit}",
            file=io.StringIO() if self._show else sys.stderr,
            leave=False,
            disable=not shown,
            ncols=90 if self._show else None,
            dynamic_ncols=self._show is None,
            bar_format=form,
            mininterval=every_s,
            miniters=0,  # a label is drawn although nothing more is done
        )

    def to(self, done: float, label: str | None = None) -> None:
        """Show that `done` of the total is done; without a label the last one stays."""
        if label is not None:
            self.set_description_str(one_line(label), refresh=False)
        self.update(done - self.n)

    def say(self, label: str) -> None:
        """Show what is being done, without counting it."""
        self.to(self.n, label)

    def step(self, label: str | None = None) -> None:
        """Count one more as done."""
        self.to(self.n + 1, label)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draw the line."""
        if self._show is None:
            super().display(msg, pos)
        elif msg != "":  # tqdm's way to take the line away
            self._show(str(self) if msg is None else msg)

    def close(self) -> None:
        """Take the line away; in a notebook or a log, say instead what was done."""
        took_s = self.format_dict["elapsed"]
        shown = not self.disable
        super().close()
        if self._show and shown:
            self._show(f"{self.n:.0f} of {self.total:.0f}{self.unit} in {took_s:.1f} s")


def _log(text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # its reader may have gone: measuring goes on
        print(text.strip(), file=sys.stderr, flush=True)


def _cell() -> Callable[[str], None]:
    from IPython.display import display

    cell = display({"text/plain": ""}, raw=True, display_id=True)
    return lambda text: cell.update({"text/plain": text}, raw=True)


def _in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and shell.__class__.__name__ == "ZMQInteractiveShell"
