"""Show a server under load: throughput, goodput and the waiting that they cost.

Everything here comes from the record alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from ..common.show import Table, count, duration
from ..measure.record import Run
from ..timing.intervals import summarize
from ..timing.slo import Slo
from .draw import Chart, color, dots, empty_chart, legend, new_figure, time_scale

if TYPE_CHECKING:
    import pandas as pd

ENOUGH = 0.95  # more streams than bring this share of the highest throughput bring little
QUEUED = 1.5  # a queue has formed when the last quarter of an open loop is this much slower


@dataclass(frozen=True)
class Level:
    """Hold what one model did at one concurrency, or at the run's rate.

    None: not known, or too few answers. `seconds` is how long its blocks took, from the first
    request (sent, or due) to the end of the last, failed ones included. Throughput and goodput are
    per second of those. `late_p95_s` is how long after it was due a request was sent (open loop).
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
    """Return each model at each concurrency of the run, in that order.

    A record of an older kit lacks the times that this needs, so it has none.
    """
    slo = run.info.plan.slo
    frame = run.frame[(run.frame.phase == "measure") & (run.frame.status != "skipped")]
    frame = frame[frame.ended_s.notna()]
    found = []
    for model in run.models:
        rows = frame[frame.model == model]
        for concurrency in sorted(rows.concurrency.unique()):
            found.append(_level(model, concurrency, rows[rows.concurrency == concurrency], slo))
    return found


def _level(model: str, concurrency: int, rows: "pd.DataFrame", slo: Slo | None) -> Level:
    ok, seconds = rows[rows.status == "ok"], _seconds(rows)
    tokens = ok.completion_tokens.sum() if len(ok) and ok.completion_tokens.notna().all() else None
    ttft, latency = (
        summarize(ok[name].tolist(), ok["round"].tolist()) for name in ("ttft_s", "latency_s")
    )
    late = summarize((rows.sent_s - rows.scheduled_s).tolist(), rows["round"].tolist())
    return Level(
        model=model,
        concurrency=int(concurrency),
        n_ok=len(ok),
        n_failed=len(rows) - len(ok),
        seconds=seconds,
        requests_per_s=_rate(len(ok), seconds),
        tokens_per_s=_rate(tokens, seconds),
        goodput_per_s=_rate(int(meets_slo(ok, slo).sum()), seconds) if slo else None,
        ttft_p50_s=ttft.p50,
        ttft_p95_s=ttft.p95,
        latency_p50_s=latency.p50,
        latency_p95_s=latency.p95,
        late_p95_s=late.p95,
    )


def meets_slo(ok: "pd.DataFrame", slo: Slo) -> np.ndarray:
    """Tell for each answered request whether it met all limits; what is not known is not met.

    Where a stream does not show its ITL (its text was held back on the way),
    latency / (tokens - 1) stands in: the ITL cannot be longer.
    """
    gaps = ok.completion_tokens.astype(float) - 1
    longest_itl_s = ok.latency_s.astype(float) / gaps.where(gaps > 0)
    known = {
        "ttft_s": ok.ttft_s,
        "itl_s": ok.itl_s.astype(float).fillna(longest_itl_s),
        "latency_s": ok.latency_s,
    }
    good = np.ones(len(ok), dtype=bool)
    for name, values in known.items():
        limit = getattr(slo, name)
        if limit is not None:
            good &= (values.astype(float) <= limit).to_numpy()
    return good


def _seconds(rows: "pd.DataFrame") -> float:
    """Return how long the blocks took together: each round first to last, overlaps counted once."""
    starts = rows.scheduled_s.fillna(rows.sent_s).fillna(rows.ended_s).astype(float)
    firsts = starts.groupby(rows["round"]).min().to_numpy()
    lasts = rows.ended_s.astype(float).groupby(rows["round"]).max().to_numpy()
    order = firsts.argsort()
    firsts, reached = firsts[order], np.maximum.accumulate(lasts[order])
    return float(np.sum(reached - np.maximum(firsts, np.r_[-np.inf, reached[:-1]])))


def _rate(number: float | None, seconds: float) -> float | None:
    return float(number / seconds) if number is not None and seconds > 0 else None


def table(run: Run) -> Table:
    """Return the levels of a run as a table, with what they show as its note."""
    found, rate = levels(run), run.info.plan.rate
    headers = [field.name for field in fields(Level) if field.name != "seconds"]
    optional = {"goodput_per_s": run.info.plan.slo, "late_p95_s": rate}
    headers = [name for name in headers if optional.get(name, True)]
    rows = [[getattr(level, name) for name in headers] for level in found]
    if rate:
        headers[1], rows = "target_rate", [[row[0], rate, *row[2:]] for row in rows]
    return Table(headers, rows, note=" ".join(findings(run)))


def findings(run: Run) -> list[str]:
    """Return what the load shows, in sentences."""
    plan, slo = run.info.plan, run.info.plan.slo
    answered = [level for level in levels(run) if level.n_ok]
    by_model = [[level for level in answered if level.model == model] for model in run.models]
    by_model = [of_model for of_model in by_model if of_model]
    said: list[str] = []
    for of_model in by_model:
        said += [_queue_words(run, of_model[0])] if plan.rate else _sweep_words(of_model)
    return said + ([_goodput_words(of_model, slo) for of_model in by_model] if slo else [])


def _goodput_words(of_model: Sequence[Level], slo: Slo) -> str:
    best = max(of_model, key=lambda level: level.goodput_per_s or 0)
    if not best.goodput_per_s:
        return f"{best.model}: no request met {slo}."
    where = f" at {count(best.concurrency, 'stream')}" if len(of_model) > 1 else ""
    return f"{best.model}: {best.goodput_per_s:.3g} requests/s met {slo}{where}."


def _unit(answered: Sequence[Level]) -> str:
    """Return what throughput counts: tokens, or requests where tokens are not known."""
    return "tokens_per_s" if all(level.tokens_per_s for level in answered) else "requests_per_s"


def _sweep_words(of_model: Sequence[Level]) -> Iterator[str]:
    unit, first = _unit(of_model), of_model[0]
    rates = [getattr(level, unit) for level in of_model]
    if len(of_model) < 2 or not all(rates):
        return
    enough = next(place for place, rate in enumerate(rates) if rate >= ENOUGH * max(rates))
    level, rate = of_model[enough], rates[enough]
    words = f"{rate:,.0f} output tokens/s" if unit == "tokens_per_s" else f"{rate:,.3g} requests/s"
    if level is first or first.latency_p50_s is None or level.latency_p50_s is None:
        yield (
            f"{first.model}: more than {count(first.concurrency, 'stream')} only adds waiting; "
            f"throughput stays at {words}."
        )
        return
    slower = level.latency_p50_s / first.latency_p50_s
    rest = " More streams than that add little." if level is not of_model[-1] else ""
    yield (
        f"{first.model}: from {count(first.concurrency, 'stream')} to {level.concurrency}, "
        f"throughput grows {rate / rates[0]:.2g} times, to {words}, and the median latency "
        f"{slower:.2g} times, to {duration(level.latency_p50_s)}.{rest}"
    )


def _queue_words(run: Run, level: Level) -> str:
    latencies = _due(run, level.model).latency_s.astype(float)
    quarter = max(len(latencies) // 4, 1)
    first, last = latencies[:quarter].median(), latencies[-quarter:].median()
    queued = last > QUEUED * first and len(latencies) >= 8
    verdict = "A queue formed: the model did not keep up." if queued else "No queue formed."
    return (
        f"{level.model} at {run.info.plan.rate:g} requests/s: the median latency is "
        f"{duration(first)} in the first quarter of the run and {duration(last)} in the last. "
        f"{verdict}"
    )


def _due(run: Run, model: str) -> "pd.DataFrame":
    """Return a model's answered requests of an open loop in the order in which they were due."""
    frame = run.frame[run.frame.model == model]
    answered = (frame.phase == "measure") & (frame.status == "ok") & frame.scheduled_s.notna()
    return frame[answered].sort_values("scheduled_s")


def for_report(run: Run) -> dict[str, Chart]:
    """Return the chart of a run under load by file name; none for other runs."""
    plan = run.info.plan
    answered = any(level.n_ok for level in levels(run))
    return {"load": curve(run)} if (plan.sweep or plan.rate) and answered else {}


def is_load_test(run: Run) -> bool:
    """Tell whether a run says anything of load.

    One stream without limits does not, nor does a record without times.
    """
    plan = run.info.plan
    loaded = plan.sweep or plan.rate or plan.slo or plan.concurrency > 1
    return bool(loaded and levels(run))


def curve(run: Run) -> Chart:
    """Draw throughput against latency, a line for each model and a point for each level.

    For an open loop it draws latency over the time of the run.
    """
    plan, answered = run.info.plan, [level for level in levels(run) if level.n_ok]
    if not answered or not (plan.rate or plan.sweep):
        return empty_chart(
            "This run has one level of load, so there is no curve to draw. "
            "Measure several: concurrency=[1, 2, 4]."
        )
    figure, (axes,) = new_figure()
    axes.grid(color="0.9")
    scale, unit = time_scale(max(level.latency_p50_s or 0 for level in answered))
    if plan.rate:
        alt = "Latency of every request over when it was due; a rising cloud is a queue."
        axes.set_xlabel(f"time at which a request was due (s), {plan.rate:g} per second")
        axes.set_ylabel(f"latency from then ({unit})")
    else:
        alt = (
            "Median latency against throughput, a line for each model; the numbers are requests "
            "under way at once."
        )
        counted = "output tokens/s" if _unit(answered) == "tokens_per_s" else "requests/s"
        ends = "; line up to p95" if any(level.latency_p95_s for level in answered) else ""
        axes.set_xlabel(f"throughput ({counted})")
        axes.set_ylabel(f"median latency ({unit}){ends}")
    for index, model in enumerate(dict.fromkeys(level.model for level in answered)):
        if plan.rate:
            due = _due(run, model)
            since_first_s = due.scheduled_s - due.scheduled_s.min()
            dots(axes, index, since_first_s, due.latency_s * scale, ms=4, alpha=0.6, label=model)
        else:
            of_model = [level for level in answered if level.model == model]
            _draw_levels(axes, index, of_model, _unit(answered), scale)
    axes.set_xlim(left=None if plan.rate else 0)
    axes.set_ylim(bottom=0)
    legend(figure)
    return Chart(figure, alt, " ".join(findings(run)))


def _draw_levels(axes, index: int, of_model: Sequence[Level], unit: str, scale: float) -> None:
    """Draw a model's levels as a line, each with its concurrency and a line up to its p95."""
    x = [getattr(level, unit) for level in of_model]
    y = [(level.latency_p50_s or 0) * scale for level in of_model]
    dots(axes, index, x, y, ls="-", ms=7, label=of_model[0].model)
    for level, across, up in zip(of_model, x, y, strict=True):
        place = {"xytext": (6, -11), "textcoords": "offset points"}
        axes.annotate(str(level.concurrency), (across, up), fontsize=8, **place)
        if level.latency_p95_s:
            ends = [up, level.latency_p95_s * scale]
            axes.plot([across, across], ends, color=color(index), lw=1, alpha=0.6)
