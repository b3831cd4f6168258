"""Send requests side by side: some at once (closed loop), or each at its time (open loop).

In an open loop a request does not wait for the answers before it, as users do not; so its times
count from when it was due, and a queue shows in the figures wherever it forms.
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat
from typing import Generic, TypeVar

from .stream import Timeline, read
from .transport import Exchange, Streams

MAX_OPEN = 256  # connections of an open loop; waiting for a free one counts in the figures
LEAD_S = 0.25  # how long before its time a request's connection is opened

Job = TypeVar("Job")


@dataclass(frozen=True)
class Answer(Generic[Job]):
    """Hold one job's outcome (None: it was not sent); seconds since its block began."""

    job: Job
    timeline: Timeline | None
    scheduled_s: float | None
    sent_s: float | None
    ended_s: float


def send_block(
    jobs: Iterable[Job],
    prepare: Callable[[Job], Exchange | Timeline | None],
    *,
    limit: int,
    due_s: Sequence[float] | None = None,
) -> Iterator[Answer[Job]]:
    """Send jobs side by side, at most `limit` at once, and yield an Answer as each ends.

    `prepare` makes a job's request when its turn comes. It returns a failed timeline for a job that
    cannot be sent, and None for one that is not to be sent. `due_s` has the time of each job in
    seconds since the start; without it a job is sent as soon as there is room.
    """
    times = repeat(None) if due_s is None else due_s
    waiting = zip(jobs, times, strict=due_s is not None)
    upcoming: tuple[Job, float | None] | None = next(waiting, None)
    under_way: dict[Exchange, tuple[Job, float | None]] = {}
    over: Exchange | None = None
    start = time.perf_counter()

    def until(due: float | None) -> float:
        return 0.0 if due is None else start + due - LEAD_S - time.perf_counter()

    def answer(exchange: Exchange) -> Answer[Job]:
        job, due = under_way.pop(exchange)
        sent_s = None if exchange.written_at is None else exchange.written_at - start
        return Answer(job, read(exchange), due, sent_s, exchange.ended_at - start)

    with Streams() as streams:
        while upcoming or under_way:
            # Start the next request before this answer is read; but never while one runs alone.
            if over is not None and limit == 1:
                yield answer(over)
                over = None
            room = limit - len(under_way) + (over is not None)
            while upcoming and room and until(upcoming[1]) <= 0:
                (job, due), upcoming = upcoming, next(waiting, None)
                request = prepare(job)
                if not isinstance(request, Exchange):
                    yield Answer(job, request, due, None, time.perf_counter() - start)
                    continue
                request.due_at = None if due is None else start + due
                under_way[request] = job, due
                streams.start(request)
                room -= 1
            if over is not None:
                yield answer(over)
                over = None
            if upcoming or under_way:
                over = streams.finished(until(upcoming[1]) if upcoming and room else None)


def arrivals(rate: float, count: int, seed: object) -> list[float]:
    """Return the times in seconds of a Poisson process of `rate` per second, from the first on."""
    dice = random.Random(f"{seed}")
    return list(accumulate((dice.expovariate(rate) for _ in range(count - 1)), initial=0.0))
