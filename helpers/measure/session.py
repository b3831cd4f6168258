"""Measure a plan: get each model ready, send its requests, and keep the record on disk.

Every model answers every prompt, round after round, in an order that is shuffled from a seed. A
model that fails is marked and skipped; the others go on.
"""

import contextlib
import os
import statistics
import time
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from ..common import machine
from ..common.errors import KitError, RuntimeStopped, UnknownModel
from ..common.progress import Progress
from ..servers.model_table import ModelInfo, free_memory_mb
from ..servers.server import NOT_FROM_HERE, Server
from ..timing.intervals import is_settled
from .info import MODEL_FACTS, ModelRecord, RunInfo, Warmup
from .plan import Plan, make_plan
from .record import Run
from .recorder import Recorder
from .schedule import Job, Key, Schedule
from .sender import Sender

if TYPE_CHECKING:
    from ..timing.instrument_error import Calibration

NOT_VERIFIED = "its files were not verified here: its size is what the catalog says"
WARMUP_CAP = 20  # requests
WARMUP_LIMIT_S = 60.0
INTERLEAVED = "interleaved by round"
ONE_BY_ONE = "one model after the other: memory or a level of load does not let them take turns"


def benchmark(
    server: Server,
    models: Sequence[str] | str | None = None,
    prompts=None,
    *,
    output: str | os.PathLike | None = None,
    progress: bool = True,
    calibration: "Calibration | None" = None,
    **settings,
) -> Run:
    """Measure and record; return the run, also when it was interrupted or some models failed.

    Args:
        server: from `connect()`.
        models: aliases; default the course's models that are here.
        prompts: a PromptSet, a list of strings, or the name or file of a set.
        output: folder in which the run's own folder is made; default `results/`.
        progress: show one updating line.
        calibration: from `calibrate()`, so that the report can say which figures are too small.
        settings: fields of `Plan`, or `prompt`. `concurrency` may be a list of levels, `slo` a text
            like "ttft=0.5,latency=5".

    Raises UsageError for a wrong setting; KitError when the results cannot be written.
    """
    plan, origin = make_plan(server, models=models, prompts=prompts, **settings)
    info = RunInfo.model_validate(
        {
            "plan": plan.model_dump(),
            "settings_from": origin,
            "server": {"kind": server.kind, "base_url": server.where},
            "models": {alias: ModelRecord() for alias in plan.models},
            "environment": machine.environment(),
            "calibration": calibration and calibration.to_dict(),
        }
    )
    return execute(server, plan, Recorder(info, output), progress)


def execute(server: Server, plan: Plan, recorder: Recorder, progress: bool) -> Run:
    """Measure what a record lacks of its plan; return the run, also when it was interrupted."""
    status = "interrupted"
    try:
        with Progress(plan.requests * len(plan.models), "requests", progress) as line:
            _Session(server, plan, recorder, line).run()
        status = "finished"
    except KeyboardInterrupt:
        pass
    finally:
        run = recorder.finish(status)
    return run


def describe(model: ModelInfo, record: ModelRecord) -> ModelRecord:
    """Write what the server says of a model into its record."""
    record.model_id, record.alias = model.id, model.alias
    for name in set(MODEL_FACTS) - {"model_id"}:
        setattr(record, name, getattr(model, name))
    return record


class _Session:
    """Execute a plan once, from the first load to the last request."""

    def __init__(self, server: Server, plan: Plan, recorder: Recorder, line: Progress):
        self._server, self._plan, self._recorder, self._line = server, plan, recorder, line
        self._models = recorder.info.models
        self._sender = Sender(server, plan, recorder, line)
        done: set[Key] = set()
        frame = Run(recorder.folder).frame  # empty, unless the run is resumed
        measured: Iterable[Any] = frame[(frame["phase"] == "measure").to_numpy()].itertuples()
        for row in measured:
            done.add((row.model, row.prompt_id, row.round, row.concurrency))
            if row.ended_s == row.ended_s:  # not nan: it was sent
                self._sender.clock_s = max(self._sender.clock_s, row.ended_s)
            line.step(row.model)
        self._schedule = Schedule(plan, done)

    def run(self) -> None:
        """Get the models ready and send all blocks, together where memory holds all models."""
        self._resolve()
        if self._plan.resources:
            self._measure_memory()
        ready = self._sender.ready.values()
        needed_mb = sum(model.memory_mb or 0 for model in ready if not model.loaded)
        together = needed_mb <= free_memory_mb()
        in_turn = together and self._plan.rate is None and self._plan.concurrency == 1
        self._recorder.info.order = INTERLEAVED if in_turn else ONE_BY_ONE
        models = list(self._plan.models)
        for group in [models] if together else [[alias] for alias in models]:
            for alias in group:
                self._cold_start(alias)
            for alias in group:
                self._warm_up(alias)
            self._recorder.save()
            for block in self._schedule.blocks(group):
                self._sender.send(block)
                self._recorder.sync()
            self._note_energy(group)
            if not together:
                with contextlib.suppress(KitError):  # the next load tells when memory stays taken
                    self._server.unload(group[0])

    def _resolve(self) -> None:
        """Ask the server for each model; record what is known, and why the rest is not."""
        for alias in self._plan.models:
            try:
                model = self._server.resolve(alias)
            except UnknownModel as error:
                self._sender.give_up(alias, str(error))
                continue
            self._sender.ready[alias] = model
            record = describe(model, self._models[alias])
            left_out = self._server.left_out.setdefault(model.id, {})
            left_out |= record.left_out  # of a run that is resumed
            record.left_out = dict(left_out)
            reasons = record.not_measured
            if model.files_sha256:
                record.disk_mb = model.size_mb
            else:
                reasons["disk_mb"] = NOT_VERIFIED
            if not self._plan.resources:
                names = ("memory_mb", "gpu_memory_mb", "energy_j_per_request")
                reasons.update(dict.fromkeys(names, "not asked for"))
            elif self._server.pid is None:
                reasons["energy_j_per_request"] = NOT_FROM_HERE
            else:
                self._sender.energy[alias] = machine.Energy(partial(getattr, self._server, "pid"))

    def _measure_memory(self) -> None:
        """Measure each model in a service by itself, while no other is loaded."""
        prompt = max((prompt.text for prompt in self._plan.prompts.prompts), key=len)
        for alias in self._sender.ready:
            with contextlib.suppress(KitError):
                self._server.unload(alias)
        for alias in self._sender.ready:
            record = self._models[alias]
            if record.memory_mb is not None:
                continue
            self._line.say(f"{alias}: memory")
            try:
                peak = self._server.footprint(alias, prompt, self._plan.max_tokens)
                record.memory_mb, record.gpu_memory_mb = peak.above_mb, peak.gpu_mb
            except KitError as error:
                record.not_measured.update(memory_mb=str(error), gpu_memory_mb=str(error))
            if record.gpu_memory_mb is None:
                record.not_measured.setdefault("gpu_memory_mb", "no NVIDIA GPU says so here")

    def _cold_start(self, alias: str) -> None:
        """Unload, load, send a first request: measured apart from everything warm."""
        record = self._models[alias]
        times = self._plan.cold if record.cold_ttft_s is None else 0
        loads: list[float | None] = []
        firsts: list[float | None] = []
        for number in range(1, max(times, 1) + 1):
            loads.append(self._load(alias))
            if alias in self._sender.given_up:
                return
            if loads[-1] is not None and number <= times:
                job = Job(alias, self._plan.prompts.prompts[0], number, phase="cold")
                firsts.append(self._sender.send_one(job).figures.get("ttft_s"))
        if record.load_s is None:
            record.load_s = _median(loads)
        if not times:
            return
        record.cold_ttft_s = _median(firsts)
        if not firsts:
            record.not_measured["cold_ttft_s"] = "the server loads models by itself"
        elif record.cold_ttft_s is None:
            failed = "a first request failed" if self._plan.stream else "not streamed"
            record.not_measured["cold_ttft_s"] = failed

    def _load(self, alias: str) -> float | None:
        """Unload and load, so that the load time is a real one.

        Returns seconds, or None where the server loads by itself or the model is given up.
        """
        if alias in self._sender.given_up:
            return None
        try:
            self._server.unload(alias)
            load_s = self._server.load(alias)
        except KitError as error:
            died = isinstance(error, RuntimeStopped)
            self._sender.give_up(alias, str(error), status="failed" if died else "skipped")
            if died:
                self._sender.restore()
            return None
        self._models[alias].status, self._models[alias].error = "ok", None
        return load_s

    def _warm_up(self, alias: str) -> None:
        """Send requests until the last latencies agree, or as many as the plan says."""
        prompts, auto = self._plan.prompts.prompts, self._plan.warmup == "auto"
        latencies: list[float] = []
        source = "usage"
        began = time.monotonic()
        for number in range(WARMUP_CAP if self._plan.warmup == "auto" else self._plan.warmup):
            if alias in self._sender.given_up:
                return
            late = time.monotonic() - began > WARMUP_LIMIT_S
            if auto and (is_settled(latencies) or (late and number >= 2)):
                break
            prompt = prompts[0 if auto else number % len(prompts)]
            row = self._sender.send_one(Job(alias, prompt, 0, phase="warmup"))
            if latency_s := row.figures.get("latency_s"):
                latencies.append(latency_s)
                source = row.token_source
        self._models[alias].warmup = Warmup(
            requests=len(latencies),
            settled=is_settled(latencies) if auto else None,
            seconds=round(time.monotonic() - began, 3),
        )
        if self._plan.stream and source != "usage":
            self._sender.count_tokens(alias)

    def _note_energy(self, group: Sequence[str]) -> None:
        for alias in group:
            energy, answers = self._sender.energy.get(alias), self._sender.answers[alias]
            if energy and answers:
                record = self._models[alias]
                record.energy_j_per_request = energy.joules / answers
                record.energy_source = energy.source
                if energy.source == "estimate":
                    self._recorder.info.watts_per_core = machine.WATTS_PER_CORE


def _median(values: Sequence[float | None]) -> float | None:
    """Return the median; None when there is no value, or when one is missing."""
    known = [value for value in values if value is not None]
    return statistics.median(known) if known and len(known) == len(values) else None
