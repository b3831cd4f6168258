"""One row a model: everything that is known of it from one run. Tables, decision and contribution all start here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..common.show import Table
from ..measure.record import Run
from ..quality import facets
from . import cost
from .cost import Prices

# Column to its heading in tables for people; one that no model has is left out, unless it is in ALWAYS.
HEADINGS = {
    "model": "model",
    "status": "status",
    "n_ok": "answered",
    "n": "asked",
    "quality": "quality, 0 to 1",
    "latency_p50_s": "latency p50",
    "latency_mean_s": "latency mean",
    "latency_p95_s": "latency p95",
    "ttft_p50_s": "TTFT p50",
    "ttft_p95_s": "TTFT p95",
    "output_tokens_per_s_p50": "output tokens/s",
    "request_tokens_per_s_p50": "request tokens/s",
    "connect_p50_s": "connecting",
    "load_s": "load",
    "cold_ttft_s": "cold TTFT",
    "memory_mb": "memory, MB",
    "gpu_memory_mb": "GPU memory, MB",
    "disk_mb": "disk, MB",
    "energy_j_per_request": "J a request",
    "cost_per_1000": "1,000 here",
    "cloud_per_1000": "1,000 in the cloud",
    "license": "licence",
}
TIMES = tuple(name for name in HEADINGS if name.endswith("_s") and "per_s" not in name)
ALWAYS = (
    "model",
    "status",
    "n_ok",
    "n",
    "quality",
    "latency_p50_s",
    "ttft_p50_s",
    "output_tokens_per_s_p50",
    "memory_mb",
    "disk_mb",
    "license",
)


@dataclass(frozen=True)
class Scorecard:
    """All rows of a run. `source` is the quality that decides: facets, or one of `others` (source to model to prompt id to 0 to 1)."""

    run: Run
    prices: Prices = field(default_factory=Prices)
    others: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    source: str = "facets"

    @cached_property
    def rows(self) -> list[dict]:
        """The summary of the run with quality and cost, one row a model."""
        costs, joined = cost.costs(self.run, self.prices), []
        medians = self._answered.groupby("model", observed=True)[
            ["connect_s", "request_tokens_per_s"]
        ].median()
        for row, judged in zip(
            self.run.summary, facets.score_facets(self.run).summary, strict=True
        ):
            price = costs[row["model"]]
            seen = medians.loc[row["model"]].dropna() if row["model"] in medians.index else {}
            more = {
                "n": row["n_ok"] + row["n_failed"] + row["n_skipped"],
                "disk_mb": row["disk_mb"] if row["disk_mb"] is not None else row["size_mb"],
                "connect_p50_s": seen.get("connect_s"),
                "request_tokens_per_s_p50": seen.get("request_tokens_per_s"),
                "cost_per_1000": price.here,
                "cloud_per_1000": price.cloud,
                "cost_source": price.source,
            }
            joined.append(row | judged | more)
        return joined

    @cached_property
    def by_model(self) -> dict[str, dict]:
        """Model to its row."""
        return {row["model"]: row for row in self.rows}

    @cached_property
    def by_prompt(self) -> dict[str, dict[str, Mapping[str, float]]]:
        """Dimension (latency, throughput, quality) to model to prompt id to the model's value there."""
        rates = (
            self._answered.groupby(["model", "prompt_id"], observed=True)["request_tokens_per_s"]
            .median()
            .dropna()
        )
        judged = facets.score_facets(self.run)
        found: dict[str, dict] = {"latency": {}, "throughput": {}, "quality": {}}
        for model in self.run.models:
            found["latency"][model] = {
                prompt: float(np.median(some))
                for prompt, some in self.run.values(model, "latency_s").items()
            }
            found["throughput"][model] = rates[model].to_dict() if model in rates.index else {}
            found["quality"][model] = (
                judged.by_prompt(model)
                if self.source == "facets"
                else self.others.get(self.source, {}).get(model, {})
            )
        return found

    def table(self) -> Table:
        """The one table for people. Times are milliseconds where all medians are below a second."""
        columns = [
            name
            for name in HEADINGS
            if name in ALWAYS or any(row[name] is not None for row in self.rows)
        ]
        factor, unit = (
            (1000, "ms")
            if max((row["latency_p50_s"] or 0 for row in self.rows), default=0) < 1
            else (1, "s")
        )
        units = {
            name: f", {unit}"
            if name in TIMES
            else f", {self.prices.currency}"
            if name.endswith("_per_1000")
            else ""
            for name in columns
        }
        rows = [
            [
                row[name] * factor if name in TIMES and row[name] is not None else row[name]
                for name in columns
            ]
            for row in self.rows
        ]
        return Table(
            [HEADINGS[name] + units[name] for name in columns],
            rows,
            note="p95 needs 20 answered requests and is a dash below that.",
        )

    def costs(self) -> Table:
        """Energy and cost of 1,000 requests like these, and where each figure comes from."""
        headers = (
            "model",
            "energy, J a request",
            f"1,000 here, {self.prices.currency}",
            f"1,000 in the cloud, {self.prices.currency}",
            "source",
        )
        names = ("model", "energy_j_per_request", "cost_per_1000", "cloud_per_1000", "cost_source")
        return Table(
            headers,
            [[row[name] for name in names] for row in self.rows],
            note=f"Prices given: {self.prices}." if self.prices.given else "",
        )

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    @cached_property
    def _answered(self):
        """Every answered request that the headline stands for, with request tokens/s (generated tokens / latency)."""
        frame = self.run.headline[(self.run.headline["status"] == "ok").to_numpy()]
        numbers = frame[["completion_tokens", "latency_s", "connect_s"]]
        return frame[["model", "prompt_id"]].assign(
            connect_s=numbers["connect_s"],
            request_tokens_per_s=numbers["completion_tokens"] / numbers["latency_s"],
        )
