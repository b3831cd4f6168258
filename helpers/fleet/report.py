"""Find one default for a fleet: devices x models, limits met, and what two defaults would gain.

A device is the unit: an interval says what other devices drawn like these would give. Each device
is judged by the rules of a single machine. A model's score there is its weighted total, and 0 where
it breaks a limit. What two defaults gain is judged on devices that did not choose them.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..common.errors import UsageError
from ..common.files import write_text
from ..common.show import Shown, Table
from ..common.templates import sentences
from ..decision.limits import BY_LIMIT, check, collect
from ..decision.scenario import Scenario, load_scenario
from ..decision.scorecard import Scorecard
from ..decision.scoring import make_contest
from ..measure.record import Run
from ..timing.intervals import Estimate, interval_of_mean

FEWEST, FOLDS, SHOWN, STEPS = 4, 10, 40, 8
ANSWERS = "answers"
FACTS = ("memory_mb", "cores", "architecture", "system")  # by which classes may be formed


class Judged(NamedTuple):
    """Hold a device: facts of its machine, and by model the limits met and the score, 0 to 1."""

    name: str
    machine: Mapping[str, Any]
    met: Mapping[str, Mapping[str, bool]]
    scores: Mapping[str, float]


@dataclass(frozen=True)
class TwoDefaults:
    """Hold two defaults: `model` for devices with `words`, `other` for the rest; and the gain."""

    words: str
    model: str
    other: str
    gain: Estimate


def judge_device(name: str, run: Run, scenario: Scenario) -> Judged:
    """Judge the models of one device's run by its own machine."""
    card, machine = Scorecard(run), run.info.environment.machine
    rules, evidence = scenario.changed(None, None, None, machine), collect(card)
    bounds = [BY_LIMIT[limit] for limit in rules.limits.bounds]
    met: dict[str, dict[str, bool]] = {}
    for model, about in evidence.items():
        met[model] = {ANSWERS: bool(about.row["n_ok"])}
        if met[model][ANSWERS]:
            known = [limit for limit in bounds if about.row.get(limit.column) is not None]
            broken, _ = check(model, evidence, rules.limits, card)
            met[model] |= {limit.label: True for limit in known}
            met[model] |= {one.limit: False for one in broken}
    rows = {model: evidence[model].row for model in met if all(met[model].values())}
    scores = {}
    if rows:
        contest, _ = make_contest(card, rows, rules.weights, rules.good_enough)
        scores = dict(zip(rows, contest.totals.tolist(), strict=True))
    return Judged(name, {**machine, "system": str(machine.get("system")).split()[0]}, met, scores)


class FleetReport(Shown):
    """Compare models over devices. It shows itself as its tables and sentences.

    `models` are in the order of their mean score, best first; `scores` are devices x models.
    """

    def __init__(self, devices: Sequence[Judged], notes: Sequence[str] = ()):
        self.devices, self.notes = devices, notes
        models = list(dict.fromkeys(model for one in devices for model in one.met))
        of_all = [[one.scores.get(model, 0.0) for model in models] for one in devices]
        scores = np.array(of_all).reshape(len(devices), len(models))
        order = np.argsort(-scores.mean(axis=0), kind="stable")
        self.models, self.scores = [models[place] for place in order], scores[:, order]

    @cached_property
    def limits(self) -> dict[str, np.ndarray]:
        """Map each limit, and "all limits", to devices x models: whether it is met there."""
        pairs = [[one.met.get(model, {}) for model in self.models] for one in self.devices]
        names = dict.fromkeys(name for row in pairs for met in row for name in met)
        found = {}
        for name in names:
            met = [[of.get(name, of.get(ANSWERS, False)) for of in row] for row in pairs]
            found[name] = np.array(met)
        return {**found, "all limits": np.logical_and.reduce(list(found.values()))}

    @property
    def best(self) -> str | None:
        """Return the best single default; None where no model meets all limits anywhere."""
        return self.models[0] if self.scores.any() else None

    @cached_property
    def leads(self) -> dict[str, Estimate]:
        """Return the best default's lead over each other model; the intervals hold together."""
        confidence = 1 - 0.05 / max(len(self.models) - 1, 1)
        gaps = zip(self.models[1:], (self.scores[:, :1] - self.scores[:, 1:]).T, strict=True)
        return {model: _mean(gap, confidence) for model, gap in gaps}

    @cached_property
    def classes(self) -> dict[str, np.ndarray]:
        """Map the words of each way to part the devices in two to a mark for each device."""
        found = {}
        for fact in FACTS:
            values = [one.machine.get(fact) for one in self.devices]
            known = sorted(
                {value for value in values if value is not None}, key=lambda v: (str(type(v)), v)
            )
            for value in known[1 :: max(1, len(known) // STEPS)]:
                number = isinstance(value, (int, float))
                words = f"{fact} of at least {value:,}" if number else f"{fact} {value}"
                marks = [v is not None and (v >= value if number else v == value) for v in values]
                found[words] = np.array(marks)
        return found

    @cached_property
    def two(self) -> TwoDefaults | None:
        """Return the best two defaults by class; None for fewer than 4 devices, or no classes."""
        n = len(self.devices)
        if n < FEWEST or not self.classes:
            return None
        masks, gains = np.stack(list(self.classes.values())), np.zeros(n)
        fold = np.random.default_rng(0).permutation(n) % min(n, FOLDS)
        for number in range(min(n, FOLDS)):
            rest, held = fold != number, fold == number
            split, inside, outside = _choose(self.scores[rest], masks[:, rest])
            picks = np.where(masks[split, held], inside, outside)
            # Against the best single one of all: one that only the rest chose would be worse here.
            gains[held] = self.scores[held, picks] - self.scores[held, 0]
        split, inside, outside = _choose(self.scores, masks)
        words, names = list(self.classes)[split], (self.models[inside], self.models[outside])
        return TwoDefaults(words, names[0], names[1], _mean(gains))

    def share(self, limit: str, model: str) -> tuple[int, tuple[float, float]]:
        """Return on how many devices a model meets a limit, and the interval of that share.

        It is the exact one at 95 % (Clopper and Pearson, 1934).
        """
        from scipy import stats  # slow to import

        met = int(self.limits[limit][:, self.models.index(model)].sum())
        exact = stats.binomtest(met, len(self.devices)).proportion_ci(0.95, "exact")
        return met, (exact.low, exact.high)

    def table(self) -> Table:
        """Show the limits and the share of the fleet that meets each, by model, with intervals."""
        n = len(self.devices)
        rows: list[list[object]] = []
        for limit in self.limits:
            shares = [self.share(limit, model) for model in self.models]
            rows.append(
                [limit, *(f"{k} of {n} ({100 * a:.0f}-{100 * b:.0f} %)" for k, (a, b) in shares)]
            )
        rows.append(["mean score", *self.scores.mean(axis=0).tolist()])
        return Table(("limit", *self.models), rows)

    def by_device(self) -> Table:
        """Show each model's score on each device, or the limits that it breaks there."""
        rows = []
        for one, scores in zip(self.devices[:SHOWN], self.scores, strict=False):
            cells: list[str] = []
            for model, score in zip(self.models, scores, strict=True):
                met = one.met.get(model, {ANSWERS: False})
                broken = [limit for limit, is_met in met.items() if not is_met]
                cells.append(f"out: {', '.join(broken)}" if broken else f"{score:.2f}")
            rows.append([one.name, *cells])
        more = len(self.devices) - SHOWN
        note = f"The first {SHOWN} devices; {more:,} more are counted." if more > 0 else ""
        return Table(("device", *self.models), rows, note)

    def sentences(self) -> list[str]:
        """Return the best default, how sure it is, what two would gain, and what is missing."""
        return sentences("fleet/report.jinja", report=self, fewest=FEWEST)

    def __str__(self) -> str:
        return f"{self.by_device()}\n\n{super().__str__()}"


def _choose(scores: np.ndarray, masks: np.ndarray) -> tuple[int, int, int]:
    """Return the split with the highest mean score, and the best model inside and outside of it."""
    inside = masks.astype(float) @ scores
    outside = scores.sum(axis=0) - inside
    split = int((inside.max(axis=1) + outside.max(axis=1)).argmax())
    return split, int(inside[split].argmax()), int(outside[split].argmax())


def _mean(gaps: np.ndarray, confidence: float = 0.95) -> Estimate:
    """Return the mean of values from -1 to 1, with Student's interval.

    Where all are alike there is no spread to go by, so the bound towards 0 is that of the worst
    case: the devices that were not seen are all on the other side.
    """
    n, mean = len(gaps), float(gaps.mean())
    if n < FEWEST:
        return Estimate(mean, n=n, confidence=confidence)
    low, high = interval_of_mean(gaps, confidence=confidence)
    if mean and np.ptp(gaps) == 0:
        unseen = 1 - ((1 - confidence) / 2) ** (1 / n)
        worst = mean * (1 - unseen) - np.sign(mean) * unseen
        low, high = sorted((mean, float(worst)))
    return Estimate(mean, low, high, confidence, n)


def report_fleet(folder: Path, limits: str | os.PathLike | None = None) -> FleetReport:
    """Read an experiment's folder, write fleet.md into it, and return the report."""
    scenario, devices, notes = load_scenario(limits), [], []
    for path in sorted(folder.glob("*/run.json")):
        try:
            devices.append(judge_device(path.parent.name, Run(path.parent), scenario))
        except UsageError as error:  # it must not hide the others
            notes.append(f"{path.parent.name} is passed over: {error}")
    if not devices:
        raise UsageError(
            f"{folder} holds no run of a device; give the folder that `fleet run` printed."
        )
    record = folder / "fleet.json"
    known = json.loads(record.read_text(encoding="utf-8"))["devices"] if record.is_file() else []
    notes += [
        f"{one['name']} has no run ({one['state']})." for one in known if one["state"] != "done"
    ]
    report = FleetReport(devices, notes)
    parts = [report.by_device().to_markdown(), report.table().to_markdown(), *report.sentences()]
    write_text(folder / "fleet.md", "\n\n".join(parts) + "\n")
    return report
