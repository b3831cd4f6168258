"""Say at the end of the course which of its five goals are reached, with the learner's figures."""

from collections.abc import Callable
from contextlib import suppress

from ..common.errors import KitError
from ..common.paths import ASIDE
from ..common.show import Table, count, duration, size
from ..measure.record import Run, load_run
from ..report.comparison import compare_models
from ..servers.downloads import cache_contents
from .exercises import PASSED, overview


def goals() -> Table:
    """Return the five goals: a tick where all exercises are passed, and a figure of one's own."""
    done: dict[str, list[bool]] = {}
    for notebook, _, _, outcome in overview().rows:
        done.setdefault(str(notebook)[:2], []).append(outcome == PASSED)
    rows = []
    for goal, numbers, figure in GOALS:
        passed = [one for number in numbers for one in done.get(number, ())]
        tick = "\N{CHECK MARK}" if all(passed) else f"{sum(passed)} of {len(passed)}"
        own = None
        with suppress(KitError):  # no run yet, or one that cannot be read
            own = figure()
        rows.append([tick, goal, own])
    return Table(("exercises", "goal", "your own figure"), rows, note="A dash: no figure yet.")


def _discover() -> str:
    models = [one for one in cache_contents() if one.record]
    together = size(sum(one.bytes for one in models))
    return f"{count(len(models), 'model')} on this disk, {together} together"


def _run() -> str | None:
    known = [(row["ttft_p50_s"], row["model"]) for row in load_run().summary if row["ttft_p50_s"]]
    if not known:
        return None
    ttft_s, model = min(known)
    return f"{model} reacts after {duration(ttft_s)} (median TTFT)"


def _benchmark() -> str:
    run = load_run()
    answers = sum(row["n_ok"] for row in run.summary)
    models = count(len(run.models), "model")
    return f"{count(answers, 'answer')} of {models}, in {count(run.info.plan.rounds, 'round')}"


def _compare() -> str | None:
    return next((str(one) for one in compare_models(load_run()) if one.metric == "latency_s"), None)


def _extend() -> str:
    own: Run = load_run(ASIDE)
    return f"one table with {count(len(own.models), 'model')} that were brought along"


GOALS: tuple[tuple[str, tuple[str, ...], Callable[[], str | None]], ...] = (
    ("discover: list, filter and download models", ("00", "01"), _discover),
    ("run: load a model and ask it", ("02",), _run),
    ("benchmark: measure without being fooled", ("03",), _benchmark),
    ("compare: tell a difference from noise, and decide", ("04", "05"), _compare),
    ("extend: bring your own model and script", ("06", "07"), _extend),
)
