"""Turn a finished run into a report: everything that `write_report` leaves in the run's folder."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import pandas as pd

from ..common import templates
from ..common.errors import UsageError
from ..common.files import read_toml, write_bytes, write_json, write_text
from ..common.paths import DATA
from ..common.show import Table, count, join_words, sanitize_for_csv
from ..decision.cost import Prices, money
from ..decision.limits import DIMENSIONS, collect
from ..decision.scorecard import GLANCE, Scorecard
from ..decision.selection import Decision, decide
from ..measure.record import Run
from ..quality.agreement import Ratings, ratings
from ..quality.facets import score_facets
from ..quality.faults import worst_answers
from . import charts, lengths, load_test, sentences
from .draw import Chart

LICENSES = read_toml(DATA / "licenses.toml")  # links to their texts
ROWS = 4  # of the table on the first screen
TEXTS = ("sample", "error")  # they come last in summary.csv, because they are long


@dataclass(frozen=True)
class Section:
    """Hold a part of the report under a heading: a table, sentences, charts, or some of them."""

    title: str
    table: Table | None = None
    points: Sequence[str] = ()
    pictures: Mapping[str, Chart] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """Hold one run, judged and decided, in the form that every file of the report starts from."""

    card: Scorecard
    ratings: Ratings
    decision: Decision

    @property
    def run(self) -> Run:
        """Return the run."""
        return self.card.run

    def say(self, template: str, **more: object) -> list[str]:
        """Return the sentences of a template about this report."""
        about = {"card": self.card, "decision": self.decision, "hosts": self.hosts}
        about |= {"run": self.run, "money": money, "licenses": LICENSES}
        return templates.sentences(f"report/{template}.jinja", **about, **more)

    @cached_property
    def hosts(self) -> dict[str, str]:
        """Map each model that another machine served to that machine."""
        return {model: of.host for model, of in collect(self.card).items() if of.host}

    @cached_property
    def glance(self) -> Table:
        """Return the table of the first screen: the first models, and why others are out."""
        shown = [option.model for option in self.decision.options][:ROWS]
        out: dict[str, list[str]] = {}
        for option in self.decision.options:
            for limit in dict.fromkeys(violation.limit for violation in option.broken):
                out.setdefault(limit, []).append(option.model)
        note = self.say("glance", out=out, more=len(self.run.models) - len(shown))
        return replace(self.card.table(GLANCE, shown), note=" ".join(note))

    @cached_property
    def front(self) -> Chart | None:
        """Return the chart of the first screen; None where nothing was answered."""
        if not any(row["n_ok"] for row in self.card.rows):
            return None
        return charts.quality_and_speed(self.card, self.decision, ROWS)

    @cached_property
    def worst(self) -> list[tuple[str, str]]:
        """Return the worst answers and what is wrong in each, and the worst of the default."""
        quality, winner = score_facets(self.run), self.decision.winner
        found = worst_answers(quality)
        model = winner.model if winner else ""
        if not any(model in of.models for of in found):
            found += worst_answers(quality, 1, [model])
        shown = [(f"{join_words(of.models)} on {of.prompt}", "; ".join(of.faults)) for of in found]
        n = len(quality.by_prompt(model))
        if n and not any(model in of.models for of in found):
            shown.append((model, f"nothing wrong was found on {count(n, 'prompt')}"))
        return shown

    @property
    def facts(self) -> list[tuple[str, str]]:
        """Return what stands beside the answer on the first screen, as label and sentence."""
        decision = self.decision
        judged = any(row["quality"] is not None for row in self.card.rows)
        warning = self.ratings.warning(self.card.source) if judged and decision.winner else ""
        facts = [
            ("Why", decision.reason if decision.winner else ""),
            ("How sure", decision.confidence),
            ("What it costs", " ".join(self.say("price"))),
            ("What would change it", decision.change),
            ("Before you rely on it", warning),
            ("Limits", str(decision.limits)),
        ]
        return [(label, sentence) for label, sentence in facts if sentence]

    @cached_property
    def sections(self) -> list[Section]:
        """Return what follows the first screen, in order."""
        run = self.run
        samples = [f"{row['model']}: {row['sample']}" for row in run.summary if row["sample"]]
        how_decided, how_judged = self.say("how")
        ranking = replace(self.decision.table(), note=how_decided)
        judged = replace(score_facets(run).table(), note=how_judged)
        load = load_test.table(run)
        of_length = {"lengths": lengths.by_length(run)} if lengths.prefills(run) else {}
        sections = [
            Section("Table", self.card.table(), self.say("costs")),
            Section("Decision", ranking, self.decision.sentences()[1:]),
            Section("Quality", judged, score_facets(run).sentences() + self.ratings.sentences()),
            Section("Highlights", points=sentences.highlights(run) + sentences.acceleration(run)),
            Section("Charts", pictures=charts.for_report(run)),
            Section("Prompt length", pictures=of_length),
            Section("Load", load, self.say("load") if load else (), load_test.for_report(run)),
            Section("Sample answers", points=samples),
            Section("Limits", points=sentences.limits(run)),
            Section("Environment", points=self.say("environment")),
        ]
        return [part for part in sections if part.table or part.points or part.pictures]

    def as_dict(self) -> dict[str, object]:
        """Return the content of `summary.json`."""
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
    run: Run, *, prices: Prices | None = None, quality: str = "facets", **choices
) -> Report:
    """Judge a run and decide.

    `quality` is its source: facets, people or judge. `choices` are those of `selection.decide`:
    limits, weights, good_enough and scenario. Raises UsageError when there is no quality from that
    source, and for a limit, weight or price that makes no sense.
    """
    scores = ratings(run)
    by_source = scores.quality()
    if quality != "facets" and quality not in by_source:
        sources = ", ".join(dict.fromkeys(["facets", *by_source]))
        raise UsageError(
            f"This run has no quality from '{quality}'; it has {sources}. "
            "Score answers in notebook 05, or ask a judge."
        )
    card = Scorecard(run, prices or Prices(), by_source, quality)
    return Report(card, scores, decide(card, **choices))


def write_report(run: Run, **choices) -> Path:
    """Write every file of the report into the run's folder; return the path of the Markdown report.

    These are summary.json, summary.csv, the charts, benchmark_report.md, decision.md and
    report.html. `choices` are those of `make_report`.
    """
    report, folder = make_report(run, **choices), run.folder
    write_json(folder / "summary.json", report.as_dict())
    write_text(folder / "summary.csv", summary_csv(report.card))
    pictures = [section.pictures for section in report.sections]
    pictures.append({"glance": report.front} if report.front else {})
    for name, chart in itertools.chain(*(of.items() for of in pictures)):
        write_bytes(folder / f"{name}.svg", chart.svg)
    for name in ("decision.md", "report.html", "benchmark_report.md"):
        text = templates.render(f"report/{name}.jinja", report=report, dimensions=DIMENSIONS)
        write_text(folder / name, text)
    return folder / "benchmark_report.md"


def summary_csv(card: Scorecard) -> str:
    """Return a scorecard as CSV, a line for each model; no cell is a formula to a spreadsheet."""
    rows = pd.DataFrame(card.rows, dtype=object)
    rows = rows.map(lambda cell: sanitize_for_csv(cell) if isinstance(cell, str) else cell)
    columns = sorted(rows.columns, key=lambda name: name in TEXTS)
    return rows.to_csv(columns=columns, index=False, lineterminator="\n")
