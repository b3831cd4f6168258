"""Put the requests of a plan in order: the same plan and seed give the same order.

One at a time, rounds are interleaved, so that drift and heat hit all models alike. Under load one
model follows the other: between two of them, or between rounds, the queue would run empty.
"""

import random
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from ..models.prompts import Prompt
from ..timing.send import LEAD_S, arrivals
from .plan import Plan

Key = tuple[str, str, int, int]


@dataclass(frozen=True)
class Job:
    """One request of the plan."""

    model: str
    prompt: Prompt
    round: int
    concurrency: int = 1
    phase: str = "measure"

    @property
    def key(self) -> Key:
        """Identify a measured request: model, prompt id, round and concurrency."""
        return self.model, self.prompt.id, self.round, self.concurrency


@dataclass(frozen=True)
class Batch:
    """Requests that are sent side by side; `due_s` has the time of each in an open loop."""

    jobs: Iterable[Job]
    due_s: list[float] | None = None


class Schedule:
    """Give the blocks of a plan that are not on record yet; `done` has the keys of those that are.

    What is on record is drawn as well, so that the rest keeps its order.
    """

    def __init__(self, plan: Plan, done: Collection[Key]):
        self._plan, self._done = plan, done
        self._random = random.Random(plan.seed)
        self._rounds = range(1, plan.rounds + 1)

    def blocks(self, models: Sequence[str]) -> Iterator[Batch]:
        """Yield all blocks of some models."""
        if self._plan.rate is not None:
            yield from self._at_rate(self._plan.rate, models)
            return
        levels = self._plan.sweep or (self._plan.concurrency,)
        if levels[0] == 1:
            for number in self._rounds:
                for alias in self._shuffle(models):
                    yield Batch(self._left(self._round(alias, number, 1)))
            levels = levels[1:]
        for level in levels:
            for alias in self._shuffle(models):
                yield Batch(self._without_pause(alias, level))

    def _without_pause(self, alias: str, level: int) -> Iterator[Job]:
        """Yield all rounds in one go, after warm-up requests that fill the level up."""
        before = [Job(alias, self._plan.prompts.prompts[0], 0, level, "warmup")] * level
        for number in self._rounds:
            if left := self._left(self._round(alias, number, level)):
                yield from before + left
                before = []

    def _at_rate(self, rate: float, models: Sequence[str]) -> Iterator[Batch]:
        """Yield the rounds of one model after the other. What is on record leaves no gap."""
        for alias in self._shuffle(models):
            jobs = [job for number in self._rounds for job in self._round(alias, number, 1)]
            due_s = arrivals(rate, len(jobs), f"{self._plan.seed} {alias}")
            due = dict(zip((job.key for job in jobs), due_s, strict=True))
            left = self._left(jobs)
            yield Batch(left, [due[job.key] - due[left[0].key] + LEAD_S for job in left])

    def _shuffle(self, models: Sequence[str]) -> list[str]:
        return self._random.sample(models, len(models))

    def _round(self, alias: str, number: int, concurrency: int) -> list[Job]:
        prompts = self._random.sample(self._plan.prompts.prompts, len(self._plan.prompts))
        return [Job(alias, prompt, number, concurrency) for prompt in prompts]

    def _left(self, jobs: list[Job]) -> list[Job]:
        return [job for job in jobs if job.key not in self._done]
