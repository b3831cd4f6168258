"""The command line: `python -m helpers COMMAND`. The same calls as the notebooks, and no logic of its own."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from . import calibrate, check_setup, connect, download, load_run, route, write_report
from .common.errors import KitError, UsageError
from .course import notebooks
from .course.exercises import overview
from .decision.cost import make_prices
from .decision.selection import DIMENSIONS
from .measure import two_runs
from .measure.merge import merge_runs
from .measure.plan import make_plan
from .measure.session import benchmark, resume
from .models import classroom
from .quality.model_judge import ask_judge
from .quality.people import BlindRating
from .report.contribute import contribute, verify_contribution
from .servers import foundry
from .servers.downloads import cache_contents, find_stored, prefetch, remove, verify
from .servers.server import KEY_VARIABLE

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0 done, 1 it failed, 2 it was asked wrongly, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(
            encoding="utf-8", errors="replace"
        )  # model output may hold anything, consoles may not
    options = _parser().parse_args(arguments)
    try:
        return options.run(options)
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _check(options) -> int:
    checks = check_setup(options.endpoint)
    print(checks)
    return 0 if checks.ok else 1


def _models(options) -> int:
    wanted = {
        name: getattr(options, name)
        for name in (
            "max_mb",
            "license",
            "device",
            "task",
            "capability",
            "source",
            "cached",
            "fits",
        )
    }
    with connect(options.endpoint, mirror=options.mirror) as server:
        print(server.models().where(options.name, **wanted))
    return 0


def _download(options) -> int:
    with connect(options.endpoint, mirror=options.mirror) as server:
        return _told(download(server, options.alias or None))


def _prefetch(options) -> int:
    return _told(
        prefetch(
            lambda: connect(options.endpoint, mirror=options.mirror),
            options.alias or None,
            options.at,
        )
    )


def _verify(options) -> int:
    with connect(mirror=options.mirror) as server:
        return _told(verify(server, options.alias or None))


def _told(done) -> int:
    print(done)
    return 0 if done.ok else 1


def _cache(options) -> int:
    for alias in options.remove:
        stored = find_stored(alias)
        if not options.yes and _ask(
            f"Delete {stored.alias}, {stored.bytes / 1e6:,.1f} MB, from {stored.folder}? [y/N] "
        ).lower() not in ("y", "yes"):
            raise UsageError(f"'{stored.alias}' stays; to delete it without a question say --yes.")
        with connect() as server:
            remove(server, stored)
        print(f"removed {stored.alias}", file=sys.stderr)
    print(cache_contents())
    return 0


def _mirror(options) -> int:
    classroom.serve(
        host=options.host,
        port=options.port,
        only=options.alias,
        say=lambda line: print(line, flush=True),
    )
    return 0


def _chat(options) -> int:
    with connect(options.endpoint) as server:
        if options.unload_others:
            server.load(options.alias, unload_others=True)
        if options.prompt is not None:
            print(server.chat(options.alias, options.prompt, **_answer_settings(options)))
            return 0
        _converse(server, options)
    return 0


def _converse(server, options) -> None:
    server.resolve(options.alias)
    print("An empty line ends the chat.", file=sys.stderr)
    while prompt := _ask():
        try:
            print(server.chat(options.alias, prompt, **_answer_settings(options)), end="\n\n")
        except KitError as error:
            print(f"error: {error}", file=sys.stderr)


def _ask(question: str = "> ") -> str:
    try:
        return input(question).strip()
    except EOFError:
        return ""


def _benchmark(options) -> int:
    settings = {
        name: getattr(options, name)
        for name in (
            *("rounds", "max_rounds", "target", "warmup", "cold", "resources"),
            *(
                "max_tokens",
                "temperature",
                "seed",
                "stream",
                "concurrency",
                "rate",
                "slo",
                "timeout_s",
                "stall_s",
            ),
        )
    }
    if options.force and options.resume is None:
        raise UsageError(
            "--force goes with --resume RUN: it takes up a run although what it stands on has changed."
        )
    if options.output and options.resume is not None:
        raise UsageError(
            "Give either --output or --resume, not both: a resumed run goes on in its own folder."
        )
    if options.calibrate and options.resume is not None:
        raise UsageError(
            "Give either --calibrate or --resume, not both: a resumed run keeps the calibration that it began with."
        )
    if options.against and (options.resume is not None or options.variants):
        raise UsageError(
            "--against measures the plan on a second server; give it without --resume and --variants."
        )
    other = (
        connect(options.against, key_variable=options.against_key_env) if options.against else None
    )  # a wrong address first
    with connect(options.endpoint) as server:
        if options.resume is not None:
            asked = {
                "models": options.models,
                "prompts": options.prompts or (options.prompt and [options.prompt]),
                **settings,
            }
            run = resume(
                server,
                options.resume or None,
                force=options.force,
                progress=not options.quiet,
                **asked,
            )
            print(f"resumed after {run.info.resumed[-1].rows_before} requests", file=sys.stderr)
        else:
            plan, _ = make_plan(
                server,
                models=options.models,
                prompts=options.prompts,
                prompt=options.prompt,
                **settings,
            )  # mistakes first
            models = _variants(server, plan.models) if options.variants else options.models
            second_plan = (
                other
                and make_plan(
                    other, models=options.against_models, prompts=plan.prompts, **settings
                )[0]
            )
            calibration = (
                calibrate(plan.concurrency, progress=not options.quiet)
                if options.calibrate
                else None
            )
            where = {
                "output": options.output,
                "progress": not options.quiet,
                "calibration": calibration,
            }
            run = benchmark(
                server, models, options.prompts, prompt=options.prompt, **where, **settings
            )
    measured = run
    if other is not None and run.status == "finished":
        with other:
            second = benchmark(
                other,
                second_plan.models,
                plan.prompts,
                output=options.output,
                progress=not options.quiet,
                **settings,
            )
        measured, run = second, merge_runs([run, second], options.output)
    report = write_report(run)
    if options.json:
        print(
            json.dumps(
                {"run": str(run.folder), "status": run.status, "models": run.summary}, indent=2
            )
        )
    else:
        print(run)
        print(
            "\nlatency and TTFT: lower is better; output tokens/s: higher is better. Read the sample answers before you choose."
        )
    print(f"report: {report}", file=sys.stderr)
    if measured.status == "interrupted":
        again = f"python -m helpers benchmark --resume {measured.folder}"
        print(
            f"interrupted; what was measured is in {measured.folder}; go on with: {again}",
            file=sys.stderr,
        )
        return INTERRUPTED
    return 0 if any(row["n_ok"] for row in run.summary) else 1


def _variants(server, models: Sequence[str]) -> list[str]:
    found = server.variants(models)
    print(found.note or "Every model is there for more than one device.", file=sys.stderr)
    return found.names()


def _calibrate(options) -> int:
    calibration = calibrate(1 if options.concurrency is None else options.concurrency)
    print(json.dumps(calibration.to_dict(), indent=2) if options.json else calibration.table())
    return 0 if calibration.ok else 1


def _report(options) -> int:
    runs = [load_run(folder) for folder in options.folder or [None]]
    choices = _choices(options)
    run = merge_runs(runs, options.output) if len(runs) > 1 else runs[0]
    path = write_report(run, **choices)
    print(run, "", (run.folder / "decision.md").read_text(encoding="utf-8"), sep="\n")
    print(
        f"report: {path}\npage: {run.folder / 'report.html'}\ndecision: {run.folder / 'decision.md'}"
    )
    return 0


def _choices(options) -> dict:
    """Prices, limits, weights and the source of quality, as `write_report` takes them."""
    price_names = ("per_kwh", "currency", "hardware", "years", "use", "cloud_input", "cloud_output")
    limit_names = ("max_p95_s", "max_memory_mb", "max_disk_mb", "min_quality")
    licenses = (
        tuple(name.strip() for name in options.licenses.split(",") if name.strip())
        if options.licenses
        else None
    )
    return {
        "prices": make_prices(**{name: getattr(options, name) for name in price_names}),
        "limits": {**{name: getattr(options, name) for name in limit_names}, "licenses": licenses},
        "weights": _pairs(options.weights, "--weights"),
        "good_enough": {} if options.enough == "none" else _pairs(options.enough, "--enough"),
        "quality": options.quality,
    }


def _pairs(text: str | None, option: str) -> dict[str, str] | None:
    if text is None:
        return None
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(equals and value.strip() for _, equals, value in pairs):
        raise UsageError(
            f"{option} '{text:.60}': expected NAME=NUMBER, several with commas between, for instance quality=60,latency=40."
        )
    return {name.strip(): value.strip() for name, _, value in pairs}


def _annotate(options) -> int:
    run = load_run(options.folder)
    blind = BlindRating(run, options.rater, seed=options.seed or 0)
    if not blind.todo:
        print(f"{options.rater} has scored all {len(blind.items)} answers of {run.folder.name}.")
        return 0
    safe = "".join(c if c.isalnum() or c in "-_" else "-" for c in options.rater)
    path = Path(options.output) if options.output else run.folder / f"annotations-{safe}.csv"
    if path.exists():
        raise UsageError(
            f"{path} is there already and may hold scores; fill it in, or name another file with --output."
        )
    print(
        f"{len(blind.todo)} answers to score from 1 (useless) to 5 (nothing to improve): {blind.sheet(path)}"
    )
    print(f"Fill in the column score, save as CSV, then: python -m helpers report {run.folder}")
    return 0


def _judge(options) -> int:
    run = load_run(options.folder)
    with connect(
        options.endpoint, **({"key_variable": options.key_env} if options.key_env else {})
    ) as server:
        judged = ask_judge(server, options.model, run, pairs=options.pairs, limit=options.limit)
    print(judged, *([judged.wins(run)] if options.pairs else []), sep="\n")
    return 0 if judged.failures < len(judged.judgements) else 1


def _route(options) -> int:
    limits = {
        name: getattr(options, name)
        for name in ("max_p95_s", "max_memory_mb", "max_disk_mb", "min_quality")
    }
    found = route(options.prompt, options.need or ("chat",), limits, run=options.run_folder)
    if not options.ask:
        print(found)
        return 0 if found.choices else 1
    with connect(options.endpoint) as server:
        reply = found.ask(server)
    print(found, "", reply, sep="\n")
    return 0


def _contribute(options) -> int:
    if options.check:
        print(*verify_contribution(Path(options.check)), sep="\n")
        return 0
    run = load_run(options.folder)
    folder = contribute(
        run, Path(options.output) if options.output else run.folder / "contribution"
    )
    print(
        f"{folder}: look through it, then send it. What the check says:",
        *verify_contribution(folder),
        sep="\n",
    )
    return 0


def _compare(options) -> int:
    bounds, drift = (
        [two_runs.parse_gate(text) for text in options.fail_if],
        two_runs.parse_drift(options.drift),
    )
    found = two_runs.compare_runs(options.before, options.after, drift=drift)
    judged = found.judge(bounds)
    failed = [judgement for judgement in judged if judgement.failed]
    if options.json:
        print(
            json.dumps(
                {**found.as_dict(), "fail_if": [judgement.as_dict() for judgement in judged]},
                indent=2,
            )
        )
        print(*failed, sep="\n", end="\n" if failed else "", file=sys.stderr)
    else:
        print(found, *judged, sep="\n")
    return 1 if failed else 0


def _progress(_options) -> int:
    print(overview())
    return 0


def _stop(_options) -> int:
    print("stopped" if foundry.stop_service() else "not running")
    return 0


def _workshop(options) -> int:
    report = notebooks.workshop(options.output)
    print((report.parent / "decision.md").read_text(encoding="utf-8"))
    print(
        f"page: {report.parent / 'report.html'}\ndecision: {report.parent / 'decision.md'}\nreport: {report}"
    )
    return 0


def _answer_settings(options) -> dict:
    given = {
        "max_tokens": options.max_tokens,
        "temperature": options.temperature,
        "seed": options.seed,
        "timeout_s": options.timeout_s,
    }
    return {name: value for name, value in given.items() if value is not None}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m helpers",
        description="Choose a local language model: check, download, chat, benchmark, report.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run, text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.set_defaults(run=run)
        return added

    _endpoint(command("check", _check, "look whether this machine is ready"))
    one = command("models", _models, "list the models that can be had")
    one.add_argument(
        "--name",
        "--family",
        default="",
        metavar="TEXT",
        help="part of the alias, for instance a family",
    )
    one.add_argument("--max-mb", type=float, metavar="MB", help="largest size")
    one.add_argument("--license", default="", metavar="TEXT", help="part of the licence")
    one.add_argument("--device", default="", metavar="TEXT", help="cpu, gpu or npu")
    one.add_argument(
        "--task", default="", metavar="TEXT", help="part of the task, for instance chat"
    )
    one.add_argument(
        "--capability",
        default="",
        metavar="TAG",
        help="one of its capabilities, for instance summarise",
    )
    one.add_argument(
        "--source",
        default="",
        choices=("built-in", "mirror", "catalog"),
        help="where it comes from",
    )
    one.add_argument(
        "--cached", action="store_true", default=None, help="only what is on this machine"
    )
    one.add_argument(
        "--fits",
        action="store_true",
        default=None,
        help="only what fits in the memory and on the disk that are free now",
    )
    _endpoint(one)
    _from_mirror(one)
    one = command(
        "download",
        _download,
        "bring models into the cache; with a mirror and without aliases, all that it has",
    )
    one.add_argument("alias", nargs="*")
    _endpoint(one)
    _from_mirror(one)
    one = command(
        "prefetch", _prefetch, "download at a quiet hour: waits until then, Ctrl-C ends it"
    )
    one.add_argument("alias", nargs="*")
    one.add_argument(
        "--at", metavar="HH:MM", help="time of day on this machine's clock (default: now)"
    )
    _endpoint(one)
    _from_mirror(one)
    one = command(
        "verify", _verify, "hash every file of cached models, and fetch damaged ones again, alone"
    )
    one.add_argument("alias", nargs="*", help="models to look at (default: all in the cache)")
    _from_mirror(one)
    one = command("cache", _cache, "see what the model cache holds, and remove models")
    one.add_argument(
        "--remove",
        action="append",
        default=[],
        metavar="ALIAS",
        help="delete a model's files (may be repeated)",
    )
    one.add_argument("--yes", action="store_true", help="do not ask before deleting")
    one = command("mirror", _mirror, "serve the models of this machine's cache to a room")
    one.add_argument("alias", nargs="*", help="models to serve (default: all that are whole)")
    one.add_argument(
        "--host",
        default="127.0.0.1",
        metavar="ADDRESS",
        help="0.0.0.0 serves the room (default: this machine alone)",
    )
    one.add_argument(
        "--port",
        type=int,
        default=classroom.PORT,
        metavar="N",
        help=f"port to listen on (default {classroom.PORT})",
    )
    one = command("chat", _chat, "ask a model once, or until an empty line")
    one.add_argument("alias")
    one.add_argument(
        "--prompt",
        metavar="TEXT",
        help="one prompt; without it a conversation starts, one question at a time",
    )
    one.add_argument(
        "--unload-others", action="store_true", help="free the memory of other models first"
    )
    _answer(one)
    _endpoint(one)
    _benchmark_options(command("benchmark", _benchmark, "measure models and write a report"))
    one = command("calibrate", _calibrate, "measure the instrument's own error on this machine")
    one.add_argument("--concurrency", metavar="N", help="requests under way at once (default 1)")
    one.add_argument("--json", action="store_true", help="print the figures as JSON")
    one = command(
        "report", _report, "make the report of a recorded run again, or of several side by side"
    )
    one.add_argument(
        "folder",
        nargs="*",
        metavar="RUN",
        help="folder of the run (default: the latest); several are joined into one",
    )
    one.add_argument(
        "--output", metavar="DIR", help="with several runs: folder in which the joined one is made"
    )
    _choice_options(one)
    one = command(
        "annotate", _annotate, "write a blind sheet of a run's answers for a person to score"
    )
    one.add_argument(
        "folder", nargs="?", metavar="RUN", help="folder of the run (default: the latest)"
    )
    one.add_argument("--rater", required=True, metavar="NAME", help="who scores")
    one.add_argument("--seed", type=int, metavar="N", help="for the order (default 0)")
    one.add_argument(
        "--output",
        metavar="FILE",
        help="the sheet (default: annotations-NAME.csv in the run's folder)",
    )
    one = command("judge", _judge, "let a model score the answers of a run")
    one.add_argument(
        "folder", nargs="?", metavar="RUN", help="folder of the run (default: the latest)"
    )
    one.add_argument("--model", required=True, metavar="ALIAS", help="the judge")
    one.add_argument(
        "--pairs", action="store_true", help="compare answers two by two, each pair in both orders"
    )
    one.add_argument("--limit", type=int, metavar="N", help="at most so many requests")
    one.add_argument(
        "--key-env",
        metavar="NAME",
        help="variable with the key of the judge's server (default FOUNDRY_LOCAL_API_KEY)",
    )
    _endpoint(one)
    one = command("route", _route, "choose a model for a prompt by capability and a finished run")
    one.add_argument("prompt", metavar="PROMPT")
    one.add_argument(
        "--need",
        action="append",
        default=[],
        metavar="TAG",
        help="capability that the model must have (may be repeated; default chat)",
    )
    one.add_argument(
        "--run", dest="run_folder", metavar="RUN", help="folder of the run (default: the latest)"
    )
    one.add_argument(
        "--ask", action="store_true", help="ask the model, and the next one when it fails"
    )
    _limit_options(one)
    _endpoint(one)
    one = command(
        "contribute",
        _contribute,
        "write a small folder with entry and result of a run, or check one",
    )
    one.add_argument(
        "folder", nargs="?", metavar="RUN", help="folder of the run (default: the latest)"
    )
    one.add_argument(
        "--output", metavar="DIR", help="the new folder (default: contribution/ in the run's)"
    )
    one.add_argument(
        "--check", metavar="DIR", help="check a folder that somebody sent, and write nothing"
    )
    one = command(
        "compare",
        _compare,
        "compare two recorded runs of the same prompts, before and after a change",
    )
    one.add_argument("before", metavar="RUN_A", help="folder of the run before")
    one.add_argument("after", metavar="RUN_B", help="folder of the run after")
    one.add_argument(
        "--fail-if",
        action="append",
        default=[],
        metavar="BOUND",
        help="exit with 1 when it is certain: 'ttft>1.10' (may be repeated)",
    )
    one.add_argument(
        "--drift",
        default="5",
        metavar="PERCENT",
        help="how much one machine's speed varies from sitting to sitting (default 5)",
    )
    one.add_argument("--json", action="store_true", help="print the comparison as JSON")
    one = command("workshop", _workshop, "run the whole course headless and write its report")
    one.add_argument("--output", metavar="DIR", help="folder for results (default: results/)")
    command("progress", _progress, "show which exercises of the course are passed")
    command("stop", _stop, "stop the runtime that the kit started")
    return parser


def _benchmark_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--models", metavar="A,B", help="aliases (BENCH_MODELS; default: the built-in models)"
    )
    parser.add_argument(
        "--prompts",
        metavar="FILE[:SET]",
        help="prompt file or name of a shipped set (default: meeting-notes)",
    )
    parser.add_argument("--prompt", metavar="TEXT", help="a single prompt instead (BENCH_PROMPT)")
    parser.add_argument(
        "--rounds", metavar="N", help="times that every prompt is sent (BENCH_ROUNDS; default 3)"
    )
    parser.add_argument(
        "--target",
        metavar="5%",
        help="go on until half the interval of each median TTFT and latency is this narrow",
    )
    parser.add_argument(
        "--max-rounds", metavar="N", help="with --target: rounds at most (default 50)"
    )
    parser.add_argument(
        "--warmup",
        metavar="N",
        help="unmeasured requests a model beforehand (default auto: until the latency has settled)",
    )
    parser.add_argument(
        "--cold", metavar="N", help="cold starts a model: unload, load, first request (default 1)"
    )
    parser.add_argument(
        "--resources",
        action=argparse.BooleanOptionalAction,
        help="measure memory and energy, each model's memory in a service of its own (default on)",
    )
    parser.add_argument(
        "--stream",
        action=argparse.BooleanOptionalAction,
        help="stream the answers and time the first token (BENCH_STREAM; default on)",
    )
    parser.add_argument(
        "--concurrency",
        metavar="N[,M...]",
        help="requests under way at once (default 1); several levels make a sweep",
    )
    parser.add_argument(
        "--rate",
        metavar="R",
        help="instead: send R requests a second whatever is under way, at random times (open loop)",
    )
    parser.add_argument(
        "--slo",
        metavar="LIMITS",
        help="count the requests that keep limits in seconds, such as ttft=0.5,itl=0.05,latency=5",
    )
    parser.add_argument(
        "--stall",
        dest="stall_s",
        metavar="S",
        help="longest silence within an answer in seconds (default: a quarter of --timeout)",
    )
    parser.add_argument("--output", metavar="DIR", help="folder for results (default: results/)")
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="first measure the instrument's own error, and record it with the run",
    )
    parser.add_argument(
        "--resume",
        metavar="RUN",
        nargs="?",
        const="",
        help="finish a run that was interrupted or killed (default: the latest)",
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="with --resume: go on although packages, server or model files have changed",
    )
    parser.add_argument(
        "--variants",
        action="store_true",
        help="measure each model on every device that it was built for (GPU on and off)",
    )
    parser.add_argument(
        "--against",
        metavar="URL",
        help="measure the same plan on a second server too, and report both side by side",
    )
    parser.add_argument(
        "--against-models",
        metavar="A,B",
        help="its models (default: what it offers of the line-up)",
    )
    parser.add_argument(
        "--against-key-env",
        default=KEY_VARIABLE,
        metavar="NAME",
        help=f"variable with its key (default {KEY_VARIABLE})",
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress line")
    _answer(parser)
    _endpoint(parser)


def _choice_options(parser: argparse.ArgumentParser) -> None:
    _limit_options(parser)
    parser.add_argument(
        "--licenses", metavar="A,B", help="licences that are allowed, for instance MIT,apache-2.0"
    )
    parser.add_argument(
        "--weights",
        metavar="NAME=N,...",
        help=f"what counts how much, of {', '.join(DIMENSIONS)} (default: quality 40, latency 20, others 10)",
    )
    parser.add_argument(
        "--enough",
        metavar="NAME=N,...",
        help="beyond which better does not count, or none (default: latency=1,throughput=20)",
    )
    parser.add_argument(
        "--quality-from",
        dest="quality",
        default="facets",
        metavar="SOURCE",
        help="facets, people or judge (default facets)",
    )
    parser.add_argument("--price-per-kwh", dest="per_kwh", metavar="P", help="price of electricity")
    parser.add_argument("--currency", metavar="CODE", help="of all prices (default EUR)")
    parser.add_argument(
        "--hardware-price",
        dest="hardware",
        metavar="P",
        help="price of the machine, to be spread over its requests",
    )
    parser.add_argument(
        "--hardware-years", dest="years", metavar="N", help="years that it is used (default 3)"
    )
    parser.add_argument(
        "--hardware-use",
        dest="use",
        metavar="SHARE",
        help="share of that time in which it answers requests (default 0.25)",
    )
    parser.add_argument(
        "--cloud-input", metavar="P", help="a cloud's price for a million prompt tokens"
    )
    parser.add_argument(
        "--cloud-output", metavar="P", help="a cloud's price for a million generated tokens"
    )


def _limit_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--max-p95",
        dest="max_p95_s",
        metavar="S",
        help="limit: 95 in 100 answers within so many seconds",
    )
    parser.add_argument("--max-memory-mb", metavar="MB", help="limit: memory")
    parser.add_argument("--max-disk-mb", metavar="MB", help="limit: disk")
    parser.add_argument("--min-quality", metavar="Q", help="limit: quality from 0 to 1")


def _answer(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-tokens", type=int, metavar="N", help="longest answer (default 150)")
    parser.add_argument(
        "--temperature",
        type=float,
        metavar="T",
        help="0 for the same answer every time (default 0)",
    )
    parser.add_argument(
        "--seed", type=int, metavar="N", help="for sampling and for the order of requests"
    )
    parser.add_argument(
        "--timeout",
        dest="timeout_s",
        type=float,
        metavar="S",
        help="seconds for one request (default 120)",
    )


def _endpoint(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        help="an OpenAI-compatible server (FOUNDRY_LOCAL_ENDPOINT; default: the built-in runtime)",
    )


def _from_mirror(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mirror",
        metavar="URL",
        help="classroom mirror to fetch from (WORKSHOP_MIRROR), for instance http://192.168.1.20:8321",
    )
