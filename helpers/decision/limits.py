"""Check models against hard limits: met, not met, or more than the data can tell.

Dimensions are what models are judged by, in one table that weights, limits, scores and the report
read. Evidence is what a decision reads of each model: figures, intervals, and where it answers.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from ..common.files import read_toml
from ..common.paths import DATA
from ..common.show import format_cell, join_words
from ..common.templates import paragraph
from ..common.validation import Strict, checked
from ..timing.connection import host_of, is_loopback
from ..timing.intervals import interval_of_mean, interval_of_p95
from .scorecard import Scorecard

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class Dimension:
    """Describe one dimension: the limit on it, and how prompts are averaged.

    The limit, called `label`, bounds `column` of a scorecard's row. `average` is None where a model
    has one value for all prompts. One that is not `scored` has a limit only.
    """

    name: str
    label: str
    column: str
    unit: str = ""
    limit: str | None = None
    lower_is_better: bool = False
    average: Literal["geometric", "arithmetic"] | None = None
    scored: bool = True

    def quantity(self, value: float) -> str:
        """Return a value with this dimension's unit."""
        return f"{format_cell(float(value))} {self.unit}".rstrip()


_ALL = [
    Dimension(**{"name": name, "label": name, **fields})
    for name, fields in read_toml(DATA / "dimensions.toml").items()
]
DIMENSIONS = {dimension.name: dimension for dimension in _ALL if dimension.scored}
BY_LIMIT = {dimension.limit: dimension for dimension in _ALL if dimension.limit}
Interval = tuple[float | None, float | None]


class Limits(Strict):
    """Hold the hard limits. A model that breaks one, or that cannot be checked, is out."""

    max_p95_s: NotNegative | None = None
    max_memory_mb: NotNegative | None = None
    max_disk_mb: NotNegative | None = None
    min_quality: Share | None = None
    max_contradicted: Share | None = None
    max_failed: Share | None = None
    licenses: tuple[str, ...] | None = None
    offline: bool | None = None

    @property
    def bounds(self) -> dict[str, Any]:
        """Return the limits that were set, by name, except `offline`."""
        return self.model_dump(exclude_none=True, exclude={"offline"})

    def __str__(self) -> str:
        words = [
            paragraph("decision/bound.jinja", dimension=BY_LIMIT[name], bound=bound)
            for name, bound in self.bounds.items()
        ]
        return "; ".join([*words, "on this machine"] if self.offline else words)


@dataclass(frozen=True)
class Violation:
    """Say which limit a model breaks, and by which share of it; infinite when that is unknown."""

    limit: str
    words: str
    excess: float = math.inf


def make_limits(limits: Limits | Mapping[str, object] | None) -> Limits:
    """Return checked limits. Raises UsageError naming the limit and what was expected."""
    return limits if isinstance(limits, Limits) else checked(Limits, limits or {}, "limit")


def _check_bounds(limits: Limits, mine: "Evidence") -> tuple[list[Violation], list[str]]:
    """Return what a model breaks, and of which limits the data cannot tell whether it meets them.

    A limit is broken when the figure itself misses it; a figure without an interval is exact.
    """
    broken, doubts = [], []
    for name, bound in limits.bounds.items():
        dimension = BY_LIMIT[name]
        value = mine.row.get(dimension.column)
        if name in ("max_contradicted", "min_quality") and value is None:
            continue  # only some prompts let a contradiction be seen; `check` asks for a quality
        interval = mine.intervals.get(dimension.column)
        found = {"dimension": dimension, "value": value, "bound": bound, "interval": interval}
        excess = _excess(dimension, value, bound)
        if excess > 0:
            words = paragraph("decision/violation.jinja", excess=excess, **found)
            broken.append(Violation(dimension.label, words, excess))
        elif interval:
            worst = interval[1] if dimension.lower_is_better else interval[0]
            if worst is None or _excess(dimension, worst, bound) > 0:
                doubts.append(paragraph("decision/doubt.jinja", row=mine.row, **found))
    return broken, doubts


def binding_limit(broken: Mapping[str, Sequence[Violation]]) -> tuple[str, str]:
    """Return the limit that is hardest to meet, "" if each is met by one, and the nearest model."""
    nearest = {}
    for limit in dict.fromkeys(v.limit for found in broken.values() for v in found):
        misses = [
            (violation.excess, model, violation.words)
            for model, found in broken.items()
            for violation in found
            if violation.limit == limit
        ]
        if len({model for _, model, _ in misses}) == len(broken):
            nearest[limit] = min(misses)
    if not nearest:
        model = min(broken, key=lambda name: max(v.excess for v in broken[name]))
        return "", (
            "Some model meets each limit, but no model meets all of them. "
            f"The nearest is {model}: {join_words([v.words for v in broken[model]])}."
        )
    hardest = max(nearest, key=lambda limit: nearest[limit][0])
    _, model, words = nearest[hardest]
    return hardest, f"The binding limit is {hardest}. The nearest model is {model}: {words}."


def _excess(dimension: Dimension, value: Any, bound: Any) -> float:
    """Return by which share of the bound a value misses it; 0 where it meets it."""
    if dimension.limit == "licenses":
        allowed = (value or "").casefold() in {name.casefold() for name in bound}
        return 0.0 if allowed else math.inf
    if value is None:
        return math.inf
    beyond = value - bound if dimension.lower_is_better else bound - value
    if beyond <= 0:
        return 0.0
    return beyond / bound if bound else math.inf


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
    broken, doubts = _check_bounds(limits, mine)
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
