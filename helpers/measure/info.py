"""Define run.json: what was planned, where, on what machine, and how it ended.

These are pydantic models, because the plan and the prompts are: one library checks what a person
asks for and what a record says. They are lenient. A field that an older kit did not write has its
default, and one that a newer kit adds is kept, also when the run is resumed.
"""

import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..common.errors import UsageError
from ..common.show import format_cell, one_line
from ..common.validation import explain
from .plan import Settings

SCHEMA = 1
# What a model needs; None where it could not be measured, with the reason in `not_measured`.
RESOURCES = (
    "cold_ttft_s",
    "memory_mb",
    "gpu_memory_mb",
    "disk_mb",
    "energy_j_per_request",
    "energy_source",
)
# What says if the files of a model are the same, and the model itself.
IDENTITY = ("model_id", "files_sha256")
MODEL_FACTS = (*IDENTITY, "size_mb", "device", "execution_provider", "source", "license")


class Recorded(BaseModel):
    """Keep fields that this kit does not know."""

    model_config = ConfigDict(extra="allow")


class PromptRecord(Recorded):
    """One prompt of the plan, as it was then. `score_facets` reads facets and format."""

    id: str
    text: str


class PromptSetRecord(Recorded):
    """The prompts of the plan, as they were then."""

    name: str
    prompts: list[PromptRecord]


class PlanRecord(Settings, Recorded):
    """The plan of a run, as it was then."""

    models: tuple[str, ...] = ()
    prompts: PromptSetRecord


class ServerRecord(Recorded):
    """Where the requests went."""

    kind: str = "unknown"
    base_url: str = ""


class Warmup(Recorded):
    """How the warm-up of one model went; `settled` is None where a fixed number was asked for."""

    requests: int = 0
    settled: bool | None = None
    seconds: float = 0.0


class ModelRecord(Recorded):
    """One model: what it is, how it fared, and what it needs. Sizes are MB of 1,000,000 bytes."""

    model_id: str | None = None
    alias: str | None = None
    status: str = "planned"  # planned, ok, failed, skipped
    error: str | None = None
    load_s: float | None = None
    size_mb: float | None = None
    license: str | None = None
    source: str | None = None
    device: str | None = None
    execution_provider: str | None = None
    files_sha256: str | None = None
    cold_ttft_s: float | None = None
    memory_mb: float | None = None
    gpu_memory_mb: float | None = None
    disk_mb: float | None = None
    energy_j_per_request: float | None = None
    energy_source: str | None = None
    not_measured: dict[str, str] = {}  # the name of a figure to the reason
    warmup: Warmup | None = None
    left_out: dict[str, str] = {}  # fields that the server refused, with their other names or ""
    from_run: str | None = None  # of a merged run: the folder that it came from
    server: ServerRecord | None = None  # of a merged run


class Environment(Recorded):
    """Machine, versions of the packages that can change a figure, and the kit's revision."""

    machine: dict[str, Any] = {}  # see `common.machine.machine`
    packages: dict[str, str | None] = {}
    git_revision: str | None = None


class Resumption(Recorded):
    """One time that the run was resumed: when, after how many measured rows, what had changed."""

    at: str = ""
    rows_before: int = 0
    changes: list[str] = []


class RunInfo(Recorded):
    """Hold everything in run.json. Times of day are ISO 8601 in UTC."""

    form: int = Field(default=SCHEMA, alias="schema")
    status: str = "running"  # running, finished, interrupted
    started_at: Annotated[str, Field(pattern=r"^(\d{4}-\d\d-\d\dT\d\d:\d\d.*)?$")] = ""
    finished_at: str | None = None
    plan: PlanRecord
    settings_from: dict[str, str] = {}
    server: ServerRecord = ServerRecord()
    models: dict[str, ModelRecord]
    environment: Environment = Environment()
    calibration: dict[str, Any] | None = None  # see `timing.instrument_error.Calibration`
    order: str | None = None
    resumed: list[Resumption] = []
    watts_per_core: float | None = None
    joined_from: list[str] = []
    joined_notes: list[str] = []

    def to_dict(self) -> dict[str, Any]:
        """Return the content of run.json."""
        return self.model_dump(mode="json", by_alias=True)

    def ground(self, models: Iterable[str]) -> dict[str, object]:
        """Return what the figures depend on, by name: server, packages, and files of `models`."""
        packages = self.environment.packages.items()
        return {
            "runtime": self.server.kind,
            **{f"package {name}": version for name, version in packages},
            **self._of_models(models, IDENTITY),
        }

    def facts(self, models: Sequence[str]) -> dict[str, object]:
        """Return all that two runs may not share, by name: the ground, machine, plan, models."""
        settings = self.plan.model_dump(mode="json", exclude={"models", "prompts"})
        return {
            "run status": self.status,
            "order": self.order,
            "git revision": self.environment.git_revision,
            **self.environment.machine,
            **{f"plan {name}": value for name, value in settings.items()},
            **self.ground(models),
            **self._of_models(models, (*MODEL_FACTS, "left_out")),
        }

    def _of_models(self, models: Iterable[str], names: Sequence[str]) -> dict[str, object]:
        pairs = itertools.product(models, names)
        return {f"{name} of {model}": getattr(self.models[model], name) for model, name in pairs}


@dataclass(frozen=True)
class Difference:
    """Something that was not the same before and after."""

    what: str
    before: object
    after: object

    def in_words(self, was: str, now: str) -> str:
        """Return the difference in words: `rounds was 2, is 5`."""
        return f"{self.what} {was} {_value(self.before)}, {now} {_value(self.after)}"

    def __str__(self) -> str:
        return f"{self.what}: {_value(self.before)} before, {_value(self.after)} after."


def what_differs(before: Mapping[str, object], after: Mapping[str, object]) -> list[Difference]:
    """Return every fact that is not the same in both, in the order of the facts."""
    return [
        Difference(name, before.get(name), after.get(name))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]


def _value(value: object) -> str:
    # Full digits, not a table's three: a size that differs by one byte is another file.
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return one_line(format_cell(value), 60)


def read_info(folder: Path) -> RunInfo:
    """Read run.json. Raises UsageError when there is none, or one that this kit cannot read."""
    path = folder / "run.json"
    try:
        if not path.is_file():
            raise UsageError(
                f"{folder} holds no run (no run.json); give the folder that a benchmark printed."
            )
        content = json.loads(path.read_text(encoding="utf-8"))
        form = content.get("schema") if isinstance(content, dict) else None
        if form != SCHEMA:
            raise UsageError(
                f"{folder} was recorded in form {one_line(str(form), 40)}, "
                f"this kit reads form {SCHEMA}; measure again."
            )
        info = RunInfo.model_validate(content, extra="allow")
        json.dumps(info.to_dict(), allow_nan=False)  # a resumed run is written again
        return info
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}).") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"{path} is not valid JSON ({error}).") from None
    except (ValueError, RecursionError) as error:
        reason = explain(error) if isinstance(error, ValidationError) else one_line(str(error), 100)
        raise UsageError(f"{path} is damaged ({reason}); measure again.") from None
