"""Describe the error that `calibration` measures; a report, which sends nothing, imports it."""

from dataclasses import asdict, dataclass

from ..common.show import Shown, Table, duration
from ..common.templates import sentences

WITHIN_ERROR = 3  # a median below this many times the error says more about the instrument


@dataclass(frozen=True)
class Calibration(Shown):
    """Hold the client's own error at one concurrency. Times are seconds; None means not known.

    Errors are client minus server. `n` counts the answered requests and `tokens` their tokens.
    `itl_error_s` is the median of the absolute errors, the others are percentiles of the signed
    ones. `ttft_error_p95_s` needs 20 answers. `cpu_s_per_token` is processor time of this whole
    process.
    """

    concurrency: int
    n: int
    tokens: int
    failures: int
    ttft_error_p50_s: float | None
    ttft_error_p95_s: float | None
    itl_error_s: float | None
    latency_error_p50_s: float | None
    cpu_s_per_token: float | None
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Return whether the error is known."""
        return self.ttft_error_p50_s is not None

    def to_dict(self) -> dict:
        """Return all fields, ready for JSON."""
        return asdict(self)

    def table(self) -> Table:
        """Return the client's errors."""
        times = (self.ttft_error_p50_s, self.ttft_error_p95_s, self.itl_error_s)
        shown = [None if time is None else duration(time) for time in times]
        headers = ("TTFT error, p50", "TTFT error, p95", "ITL error, p50")
        return Table(headers, [shown])

    def sentences(self) -> list[str]:
        """Return what was measured and what it means for a benchmark."""
        return sentences("timing/calibration.jinja", of=self, factor=WITHIN_ERROR)
