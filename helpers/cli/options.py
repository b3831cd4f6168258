"""Describe the options that several commands share, and turn them into arguments of the calls."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform

from cyclopts import Parameter, Token

from ..common.errors import UsageError
from ..common.files import read_toml

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
HELP = read_toml(Path(__file__).with_name("help.toml"))
Options = TypeVar("Options")
Source = Literal["built-in", "gguf", "mirror", "package-index", "catalog"]
TYPES: dict[str, Any] = {
    "text": str,
    "whole": Whole,
    "number": float,
    "flag": bool,
    "source": Source,
}
NAMES = {"name", "negative"}


@dataclass_transform(frozen_default=True)
def described(options: type[Options]) -> type[Options]:
    """Make options of a class: its fields, and what help.toml has of it with more than a text.

    `type` is that of a value (default: str), `name` and `negative` are as cyclopts takes them.
    """
    fields = dict(options.__annotations__)
    for name, about in HELP[options.__name__].items():
        if name not in fields:
            more = {} if isinstance(about, str) else about
            kind, names = TYPES[more.get("type", "text")], {k: more[k] for k in NAMES & more.keys()}
            fields[name] = Annotated[kind | None, Parameter(**names)]
            setattr(options, name, None)
    options.__annotations__ = fields
    describe(options, "Attributes")
    return Parameter(name="*")(dataclass(frozen=True)(options))


def describe(item: Callable, heading: str = "Args", within: str = "") -> None:
    """Add to a command or a class what help.toml says of its options."""
    texts = HELP.get(within + item.__name__, {})
    lines = [f"    {n}: {t if isinstance(t, str) else t['help']}" for n, t in texts.items()]
    if lines:
        item.__doc__ = "\n".join([item.__doc__ or "", "", f"{heading}:", *lines])


def given(options: Any) -> dict:
    """Return the fields of an options class that were given; none when no option was."""
    fields = asdict(options) if options else {}
    return {name: value for name, value in fields.items() if value is not None}


@described
class FilterOptions:
    """Which models to list."""


@described
class AnswerOptions:
    """Settings of one answer."""


@described
class PlanOptions(AnswerOptions):
    """Settings of a benchmark plan. Most stay text: the plan checks them and names mistakes."""


@described
class LimitOptions:
    """Limits that a model must meet."""


@described
class PriceOptions:
    """Prices for the cost of 1,000 requests."""


@described
class ChoiceOptions(LimitOptions):
    """What decides: limits, weights, what is good enough, and where quality comes from."""


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
