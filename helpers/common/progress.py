"""Draw one updating progress line: on standard error in a terminal, as a display in a notebook."""

import sys
import time
from typing import Any

from tqdm import tqdm

REFRESH_S = 0.2


class Progress:
    """Count to `total` in a `with` block. In a terminal the line goes away when it ends."""

    def __init__(self, total: float, unit: str, shown: bool = True):
        self._total, self._unit = total, unit
        self._done: float = 0
        self._label = ""
        self._started = self._drawn = time.monotonic()
        self._bar: tqdm | None = None
        self._display: Any = None
        if shown and _in_notebook():
            from IPython.display import display

            self._display = display(self._plain(), raw=True, display_id=True)
        elif shown:
            self._bar = tqdm(
                total=total, unit=f" {unit}", file=sys.stderr, leave=False, dynamic_ncols=True
            )

    def to(self, done: float, label: str | None = None) -> None:
        """Show that `done` of the total is done; without a label the last one stays."""
        self._done = done
        self._label = self._label if label is None else label
        if self._bar is not None:
            self._bar.set_description_str(self._label, refresh=False)
            self._bar.update(done - self._bar.n)
        elif self._display is not None and time.monotonic() - self._drawn > REFRESH_S:
            self._drawn = time.monotonic()
            self._display.update(self._plain(), raw=True)

    def more(self, count: float) -> None:
        """Add to the total: there is more to do than was thought."""
        self._total += count
        if self._bar is not None:
            self._bar.total = self._total

    def say(self, label: str) -> None:
        """Show what is being done, without counting it."""
        self.to(self._done, label)

    def step(self, label: str | None = None) -> None:
        """Count one more as done."""
        self.to(self._done + 1, label)

    def __enter__(self) -> "Progress":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        if self._display is not None:
            took = time.monotonic() - self._started
            text = f"{self._done:.0f} of {self._total:.0f} {self._unit} in {took:.1f} s"
            self._display.update({"text/plain": text}, raw=True)

    def _plain(self) -> dict[str, str]:
        took = time.monotonic() - self._started
        unit, label = f" {self._unit}", self._label
        line = tqdm.format_meter(self._done, self._total, took, unit=unit, prefix=label, ncols=90)
        return {"text/plain": line}


def _in_notebook() -> bool:
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    return shell is not None and shell.__class__.__name__ == "ZMQInteractiveShell"
