"""Commands around runs: measure, report, compare, and run the whole course."""

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from ..common.errors import UsageError
from .options import ChoiceOptions, Endpoint, PlanOptions, PriceOptions, choices, described, given

if TYPE_CHECKING:
    from ..measure.record import Run
    from ..models.lineup import Lineup
    from ..servers.server import Server

# Without a folder after it, it means the latest run.
Resumed = Annotated[tuple[str, ...] | None, Parameter(consume_multiple=(0, 1), negative=())]
INTERRUPTED = 130
HOW_TO_READ = (
    "Latency and TTFT: lower is better; output tokens/s: higher is better. "
    "Read the sample answers before you choose."
)


@described
class BenchmarkOptions:
    """What to measure, where to write, and what else to do with the plan."""

    models: str | None = None
    prompts: str | None = None
    prompt: str | None = None
    output: str | None = None
    calibrate: bool = False
    resume: Resumed = None
    force: bool = False
    variants: bool = False
    against: str | None = None
    against_models: str | None = None
    against_key_env: str = "FOUNDRY_LOCAL_API_KEY"
    custom: str | None = None
    folder: str | None = None
    line_up: str | None = None
    json: bool = False
    quiet: bool = False

    def refuse_contradictions(self) -> None:
        """Raise UsageError for options that exclude each other."""
        if self.resume is None and self.force:
            raise UsageError(
                "--force goes with --resume RUN: it goes on although something changed."
            )
        names = ("output", "calibrate", "against", "custom", "folder")
        kept = [name for name in names if getattr(self, name)]
        if self.resume is not None and kept:
            raise UsageError(
                f"Give either --{kept[0]} or --resume, not both: "
                "a resumed run keeps its folder, its calibration and its server."
            )
        for name in ("against", "custom", "folder"):
            if getattr(self, name) and self.variants:
                raise UsageError(f"Give either --{name} or --variants, not both.")

    def lineup(self) -> "Lineup | None":
        """Return the line-up of a file, or None for the one that ships."""
        from ..models.lineup import load_models

        return load_models(self.line_up) if self.line_up else None

    def others(self) -> "Iterator[tuple[Server, str | None]]":
        """Yield each further server to measure, with its models; None for what it offers."""
        from .. import FoundryFolder, PythonModel, connect
        from ..models.lineup import alias_from

        if self.against:
            key = self.against_key_env
            yield connect(self.against, models=self.lineup(), key_variable=key), self.against_models
        for path, adapter in ((self.custom, PythonModel), (self.folder, FoundryFolder)):
            if path:
                alias = alias_from(Path(path))
                yield adapter(alias).load(path).server, alias


def benchmark(
    *,
    options: BenchmarkOptions | None = None,
    plan: PlanOptions | None = None,
    endpoint: Endpoint = None,
) -> int:
    """Measure models and write a report."""
    from .. import write_report

    options = options or BenchmarkOptions()
    options.refuse_contradictions()
    if options.resume is not None:
        run = latest = _resume(options, given(plan), endpoint)
    else:
        run, latest = _measure(options, given(plan), endpoint)
    report = write_report(run)
    if options.json:
        summary = {"run": str(run.folder), "status": run.status, "models": run.summary}
        print(json.dumps(summary, indent=2))
    else:
        print(run, HOW_TO_READ, sep="\n\n")
    print(f"report: {report}", file=sys.stderr)
    if latest.status == "interrupted":
        print(
            f"interrupted; what was measured is in {latest.folder}; go on with: "
            f"python -m helpers benchmark --resume {latest.folder}",
            file=sys.stderr,
        )
        return INTERRUPTED
    return 0 if any(row["n_ok"] for row in run.summary) else 1


def _resume(options: BenchmarkOptions, settings: dict, endpoint: str | None) -> "Run":
    from .. import connect
    from ..measure.resumption import resume

    with connect(endpoint, models=options.lineup()) as server:
        run = resume(
            server,
            next(iter(options.resume or ()), None),
            force=options.force,
            progress=not options.quiet,
            models=options.models,
            prompts=options.prompts or (options.prompt and [options.prompt]),
            **settings,
        )
    print(f"resumed after {run.info.resumed[-1].rows_before} requests", file=sys.stderr)
    return run


def _measure(
    options: BenchmarkOptions, settings: dict, endpoint: str | None
) -> tuple["Run", "Run"]:
    """Measure the plan, on further servers too if any are named.

    Return the run to report (all, merged, where there are several) and the run measured last.
    Every address and every setting is checked before the first request.
    """
    from .. import benchmark, calibrate, connect, merge_runs
    from ..measure.session import make_plan

    settings = settings | {"prompts": options.prompts, "prompt": options.prompt}
    where: dict[str, Any] = {"output": options.output, "progress": not options.quiet}
    with contextlib.ExitStack() as opened:
        others = []
        for other, theirs in options.others():
            opened.enter_context(other)
            others.append((other, make_plan(other, models=theirs, **settings)[0].models))
        server = opened.enter_context(connect(endpoint, models=options.lineup()))
        models: str | list[str] | None = options.models
        plan, _ = make_plan(server, models=models, **settings)
        if options.variants:
            table = server.variants(plan.models)
            print(table.note or "Every model is there for more than one device.", file=sys.stderr)
            models = table.names()
        calibration = None
        if options.calibrate:
            calibration = calibrate(plan.concurrency, progress=not options.quiet)
        runs = [benchmark(server, models=models, calibration=calibration, **where, **settings)]
        for other, names in others:
            if runs[-1].status == "finished":
                runs.append(benchmark(other, models=names, **where, **settings))
    return merge_runs(runs, options.output) if len(runs) > 1 else runs[0], runs[-1]


def calibrate(
    *,
    concurrency: str = "1",  # so that 1.5 is refused, and not rounded
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Measure the instrument's own error on this machine."""
    from .. import calibrate

    calibration = calibrate(concurrency)
    print(json.dumps(calibration.to_dict(), indent=2) if json_ else calibration)
    return 0 if calibration.ok else 1


def report(
    *run: str,
    output: str | None = None,
    chosen: ChoiceOptions | None = None,
    prices: PriceOptions | None = None,
) -> None:
    """Make the report of a recorded run again (default: the latest), or of several side by side."""
    from .. import load_run, merge_runs, write_report

    loaded = [load_run(folder) for folder in run or [None]]
    decided_by = choices(chosen, prices)
    merged = merge_runs(loaded, output) if len(loaded) > 1 else loaded[0]
    path = write_report(merged, **decided_by)
    print(merged, "", sep="\n")
    _show_decision(path)


def _show_decision(report_path: Path) -> None:
    folder = report_path.parent
    print((folder / "decision.md").read_text(encoding="utf-8"))
    print(f"report: {report_path}")
    print(f"page: {folder / 'report.html'}")
    print(f"decision: {folder / 'decision.md'}")


def compare(
    before: str,
    after: str,
    /,
    *,
    fail_if: tuple[str, ...] = (),
    json_: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Compare two recorded runs of the same prompts, before and after a change."""
    from ..measure import two_runs

    gates = [two_runs.parse_gate(text) for text in fail_if]
    comparison = two_runs.compare_runs(before, after)
    results = comparison.judge(gates)
    failed = [result for result in results if result.outcome == "failed"]
    if json_:
        judged = [result.as_dict() for result in results]
        print(json.dumps({**comparison.as_dict(), "fail_if": judged}, indent=2))
        for result in failed:
            print(result, file=sys.stderr)
    else:
        print(comparison, *results, sep="\n")
    return 1 if failed else 0


def workshop(*, output: str | None = None, full: bool = False) -> None:
    """Run the whole course headless and write its report."""
    from ..course import notebooks

    _show_decision(notebooks.workshop(output, full=full))


def progress() -> None:
    """Show which exercises of the course are passed."""
    from ..course.exercises import overview

    print(overview())


COMMANDS = (benchmark, calibrate, report, compare, workshop, progress)
