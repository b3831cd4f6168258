"""A plan, its order, its record on disk.

Every model answers every prompt, round after round, in an order that is shuffled from a seed, so that drift and heat
hit all models alike. A model that fails is marked and skipped; the rest goes on.
"""

import contextlib
import os
import random
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Annotated

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from . import lineup, resources, timing
from .calibration import Calibration
from .endpoint import MAX_TOKENS, MEMORY_FACTOR, TIMEOUT_S, ModelInfo, Server
from .errors import KitError, UnknownModel, UsageError
from .foundry import RuntimeStopped
from .progress import Progress
from .record import RESOURCES, Recorder, Row, Run, load_run, now

FAILURES_IN_A_ROW = 3
VARIABLES = {"models": "BENCH_MODELS", "rounds": "BENCH_ROUNDS", "prompts": "BENCH_PROMPT", "stream": "BENCH_STREAM"}


class Plan(BaseModel):
    """What to measure. The same plan with the same seed sends the same requests in the same order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    models: tuple[str, ...] = Field(min_length=1)
    prompts: lineup.PromptSet
    rounds: Annotated[int, Field(ge=1, le=10_000)] = 3
    warmup: Annotated[int, Field(ge=0, le=100)] = 2
    max_tokens: Annotated[int, Field(ge=1)] = MAX_TOKENS
    temperature: Annotated[float, Field(ge=0, le=2)] = 0.0
    seed: int = 0
    stream: bool = True
    concurrency: Annotated[int, Field(ge=1, le=256)] = 1
    timeout_s: Annotated[float, Field(gt=0, le=86_400)] = TIMEOUT_S

    @property
    def requests(self) -> int:
        """Requests for each model, warm-up included."""
        return self.warmup + self.rounds * len(self.prompts)


def make_plan(server: Server, *, models=None, prompts=None, prompt=None, **settings) -> tuple[Plan, dict[str, str]]:
    """A checked plan, and for each setting where it came from: argument, the name of a variable, or default.

    `models` is a list or a string with commas; `prompts` a PromptSet, a list of strings, or what `load_prompts` reads;
    `prompt` a single prompt. None means not given: then `BENCH_MODELS`, `BENCH_PROMPT`, `BENCH_ROUNDS` and
    `BENCH_STREAM` count, then the defaults. Raises UsageError naming the setting and what was expected.
    """
    given = {"models": models, **settings}
    if unknown := sorted(set(given) - set(Plan.model_fields)):
        raise UsageError(f"There is no setting {', '.join(unknown)}; there are {', '.join(Plan.model_fields)} and prompt.")
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
    if isinstance(chosen["stream"], str):
        chosen["stream"] = _truth(chosen["stream"], origin["stream"])
    try:
        return Plan(**{name: value for name, value in chosen.items() if value is not None}), origin
    except ValidationError as error:
        item = error.errors(include_url=False)[0]
        name = str(item["loc"][0])
        where = "" if origin.get(name, "argument") == "argument" else f" (from {origin[name]})"
        message = item["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
        raise UsageError(f"{name}{where}: {message}, found {item['input']!r}.") from None


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
        settings: fields of `Plan` (rounds, max_tokens, temperature, seed, stream, concurrency, timeout_s, warmup), or `prompt`.

    Raises UsageError for a wrong setting; KitError when the results cannot be written.
    """
    plan, origin = make_plan(server, models=models, prompts=prompts, **settings)
    recorder = Recorder(
        {
            "plan": plan.model_dump(mode="json"),
            "settings_from": origin,
            "server": {"kind": server.kind, "base_url": server.where},
            "models": {alias: _unresolved(alias) for alias in plan.models},
            "environment": resources.environment(),
            "calibration": calibration and calibration.to_dict(),
        },
        output,
    )
    return _execute(server, plan, recorder, progress)


def _execute(server: Server, plan: Plan, recorder: Recorder, progress: bool, done: Set[tuple] = frozenset()) -> Run:
    status = "interrupted"
    try:
        with Progress(plan.requests * len(plan.models) - len(done), "requests", progress) as line:
            _Session(server, plan, recorder, line, done).run()
        status = "finished"
    except KeyboardInterrupt:
        pass
    finally:
        run = recorder.finish(status)
    return run


def resume(server: Server, run: str | os.PathLike | None = None, *, force: bool = False, progress: bool = True, **asked) -> Run:
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
        raise UsageError(f"{found.folder.name} cannot simply be resumed: {'; '.join(changes)}. Measure anew, or go on with --force (it is recorded).")
    done = {(row["model"], row["prompt_id"], row["round"]) for row in found.measured()}
    note = {"at": now(), "rows_before": len(done), "changes": changes}
    recorder = Recorder.reopen(found, {"resumed": [*found.info.get("resumed", []), note]})
    return _execute(server, plan, recorder, progress, done)


def _plan_changes(plan: Plan, server: Server, asked: dict) -> list[str]:
    given = {name: value for name, value in asked.items() if value is not None}
    if not given:
        return []
    wanted, _ = make_plan(server, **{"models": plan.models, "prompts": plan.prompts, **given})
    return [
        f"{name} was {getattr(plan, name)!r:.60}, asked is {getattr(wanted, name)!r:.60}"
        for name in given
        if getattr(plan, name) != getattr(wanted, name)
    ]


def _ground_changes(run: Run, server: Server) -> list[str]:
    """What the figures stand on and is no longer as it was: packages, server, model files."""
    before, now_installed = run.info["environment"]["packages"], resources.packages()
    changes = [f"{name} was {before[name]}, is {now_installed.get(name)}" for name in before if before[name] != now_installed.get(name)]
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
    phase: str = "measure"


class _Session:
    """One execution of a plan."""

    def __init__(self, server: Server, plan: Plan, recorder: Recorder, line: Progress, done: Set[tuple]):
        self._done = done  # (model, prompt id, round) of what is on record already
        self._server, self._plan, self._recorder, self._line = server, plan, recorder, line
        self._ready: dict[str, ModelInfo] = {}
        self._given_up: dict[str, str] = {}
        self._failures = Counter()
        self._random = random.Random(plan.seed)

    def run(self) -> None:
        self._resolve()
        together = self._fit_together()
        self._recorder.info["order"] = "interleaved by round" if together else "one model after the other: memory does not hold all at once"
        for group in [list(self._plan.models)] if together else [[alias] for alias in self._plan.models]:
            for alias in group:
                self._load(alias)
            self._recorder.save()
            self._run_jobs(self._warm_up(group))
            for block in self._rounds(group):
                self._run_jobs(block)
            if not together:
                with contextlib.suppress(KitError):  # memory that cannot be freed is told by the next load
                    self._server.unload(group[0])

    def _warm_up(self, group: Sequence[str]) -> list[_Job]:
        prompts = self._plan.prompts.prompts
        return [_Job(alias, prompts[i % len(prompts)], 0, "warmup") for alias in group for i in range(self._plan.warmup)]

    def _rounds(self, group: Sequence[str]) -> Iterator[list[_Job]]:
        """For each round, each model's prompts as one block; blocks and prompts shuffled."""
        for number in range(1, self._plan.rounds + 1):
            for alias in self._random.sample(group, len(group)):
                prompts = self._random.sample(self._plan.prompts.prompts, len(self._plan.prompts))
                yield [_Job(alias, prompt, number) for prompt in prompts if (alias, prompt.id, number) not in self._done]

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

    def _fit_together(self) -> bool:
        needed_mb = MEMORY_FACTOR * sum(m.size_mb or 0 for m in self._ready.values() if not m.loaded)
        return needed_mb <= psutil.virtual_memory().available / 2**20

    def _load(self, alias: str) -> None:
        """Unload and load, so that the load time is a real one."""
        if alias in self._given_up:
            return
        try:
            self._server.unload(alias)
            load_s = self._server.load(alias)
        except RuntimeStopped as error:
            self._give_up(alias, str(error), status="failed")
            self._restore()
        except KitError as error:
            self._give_up(alias, str(error))
        else:
            about = self._recorder.info["models"][alias]
            about |= {"load_s": load_s if about["load_s"] is None else about["load_s"], "status": "ok", "error": None}

    def _restore(self) -> None:
        """After a failure: if the service died, the models that it held are loaded again."""
        held = [alias for alias in self._ready if self._recorder.info["models"][alias]["status"] == "ok"]
        for alias, reason in self._server.restore(held).items():
            self._give_up(alias, reason, status="failed")

    def _run_jobs(self, jobs: list[_Job]) -> None:
        if self._plan.concurrency == 1:
            for job in jobs:
                self._take(self._perform(job))
            return
        with ThreadPoolExecutor(self._plan.concurrency) as pool:
            try:
                for future in as_completed([pool.submit(self._perform, job) for job in jobs]):
                    self._take(future.result())
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _perform(self, job: _Job) -> Row:
        facts = {"model": job.model, "prompt_id": job.prompt.id, "round": job.round, "phase": job.phase}
        model = self._ready.get(job.model)
        if job.model in self._given_up:
            return Row(**facts, model_id=model.id if model else None, status="skipped", error=self._given_up[job.model])
        plan, started = self._plan, now()
        timeline = self._server.request(
            model,
            job.prompt.text,
            max_tokens=plan.max_tokens,
            temperature=plan.temperature,
            seed=plan.seed,
            stream=plan.stream,
            timeout_s=plan.timeout_s,
        )
        figures = timing.metrics(timeline)
        return Row(
            **facts,
            model_id=model.id,
            status=timeline.status,
            error=timeline.error,
            started_at=started,
            ttft_s=figures.ttft_s,
            latency_s=figures.latency_s,
            itl_s=figures.itl_s,
            output_tokens_per_s=figures.output_tokens_per_s,
            prompt_tokens=timeline.prompt_tokens,
            completion_tokens=timeline.completion_tokens,
            token_source=timeline.token_source,
            finish_reason=timeline.finish_reason,
            chunk_times_s=tuple(round(t, 6) for t in timeline.chunk_times_s),
            text=timeline.text,
        )

    def _take(self, row: Row) -> None:
        self._recorder.add(row)
        self._line.step(f"{row.model} {row.phase}")
        if row.status == "failed":
            self._failures[row.model] += 1
            if self._failures[row.model] >= FAILURES_IN_A_ROW:
                self._give_up(row.model, f"skipped after {FAILURES_IN_A_ROW} failures in a row; the last: {row.error}", status="failed")
            self._restore()
        elif row.status == "ok":
            self._failures[row.model] = 0

    def _give_up(self, alias: str, reason: str, status: str = "skipped") -> None:
        self._given_up.setdefault(alias, reason)
        self._recorder.info["models"][alias] |= {"status": status, "error": self._given_up[alias]}
        self._recorder.save()


def _unresolved(alias: str) -> dict:
    blank = dict.fromkeys(("model_id", "error", "load_s", "size_mb", "license", "source", "device", "execution_provider", "files_sha256", *RESOURCES))
    return {**blank, "not_measured": {}, "status": "planned"}


def _chosen(given, variable: str | None):
    """(value, where it came from): the argument, else the variable, else None for the default."""
    if given is not None:
        return given, "argument"
    if variable and os.environ.get(variable):
        return os.environ[variable], variable
    return None, "default"


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
        raise UsageError("Which models? Name them with --models a,b or BENCH_MODELS; see them with: python -m helpers models")
    return list(dict.fromkeys(models))


def _truth(text: str, origin: str) -> bool:
    if text.lower() in ("1", "true", "yes", "on"):
        return True
    if text.lower() in ("0", "false", "no", "off"):
        return False
    raise UsageError(f"stream (from {origin}): expected 1 or 0, found {text!r}.")
