"""A finished run to tables and words: comparison with verdicts, and everything that `write_report` leaves in the run's folder."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

from ..common import machine
from ..common.errors import UsageError
from ..common.files import write_json, write_text
from ..common.show import Table, join_words, plain_markdown, sanitize_for_csv
from ..decision.cost import Prices, money
from ..decision.dimensions import DIMENSIONS
from ..decision.scorecard import COLUMNS, Scorecard
from ..decision.selection import Decision, decide
from ..measure.record import Run
from ..quality.agreement import Ratings, ratings
from ..quality.facets import score_facets
from ..timing import instrument_error
from ..timing.drift import DRIFT_NEEDS
from . import charts, load_test, page
from .comparisons import compare_models, compare_two

SUMMARY_COLUMNS = (
    "model",
    "status",
    "n_ok",
    "n_failed",
    "n_skipped",
    "quality",
    "latency_mean_s",
    "latency_p50_s",
    "latency_p95_s",
    "ttft_p50_s",
    "ttft_p95_s",
    "output_tokens_per_s_p50",
    "request_tokens_per_s_p50",
    "load_s",
    "cold_ttft_s",
    "memory_mb",
    "gpu_memory_mb",
    "disk_mb",
    "size_mb",
    "energy_j_per_request",
    "energy_source",
    "cost_per_1000",
    "cloud_per_1000",
    "license",
    "sample",
)


HOW_DECIDED = (
    "Scores are 0 to 1: the best model's value over a model's own (or its own over the best's where more is better), against what is enough where "
    'that is given. The total weighs them; "first in" counts resamples with other prompts and other weights.'
)
HOW_JUDGED = "Quality is the share of checks that the answers pass: required facets found, form kept, nothing forbidden named. Interval: 95 %, over prompts."


@dataclass(frozen=True)
class Section:
    """A part of the report under a heading: a table, sentences, pictures, or some of them."""

    title: str
    table: Table | None = None
    points: Sequence[str] = ()
    pictures: Mapping[str, charts.Chart] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """One run, judged and decided, in the form that every file of the report is written from."""

    card: Scorecard
    ratings: Ratings
    decision: Decision

    @property
    def run(self) -> Run:
        """The run."""
        return self.card.run

    @property
    def setting(self) -> str:
        """What was measured, in a sentence or two."""
        info, plan = self.run.info, self.run.info.plan
        return (
            f"{_count(len(self.run.models), 'model')}, {_count(len(plan.prompts.prompts), 'prompt')} ({plan.prompts.name}), "
            f"{_count(plan.rounds, 'round')}, temperature {plan.temperature:g}, at most {plan.max_tokens} tokens an answer, "
            f"concurrency {plan.concurrency}. Served by {info.server.kind}, started {info.started_at[:16].replace('T', ' ')} UTC."
        )

    @property
    def unfinished(self) -> str:
        """A warning when the run did not end by itself."""
        status = "not finished" if self.run.status == "running" else self.run.status
        return (
            ""
            if self.run.status == "finished"
            else f"This run is {status}: what follows is what was measured until then."
        )

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The first screen: what stands beside the answer, as label and sentence."""
        d = self.decision
        caution = (
            self.ratings.warning(self.card.source)
            if any(row["quality"] is not None for row in self.card.rows)
            else ""
        )
        said = [
            ("Why", d.reason),
            ("How sure", d.confidence),
            ("What it costs", self.price),
            ("What would change it", d.change),
        ]
        said += [("Before you rely on it", caution)] if caution and d.winner else []
        said += [("Limits asked for", str(d.limits))] if str(d.limits) else []
        return [(label, sentence) for label, sentence in said if sentence]

    @property
    def price(self) -> str:
        """What the winner takes in time, space, energy and money."""
        if self.decision.winner is None:
            return ""
        row, prices = self.card.by_model[self.decision.winner.model], self.card.prices
        parts = [f"{_seconds(row['latency_p50_s'])} an answer (median)"]
        parts += (
            [f"{row['memory_mb']:,.3g} MB of memory"]
            if row["memory_mb"] is not None
            else ["memory not measured"]
        )
        parts += [f"{row['disk_mb']:,.3g} MB on disk"] if row["disk_mb"] is not None else []
        if row["energy_j_per_request"] is not None:
            parts.append(
                f"{row['energy_j_per_request']:.2g} J a request ({'estimated' if row['energy_source'] == 'estimate' else row['energy_source']})"
            )
        said = f"{join_words(parts)}."
        if row["cost_per_1000"] is not None:
            said += f" 1,000 requests cost {money(row['cost_per_1000'], prices.currency)} here ({row['cost_source']})."
        if row["cloud_per_1000"] is not None:
            said += f" The same tokens at the cloud's price cost {money(row['cloud_per_1000'], prices.currency)} (estimated: a cloud model counts its own)."
        return said

    @cached_property
    def sections(self) -> list[Section]:
        """What follows the first screen, in order."""
        run, prices = self.run, self.card.prices
        said = {row["model"]: row["cost_source"] for row in self.card.rows if row["cost_source"]}
        sources = (
            [f"All: {next(iter(said.values()))}."]
            if len(set(said.values())) == 1
            else [f"{model}: {source}." for model, source in said.items()]
        )
        costs = (
            [f"Prices given: {prices}. Cost is for 1,000 requests like these.", *sources]
            if prices.given
            else []
        )
        return [
            Section("Table", self.card.table(), costs),
            Section(
                "Decision",
                replace(self.decision.table(), note=HOW_DECIDED),
                self.decision.sentences()[1:],
            ),
            Section(
                "Quality",
                replace(score_facets(run).table(), note=HOW_JUDGED),
                self.ratings.sentences(),
            ),
            Section("Highlights", points=highlights(run) + network(self.card) + acceleration(run)),
            Section("Pictures", pictures=charts.for_report(run)),
            *(
                [
                    Section(
                        "Load",
                        load_test.table(run),
                        load_test.notes(run),
                        load_test.for_report(run),
                    )
                ]
                if load_test.is_load_test(run)
                else []
            ),
            Section(
                "Sample answers",
                points=[f"{row['model']}: {row['sample']}" for row in run.summary if row["sample"]],
            ),
            Section("Limits", points=limits(run)),
            Section("Environment", points=list(_environment(run))),
        ]

    @property
    def pictures(self) -> Mapping[str, charts.Chart]:
        """File name to chart, of all sections."""
        return {
            name: chart for section in self.sections for name, chart in section.pictures.items()
        }

    def as_dict(self) -> dict:
        """`summary.json`."""
        return {
            "run": self.run.folder.name,
            "status": self.run.status,
            "models": self.card.rows,
            "median_intervals_95": self.run.intervals,
            "prices": self.card.prices.model_dump() if self.card.prices.given else None,
            "agreement": [asdict(pair) for pair in self.ratings.pairs],
            "decision": self.decision.as_dict(),
        }


def make_report(
    run: Run,
    *,
    prices: Prices | None = None,
    limits=None,
    weights=None,
    good_enough=None,
    quality: str = "facets",
) -> Report:
    """Judge and decide. `quality` is its source: facets, people, or judge; the rest as for `selection.decide`.

    Raises UsageError when there is nothing from that source, and for a limit, weight or price that makes no sense.
    """
    said = ratings(run)
    by_source = said.quality()
    if quality != "facets" and quality not in by_source:
        there = ", ".join(["facets", *(s for s in by_source if s != "facets")])
        raise UsageError(
            f"There is no quality from '{quality}' for this run; there is {there}. Score answers in notebook 05, or ask a judge."
        )
    card = Scorecard(run, prices or Prices(), by_source, quality)
    return Report(card, said, decide(card, limits, weights, good_enough))


def write_report(run: Run, **choices) -> Path:
    """Write summary.json, summary.csv, the charts, benchmark_report.md, decision.md and report.html into the run's folder.

    `choices` as for `make_report`. Returns the path of benchmark_report.md.
    """
    report = make_report(run, **choices)
    write_json(run.folder / "summary.json", report.as_dict())
    write_text(run.folder / "summary.csv", summary_csv(run, report.card))
    for name, chart in report.pictures.items():
        chart.save(run.folder / f"{name}.png")
    write_text(run.folder / "decision.md", decision_markdown(report))
    write_text(run.folder / "report.html", page.page(report))
    path = run.folder / "benchmark_report.md"
    write_text(path, "\n".join(_markdown(report)) + "\n")
    return path


def summary_csv(run: Run, card: Scorecard | None = None) -> str:
    """The summary with one line a model. Cells that a spreadsheet would run as a formula are made text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(SUMMARY_COLUMNS)
    for row in (card or Scorecard(run)).rows:
        writer.writerow(
            [
                sanitize_for_csv(value) if isinstance(value := row[name], str) else value
                for name in SUMMARY_COLUMNS
            ]
        )
    return out.getvalue()


def _markdown(report: Report) -> Iterator[str]:
    yield from (
        "# Benchmark report",
        "",
        f"**{plain_markdown(report.decision.question)}**",
        "",
        f"**{plain_markdown(report.decision.answer)}**",
        "",
    )
    yield from (f"- {label}: {plain_markdown(sentence)}" for label, sentence in report.facts)
    yield from ("", plain_markdown(report.setting))
    yield from ("", f"**{report.unfinished}**") if report.unfinished else ()
    for section in report.sections:
        if section.table or section.points or section.pictures:
            yield from ("", f"## {section.title}", "")
        if section.table:
            yield from (section.table.to_markdown(), "", plain_markdown(section.table.note), "")
        yield from (f"- {plain_markdown(point)}" for point in section.points)
        for name, chart in section.pictures.items():
            yield from (
                f"![{plain_markdown(chart.alt)}]({name}.png)",
                "",
                plain_markdown(chart.finding),
                "",
            )


def decision_markdown(report: Report) -> str:
    """`decision.md`: context, options, decision, consequences, on one page that a team can commit."""
    run, d = report.run, report.decision
    machine = run.info.environment.machine
    enough = (
        join_words(
            [
                f"{dimension} {DIMENSIONS[dimension].quantity(f'{value:g}')}"
                for dimension, value in d.good_enough.items()
            ]
        )
        if d.good_enough
        else "not said"
    )
    title = d.winner.model if d.winner else "no model"
    lines = [
        f"# Decision: {plain_markdown(title)}",
        "",
        f"Status: proposed. Date: {run.info.started_at[:10]}. Evidence: run {run.folder.name}, kit revision {run.info.environment.git_revision}.",
        *("", "## Context", "", plain_markdown(d.question), ""),
        f"Measured on {plain_markdown(str(machine.cpu))}, {machine.cores} cores, {machine.memory_mb:,} MB, {plain_markdown(machine.system)}. "
        f"{plain_markdown(report.setting)}",
        "",
        f"Limits: {plain_markdown(str(d.limits)) or 'none'}. Good enough: {enough}. Quality from: {plain_markdown(d.source)}.",
        *("", "## Options", "", d.table().to_markdown(), ""),
        *(f"- {plain_markdown(reason)}" for reason in d.why_not),
        *(
            "",
            "## Decision",
            "",
            f"**{plain_markdown(d.answer)}** {plain_markdown(d.reason)}",
            "",
            plain_markdown(d.confidence),
        ),
        *("", "## Consequences", ""),
        *(
            f"- {label}: {plain_markdown(sentence)}"
            for label, sentence in report.facts
            if label not in ("Why", "How sure", "Limits asked for")
        ),
        *(f"- {plain_markdown(note)}" for note in d.notes),
        *(
            [
                f"- Measure more prompts before treating {plain_markdown(join_words(d.tied_with))} as worse: the data does not say so."
            ]
            if d.tied_with
            else []
        ),
        "- Look at it again when the machine, the runtime, the prompts or the models change: `python -m helpers benchmark`, then `python -m helpers report`.",
    ]
    return "\n".join(lines) + "\n"


def highlights(run: Run) -> list[str]:
    """What the figures say, in sentences: problems first, then the comparison with the first model."""
    said = [
        f"{row['model']}: {row['status']}; {row['n_failed']} failed, {row['n_skipped']} skipped. {row['error'] or 'It was not reached.'}"
        for row in run.summary
        if row["status"] != "ok"
    ]
    answered = [row for row in run.summary if row["n_ok"]]
    if not answered:
        return [*said, "No model answered: there is nothing to compare."]
    return said + compare_models(run).sentences() + score_facets(run).compare() or [
        "One model answered; measure a second one to compare."
    ]


def network(card: Scorecard) -> list[str]:
    """How much of the times is the way to the server, where it could be measured."""
    said = []
    for row in card.rows:
        server = card.run.info.models[row["model"]].server or card.run.info.server
        if row["connect_p50_s"] is None or row["ttft_p50_s"] is None:
            continue
        shown = f"{row['model']}: opening a connection takes {_seconds(row['connect_p50_s'])} (median) and is not in TTFT"
        address = server.base_url
        if address.startswith("https"):
            said.append(
                f"{shown}; with TLS that is two round trips or more, so one of them, which TTFT does contain, is at most half of it."
            )
        elif not any(local in address for local in ("127.0.0.1", "localhost", "[::1]")):
            rest = row["ttft_p50_s"] - row["connect_p50_s"]
            said.append(
                f"{shown}; it is about one round trip, which TTFT contains once: without the network TTFT would be about {_seconds(max(rest, 0))}."
            )
    return said


def acceleration(run: Run) -> list[str]:
    """The same alias on two devices: how much the accelerator gives, or why it could not be measured."""
    kinds: dict[str, dict[str, str]] = {}
    for model, about in run.info.models.items():
        if about.alias and about.device:
            kinds.setdefault(about.alias, {})[model] = about.device.upper()
    said = []
    for alias, devices in kinds.items():
        plain = next((model for model, device in devices.items() if device == "CPU"), None)
        for model, device in devices.items():
            if plain is None or device == "CPU":
                continue
            if not run.values(model, "latency_s") or not run.values(plain, "latency_s"):
                said.append(
                    f"{alias} on {device}: not measured. {run.info.models[model].error or 'It gave no answer.'}"
                )
                continue
            for metric in ("ttft_s", "latency_s"):
                said.append(
                    f"{alias} on {device} against CPU: {compare_two(run, model, metric, plain)}"
                )
    return said


def limits(run: Run) -> list[str]:
    """What the figures do not say."""
    plan = run.info.plan
    said = [
        f"One machine, one sitting, one client, {plan.prompts.name} prompts: other prompts and other machines give other figures.",
        "Times are what this client saw; on another machine's endpoint they contain the network.",
        "Every prompt is sent once a round, so later rounds repeat it; a server that keeps prompt prefixes answers repeats sooner.",
        "Quality is matched by words: a right answer in other words counts as wrong, a wrong one that uses the words as right. Read the samples.",
    ]
    for row in run.summary:
        model, ok, rated = (
            row["model"],
            row["n_ok"],
            len(run.sample(row["model"], "output_tokens_per_s")),
        )
        if rated < ok and plan.stream:
            said.append(
                f"{model}: output tokens/s from {rated} of {ok} answers; in the others a token count was missing or the text was held back on the way."
            )
    if not plan.stream:
        said.append("Answers were not streamed: TTFT and output tokens/s are not available.")
    for pause in run.info.resumed:
        changed = f" Changed in between: {'; '.join(pause.changes)}." if pause.changes else ""
        said.append(
            f"The run was resumed on {pause.at[:16].replace('T', ' ')} UTC after {pause.rows_before} requests: two sittings, not one.{changed}"
        )
    said += _unsteady(run)
    if (run.info.order or "").startswith("one model"):
        said.append(f"Order: {run.info.order}, so drift does not hit all models alike.")
    said += run.info.joined_notes
    return said + instrument_error.limits(run.info.calibration, plan.concurrency, run.summary)


def _unsteady(run: Run) -> Iterator[str]:
    """What did not hold still: warm-up, drift, repeats from a cache, intervals that stayed wide; and what was not measured."""
    for model, about in run.info.models.items():
        warmup = about.warmup
        if warmup and warmup.settled is False:
            yield f"{model} had not settled after {warmup.requests} warm-up requests ({warmup.seconds:.3g} s): its first rounds may still be warming up."
    for (name, reason), models in _reasons(run).items():
        heading = COLUMNS[name].heading if name in COLUMNS else name
        yield f"{heading.partition(',')[0]} not measured for {_models(run, models)}: {reason}."
    if estimated := [
        model for model, about in run.info.models.items() if about.energy_source == "estimate"
    ]:
        watts = f"{run.info.watts_per_core:g} W" if run.info.watts_per_core else "power"
        yield (
            f"The energy of {_models(run, estimated)} is an estimate: processor time of the runtime times an assumed {watts} a core "
            f"({machine.WATTS_VARIABLE})."
        )
    yield from (str(drift) for drift in run.drifts if drift.found)
    if run.drifts and not any(drift.found for drift in run.drifts):
        rounds = max(drift.rounds for drift in run.drifts)
        enough = rounds >= DRIFT_NEEDS
        yield (
            f"No drift found over {rounds} rounds."
            if enough
            else f"{rounds} rounds are too few to look for drift, it needs {DRIFT_NEEDS}."
        )
    yield from (str(first) for first in run.first_uses if first.cached)
    stopping = run.info.stopping
    for model, note in stopping.models.items() if stopping else ():
        widths = ", ".join(
            f"{name} {100 * width:.2g} %" if width else f"{name} unknown"
            for name, width in note.half_widths.items()
        )
        verdict = "reached" if note.reached else "NOT reached"
        yield f"{model}: the target of {100 * stopping.target:g} % for half the interval of a median was {verdict} in {note.rounds} rounds ({widths})."


def _reasons(run: Run) -> dict[tuple[str, str], list[str]]:
    """(figure, reason) to the models of which it was not measured."""
    found: dict[tuple[str, str], list[str]] = {}
    for model, about in run.info.models.items():
        for name, reason in about.not_measured.items():
            found.setdefault((name, reason), []).append(model)
    return found


def _models(run: Run, models: Sequence[str]) -> str:
    return "all models" if len(models) == len(run.models) > 1 else join_words(models)


def _environment(run: Run) -> Iterator[str]:
    about = run.info.environment
    machine, packages = about.machine, about.packages
    yield f"{machine.cpu}, {machine.cores} cores, {machine.memory_mb:,} MB memory, {machine.system}, Python {machine.python}"
    yield f"Packages: {', '.join(f'{name} {version}' for name, version in packages.items() if version)}"
    yield f"Kit revision: {about.git_revision or 'not a git checkout'}"
    yield f"Seed {run.info.plan.seed}; order: {run.info.order or 'not started'}; record: requests.jsonl and run.json beside this file"


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"
