"""List what models are judged by, in one table that weights, limits, scores and the report read."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ..common.errors import UsageError

OTHER_SPELLINGS = {"licence": "license"}  # accepted for one release


@dataclass(frozen=True)
class Dimension:
    """Describe one dimension: its default weight, the limit on it, and how prompts are averaged.

    `column` of a scorecard's row holds what the limit bounds. `average` is None where a model has
    one value for all prompts. A value beyond `good_enough` scores no higher.
    """

    name: str
    weight: float
    unit: str
    column: str
    limit: str | None = None
    lower_is_better: bool = False
    average: Literal["geometric", "arithmetic"] | None = None
    good_enough: float | None = None
    limited: str = ""  # the limit's own name for the column, where it is not `name`

    @property
    def label(self) -> str:
        """Name what the limit bounds."""
        return self.limited or self.name

    def quantity(self, value: object) -> str:
        """Return a value with this dimension's unit."""
        return f"{value} {self.unit}".rstrip()


# One person waits for a summary and reads it: below a second a wait is hardly felt (Nielsen, 1993),
# and 20 tokens/s is about three times the speed of reading. Beyond that, faster is no reason to
# accept worse answers.
DIMENSIONS = {
    dimension.name: dimension
    for dimension in (
        Dimension(
            *("latency", 20.0, "s", "latency_p95_s", "max_p95_s"),
            lower_is_better=True,
            average="geometric",
            good_enough=1.0,
            limited="p95 latency",
        ),
        Dimension(
            *("throughput", 10.0, "tokens/s", "request_tokens_per_s_p50"),
            average="geometric",
            good_enough=20.0,
        ),
        Dimension("memory", 10.0, "MB", "memory_mb", "max_memory_mb", lower_is_better=True),
        Dimension("quality", 40.0, "", "quality", "min_quality", average="arithmetic"),
        Dimension("disk", 10.0, "MB", "disk_mb", "max_disk_mb", lower_is_better=True),
        Dimension("license", 10.0, "", "license", "licenses"),
    )
}
WEIGHTS = {name: dimension.weight for name, dimension in DIMENSIONS.items()}


def make_weights(weights: Mapping[str, float | str] | None) -> dict[str, float]:
    """Return weights by dimension that add up to 1; None stands for the defaults.

    Raises UsageError for an unknown name, for a negative number, and when all are 0.
    """
    asked = _numbers(WEIGHTS if weights is None else weights, "weight")
    total = sum(asked.values())
    if not total:
        raise UsageError(
            "All weights are 0, so there is nothing to choose by; "
            f"give at least one of {', '.join(DIMENSIONS)} a number above 0."
        )
    return {name: asked[name] / total for name in DIMENSIONS if asked.get(name)}


def make_good_enough(values: Mapping[str, float | str] | None) -> dict[str, float]:
    """Return the values beyond which better does not count; None stands for the defaults.

    Raises UsageError.
    """
    if values is None:
        return {name: d.good_enough for name, d in DIMENSIONS.items() if d.good_enough}
    return _numbers(values, "good enough", without="license", positive=True)


def _numbers(
    values: Mapping[str, float | str], kind: str, *, without: str = "", positive: bool = False
) -> dict[str, float]:
    names = [name for name in DIMENSIONS if name != without]
    numbers = {}
    for asked, value in values.items():
        name = OTHER_SPELLINGS.get(asked, asked)
        if name not in names:
            expected = ", ".join(names)
            raise UsageError(f"{kind} {name}: unknown dimension, expected one of {expected}.")
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number) or number < 0 or (positive and not number):
            expected = "above 0" if positive else "of at least 0"
            raise UsageError(f"{kind} {name}: expected a number {expected}, found {value!r:.40}.")
        numbers[name] = number
    return numbers
