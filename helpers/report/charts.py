"""Draw a finished run.

Every chart carries what it shows in a sentence, and a description for readers who cannot see it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..common.show import format_cell, join_words
from ..decision.scorecard import Scorecard
from ..measure.record import Run
from ..timing.metrics import COMPARED, METRICS
from . import draw
from .comparison import compare_models
from .draw import Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_PROMPTS = 30
SIZES = {"memory_mb": "memory", "gpu_memory_mb": "GPU memory", "disk_mb": "disk"}
NO_ANSWER = "No model answered, so there is nothing to draw."


def for_report(run: Run) -> dict[str, Chart]:
    """Return the charts of the report by file name; none when nothing was answered."""
    if not _answered(run):
        return {}
    charts = {}
    if any(row["quality"] is not None for row in Scorecard(run).rows):
        charts["quality"] = quality_and_speed(run)
    charts |= {"models": per_model(run), "footprint": footprint(run), "prompts": per_prompt(run)}
    if any(row["ttft_p50_s"] is not None for row in run.summary):
        charts["stream"] = arrivals(run)
    return charts


def per_prompt(run: Run, metric: str = "latency_s") -> Chart:
    """Draw every value as a dot, by prompt and model, with medians as bars and outliers ringed.

    Of more than 30 prompts the slowest are shown.
    """
    models, label, prompts = _answered(run), METRICS[metric].label, list(run.prompts)
    values = {model: run.values(model, metric) for model in models}
    if not any(values.values()):
        return draw.empty_chart(f"{label}: no answer has this figure, so there is nothing to draw.")
    slowest = {
        prompt: max((np.median(of[prompt]) for of in values.values() if prompt in of), default=0)
        for prompt in prompts
    }
    shown = sorted(prompts, key=lambda prompt: -slowest[prompt])[:MAX_PROMPTS]
    shown.sort(key=prompts.index)
    marks = {model: run.outlier_marks(model, metric) for model in models}
    outliers = [flag for of in marks.values() for flags in of.values() for flag in flags]
    step = draw.step_for(len(outliers))
    scale, unit = _scale(run, models, metric)
    figure, (axes,) = draw.new_figure(height=0.9 + 0.17 * len(shown) * max(len(models), 2))
    for index, model in enumerate(models):
        offset = (index - (len(models) - 1) / 2) * 0.7 / max(len(models), 2)
        for row, prompt in enumerate(shown):
            if prompt in values[model]:
                x = np.asarray(values[model][prompt]) * scale
                _draw_prompt(axes, index, row + offset, x, marks[model][prompt], step)
        draw.dots(axes, index, [], [], alpha=0.65, ms=5, label=model)
    draw.name_rows([axes], shown)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{label}{unit}; bar: median, ring: outlier")
    draw.legend(figure)
    finding = (
        f"{label}: {max(prompts, key=slowest.__getitem__)} is the slowest prompt. "
        f"{sum(outliers):,} of {len(outliers):,} requests are marked as outliers and kept."
    )
    if len(shown) < len(prompts):
        finding += f" The chart shows the {len(shown)} slowest of {len(prompts)} prompts."
    alt = f"{label} of every request, by prompt, for {join_words(models)}."
    return Chart(figure, alt, finding + draw.thinned(step))


def _draw_prompt(
    axes: "Axes", index: int, y: float, x: np.ndarray, marks: Sequence[bool], step: int
) -> None:
    """Draw one model's values of one prompt at height `y`: dots, the median and outliers."""
    thin, outliers = x[::step], x[::step][np.asarray(marks, dtype=bool)[::step]]
    draw.dots(axes, index, thin, np.full(len(thin), y), alpha=0.65, ms=5)
    axes.vlines(np.median(x), y - 0.14, y + 0.14, color=draw.color(index), lw=2.5)
    axes.plot(outliers, np.full(len(outliers), y), "o", mfc="none", mec="black", ms=11)


def per_model(run: Run) -> Chart:
    """Draw every value as a dot, with medians and 95 % intervals, a panel for each metric."""
    models = _answered(run)
    if not models:
        return draw.empty_chart(NO_ANSWER)
    metrics = [metric for metric in COMPARED if any(run.values(m, metric) for m in models)]
    figure, panels = draw.new_figure(len(metrics), height=1.2 + 0.45 * len(models))
    step = draw.step_for(
        max(sum(len(_values(run, m, metric)) for m in models) for metric in metrics)
    )
    for axes, metric in zip(panels, metrics, strict=True):
        scale, unit = _scale(run, models, metric)
        highest = 0.0
        for index, model in enumerate(models):
            values = _values(run, model, metric) * scale
            if len(values):
                interval = _interval(run, model, metric) * scale
                _draw_sample(axes, index, values, interval, step)
                highest = max(highest, float(np.percentile(values, 97)))
        axes.set_xlim(0, highest * 1.15)
        axes.set_xlabel(f"{METRICS[metric].label}{unit}")
    draw.name_rows(panels, models)
    fastest = min(models, key=lambda model: np.median(_values(run, model, "latency_s")))
    verdicts = [str(v) for v in compare_models(run, fastest) if v.metric == "latency_s"]
    finding = " ".join(verdicts) or f"Only {fastest} answered, so there is nothing to compare."
    labels = join_words([METRICS[metric].label for metric in metrics])
    alt = f"{labels} of {join_words(models)}: every value, the median and its interval."
    return Chart(figure, alt, finding + draw.thinned(step))


def _draw_sample(
    axes: "Axes", index: int, values: np.ndarray, interval: np.ndarray, step: int
) -> None:
    """Draw values in the row of a model, and above them their median with its interval."""
    thin, median = values[::step], float(np.median(values))
    jitter = np.linspace(-0.12, 0.12, len(thin)) if len(thin) > 1 else np.zeros(1)
    draw.dots(axes, index, thin, index + 0.1 + jitter, alpha=0.5, ms=4, mec="none")
    axes.plot(interval, [index - 0.22] * 2, color="black", lw=1.5)
    axes.plot(median, index - 0.22, "|", color="black", ms=12, mew=2.5)
    draw.note(axes, format_cell(median), (median, index - 0.26), (-8, 5))


def quality_and_speed(run: Run) -> Chart:
    """Draw quality against median latency, a point for each model, with both intervals.

    A dashed line joins the models that no other model beats in both.
    """
    rows = [row for row in Scorecard(run).rows if row["n_ok"] and row["quality"] is not None]
    if not rows:
        return draw.empty_chart(
            "No prompt of this run expects anything in particular, so there is no quality to draw."
        )
    names, front = [row["model"] for row in rows], pareto(rows)
    scale, unit = _scale(run, names, "latency_s")
    figure, (axes,) = draw.new_figure(height=3.8)
    for index, row in enumerate(rows):
        x, y = row["latency_p50_s"] * scale, row["quality"]
        draw.dots(axes, index, x, y, ms=9, label=row["model"])
        latencies = _interval(run, row["model"], "latency_s") * scale
        qualities = np.array([row["quality_low"], row["quality_high"]], dtype=float)
        axes.plot(latencies, [y, y], color=draw.color(index), lw=2)
        axes.plot([x, x], qualities, color=draw.color(index), lw=2)
    steps = [row["latency_p50_s"] * scale for row in front], [row["quality"] for row in front]
    axes.step(*steps, where="post", color="0.6", lw=1.2, ls="--", zorder=0)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 1.05)
    axes.set_xlabel(f"median latency{unit} with its 95 % interval")
    axes.set_ylabel("quality (0 to 1)")
    draw.legend(figure)
    finding = f"No other model beats {join_words([row['model'] for row in front])}"
    if len(front) == len(rows) > 1:
        finding = "No model beats another"
    return Chart(
        figure,
        f"Quality against median latency of {join_words(names)}; a dashed line joins the models "
        "that no other model beats in both.",
        f"{finding} in both speed and quality, going by these medians; "
        "the bars show how sure that is.",
    )


def pareto(rows: Sequence[dict]) -> list[dict]:
    """Return the rows that no other beats in both `quality` and `latency_p50_s`, fastest first."""
    front: list[dict] = []
    for row in sorted(rows, key=lambda row: (row["latency_p50_s"], -row["quality"])):
        if not front or row["quality"] > front[-1]["quality"]:
            front.append(row)
    return front


def arrivals(run: Run, prompt: str | None = None) -> Chart:
    """Draw how one answer of each model came in: its chunks over time.

    `prompt` is the id of a prompt; the default is the one whose answer took longest.
    """
    frame = run.headline
    frame = frame[((frame["status"] == "ok") & frame["ttft_s"].notna()).to_numpy()]
    if frame.empty:
        return draw.empty_chart("This run has no streamed answer to draw.")
    prompt = prompt or str(frame["prompt_id"].iloc[frame["latency_s"].argmax()])
    rows = frame[(frame["prompt_id"] == prompt).to_numpy()]
    rows = rows.assign(held_back=rows["itl_s"].isna())
    rows = rows.sort_values(["held_back", "round"], kind="stable").drop_duplicates("model")
    models, places = _answered(run), dict(zip(rows["model"], rows.index, strict=True))
    shown = {model: run.row(places[model]) for model in models if model in places}
    figure, (axes,) = draw.new_figure(height=1 + 0.5 * len(shown))
    for place, (model, row) in enumerate(shown.items()):
        row["chunk_times_s"] = row["chunk_times_s"] or [row["ttft_s"]]  # of an edited record
        times_ms = np.asarray(row["chunk_times_s"], dtype=float) * 1000
        _draw_stream(axes, models.index(model), place, times_ms)
    draw.name_rows([axes], list(shown))
    axes.set_xlabel(
        "milliseconds since the request was written; black: first token, "
        "dot: chunks, larger where several came together"
    )
    axes.set_xlim(0, 1.25 * max(row["chunk_times_s"][-1] for row in shown.values()) * 1000)
    axes.set_title(f"One answer to {draw.short_name(prompt)}", loc="left", fontsize=10)
    shares = [
        f"{100 * (1 - row['ttft_s'] / row['latency_s']):.0f} % for {model}"
        for model, row in shown.items()
    ]
    alt = f"Chunks received over time for prompt {prompt}, one stream for each of "
    finding = f"Share of the latency that comes after the first token: {join_words(shares)}."
    return Chart(figure, f"{alt}{join_words(list(shown))}.", finding)


def _draw_stream(axes: "Axes", index: int, row: int, times_ms: np.ndarray) -> None:
    """Draw one answer's chunks, larger where several came at once."""
    times, together = np.unique(times_ms, return_counts=True)
    sizes = 16 * np.minimum(together, 40)
    axes.hlines(row, 0, times[-1], color="0.8", lw=1, zorder=0)
    axes.scatter(times, np.full(len(times), row), sizes, color=draw.color(index), alpha=0.55)
    axes.vlines(times[0], row - 0.35, row + 0.35, color="black", lw=1.5)
    draw.note(axes, f"{len(times_ms):,} chunks, {times[-1]:,.3g} ms", (times[-1], row), (20, -3))


def footprint(run: Run) -> Chart:
    """Draw memory and disk of each model as bars with their figures; say what was not measured."""
    rows = [row for row in Scorecard(run).rows if row["n_ok"]]
    if not rows:
        return draw.empty_chart(NO_ANSWER)
    names = [row["model"] for row in rows]
    values = {column: [row[column] for row in rows] for column in SIZES}
    shown = [name for name in SIZES if name != "gpu_memory_mb" or any(values[name])]
    figure, panels = draw.new_figure(len(shown), height=0.8 + 0.4 * len(rows))
    for axes, column in zip(panels, shown, strict=True):
        for index, value in enumerate(values[column]):
            axes.barh(index, value or 0, 0.6, color=draw.color(index), edgecolor="black", lw=0.6)
            text = f" {format_cell(float(value))}" if value else " not measured"
            axes.text(value or 0, index, text, va="center", fontsize=9)
        axes.set_xlim(0, 1.25 * max(filter(None, values[column]), default=1))
        axes.set_xlabel(f"{SIZES[column]} (MB)")
    draw.name_rows(panels, names)
    alt = f"Bars of memory and disk for {join_words(names)}."
    ranges = [_range_sentence(SIZES[column], values[column], names) for column in shown]
    return Chart(figure, alt, " ".join(ranges))


def _range_sentence(label: str, values: Sequence[float | None], names: Sequence[str]) -> str:
    """Say which model needs least and which needs most."""
    known = sorted((value, name) for value, name in zip(values, names, strict=True) if value)
    ends = [f"{value:,.3g} MB ({name})" for value, name in known]
    words = f"from {ends[0]} to {ends[-1]}" if len(ends) > 1 else "".join(ends) or "not measured"
    return f"{label[0].upper()}{label[1:]}: {words}."


def _answered(run: Run) -> list[str]:
    return [row["model"] for row in run.summary if row["n_ok"]]


def _values(run: Run, model: str, metric: str) -> np.ndarray:
    return run.sample(model, metric)[metric].to_numpy(dtype=float)


def _interval(run: Run, model: str, metric: str) -> np.ndarray:
    """Return both bounds of a median; NaN, which is not drawn, where they are not known."""
    return np.array(run.intervals[model][metric], dtype=float)


def _scale(run: Run, models: Sequence[str], metric: str) -> tuple[float, str]:
    """Return the factor that gives readable numbers, and their unit as an axis names it."""
    if METRICS[metric].unit != "s":
        return 1.0, ""
    values = np.concatenate([_values(run, model, metric) for model in models])
    factor, unit = draw.time_scale(float(np.median(values)))
    return factor, f" ({unit})"
