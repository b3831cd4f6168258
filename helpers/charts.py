"""Pictures of a finished run. Every chart carries its finding in a sentence and a text for those who cannot see it."""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from . import quality, timing
from .record import Run

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito (2008), darkest first; black is for text
MARKERS = "osD^vPX*"
NAMES = {metric: words.name for metric, words in timing.METRIC_WORDS.items()}


@dataclass(frozen=True)
class Chart:
    """A figure with what it shows (`alt`) and what it says (`finding`)."""

    figure: "Figure"
    alt: str
    finding: str

    def png(self) -> bytes:
        """The picture as PNG bytes."""
        out = io.BytesIO()
        self.figure.savefig(out, format="png", dpi=110)
        return out.getvalue()

    def save(self, path: Path) -> None:
        """Write the picture as a PNG file."""
        path.write_bytes(self.png())

    def _repr_html_(self) -> str:
        image = base64.b64encode(self.png()).decode()
        return (
            f'<figure style="margin:0"><img src="data:image/png;base64,{image}" alt="{html.escape(self.alt, quote=True)}" style="max-width:100%">'
            f"<figcaption>{html.escape(self.finding)}</figcaption></figure>"
        )


def for_report(run: Run) -> dict[str, Chart]:
    """The charts of the Markdown report, by file name; none when nothing was answered."""
    if not any(row["n_ok"] for row in run.summary):
        return {}
    made = {"models": per_model(run)}
    if any(row["quality"] is not None for row in quality.judge(run).summary):
        made["quality"] = quality_and_speed(run)
    return made | {"prompts": per_prompt(run, "latency_s")}


def per_prompt(run: Run, metric: str = "latency_s") -> Chart:
    """Every measured value as a dot, by prompt and model, with medians as bars; outliers are ringed and kept."""
    models, prompts = _answered(run), [p["id"] for p in run.info["plan"]["prompts"]["prompts"]]
    if not any(run.values(model, metric) for model in models):
        return _nothing(f"{NAMES[metric]}: no model has an answer with this figure, so there is nothing to draw.")
    scale, unit = _unit(run, models, metric)
    figure, (axes,) = _figure(1, height=0.9 + 0.25 * len(prompts) * max(len(models), 2))
    flagged = 0
    for i, model in enumerate(models):
        for j, (prompt, values) in enumerate((p, run.values(model, metric).get(p, [])) for p in prompts):
            if not values:
                continue
            y = j + (i - (len(models) - 1) / 2) * 0.7 / max(len(models), 2)
            x = np.array(values) * scale
            axes.plot(x, np.full(len(x), y), MARKERS[i % 8], color=_colour(i), alpha=0.65, ms=5, label=model if j == 0 else None)
            axes.plot([np.median(x)] * 2, [y - 0.14, y + 0.14], color=_colour(i), lw=2.5)
            marked = x[run.outlier_marks(model, metric)[prompt]]
            flagged += len(marked)
            axes.plot(marked, np.full(len(marked), y), "o", mfc="none", mec="black", ms=11)
    axes.set_yticks(range(len(prompts)), prompts)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{NAMES[metric]} ({unit}); bar: median, ring: outlier")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper left", ncols=4, frameon=False)
    slowest = max(prompts, key=lambda p: max((np.median(run.values(m, metric).get(p, [0])) for m in models), default=0))
    finding = f"The slowest prompt is {slowest}; {flagged} of {sum(len(run.measured(m)) for m in models)} requests are flagged as outliers and kept."
    return Chart(figure, f"{NAMES[metric]} of every request by prompt for {_listed(models)}.", finding)


def per_model(run: Run) -> Chart:
    """TTFT, latency and output tokens/s: every value as a dot, the median with its 95 % interval beside them."""
    models = _answered(run)
    if not models:
        return _nothing("No model answered: there is nothing to draw.")
    metrics = [m for m in NAMES if any(run.values(model, m) for model in models)]
    figure, panels = _figure(len(metrics), height=1.2 + 0.45 * len(models))
    for axes, metric in zip(panels, metrics, strict=True):
        scale, unit = _unit(run, models, metric)
        highest = 0.0
        for i, model in enumerate(models):
            values = np.array([v for some in run.values(model, metric).values() for v in some]) * scale
            if not len(values):
                continue
            middle = float(np.median(values))
            low, high = run.intervals[model][metric]
            jitter = np.linspace(-0.12, 0.12, len(values)) if len(values) > 1 else [0]
            axes.plot(values, i + 0.1 + np.array(jitter), MARKERS[i % 8], color=_colour(i), alpha=0.35, ms=4, mec="none")
            if low is not None:
                axes.plot([low * scale, high * scale], [i - 0.22] * 2, color="black", lw=1.5)
            axes.plot(middle, i - 0.22, "|", color="black", ms=12, mew=2.5)
            axes.annotate(
                f"{middle:,.3g}" if middle < 1000 else f"{middle:,.0f}",
                (middle, i - 0.26),
                xytext=(0, 5),
                textcoords="offset points",
                ha="center",
                fontsize=8,
            )
            highest = max(highest, float(np.percentile(values, 97)))
        axes.set_xlim(0, highest * 1.15)
        axes.set_ylim(len(models) - 0.4, -0.65)
        axes.set_yticks(range(len(models)), models if axes is panels[0] else [""] * len(models))
        axes.set_xlabel(f"{NAMES[metric]}{f' ({unit})' if unit else ''}")
    return Chart(figure, f"{_listed([NAMES[m] for m in metrics])} of {_listed(models)}: dots, medians and intervals.", _speed_finding(run, models))


def size_and_speed(run: Run) -> Chart:
    """Size on disk against median latency with its interval, one point a model: lower left is better on both."""
    rows = [row for row in run.summary if row["n_ok"] and row["size_mb"]]
    if not rows:
        return _nothing("No model of this run has both an answer and a known size: there is nothing to draw.")
    figure, (axes,) = _figure(1, height=3)
    scale, unit = _unit(run, [row["model"] for row in rows], "latency_s")
    for i, row in enumerate(rows):
        low, high = run.intervals[row["model"]]["latency_s"]
        x, y = row["latency_p50_s"] * scale, row["size_mb"]
        if low is not None:
            axes.plot([low * scale, high * scale], [y, y], color=_colour(i), lw=2)
        axes.plot(x, y, MARKERS[i % 8], color=_colour(i), ms=9)
        axes.annotate(row["model"], (x, y), xytext=(0, 9), textcoords="offset points", ha="center")
    axes.set_xlim(0, 1.3 * max(run.intervals[row["model"]]["latency_s"][1] or row["latency_p50_s"] for row in rows) * scale)
    axes.set_ylim(0, 1.3 * max(row["size_mb"] for row in rows))
    axes.set_xlabel(f"median latency ({unit}) with its 95 % interval")
    axes.set_ylabel("size (MB)")
    small, large = (pick(rows, key=lambda row: row["size_mb"]) for pick in (min, max))
    finding = f"{large['model']} is {large['size_mb'] / small['size_mb']:.2g}x the size of {small['model']}. {_speed_finding(run, [small['model'], large['model']])}"
    finding = finding if small is not large else f"Only {small['model']} has answers and a known size."
    return Chart(figure, f"Size against median latency of {_listed([row['model'] for row in rows])}.", finding)


def quality_and_speed(run: Run) -> Chart:
    """Quality against median latency with their intervals, one point a model; nobody beats the models on the line in both."""
    judged = {row["model"]: row for row in quality.judge(run).summary if row["quality"] is not None}
    rows = [row | judged[row["model"]] for row in run.summary if row["n_ok"] and row["model"] in judged]
    if not rows:
        return _nothing("No prompt of this run expects anything in particular, so there is no quality to draw.")
    figure, (axes,) = _figure(1, height=3.4)
    scale, unit = _unit(run, [row["model"] for row in rows], "latency_s")
    from_left = sorted(range(len(rows)), key=lambda i: rows[i]["latency_p50_s"])
    for i, row in enumerate(rows):
        low, high = run.intervals[row["model"]]["latency_s"]
        x, y = row["latency_p50_s"] * scale, row["quality"]
        below = from_left.index(i) % 2  # labels of neighbours do not meet
        if low is not None:
            axes.plot([low * scale, high * scale], [y, y], color=_colour(i), lw=2)
        if row["quality_low"] is not None:
            axes.plot([x, x], [row["quality_low"], row["quality_high"]], color=_colour(i), lw=2)
        axes.plot(x, y, MARKERS[i % 8], color=_colour(i), ms=9)
        axes.annotate(row["model"], (x, y), xytext=(8, -15 if below else 6), textcoords="offset points")
    front = pareto(rows)
    axes.step(
        [row["latency_p50_s"] * scale for row in front], [row["quality"] for row in front], where="post", color="0.6", lw=1.2, ls="--", zorder=0
    )
    axes.set_xlim(0, 1.35 * max(run.intervals[row["model"]]["latency_s"][1] or row["latency_p50_s"] for row in rows) * scale)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel(f"median latency ({unit}) with its 95 % interval")
    axes.set_ylabel("quality (share of checks passed)")
    names = [row["model"] for row in rows]
    best = "another" if len(front) == len(rows) > 1 else _listed([row["model"] for row in front])
    finding = f"By these medians no model is both faster and better than {best}; the bars tell how sure that is."
    return Chart(figure, f"Quality against median latency of {_listed(names)}; a dashed line joins those that no other beats in both.", finding)


def pareto(rows: Sequence[dict]) -> list[dict]:
    """The rows that no other beats in both `quality` and `latency_p50_s`, fastest first."""
    front = []
    for row in sorted(rows, key=lambda row: (row["latency_p50_s"], -row["quality"])):
        if not front or row["quality"] > front[-1]["quality"]:
            front.append(row)
    return front


def arrivals(run: Run, prompt: str | None = None) -> Chart:
    """How one answer of each model came in: chunks over time, for `prompt` (default: the one with the longest answers)."""
    streamed = [r for r in run.measured() if r["status"] == "ok" and r["chunk_times_s"]]
    if not streamed:
        return _nothing("This run has no streamed answer to draw.")
    prompt = prompt or max(streamed, key=lambda row: len(row["chunk_times_s"]))["prompt_id"]
    shown = {}
    for row in sorted((r for r in streamed if r["prompt_id"] == prompt), key=lambda r: (r["itl_s"] is None, r["round"])):
        shown.setdefault(row["model"], row)
    shown = {model: shown[model] for model in run.models if model in shown}
    figure, (axes,) = _figure(1, height=3)
    for i, (model, row) in enumerate(shown.items()):
        times = np.array(row["chunk_times_s"]) * 1000
        axes.step(np.r_[0, times], np.arange(len(times) + 1), where="post", color=_colour(i), lw=1.8)
        axes.plot(times[0], 1, MARKERS[i % 8], color=_colour(i), ms=7)
        axes.annotate(f"  {model}", (times[-1], len(times)), va="center")
    axes.set_xlabel("milliseconds since the request was written; marker: first token")
    axes.set_ylabel("chunks received")
    axes.margins(x=0.14)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.set_title(f"One answer to {prompt}", loc="left", fontsize=10)
    share = [1 - row["ttft_s"] / row["latency_s"] for row in shown.values()]
    words = _listed([f"{model} {100 * s:.0f} %" for model, s in zip(shown, share, strict=True)])
    return Chart(
        figure,
        f"Chunks received over time for prompt {prompt}, one stream for each of {_listed(list(shown))}.",
        f"Share of the latency after the first token: {words}.",
    )


def _speed_finding(run: Run, models: Sequence[str]) -> str:
    first = min(models, key=lambda m: next(r for r in run.summary if r["model"] == m)["latency_p50_s"])
    others = [m for m in models if m != first]
    if not others:
        return f"Only {first} answered; there is nothing to compare it with."
    total = len(others) * sum(any(run.values(m, metric) for m in run.models) for metric in timing.METRIC_WORDS)  # as in `report.compare`
    verdicts = [
        timing.compare_paired("latency_s", m, first, run.values(m, "latency_s"), run.values(first, "latency_s"), comparisons=total) for m in others
    ]
    return " ".join(map(str, verdicts))


def _answered(run: Run) -> list[str]:
    return [row["model"] for row in run.summary if row["n_ok"]]


def _nothing(sentence: str) -> Chart:
    """A picture that only says why there is none, so that a notebook goes on."""
    figure, (axes,) = _figure(1, height=2)
    axes.set_axis_off()
    axes.text(0, 0.5, sentence, transform=axes.transAxes)
    return Chart(figure, sentence, sentence)


def _unit(run: Run, models: Sequence[str], metric: str) -> tuple[float, str]:
    """Factor and unit that give readable numbers."""
    if not metric.endswith("_s") or metric.endswith("per_s"):
        return 1.0, ""
    middle = np.median([v for m in models for some in run.values(m, metric).values() for v in some])
    return (1000.0, "ms") if middle < 1 else (1.0, "s")


def _figure(columns: int, height: float):
    from matplotlib.figure import Figure  # slow to import; without pyplot there is no state to share

    figure = Figure(figsize=(9, max(height, 2)), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(axis="x", color="0.9")
        one.set_axisbelow(True)
    return figure, axes


def _colour(index: int):
    return COLOURS[index % len(COLOURS)]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
