"""Check models against hard limits: met, not met, or more than the data can tell."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict

from ..common.show import join_words
from ..common.templates import paragraph
from ..common.validation import checked
from .dimensions import BY_LIMIT, Dimension, NotNegative, Share

Interval = tuple[float | None, float | None]


class Limits(BaseModel):
    """Hold the hard limits. A model that breaks one, or that cannot be checked, is out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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


def check_limits(
    limits: Limits, row: Mapping, intervals: Mapping[str, Interval]
) -> tuple[list[Violation], list[str]]:
    """Return what a row breaks, and of which limits the data cannot tell whether it meets them.

    `intervals` has the 95 % interval of a column; a figure without one is taken as exact. A limit
    is broken when the figure itself misses it.
    """
    broken, doubts = [], []
    for name, bound in limits.bounds.items():
        dimension = BY_LIMIT[name]
        value = row.get(dimension.column)
        if name == "max_contradicted" and value is None:
            continue  # only some prompts let a contradiction be seen
        interval = intervals.get(dimension.column)
        found = {"dimension": dimension, "value": value, "bound": bound, "interval": interval}
        excess = _excess(dimension, value, bound)
        if excess > 0:
            words = paragraph("decision/violation.jinja", excess=excess, **found)
            broken.append(Violation(dimension.label, words, excess))
        elif interval:
            worst = interval[1] if dimension.lower_is_better else interval[0]
            if worst is None or _excess(dimension, worst, bound) > 0:
                doubts.append(paragraph("decision/doubt.jinja", row=row, **found))
    return broken, doubts


def binding_limit(broken: Mapping[str, Sequence[Violation]]) -> tuple[str, str]:
    """Return the limit that is hardest to meet, and how far the nearest model misses it.

    The limit is "" where no model breaks one that all others break too.
    """
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
