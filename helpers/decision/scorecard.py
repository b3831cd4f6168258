"""Join all that is known of each model from one run. Tables and decisions start here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from ..common.files import read_toml
from ..common.paths import DATA
from ..common.show import Shown, Table
from ..measure.record import Run
from ..quality import facets
from . import cost
from .cost import Prices


class Column(NamedTuple):
    """Describe a column of the table for people. Its unit may be "s", "money" or nothing."""

    heading: str
    unit: str = ""
    always: bool = False  # else it is left out where no model has a value


COLUMNS = {name: Column(**fields) for name, fields in read_toml(DATA / "columns.toml").items()}
# What fits a screen, with the rest in the report.
GLANCE = (
    *("model", "n_ok", "ttft_p50_s", "latency_p50_s", "latency_p95_s"),
    *("output_tokens_per_s_p50", "memory_mb", "quality"),
)


@dataclass(frozen=True)
class Scorecard(Shown):
    """Hold all rows of a run.

    `source` names the quality that decides: facets, or one of `others` (source to model to prompt
    id to 0 to 1). `references` has what a model must beat and that needs no model, such as a copy
    of the notes: name to prompt id to quality by facets; None: those that the facets know.
    """

    run: Run
    prices: Prices = field(default_factory=Prices)
    others: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    source: str = "facets"
    references: Mapping[str, Mapping[str, float]] | None = None

    @cached_property
    def floor(self) -> Mapping[str, Mapping[str, float]]:
        """Return the references, where quality comes from facets as theirs does."""
        if self.source != "facets":  # not to be compared with people's scores
            return {}
        given = self.references
        return facets.score_facets(self.run).references if given is None else given

    @cached_property
    def rows(self) -> list[dict]:
        """Return the summary of the run with quality and cost, a row for each model."""
        costs, quality = cost.costs(self.run, self.prices), facets.score_facets(self.run)
        answered = self.run.headline[(self.run.headline["status"] == "ok").to_numpy()]
        connect_s = answered.groupby("model", observed=True)["connect_s"].median().dropna()
        rows = []
        for row, scores in zip(self.run.summary, quality.summary, strict=True):
            more = {
                "n": row["n_ok"] + row["n_failed"] + row["n_skipped"],
                "disk_mb": row["disk_mb"] if row["disk_mb"] is not None else row["size_mb"],
                "connect_p50_s": connect_s.get(row["model"]),
            }
            rows.append(row | scores | more | costs[row["model"]])
        return rows

    @cached_property
    def by_model(self) -> dict[str, dict]:
        """Return each model's row."""
        return {row["model"]: row for row in self.rows}

    @cached_property
    def by_prompt(self) -> dict[str, dict[str, Mapping[str, float]]]:
        """Return dimension (latency, throughput, quality) to model to prompt id to value."""
        quality = facets.score_facets(self.run)
        others = self.others.get(self.source, {})
        of_facets = self.source == "facets"
        return {
            "latency": {m: self._medians(m, "latency_s") for m in self.run.models},
            "throughput": {m: self._medians(m, "request_tokens_per_s") for m in self.run.models},
            "quality": {
                model: quality.by_prompt(model) if of_facets else others.get(model, {})
                for model in self.run.models
            },
        }

    def table(self, names: Sequence[str] = (), models: Sequence[str] = ()) -> Table:
        """Return the one table for people, or some of it; in ms where all medians are below 1 s."""
        columns = {
            name: column
            for name, column in COLUMNS.items()
            if name in (names or COLUMNS)
            and (names or column.always or any(row[name] is not None for row in self.rows))
        }
        rows = [self.by_model[model] for model in models or self.by_model]
        fast = all((row["latency_p50_s"] or 0) < 1 for row in rows)
        units = {"": "", "s": ", ms" if fast else ", s", "money": f", {self.prices.currency}"}

        def cell(row: dict, name: str) -> object:
            value = row[name]
            in_ms = fast and COLUMNS[name].unit == "s" and value is not None
            return 1000 * value if in_ms else value

        return Table(
            [column.heading + units[column.unit] for column in columns.values()],
            [[cell(row, name) for name in columns] for row in rows],
            note="p95 needs 20 answered requests and is a dash below that.",
        )

    def _repr_html_(self) -> str:
        return self.table(GLANCE)._repr_html_()

    def costs(self) -> Table:
        """Return energy and cost of 1,000 requests like these, with the source of each figure."""
        money = self.prices.currency
        figures = {
            "model": "model",
            "energy_j_per_request": "J/request",
            "cost_per_1000": f"1,000 here, {money}",
            "cloud_per_1000": f"1,000 in the cloud, {money}",
            "cost_source": "source",
        }
        rows = [[row[name] for name in figures] for row in self.rows]
        note = f"Prices given: {self.prices}." if self.prices.given else ""
        return Table([*figures.values()], rows, note)

    def _medians(self, model: str, metric: str) -> dict[str, float]:
        values = self.run.values(model, metric)
        return {prompt: float(np.median(values[prompt])) for prompt in values}
