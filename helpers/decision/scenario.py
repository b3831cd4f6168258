"""Read the scenario of a decision: its question, limits, weights, and what is good enough."""

import os
import tomllib
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, create_model

from ..common.errors import UsageError
from ..common.files import read_toml
from ..common.paths import DATA
from ..common.validation import Strict, checked
from .limits import DIMENSIONS, Limits, NotNegative, Positive, make_limits

OF_MACHINE = "share_of_machine"


def make_weights(weights: Mapping[str, float | str]) -> dict[str, float]:
    """Return weights by dimension that add up to 1. Raises UsageError, also when all are 0."""
    asked = _numbers(weights, "weight", NotNegative, DIMENSIONS)
    total = sum(asked.values())
    if not total:
        raise UsageError(
            "All weights are 0, so there is nothing to choose by; "
            f"give at least one of {', '.join(DIMENSIONS)} a number above 0."
        )
    return {name: asked[name] / total for name in DIMENSIONS if asked.get(name)}


def make_good_enough(values: Mapping[str, float | str]) -> dict[str, float]:
    """Return the checked values beyond which better does not count. Raises UsageError."""
    measured = [name for name in DIMENSIONS if name != "license"]
    return _numbers(values, "good enough", Positive, [*measured, OF_MACHINE])


class Scenario(Strict):
    """Hold what is to be decided, by whom, and by which rules; the fields are those of the file.

    `weights` add up to 1. A value beyond `good_enough` scores no higher.
    """

    question: Annotated[str, Field(min_length=1, pattern=r"\S")]
    decider: str = ""
    review_date: Annotated[date | None, BeforeValidator(lambda day: day or None)] = None
    limits: Annotated[Limits, BeforeValidator(make_limits)] = Limits()
    weights: Annotated[dict[str, float], BeforeValidator(make_weights)]
    good_enough: Annotated[dict[str, float], BeforeValidator(make_good_enough)] = {}

    def changed(
        self,
        limits: Limits | Mapping[str, object] | None,
        weights: Mapping[str, float | str] | None,
        good_enough: Mapping[str, float | str] | None,
        machine: Mapping[str, Any],
    ) -> "Scenario":
        """Return the scenario for a machine, with what was asked for in place of the file's.

        A limit or a good-enough value replaces that of the same name, weights replace all, and {}
        as `good_enough` sets none. Raises UsageError.
        """
        share = self.good_enough.get(OF_MACHINE, 1.0)
        enough = {
            name: min(value, share * (machine.get(f"{name}_mb") or float("inf")))
            for name, value in self.good_enough.items()
            if name != OF_MACHINE
        }
        if good_enough is not None:
            enough = enough | make_good_enough(good_enough) if good_enough else {}
        asked = make_limits(limits).model_dump(exclude_none=True)
        update: dict[str, Any] = {"limits": self.limits.model_copy(update=asked)}
        if weights is not None:
            update["weights"] = make_weights(weights)
        return self.model_copy(update={**update, "good_enough": enough})


def load_scenario(path: Scenario | str | os.PathLike | None = None) -> Scenario:
    """Read a scenario, by default `data/limits.toml`. Raises UsageError naming file and field."""
    if isinstance(path, Scenario):
        return path
    path = Path(path or DATA / "limits.toml")
    try:
        return checked(Scenario, read_toml(path), "field")
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}).") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML ({error}).") from None
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def _numbers(
    values: Mapping[str, float | str], kind: str, number: object, names: Iterable[str]
) -> dict[str, float]:
    fields: dict[str, Any] = {name: (number, None) for name in names}
    model = create_model(kind, __config__=ConfigDict(extra="forbid"), **fields)
    return checked(model, values, kind).model_dump(exclude_none=True)
