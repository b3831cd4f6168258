"""Merge runs of one plan against several servers into one record: local beside cloud.

A merged run is a folder like any other, so table, charts, decision and report read it as they read
one run. A model is called "alias @ server" in it. Only prompts count that every run has, with the
same id and the same text.
"""

import os
import urllib.parse
from collections.abc import Sequence

from ..common.errors import UsageError
from ..common.templates import sentences
from .info import PlanRecord, RunInfo, ServerRecord
from .record import Run
from .recorder import Recorder

PLAN_DIFFERENCES = ("rounds", "max_tokens", "temperature", "stream", "concurrency")


def merge_runs(runs: Sequence[Run], output: str | os.PathLike | None = None) -> Run:
    """Return one run made from several; the runs themselves stay as they are.

    Raises UsageError for fewer than two runs, the same run twice, and runs that share no prompt.
    """
    if len(runs) < 2:
        raise UsageError("It takes two runs to join.")
    if len({run.folder.resolve() for run in runs}) < len(runs):
        raise UsageError("The same run was given twice; give two different ones.")
    others = [run.prompts for run in runs[1:]]
    shared = {
        prompt
        for prompt, text in runs[0].prompts.items()
        if all(other.get(prompt) == text for other in others)
    }
    if not shared:
        raise UsageError(
            f"{' and '.join(run.folder.name for run in runs)} have no prompt in common "
            "(same id and same text), so they cannot be joined."
        )
    places = dict(zip(runs, _places(runs), strict=True))
    recorder = Recorder(_info(places, shared), output or runs[0].folder.parent)
    for run, place in places.items():
        for row in run.each_row():
            if row["prompt_id"] in shared:
                recorder.add_values(row | {"model": f"{row['model']} @ {place}"})
    finished = all(run.status == "finished" for run in runs)
    return recorder.finish("finished" if finished else "interrupted")


def _info(places: dict[Run, str], shared: set[str]) -> RunInfo:
    runs = list(places)
    first = runs[0].info
    kinds = [f"{run.info.server.kind} ({place})" for run, place in places.items()]
    models = {
        f"{model} @ {place}": record.model_copy(
            update={"from_run": run.folder.name, "server": run.info.server}
        )
        for run, place in places.items()
        for model, record in run.info.models.items()
    }
    machines = [run.info.environment.machine for run in runs]
    notes = sentences(
        "measure/merge_notes.jinja",
        left_out=len({prompt for run in runs for prompt in run.prompts} - shared),
        settings=PLAN_DIFFERENCES,
        plans=[run.info.plan for run in runs],
        other_machine=any(machine != machines[0] for machine in machines),
    )
    return RunInfo(
        plan=_plan(runs, list(models), shared),
        server=ServerRecord(kind=" and ".join(dict.fromkeys(kinds))),
        models=models,
        environment=first.environment,
        calibration=first.calibration,
        order="one run after the other",
        joined_from=[run.folder.name for run in runs],
        joined_notes=notes,
    )


def _places(runs: Sequence[Run]) -> list[str]:
    """Return a short name for each run's server: local, or its host; equal ones are numbered."""
    names = [_place(run.info.server) for run in runs]
    return [
        f"{name} ({names[: i + 1].count(name)})" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]


def _place(server: ServerRecord) -> str:
    host = urllib.parse.urlsplit(server.base_url).netloc
    if server.kind.startswith("Foundry Local"):
        return server.kind.partition(", ")[2] or "local"
    return host if host and server.kind.startswith("OpenAI-compatible") else server.kind


def _plan(runs: Sequence[Run], models: list[str], shared: set[str]) -> PlanRecord:
    plan = runs[0].info.plan
    prompts = [prompt for prompt in plan.prompts.prompts if prompt.id in shared]
    return plan.model_copy(
        update={
            "models": tuple(models),
            "prompts": plan.prompts.model_copy(update={"prompts": prompts}),
            "rounds": min(run.info.plan.rounds for run in runs),
        }
    )
