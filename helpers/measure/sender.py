"""Send requests and record each as it ends. A model that keeps failing is given up."""

import contextlib
import sys
import time
from collections import Counter
from dataclasses import replace
from inspect import signature
from itertools import chain

from ..common.errors import KitError
from ..common.files import now
from ..common.machine import Energy
from ..common.progress import Progress
from ..servers.server import ModelInfo, Server
from ..timing import send as sending
from ..timing import stream
from ..timing.metrics import measure
from ..timing.refusals import in_words
from ..timing.send import LEAD_S, Answer, send_block
from ..timing.transport import Exchange
from .plan import Plan
from .recorder import Recorder
from .rows import Row
from .schedule import Batch, Job

FAILURES_IN_A_ROW = 3
# What a row has from the timeline of its answer, by the same name.
OF_TIMELINE = Row.__dataclass_fields__.keys() & stream.Timeline.__dataclass_fields__.keys()
REQUEST_SETTINGS = Plan.model_fields.keys() & signature(Server.prepare).parameters.keys()


class Sender:
    """Send blocks of requests to the models of a plan.

    `ready` has the models that the server knows, `given_up` those that failed with the reason.
    `answers` counts the answers of each since this session began, as its energy does. `clock_s` is
    the time spent measuring so far; it stands still between blocks.
    """

    def __init__(self, server: Server, plan: Plan, recorder: Recorder, line: Progress):
        self._server, self._plan, self._recorder, self._line = server, plan, recorder, line
        self._settings = {name: getattr(plan, name) for name in REQUEST_SETTINGS}
        self._failures: Counter[str] = Counter()
        self.ready: dict[str, ModelInfo] = {}
        self.given_up: dict[str, str] = {}
        self.again: dict[tuple[str, str], stream.Timeline] = {}
        self.answers: Counter[str] = Counter()
        self.energy: dict[str, Energy] = {}
        self.clock_s = 0.0

    def send(self, block: Batch) -> Row | None:
        """Send a block, each request when there is room or when it is due; return its last row.

        A request that a server refused for one of its fields is sent again without that field.
        """
        jobs = iter(block.jobs)
        if (first := next(jobs, None)) is None:
            return None
        began, ended_s, row = time.time(), 0.0, None
        limit = first.concurrency if block.due_s is None else sending.MAX_OPEN
        metered = first.phase == "measure" or first.concurrency > 1
        energy = self.energy.get(first.model) if metered else None
        refused: list[Answer[Job]] = []
        answers = send_block(chain([first], jobs), self._prepare, limit=limit, due_s=block.due_s)
        with self._server.timed(), energy or contextlib.nullcontext():
            for answer in answers:
                if self._adapt(answer):
                    refused.append(answer)
                    continue
                row = self._row(answer, began)
                self._take(row)
                self.answers[row.model] += metered and row.status == "ok"
                ended_s = max(ended_s, answer.ended_s)
        self.clock_s += ended_s
        refused.sort(key=lambda answer: answer.scheduled_s or 0.0)
        times = [answer.scheduled_s or 0.0 for answer in refused]
        due_s = None if block.due_s is None else [LEAD_S + time - times[0] for time in times]
        return self.send(Batch([answer.job for answer in refused], due_s)) or row

    def send_one(self, job: Job) -> Row:
        """Send a single request of the warm-up or of a cold start."""
        row = self.send(Batch([job]))
        assert row  # a job that is sent by itself always leaves one
        return row

    def count_tokens(self, alias: str) -> None:
        """Ask each prompt once more, not timed and not streamed: many servers count only then."""
        for prompt in self._plan.prompts.prompts:
            job = Job(alias, prompt, 0, phase="warmup")
            asked = self._settings | {"stream": False}
            answer = self._server.request(self.ready[alias], prompt.text, **asked)
            self._take(self._row(Answer(job, answer, None, None, 0.0), time.time()))
            if answer.token_source != "usage":
                return
            self.again[alias, prompt.id] = answer

    def give_up(self, alias: str, reason: str, status: str = "skipped") -> None:
        """Send nothing more to a model, and record why."""
        record = self._recorder.info.models[alias]
        record.status, record.error = status, self.given_up.setdefault(alias, reason)
        self._recorder.save()

    def restore(self) -> None:
        """Load again what the service held, in case a failure came from its death."""
        held = [a for a in self.ready if self._recorder.info.models[a].status == "ok"]
        for alias, reason in self._server.restore(held).items():
            self.give_up(alias, reason, status="failed")

    def _prepare(self, job: Job) -> Exchange | stream.Timeline | None:
        """Return a job's request; None when its model has been given up."""
        if job.model in self.given_up:
            return None
        try:
            return self._server.prepare(self.ready[job.model], job.prompt.text, **self._settings)
        except KitError as error:  # the runtime had died and did not start again
            return stream.Timeline(error=str(error))

    def _adapt(self, answer: Answer[Job]) -> bool:
        """Record and say once which fields a server refused; return whether it refused one."""
        alias, timeline = answer.job.model, answer.timeline
        if timeline is None or not timeline.refused:
            return False
        model, record = self.ready[alias], self._recorder.info.models[alias]
        self._server.adapt(model, timeline.refused)
        if record.left_out != (left_out := self._server.left_out[model.id]):
            record.left_out = dict(left_out)
            self._recorder.save()
            said = f"{alias}: {in_words(left_out)}, as the server refuses it ({timeline.error})"
            self._line.write(said, file=sys.stderr)
        return True

    def _row(self, answer: Answer, began: float) -> Row:
        """Make the row of an answer; `began` is the wall-clock time at which the block began."""
        job, model = answer.job, self.ready.get(answer.job.model)
        timeline = answer.timeline
        if timeline is None:
            timeline = stream.Timeline(status="skipped", error=self.given_up[job.model])
        again = self.again.get((job.model, job.prompt.id))
        if again and again.text == timeline.text and timeline.token_source == "none":
            names = ("prompt_tokens", "completion_tokens")
            counts = {name: getattr(again, name) for name in names}
            timeline = replace(timeline, **counts, token_source="repeat")
        late_s = 0.0
        if answer.scheduled_s is not None and answer.sent_s is not None:
            late_s = answer.sent_s - answer.scheduled_s
        copied = {name: getattr(timeline, name) for name in OF_TIMELINE}
        copied["chunk_times_s"] = tuple(round(t, 6) for t in timeline.chunk_times_s)
        return Row(
            model=job.model,
            model_id=model.id if model else None,
            prompt_id=job.prompt.id,
            round=job.round,
            phase=job.phase,
            concurrency=job.concurrency,
            started_at=now(began + (answer.sent_s or 0.0)) if answer.timeline else None,
            figures=measure(_from_due(timeline, late_s)),
            scheduled_s=_later(answer.scheduled_s, self.clock_s),
            sent_s=_later(answer.sent_s, self.clock_s),
            ended_s=_later(answer.ended_s, self.clock_s),
            **copied,
        )

    def _take(self, row: Row) -> None:
        """Record a row; give its model up after three failures in a row."""
        self._recorder.add(row)
        if row.phase == "measure":
            self._line.step(row.model)
        else:
            self._line.say(f"{row.model} {row.phase}")
        if row.status == "ok":
            self._failures[row.model] = 0
        elif row.status == "failed":
            self._failures[row.model] += 1
            if self._failures[row.model] >= FAILURES_IN_A_ROW:
                reason = (
                    f"skipped after {FAILURES_IN_A_ROW} failures in a row; the last: {row.error}"
                )
                self.give_up(row.model, reason, status="failed")
            self.restore()


def _from_due(timeline: stream.Timeline, late_s: float) -> stream.Timeline:
    """Count the times of an answer from when its request was due."""
    return replace(
        timeline,
        chunk_times_s=tuple(time + late_s for time in timeline.chunk_times_s),
        first_answer_s=_later(timeline.first_answer_s, late_s),
        latency_s=_later(timeline.latency_s, late_s),
    )


def _later(seconds: float | None, by_s: float) -> float | None:
    return None if seconds is None else seconds + by_s
