"""Define service level objectives: what a request must not exceed to count for goodput."""

from dataclasses import asdict, dataclass

from ..common.errors import UsageError

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
