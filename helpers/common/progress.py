"""Draw one updating progress line: on standard error in a terminal, as a display in a notebook."""

import io
import sys
from typing import Any

from tqdm import tqdm

REFRESH_S = 0.2


class Progress(tqdm):
    """Count to `total` in a `with` block. In a terminal the line goes away when it ends."""

    def __init__(self, total: float, unit: str, shown: bool = True):
        self._cell: Any = None
        if shown and _in_notebook():
            from IPython.display import display

            self._cell = display({"text/plain": ""}, raw=True, display_id=True)
        super().__init__(
            total=total,
            unit=f" {unit}",
            file=io.StringIO() if self._cell else sys.stderr,
            leave=False,
            disable=not shown,
            ncols=90 if self._cell else None,
            dynamic_ncols=self._cell is None,
            mininterval=REFRESH_S,
            miniters=0,  # a label is drawn although nothing more is done
        )

    def to(self, done: float, label: str | None = None) -> None:
        """Show that `done` of the total is done; without a label the last one stays."""
        if label is not None:
            self.set_description_str(label, refresh=False)
        self.update(done - self.n)

    def more(self, count: float) -> None:
        """Add to the total: there is more to do than was thought."""
        self.total = (self.total or 0) + count

    def say(self, label: str) -> None:
        """Show what is being done, without counting it."""
        self.to(self.n, label)

    def step(self, label: str | None = None) -> None:
        """Count one more as done."""
        self.to(self.n + 1, label)

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draw the line."""
        if self._cell is None:
            super().display(msg, pos)
        else:
            self._cell.update({"text/plain": str(self) if msg is None else msg}, raw=True)

    def close(self) -> None:
        """Take the line away; in a notebook, say instead what was done."""
        took_s = self.format_dict["elapsed"]
        super().close()
        if self._cell is not None:
            text = f"{self.n:.0f} of {self.total:.0f}{self.unit} in {took_s:.1f} s"
            self._cell.update({"text/plain": text}, raw=True)
            self._cell = None


def _in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and shell.__class__.__name__ == "ZMQInteractiveShell"
