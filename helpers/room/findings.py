"""Find what holds across machines: one ratio for each machine, and the machine is the unit.

Rounds and prompts of one machine say nothing about other machines, so each machine counts once,
with the logarithm of its ratio. Student's t over machines gives the interval.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..common import templates
from ..common.show import Shown, Table
from ..timing.intervals import Estimate, interval_of_mean
from ..timing.metrics import METRICS
from .posts import COLUMNS, Machine, RoomFolder

POSSIBLE = (1e-6, 1e7)  # seconds and tokens/s of any machine


@dataclass(frozen=True)
class Finding:
    """Relate one figure of a model to the first model's, over the machines that have both.

    `above` counts the machines with a ratio above 1. The spreads are what the largest machine has,
    divided by the smallest: of the ratio, and of the figure itself.
    """

    model: str
    baseline: str
    metric: str
    estimate: Estimate
    above: int
    ratio_spread: float
    spread: float

    @property
    def verdict(self) -> str:
        """Return the finding in a word or two."""
        low, high = self.estimate.low, self.estimate.high
        if low is None or high is None or low <= 1 <= high:
            return "cannot tell"
        return "faster" if (low > 1) is METRICS[self.metric].more_is_better else "slower"

    def __str__(self) -> str:
        named = {"of": self, "label": METRICS[self.metric].label}
        return templates.paragraph("room/finding.jinja", **named)


@dataclass(frozen=True)
class RoomReport(Shown):
    """Say which verdicts hold in the whole room. Intervals hold together at 95 %."""

    findings: tuple[Finding, ...]
    machines: tuple[Machine, ...]

    def table(self) -> Table:
        """Return one row for each model and figure."""
        rows = []
        for of in self.findings:
            known = [of.estimate.value, of.estimate.low, of.estimate.high, of.estimate.n]
            spreads = [of.ratio_spread, of.spread]
            rows.append([of.model, METRICS[of.metric].label, *known, *spreads, of.verdict])
        headers = ["model", "figure", "ratio", "low", "high", "machines"]
        return Table([*headers, "spread of ratios", "of figures", "verdict"], rows)

    def sentences(self) -> list[str]:
        """Return the verdicts in words, what travels, and notes on machines."""
        return templates.sentences("room/report.jinja", report=self)

    @property
    def lesson(self) -> str:
        """Say, for the latency of the last model, if the ratio travels better than the time."""
        shown = [f for f in self.findings if f.metric == "latency_s" and f.estimate.n > 1]
        return templates.paragraph("room/lesson.jinja", of=shown[-1]) if shown else ""


def report_room(room: RoomFolder) -> RoomReport:
    """Return what the machines of a room say together, so far."""
    (baseline, *others), machines = room.plan.models, tuple(room.machines)
    confidence = 1 - 0.05 / max(len(others) * len(COLUMNS), 1)
    findings = []
    for model, metric in itertools.product(others, COLUMNS):
        own, base = (figures_of(machines, name, metric) for name in (model, baseline))
        values, ratios = own[~np.isnan(own)], own / base
        ratios = ratios[~np.isnan(ratios)]
        estimate, spreads = Estimate(), [np.nan, np.nan]
        if len(ratios):
            logs = np.log(ratios)
            bounds = interval_of_mean(logs, confidence=confidence)
            low, high = (None if bound is None else float(np.exp(bound)) for bound in bounds)
            estimate = Estimate(float(np.exp(logs.mean())), low, high, confidence, len(ratios))
            spreads = [float(of.max() / of.min()) for of in (ratios, values)]
        above = int((ratios > 1).sum())
        findings.append(Finding(model, baseline, metric, estimate, above, *spreads))
    return RoomReport(tuple(findings), machines)


def figures_of(machines: Sequence[Machine], model: str, metric: str) -> np.ndarray:
    """Return one figure of a model for each machine; nan where it was not measured."""
    column, (low, high) = COLUMNS[metric], POSSIBLE
    found = [machine.figures.get(model, {}).get(column) or np.nan for machine in machines]
    return np.array([value if low < value < high else np.nan for value in found])
