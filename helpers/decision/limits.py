"""Check models against hard limits, and say by how much each limit is missed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from ..common.show import join_words
from ..common.templates import paragraph
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
        words = [
            paragraph("decision/bound.jinja", dimension=BY_LIMIT[name], bound=bound)
            for name, bound in self.model_dump(exclude_none=True).items()
        ]
        return "; ".join(words)


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
    """Name the limit that is hardest to meet, and how far the nearest model misses it."""
    if not broken:
        return "No model answered."
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
    value = row[dimension.column]
    excess = math.inf
    if dimension.limit == "licenses":
        met = (value or "").casefold() in {name.casefold() for name in bound}
    elif value is None:
        met = False
    else:
        met = value <= bound if dimension.lower_is_better else value >= bound
        excess = abs(value - bound) / bound if bound else math.inf
    if met:
        return None
    found = {"dimension": dimension, "value": value, "bound": bound, "excess": excess}
    return Violation(str(dimension.limit), paragraph("decision/violation.jinja", **found), excess)
