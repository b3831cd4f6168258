"""Score models by dimension, and find out how much the ranking depends on prompts and weights.

Each model gets 0 to 1 in each dimension: the best model's value over its own (its own over the
best's where more is better), so 0.5 is "half as good as the best". A value that is good enough
takes the best's place, and better than that counts as 1. The total is the weighted mean. What
varies by prompt is averaged over prompts, so that these can be resampled.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from ..common.errors import UsageError
from ..common.show import join_words
from ..common.templates import paragraph, sentences
from .dimensions import DIMENSIONS
from .scorecard import Scorecard

PERMISSIVE = r"(?i)(mit|apache|bsd|isc|unlicense|cc0|cc-by-4)"
RESAMPLES = 2000
# Dirichlet concentration: a weight of 40 % varies with a standard deviation of 7 points.
SPREAD = 50
PROMPTS_NEEDED = 5


@dataclass(frozen=True)
class Stability:
    """Hold the shares of resamples in which the winner stays first.

    They are drawn with other prompts, with other weights, and with both. `tied_with` has the models
    that `n` prompts cannot tell from the winner.
    """

    prompts: float
    weights: float
    both: float
    tied_with: tuple[str, ...]
    n: int

    def __str__(self) -> str:
        template = "decision/stability.jinja"
        return paragraph(template, stability=self, of_100=of_100, needed=PROMPTS_NEEDED)


@dataclass(frozen=True)
class TippingPoint:
    """Hold the smallest change of one weight, the others in proportion, that changes the winner."""

    dimension: str
    share: float
    to: float
    winner: str

    def __str__(self) -> str:
        return paragraph("decision/tipping_point.jinja", point=self)


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
    """Hold what a choice is made from: `matrix` has values by dimension, prompts x models.

    A dimension that does not vary by prompt has one line.
    """

    models: Sequence[str]
    matrix: Mapping[str, np.ndarray]
    weights: Mapping[str, float]
    good_enough: Mapping[str, float]

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
    models: Sequence[str],
    weights: Mapping[str, float],
    good_enough: Mapping[str, float],
) -> tuple[Contest, list[str]]:
    """Return what models are compared by, and notes.

    A dimension that was not measured for all models gives its weight to the others. Raises
    UsageError when no weight is left.
    """
    matrix, shared = _matrix(card, models)
    left = {name: weight for name, weight in weights.items() if name in matrix}
    missing = [name for name in weights if name not in matrix]
    if not left:
        raise UsageError(
            f"There is nothing to decide by: {join_words(missing)} got all the weight "
            "and was not measured for every model."
        )
    notes = sentences(
        "decision/contest_notes.jinja",
        models=len(models),
        shared=shared,
        prompts=len(card.run.prompts),
        missing=missing,
        weights=weights,
    )
    shares = {name: weight / sum(left.values()) for name, weight in left.items()}
    return Contest(models, matrix, shares, good_enough), notes


def _matrix(card: Scorecard, models: Sequence[str]) -> tuple[dict[str, np.ndarray], int]:
    """Return the values of what was measured for all models, and the number of shared prompts."""
    matrix = {}
    tables = []
    for name, dimension in DIMENSIONS.items():
        values = [card.by_model[model][dimension.column] for model in models]
        if dimension.average:
            table = pd.DataFrame(card.by_prompt[name])[[*models]].dropna()
            if len(table):
                tables.append((name, table))
        elif name == "license":
            matrix[name] = np.array([[license_score(value) for value in values]])
        elif None not in values:
            matrix[name] = np.maximum(np.array([values], dtype=float), 1e-9)
    prompts = [set(table.index) for _, table in tables]
    shared = sorted(set.intersection(*prompts)) if prompts else []
    if shared:
        matrix |= {name: np.ascontiguousarray(table.loc[shared]) for name, table in tables}
    return matrix, len(shared)


def average(dimension: str, values: np.ndarray) -> np.ndarray:
    """Return the mean over prompts, the second axis from the end."""
    if DIMENSIONS[dimension].average == "geometric":
        return np.exp(np.log(values).mean(axis=-2))
    return values.mean(axis=-2)


def _score(dimension: str, values: np.ndarray, good_enough: float | None) -> np.ndarray:
    """Return 0 to 1 along the last axis (models), relative to the best or to what is enough."""
    if dimension == "license":
        return values
    lower = DIMENSIONS[dimension].lower_is_better
    best = (values.min if lower else values.max)(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (good_enough or best) / values if lower else values / (good_enough or best)
    return np.minimum(np.nan_to_num(ratio, nan=1.0, posinf=1.0), 1.0)


def stability(
    contest: Contest, min_quality: float | None = None, seed: int = 0
) -> tuple[Stability | None, list[float | None]]:
    """Return how often the winner stays first, and each model's share of first places.

    Prompts are resampled, the same ones for all models, and weights are drawn around those given.
    A model alone has neither.
    """
    if len(contest.models) == 1:
        return None, [None]
    rng, matrix, first = np.random.default_rng(seed), contest.matrix, contest.order[0]
    n = next((len(matrix[name]) for name in contest.weights if DIMENSIONS[name].average), 0)
    # One prompt fewer than there are: with few prompts a bootstrap of all n is too narrow by
    # (n - 1) / n (Rao and Wu, 1988).
    picks = rng.integers(0, max(n, 1), size=(RESAMPLES, max(n - 1, 1)))
    other_shares = rng.dirichlet(contest.shares * SPREAD, size=RESAMPLES)
    scores, resampled = contest.scores(), contest.scores(picks)
    by_prompts = np.einsum("d,drm->rm", contest.shares, resampled)
    by_both = np.einsum("rd,drm->rm", other_shares, resampled)
    tied = _tied_with(contest.totals, by_prompts, first, n)
    if min_quality is not None and "quality" in matrix:
        fails = matrix["quality"][picks].mean(axis=1) < min_quality
        by_prompts, by_both = (np.where(fails, -1.0, totals) for totals in (by_prompts, by_both))
    prompts_stay, weights_stay, both_stay = (
        float(np.mean(totals.argmax(axis=1) == first))
        for totals in (by_prompts, other_shares @ scores, by_both)
    )
    winners = by_both.argmax(axis=1)
    wins: list[float | None] = [float(np.mean(winners == i)) for i in range(len(contest.models))]
    ties = tuple(model for place, model in enumerate(contest.models) if place in tied)
    return Stability(prompts_stay, weights_stay, both_stay, ties, n), wins


def _tied_with(totals: np.ndarray, resampled: np.ndarray, first: int, n: int) -> set[int]:
    """Return the models whose gap to the winner lies within Student's interval.

    It is made of the spread of the resampled gaps, with n - 1 degrees of freedom and Bonferroni.
    """
    from scipy import special

    others = set(range(len(totals))) - {first}
    if 0 < n < PROMPTS_NEEDED:
        return others
    gaps, spread = totals[first] - totals, (resampled[:, [first]] - resampled).std(axis=0)
    reach = special.stdtrit(n - 1, 1 - 0.025 / len(others)) if n else 0.0
    return {place for place in others if gaps[place] <= reach * spread[place]}


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
