"""Pictures of a finished run. Every chart carries its finding in a sentence and a text for those who cannot see it."""

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..common.show import join_words
from ..measure.record import Run
from ..quality import facets
from ..timing import metrics
from .comparisons import compare_models

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
)  # Okabe and Ito (2008), darkest first; black is for text
MARKERS = "osD^vPX*"
DOTS = 1500  # in one chart; of more only every n-th is drawn, and the chart says so
PROMPTS_SHOWN = 30
NAMES = {name: metrics.METRICS[name].label for name in metrics.COMPARED}


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

    def svg(self) -> bytes:
        """The picture as SVG, letters as shapes, the same bytes for the same run."""
        import matplotlib

        out = io.BytesIO()
        with matplotlib.rc_context({"svg.hashsalt": "kit", "svg.fonttype": "path"}):
            self.figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
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
    """The charts of the report, by file name; none when nothing was answered."""
    if not any(row["n_ok"] for row in run.summary):
        return {}
    made = {}
    if any(row["quality"] is not None for row in facets.score_facets(run).summary):
        made["quality"] = quality_and_speed(run)
    made |= {
        "models": per_model(run),
        "footprint": footprint(run),
        "prompts": per_prompt(run, "latency_s"),
    }
    if any(row["ttft_p50_s"] is not None for row in run.summary):
        made |= {"prompts-ttft": per_prompt(run, "ttft_s"), "stream": arrivals(run)}
    return made | {"drift": drift(run)}


def per_prompt(run: Run, metric: str = "latency_s") -> Chart:
    """Every measured value as a dot, by prompt and model, with medians as bars; outliers are ringed and kept.

    Of more than 30 prompts the slowest are shown.
    """
    models, prompts = _answered(run), list(run.prompts)
    values = {model: run.values(model, metric) for model in models}
    if not any(values.values()):
        return _nothing(
            f"{NAMES[metric]}: no model has an answer with this figure, so there is nothing to draw."
        )
    scale, unit = _unit(run, models, metric)
    slow = {
        p: max((float(np.median(values[m][p])) for m in models if p in values[m]), default=0.0)
        for p in prompts
    }
    shown = sorted(sorted(prompts, key=lambda p: -slow[p])[:PROMPTS_SHOWN], key=prompts.index)
    figure, (axes,) = _figure(1, height=0.9 + 0.17 * len(shown) * max(len(models), 2))
    marks = {model: run.outlier_marks(model, metric) for model in models}
    count, flagged = (
        sum(f(some) for of in all_of.values() for some in of.values())
        for f, all_of in ((len, values), (np.count_nonzero, marks))
    )
    step, rings = -(-count // DOTS), max(-(-flagged // 300), 1)
    for i, model in enumerate(models):
        for j, prompt in enumerate(shown):
            some = values[model].get(prompt, ())
            if not len(some):
                continue
            y = j + (i - (len(models) - 1) / 2) * 0.7 / max(len(models), 2)
            x = np.asarray(some) * scale
            marked = x[np.asarray(marks[model][prompt], dtype=bool)][::rings]
            axes.plot(
                x[::step],
                np.full(len(x[::step]), y),
                MARKERS[i % 8],
                color=_colour(i),
                alpha=0.65,
                ms=5,
                label=model if j == 0 else None,
            )
            axes.plot([np.median(x)] * 2, [y - 0.14, y + 0.14], color=_colour(i), lw=2.5)
            axes.plot(marked, np.full(len(marked), y), "o", mfc="none", mec="black", ms=11)
    axes.set_yticks(range(len(shown)), [_short(prompt) for prompt in shown])
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{NAMES[metric]} ({unit}); bar: median, ring: outlier")
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper left", ncols=4, frameon=False
    )
    finding = f"{NAMES[metric]}: the slowest prompt is {max(prompts, key=slow.get)}; {flagged:,} of {count:,} requests are flagged as outliers and kept."
    finding += (
        f" Shown: the {len(shown)} slowest of {len(prompts)} prompts."
        if len(shown) < len(prompts)
        else ""
    )
    return Chart(
        figure,
        f"{NAMES[metric]} of every request by prompt for {join_words(models)}.",
        finding + _thinned(step, rings),
    )


def per_model(run: Run) -> Chart:
    """TTFT, latency and output tokens/s: every value as a dot, the median with its 95 % interval beside them."""
    models = _answered(run)
    if not models:
        return _nothing("No model answered: there is nothing to draw.")
    metrics = [m for m in NAMES if any(run.values(model, m) for model in models)]
    figure, panels = _figure(len(metrics), height=1.2 + 0.45 * len(models))
    step = -(
        -max(sum(len(_all_values(run, model, m)) for model in models) for m in metrics) // DOTS
    )
    for axes, metric in zip(panels, metrics, strict=True):
        scale, unit = _unit(run, models, metric)
        highest = 0.0
        for i, model in enumerate(models):
            values = _all_values(run, model, metric) * scale
            if not len(values):
                continue
            middle = float(np.median(values))
            low, high = run.intervals[model][metric]
            thin = values[::step]
            jitter = np.linspace(-0.12, 0.12, len(thin)) if len(thin) > 1 else [0]
            axes.plot(
                thin,
                i + 0.1 + np.array(jitter),
                MARKERS[i % 8],
                color=_colour(i),
                alpha=0.5,
                ms=4,
                mec="none",
            )
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
        axes.set_yticks(
            range(len(models)),
            [_short(model) for model in models] if axes is panels[0] else [""] * len(models),
        )
        axes.set_xlabel(f"{NAMES[metric]}{f' ({unit})' if unit else ''}")
    return Chart(
        figure,
        f"{join_words([NAMES[m] for m in metrics])} of {join_words(models)}: dots, medians and intervals.",
        _speed_finding(run, models) + _thinned(step),
    )


def quality_and_speed(run: Run) -> Chart:
    """Quality against median latency with their intervals, one point a model; nobody beats the models on the line in both."""
    judged = {
        row["model"]: row for row in facets.score_facets(run).summary if row["quality"] is not None
    }
    rows = [
        row | judged[row["model"]] for row in run.summary if row["n_ok"] and row["model"] in judged
    ]
    if not rows:
        return _nothing(
            "No prompt of this run expects anything in particular, so there is no quality to draw."
        )
    figure, (axes,) = _figure(1, height=3.8)
    scale, unit = _unit(run, [row["model"] for row in rows], "latency_s")
    points, bars = [], []
    for i, row in enumerate(rows):
        low, high = run.intervals[row["model"]]["latency_s"]
        x, y = row["latency_p50_s"] * scale, row["quality"]
        if low is not None:
            axes.plot([low * scale, high * scale], [y, y], color=_colour(i), lw=2)
            bars.append((low * scale, y, high * scale, y))
        if row["quality_low"] is not None:
            bars.append((x, row["quality_low"], x, row["quality_high"]))
            axes.plot([x, x], [row["quality_low"], row["quality_high"]], color=_colour(i), lw=2)
        axes.plot(x, y, MARKERS[i % 8], color=_colour(i), ms=9)
        points.append((x, y, row["model"], i))
    front = pareto(rows)
    axes.step(
        [row["latency_p50_s"] * scale for row in front],
        [row["quality"] for row in front],
        where="post",
        color="0.6",
        lw=1.2,
        ls="--",
        zorder=0,
    )
    axes.set_xlim(
        0,
        1.35
        * max(run.intervals[row["model"]]["latency_s"][1] or row["latency_p50_s"] for row in rows)
        * scale,
    )
    axes.set_ylim(0, 1.05)
    axes.set_xlabel(f"median latency ({unit}) with its 95 % interval")
    axes.set_ylabel("quality (share of checks passed)")
    _label(figure, axes, points, bars)
    names = [row["model"] for row in rows]
    best = "another" if len(front) == len(rows) > 1 else join_words([row["model"] for row in front])
    finding = f"By these medians no model is both faster and better than {best}; the bars tell how sure that is."
    return Chart(
        figure,
        f"Quality against median latency of {join_words(names)}; a dashed line joins those that no other beats in both.",
        finding,
    )


def pareto(rows: Sequence[dict]) -> list[dict]:
    """The rows that no other beats in both `quality` and `latency_p50_s`, fastest first."""
    front = []
    for row in sorted(rows, key=lambda row: (row["latency_p50_s"], -row["quality"])):
        if not front or row["quality"] > front[-1]["quality"]:
            front.append(row)
    return front


def arrivals(run: Run, prompt: str | None = None) -> Chart:
    """How one answer of each model came in: chunks over time, for `prompt` (default: the one with the longest answer in time)."""
    frame = run.headline
    frame = frame[((frame["status"] == "ok") & frame["ttft_s"].notna()).to_numpy()]
    if frame.empty:
        return _nothing("This run has no streamed answer to draw.")
    prompt = prompt or frame.loc[frame["latency_s"].idxmax(), "prompt_id"]
    some = frame[(frame["prompt_id"] == prompt).to_numpy()]
    some = (
        some.assign(hidden=some["itl_s"].isna())
        .sort_values(["hidden", "round"], kind="stable")
        .drop_duplicates("model")
    )
    shown = {model: run.row(place) for place, model in some["model"].items()}
    shown = {model: shown[model] for model in run.models if model in shown}
    figure, (axes,) = _figure(1, height=1 + 0.5 * len(shown))
    for i, (model, row) in enumerate(shown.items()):
        times, together = np.unique(
            np.asarray(row["chunk_times_s"], dtype=float) * 1000, return_counts=True
        )
        index = run.models.index(model)
        axes.plot([0, times[-1]], [i, i], color="0.8", lw=1, zorder=0)
        axes.scatter(
            times,
            np.full(len(times), i),
            s=16 * np.minimum(together, 40),
            color=_colour(index),
            alpha=0.55,
            edgecolors="white",
            lw=0.4,
        )
        axes.plot([times[0]] * 2, [i - 0.35, i + 0.35], color="black", lw=1.5)
        axes.annotate(
            f"{together.sum():,} chunks, {times[-1]:,.3g} ms",
            (times[-1], i),
            xytext=(20, 0),
            textcoords="offset points",
            fontsize=8,
            va="center",
        )
    axes.set_yticks(range(len(shown)), [_short(model) for model in shown])
    axes.set_ylim(len(shown) - 0.4, -0.7)
    axes.set_xlabel(
        "milliseconds since the request was written; black: first token, dot: chunks, larger where several came together"
    )
    axes.set_xlim(0, 1.25 * max(row["chunk_times_s"][-1] for row in shown.values()) * 1000)
    axes.set_title(f"One answer to {_short(prompt)}", loc="left", fontsize=10)
    share = [1 - row["ttft_s"] / row["latency_s"] for row in shown.values()]
    words = join_words([f"{model} {100 * s:.0f} %" for model, s in zip(shown, share, strict=True)])
    return Chart(
        figure,
        f"Chunks received over time for prompt {prompt}, one stream for each of {join_words(list(shown))}.",
        f"Share of the latency after the first token: {words}.",
    )


def footprint(run: Run) -> Chart:
    """Memory and disk of each model as bars, with the figures beside them; what was not measured says so."""
    rows = [row for row in run.summary if row["n_ok"]]
    if not rows:
        return _nothing("No model answered: there is nothing to draw.")
    columns = {
        "memory_mb": "memory (MB)",
        "gpu_memory_mb": "GPU memory (MB)",
        "disk_mb": "disk (MB)",
    }
    values = {
        name: [row["disk_mb"] or row["size_mb"] if name == "disk_mb" else row[name] for row in rows]
        for name in columns
    }
    shown = [name for name in columns if name != "gpu_memory_mb" or any(values[name])]
    figure, panels = _figure(len(shown), height=0.8 + 0.4 * len(rows))
    said = []
    for axes, name in zip(panels, shown, strict=True):
        for i, value in enumerate(values[name]):
            axes.barh(i, value or 0, 0.6, color=_colour(i), edgecolor="black", lw=0.6)
            text = (
                f" {value:,.3g}"
                if value and value < 1000
                else f" {value:,.0f}"
                if value
                else " not measured"
            )
            axes.text(value or 0, i, text, va="center", fontsize=9)
        known = [
            (value, row["model"]) for value, row in zip(values[name], rows, strict=True) if value
        ]
        axes.set_xlim(0, 1.25 * max((value for value, _ in known), default=1))
        if not known:
            axes.set_xticks([])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.set_yticks(
            range(len(rows)),
            [_short(row["model"]) for row in rows] if axes is panels[0] else [""] * len(rows),
        )
        axes.set_xlabel(columns[name])
        what = columns[name].removesuffix(" (MB)")
        if len(known) > 1:
            said.append(
                f"{what}: {min(known)[1]} needs {min(known)[0]:,.3g} MB and {max(known)[1]} {max(known)[0]:,.3g} MB"
            )
        elif not known:
            said.append(f"{what}: not measured")
    finding = "; ".join(said) or f"Only {rows[0]['model']} answered"
    return Chart(
        figure,
        f"Bars of memory and disk for {join_words([row['model'] for row in rows])}.",
        f"{finding[0].upper()}{finding[1:]}.",
    )


def drift(run: Run) -> Chart:
    """Each latency over the median of its model and prompt, in the order of the run: does the machine get slower or busier?"""
    frame = run.headline.loc[
        (run.headline["status"] == "ok").to_numpy(),
        ["model", "prompt_id", "started_at", "latency_s"],
    ].dropna()
    if len(frame) < 2:
        return _nothing("It takes two answered requests to see a drift: there is nothing to draw.")
    seconds = (frame["started_at"] - frame["started_at"].min()).dt.total_seconds()
    ratio = frame["latency_s"] / frame.groupby(["model", "prompt_id"], observed=True)[
        "latency_s"
    ].transform("median")
    divide, unit = (60, "minutes") if seconds.max() > 300 else (1, "seconds")
    figure, (axes,) = _figure(1, height=3)
    step, models = -(-len(frame) // DOTS), _answered(run)
    for i, model in enumerate(models):
        mine = (frame["model"] == model).to_numpy()
        x, y = seconds.to_numpy()[mine] / divide, ratio.to_numpy()[mine]
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
        axes.plot(
            x[::step], y[::step], MARKERS[i % 8], color=_colour(i), alpha=0.3, ms=4, mec="none"
        )
        pieces = np.array_split(np.arange(len(x)), min(20, max(len(x) // 5, 1)))
        axes.plot(
            [np.median(x[p]) for p in pieces],
            [np.median(y[p]) for p in pieces],
            color=_colour(i),
            lw=2,
            marker=MARKERS[i % 8],
            ms=5,
            label=model,
        )
    axes.axhline(1, color="0.4", lw=1, ls="--")
    axes.set_ylim(
        min(0.5, float(np.percentile(ratio, 1)) * 0.9),
        min(max(1.5, float(np.percentile(ratio, 99)) * 1.1), 5),
    )
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{unit} since the first measured request; line: medians of stretches")
    axes.set_ylabel("latency / median of its prompt")
    figure.legend(
        *axes.get_legend_handles_labels(), loc="outside upper left", ncols=4, frameon=False
    )
    looked = [drift for drift in run.drifts if drift.metric == "latency_s"]
    said = " ".join(str(drift) for drift in looked if drift.found) or str(
        max(looked, key=lambda drift: drift.rounds)
    )
    if len(looked) > 1 and not any(drift.found for drift in looked):
        said = said.replace(f" of {max(looked, key=lambda drift: drift.rounds).model}", "")
    return Chart(
        figure, f"Latency in the order of the run for {join_words(models)}.", said + _thinned(step)
    )


def _speed_finding(run: Run, models: Sequence[str]) -> str:
    first = min(
        models, key=lambda m: next(r for r in run.summary if r["model"] == m)["latency_p50_s"]
    )
    others = [m for m in models if m != first]
    if not others:
        return f"Only {first} answered; there is nothing to compare it with."
    verdicts = [item for item in compare_models(run, first) if item.metric == "latency_s"]
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
    middle = np.median(np.concatenate([_all_values(run, model, metric) for model in models]))
    return (1000.0, "ms") if middle < 1 else (1.0, "s")


def _figure(columns: int, height: float):
    from matplotlib.figure import (
        Figure,
    )  # slow to import; without pyplot there is no state to share

    figure = Figure(figsize=(9, max(height, 2)), layout="constrained")
    axes = figure.subplots(1, columns, squeeze=False)[0]
    for one in axes:
        one.spines[["top", "right"]].set_visible(False)
        one.grid(axis="x", color="0.9")
        one.set_axisbelow(True)
    return figure, axes


def _label(
    figure,
    axes,
    points: Sequence[tuple[float, float, str, int]],
    bars: Sequence[tuple[float, float, float, float]] = (),
) -> None:
    """Names beside their points (x, y, name, index of the model), where they meet no other name, point or bar and no other point is nearer."""
    figure.draw_without_rendering()  # the layout is known only now
    dots = [
        axes.transData.transform((x, y)) * 72 / figure.dpi for x, y, *_ in points
    ]  # in typographic points
    frame = axes.get_window_extent().transformed(figure.dpi_scale_trans.inverted())
    left, right, bottom, top = frame.x0 * 72, frame.x1 * 72, frame.y0 * 72, frame.y1 * 72
    ends = [axes.transData.transform([bar[:2], bar[2:]]).ravel() * 72 / figure.dpi for bar in bars]
    taken = [(x - 6, y - 6, x + 6, y + 6) for x, y in dots] + [
        (a - 1, b - 1, c + 1, d + 1) for a, b, c, d in ends
    ]
    for n, (x, y, name, index) in enumerate(points):
        text = _short(name)
        width, height = 5.6 * len(text), 11
        places = [(dx, dy) for dy in (7, -17, 21, -31, 35, -45, 49, -59) for dx in (9, -9 - width)]
        boxes = {
            place: (
                dots[n][0] + place[0],
                dots[n][1] + place[1],
                dots[n][0] + place[0] + width,
                dots[n][1] + place[1] + height,
            )
            for place in places
        }

        def meets(place, boxes=boxes, own=n):
            a = boxes[place]
            outside = a[0] < left or a[2] > right + 4 or a[1] < bottom or a[3] > top + 4
            return outside or any(
                a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
                for k, b in enumerate(taken)
                if k != own
            )

        def nearest(place, boxes=boxes, own=n):
            a = boxes[place]
            away = [
                np.hypot(max(a[0] - px, px - a[2], 0), max(a[1] - py, py - a[3], 0))
                for px, py in dots
            ]
            return away[own] <= min(away)

        free = [place for place in places if not meets(place)]
        place = next(iter([p for p in free if nearest(p)] or free or places))
        taken.append(boxes[place])
        line = (
            None
            if nearest(place) and abs(place[1]) < 20
            else {"arrowstyle": "-", "color": "0.5", "lw": 0.8}
        )
        axes.annotate(
            text,
            (x, y),
            xytext=place,
            textcoords="offset points",
            fontsize=9,
            color=_dark(index),
            arrowprops=line,
        )


def _all_values(run: Run, model: str, metric: str) -> np.ndarray:
    some = [np.asarray(values, dtype=float) for values in run.values(model, metric).values()]
    return np.concatenate(some) if some else np.array([])


def _thinned(step: int, rings: int = 1) -> str:
    said = [f"one dot in {step:,}"] if step > 1 else []
    said += [f"one ring in {rings:,}"] if rings > 1 else []
    return f" Drawn: {' and '.join(said)}." if said else ""


def _short(name: str, width: int = 34) -> str:
    """A name for a chart: matplotlib reads a dollar sign as mathematics."""
    plain = "".join(c if c.isprintable() else " " for c in name).replace("$", r"\$")
    return plain if len(plain) <= width else f"{plain[: width - 3]}..."


def _dark(index: int) -> tuple[float, float, float]:
    """The colour of a model, dark enough for letters on white."""
    from matplotlib.colors import to_rgb

    return tuple(0.62 * part for part in to_rgb(_colour(index)))


def _colour(index: int):
    return COLOURS[index % len(COLOURS)]
