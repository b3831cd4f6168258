"""Draw in one style: a chart with its words, its figure, dots, and names of rows.

matplotlib is imported when something is drawn, because importing it takes long. Figures are made
without pyplot, which would keep state.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common.show import one_line
from ..common.templates import render

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike

# Okabe and Ito (2008), darkest first; black is for text.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = "osD^vPX*"


@dataclass(frozen=True)
class Chart:
    """Hold a figure with a description of it (`alt`) and what it shows in words (`finding`)."""

    figure: "Figure"
    alt: str
    finding: str

    def png(self) -> bytes:
        """Return the picture as PNG."""
        out = io.BytesIO()
        self.figure.savefig(out, format="png", dpi=110)
        return out.getvalue()

    @cached_property
    def svg(self) -> bytes:
        """Return the picture as SVG with letters as shapes: the same bytes for the same run."""
        import matplotlib

        out = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "kit", "svg.fonttype": "path"}):
            self.figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
        return out.getvalue()

    def _repr_html_(self) -> str:
        return render("report/chart.html.jinja", chart=self)


def new_figure(
    columns: int = 1, height: float = 3.4, width: float = 9
) -> tuple["Figure", list["Axes"]]:
    """Return an empty figure with `columns` panels side by side; sizes are in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, max(height, 2)), layout="constrained")
    panels = list(figure.subplots(1, columns, squeeze=False)[0])
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color="0.9")
        axes.set_axisbelow(True)
    return figure, panels


def empty_chart(sentence: str) -> Chart:
    """Return a picture of the sentence that says why there is nothing to draw."""
    figure, (axes,) = new_figure(height=2)
    axes.set_axis_off()
    axes.text(0, 0.5, sentence, transform=axes.transAxes)
    return Chart(figure, sentence, sentence)


def color(index: int) -> str:
    """Return the color of the model with this index."""
    return COLORS[index % len(COLORS)]


def dots(axes: "Axes", index: int, x: "ArrayLike", y: "ArrayLike", **style: Any) -> None:
    """Draw points in the color and with the marker of the model with this index."""
    style = {"ls": "none", "marker": MARKERS[index % len(MARKERS)], "color": color(index)} | style
    if "label" in style:
        style["label"] = short_name(style["label"])
    axes.plot(x, y, **style)


def estimate(
    axes: "Axes", row: int, value: float, bounds: Sequence[Any], *, sure: bool = True
) -> None:
    """Draw a value with its interval, if known, and its digits; grey where not `sure`."""
    shade = COLORS[0] if sure else "0.55"
    known = np.asarray(bounds, dtype=float)
    axes.plot(known, [row, row], color=shade, lw=2.5, solid_capstyle="butt")
    axes.plot(value, row, "o", color=shade, ms=7)
    text = f"{value:.2g}" if value < 99.5 else f"{value:,.0f}"
    note(axes, text, (value, row), (0, 6), ha="center", fontsize=9)


def ratio_axis(axes: "Axes", values: Sequence[float]) -> None:
    """Make an axis for ratios: logarithmic, with plain numbers, and a line at 1."""
    low, high = min(0.9, *values), max(1.12, *values)
    room = max(1.08, (high / low) ** 0.08)  # for digits beside the outermost points
    low, high = low / room, high * room
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    steps = (1, 2, 5) if high < 100 * low else (1,)
    marks = [step * 10.0**power for power in range(-4, 5) for step in steps]
    marks = [0.8, 0.9, 1, 1.1, 1.2, 1.3, 1.4] if high < 1.7 * low else marks
    ticks = [mark for mark in marks if low <= mark <= high]
    axes.set_xticks(ticks, [f"{tick:,g}" for tick in ticks])
    axes.minorticks_off()
    axes.axvline(1, color="black", lw=1)


def note(
    axes: "Axes", text: str, point: tuple[float, float], step: tuple[int, int], **style: Any
) -> None:
    """Write small text beside a point, `step` typographic points to the right and up."""
    axes.annotate(text, point, step, textcoords="offset points", **{"fontsize": 8} | style)


def legend(figure: "Figure") -> None:
    """Name the models above the panels."""
    figure.legend(loc="outside upper left", ncols=4, frameon=False)


def name_rows(panels: Sequence["Axes"], names: Sequence[str]) -> None:
    """Give each name a row, the first at the top, and write the names beside the first panel."""
    for axes in panels:
        labels = [short_name(name) if axes is panels[0] else "" for name in names]
        axes.set_yticks(range(len(names)), labels)
        axes.set_ylim(len(names) - 0.4, -0.65)


def time_scale(seconds: float) -> tuple[float, str]:
    """Return the factor and the unit in which a typical time of `seconds` reads well."""
    return (1000.0, "ms") if seconds < 1 else (1.0, "s")


def short_name(name: str, width: int = 34) -> str:
    """Return a name for a chart, where matplotlib reads a dollar sign as mathematics."""
    plain = one_line(name).replace("$", r"\$")
    return plain if len(plain) <= width else f"{plain[: width - 3]}..."
