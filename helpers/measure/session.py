"""A plan, its order, its record on disk.

Every model answers every prompt, round after round, in an order that is shuffled from a seed, so that drift and heat
hit all models alike. A model that fails is marked and skipped; the rest goes on.
"""

import contextlib
import os
import random
import re
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from ..common import machine
from ..common.errors import KitError, UnknownModel, UsageError
from ..common.files import now
from ..common.progress import Progress
from ..models import lineup
from ..servers.foundry import RuntimeStopped
from ..servers.server import MAX_TOKENS, NOT_FROM_HERE, TIMEOUT_S, ModelInfo, Server, free_memory_mb
from ..timing import drift, send, stream
from ..timing.instrument_error import Calibration
from ..timing.metrics import measure
from .record import RESOURCES, Recorder, Row, Run, load_run

FAILURES_IN_A_ROW = 3
WARMUP_CAP = 20  # requests
WARMUP_LIMIT_S = 60.0
MAX_STREAMS, MAX_RATE = 256, 1000.0
VARIABLES = {
    "models": "BENCH_MODELS",
    "rounds": "BENCH_ROUNDS",
    "prompts": "BENCH_PROMPT",
    "stream": "BENCH_STREAM",
}


class Plan(BaseModel):
    """What to measure. The same plan with the same seed sends the same requests in the same order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = Field(min_length=1)
    prompts: lineup.PromptSet
    rounds: Annotated[int, Field(ge=1, le=10_000)] = 3
    warmup: Annotated[int, Field(ge=0, le=100)] | Literal["auto"] = "auto"
    cold: Annotated[int, Field(ge=0, le=20)] = 1
    target: Annotated[float, Field(ge=0.001, le=0.5)] | None = None
    max_rounds: Annotated[int, Field(ge=1, le=10_000)] = 50
    resources: bool = True
    max_tokens: Annotated[int, Field(ge=1)] = MAX_TOKENS
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    seed: int = 0
    stream: bool = True
    concurrency: Annotated[int, Field(ge=1, le=MAX_STREAMS)] = 1
    sweep: tuple[
        Annotated[int, Field(ge=1, le=MAX_STREAMS)], ...
    ] = ()  # all levels, `concurrency` first; empty when there is but one
    rate: Annotated[float, Field(gt=0, le=MAX_RATE)] | None = (
        None  # requests a second, in an open loop
    )
    slo: send.Slo | None = None
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = TIMEOUT_S
    stall_s: Annotated[float, Field(gt=0, le=86_400)] | None = (
        None  # silence within an answer; a quarter of timeout_s
    )

    @field_validator("target", mode="before")
    @classmethod
    def _share(cls, value):
        """Accepts "5%" for 0.05."""
        found = (
            re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*%\s*", value) if isinstance(value, str) else None
        )
        return float(found[1]) / 100 if found else value

    @model_validator(mode="after")
    def _enough_rounds(self):
        if self.target is not None and self.max_rounds < self.rounds:
            raise ValueError(
                f"max_rounds must be at least rounds ({self.rounds}), found {self.max_rounds}"
            )
        return self

    @property
    def requests(self) -> int:
        """Measured requests for each model; with a target, those of the rounds that are made in any case."""
        return self.rounds * len(self.prompts) * max(len(self.sweep), 1)


def make_plan(
    server: Server, *, models=None, prompts=None, prompt=None, **settings
) -> tuple[Plan, dict[str, str]]:
    """A checked plan, and for each setting where it came from: argument, the name of a variable, or default.

    `models` is a list or a string with commas; `prompts` a PromptSet, a list of strings, or what `load_prompts` reads;
    `prompt` a single prompt. None means not given: then `BENCH_MODELS`, `BENCH_PROMPT`, `BENCH_ROUNDS` and
    `BENCH_STREAM` count, then the defaults. Raises UsageError naming the setting and what was expected.
    """
    given = {"models": models, **settings}
    if unknown := sorted(set(given) - set(Plan.model_fields)):
        raise UsageError(
            f"There is no setting {', '.join(unknown)}; there are {', '.join(Plan.model_fields)} and prompt."
        )
    chosen, origin = {}, {}
    for name in Plan.model_fields:
        chosen[name], origin[name] = _chosen(given.get(name), VARIABLES.get(name))
    if prompts is None:
        single, origin["prompts"] = _chosen(prompt, VARIABLES["prompts"])
        prompts = None if single is None else [single]
    elif prompt is not None:
        raise UsageError("Give either a prompt or a prompt set, not both.")
    else:
        origin["prompts"] = "argument"
    chosen["prompts"] = _prompt_set(prompts)
    chosen["models"] = _model_list(chosen["models"], server)
    chosen["concurrency"], chosen["sweep"] = _levels(chosen["concurrency"])
    if isinstance(chosen["slo"], str):
        chosen["slo"] = send.parse_slo(chosen["slo"])
    if isinstance(chosen["stream"], str):
        chosen["stream"] = _truth(chosen["stream"], origin["stream"])
    try:
        return _consistent(
            Plan(**{name: value for name, value in chosen.items() if value is not None})
        ), origin
    except ValidationError as error:
        item = error.errors(include_url=False)[0]
        message = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        if not item["loc"]:
            raise UsageError(f"{message}.") from None
        name = str(item["loc"][0]).replace("sweep", "concurrency")
        where = "" if origin.get(name, "argument") == "argument" else f" (from {origin[name]})"
        raise UsageError(
            f"{name}{where}: {message}, found {item['input']!r}{_allowed(name)}."
        ) from None


def benchmark(
    server: Server,
    models=None,
    prompts=None,
    *,
    output: str | os.PathLike | None = None,
    progress: bool = True,
    calibration: Calibration | None = None,
    **settings,
) -> Run:
    """Measure and record; returns the run, also when it was interrupted or some models failed.

    Args:
        server: from `connect()`.
        models: aliases; default the built-in models.
        prompts: a PromptSet, a list of strings, or the name or file of a set; default the meeting notes.
        output: folder in which the run's own folder is made; default `results/`.
        progress: one updating line.
        calibration: from `calibrate()`; recorded, so that the report can say which figures are too small to trust.
        settings: fields of `Plan` (rounds, target, max_rounds, cold, warmup, resources, max_tokens, temperature, seed, stream, concurrency, rate, slo,
            timeout_s, stall_s), or `prompt`; `concurrency` may be a list of levels, `slo` a text like "ttft=0.5,latency=5", `target` one like "5%".

    Raises UsageError for a wrong setting; KitError when the results cannot be written.
    """
    plan, origin = make_plan(server, models=models, prompts=prompts, **settings)
    recorder = Recorder(
        {
            "plan": plan.model_dump(mode="json"),
            "settings_from": origin,
            "server": {"kind": server.kind, "base_url": server.where},
            "models": {alias: _unresolved(alias) for alias in plan.models},
            "environment": machine.environment(),
            "calibration": calibration and calibration.to_dict(),
        },
        output,
    )
    return _execute(server, plan, recorder, progress)


def _execute(
    server: Server, plan: Plan, recorder: Recorder, progress: bool, measured: Iterable = ()
) -> Run:
    """Run the plan; `measured` has what is on record already, as rows with the names of `Row`."""
    status = "interrupted"
    try:
        with Progress(plan.requests * len(plan.models), "requests", progress) as line:
            _Session(server, plan, recorder, line, measured).run()
        status = "finished"
    except KeyboardInterrupt:
        pass
    finally:
        run = recorder.finish(status)
    return run


def resume(
    server: Server,
    run: str | os.PathLike | None = None,
    *,
    force: bool = False,
    progress: bool = True,
    **asked,
) -> Run:
    """Finish a run that was interrupted or killed: what is on record stays, what is missing is measured.

    Args:
        server: from `connect()`.
        run: what `load_run` reads; default the latest.
        force: go on although something that the figures stand on has changed; the change is recorded.
        progress: one updating line.
        asked: settings that the caller expects the plan to have.

    Raises UsageError when the run is finished or being measured, and when plan, packages, server or model files differ
    from what the run began with.
    """
    found = load_run(run)
    if found.status == "finished":
        raise UsageError(f"{found.folder} is finished: there is nothing to resume.")
    plan = Plan.model_validate(found.info["plan"])
    changes = [*_plan_changes(plan, server, asked), *_ground_changes(found, server)]
    if changes and not force:
        raise UsageError(
            f"{found.folder.name} cannot simply be resumed: {'; '.join(changes)}. Measure anew, or go on with --force (it is recorded)."
        )
    measured = found.frame[(found.frame["phase"] == "measure").to_numpy()]
    note = {"at": now(), "rows_before": len(measured), "changes": changes}
    recorder = Recorder.reopen(found, {"resumed": [*found.info.get("resumed", []), note]})
    return _execute(server, plan, recorder, progress, measured.itertuples())


def _plan_changes(plan: Plan, server: Server, asked: dict) -> list[str]:
    given = {name: value for name, value in asked.items() if value is not None}
    if not given:
        return []
    wanted, _ = make_plan(server, **{"models": plan.models, "prompts": plan.prompts, **given})
    return [
        f"{name} was {getattr(plan, name)!r:.60}, asked is {getattr(wanted, name)!r:.60}"
        for name in [*given, *(["sweep"] if "concurrency" in given else [])]
        if getattr(plan, name) != getattr(wanted, name)
    ]


def _ground_changes(run: Run, server: Server) -> list[str]:
    """What the figures stand on and is no longer as it was: packages, server, model files."""
    before, now_installed = run.info["environment"]["packages"], machine.packages()
    changes = [
        f"{name} was {before[name]}, is {now_installed.get(name)}"
        for name in before
        if before[name] != now_installed.get(name)
    ]
    if run.info["server"]["kind"] != server.kind:
        changes.append(f"the server was {run.info['server']['kind']}, is {server.kind}")
    for alias, about in run.info["models"].items():
        if about["model_id"] is None:
            continue
        try:
            model = server.resolve(alias)
        except UnknownModel as error:
            changes.append(str(error))
            continue
        if model.id != about["model_id"]:
            changes.append(f"{alias} was {about['model_id']}, is {model.id}")
        elif model.files_sha256 != about.get("files_sha256"):
            changes.append(f"the files of {alias} have changed")
    return changes


@dataclass
class _Job:
    """One request of the plan."""

    model: str
    prompt: lineup.Prompt
    round: int
    concurrency: int = 1
    phase: str = "measure"


class _Session:
    """One execution of a plan."""

    def __init__(
        self, server: Server, plan: Plan, recorder: Recorder, line: Progress, measured: Iterable
    ):
        self._server, self._plan, self._recorder, self._line = server, plan, recorder, line
        self._ready: dict[str, ModelInfo] = {}
        self._given_up: dict[str, str] = {}
        self._failures = Counter()
        self._answers = (
            Counter()
        )  # since this session began: the energy is that of this session too
        self._energy: dict[str, machine.Energy] = {}
        self._kept = defaultdict(
            lambda: ([], [])
        )  # (model, metric) to values and their rounds, for the stopping rule
        self._random = random.Random(plan.seed)

        self._done: set[tuple] = (
            set()
        )  # (model, prompt id, round, concurrency) of what is on record already
        self._clock_s = 0.0  # seconds of measuring so far; it stands still between blocks
        for row in measured:
            self._done.add((row.model, row.prompt_id, row.round, row.concurrency))
            self._clock_s = max(
                self._clock_s, row.ended_s if row.ended_s == row.ended_s else 0.0
            )  # nan: never begun
            self._keep(row)
            line.step(row.model)

    def run(self) -> None:
        self._resolve()
        if self._plan.resources:
            self._measure_needs()
        together = self._fit_together()
        self._recorder.info["order"] = (
            "interleaved by round"
            if together
            else "one model after the other: memory does not hold all at once"
        )
        for group in (
            [list(self._plan.models)] if together else [[alias] for alias in self._plan.models]
        ):
            for alias in group:
                self._start(alias)
            for alias in group:
                self._warm_up(alias)
            self._recorder.save()
            if self._plan.rate is None:
                blocks = (
                    (block, None)
                    for block in chain(self._rounds(group), self._further_levels(group))
                )
            else:
                blocks = self._at_rate(group)
            for block, due_s in blocks:
                self._run_jobs(block, due_s)
            self._note_energy(group)
            if not together:
                with contextlib.suppress(
                    KitError
                ):  # memory that cannot be freed is told by the next load
                    self._server.unload(group[0])

    def _about(self, alias: str) -> dict:
        return self._recorder.info["models"][alias]

    def _measure_needs(self) -> None:
        """Memory of each model in a service of its own, while no other is loaded."""
        prompt = max(self._plan.prompts.prompts, key=lambda prompt: len(prompt.text)).text
        for alias in self._ready:
            with contextlib.suppress(KitError):
                self._server.unload(alias)
        for alias in self._ready:
            about = self._about(alias)
            if about["memory_mb"] is not None:
                continue
            self._line.say(f"{alias}: memory")
            try:
                found = self._server.footprint(alias, prompt, self._plan.max_tokens)
                about |= {"memory_mb": found.above_mb, "gpu_memory_mb": found.gpu_mb}
            except KitError as error:
                about["not_measured"] |= {"memory_mb": str(error), "gpu_memory_mb": str(error)}
            if about["gpu_memory_mb"] is None:
                about["not_measured"].setdefault("gpu_memory_mb", "no NVIDIA GPU says so here")

    def _start(self, alias: str) -> None:
        """Unload, load, first request: the cold start, measured on purpose and apart from everything warm."""
        about = self._about(alias)
        times = self._plan.cold if about["cold_ttft_s"] is None else 0
        loads, firsts = [], []
        for number in range(max(times, 1)):
            if alias not in self._given_up:
                loads.append(self._load(alias))
            if alias in self._given_up:
                return
            if loads[-1] is not None and number < times:
                firsts.append(
                    self._one(
                        _Job(alias, self._plan.prompts.prompts[0], number + 1, phase="cold")
                    ).ttft_s
                )
        if about["load_s"] is None and None not in loads:
            about["load_s"] = statistics.median(loads)
        if firsts and None not in firsts:
            about["cold_ttft_s"] = statistics.median(firsts)
        elif times:
            why = (
                "the server loads models by itself"
                if not firsts
                else "a first request failed"
                if self._plan.stream
                else "not streamed"
            )
            about["not_measured"]["cold_ttft_s"] = why

    def _warm_up(self, alias: str) -> None:
        """Requests until the latencies of the last ones agree, or as many as the plan says."""
        prompts, wanted, latencies, began = (
            self._plan.prompts.prompts,
            self._plan.warmup,
            [],
            time.monotonic(),
        )
        adaptive = wanted == "auto"
        for number in range(WARMUP_CAP if adaptive else wanted):
            if alias in self._given_up:
                return
            late = time.monotonic() - began > WARMUP_LIMIT_S
            if adaptive and (drift.is_settled(latencies) or (late and number >= 2)):
                break
            row = self._one(
                _Job(
                    alias,
                    prompts[0] if adaptive else prompts[number % len(prompts)],
                    0,
                    phase="warmup",
                )
            )
            latencies += [row.latency_s] if row.latency_s else []
        settled = drift.is_settled(latencies) if adaptive else None
        self._about(alias)["warmup"] = {
            "requests": len(latencies),
            "settled": settled,
            "seconds": round(time.monotonic() - began, 3),
        }

    def _one(self, job: _Job) -> Row:
        began = time.time()
        with self._server.timed():
            (answer,) = send.Block([job], self._prepare, limit=1)
        row = self._row(answer, began)
        self._clock_s += answer.ended_s
        self._take(row)
        return row

    def _rounds(self, group: Sequence[str]) -> Iterator[list[_Job]]:
        """For each round, each model's prompts as one block; blocks and prompts shuffled."""
        number = 0
        while number < self._plan.rounds or self._wants_more(group, number):
            number += 1
            for alias in self._random.sample(group, len(group)):
                yield self._left(self._round(alias, number, self._plan.concurrency))

    def _round(self, alias: str, number: int, concurrency: int) -> list[_Job]:
        prompts = self._random.sample(self._plan.prompts.prompts, len(self._plan.prompts))
        return [_Job(alias, prompt, number, concurrency) for prompt in prompts]

    def _all_rounds(self, alias: str, concurrency: int) -> list[_Job]:
        """In one block: where requests queue, a block that ends after each round would empty the queue each time."""
        return [
            job
            for number in range(1, self._plan.rounds + 1)
            for job in self._round(alias, number, concurrency)
        ]

    def _further_levels(self, group: Sequence[str]) -> Iterator[list[_Job]]:
        """The levels of a sweep after the first: for each, all rounds of one model after the other."""
        for level in self._plan.sweep[1:]:
            for alias in self._random.sample(group, len(group)):
                yield self._left(self._all_rounds(alias, level))

    def _at_rate(self, group: Sequence[str]) -> Iterator[tuple[list[_Job], list[float]]]:
        """All rounds of one model after the other, each request with its time. What is on record leaves no gap."""
        for alias in self._random.sample(group, len(group)):
            jobs = self._all_rounds(alias, self._plan.concurrency)
            due_s = send.arrivals(self._plan.rate, len(jobs), f"{self._plan.seed} {alias}")
            left = [
                (job, due)
                for job, due in zip(jobs, due_s, strict=True)
                if self._key(job) not in self._done
            ]
            yield [job for job, _ in left], [due - left[0][1] + send.LEAD_S for _, due in left]

    def _left(self, jobs: list[_Job]) -> list[_Job]:
        return [job for job in jobs if self._key(job) not in self._done]

    @staticmethod
    def _key(job: _Job) -> tuple:
        return job.model, job.prompt.id, job.round, job.concurrency

    def _wants_more(self, group: Sequence[str], rounds: int) -> bool:
        """Whether an interval of a median is still wider than the target, and rounds are left; notes how it stands."""
        if self._plan.target is None:
            return False
        metrics = ("ttft_s", "latency_s") if self._plan.stream else ("latency_s",)
        note = self._recorder.info.setdefault(
            "stopping", {"target": self._plan.target, "models": {}}
        )
        going = [alias for alias in group if alias not in self._given_up]
        for alias in going:
            widths = {
                metric: drift.relative_width(*self._kept[alias, metric]) for metric in metrics
            }
            reached = all(
                width is not None and width <= self._plan.target for width in widths.values()
            )
            note["models"][alias] = {"rounds": rounds, "half_widths": widths, "reached": reached}
        more = rounds < self._plan.max_rounds and not all(
            note["models"][alias]["reached"] for alias in going
        )
        if more:
            self._line.more(len(going) * len(self._plan.prompts))
        return more

    def _note_energy(self, group: Sequence[str]) -> None:
        for alias in group:
            energy, answers = self._energy.get(alias), self._answers[alias]
            if energy and answers:
                self._about(alias).update(
                    energy_j_per_request=energy.joules / answers, energy_source=energy.source
                )
                if energy.source == "estimate":
                    self._recorder.info["watts_per_core"] = machine.watts_per_core()

    def _resolve(self) -> None:
        for alias in self._plan.models:
            try:
                model = self._server.resolve(alias)
            except UnknownModel as error:
                self._give_up(alias, str(error))
                continue
            self._ready[alias] = model
            self._recorder.info["models"][alias] |= {
                "model_id": model.id,
                "alias": model.alias,
                "size_mb": model.size_mb,
                "license": model.license,
                "source": model.source,
                "device": model.device,
                "execution_provider": model.execution_provider,
                "files_sha256": model.files_sha256,
            }
            self._note_needs(alias, model)

    def _note_needs(self, alias: str, model: ModelInfo) -> None:
        """What is known before the first request, and why the rest is not."""
        about = self._about(alias)
        about.setdefault("not_measured", {})
        if model.files_sha256:
            about["disk_mb"] = model.size_mb
        else:
            about["not_measured"]["disk_mb"] = (
                "its files were not verified here: its size is what the catalog says"
            )
        if self._server.pid is None:
            about["not_measured"]["energy_j_per_request"] = NOT_FROM_HERE
        elif self._plan.resources:
            self._energy[alias] = machine.Energy(lambda: self._server.pid)
        if not self._plan.resources:
            about["not_measured"] |= dict.fromkeys(
                ("memory_mb", "gpu_memory_mb", "energy_j_per_request"), "not asked for"
            )

    def _fit_together(self) -> bool:
        needed_mb = sum(m.memory_mb or 0 for m in self._ready.values() if not m.loaded)
        return needed_mb <= free_memory_mb()

    def _load(self, alias: str) -> float | None:
        """Unload and load, so that the load time is a real one: seconds, or None where the server loads by itself."""
        try:
            self._server.unload(alias)
            load_s = self._server.load(alias)
        except RuntimeStopped as error:
            self._give_up(alias, str(error), status="failed")
            self._restore()
        except KitError as error:
            self._give_up(alias, str(error))
        else:
            self._about(alias).update(status="ok", error=None)
            return load_s
        return None

    def _restore(self) -> None:
        """After a failure: if the service died, the models that it held are loaded again."""
        held = [
            alias for alias in self._ready if self._recorder.info["models"][alias]["status"] == "ok"
        ]
        for alias, reason in self._server.restore(held).items():
            self._give_up(alias, reason, status="failed")

    def _run_jobs(self, jobs: list[_Job], due_s: Sequence[float] | None = None) -> None:
        """Send jobs of one concurrency, or each when it is due; record each as it ends."""
        if not jobs:
            return
        limit, began, ended_s = (
            jobs[0].concurrency if due_s is None else send.MAX_OPEN,
            time.time(),
            0.0,
        )
        with self._server.timed(), self._energy.get(jobs[0].model) or contextlib.nullcontext():
            for answer in send.Block(jobs, self._prepare, limit=limit, due_s=due_s):
                self._take(self._row(answer, began))
                ended_s = max(ended_s, answer.ended_s)
        self._clock_s += ended_s

    def _prepare(self, job: _Job) -> stream.Request | stream.Timeline | None:
        """A job's request; None when its model has been given up."""
        if job.model in self._given_up:
            return None
        plan = self._plan
        settings = {
            name: getattr(plan, name)
            for name in ("max_tokens", "temperature", "seed", "stream", "timeout_s", "stall_s")
        }
        try:
            return self._server.prepare(self._ready[job.model], job.prompt.text, **settings)
        except KitError as error:  # the runtime had died and did not start again
            return stream.Timeline(error=str(error))

    def _row(self, answer: send.Answer, began: float) -> Row:
        """One row; `began` is the wall-clock time at which the block began. What was due counts from when it was due."""
        job, timeline, model = answer.job, answer.timeline, self._ready.get(answer.job.model)
        facts = {
            "model": job.model,
            "prompt_id": job.prompt.id,
            "round": job.round,
            "phase": job.phase,
            "concurrency": job.concurrency,
        }
        facts["model_id"] = model.id if model else None
        if timeline is None:
            return Row(**facts, status="skipped", error=self._given_up[job.model])
        late_s = (
            0.0
            if answer.scheduled_s is None or answer.sent_s is None
            else answer.sent_s - answer.scheduled_s
        )
        figures = measure(timeline)
        return Row(
            **facts,
            status=timeline.status,
            error=timeline.error,
            started_at=now(began + (answer.sent_s or 0.0)),
            ttft_s=_later(figures["ttft_s"], late_s),
            latency_s=_later(figures["latency_s"], late_s),
            itl_s=figures["itl_s"],
            output_tokens_per_s=figures["output_tokens_per_s"],
            prompt_tokens=timeline.prompt_tokens,
            completion_tokens=timeline.completion_tokens,
            token_source=timeline.token_source,
            finish_reason=timeline.finish_reason,
            chunk_times_s=tuple(round(t, 6) for t in timeline.chunk_times_s),
            text=timeline.text,
            scheduled_s=_later(answer.scheduled_s, self._clock_s),
            sent_s=_later(answer.sent_s, self._clock_s),
            ended_s=_later(answer.ended_s, self._clock_s),
            connect_s=timeline.connect_s,
            ttfo_s=_later(figures["ttfo_s"], late_s),
        )

    def _take(self, row: Row) -> None:
        self._recorder.add(row)
        if row.phase == "measure":
            self._line.step(row.model)
            if row.status == "ok":
                self._answers[row.model] += 1
                self._keep(row)
        else:
            self._line.say(f"{row.model} {row.phase}")
        if row.status == "failed":
            self._failures[row.model] += 1
            if self._failures[row.model] >= FAILURES_IN_A_ROW:
                self._give_up(
                    row.model,
                    f"skipped after {FAILURES_IN_A_ROW} failures in a row; the last: {row.error}",
                    status="failed",
                )
            self._restore()
        elif row.status == "ok":
            self._failures[row.model] = 0

    def _keep(self, row) -> None:
        """What the stopping rule looks at."""
        for metric in (
            ("ttft_s", "latency_s")
            if row.status == "ok" and row.concurrency == self._plan.concurrency
            else ()
        ):
            values, rounds = self._kept[row.model, metric]
            values.append(getattr(row, metric))
            rounds.append(row.round)

    def _give_up(self, alias: str, reason: str, status: str = "skipped") -> None:
        self._given_up.setdefault(alias, reason)
        self._recorder.info["models"][alias] |= {"status": status, "error": self._given_up[alias]}
        self._recorder.save()


def _unresolved(alias: str) -> dict:
    blank = dict.fromkeys(
        (
            "model_id",
            "error",
            "load_s",
            "size_mb",
            "license",
            "source",
            "device",
            "execution_provider",
            "files_sha256",
            *RESOURCES,
        )
    )
    return {**blank, "not_measured": {}, "status": "planned"}


def _chosen(given, variable: str | None):
    """(value, where it came from): the argument, else the variable, else None for the default."""
    if given is not None:
        return given, "argument"
    if variable and os.environ.get(variable):
        return os.environ[variable], variable
    return None, "default"


def _allowed(name: str) -> str:
    """The range of a numeric setting in words."""
    schema = Plan.model_json_schema()["properties"][name]
    schema = schema.get("anyOf", [schema])[0]
    low, above, high = (schema.get(bound) for bound in ("minimum", "exclusiveMinimum", "maximum"))
    if high is None:
        return ""
    return (
        f"; allowed is {f'{low:,g} to' if above is None else f'above {above:,g}, up to'} {high:,g}"
    )


def _consistent(plan: Plan) -> Plan:
    """The plan; raises UsageError when its settings contradict each other."""
    if plan.rate is not None and (plan.concurrency > 1 or plan.sweep):
        raise UsageError(
            "Give either a rate or a concurrency: at a rate, requests are sent when they are due, however many are under way."
        )
    if plan.target is not None and (plan.rate is not None or plan.sweep):
        raise UsageError(
            "target: it adds rounds at one concurrency; leave it out with a rate or several levels."
        )
    if plan.slo and not plan.stream and (plan.slo.ttft_s or plan.slo.itl_s):
        raise UsageError(
            "slo: TTFT and ITL can only be limited when answers are streamed; limit the latency, or leave out --no-stream."
        )
    return plan


def _levels(value) -> tuple:
    """(the first level, all levels when there are several) of a number, a list, or a text with commas."""
    levels = [part.strip() for part in value.split(",")] if isinstance(value, str) else value
    if not isinstance(levels, (list, tuple)):
        return levels, None
    if not levels:
        raise UsageError(
            f"concurrency: expected one or more whole numbers from 1 to {MAX_STREAMS}, found none."
        )
    return levels[0], tuple(levels) if len(levels) > 1 else None


def _later(seconds: float | None, by_s: float) -> float | None:
    return None if seconds is None else seconds + by_s


def _prompt_set(prompts) -> lineup.PromptSet:
    if isinstance(prompts, lineup.PromptSet):
        return prompts
    if isinstance(prompts, (list, tuple)):
        return lineup.prompt_list(prompts)
    return lineup.load_prompts(prompts)


def _model_list(models, server: Server) -> list[str]:
    if isinstance(models, str):
        models = [name.strip() for name in models.split(",") if name.strip()]
    if models is None:
        models = server.default_models()
    if not models:
        raise UsageError(
            "Which models? Name them with --models a,b or BENCH_MODELS; see them with: python -m helpers models"
        )
    return list(dict.fromkeys(models))


def _truth(text: str, origin: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise UsageError(f"stream (from {origin}): expected 1 or 0, found {text!r}.")
