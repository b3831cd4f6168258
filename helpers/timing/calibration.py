"""Measure the instrument itself, against a server whose send times are known.

An error is what the client saw minus what the server's own log says, request by request.
"""

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from ..common.errors import KitError, UsageError
from ..common.progress import Progress
from .instrument_error import Calibration
from .intervals import summarize
from .metrics import measure
from .send import send_block
from .stream import Timeline
from .transport import Exchange

PROGRAM = Path(__file__).with_name("reference_server.py")
MAX_CONCURRENCY, MAX_REQUESTS, MAX_TOKENS = 256, 10_000, 10_000
TIMEOUT_S = 30.0
FIGURES = ("ttft_s", "itl_s", "latency_s")


class ReferenceServer:
    """Run the reference server as a process, until the context or this process ends."""

    def __enter__(self) -> "ReferenceServer":
        # -I: only the standard library, and nothing of what the environment would add to it.
        self._process = subprocess.Popen(
            [sys.executable, "-I", str(PROGRAM)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout and self._process.stderr
        port = self._process.stdout.readline().strip()
        if not port:
            lines = self._process.stderr.read().strip().splitlines() or ["it gave no reason"]
            self.__exit__()
            raise KitError(f"The calibration's loopback server did not start: {lines[-1]}.")
        self.url, self.pid = f"http://127.0.0.1:{port}", self._process.pid
        return self

    def __exit__(self, *_) -> None:
        with self._process as process:  # leaving it closes the pipes, and waits
            if process.stdin:
                process.stdin.close()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                process.kill()

    def entries(self) -> list[dict]:
        """Return the log as it came. Raises OSError or ValueError where it cannot be read."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(f"{self.url}/log", timeout=TIMEOUT_S) as answer:
            return json.load(answer)

    def log(self) -> dict[str, dict]:
        """Return the same by the `user` field of the request."""
        return {entry["user"]: entry for entry in self.entries()}


def calibrate(
    concurrency: int | str = 1,
    requests: int | None = None,
    tokens: int = 64,
    *,
    progress: bool = True,
) -> Calibration:
    """Measure the client's own error on this machine, with the requests of a benchmark.

    Args:
        concurrency: requests under way at once.
        requests: how many to measure; default 10 for each stream, at least 20 and at most 640.
        tokens: the length of each answer: the first after 50 ms, then one every 5 ms.
        progress: show one updating line.

    Raises UsageError for a wrong number; KitError when the server does not start.
    """
    concurrency = _whole_number("concurrency", concurrency, 1, MAX_CONCURRENCY)
    requests = min(max(20, 10 * concurrency), 640) if requests is None else requests
    requests = _whole_number("requests", requests, 1, MAX_REQUESTS)
    tokens = _whole_number("tokens", tokens, 2, MAX_TOKENS)
    warmup = [f"warmup {i}" for i in range(2 * concurrency)]
    names = [f"measure {i}" for i in range(requests)]
    answers: dict[str, Timeline] = {}
    with ReferenceServer() as server, Progress(requests, "requests", progress) as line:
        for _ in send_block(warmup, partial(_request, server.url, 2), limit=concurrency):
            pass
        cpu_s = time.process_time()
        prepare = partial(_request, server.url, tokens)
        for answer in send_block(names, prepare, limit=concurrency):
            answers[answer.job] = answer.timeline or Timeline()
            line.step("calibrate")
        cpu_s = time.process_time() - cpu_s
        try:
            log, problem = server.log(), None
        except (OSError, ValueError) as error:
            log, problem = {}, f"the server's log could not be read ({error})"
    return _calibration(concurrency, answers, log, cpu_s, problem)


def _request(url: str, tokens: int, name: str) -> Exchange:
    body = {
        "model": "reference",
        "messages": [{"role": "user", "content": "How late are you?"}],
        "max_tokens": tokens,
        "temperature": 0.0,
        "stream": True,
        "seed": 0,
        "stream_options": {"include_usage": True},
        "user": name,
    }
    return Exchange(f"{url}/v1/chat/completions", body, TIMEOUT_S + tokens / 100)


def _calibration(
    concurrency: int,
    answers: Mapping[str, Timeline],
    log: Mapping[str, dict],
    cpu_s: float,
    problem: str | None,
) -> Calibration:
    whole = {name: timeline for name, timeline in answers.items() if timeline.ok}
    tokens = sum(timeline.completion_tokens or 0 for timeline in whole.values())
    logged = [name for name in whole if name in log]
    if not logged and problem is None:
        problem = f"no request was answered ({next(iter(answers.values())).error})"
    true = np.array([_true_figures(log[name]) for name in logged]).reshape(-1, len(FIGURES))
    figures = [[measure(whole[name])[figure] for figure in FIGURES] for name in logged]
    errors = np.array(figures, dtype=float).reshape(true.shape) - true
    one_round = np.zeros(len(errors))  # only percentiles are wanted, no interval
    ttft, itl, latency = errors.T
    late = summarize(ttft, one_round)
    return Calibration(
        concurrency=concurrency,
        n=len(whole),
        tokens=tokens,
        failures=len(answers) - len(whole),
        ttft_error_p50_s=late.p50,
        ttft_error_p95_s=late.p95,
        itl_error_s=summarize(np.abs(itl), one_round).p50,
        latency_error_p50_s=summarize(latency, one_round).p50,
        cpu_s_per_token=cpu_s / tokens if tokens else None,
        problem=problem,
    )


def _true_figures(entry: Mapping) -> tuple[float, float, float]:
    """Return TTFT, ITL and latency by the server's own clock, from when it had read the request."""
    sent = np.subtract(entry["sent_at"], entry["read_at"])
    return sent[0], np.diff(sent).mean(), sent[-1]


def _whole_number(name: str, value: float | str, low: int, high: int) -> int:
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        number = int(value)
        if not isinstance(value, bool) and number == float(value) and low <= number <= high:
            return number
    raise UsageError(f"{name}: must be a whole number from {low} to {high}, found {value!r}.")
