"""What a run shows of a server under load: throughput, goodput, and the waiting that they cost. It reads the record alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..common.show import Table
from ..measure.record import Run
from ..timing.intervals import P95_NEEDS
from ..timing.slo import Slo
from .charts import COLOURS, MARKERS, Chart

if TYPE_CHECKING:
    import pandas as pd

ENOUGH = 0.95  # more streams than bring this share of the highest throughput bring little
QUEUED = 1.5  # by how much the last quarter of an open loop is slower than the first when a queue has formed


@dataclass(frozen=True)
class Level:
    """One model at one concurrency, or at the run's rate. None: not known, or too few answers.

    `seconds` is how long its blocks took, from the first request (sent, or due) to the end of the last, failed ones included.
    Throughput and goodput are per second of those. `late_p95_s` is how long after its time a request was sent (open loop).
    """

    model: str
    concurrency: int
    n_ok: int
    n_failed: int
    seconds: float
    requests_per_s: float | None
    tokens_per_s: float | None
    goodput_per_s: float | None
    ttft_p50_s: float | None
    ttft_p95_s: float | None
    latency_p50_s: float | None
    latency_p95_s: float | None
    late_p95_s: float | None


def levels(run: Run) -> list[Level]:
    """Each model at each concurrency of the run, in that order; none for a record without the times that this needs."""
    frame = run.frame[(run.frame.phase == "measure") & (run.frame.status != "skipped")]
    frame = frame[frame.ended_s.notna()]
    slo = run.info.plan.slo
    found = {key: _level(*key, rows, slo) for key, rows in frame.groupby(["model", "concurrency"])}
    return [found[key] for key in sorted(found, key=lambda key: (run.models.index(key[0]), key[1]))]


def _level(model: str, concurrency: int, rows: "pd.DataFrame", slo: Slo | None) -> Level:
    ok, seconds = rows[rows.status == "ok"], _seconds(rows)
    tokens = ok.completion_tokens.sum() if len(ok) and ok.completion_tokens.notna().all() else None
    late_s = (rows.sent_s - rows.scheduled_s).astype(float).dropna()
    return Level(
        model=model,
        concurrency=int(concurrency),
        n_ok=len(ok),
        n_failed=len(rows) - len(ok),
        seconds=seconds,
        requests_per_s=_rate(len(ok), seconds),
        tokens_per_s=_rate(tokens, seconds),
        goodput_per_s=_rate(int(meets_slo(ok, slo).sum()), seconds) if slo else None,
        ttft_p50_s=_percentile(ok.ttft_s, 50),
        ttft_p95_s=_percentile(ok.ttft_s, 95),
        latency_p50_s=_percentile(ok.latency_s, 50),
        latency_p95_s=_percentile(ok.latency_s, 95),
        late_p95_s=_percentile(late_s, 95),
    )


def meets_slo(ok: "pd.DataFrame", slo: Slo) -> "pd.Series":
    """Which answered requests kept all limits. What is not known is not kept.

    Where a stream does not show its ITL (text held back on the way), latency / (tokens - 1) stands in: the ITL cannot be longer.
    """
    most_itl_s = ok.latency_s.astype(float) / (ok.completion_tokens.astype(float) - 1).where(
        lambda gaps: gaps > 0
    )
    known = {
        "ttft_s": ok.ttft_s,
        "itl_s": ok.itl_s.astype(float).fillna(most_itl_s),
        "latency_s": ok.latency_s,
    }
    good = np.ones(len(ok), dtype=bool)
    for name, values in known.items():
        limit = getattr(slo, name)
        good &= True if limit is None else (values.astype(float) <= limit).to_numpy()
    return good


def _seconds(rows: "pd.DataFrame") -> float:
    """How long the blocks took together: each round from first to last, what overlaps counted once."""
    starts = rows.scheduled_s.fillna(rows.sent_s).fillna(rows.ended_s).astype(float)
    spans = np.array(
        [
            starts.groupby(rows["round"]).min(),
            rows.ended_s.astype(float).groupby(rows["round"]).max(),
        ]
    )
    spans = spans[:, spans[0].argsort()]
    reached = np.maximum.accumulate(spans[1])
    return float(np.sum(reached - np.maximum(spans[0], np.r_[-np.inf, reached[:-1]])))


def _rate(count: float | None, seconds: float) -> float | None:
    return float(count / seconds) if count is not None and seconds > 0 else None


def _percentile(values: "pd.Series", percent: int) -> float | None:
    known = values.dropna()
    return (
        float(np.percentile(known.astype(float), percent))
        if len(known) >= (P95_NEEDS if percent == 95 else 1)
        else None
    )


def table(run: Run) -> Table:
    """The levels of a run as a table."""
    rate, slo = run.info.plan.rate, run.info.plan.slo
    first = ("target_rate",) if rate else ("concurrency",)
    headers = [
        "model",
        *first,
        "n_ok",
        "n_failed",
        "requests_per_s",
        "tokens_per_s",
        *(["goodput_per_s"] if slo else []),
    ]
    headers += [
        "ttft_p50_s",
        "ttft_p95_s",
        "latency_p50_s",
        "latency_p95_s",
        *(["late_p95_s"] if rate else []),
    ]
    rows = [
        [rate if name == "target_rate" else getattr(level, name) for name in headers]
        for level in levels(run)
    ]
    return Table(headers, rows, note=" ".join(findings(run)))


def findings(run: Run) -> list[str]:
    """What the load says, in sentences."""
    plan, found = run.info.plan, levels(run)
    by_model = {
        model: [level for level in found if level.model == model and level.n_ok]
        for model in run.models
    }
    answered = [some for some in by_model.values() if some]
    said = [
        sentence
        for some in answered
        for sentence in (_queue_words(run, some[0]) if plan.rate else _sweep_words(some))
    ]
    return said + ([_goodput_words(some, plan.slo) for some in answered] if plan.slo else [])


def _goodput_words(some: Sequence[Level], slo: Slo) -> str:
    best = max(some, key=lambda level: level.goodput_per_s)
    if not best.goodput_per_s:
        return f"{best.model}: no request kept {slo}."
    return f"{best.model}: {best.goodput_per_s:.3g} requests/s kept {slo}{f' at {_streams(best.concurrency)}' if len(some) > 1 else ''}."


def _sweep_words(some: Sequence[Level]) -> Iterator[str]:
    unit = "tokens_per_s" if all(level.tokens_per_s for level in some) else "requests_per_s"
    if len(some) < 2 or not all(getattr(level, unit) for level in some):
        return
    first, most = some[0], max(getattr(level, unit) for level in some)
    enough = next(level for level in some if getattr(level, unit) >= ENOUGH * most)
    words = (
        f"{getattr(enough, unit):,.0f} output tokens/s"
        if unit == "tokens_per_s"
        else f"{getattr(enough, unit):,.3g} requests/s"
    )
    if enough is first:
        yield f"{first.model}: more streams than {first.concurrency} bring no more throughput than {words}, only waiting."
        return
    more = getattr(enough, unit) / getattr(first, unit)
    slower = enough.latency_p50_s / first.latency_p50_s
    rest = "; more streams than that bring little" if enough is not some[-1] else ""
    yield (
        f"{first.model}: from {_streams(first.concurrency)} to {enough.concurrency}, throughput grows {more:.2g}x to {words} "
        f"and the median latency {slower:.2g}x to {_time(enough.latency_p50_s)}{rest}."
    )


def _queue_words(run: Run, level: Level) -> Iterator[str]:
    rows = _due(run, level.model)
    quarter = max(len(rows) // 4, 1)
    first, last = (
        float(part.latency_s.astype(float).median()) for part in (rows[:quarter], rows[-quarter:])
    )
    queued = last > QUEUED * first and len(rows) >= 8
    verdict = "a queue formed: it did not keep up" if queued else "no queue is seen"
    yield (
        f"{level.model} at {run.info.plan.rate:g} requests/s: the median latency is {_time(first)} in the first quarter of the run "
        f"and {_time(last)} in the last; {verdict}."
    )


def _due(run: Run, model: str) -> "pd.DataFrame":
    """The answered requests of an open loop by the time at which they were due."""
    frame = run.frame
    rows = frame[
        (frame.phase == "measure")
        & (frame.status == "ok")
        & (frame.model == model)
        & frame.scheduled_s.notna()
    ]
    return rows.sort_values("scheduled_s")


def for_report(run: Run) -> dict[str, Chart]:
    """The chart of a run under load, by file name; none for other runs."""
    plan = run.info.plan
    return (
        {"load": curve(run)}
        if (plan.sweep or plan.rate) and any(level.n_ok for level in levels(run))
        else {}
    )


def is_load_test(run: Run) -> bool:
    """Whether there is anything to say of load: not for one stream without limits, nor for a record without times."""
    plan = run.info.plan
    return bool((plan.sweep or plan.rate or plan.slo or plan.concurrency > 1) and levels(run))


def notes(run: Run) -> list[str]:
    """How the figures of load were measured."""
    plan = run.info.plan
    said = [
        "Requests, tokens and goodput are per second of the whole block of requests, its start and end included; failed requests keep no limit."
    ]
    if plan.sweep:
        first = _streams(plan.concurrency)
        said.append(
            f"All other figures of this report stand for {first}; each further level was measured in one go, all rounds in a row."
        )
    if plan.rate:
        said.append(
            "Requests were sent at random times (Poisson), whatever was under way; TTFT and latency count from when a request was due."
        )
    return said


def curve(run: Run) -> Chart:
    """Throughput against latency, one line a model and one point a level; of an open loop, latency over the time of the run."""
    plan, found = run.info.plan, levels(run)
    models = [
        model for model in run.models if any(level.model == model and level.n_ok for level in found)
    ]
    figure, axes = _figure()
    if not models or not (plan.rate or plan.sweep):
        words = "This run has one level of load: there is no curve to draw. Measure several: concurrency=[1, 2, 4]."
        axes.set_axis_off()
        axes.text(0, 0.5, words, transform=axes.transAxes)
        return Chart(figure, words, words)
    answered = [level for level in found if level.n_ok]
    scale, time_unit = (
        (1000, "ms") if max(level.latency_p50_s for level in answered) < 1 else (1, "s")
    )
    unit = "tokens_per_s" if all(level.tokens_per_s for level in answered) else "requests_per_s"
    for i, model in enumerate(models):
        if plan.rate:
            rows = _due(run, model)
            due_s = rows.scheduled_s - rows.scheduled_s.min()
            axes.plot(
                due_s,
                rows.latency_s * scale,
                MARKERS[i % 8],
                color=_colour(i),
                ms=4,
                alpha=0.6,
                label=model,
            )
        else:
            _draw_levels(
                axes, i, [level for level in answered if level.model == model], unit, scale
            )
    if plan.rate:
        axes.set(
            xlabel=f"time at which a request was due (s), {plan.rate:g} a second",
            ylabel=f"latency from then ({time_unit})",
        )
        alt = (
            "Latency of every request over the time at which it was due; a rising cloud is a queue."
        )
    else:
        axes.set_xlim(left=0)
        axes.set(
            xlabel="throughput (output tokens/s)"
            if unit == "tokens_per_s"
            else "throughput (requests/s)"
        )
        axes.set(
            ylabel=f"median latency ({time_unit})"
            + ("; line up to p95" if any(level.latency_p95_s for level in answered) else "")
        )
        alt = "Median latency against throughput, one line a model; the numbers are requests under way at once."
    axes.set_ylim(bottom=0)
    figure.legend(loc="outside upper left", ncols=4, frameon=False)
    return Chart(figure, alt, " ".join(findings(run)))


def _draw_levels(axes, index: int, some: Sequence[Level], unit: str, scale: float) -> None:
    x, y = [getattr(level, unit) for level in some], [level.latency_p50_s * scale for level in some]
    axes.plot(x, y, MARKERS[index % 8] + "-", color=_colour(index), ms=7, label=some[0].model)
    for level, across, up in zip(some, x, y, strict=True):
        axes.annotate(
            f"{level.concurrency}",
            (across, up),
            xytext=(6, -11),
            textcoords="offset points",
            fontsize=8,
        )
        if level.latency_p95_s:
            axes.plot(
                [across, across],
                [up, level.latency_p95_s * scale],
                color=_colour(index),
                lw=1,
                alpha=0.6,
            )


def _figure():
    from matplotlib.figure import Figure  # slow to import

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    return figure, axes


def _colour(index: int) -> str:
    return COLOURS[index % len(COLOURS)]


def _streams(count: int) -> str:
    return "1 stream" if count == 1 else f"{count} streams"


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
