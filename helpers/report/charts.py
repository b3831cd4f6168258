"""Draw a finished run.

Every chart carries what it shows in a sentence, and a description for readers who cannot see it.
"""

import math
from collections.abc import Sequence

import numpy as np

from ..common.show import join_words
from ..common.templates import paragraph
from ..decision.limits import collect
from ..decision.scorecard import Scorecard
from ..decision.selection import Decision
from ..measure.record import Run
from ..timing.metrics import COMPARED, METRICS
from . import draw
from .comparison import compare_models
from .draw import Chart

MAX_PROMPTS = 30
MAX_DOTS = 1500  # in one chart; of more, every n-th is drawn and the chart says so
NO_ANSWER = "No model answered, so there is nothing to draw."


def for_report(run: Run) -> dict[str, Chart]:
    """Return the charts of the report by file name; none when nothing was answered."""
    if not _answered(run):
        return {}
    charts = {"ratios": forest(run)} if len(_answered(run)) > 1 else {}
    return charts | {"prompts": per_prompt(run)}


def quality_and_speed(
    run: Run | Scorecard, decision: Decision | None = None, most: int = 8
) -> Chart:
    """Draw quality and median latency with their intervals, in the order of a decision."""
    card = run if isinstance(run, Scorecard) else Scorecard(run)
    run, evidence = card.run, collect(card)
    options = decision.options if decision else ()
    limit = decision.limits.min_quality if decision else None
    out = {option.model for option in options if option.out}
    models = ([option.model for option in options] or run.models)[:most]
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
        latencies = [*np.array(run.intervals[model]["latency_s"], dtype=float) * scale]
        draw.estimate(panels[-1], row, of["latency_p50_s"] * scale, latencies, sure=sure)
    draw.name_rows(panels, shown)
    if judged:
        panels[0].set_xlim(-0.08, 1.08)
        panels[0].set_xlabel("quality, 0 to 1 (right is better)")
        if limit:
            panels[0].axvline(limit, color="#D55E00", ls="--", zorder=0)
    panels[-1].set_xlim(left=-0.08 * panels[-1].get_xlim()[1])
    panels[-1].set_xlabel(f"latency, {unit.strip(' ()')} (left is better)")
    n = max(evidence[model].row["prompts_judged"] for model in shown)
    about = {"judged": judged, "prompts": n, "limit": limit, "out": out & set(shown)}
    finding = paragraph("report/quality_and_speed.jinja", **about)
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
    one = draw.short_name(str(verdicts[0].baseline), 20)
    figure, panels = draw.new_figure(len(metrics), height=1.3 + 0.45 * len(models))
    for axes, metric in zip(panels, metrics, strict=True):
        mine = [verdict for verdict in verdicts if verdict.metric == metric]
        draw.ratio_axis(axes, [x for v in mine for x in (v.low, v.high) if x])
        for v in mine:
            row, ratio = models.index(v.model), v.ratio or math.nan
            draw.estimate(axes, row, ratio, (v.low, v.high), sure=v.apart)
        better = "right" if METRICS[metric].more_is_better else "left"
        axes.set_xlabel(f"{METRICS[metric].label} ({better} is better)\n1: {one}", fontsize=9)
    draw.name_rows(panels, models)
    latencies = [str(v) for v in verdicts if v.metric == "latency_s"]
    labels = join_words([METRICS[metric].label for metric in metrics])
    alt = f"{labels} of {join_words(models)} as multiples of {verdicts[0].baseline}."
    grey = " Grey: cannot be told apart." if any(not v.apart for v in verdicts) else ""
    return Chart(figure, alt, " ".join(latencies) + grey)


def per_prompt(run: Run, metric: str = "latency_s") -> Chart:
    """Draw every value by prompt (the 30 slowest) and model; medians are bars, outliers ringed."""
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
    step = -(-len(outliers) // MAX_DOTS) or 1
    scale, unit = _scale(run, models, metric)
    figure, (axes,) = draw.new_figure(height=0.9 + 0.17 * len(shown) * max(len(models), 2))
    for index, model in enumerate(models):
        offset = (index - (len(models) - 1) / 2) * 0.7 / max(len(models), 2)
        for row, prompt in enumerate(shown):
            if prompt in values[model]:
                x, y = np.asarray(values[model][prompt]) * scale, row + offset
                thin, far = x[::step], np.asarray(marks[model][prompt], dtype=bool)[::step]
                draw.dots(axes, index, thin, np.full(len(thin), y), alpha=0.65, ms=5)
                axes.vlines(np.median(x), y - 0.14, y + 0.14, color=draw.color(index), lw=2.5)
                axes.plot(thin[far], np.full(far.sum(), y), "o", mfc="none", mec="black", ms=11)
        draw.dots(axes, index, [], [], alpha=0.65, ms=5, label=model)
    draw.name_rows([axes], shown)
    axes.set_xlim(left=0)
    axes.set_xlabel(f"{label}{unit}; bar: median, ring: outlier")
    draw.legend(figure)
    about = {"label": label, "slowest": max(prompts, key=slowest.__getitem__), "step": step}
    lists = {"prompts": prompts, "shown": shown, "marks": outliers}
    finding = paragraph("report/per_prompt.jinja", **about, **lists)
    alt = f"{label} of every request, by prompt, for {join_words(models)}."
    return Chart(figure, alt, finding)


def _answered(run: Run) -> list[str]:
    return [row["model"] for row in run.summary if row["n_ok"]]


def _scale(run: Run, models: Sequence[str], metric: str) -> tuple[float, str]:
    """Return the factor that gives readable numbers, and their unit as an axis names it."""
    if METRICS[metric].unit != "s":
        return 1.0, ""
    medians = [run.sample(model, metric)[metric].median() for model in models]
    factor, unit = draw.time_scale(float(np.nanmax(np.array(medians, dtype=float))))
    return factor, f" ({unit})"
