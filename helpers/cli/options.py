"""Describe the options that several commands share, and turn them into arguments of the calls."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

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


def given(options: "DataclassInstance | None") -> dict:
    """Return the fields of an options class that were given; none when no option was."""
    fields = asdict(options) if options else {}
    return {name: value for name, value in fields.items() if value is not None}


@Parameter(name="*")
@dataclass(frozen=True)
class FilterOptions:
    """Which models to list.

    Attributes:
        name: part of the alias, such as a family
        max_mb: largest size
        license: part of the license
        device: cpu, gpu or npu
        task: part of the task, such as chat
        capability: one of its capabilities, such as summarize
        source: its source
        cached: only what is on this machine
        fits: only what fits in the free memory and disk
    """

    name: Annotated[str | None, Parameter(name=["--name", "--family"])] = None
    max_mb: float | None = None
    license: str | None = None
    device: str | None = None
    task: str | None = None
    capability: str | None = None
    source: Literal["built-in", "mirror", "catalog"] | None = None
    cached: bool | None = None
    fits: bool | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class AnswerOptions:
    """Settings of one answer.

    Attributes:
        max_tokens: longest answer (default 150)
        temperature: 0 for the same answer every time (default 0)
        seed: for sampling and for the order of requests
        timeout_s: seconds for one request (default 120)
    """

    max_tokens: Whole | None = None
    temperature: float | None = None
    seed: Whole | None = None
    timeout_s: Annotated[float | None, Parameter(name="--timeout")] = None


@Parameter(name="*")
@dataclass(frozen=True)
class PlanOptions(AnswerOptions):
    """Settings of a benchmark's plan. Most stay text: the plan checks them and names what is wrong.

    Attributes:
        rounds: times that every prompt is sent (BENCH_ROUNDS; default 3)
        target: add rounds until half the interval of each median TTFT and latency is this narrow
        max_rounds: with --target: the most rounds (default 50)
        warmup: unmeasured requests for each model (default auto: until the latency has settled)
        cold: cold starts of each model: unload, load, first request (default 1)
        resources: measure memory and energy, each model's memory in a separate service (default on)
        stream: stream the answers and time the first token (BENCH_STREAM; default on)
        concurrency: requests in flight at once (default 1); N,M,... makes a sweep
        rate: instead: send so many requests a second at random times (open loop)
        slo: count the requests that meet limits in seconds: ttft=0.5,itl=0.05,latency=5
        stall_s: longest silence within an answer, seconds (default: a quarter of --timeout)
    """

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


@Parameter(name="*")
@dataclass(frozen=True)
class LimitOptions:
    """Limits that a model must meet.

    Attributes:
        max_p95_s: limit: 95 in 100 answers within so many seconds
        max_memory_mb: limit: memory
        max_disk_mb: limit: disk
        min_quality: limit: quality from 0 to 1
    """

    max_p95_s: Annotated[str | None, Parameter(name="--max-p95")] = None
    max_memory_mb: str | None = None
    max_disk_mb: str | None = None
    min_quality: str | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class PriceOptions:
    """Prices for the cost of 1,000 requests.

    Attributes:
        per_kwh: price of electricity
        currency: of all prices (default EUR)
        hardware: price of the machine, to be spread over its requests
        years: years that it is used (default 3)
        use: share of that time in which it answers (default 0.25)
        cloud_input: a cloud's price for a million prompt tokens
        cloud_output: a cloud's price for a million generated tokens
    """

    per_kwh: Annotated[str | None, Parameter(name="--price-per-kwh")] = None
    currency: str | None = None
    hardware: Annotated[str | None, Parameter(name="--hardware-price")] = None
    years: Annotated[str | None, Parameter(name="--hardware-years")] = None
    use: Annotated[str | None, Parameter(name="--hardware-use")] = None
    cloud_input: str | None = None
    cloud_output: str | None = None


@Parameter(name="*")
@dataclass(frozen=True)
class ChoiceOptions(LimitOptions):
    """What decides: limits, weights, what is good enough, and where quality comes from.

    Attributes:
        licenses: licenses that are allowed, such as MIT,apache-2.0
        weights: NAME=N,...: how much counts (default: quality=40,latency=20, others 10)
        good_enough: NAME=N,... beyond which better does not count, or none
            (default: latency=1,throughput=20)
        quality_from: facets, people or judge (default facets)
    """

    licenses: str | None = None
    weights: str | None = None
    good_enough: Annotated[str | None, Parameter(name=["--good-enough", "--enough"])] = None
    quality_from: str | None = None


def choices(chosen: ChoiceOptions | None, prices: PriceOptions | None) -> dict:
    """Return prices, limits, weights and the source of quality as `write_report` takes them."""
    from ..decision.cost import make_prices

    limits = given(chosen)
    weights, enough = limits.pop("weights", None), limits.pop("good_enough", None)
    quality = limits.pop("quality_from", "facets")
    if "licenses" in limits:
        names = [name.strip() for name in limits["licenses"].split(",")]
        limits["licenses"] = tuple(filter(None, names)) or None
    return {
        "prices": make_prices(**given(prices)),
        "limits": limits,
        "weights": pairs(weights, "--weights"),
        "good_enough": {} if enough == "none" else pairs(enough, "--good-enough"),
        "quality": quality,
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
