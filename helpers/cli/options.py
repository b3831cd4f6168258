"""Describe the options that several commands share, and turn them into arguments of the calls."""

import tomllib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar, dataclass_transform

from cyclopts import Parameter, Token

from ..common.errors import UsageError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Endpoint = Annotated[
    str | None,
    Parameter(help="an OpenAI-compatible server (FOUNDRY_LOCAL_ENDPOINT; default: built-in)"),
]
Mirror = Annotated[
    str | None,
    Parameter(help="classroom mirror (WORKSHOP_MIRROR), such as http://192.168.1.20:8321"),
]
RunFolder = Annotated[str | None, Parameter(help="folder of the run (default: the latest)")]


def _whole(_type: object, tokens: Sequence[Token]) -> int:
    """Refuse 1.5 where an integer is expected; cyclopts alone would round it."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"expected a whole number, found '{tokens[0].value:.60}'") from None


Whole = Annotated[int, Parameter(converter=_whole)]
HELP = tomllib.loads(Path(__file__).with_name("help.toml").read_text(encoding="utf-8"))
Options = TypeVar("Options")


@dataclass_transform(frozen_default=True)
def described(options: type[Options]) -> type[Options]:
    """Make each field of a class an option, with its description from help.toml."""
    describe(options, "Attributes")
    return Parameter(name="*")(dataclass(frozen=True)(options))


def describe(item: Callable, heading: str = "Args", within: str = "") -> None:
    """Add to a command or a class what help.toml says of its options."""
    lines = [f"    {name}: {text}" for name, text in HELP.get(within + item.__name__, {}).items()]
    if lines:
        item.__doc__ = "\n".join([item.__doc__ or "", "", f"{heading}:", *lines])


def given(options: "DataclassInstance | None") -> dict:
    """Return the fields of an options class that were given; none when no option was."""
    fields = asdict(options) if options else {}
    return {name: value for name, value in fields.items() if value is not None}


@described
class FilterOptions:
    """Which models to list."""

    name: Annotated[str | None, Parameter(name=["--name", "--family"])] = None
    max_mb: float | None = None
    license: str | None = None
    device: str | None = None
    task: str | None = None
    capability: str | None = None
    source: Literal["built-in", "gguf", "mirror", "package-index", "catalog"] | None = None
    cached: bool | None = None
    fits: bool | None = None


@described
class AnswerOptions:
    """Settings of one answer."""

    max_tokens: Whole | None = None
    temperature: float | None = None
    seed: Whole | None = None
    timeout_s: Annotated[float | None, Parameter(name="--timeout")] = None
    leave_out: str | None = None


@described
class PlanOptions(AnswerOptions):
    """Settings of a benchmark plan. Most stay text: the plan checks them and names mistakes."""

    rounds: str | None = None
    target: str | None = None
    max_rounds: str | None = None
    warmup: str | None = None
    cold: str | None = None
    resources: Annotated[bool | None, Parameter(negative="--no-resources")] = None
    stream: Annotated[bool | None, Parameter(negative="--no-stream")] = None
    concurrency: str | None = None
    rate: str | None = None
    slo: str | None = None
    stall_s: Annotated[str | None, Parameter(name="--stall")] = None


@described
class LimitOptions:
    """Limits that a model must meet."""

    max_p95_s: Annotated[str | None, Parameter(name="--max-p95")] = None
    max_memory_mb: str | None = None
    max_disk_mb: str | None = None
    min_quality: str | None = None


@described
class PriceOptions:
    """Prices for the cost of 1,000 requests."""

    per_kwh: Annotated[str | None, Parameter(name="--price-per-kwh")] = None
    currency: str | None = None
    hardware: Annotated[str | None, Parameter(name="--hardware-price")] = None
    years: Annotated[str | None, Parameter(name="--hardware-years")] = None
    use: Annotated[str | None, Parameter(name="--hardware-use")] = None
    cloud_input: str | None = None
    cloud_output: str | None = None


@described
class ChoiceOptions(LimitOptions):
    """What decides: limits, weights, what is good enough, and where quality comes from."""

    limits: str | None = None
    licenses: str | None = None
    weights: str | None = None
    good_enough: Annotated[str | None, Parameter(name=["--good-enough", "--enough"])] = None
    quality_from: str | None = None


def choices(chosen: ChoiceOptions | None, prices: PriceOptions | None) -> dict:
    """Return prices, limits, weights and the source of quality as `write_report` takes them."""
    from ..decision.cost import make_prices

    limits = given(chosen)
    weights, enough = limits.pop("weights", None), limits.pop("good_enough", None)
    quality, scenario = limits.pop("quality_from", "facets"), limits.pop("limits", None)
    if "licenses" in limits:
        names = [name.strip() for name in limits["licenses"].split(",")]
        limits["licenses"] = tuple(filter(None, names)) or None
    return {
        "prices": make_prices(**given(prices)),
        "limits": limits,
        "weights": pairs(weights, "--weights"),
        "good_enough": {} if enough == "none" else pairs(enough, "--good-enough"),
        "quality": quality,
        "scenario": scenario,
    }


def pairs(text: str | None, name: str) -> dict[str, str] | None:
    """Return `a=1,b=2` as a dict of texts. Raises UsageError for anything else."""
    if text is None:
        return None
    parts = [part.partition("=") for part in text.split(",")]
    if not all(equals and value.strip() for _, equals, value in parts):
        raise UsageError(
            f"{name} '{text:.60}': expected NAME=NUMBER, several with commas between, "
            "for instance quality=60,latency=40."
        )
    return {key.strip(): value.strip() for key, _, value in parts}
