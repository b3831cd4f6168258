"""List what models are judged by, in one table that weights, limits, scores and the report read."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from ..common.files import read_toml
from ..common.paths import DATA
from ..common.show import format_cell

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
