"""Go on with a run that was interrupted or killed, if what its figures depend on is the same."""

import os

from pydantic import ValidationError

from ..common import machine
from ..common.errors import UnknownModel, UsageError
from ..common.files import now
from ..common.validation import explain
from ..servers.server import Server
from .info import Environment, ModelRecord, Resumption, RunInfo, ServerRecord, what_differs
from .plan import Plan, make_plan
from .record import Run, load_run
from .recorder import Recorder
from .session import describe, execute


def resume(
    server: Server,
    run: str | os.PathLike | None = None,
    *,
    force: bool = False,
    progress: bool = True,
    **asked,
) -> Run:
    """Finish a run that was interrupted or killed: keep what is on record, measure what is missing.

    Args:
        server: from `connect()`.
        run: what `load_run` reads; default the latest.
        force: go on, and record it, although what the figures depend on has changed.
        progress: show one updating line.
        asked: settings that the caller expects the plan to have.

    Raises UsageError when the run is finished or being measured, and when plan, packages, server or
    model files differ from what the run began with.
    """
    before = load_run(run)
    if before.status == "finished":
        raise UsageError(f"{before.folder} is finished: there is nothing to resume.")
    try:
        plan = Plan.model_validate(before.info.plan.model_dump(include=set(Plan.model_fields)))
    except ValidationError as error:
        raise UsageError(
            f"{before.folder / 'run.json'}: {explain(error, prefix='plan')}."
        ) from None
    given = {name: value for name, value in asked.items() if value is not None}
    levels = plan.sweep or plan.concurrency
    wanted, _ = make_plan(server, **{**dict(plan), "concurrency": levels, **given})
    differences = what_differs(dict(plan), dict(wanted))
    changes = [difference.in_words("was", "asked is") for difference in differences]
    changes += _ground_changes(before.info, server)
    if changes and not force:
        raise UsageError(
            f"{before.folder.name} cannot simply be resumed: {'; '.join(changes)}. "
            "Measure anew, or go on with --force (it is recorded)."
        )
    rows_before = int((before.frame["phase"] == "measure").sum())
    before.info.resumed.append(Resumption(at=now(), rows_before=rows_before, changes=changes))
    return execute(server, plan, Recorder(before.info, folder=before.folder), progress)


def _ground_changes(info: RunInfo, server: Server) -> list[str]:
    missing, records = [], {}
    for alias, record in info.models.items():
        if record.model_id is None:
            continue
        try:
            records[alias] = describe(server.resolve(alias), ModelRecord())
        except UnknownModel as error:
            missing.append(str(error))
    today = RunInfo(
        plan=info.plan,
        server=ServerRecord(kind=server.kind),
        models=records,
        environment=Environment(packages=machine.packages()),
    )
    before = info.ground(records)
    after = {name: value for name, value in today.ground(records).items() if name in before}
    changes = [difference.in_words("was", "is") for difference in what_differs(before, after)]
    return [*changes, *missing]
