"""Draw a finished run.

Every chart carries what it shows in a sentence, and a description for readers who cannot see it.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..common.show import count, join_words
from ..decision.evidence import collect
from ..decision.scorecard import Scorecard
from ..decision.selection import Decision
from ..measure.record import Run
from ..timing.metrics import COMPARED, METRICS
from . import draw
from .comparison import compare_models
from .draw import Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MAX_PROMPTS = 30
NO_ANSWER = "No model answered, so there is nothing to draw."


def for_report(run: Run) -> dict[str, Chart]:
    """Return the charts of the report by file name; none when nothing was answered."""
    if not _answered(run):
        return {}
    charts = {}
    if any(row["quality"] is not None for row in Scorecard(run).rows):
        charts["quality"] = quality_and_speed(run)
    if len(_answered(run)) > 1:
        charts["ratios"] = forest(run)
    return charts | {"prompts": per_prompt(run)}


def at_a_glance(card: Scorecard, decision: Decision, most: int) -> Chart:
    """Draw quality and median latency of the decision's first models, with their intervals."""
    run, evidence, limits = card.run, collect(card), decision.limits
    out = {option.model for option in decision.options if option.out}
    models = [option.model for option in decision.options[:most]]
    shown = [model for model in models if evidence[model].row["n_ok"]]
    if not shown:
        return draw.empty_chart(NO_ANSWER)
    scale, unit = _scale(run, shown, "latency_s")
    judged = any(evidence[model].row["quality"] is not None for model in shown)
    figure, panels = draw.new_figure(1 + judged, height=0.9 + 0.42 * len(shown), width=6.4)
    for row, model in enumerate(shown):
        of, sure = evidence[model].row, model not in out
        if of["quality"] is not None:
            quality = evidence[model].intervals.get("quality", (None, None))
            draw.estimate(panels[0], row, of["quality"], quality, sure=sure)
        latencies = [*_interval(run, model, "latency_s") * scale]
        draw.estimate(panels[-1], row, of["latency_p50_s"] * scale, latencies, sure=sure)
    draw.name_rows(panels, shown)
    if judged:
        panels[0].set_xlim(0, 1.08)
        panels[0].set_xlabel("quality, 0 to 1 (right is better)")
        if limits.min_quality:
            draw.limit(panels[0], limits.min_quality, "limit")
    panels[-1].set_xlim(left=0)
    panels[-1].set_xlabel(f"latency, {unit.strip(' ()')} (left is better)")
    n = max(evidence[model].row["prompts_judged"] for model in shown)
    of_quality = f"mean quality over n = {count(n, 'prompt')} and " if judged else ""
    grey = " Grey: out." if out & set(shown) else ""
    finding = f"Dots: {of_quality}median latency. Bars: 95 % intervals.{grey}"
    return Chart(figure, f"Quality and latency of {join_words(shown)}.", finding)


def forest(run: Run, baseline: str | None = None) -> Chart:
    """Draw how many times the baseline's each figure of a model is; a bar over 1 tells nothing.

    The intervals are those of `compare_models`: joint, at 95 %. Comparisons that rest on too few
    prompts are left out.
    """
    verdicts = compare_models(run, baseline).firm
    if not verdicts:
        return draw.empty_chart("There are not two models with enough answers to compare.")
    metrics = [metric for metric in COMPARED if any(v.metric == metric for v in verdicts)]
    models = list(dict.fromkeys(verdict.model for verdict in verdicts))
    figure, panels = draw.new_figure(len(metrics), height=1.3 + 0.45 * len(models))
    for axes, metric in zip(panels, metrics, strict=True):
        mine = [verdict for verdict in verdicts if verdict.metric == metric]
        draw.ratio_axis(axes, [x for v in mine for x in (v.low, v.high) if x])
        for v in mine:
            row, ratio = models.index(v.model), v.ratio or math.nan
            draw.estimate(axes, row, ratio, (v.low, v.high), sure=v.apart)
        better = "right" if METRICS[metric].more_is_better else "left"
        axes.set_xlabel(f"{METRICS[metric].label}, times ({better} is better)")
    draw.name_rows(panels, models)
    figure.suptitle(
        f"1 = {draw.short_name(str(verdicts[0].baseline))}", x=0.01, ha="left", fontsize=10
    )
    latencies = [str(v) for v in verdicts if v.metric == "latency_s"]
    labels = join_words([METRICS[metric].label for metric in metrics])
    alt = f"{labels} of {join_words(models)} as multiples of {verdicts[0].baseline}."
    grey = " Grey: cannot be told apart." if any(not v.apart for v in verdicts) else ""
    return Chart(figure, alt, " ".join(latencies) + grey)


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
