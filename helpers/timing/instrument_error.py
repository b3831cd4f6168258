"""The instrument measures itself: the client of a benchmark against a server on loopback whose send times are known.

The error of a figure is what the client saw minus what the server's own log says, request by request.
"""

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from ..common.errors import KitError, UsageError
from ..common.progress import Progress
from ..common.show import Table
from . import intervals, send, stream
from .metrics import measure

PROGRAM = Path(__file__).with_name("reference_server.py")
MAX_CONCURRENCY, MAX_REQUESTS, MAX_TOKENS = 256, 10_000, 10_000
TIMEOUT_S = 30.0
WITHIN_ERROR = 3  # a median below this many times the error says more about the instrument than about the model


@dataclass(frozen=True)
class Calibration:
    """The client's own error at one concurrency. Times are seconds; errors are client minus server; None: not known.

    `n` counts the answered requests and `tokens` their tokens. `itl_error_s` is the median of the absolute errors, the
    others are percentiles of the signed ones. `ttft_error_p95_s` needs 20 answers. `cpu_s_per_token` is processor time
    of this whole process. The `server_` figures are the server's own, by its log.
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
    server_ttft_p50_s: float | None
    server_itl_p50_s: float | None
    server_latency_p50_s: float | None
    problem: str | None = None

    @property
    def ok(self) -> bool:
        """Whether the error is known."""
        return self.ttft_error_p50_s is not None

    def to_dict(self) -> dict:
        """All fields, ready for JSON."""
        return asdict(self)

    def table(self) -> Table:
        """The server's own figures beside the client's errors, in milliseconds."""
        rows = [
            [
                "TTFT",
                _ms(self.server_ttft_p50_s),
                _ms(self.ttft_error_p50_s),
                _ms(self.ttft_error_p95_s),
            ],
            ["ITL", _ms(self.server_itl_p50_s), _ms(self.itl_error_s), None],
            ["latency", _ms(self.server_latency_p50_s), _ms(self.latency_error_p50_s), None],
        ]
        return Table(
            ("figure", "server p50, ms", "client error p50, ms", "client error p95, ms"),
            rows,
            note=f"{self}",
        )

    def __str__(self) -> str:
        counted = f"{self.n} answers at {_streams(self.concurrency)}, {self.failures} failed."
        if not self.ok:
            return f"{counted} The client's own error is not known: {self.problem}."
        return (
            f"{counted} This client sees a first token {_in_ms(self.ttft_error_p50_s)} later than the server sent it (median), "
            f"and spends {self.cpu_s_per_token * 1e6:.0f} microseconds of processor time on a token: "
            f"a TTFT below {_in_ms(WITHIN_ERROR * abs(self.ttft_error_p50_s))} says little about a model."
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


class TruthServer:
    """The server as a process of its own; use it as a context manager. It ends with this process, however that ends."""

    def __enter__(self) -> "TruthServer":
        # -I: only the standard library, and nothing of what the environment would add to it.
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        port = self._process.stdout.readline().strip()
        if not port:
            said = self._process.stderr.read().strip().splitlines()
            self.__exit__()
            raise KitError(
                f"The loopback server of the calibration did not start: {said[-1] if said else 'it ended without a word'}."
            )
        self.url, self.pid = f"http://127.0.0.1:{port}", self._process.pid
        return self

    def __exit__(self, *_) -> None:
        with self._process as process:  # leaving it closes the pipes, and waits
            with contextlib.suppress(OSError):
                process.stdin.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()

    def entries(self) -> list[dict]:
        """The server's record, in the order in which requests were read. Raises OSError or ValueError when it cannot be had."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"{self.url}/log", timeout=TIMEOUT_S) as answer:
            return json.load(answer)

    def log(self) -> dict[str, dict]:
        """The same by the `user` field of the request."""
        return {entry["user"]: entry for entry in self.entries()}


def calibrate(
    concurrency: int = 1, requests: int | None = None, tokens: int = 64, *, progress: bool = True
) -> Calibration:
    """Measure the client's own error on this machine, with the requests of a benchmark.

    Args:
        concurrency: requests under way at once.
        requests: how many to measure; default 20, or 10 for each stream where that is more, at most 640: 4 to 8 seconds.
        tokens: of each answer. The server sends the first 50 ms after it has read the request, then one every 5 ms.
        progress: one updating line.

    Raises UsageError for a wrong number; KitError when the server does not start.
    """
    concurrency = _whole_number("concurrency", concurrency, 1, MAX_CONCURRENCY)
    requests = _whole_number(
        "requests",
        min(max(20, 10 * concurrency), 640) if requests is None else requests,
        1,
        MAX_REQUESTS,
    )
    tokens = _whole_number("tokens", tokens, 2, MAX_TOKENS)
    names = [f"measure {i}" for i in range(requests)]
    with TruthServer() as server, Progress(requests, "requests", progress) as line:
        for _ in send.Block(
            [f"warmup {i}" for i in range(2 * concurrency)],
            lambda name: _request(server.url, name, 2),
            limit=concurrency,
        ):
            pass
        cpu_s, answers = time.process_time(), {}
        for answer in send.Block(
            names, lambda name: _request(server.url, name, tokens), limit=concurrency
        ):
            answers[answer.job] = answer.timeline
            line.step("calibrate")
        cpu_s = time.process_time() - cpu_s
        try:
            log, problem = server.log(), None
        except (OSError, ValueError) as error:
            log, problem = {}, f"the server's log could not be read ({error})"
    return _calibration(concurrency, answers, log, cpu_s, problem)


def _request(url: str, name: str, tokens: int) -> stream.Request:
    """The request of a benchmark, with a name to find it by in the server's log."""
    body = {
        "model": "truth",
        "messages": [{"role": "user", "content": "How late are you?"}],
        "max_tokens": tokens,
        "temperature": 0.0,
        "stream": True,
        "seed": 0,
        "stream_options": {"include_usage": True},
        "user": name,
    }
    return stream.Request(f"{url}/v1/chat/completions", body, TIMEOUT_S + tokens / 100)


def _calibration(
    concurrency: int,
    answers: Mapping[str, stream.Timeline],
    log: Mapping[str, dict],
    cpu_s: float,
    problem: str | None,
):
    whole = {name: timeline for name, timeline in answers.items() if timeline.ok}
    tokens = sum(timeline.completion_tokens or 0 for timeline in whole.values())
    seen = {name: measure(timeline) for name, timeline in whole.items() if name in log}
    true = {name: _true_figures(log[name]) for name in seen}
    errors = {figure: _errors(seen, true, figure) for figure in ("ttft_s", "itl_s", "latency_s")}
    own = {figure: [figures[figure] for figures in true.values()] for figure in errors}
    if not seen and problem is None:
        problem = f"no request was answered ({next(iter(answers.values())).error})"
    return Calibration(
        concurrency=concurrency,
        n=len(whole),
        tokens=tokens,
        failures=len(answers) - len(whole),
        ttft_error_p50_s=_percentile(errors["ttft_s"], 50),
        ttft_error_p95_s=_percentile(errors["ttft_s"], 95, needs=intervals.P95_NEEDS),
        itl_error_s=_percentile([abs(error) for error in errors["itl_s"]], 50),
        latency_error_p50_s=_percentile(errors["latency_s"], 50),
        cpu_s_per_token=cpu_s / tokens if tokens else None,
        server_ttft_p50_s=_percentile(own["ttft_s"], 50),
        server_itl_p50_s=_percentile(own["itl_s"], 50),
        server_latency_p50_s=_percentile(own["latency_s"], 50),
        problem=problem,
    )


def _true_figures(entry: Mapping) -> dict[str, float]:
    """The figures of one request by the server's own clock, from the moment when it had read the request."""
    sent = entry["sent_at"]
    return {
        "ttft_s": sent[0] - entry["read_at"],
        "latency_s": sent[-1] - entry["read_at"],
        "itl_s": (sent[-1] - sent[0]) / (len(sent) - 1),
    }


def _errors(
    seen: Mapping[str, dict[str, float | None]], true: Mapping[str, dict[str, float]], figure: str
) -> list[float]:
    """Client minus server for each request for which the client gives the figure."""
    return [
        client - true[name][figure]
        for name, figures in seen.items()
        if (client := figures[figure]) is not None
    ]


def _percentile(values: Sequence[float], percent: int, needs: int = 1) -> float | None:
    return float(np.percentile(values, percent)) if len(values) >= needs else None


def _whole_number(name: str, value, low: int, high: int) -> int:
    try:
        number = int(value)
        right = not isinstance(value, bool) and number == float(value) and low <= number <= high
    except (TypeError, ValueError, OverflowError):
        right = False
    if not right:
        raise UsageError(f"{name}: must be a whole number from {low} to {high}, found {value!r}.")
    return number


def limits(recorded: Mapping | None, concurrency: int, summary: Sequence[Mapping]) -> list[str]:
    """What a report says of the instrument: its error, and which medians are too near to it.

    `recorded` is the `calibration` of run.json, `summary` the rows of `Run.summary`.
    """
    known = {field.name: (recorded or {}).get(field.name) for field in fields(Calibration)}
    if not isinstance(known["ttft_error_p50_s"], (int, float)):
        return [
            "The instrument's own error was not measured in this run; the option --calibrate of benchmark measures it."
        ]
    found = Calibration(**known)
    said = f"The instrument's own error at {_streams(found.concurrency)}, against a server that keeps its own log: {_sizes(found)}."
    if found.concurrency != concurrency:
        said += f" The run had {_streams(concurrency)}, so its error may differ."
    return [said, *(flag for row in summary for flag in _flags(found, row))]


def _sizes(found: Calibration) -> str:
    p95 = f", p95 {_in_ms(found.ttft_error_p95_s)}" if found.ttft_error_p95_s is not None else ""
    itl = f"; ITL {_in_ms(found.itl_error_s)}" if found.itl_error_s is not None else ""
    return f"TTFT {_in_ms(found.ttft_error_p50_s)} (median{p95}){itl}"


def _flags(found: Calibration, row: Mapping) -> Iterator[str]:
    rate = row["output_tokens_per_s_p50"]
    for figure, name, median, error in (
        ("TTFT", "median", row["ttft_p50_s"], found.ttft_error_p50_s),
        ("output tokens/s", "median ITL", 1 / rate if rate else None, found.itl_error_s),
    ):
        if median is not None and error is not None and median < WITHIN_ERROR * abs(error):
            yield (
                f"{figure} of {row['model']} is within the instrument's own error: "
                f"the {name} is {_in_ms(median)}, less than {WITHIN_ERROR} times {_in_ms(abs(error))}."
            )


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _in_ms(seconds: float) -> str:
    return f"{seconds * 1000:.2g} ms" if abs(seconds) < 0.1 else f"{seconds * 1000:.0f} ms"


def _streams(count: int) -> str:
    return "1 stream" if count == 1 else f"{count} streams"
