"""Count what an answer contains, and how sure a mean over answers is."""

import random
import re
import statistics
from collections.abc import Collection, Sequence
from typing import Any, Protocol, TypedDict

from helpers.quality.text import count_items, count_sentences

from .generate import Turn
from .settings import SEED

RESAMPLES = 10_000
COUNTERS = {"sentences": count_sentences, "bullets": count_items}


class Reply(Protocol):
    """What is scored of an answer."""

    @property
    def text(self) -> str:
        """Return the text."""

    @property
    def finish_reason(self) -> str | None:
        """Return why it ended: "stop" or "length"."""


class Row(TypedDict):
    """The scores of one answer; None where the request asks for nothing of the kind."""

    task: str
    hits: dict[str, bool]
    forbidden: bool | None
    exact: bool | None
    format: bool | None
    degenerate: bool


def contains(facet: str | Sequence[str], text: str) -> bool:
    """Return True where a facet is in the text, whatever its case.

    A string counts as it stands, of a list any wording as whole words. This is stricter than
    `helpers.quality.facets.find`, which forgives endings and slips of the pen: what is measured
    here is whether a model copies to the letter.
    """
    if isinstance(facet, str):
        return facet.casefold() in text.casefold()
    return any(
        re.search(rf"(?<!\w){re.escape(wording)}(?!\w)", text, re.IGNORECASE) for wording in facet
    )


def format_asked(turn: Turn) -> dict[str, int] | None:
    """Return {"sentences": n} or {"bullets": n} where the request asks for a length, else None."""
    if turn.get("format"):
        return turn["format"]
    asked = re.search(r"\b(?:in|as) (one|two|three|\d) (sentence|bullet)", turn["user"])
    numbers = {"one": 1, "two": 2, "three": 3}
    return {f"{asked[2]}s": numbers.get(asked[1]) or int(asked[1])} if asked else None


def format_ok(turn: Turn, text: str) -> bool | None:
    """Return True or False when a length is asked for, else None."""
    asked = format_asked(turn)
    if not asked:
        return None
    unit, count = next(iter(asked.items()))
    return COUNTERS[unit](text) == count


def is_looping(text: str) -> bool:
    """Return True where a run of four words comes three times."""
    words = text.split()
    runs = [tuple(words[n : n + 4]) for n in range(len(words) - 3)]
    return any(runs.count(run) > 2 for run in set(runs))


def score(turn: Turn, reply: Reply) -> Row:
    """Return what can be counted of one answer. Degenerate is empty, looping or cut off."""
    text, expected = reply.text, turn["assistant"]
    forbidden = turn.get("forbidden")
    return {
        "task": turn["task"],
        "hits": {name: contains(facet, text) for name, facet in turn["facets"].items()},
        "forbidden": contains(forbidden, text) if forbidden else None,
        "exact": None if expected is None else text.strip() == expected,
        "format": format_ok(turn, text),
        "degenerate": not text.strip() or is_looping(text) or reply.finish_reason != "stop",
    }


def recall(hits: Collection[bool]) -> float:
    """Return the share of an answer's facets that it contains."""
    return statistics.fmean(hits)


def facet_recall(rows: Sequence[Row]) -> tuple[float, list[float]]:
    """Return the mean recall of answers that have facets, and its interval."""
    return interval([recall(row["hits"].values()) for row in rows if row["hits"]])


def interval(values: Sequence[float]) -> tuple[float, list[float]]:
    """Return the mean and its 95 % percentile bootstrap interval over answers."""
    rng = random.Random(SEED)
    means = sorted(statistics.fmean(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    low, high = (round(means[int(RESAMPLES * share)], 3) for share in (0.025, 0.975))
    return round(statistics.fmean(values), 3), [low, high]


def degenerate_share(rows: Sequence[Row]) -> float:
    """Return the share of answers that are empty, looping or cut off."""
    return round(statistics.fmean(row["degenerate"] for row in rows), 3)


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the figures of one test set: of each task, and how many answers are degenerate."""
    tasks = sorted({row["task"] for row in rows})
    by_task = {task: [row for row in rows if row["task"] == task] for task in tasks}
    return {
        "prompts": len(rows),
        "tasks": {task: _figures(of_task) for task, of_task in by_task.items()},
        "degenerate": degenerate_share(rows),
    }


def _figures(rows: Sequence[Row]) -> dict[str, Any]:
    result: dict[str, Any] = {"n": len(rows)}
    if any(row["hits"] for row in rows):
        result["facet_recall"], result["facet_recall_95"] = facet_recall(rows)
    counted = {
        "exact": [row["exact"] for row in rows],
        "format_kept": [row["format"] for row in rows],
        "forbidden_named": [row["forbidden"] for row in rows],
    }
    for name, values in counted.items():
        known = [float(value) for value in values if value is not None]
        if known:
            result[name], result[f"{name}_95"] = interval(known)
            result[f"{name}_n"] = len(known)
    return result
