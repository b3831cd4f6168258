"""Draw how training went: why a goal was reached or not."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from helpers.report.draw import COLORS, MARKERS

from .settings import MODELS

PICTURE = "training.png"


def alternative_text(training: Mapping[str, Any]) -> str:
    """Return what the picture shows, for those who cannot see it."""
    parts = []
    for alias, trained in training.items():
        first, last = _half(trained["curve"]), trained["curve"][-1]
        parts.append(
            f"{alias} goes from a loss of {first['validation_loss']:.2f} and "
            f"{first['validation_exact']:.0%} exact answers half way "
            f"to {last['validation_loss']:.2f} and {last['validation_exact']:.0%} "
            f"after {last['tokens_read'] / 1e6:.0f} million tokens"
        )
    return (
        "Two line charts of the validation split against tokens read by all sizes so far: "
        + "; ".join(parts)
        + "."
    )


def _half(curve: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the row nearest to half of the steps."""
    return min(curve, key=lambda row: abs(row["step"] - curve[-1]["step"] / 2))


def draw(training: Mapping[str, Any]) -> bytes:
    """Return a PNG: loss and exact answers on the validation split.

    The axis counts the tokens that a size and those before it have read.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    loss, exact = figure.subplots(1, 2)
    before: dict[str | None, int] = {}
    for index, (alias, trained) in enumerate(training.items()):
        start = before.get(MODELS[alias].grows_from, 0)
        rows = [row for row in trained["curve"] if row["step"] > trained["copy_steps"] + 100]
        places = [(start + row["tokens_read"]) / 1e6 for row in rows]
        style: dict[str, Any] = {"color": COLORS[index], "marker": MARKERS[index], "label": alias}
        style |= {"markersize": 3, "linewidth": 1.4}
        loss.plot(places, [row["validation_loss"] for row in rows], **style)
        exact.plot(places, [100 * row["validation_exact"] for row in rows], **style)
        before[alias] = start + trained["curve"][-1]["tokens_read"]
    loss.set_ylabel("loss of an answer token")
    loss.set_ylim(bottom=0)
    exact.set_ylabel("answers about notes exact to the letter, %")
    exact.set_ylim(bottom=0)
    for axes in (loss, exact):
        axes.set_xlabel("tokens read, with those of the smaller sizes, million")
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.25)
    exact.legend(frameon=False, loc="lower right")
    out = io.BytesIO()
    figure.savefig(
        out,
        format="png",
        dpi=110,
        metadata={"Software": None, "Description": alternative_text(training)},
    )
    return out.getvalue()
