"""Check models against hard limits, and say by how much each limit is missed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from ..common.show import join_words
from ..common.validation import checked
from .dimensions import DIMENSIONS, Dimension, NotNegative

BY_LIMIT = {dimension.limit: dimension for dimension in DIMENSIONS.values() if dimension.limit}


class Limits(BaseModel):
    """Hold the hard limits. A model that breaks one, or that cannot be checked, is out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_p95_s: NotNegative | None = None
    max_memory_mb: NotNegative | None = None
    max_disk_mb: NotNegative | None = None
    min_quality: Annotated[float, Field(ge=0, le=1)] | None = None
    licenses: Annotated[
        tuple[str, ...] | None, Field(validation_alias=AliasChoices("licenses", "licences"))
    ] = None

    def __str__(self) -> str:
        bounds = self.model_dump(exclude_none=True)
        return "; ".join(_bound_in_words(BY_LIMIT[name], bounds[name]) for name in bounds)


@dataclass(frozen=True)
class Violation:
    """Say which limit a model breaks, and by which share of it; infinite when that is unknown."""

    limit: str
    words: str
    excess: float


def make_limits(limits: Limits | Mapping[str, object] | None) -> Limits:
    """Return checked limits. Raises UsageError naming the limit and what was expected."""
    return limits if isinstance(limits, Limits) else checked(Limits, limits or {}, "limit")


def violations(limits: Limits, row: Mapping) -> tuple[Violation, ...]:
    """Return what a scorecard's row breaks, in the order of the limits."""
    bounds = limits.model_dump(exclude_none=True)
    checked = [_violation(BY_LIMIT[name], bounds[name], row) for name in bounds]
    return tuple(violation for violation in checked if violation)


def binding_limit(broken: Mapping[str, Sequence[Violation]]) -> str:
    """Name the limit that is hardest to meet, and how far the nearest model misses it.

    `broken` maps each model to the limits that it breaks, at least one.
    """
    nearest = {}
    for limit in Limits.model_fields:
        misses = [
            (violation.excess, model, violation.words)
            for model, violations_of_model in broken.items()
            for violation in violations_of_model
            if violation.limit == limit
        ]
        if len(misses) == len(broken):
            nearest[limit] = min(misses)
    if not nearest:
        model = min(broken, key=lambda name: max(v.excess for v in broken[name]))
        return (
            "Some model meets each limit, but no model meets all of them. "
            f"The nearest is {model}: {join_words([v.words for v in broken[model]])}."
        )
    hardest = max(nearest, key=lambda limit: nearest[limit][0])
    _, model, words = nearest[hardest]
    return f"The binding limit is {BY_LIMIT[hardest].label}. The nearest model is {model}: {words}."


def _violation(dimension: Dimension, bound, row: Mapping) -> Violation | None:
    value, limit = row[dimension.column], str(dimension.limit)
    if limit == "licenses":
        if (value or "").casefold() in {name.casefold() for name in bound}:
            return None
        return Violation(limit, f"license {value or 'unknown'} is not on the list", np.inf)
    if value is None:
        words = f"{_bound_in_words(dimension, bound)} cannot be checked: not measured"
        return Violation(limit, words, np.inf)
    if value <= bound if dimension.lower_is_better else value >= bound:
        return None
    excess = abs(value - bound) / bound if bound else np.inf
    by = "over"
    if excess < 1:
        by = f"{100 * excess:.3g} % {'over' if dimension.lower_is_better else 'under'}"
    elif bound:
        by = f"{1 + excess:,.3g} times"
    measured, asked = dimension.quantity(value), dimension.quantity(bound)
    return Violation(limit, f"{dimension.label} {measured} is {by} the limit of {asked}", excess)


def _bound_in_words(dimension: Dimension, bound) -> str:
    if dimension.limit == "licenses":
        return f"license one of {', '.join(bound)}"
    side = "most" if dimension.lower_is_better else "least"
    return f"{dimension.label} at {side} {dimension.quantity(bound)}"
