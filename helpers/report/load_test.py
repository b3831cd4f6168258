"""Show a server under load, from its record: throughput, goodput and the waiting that they cost."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from ..common.show import Table
from ..common.templates import sentences
from ..measure.plan import Slo
from ..measure.record import Run, Window, window
from ..timing.intervals import summarize
from . import draw
from .draw import Chart

if TYPE_CHECKING:
    import pandas as pd

ENOUGH = 0.95  # more streams than bring this share of the highest throughput bring little
QUEUED = 1.5  # a queue has formed when the last quarter of an open loop is this much slower


@dataclass(frozen=True)
class Level:
    """Hold what one model did at one concurrency, or at the run's rate.

    None: not known, or too few answers. `concurrency` is what was asked, `in_flight` the mean that
    was. Throughput and goodput are per second of the time that counts, failed requests included.
    `late_p95_s` is how long after it was due a request was sent (open loop).
    """

    model: str
    concurrency: int
    in_flight: float | None
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
    """Return each model at each concurrency, in that order; none from a record of an older kit."""
    slo = run.info.plan.slo
    asked = sorted(run.frame.concurrency.unique())
    found = [(m, n, window(run.frame, m, n)) for m in run.models for n in asked]
    return [_level(model, level, time, slo) for model, level, time in found if time]


def _level(model: str, concurrency: int, time: Window, slo: Slo | None) -> Level:
    rows, seconds = time.rows, time.seconds
    answered = (rows.status == "ok").to_numpy()
    ok, shares = rows[answered], time.shares[answered]
    tokens = (ok.completion_tokens * shares).sum(skipna=False) if len(ok) else None
    good = shares[meets_slo(ok, slo)].sum() if slo else None
    rows, ok = (some[some.phase == "measure"] for some in (rows, ok))
    ttft, latency = (
        summarize(ok[name].tolist(), ok["round"].tolist()) for name in ("ttft_s", "latency_s")
    )
    late = summarize((rows.sent_s - rows.scheduled_s).tolist(), rows["round"].tolist())
    return Level(
        model=model,
        concurrency=int(concurrency),
        in_flight=time.in_flight,
        n_ok=len(ok),
        n_failed=len(rows) - len(ok),
        seconds=seconds,
        requests_per_s=_rate(shares.sum(), seconds),
        tokens_per_s=_rate(tokens, seconds),
        goodput_per_s=_rate(good, seconds),
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
    for name, limit in slo.limits().items():
        good &= (known[name].astype(float) <= limit).to_numpy()
    return good


def _rate(number: float | None, seconds: float) -> float | None:
    if number is None or np.isnan(number) or not seconds:  # nan: a count is missing
        return None
    return float(number / seconds)


def table(run: Run) -> Table | None:
    """Return the levels and what they show; None for one stream without limits or times."""
    plan, measured = run.info.plan, levels(run)
    if not (measured and (plan.sweep or plan.rate or plan.slo or plan.concurrency > 1)):
        return None
    optional = {"seconds": False, "goodput_per_s": plan.slo, "late_p95_s": plan.rate}
    names = [field.name for field in fields(Level) if optional.get(field.name, True)]
    rows = [[getattr(level, name) for name in names] for level in measured]
    if plan.rate:
        names[1], rows = "target_rate", [[row[0], plan.rate, *row[2:]] for row in rows]
    return Table(names, rows, note=" ".join(findings(run)))


def findings(run: Run) -> list[str]:
    """Return what the load shows, in sentences."""
    plan, by_model = run.info.plan, _answered(run)
    return sentences(
        "report/load_findings.jinja",
        plan=plan,
        by_model=by_model,
        unit_of=_unit,
        enough=ENOUGH,
        quarters={model: _quarters(run, model) for model in by_model} if plan.rate else {},
    )


def _answered(run: Run) -> dict[str, list[Level]]:
    """Return the levels with an answer, by model."""
    by_model: dict[str, list[Level]] = {}
    for level in levels(run):
        if level.n_ok:
            by_model.setdefault(level.model, []).append(level)
    return by_model


def _unit(answered: Sequence[Level]) -> str:
    """Return what throughput counts: tokens, or requests where tokens are not known."""
    return "tokens_per_s" if all(level.tokens_per_s for level in answered) else "requests_per_s"


def _quarters(run: Run, model: str) -> tuple[float, float, bool]:
    """Return the median latency in the first and last quarter, and whether a queue formed."""
    frame = run.frame[run.frame.model == model]
    answered = (frame.phase == "measure") & (frame.status == "ok") & frame.scheduled_s.notna()
    latencies = frame[answered].sort_values("scheduled_s").latency_s.astype(float)
    quarter = max(len(latencies) // 4, 1)
    first, last = latencies[:quarter].median(), latencies[-quarter:].median()
    return first, last, last > QUEUED * first and len(latencies) >= 8


def for_report(run: Run) -> dict[str, Chart]:
    """Return the chart of a sweep by file name; none for other runs."""
    return {"load": curve(run)} if run.info.plan.sweep and _answered(run) else {}


def curve(run: Run) -> Chart:
    """Draw throughput against latency, a line for each model and a point for each level.

    Beside a point stands what was in flight; from it a line goes up to its p95.
    """
    by_model = _answered(run)
    if not by_model or not run.info.plan.sweep:
        return draw.empty_chart(
            "This run has one level of load, so there is no curve to draw. "
            "Measure several: concurrency=[1, 2, 4]."
        )
    figure, (axes,) = draw.new_figure()
    axes.grid(color="0.9")
    scale, unit = draw.time_scale(max(level.latency_p50_s or 0 for level in levels(run)))
    throughput = _unit([level for of_model in by_model.values() for level in of_model])
    for index, (model, of_model) in enumerate(by_model.items()):
        x = np.array([getattr(level, throughput) for level in of_model], dtype=float)
        y = np.array([level.latency_p50_s for level in of_model], dtype=float) * scale
        p95 = np.array([level.latency_p95_s for level in of_model], dtype=float) * scale
        draw.dots(axes, index, x, y, ls="-", ms=7, label=model)
        axes.vlines(x, y, p95, color=draw.color(index), lw=1, alpha=0.6)
        for level, across, up in zip(of_model, x, y, strict=True):
            draw.note(axes, f"{level.in_flight:.3g}", (across, up), (6, -11))
    axes.set_xlim(left=0)
    axes.set_xlabel(f"throughput ({throughput.removesuffix('_per_s')}/s)")
    axes.set_ylabel(f"median latency ({unit}); line up to p95 where it is known")
    axes.set_ylim(0, 1.1 * axes.get_ylim()[1])  # room above the highest point
    draw.legend(figure)
    alt = (
        "Median latency against throughput, a line for each model; the numbers are the mean "
        "of requests in flight."
    )
    return Chart(figure, alt, " ".join(findings(run)))
