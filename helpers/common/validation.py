"""Say in one sentence what is wrong with data that a person wrote."""

import difflib
from collections.abc import Mapping
from typing import TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from .errors import UsageError
from .show import one_line

MAX_PROBLEMS = 3
Model = TypeVar("Model", bound=BaseModel)


class Strict(BaseModel):
    """Share what holds for data of the kit: it does not change, an unknown field is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def explain(error: ValidationError, model: type[BaseModel] | None = None, prefix: str = "") -> str:
    """Return what pydantic found, one clause a problem: `rounds: must be at least 1, found 0`.

    `model` adds the fields that exist when an unknown one was given; `prefix` stands before places.
    """
    items = error.errors(include_url=False, include_context=False)[:MAX_PROBLEMS]
    return "; ".join(_clause(item, model, prefix) for item in items)


def checked(model: type[Model], values: Mapping[str, object], kind: str) -> Model:
    """Return a model of the values that are not None. Raises UsageError naming what is wrong."""
    try:
        return model.model_validate({k: value for k, value in values.items() if value is not None})
    except ValidationError as error:
        raise UsageError(f"{kind} {explain(error, model)}.") from None


def _clause(item: ErrorDetails, model: type[BaseModel] | None, prefix: str) -> str:
    parts = [str(part) for part in item["loc"] if part != "[key]"]
    place = one_line(".".join([prefix, *parts] if prefix else parts), 200)
    if item["type"] == "extra_forbidden" and model is not None:
        fields = list(_owner(model, parts).model_fields)
        near = difflib.get_close_matches(parts[-1].replace("-", "_"), fields, n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        clause = f"unknown field{hint}, expected one of {', '.join(fields)}"
    else:
        message = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        clause = f"{message[0].lower()}{message[1:]}"
        if item["type"] not in ("missing", "value_error", "json_invalid"):
            clause += f", found {one_line(repr(item['input']), 60)}"
    return f"{place}: {clause}" if place else clause


def _owner(model: type[BaseModel], parts: list[str]) -> type[BaseModel]:
    """Return the model inside `model` that the last of these parts would be a field of."""
    for part in parts[:-1]:
        field = model.model_fields.get(part)
        nested = list(get_args(field.annotation)) if field else []
        while nested:
            inner = nested.pop()
            nested += get_args(inner)
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                model = inner
    return model
