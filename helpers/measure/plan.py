"""Define a plan: which models, which prompts, how often, and where each setting came from."""

import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..common.errors import UsageError
from ..models import lineup
from ..timing.slo import Slo, parse_slo

if TYPE_CHECKING:
    from ..servers.server import Server

MAX_TOKENS, TIMEOUT_S = 150, 120.0  # those of a server: a record must not import one
MAX_STREAMS, MAX_RATE = 256, 1000.0
VARIABLES = {
    "models": "BENCH_MODELS",
    "rounds": "BENCH_ROUNDS",
    "prompts": "BENCH_PROMPT",
    "stream": "BENCH_STREAM",
}
Streams = Annotated[int, Field(ge=1, le=MAX_STREAMS)]


class Settings(BaseModel):
    """Hold the settings of a plan, without its models and prompts. Times are seconds."""

    model_config = ConfigDict(frozen=True)

    rounds: Annotated[int, Field(ge=1, le=10_000)] = 3
    warmup: Annotated[int, Field(ge=0, le=100)] | Literal["auto"] = "auto"
    cold: Annotated[int, Field(ge=0, le=20)] = 1
    target: Annotated[float, Field(ge=0.001, le=0.5)] | None = None
    max_rounds: Annotated[int, Field(ge=1, le=10_000)] = 50
    resources: bool = True
    max_tokens: Annotated[int, Field(ge=1)] = MAX_TOKENS
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    seed: int = 0
    stream: bool = True
    concurrency: Streams = 1
    sweep: tuple[Streams, ...] = ()  # all levels, `concurrency` first; empty when there is but one
    rate: Annotated[float, Field(gt=0, le=MAX_RATE)] | None = None  # requests a second, open loop
    slo: Slo | None = None
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = TIMEOUT_S
    # The longest silence within an answer; a quarter of timeout_s where it is None.
    stall_s: Annotated[float, Field(gt=0, le=86_400)] | None = None

    @field_validator("target", mode="before")
    @classmethod
    def _percent(cls, value: object) -> object:
        """Accept "5%" for 0.05."""
        match = (
            re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*%\s*", value) if isinstance(value, str) else None
        )
        return float(match[1]) / 100 if match else value


class Plan(Settings):
    """Say what to measure. The same plan and seed send the same requests in the same order."""

    model_config = ConfigDict(extra="forbid")

    models: tuple[str, ...] = Field(min_length=1)
    prompts: lineup.PromptSet

    @model_validator(mode="after")
    def _enough_rounds(self) -> "Plan":
        if self.target is not None and self.max_rounds < self.rounds:
            raise ValueError(
                f"max_rounds must be at least rounds ({self.rounds}), found {self.max_rounds}"
            )
        return self

    @property
    def requests(self) -> int:
        """Count the measured requests for each model; a target may add rounds to them."""
        return self.rounds * len(self.prompts) * max(len(self.sweep), 1)

    def check(self) -> "Plan":
        """Return the plan; raise UsageError when its settings contradict each other."""
        if self.rate is not None and (self.concurrency > 1 or self.sweep):
            raise UsageError(
                "Give either a rate or a concurrency: at a rate, requests are sent when they are "
                "due, however many are under way."
            )
        if self.target is not None and (self.rate is not None or self.sweep):
            raise UsageError(
                "target: it adds rounds at one concurrency; leave it out with a rate or "
                "several levels."
            )
        if self.slo and not self.stream and (self.slo.ttft_s or self.slo.itl_s):
            raise UsageError(
                "slo: TTFT and ITL can only be limited when answers are streamed; limit the "
                "latency, or leave out --no-stream."
            )
        return self


def make_plan(
    server: "Server", *, models=None, prompts=None, prompt: str | None = None, **settings
) -> tuple[Plan, dict[str, str]]:
    """Return a checked plan, and where each setting came from: argument, a variable, or default.

    `models` is a list or a string with commas. `prompts` is a PromptSet, a list of strings, or
    what `load_prompts` reads. `prompt` is a single prompt. Where a setting is None, `BENCH_MODELS`,
    `BENCH_PROMPT`, `BENCH_ROUNDS` and `BENCH_STREAM` count, then the defaults. Raises UsageError
    naming the setting and what was expected.
    """
    given = {"models": models, **settings}
    if unknown := sorted(set(given) - set(Plan.model_fields)):
        raise UsageError(
            f"There is no setting {', '.join(unknown)}; "
            f"there are {', '.join(Plan.model_fields)} and prompt."
        )
    chosen: dict[str, object] = {}
    origin: dict[str, str] = {}
    for name in Plan.model_fields:
        chosen[name], origin[name] = _choose(given.get(name), VARIABLES.get(name))
    if prompts is not None and prompt is not None:
        raise UsageError("Give either a prompt or a prompt set, not both.")
    if prompts is None:
        single, origin["prompts"] = _choose(prompt, VARIABLES["prompts"])
        prompts = None if single is None else [single]
    else:
        origin["prompts"] = "argument"
    chosen["prompts"] = _prompt_set(prompts)
    chosen["models"] = _model_list(chosen["models"], server)
    chosen["concurrency"], chosen["sweep"] = _levels(chosen["concurrency"])
    if isinstance(chosen["slo"], str):
        chosen["slo"] = parse_slo(chosen["slo"])
    if isinstance(chosen["stream"], str):
        chosen["stream"] = _boolean(chosen["stream"], origin["stream"])
    try:
        return Plan.model_validate(
            {name: value for name, value in chosen.items() if value is not None}
        ).check(), origin
    except ValidationError as error:
        raise UsageError(_explain(error, origin)) from None


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


def _choose(given: object, variable: str | None) -> tuple[object, str]:
    """Return a value and its source: the argument, else the variable, else None for the default."""
    if given is not None:
        return given, "argument"
    if variable and os.environ.get(variable):
        return os.environ[variable], variable
    return None, "default"


def _allowed(name: str) -> str:
    """Put the range of a numeric setting into words."""
    schema = Plan.model_json_schema()["properties"][name]
    schema = schema.get("anyOf", [schema])[0]
    low, above, high = (schema.get(bound) for bound in ("minimum", "exclusiveMinimum", "maximum"))
    if high is None:
        return ""
    start = f"{low:,g} to" if above is None else f"above {above:,g}, up to"
    return f"; allowed is {start} {high:,g}"


def _levels(value: object) -> tuple[object, tuple | None]:
    """Return the first level of a number, a list or a text with commas, and all where several."""
    levels = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(levels, (list, tuple)):
        return levels, None
    if not levels:
        raise UsageError(
            f"concurrency: expected one or more whole numbers from 1 to {MAX_STREAMS}, found none."
        )
    return levels[0], tuple(levels) if len(levels) > 1 else None


def _prompt_set(
    prompts: lineup.PromptSet | list[str] | tuple[str, ...] | str | None,
) -> lineup.PromptSet:
    if isinstance(prompts, lineup.PromptSet):
        return prompts
    if isinstance(prompts, (list, tuple)):
        return lineup.prompt_list(prompts)
    return lineup.load_prompts(prompts)


def _model_list(models, server: "Server") -> list[str]:
    if isinstance(models, str):
        models = [name.strip() for name in models.split(",") if name.strip()]
    if models is None:
        models = server.default_models()
    if not models:
        raise UsageError(
            "Which models? Name them with --models a,b or BENCH_MODELS; "
            "see them with: python -m helpers models"
        )
    return list(dict.fromkeys(models))


def _boolean(text: str, origin: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise UsageError(f"stream (from {origin}): expected 1 or 0, found {text!r}.")
