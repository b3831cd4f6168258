"""Relate TTFT to the length of a prompt: prefill tokens/s, and how long a prompt may be."""

from typing import NamedTuple

import numpy as np

from ..common.templates import sentences
from ..measure.record import Run
from . import draw
from .draw import Chart

PROMPTS_NEEDED = 5
TTFT_S = 2.0  # a wait after which attention begins to leave


class Prefill(NamedTuple):
    """Hold the line through one model's median TTFT by prompt tokens, least squares over prompts.

    `low` and `high` bound `tokens_per_s`, the inverse of the slope, at 95 % (Student); `high` is
    None where the slope may be 0.
    """

    model: str
    tokens: np.ndarray
    ttft_s: np.ndarray
    start_s: float
    tokens_per_s: float
    low: float
    high: float | None

    @property
    def longest(self) -> int:
        """Return the tokens of a prompt with a TTFT of 2 s."""
        return max(0, int((TTFT_S - self.start_s) * self.tokens_per_s))


def prefills(run: Run) -> list[Prefill]:
    """Return the line of each model for which 5 prompts of different lengths were counted."""
    from scipy import special  # slow to import

    rows = run.headline[(run.headline["status"] == "ok").to_numpy()]
    rows = rows[["model", "prompt_id", "prompt_tokens", "ttft_s"]].dropna()
    found = []
    for model in run.models:
        mine = rows[(rows["model"] == model).to_numpy()]
        medians = mine.groupby("prompt_id", observed=True)[["prompt_tokens", "ttft_s"]].median()
        tokens, ttft_s = medians.to_numpy(dtype=float).T
        if len(tokens) < PROMPTS_NEEDED or tokens.max() < 3 * tokens.min():
            continue
        slope, start_s = np.polyfit(tokens, ttft_s, 1)
        off = ttft_s - start_s - slope * tokens
        error = np.sqrt(np.sum(off**2) / (len(off) - 2)) / np.linalg.norm(tokens - tokens.mean())
        half = special.stdtrit(len(off) - 2, 0.975) * error
        if slope > 0:
            high = float(1 / (slope - half)) if slope > half else None
            line = float(start_s), float(1 / slope), float(1 / (slope + half)), high
            found.append(Prefill(model, tokens, ttft_s, *line))
    return found


def by_length(run: Run) -> Chart:
    """Draw TTFT against prompt tokens: a dot for each prompt, and the line of each model."""
    found = prefills(run)
    if not found:
        return draw.empty_chart("It takes 5 prompts with counted tokens, one 3 times another.")
    scale, unit = draw.time_scale(max(float(of.ttft_s.max()) for of in found))
    figure, (axes,) = draw.new_figure()
    for index, of in enumerate(found):
        ends = np.array([of.tokens.min(), of.tokens.max()])
        draw.dots(axes, index, of.tokens, of.ttft_s * scale, alpha=0.7, label=of.model)
        line_s = of.start_s + ends / of.tokens_per_s
        axes.plot(ends, line_s * scale, color=draw.color(index), lw=1.2)
    axes.set(xlim=(0, None), ylim=(0, None), xlabel="prompt tokens")
    axes.set_ylabel(f"median TTFT ({unit})")
    draw.legend(figure)
    said = sentences("report/lengths.jinja", found=found, ttft_s=TTFT_S)
    return Chart(figure, "TTFT by prompt tokens, with a line for each model.", " ".join(said))
