"""How requests are sent: so many under way at once (closed loop), or each at its own time (open loop); and what is promised.

A benchmark and a calibration send in the same way. In an open loop nobody waits for an answer before asking, as users do not;
so everything is counted from when a request was due, and a queue shows in the figures wherever it forms.
"""

import math
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import accumulate, repeat

from ..common.errors import UsageError
from .stream import Finished, Request, Streams, Timeline

MAX_OPEN = 256  # connections of an open loop; a request that is due while all are taken waits, and its waiting counts
LEAD_S = 0.25  # how long before its time a request's connection is opened
MAX_S = 86_400


@dataclass(frozen=True)
class Answer:
    """What became of one job. Times are seconds since the start of its block; `timeline` is None for what was not sent."""

    job: object
    timeline: Timeline | None
    scheduled_s: float | None
    sent_s: float | None
    ended_s: float


class Block:
    """Jobs sent side by side, at most `limit` at once; iterating gives an Answer for each as it ends.

    `prepare` makes a job's request when it is its turn; for one that cannot be sent it gives a failed timeline, for one that
    is not to be sent None. `due_s` has the time of each job in seconds since the start; without it a job is sent when the one
    before has left room.
    """

    def __init__(
        self,
        jobs: Iterable,
        prepare: Callable[[object], Request | Timeline | None],
        *,
        limit: int,
        due_s: Sequence[float] | None = None,
    ):
        self._waiting = deque(
            zip(jobs, repeat(None) if due_s is None else due_s, strict=due_s is not None)
        )
        self._prepare, self._limit, self._under_way = prepare, limit, 0
        self._not_sent: deque[Answer] = deque()

    def __iter__(self) -> Iterator[Answer]:
        with Streams() as self._streams:
            self._start = time.perf_counter()
            while self._waiting or self._under_way or self._not_sent:
                self._fill()
                while self._not_sent:
                    yield self._not_sent.popleft()
                found = (
                    self._streams.finished(self._patience())
                    if self._waiting or self._under_way
                    else None
                )
                if found is None:
                    continue
                self._under_way -= 1
                if (
                    self._limit > 1
                ):  # the next one is under way before this one is read; alone, it must not be disturbed by that
                    self._fill()
                yield self._answer(found)

    def _fill(self) -> None:
        """Start what there is room for and what is due soon."""
        while self._waiting and self._under_way < self._limit and self._until_next() <= 0:
            job, due_s = self._waiting.popleft()
            request = self._prepare(job)
            if not isinstance(request, Request):
                self._not_sent.append(Answer(job, request, due_s, None, self._now()))
                continue
            self._streams.start(
                request, key=(job, due_s), due_at=None if due_s is None else self._start + due_s
            )
            self._under_way += 1

    def _patience(self) -> float | None:
        return self._until_next() if self._waiting and self._under_way < self._limit else None

    def _until_next(self) -> float:
        due_s = self._waiting[0][1]
        return 0.0 if due_s is None else due_s - LEAD_S - self._now()

    def _now(self) -> float:
        return time.perf_counter() - self._start

    def _answer(self, found: Finished) -> Answer:
        job, due_s = found.key
        timeline = found.timeline()
        sent_s = None if timeline.written_at is None else timeline.written_at - self._start
        return Answer(job, timeline, due_s, sent_s, timeline.ended_at - self._start)


def arrivals(rate: float, count: int, seed: object) -> list[float]:
    """When each of `count` requests is due, in seconds from the first: a Poisson process of `rate` a second (exponential gaps)."""
    dice = random.Random(f"{seed}")
    return list(accumulate((dice.expovariate(rate) for _ in range(count - 1)), initial=0.0))


@dataclass(frozen=True)
class Slo:
    """What a request must not exceed, in seconds, to count for goodput (a service level objective); None: no limit."""

    ttft_s: float | None = None
    itl_s: float | None = None
    latency_s: float | None = None

    def __post_init__(self):
        values = [value for value in asdict(self).values() if value is not None]
        if not values or not all(
            isinstance(value, (int, float)) and 0 < value <= MAX_S for value in values
        ):
            raise ValueError(_EXPECTED)

    def __str__(self) -> str:
        return ", ".join(
            f"{NAMES[field.name]} {value:g} s"
            for field in fields(self)
            if (value := getattr(self, field.name)) is not None
        )


NAMES = {"ttft_s": "TTFT", "itl_s": "ITL", "latency_s": "latency"}
_EXPECTED = f"expected limits like ttft=0.5,itl=0.05,latency=5, in seconds, each above 0 and up to {MAX_S:,}"


def parse_slo(text: str) -> Slo:
    """`ttft=0.5,itl=0.05,latency=5` as Limits, in seconds. Raises UsageError for anything else."""
    try:
        pairs = [part.split("=") for part in text.split(",")]
        found = {f"{name.strip()}_s": float(value) for name, value in pairs}
        if len(found) < len(pairs) or not all(map(math.isfinite, found.values())):
            raise ValueError
        return Slo(**found)
    except (TypeError, ValueError):
        raise UsageError(f"slo: {_EXPECTED}; found {text!r:.80}.") from None
