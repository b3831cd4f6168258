"""Define the figures of one request: the registry that every table, chart and comparison reads.

Names and definitions are those of docs/method.md. A new figure is one entry of `METRICS`.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .stream import Timeline


@dataclass(frozen=True)
class Metric:
    """Define one figure: its name in rows and files, its words, and how a timeline gives it.

    `compared` figures count in the family of simultaneous comparisons.
    """

    name: str
    label: str
    unit: str
    measure: Callable[["Timeline"], float | None]
    more_is_better: bool = False
    compared: bool = False

    @property
    def times(self) -> str:
        """Return the words between a larger value and a smaller one, with room for the factor."""
        return "is {} times as fast as" if self.more_is_better else "takes {} times as long as"


def held_back(times: Sequence[float]) -> bool:
    """Return whether chunks waited for each other on the way to the client.

    So it is when the first packet brought several chunks (the first token is older than it looks),
    or one packet more than half of all. `times` has the arrival of each chunk.
    """
    together = Counter(times)
    return together[times[0]] > 1 or 2 * max(together.values()) > len(times)


def _ttft(timeline: "Timeline") -> float | None:
    return timeline.chunk_times_s[0] if timeline.chunk_times_s else None


def _itl(timeline: "Timeline") -> float | None:
    """Return (last token - first token) / (tokens - 1) where a count and the stream allow it."""
    times, tokens = timeline.chunk_times_s, timeline.completion_tokens
    if not tokens or tokens < 2 or len(times) < 2 or held_back(times):
        return None
    return (times[-1] - times[0]) / (tokens - 1)


def _output_rate(timeline: "Timeline") -> float | None:
    itl_s = _itl(timeline)
    return 1 / itl_s if itl_s else None


def _request_rate(timeline: "Timeline") -> float | None:
    tokens, latency_s = timeline.completion_tokens, timeline.latency_s
    return tokens / latency_s if tokens and latency_s else None


_ALL = (
    Metric("ttft_s", "TTFT", "s", _ttft, compared=True),
    Metric("ttfo_s", "TTFO", "s", lambda timeline: timeline.first_answer_s),
    Metric("latency_s", "Latency", "s", lambda timeline: timeline.latency_s, compared=True),
    Metric("itl_s", "ITL", "s", _itl),
    Metric("output_tokens_per_s", "Output tokens/s", "tokens/s", _output_rate, True, compared=True),
    Metric("request_tokens_per_s", "Request tokens/s", "tokens/s", _request_rate, True),
)
METRICS = {metric.name: metric for metric in _ALL}
COMPARED = [metric.name for metric in _ALL if metric.compared]


def measure(timeline: "Timeline") -> dict[str, float | None]:
    """Return every figure of one request by name; all are None for a request that failed."""
    return {
        name: metric.measure(timeline) if timeline.ok else None for name, metric in METRICS.items()
    }
