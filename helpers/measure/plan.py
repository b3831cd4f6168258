"""Define a plan: which models, which prompts, how often, and where each setting came from."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..common.errors import UsageError
from ..models.lineup import last_part, model_list
from ..models.prompts import PromptSet, load_prompts, prompt_list

if TYPE_CHECKING:
    from ..servers.server import Server

MAX_STREAMS, MAX_RATE = 256, 1000.0
FEWEST = 4  # requests for each of several streams: with fewer, start and end are most of the run
VARIABLES = {
    "models": "BENCH_MODELS",
    "rounds": "BENCH_ROUNDS",
    "prompts": "BENCH_PROMPT",
    "stream": "BENCH_STREAM",
}
Streams = Annotated[int, Field(ge=1, le=MAX_STREAMS)]
MAX_S = 86_400
NAMES = {"ttft_s": "TTFT", "itl_s": "ITL", "latency_s": "latency"}
_EXPECTED = (
    "expected limits like ttft=0.5,itl=0.05,latency=5, in seconds, "
    f"each above 0 and up to {MAX_S:,}"
)


@dataclass(frozen=True)
class Slo:
    """Hold the limits of a request in seconds; None means no limit."""

    ttft_s: float | None = None
    itl_s: float | None = None
    latency_s: float | None = None

    def __post_init__(self):
        limits = self.limits().values()
        if not limits or not all(0 < value <= MAX_S for value in limits):
            raise ValueError(_EXPECTED)

    def __str__(self) -> str:
        return ", ".join(f"{NAMES[name]} {value:g} s" for name, value in self.limits().items())

    def limits(self) -> dict[str, float]:
        """Return the limits that are set, by the name of their metric."""
        return {name: value for name, value in asdict(self).items() if value is not None}


class Settings(BaseModel):
    """Hold the settings of a plan, without its models and prompts. Times are seconds."""

    model_config = ConfigDict(frozen=True)

    rounds: Annotated[int, Field(ge=1, le=10_000)] = 3
    warmup: Annotated[int, Field(ge=0, le=100)] | Literal["auto"] = "auto"
    cold: Annotated[int, Field(ge=0, le=20)] = 1
    resources: bool = True
    max_tokens: Annotated[int, Field(ge=1)] = 150
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    seed: int = 0
    stream: bool = True
    concurrency: Streams = 1
    sweep: tuple[Streams, ...] = ()  # all levels, `concurrency` first; empty when there is but one
    rate: Annotated[float, Field(gt=0, le=MAX_RATE)] | None = None  # requests a second, open loop
    slo: Slo | None = None
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 120.0


class Plan(Settings):
    """Say what to measure. The same plan and seed send the same requests in the same order."""

    model_config = ConfigDict(extra="forbid")

    models: tuple[str, ...] = Field(min_length=1)
    prompts: PromptSet

    @model_validator(mode="after")
    def _settings_agree(self) -> "Plan":
        if self.rate is not None and (self.concurrency > 1 or self.sweep):
            raise ValueError(
                "Give either a rate or a concurrency: at a rate, requests are sent when they are "
                "due, however many are under way"
            )
        requests, most = self.rounds * len(self.prompts), max(self.sweep or (self.concurrency,))
        if most > 1 and requests < FEWEST * most:
            raise ValueError(
                f"concurrency {most}: it takes {FEWEST * most} requests for each model to keep it, "
                f"and the plan has {requests}; ask for {-(-FEWEST * most // len(self.prompts))} "
                "rounds, or for less"
            )
        if self.slo and not self.stream and (self.slo.ttft_s or self.slo.itl_s):
            raise ValueError(
                "slo: TTFT and ITL can only be limited when answers are streamed; limit the "
                "latency, or leave out --no-stream"
            )
        return self

    @property
    def requests(self) -> int:
        """Count the measured requests for each model."""
        return self.rounds * len(self.prompts) * max(len(self.sweep), 1)


def make_plan(
    server: "Server", *, models=None, prompts=None, prompt: str | None = None, **settings
) -> tuple[Plan, dict[str, str]]:
    """Return a checked plan, and where each setting came from: argument, a variable, or default.

    `models` is a list or a string with commas. `prompts` is a PromptSet, a list of strings, or
    what `load_prompts` reads. `prompt` is a single prompt. Where a setting is None, `BENCH_MODELS`,
    `BENCH_PROMPT`, `BENCH_ROUNDS` and `BENCH_STREAM` count, then the defaults. Raises UsageError
    naming the setting and what was expected.
    """
    if unknown := sorted(set(settings) - set(Plan.model_fields)):
        raise UsageError(
            f"There is no setting {', '.join(unknown)}; "
            f"there are {', '.join(Plan.model_fields)} and prompt."
        )
    if prompts is not None and prompt is not None:
        raise UsageError("Give either a prompt or a prompt set, not both.")
    if prompt is not None:
        prompts = [prompt]
    values = {"models": models, "prompts": prompts, **settings}
    chosen = {name: value for name, value in values.items() if value is not None}
    origin = {name: "argument" if name in chosen else "default" for name in Plan.model_fields}
    for name, variable in VARIABLES.items():
        if name not in chosen and os.environ.get(variable):
            chosen[name], origin[name] = os.environ[variable], variable
    if origin["prompts"] == VARIABLES["prompts"]:
        chosen["prompts"] = [chosen["prompts"]]
    prompts = chosen.get("prompts")
    if isinstance(prompts, (list, tuple)):
        chosen["prompts"] = prompt_list(prompts)
    elif not isinstance(prompts, PromptSet):
        chosen["prompts"] = load_prompts(prompts)
    chosen["models"] = _model_list(chosen.get("models"), server)
    if "concurrency" in chosen:
        levels = _levels(chosen["concurrency"])
        chosen["concurrency"] = levels[0]
        chosen["sweep"] = levels if len(levels) > 1 else ()
    if isinstance(chosen.get("slo"), str):
        chosen["slo"] = parse_slo(chosen["slo"])
    try:
        return Plan.model_validate(chosen), origin
    except ValidationError as error:
        raise UsageError(_explain(error, origin)) from None


def parse_slo(text: str) -> Slo:
    """Return `ttft=0.5,itl=0.05,latency=5` as limits, in seconds; raises UsageError otherwise."""
    try:
        pairs = [part.split("=") for part in text.split(",")]
        limits = {f"{name.strip()}_s": float(value) for name, value in pairs}
        if len(limits) < len(pairs):
            raise ValueError
        return Slo(**limits)
    except (TypeError, ValueError):
        raise UsageError(f"slo: {_EXPECTED}; found {text!r:.80}.") from None


def _explain(error: ValidationError, origin: Mapping[str, str]) -> str:
    """Name the setting, the variable that it came from, what is allowed and what was found."""
    problem = error.errors(include_url=False)[0]
    message = problem["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    if not problem["loc"]:
        return f"{message}."
    name = str(problem["loc"][0]).replace("sweep", "concurrency")
    source = origin.get(name, "argument")
    where = "" if source == "argument" else f" (from {source})"
    return f"{name}{where}: {message}, found {problem['input']!r}{_allowed(name)}."


def _allowed(name: str) -> str:
    """Put the range of a numeric setting into words."""
    schema = Plan.model_json_schema()["properties"][name]
    schema = schema.get("anyOf", [schema])[0]
    low, above, high = (schema.get(bound) for bound in ("minimum", "exclusiveMinimum", "maximum"))
    if high is None:
        return ""
    start = f"{low:,g} to" if above is None else f"above {above:,g}, up to"
    return f"; allowed is {start} {high:,g}"


def _levels(value: object) -> Sequence[object]:
    """Return the levels of a number, of a list, or of a text with commas."""
    levels = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(levels, (list, tuple)):
        return [levels]
    if not levels:
        raise UsageError(
            f"concurrency: expected one or more whole numbers from 1 to {MAX_STREAMS}, found none."
        )
    return levels


def _model_list(models, server: "Server") -> list[str]:
    names = server.default_models() if models is None else model_list(models)
    if not names:
        raise UsageError(
            "Which models? Name them with --models a,b or BENCH_MODELS; "
            "see them with: python -m helpers models"
        )
    # The record shows the last part of a path on a server.
    paths = {name for name in names if last_part(name) != name}
    shown = [server.resolve(name).alias if name in paths else name for name in names]
    return shown if len(set(shown)) == len(names) else names
