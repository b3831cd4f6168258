"""Score models by dimension, and find out how much the ranking depends on the prompts.

Each model gets 0 to 1 in each dimension: the best model's value over its own (its own over the
best's where more is better), so 0.5 is "half as good as the best". A value that is good enough
takes the best's place, and better than that counts as 1. One that is unknown gets 0. The total is
the weighted mean. What varies by prompt is averaged over prompts, so that these can be resampled.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from ..common.errors import UsageError
from ..common.show import join_words
from ..common.templates import paragraph, sentences
from ..timing.intervals import Estimate
from .limits import DIMENSIONS
from .scorecard import Scorecard

PERMISSIVE = r"(?i)(mit|apache|bsd|isc|unlicense|cc0|cc-by-4)"
RESAMPLES = 2000
PROMPTS_NEEDED = 5
# What settles a tie, in this order, each with the difference below which it settles nothing.
TIE_RULE = {"quality": 0.01, "memory": 0.0, "disk": 0.0, "latency": 0.0}


@dataclass(frozen=True)
class Stability:
    """Say how firm the first place is: `first` has the highest total on `n` prompts.

    `prompts` is the share of resamples in which it stays first. `leads` has its lead over each
    other model, the next one first, with intervals that hold together at 95 %.
    """

    first: str
    prompts: float
    leads: Mapping[str, Estimate]
    n: int

    @property
    def tied_with(self) -> tuple[str, ...]:
        """Return the models that the prompts cannot tell from the first."""
        leads = self.leads.items()
        return tuple(model for model, lead in leads if lead.low is None or lead.low <= 1e-9)


@dataclass(frozen=True)
class TippingPoint:
    """Hold the smallest change of one weight, the others in proportion, that changes the winner."""

    dimension: str
    share: float
    to: float
    winner: str


def of_100(share: float) -> str:
    """Return a share as so many of 100; only the whole is "all"."""
    return f"{'all' if share == 1 else f'{min(100 * share, 99):.0f}'} of 100"


def license_score(license_name: str | None) -> float:
    """Return 1 for a permissive license (MIT, Apache, BSD...), 0.5 for another, 0 if unknown."""
    if not license_name:
        return 0.0
    return 1.0 if re.match(PERMISSIVE, license_name) else 0.5


@dataclass(frozen=True)
class Contest:
    """Hold what a choice is made from: values by dimension, prompts (or one line) x models."""

    models: Sequence[str]
    matrix: Mapping[str, np.ndarray]
    weights: Mapping[str, float]
    good_enough: Mapping[str, float]

    @property
    def n(self) -> int:
        """Return the number of prompts that all models share."""
        return max((len(self.matrix[d]) for d in self.matrix if DIMENSIONS[d].average), default=0)

    @cached_property
    def values(self) -> dict[str, np.ndarray]:
        """Return each model's value by dimension; nan where it is unknown."""
        return {name: average(name, self.matrix[name]) for name in self.matrix}

    @property
    def shares(self) -> np.ndarray:
        """Return the weights as an array."""
        return np.array(list(self.weights.values()))

    @cached_property
    def totals(self) -> np.ndarray:
        """Return the weighted mean of each model's scores."""
        return self.shares @ self.scores()

    @cached_property
    def order(self) -> list[int]:
        """Return the places of the models, best first."""
        places = range(len(self.models))
        return sorted(places, key=lambda place: (-self.totals[place], self.models[place]))

    def scores(self, picks: np.ndarray | None = None) -> np.ndarray:
        """Return scores, dimensions x models; `picks` of prompts put resamples between them."""
        shape = (len(self.models),) if picks is None else (len(picks), len(self.models))
        scores = []
        for name in self.weights:
            values = self.matrix[name]
            if picks is not None and DIMENSIONS[name].average:
                values = values[picks]
            score = _score(name, average(name, values), self.good_enough.get(name))
            scores.append(np.broadcast_to(score, shape))
        return np.stack(scores)


def make_contest(
    card: Scorecard,
    rows: Mapping[str, Mapping],
    weights: Mapping[str, float],
    good_enough: Mapping[str, float],
) -> tuple[Contest, list[str]]:
    """Return what models are compared by, and notes. Raises UsageError when no weight is left.

    `rows` has a row for each. What is unknown for all models gives its weight to the others.
    """
    models = list(rows)
    contest = Contest(models, _matrix(card, rows), weights, good_enough)
    left = {name: weight for name, weight in weights.items() if name in contest.matrix}
    missing = [name for name in weights if name not in left]
    if not left:
        raise UsageError(
            f"There is nothing to decide by: {join_words(missing)} got all the weight "
            "and was not measured for any model."
        )
    unknown = {
        name: [m for m, value in zip(models, contest.values[name], strict=True) if np.isnan(value)]
        for name in left
    }
    notes = sentences(
        "decision/contest_notes.jinja",
        models=len(models),
        shared=contest.n,
        prompts=len(card.run.prompts),
        missing=missing,
        unknown=unknown,
        weights=weights,
    )
    shares = {name: weight / sum(left.values()) for name, weight in left.items()}
    return replace(contest, weights=shares), notes


def _matrix(card: Scorecard, rows: Mapping[str, Mapping]) -> dict[str, np.ndarray]:
    """Return the values of each dimension that any model has; nan where one has none."""
    matrix = {}
    tables = {}
    for name, dimension in DIMENSIONS.items():
        if dimension.average:
            table = pd.DataFrame({m: pd.Series(card.by_prompt[name][m], dtype=float) for m in rows})
            known = table.notna().sum()
            # Few values beside many would leave few prompts that all models share.
            tables[name] = table.mask(np.broadcast_to(2 * known < known.max(), table.shape))
        else:
            values = [row[dimension.column] for row in rows.values()]
            if name == "license":
                values = [license_score(value) if value else None for value in values]
            matrix[name] = np.maximum(np.array([values], dtype=float), 1e-9)
    full = [table.dropna(axis=1, how="all") for table in tables.values()]
    shared = pd.concat(full, axis=1).dropna().index
    if len(shared):
        matrix |= {name: np.array(table.reindex(shared)) for name, table in tables.items()}
    return {name: values for name, values in matrix.items() if not np.isnan(values).all()}


def average(dimension: str, values: np.ndarray) -> np.ndarray:
    """Return the mean over prompts, the second axis from the end."""
    if DIMENSIONS[dimension].average == "geometric":
        return np.exp(np.log(values).mean(axis=-2))
    return values.mean(axis=-2)


def _score(dimension: str, values: np.ndarray, good_enough: float | None) -> np.ndarray:
    """Return 0 to 1 along the last axis (models), relative to the best or to what is enough."""
    if dimension == "license":
        return np.nan_to_num(values)
    lower = DIMENSIONS[dimension].lower_is_better
    best = (np.nanmin if lower else np.nanmax)(values, axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (good_enough or best) / values if lower else values / (good_enough or best)
    score = np.minimum(np.nan_to_num(ratio, nan=1.0, posinf=1.0), 1.0)
    return np.where(np.isnan(values), 0.0, score)


def stability(contest: Contest, seed: int = 0) -> Stability | None:
    """Return how firm the first place is when the prompts, the same for all models, are resampled.

    A model alone has none. An interval is Student's, made of the spread of the resampled leads,
    with n - 1 degrees of freedom and Bonferroni. Below 5 prompts there is none.
    """
    from scipy import special

    first, *others = contest.order
    if not others:
        return None
    varies = any(DIMENSIONS[name].average for name in contest.weights)
    n = contest.n if varies else 0
    # One prompt fewer than there are: with few prompts a bootstrap of all n is too narrow by
    # (n - 1) / n (Rao and Wu, 1988).
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, max(n, 1), size=(RESAMPLES, max(n - 1, 1)))
    totals = np.einsum("d,drm->rm", contest.shares, contest.scores(picks))
    spread = (totals[:, [first]] - totals).std(axis=0)
    confidence = 1 - 0.05 / len(others)
    reach = float(special.stdtrit(n - 1, (1 + confidence) / 2)) if n > 1 else 0.0
    leads = {}
    for place in others:
        lead = float(contest.totals[first] - contest.totals[place])
        half = reach * float(spread[place])
        low, high = (None, None) if 0 < n < PROMPTS_NEEDED else (lead - half, lead + half)
        leads[contest.models[place]] = Estimate(lead, low, high, confidence, n)
    stays = float(np.mean(totals.argmax(axis=1) == first))
    return Stability(contest.models[first], stays, leads, n)


def settle_ties(contest: Contest, models: Sequence[str]) -> tuple[list[str], str]:
    """Return tied models in the order of the rule for ties, and what decided on the first."""
    left, steps = [contest.models.index(model) for model in models], []
    for name, least in TIE_RULE.items():
        if name not in contest.values:
            continue
        lower = DIMENSIONS[name].lower_is_better
        worst = np.inf if lower else -np.inf
        values = np.where(np.isnan(contest.values[name]), worst, contest.values[name])
        best = (min if lower else max)(values[left])
        kept = [p for p in left if values[p] == best or abs(values[p] - best) < least]
        if dropped := [p for p in left if p not in kept]:
            next_best = (min if lower else max)(values[dropped])
            known = float(next_best) if np.isfinite(next_best) else None
            steps.append((DIMENSIONS[name], float(best), known))
        left = kept
    first = min(contest.models[place] for place in left)
    rest = [model for model in models if model != first]
    words = paragraph("decision/settled.jinja", steps=steps, by_name=len(left) > 1)
    return [first, *(settle_ties(contest, rest)[0] if rest else [])], words


def tipping_point(contest: Contest) -> TippingPoint | None:
    """Return the smallest change of one weight that puts another model first; None for none."""
    # Exact, because totals are linear in the weights: one is set to v, the others are scaled by
    # (1 - v) / (1 - w).
    shares, scores, points = contest.shares, contest.scores(), []
    for place, model in enumerate(contest.models):
        gap = scores[:, contest.order[0]] - scores[:, place]
        for k, dimension in enumerate(contest.weights):
            if place == contest.order[0] or shares[k] >= 1:
                continue
            # The gap that the other dimensions make.
            rest = (shares @ gap - shares[k] * gap[k]) / (1 - shares[k])
            # Else no share of this dimension, from 0 to 1, turns the gap around.
            if min(gap[k], rest) < -1e-12:
                to = float(rest / (rest - gap[k]))
                points.append(TippingPoint(dimension, float(shares[k]), to, model))
    return min(points, key=lambda point: abs(point.to - point.share), default=None)
