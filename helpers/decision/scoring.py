"""Score models by dimension, and find out how much the ranking depends on prompts and weights.

Each model gets 0 to 1 in each dimension: the best model's value over its own (its own over the
best's where more is better), so 0.5 is "half as good as the best". A value that is good enough
takes the best's place, and better than that counts as 1. The total is the weighted mean. Latency
and throughput are geometric means over prompts of each prompt's median and quality is the mean over
prompts, so that all three can be resampled by prompt. The license scores 1 when it is permissive,
0.5 when it is another one, 0 when it is unknown.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..common.errors import UsageError
from ..common.show import join_words
from .dimensions import DIMENSIONS
from .scorecard import Scorecard

PERMISSIVE = r"(?i)(mit|apache|bsd|isc|unlicense|cc0|cc-by-4)"
RESAMPLES = 2000
# Dirichlet concentration: a weight of 40 % varies with a standard deviation of 7 points.
SPREAD = 50
PROMPTS_NEEDED = 5
Matrix = Mapping[str, np.ndarray]
"""Dimension to values, prompts x models (one line where they do not vary by prompt)."""


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
        weights = f"{of_100(self.weights)} draws of other weights"
        if not self.n:
            return f"It does not depend on the prompts, and stays first in {weights}."
        few = (
            f" {self.n} prompts say little: below {PROMPTS_NEEDED}, no two models are told apart."
            if self.n < PROMPTS_NEEDED
            else ""
        )
        return (
            f"It stays first in {of_100(self.prompts)} resamples of the {self.n} prompts, "
            f"in {weights}, and in {of_100(self.both)} when both vary.{few}"
        )


@dataclass(frozen=True)
class TippingPoint:
    """Hold the smallest change of one weight that puts another model first.

    The other weights shrink or grow in proportion.
    """

    dimension: str
    share: float
    to: float
    winner: str

    def __str__(self) -> str:
        moved = "rose" if self.to > self.share else "fell"
        return (
            f"If the weight of {self.dimension} {moved} from {100 * self.share:.3g} % to "
            f"{100 * self.to:.3g} %, the others in proportion, {self.winner} would come first."
        )


def of_100(share: float) -> str:
    """Return a share as so many of 100; only the whole is "all"."""
    return f"{'all' if share == 1 else f'{min(100 * share, 99):.0f}'} of 100"


def license_score(license_name: str | None) -> float:
    """Return 1 for a permissive license (MIT, Apache, BSD...), 0.5 for another, 0 if unknown."""
    if not license_name:
        return 0.0
    return 1.0 if re.match(PERMISSIVE, license_name) else 0.5


def make_matrix(card: Scorecard, models: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return the values of each dimension that was measured for all models, and notes on them."""
    by_prompt = {name: card.by_prompt[name] for name, d in DIMENSIONS.items() if d.average}
    prompts = {
        name: set.intersection(*(set(values[model]) for model in models))
        for name, values in by_prompt.items()
    }
    measured = [name for name in prompts if prompts[name]]
    shared = sorted(set.intersection(*(prompts[name] for name in measured))) if measured else []
    matrix = {}
    for name, dimension in DIMENSIONS.items():
        if name == "license":
            scores = [license_score(card.by_model[model]["license"]) for model in models]
            matrix[name] = np.array([scores])
        elif dimension.average is None:
            values = [card.by_model[model][dimension.column] for model in models]
            if None not in values:
                matrix[name] = np.maximum(np.array([values], dtype=float), 1e-9)
        elif name in measured and shared:
            rows = [[by_prompt[name][model][prompt] for model in models] for prompt in shared]
            matrix[name] = np.array(rows)
    total = len(card.run.info["plan"]["prompts"]["prompts"])
    if len(models) < 2 or not 0 < len(shared) < total:
        return matrix, []
    return matrix, [
        f"Latency, throughput and quality are compared on the {len(shared)} of {total} prompts "
        "for which all models have them."
    ]


def share_out(weights: Mapping[str, float], matrix: Matrix) -> tuple[dict[str, float], list[str]]:
    """Return the weights of what was measured, which get the weight of what was not, and notes."""
    missing = [name for name in weights if name not in matrix]
    left = {name: weight for name, weight in weights.items() if name in matrix}
    if not left:
        raise UsageError(
            f"There is nothing to decide by: {join_words(missing)} got all the weight "
            "and was not measured for every model."
        )
    notes = [
        f"{name.capitalize()} was not measured for every model: its weight of "
        f"{100 * weights[name]:.3g} % is shared out among the others."
        for name in missing
    ]
    return {name: weight / sum(left.values()) for name, weight in left.items()}, notes


def average(dimension: str, values: np.ndarray) -> np.ndarray:
    """Return the mean over prompts, the second axis from the end."""
    if DIMENSIONS[dimension].average == "geometric":
        return np.exp(np.log(values).mean(axis=-2))
    return values.mean(axis=-2)


def score(dimension: str, values: np.ndarray, good_enough: float | None = None) -> np.ndarray:
    """Return 0 to 1 along the last axis (models), relative to the best or to what is enough."""
    if dimension == "license":
        return values
    lower = DIMENSIONS[dimension].lower_is_better
    if good_enough:
        best = np.full((*values.shape[:-1], 1), good_enough)
    else:
        best = (values.min if lower else values.max)(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = best / values if lower else values / best
    return np.minimum(np.nan_to_num(ratio, nan=1.0, posinf=1.0), 1.0)


def score_all(
    matrix: Matrix, weights: Mapping[str, float], good_enough: Mapping[str, float]
) -> np.ndarray:
    """Return the scores of the weighted dimensions, dimensions x models."""
    return np.stack(
        [score(name, average(name, matrix[name]), good_enough.get(name)) for name in weights]
    )


def stability(
    matrix: Matrix,
    weights: Mapping[str, float],
    good_enough: Mapping[str, float],
    first: int,
    models: Sequence[str],
    *,
    min_quality: float | None = None,
    seed: int = 0,
) -> tuple[Stability | None, list[float | None]]:
    """Return how often the model at `first` stays first, and each model's share of first places.

    Prompts are resampled, the same ones for all models, and weights are drawn around those given.
    A model alone has neither.
    """
    if len(models) == 1:
        return None, [None]
    rng = np.random.default_rng(seed)
    n = next((len(matrix[name]) for name in weights if DIMENSIONS[name].average), 0)
    # One prompt fewer than there are: with few prompts a bootstrap of all n is too narrow by
    # (n - 1) / n (Rao and Wu, 1988).
    picks = rng.integers(0, max(n, 1), size=(RESAMPLES, max(n - 1, 1)))
    shares = np.array(list(weights.values()))
    other_shares = rng.dirichlet(shares * SPREAD, size=RESAMPLES)
    scores = score_all(matrix, weights, good_enough)
    resampled = np.stack(
        [
            score(name, average(name, matrix[name][picks]), good_enough.get(name))
            if DIMENSIONS[name].average
            else np.broadcast_to(scores[place], (RESAMPLES, len(models)))
            for place, name in enumerate(weights)
        ]
    )
    by_prompts = np.einsum("d,drm->rm", shares, resampled)
    by_both = np.einsum("rd,drm->rm", other_shares, resampled)
    tied = _tied_with(shares @ scores, by_prompts, first, n)
    if min_quality is not None and "quality" in matrix:
        fails = matrix["quality"][picks].mean(axis=1) < min_quality
        by_prompts, by_both = (np.where(fails, -1.0, totals) for totals in (by_prompts, by_both))
    prompts_stay, weights_stay, both_stay = (
        float(np.mean(totals.argmax(axis=1) == first))
        for totals in (by_prompts, other_shares @ scores, by_both)
    )
    winners = by_both.argmax(axis=1)
    wins: list[float | None] = [float(np.mean(winners == i)) for i in range(len(models))]
    ties = tuple(model for place, model in enumerate(models) if place in tied)
    return Stability(prompts_stay, weights_stay, both_stay, ties, n), wins


def _tied_with(totals: np.ndarray, resampled: np.ndarray, first: int, n: int) -> set[int]:
    """Return the models whose gap to the winner lies within Student's interval.

    It is made of the spread of the resampled gaps, with n - 1 degrees of freedom and Bonferroni.
    """
    from scipy import stats

    others = [place for place in range(len(totals)) if place != first]
    if 0 < n < PROMPTS_NEEDED:
        return set(others)
    gaps, spread = totals[first] - totals, (resampled[:, [first]] - resampled).std(axis=0)
    reach = stats.t.ppf(1 - 0.025 / len(others), n - 1) if n else 0.0
    return {place for place in others if gaps[place] <= reach * spread[place]}


def tipping_point(
    weights: Mapping[str, float], scores: np.ndarray, first: int, models: Sequence[str]
) -> TippingPoint | None:
    """Return the smallest change of one weight that puts another model first; None for none.

    It is exact, because totals are linear in the weights: one weight is set to v and the others are
    scaled by (1 - v) / (1 - w). `scores` are dimensions x models.
    """
    shares = np.array(list(weights.values()))
    points = []
    for place, model in enumerate(models):
        gap = scores[:, first] - scores[:, place]
        for k, dimension in enumerate(weights):
            if place == first or shares[k] >= 1:
                continue
            # The gap that the other dimensions make.
            rest = (shares @ gap - shares[k] * gap[k]) / (1 - shares[k])
            # Else no share of this dimension, from 0 to 1, turns the gap around.
            if min(gap[k], rest) < -1e-12:
                to = float(rest / (rest - gap[k]))
                points.append(TippingPoint(dimension, float(shares[k]), to, model))
    return min(points, key=lambda point: abs(point.to - point.share), default=None)
