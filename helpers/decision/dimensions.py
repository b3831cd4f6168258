"""List what models are judged by, in one table that weights, limits, scores and the report read."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, create_model

from ..common.errors import UsageError
from ..common.files import read_toml
from ..common.paths import DATA
from ..common.show import format_cell
from ..common.validation import checked

NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
OTHER_SPELLINGS = {"licence": "license"}  # accepted for one release


@dataclass(frozen=True)
class Dimension:
    """Describe one dimension: its default weight, the limit on it, and how prompts are averaged.

    The limit, called `label`, bounds `column` of a scorecard's row. `average` is None where a model
    has one value for all prompts. A value beyond `good_enough` scores no higher.
    """

    name: str
    label: str
    weight: float
    column: str
    unit: str = ""
    limit: str | None = None
    lower_is_better: bool = False
    average: Literal["geometric", "arithmetic"] | None = None
    good_enough: float | None = None

    def quantity(self, value: float) -> str:
        """Return a value with this dimension's unit."""
        return f"{format_cell(float(value))} {self.unit}".rstrip()


DIMENSIONS = {
    name: Dimension(**{"name": name, "label": name, **fields})
    for name, fields in read_toml(DATA / "dimensions.toml").items()
}
WEIGHTS = {name: dimension.weight for name, dimension in DIMENSIONS.items()}


def make_weights(weights: Mapping[str, float | str] | None) -> dict[str, float]:
    """Return weights by dimension that add up to 1; None stands for the defaults.

    Raises UsageError for an unknown name, for a negative number, and when all are 0.
    """
    given = WEIGHTS if weights is None else weights
    asked = _numbers(given, "weight", NotNegative, DIMENSIONS)
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
    measured = [name for name in DIMENSIONS if name != "license"]
    return _numbers(values, "good enough", Positive, measured)


def _numbers(
    values: Mapping[str, float | str], kind: str, number: object, names: Iterable[str]
) -> dict[str, float]:
    fields: dict[str, Any] = {name: (number, None) for name in names}
    model = create_model(kind, __config__=ConfigDict(extra="forbid"), **fields)
    given = {OTHER_SPELLINGS.get(name, name): value for name, value in values.items()}
    return checked(model, given, kind).model_dump(exclude_none=True)
