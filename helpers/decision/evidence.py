"""Collect what a decision reads of each model: figures, intervals, and where it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..common.templates import paragraph
from ..timing.connection import host_of, is_loopback
from ..timing.intervals import interval_of_mean, interval_of_p95
from .limits import Interval, Limits, Violation, check_limits
from .scorecard import Scorecard

FUNCTION = "Python function"  # the kind of server that `PythonModel` records


@dataclass(frozen=True)
class Evidence:
    """Hold a scorecard's row with quality by its deciding source and the share of failed requests.

    `intervals` has those of the row's columns, at 95 %. `host` is "" for this machine. A model that
    `is_function` is rules in Python, not a model.
    """

    row: Mapping
    intervals: Mapping[str, Interval]
    host: str
    is_function: bool


def collect(card: Scorecard) -> dict[str, Evidence]:
    """Return the evidence on each model of a scorecard."""
    judged = {model: list(card.by_prompt["quality"][model].values()) for model in card.by_model}
    most = max(map(len, judged.values()))
    found = {}
    for model, row in card.by_model.items():
        about, values = card.run.info.models[model], judged[model]
        server = about.server or card.run.info.server
        remote = bool(server.base_url) and not is_loopback(server.base_url)
        # Few scores beside many would leave few prompts that all models share.
        known = 0 < most <= 2 * len(values)
        more = {
            "quality": float(np.mean(values)) if known else None,
            "prompts_judged": len(values),
            "most_judged": most,
            "failed": row["n_failed"] / max(row["n_ok"] + row["n_failed"], 1),
        }
        if remote:
            more |= {"memory_mb": 0.0, "disk_mb": 0.0}  # it needs none here
        answers = [s for times in card.run.values(model, "latency_s").values() for s in times]
        intervals = {"latency_p95_s": interval_of_p95(answers)}
        if known:
            intervals["quality"] = interval_of_quality(values)
        host = host_of(server.base_url) if remote else ""
        found[model] = Evidence({**row, **more}, intervals, host, server.kind == FUNCTION)
    return found


def interval_of_quality(values: Sequence[float]) -> Interval:
    """Return the 95 % interval of a mean of values from 0 to 1; (None, None) below 3 that differ.

    Where all are alike there is no spread to go by, so the bounds are those of the worst case.
    """
    if len(set(values)) > 1:
        return interval_of_mean(values, within=(0, 1))
    # A mean below low gives n values as high as these in fewer than 2.5 of 100 samples.
    chance = 0.025 ** (1 / len(values))
    return values[0] * chance, 1 - (1 - values[0]) * chance


def check(
    model: str, evidence: Mapping[str, Evidence], limits: Limits, card: Scorecard
) -> tuple[list[Violation], list[str]]:
    """Return what puts a model out, and what the data cannot tell about it."""
    mine = evidence[model]
    here = [other for other in evidence.values() if other.row["n_ok"] and not other.host]
    unjudged = mine.row["quality"] is None
    checked = limits.model_copy(update={"min_quality": None}) if unjudged else limits
    broken, doubts = check_limits(checked, mine.row, mine.intervals)
    if limits.offline and mine.host and here:
        words = f"{mine.host} serves it, and an offline model is asked for"
        broken.append(Violation("offline use", words))
    if unjudged and mine.row["most_judged"]:
        broken.append(Violation("quality", paragraph("decision/unjudged.jinja", row=mine.row)))
    if mine.is_function or unjudged:
        return broken, doubts
    # What needs no model: a model must be better.
    quality = card.by_prompt["quality"]
    functions = {name: quality[name] for name, of in evidence.items() if of.is_function}
    for name, reference in {**card.floor, **functions}.items():
        below, doubt = _check_floor(quality[model], name, reference)
        broken += below
        doubts += doubt
    return broken, doubts


def _check_floor(
    ours: Mapping[str, float], name: str, theirs: Mapping[str, float]
) -> tuple[list[Violation], list[str]]:
    shared = [prompt for prompt in ours if prompt in theirs]
    if not shared:
        return [], []
    gaps = [ours[prompt] - theirs[prompt] for prompt in shared]
    means = [float(np.mean([of[prompt] for prompt in shared])) for of in (ours, theirs)]
    gap, (low, high) = float(np.mean(gaps)), interval_of_mean(gaps)
    found = {"name": name, "means": means, "gap": gap, "low": low, "high": high}
    if gap <= 1e-9:
        words = paragraph("decision/floor.jinja", **found)
        return [Violation("to be better than what needs no model", words, -gap)], []
    if low is None or low <= 0:
        return [], [paragraph("decision/floor_doubt.jinja", n=len(shared), **found)]
    return [], []
