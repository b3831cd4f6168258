"""Define a plan that one person writes and many machines carry out: names and numbers only.

It holds no address, no path and no code, so that a machine can show it and follow it safely.
"""

import hashlib
import json
import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator

from ..common.errors import UsageError
from ..common.files import ELSEWHERE, read_text
from ..common.machine import installed
from ..common.paths import DATA
from ..common.show import count
from ..common.validation import Strict, explain
from ..models.lineup import Identifier
from ..models.mirror import KIT
from ..models.prompts import ALL, PromptSet, load_prompts

VERSION = installed(KIT) or "0"


class SharedPlan(Strict):
    """Say which models answer which shipped prompts, how often, and at which length."""

    form: Literal[1] = 1
    kit: Annotated[str, Field(pattern=r"^[\w.+-]{0,40}$")] = ""  # that it is written for
    models: Annotated[tuple[Identifier, ...], Field(min_length=1, max_length=20)]
    prompts: Annotated[str, Field(max_length=60)] = "meeting-notes"
    rounds: Annotated[int, Field(ge=1, le=1000)] = 3
    max_tokens: Annotated[int, Field(ge=1, le=4096)] = 150

    @field_validator("prompts")
    @classmethod
    def _is_shipped(cls, name: str) -> str:
        shipped = json.loads((DATA / "prompts.json").read_text(encoding="utf-8"))
        if name.removesuffix(ALL) not in shipped:
            raise ValueError(f"must be a shipped prompt set, one of {', '.join(shipped)}")
        return name

    def __str__(self) -> str:
        """Say what is measured, for the person whose machine it is."""
        prompts = count(len(self.prompt_set()), "prompt")
        rounds = count(self.rounds, "round")
        return f"{', '.join(self.models)}; {prompts} ({self.prompts}), {rounds}"

    def prompt_set(self) -> PromptSet:
        """Return the prompts, whatever files the working folder holds."""
        name, whole = self.prompts.removesuffix(ALL), self.prompts.endswith(ALL)
        return load_prompts(f"{DATA / 'prompts.json'}:{name}{ALL if whole else ''}")

    @property
    def requests(self) -> int:
        """Count the measured requests of one machine."""
        return len(set(self.models)) * self.rounds * len(self.prompt_set())


def read_shared_plan(path: Path) -> SharedPlan:
    """Read a plan in TOML or JSON. Raises UsageError naming the file, the field and the mistake."""
    text = read_text(path, ELSEWHERE)
    try:
        values = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not valid TOML or JSON ({error}).") from None
    return check_shared_plan(values, str(path))


def check_shared_plan(values: object, where: str) -> SharedPlan:
    """Return a checked plan. Raises UsageError; what only a newer kit knows is called that."""
    try:
        return SharedPlan.model_validate(values)
    except ValidationError as error:
        reason = explain(error, SharedPlan)
        kit = str(values.get("kit", "")).partition("+")[0] if isinstance(values, dict) else ""
        said = reason if kit == VERSION else with_advice(reason)
        raise UsageError(f"{where}: {said}.") from None


def with_advice(reason: str) -> str:
    """Add to what is wrong with received data that a newer kit may know it."""
    newer = f" (a newer kit may know it; this is {VERSION})"
    return reason + newer if "unknown field" in reason or "form:" in reason else reason


@cache
def kit_version() -> str:
    """Return the installed version of the kit, and the first digits of a hash of its code."""
    digest, package = hashlib.sha256(), Path(__file__).parents[1]
    for path in sorted(package.rglob("*.py")):
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return f"{VERSION}+{digest.hexdigest()[:8]}"
