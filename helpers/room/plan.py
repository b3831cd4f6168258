"""Define what a room measures: models, a shipped prompt set and rounds. Never a path or code."""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from ..common.errors import UsageError
from ..common.files import read_text
from ..common.paths import DATA
from ..common.show import count, one_line
from ..common.validation import explain
from ..models.lineup import ALIAS
from ..models.prompts import ALL, PromptSet, load_prompts
from ..report.contribute import Strict

SHIPPED = DATA / "prompts.json"
Alias = Annotated[str, Field(pattern=rf"^{ALIAS}$", max_length=64)]


class RoomPlan(Strict):
    """Say what every machine of the room measures; ratios are taken to the first model."""

    form: Literal[1] = 1
    models: Annotated[tuple[Alias, ...], Field(min_length=1, max_length=12)]
    prompts: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,60}(:all)?$")]
    rounds: Annotated[int, Field(ge=1, le=50)] = 3

    def prompt_set(self) -> PromptSet:
        """Return the shipped prompts, never a file that happens to have that name."""
        return load_prompts(f"{SHIPPED}:{self.prompts}")

    def __str__(self) -> str:
        prompts = count(len(self.prompt_set()), "prompt")
        return (
            f"{', '.join(self.models)}; {prompts} ({self.prompts}), {count(self.rounds, 'round')}"
        )


def read_plan(path: Path) -> RoomPlan:
    """Read a plan that an instructor wrote as TOML. Raises UsageError naming file and field."""
    try:
        content = tomllib.loads(read_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is not TOML ({one_line(str(error), 100)}).") from None
    return check_plan(content, str(path))


def check_plan(content: object, source: str) -> RoomPlan:
    """Return a plan that was read or received. Raises UsageError naming what is wrong with it."""
    try:
        plan = RoomPlan.model_validate(content)
    except ValidationError as error:
        raise UsageError(f"{source}: {with_advice(explain(error, RoomPlan))}.") from None
    sets = json.loads(SHIPPED.read_text(encoding="utf-8"))
    if plan.prompts.removesuffix(ALL) not in sets:
        raise UsageError(f"{source}: prompts: the shipped sets are {', '.join(sets)}.")
    return plan


def with_advice(reason: str) -> str:
    """Add to what is wrong with received data that a newer kit may know it."""
    newer = " (a newer kit may know it: install the kit that the mirror serves)"
    return reason + newer if "unknown field" in reason or "form:" in reason else reason
