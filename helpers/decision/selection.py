"""From a scorecard to a decision: limits first, then weights, then how much of it would survive other prompts and other weights.

Six dimensions, those of the session. Each model gets 0 to 1 in each: the best model's value over its own (its own over the best's where more is
better), so 0.5 is "half as good as the best". A value that is good `enough` takes the best's place, and better than enough counts as 1. The total
is the weighted mean. Latency and throughput are geometric means over prompts of each prompt's median, quality the mean over prompts, so that all
three can be resampled by prompt; the licence is 1 when it is permissive, 0.5 when another, 0 when unknown.
"""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..common.errors import UsageError
from ..common.show import Table, format_cell, join_words
from ..measure.record import Run
from .scorecard import Scorecard

# For one person who waits for a summary and reads it: below a second a wait is hardly felt (Nielsen, 1993), and 20 tokens/s is
# about three times the speed of reading. Beyond that, faster is no reason to accept worse answers.
ENOUGH = {"latency": 1.0, "throughput": 20.0}
WEIGHTS = {
    "latency": 20.0,
    "throughput": 10.0,
    "memory": 10.0,
    "quality": 40.0,
    "disk": 10.0,
    "licence": 10.0,
}
DIMENSIONS = tuple(WEIGHTS)
UNITS = {"latency": "s", "throughput": "tokens/s", "memory": "MB", "disk": "MB"}
LESS_IS_BETTER = ("latency", "memory", "disk")
BY_PROMPT = ("latency", "throughput", "quality")
COLUMNS = {"memory": "memory_mb", "disk": "disk_mb"}
PERMISSIVE = r"(?i)(mit|apache|bsd|isc|unlicense|cc0|cc-by-4)"
RESAMPLES = 2000
SPREAD = (
    50  # Dirichlet concentration: a weight of 40 % varies with a standard deviation of 7 points
)
PROMPTS_NEEDED = 5
QUESTION = "Which small model should be the default for summarising meeting notes offline on this hardware?"
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Limits(BaseModel):
    """Hard limits. A model that breaks one, or for which it cannot be checked, is out."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_p95_s: NotNegative | None = None
    max_memory_mb: NotNegative | None = None
    max_disk_mb: NotNegative | None = None
    min_quality: Annotated[float, Field(ge=0, le=1)] | None = None
    licenses: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return "; ".join(
            _bound(name, value) for name, value in self.model_dump(exclude_none=True).items()
        )


# Limit to the column that it looks at, its name and its unit.
LIMITED = {
    "max_p95_s": ("latency_p95_s", "p95 latency", " s"),
    "max_memory_mb": ("memory_mb", "memory", " MB"),
    "max_disk_mb": ("disk_mb", "disk", " MB"),
    "min_quality": ("quality", "quality", ""),
    "licenses": ("license", "licence", ""),
}


@dataclass(frozen=True)
class Violation:
    """A limit that a model breaks, in words, and by how much, as a share of the limit; infinite when it cannot be said."""

    limit: str
    words: str
    excess: float


@dataclass(frozen=True)
class Option:
    """One model on the table. `values` and `scores` (0 to 1) are by dimension; `wins` is the share of resamples in which it comes first."""

    model: str
    values: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    total: float | None = None
    wins: float | None = None
    out: str = ""
    broken: tuple[Violation, ...] = ()


@dataclass(frozen=True)
class TippingPoint:
    """The smallest change of one weight, the others shrinking or growing in proportion, that puts another model first."""

    dimension: str
    share: float
    to: float
    winner: str

    def __str__(self) -> str:
        change = f"{'rose' if self.to > self.share else 'fell'} from {100 * self.share:.3g} % to {100 * self.to:.3g} %"
        return f"If the weight of {self.dimension} {change}, the others in proportion, {self.winner} would come first."


@dataclass(frozen=True)
class Stability:
    """Shares of resamples in which the winner stays: with other prompts, other weights, both. `close`: models that `n` prompts cannot tell from it."""

    prompts: float
    weights: float
    both: float
    tied_with: tuple[str, ...]
    n: int

    def __str__(self) -> str:
        if not self.n:
            return f"It does not depend on the prompts, and stays first in {_hundred(self.weights)} of 100 draws of other weights."
        few = (
            f" With {self.n} prompts that is little to go by: below {PROMPTS_NEEDED} nothing is told apart."
            if self.n < PROMPTS_NEEDED
            else ""
        )
        return (
            f"It stays first in {_hundred(self.prompts)} of 100 resamples of the {self.n} prompts, in {_hundred(self.weights)} of 100 draws of other "
            f"weights, and in {_hundred(self.both)} of 100 when both vary.{few}"
        )


@dataclass(frozen=True)
class Decision:
    """Who wins, why, how surely, and what would change it: `options` best first, those that are out at the end. Shows itself."""

    options: tuple[Option, ...]
    limits: Limits
    weights: Mapping[str, float]
    good_enough: Mapping[str, float]
    source: str
    notes: tuple[str, ...] = ()
    stability: Stability | None = None
    flip: TippingPoint | None = None
    question: str = QUESTION

    @property
    def winner(self) -> Option | None:
        """The best of the models that meet the limits."""
        return next((option for option in self.options if not option.out), None)

    @property
    def tied_with(self) -> tuple[str, ...]:
        """The models that the data cannot tell from the winner."""
        return self.stability.tied_with if self.stability else ()

    @property
    def answer(self) -> str:
        """The decision in one sentence."""
        if self.winner is None:
            return f"No model can be the default. {self.binding_limit}"
        if self.stability is None:
            return f"{self.winner.model} is the default: it is the only model left to choose from."
        if self.tied_with:
            all_others = (
                2 < len(self.tied_with) + 1 == sum(not option.out for option in self.options)
            )
            return f"{self.winner.model} is the first choice, but these prompts cannot tell it apart from {'any other' if all_others else join_words(self.tied_with)}."
        return f"{self.winner.model} is the default."

    @property
    def reason(self) -> str:
        """What the winner is best at, and what it gives away."""
        if self.stability is None:
            return ""
        mine, left = (
            self.winner.scores,
            [option.scores for option in self.options if not option.out],
        )
        top = {d: max(scores[d] for scores in left) for d in mine}
        best = [
            d for d in mine if mine[d] == top[d] and any(scores[d] < mine[d] for scores in left)
        ]
        worst = max(mine, key=lambda d: self.weights[d] * (top[d] - mine[d]))
        first = (
            f"Nobody left beats it in {join_words(best)}"
            if best
            else "It is best in nothing alone, and good in everything together"
        )
        return first + (
            f". It gives away most in {worst} ({mine[worst]:.2f} of the best)."
            if top[worst] - mine[worst] > 0.005
            else "."
        )

    @property
    def confidence(self) -> str:
        """How often the winner stays."""
        return str(self.stability or "")

    @property
    def change(self) -> str:
        """What would change the decision."""
        return (
            ""
            if self.stability is None
            else str(self.flip or "No change of a single weight puts another model first.")
        )

    @property
    def binding_limit(self) -> str:
        """When nobody is left: the limit that is hardest to meet, and by how much it is missed."""
        answered = [option for option in self.options if option.broken]
        if not answered:
            return "No model answered."
        nearest = {
            limit: min(
                (b.excess, o.model, b.words) for o in answered for b in o.broken if b.limit == limit
            )
            for limit in LIMITED
            if _in(limit, answered)
        }
        of_all = {
            limit: found
            for limit, found in nearest.items()
            if all(_in(limit, [option]) for option in answered)
        }
        if not of_all:
            option = min(answered, key=lambda o: max(b.excess for b in o.broken))
            return f"Each limit is met by some model, and no model meets all. The nearest is {option.model}: {option.out}."
        limit = max(of_all, key=lambda limit: of_all[limit][0])
        return f"The binding_limit limit is {LIMITED[limit][1]}: of the nearest model, {of_all[limit][1]}, {of_all[limit][2]}."

    @property
    def why_not(self) -> list[str]:
        """Why each of the other models did not win."""
        said = []
        for option in self.options:
            if option.out:
                said.append(f"{option.model} is out: {option.out}.")
            elif option is not self.winner:
                lost = {
                    d: w * (self.winner.scores[d] - option.scores[d])
                    for d, w in self.weights.items()
                }
                worst = max(lost, key=lost.get)
                scores = f"{option.scores[worst]:.2f} against {self.winner.scores[worst]:.2f}"
                said.append(
                    f"{option.model} loses most to {self.winner.model} in {worst} ({scores})."
                )
        return said

    def sentences(self) -> list[str]:
        """All of it, one finding each: the answer first."""
        return [
            line
            for line in (
                self.answer,
                self.reason,
                self.confidence,
                self.change,
                *self.why_not,
                *self.notes,
            )
            if line
        ]

    def table(self) -> Table:
        """One row a model, best first: the total, the scores behind it, and how often the model comes first."""
        headers = (
            "place",
            "model",
            "total",
            *(f"{d} ({100 * w:.3g} %)" for d, w in self.weights.items()),
            "first in",
        )
        rows = [
            [
                "out" if o.out else place,
                o.model,
                o.total,
                *(o.scores.get(d) for d in self.weights),
                o.wins and f"{_hundred(o.wins)} of 100",
            ]
            for place, o in enumerate(self.options, 1)
        ]
        return Table(headers, rows)

    def as_dict(self) -> dict:
        """Everything as plain values, for JSON."""
        said = {
            "winner": self.winner and self.winner.model,
            "cannot_tell_apart_from": self.tied_with,
            "sentences": self.sentences(),
        }
        options = [
            {name: value for name, value in asdict(option).items() if name != "broken"}
            for option in self.options
        ]
        return {
            **said,
            **asdict(self),
            "limits": self.limits.model_dump(exclude_none=True),
            "options": options,
        }

    def __str__(self) -> str:
        return "\n".join([*self.sentences(), "", str(self.table())])

    def _repr_html_(self) -> str:
        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self.sentences()[1:])
        return f"<p><strong>{html.escape(self.answer)}</strong></p><ul>{lines}</ul>{self.table()._repr_html_()}"


def decide(
    run: Run | Scorecard, limits=None, weights=None, good_enough=None, *, seed: int = 0
) -> Decision:
    """Choose a model from a finished run.

    Args:
        run: the run, or its Scorecard (for prices, or another source of quality).
        limits: a mapping with any of max_p95_s, max_memory_mb, max_disk_mb, min_quality (0 to 1), licenses (allowed ones).
        weights: dimension to a number, in any scale; a dimension that is not named counts 0. None: the defaults.
        good_enough: dimension to a value beyond which better does not count. None: 1 s of latency and 20 tokens/s; {}: nothing is enough.
        seed: for resampling.

    Raises UsageError for a limit or weight that makes no sense.
    """
    card = run if isinstance(run, Scorecard) else Scorecard(run)
    limits, weights = make_limits(limits), make_weights(weights)
    good_enough = _checked(
        ENOUGH if good_enough is None else good_enough,
        "enough",
        "a number above 0",
        lambda v: v > 0,
        set(DIMENSIONS) - {"licence"},
    )
    judged = [_against(limits, row, card) for row in card.rows]
    out, left = (
        tuple(option for option in judged if option.out),
        [option.model for option in judged if not option.out],
    )
    if not left:
        return Decision(out, limits, {}, good_enough, card.source)
    matrix, notes = _matrix(card, left)
    weights, shared = _share_out(weights, matrix)
    values = {d: _mean_of(d, matrix[d]) for d in weights}
    scores = np.array(
        [_scored(d, values[d], good_enough.get(d)) for d in weights]
    )  # dimension x model
    totals = np.array(list(weights.values())) @ scores
    order = sorted(range(len(left)), key=lambda i: (-totals[i], left[i]))
    stability, wins = (
        _stability(matrix, weights, good_enough, order[0], left, limits, seed)
        if len(left) > 1
        else (None, [None])
    )
    ranked = tuple(
        Option(
            left[i],
            {d: float(values[d][i]) for d in weights},
            {d: float(scores[k, i]) for k, d in enumerate(weights)},
            float(totals[i]),
            wins[i],
        )
        for i in order
    )
    return Decision(
        ranked + out,
        limits,
        weights,
        good_enough,
        card.source,
        tuple(notes + shared),
        stability,
        _flip(weights, scores, order[0], left),
    )


def make_limits(given) -> Limits:
    """Checked limits from a mapping. Raises UsageError naming the limit and what was expected."""
    if isinstance(given, Limits):
        return given
    try:
        return Limits(**{name: value for name, value in (given or {}).items() if value is not None})
    except ValidationError as error:
        item = error.errors(include_url=False)[0]
        if item["type"] == "extra_forbidden":
            raise UsageError(
                f"There is no limit '{item['loc'][0]}'; there are {', '.join(Limits.model_fields)}."
            ) from None
        raise UsageError(
            f"limit {item['loc'][0]}: {item['msg'].replace('Input should be', 'must be')}, found {item['input']!r:.40}."
        ) from None


def make_weights(given: Mapping[str, float] | None) -> dict[str, float]:
    """Weights by dimension that add up to 1. Raises UsageError for unknown names, negative numbers, and when all are 0."""
    weights = _checked(
        WEIGHTS if given is None else given,
        "weight",
        "a number from 0",
        lambda v: v >= 0,
        set(DIMENSIONS),
    )
    total = sum(weights.values())
    if not total:
        raise UsageError(
            f"All weights are 0, so nothing could be chosen; give at least one of {', '.join(DIMENSIONS)} a number above 0."
        )
    return {d: weights[d] / total for d in DIMENSIONS if weights.get(d)}


def license_score(licence: str | None) -> float:
    """1 for a permissive licence (MIT, Apache, BSD and the like), 0.5 for another, 0 when it is not known."""
    return 0.0 if not licence else 1.0 if re.match(PERMISSIVE, licence) else 0.5


def _checked(given, what: str, expected: str, fits, names: set[str]) -> dict[str, float]:
    found = {}
    for name, value in dict(given).items():
        if name not in names:
            raise UsageError(
                f"There is no {what} '{name}'; there are {', '.join(d for d in DIMENSIONS if d in names)}."
            )
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not np.isfinite(number) or not fits(number):
            raise UsageError(f"{what} of {name}: expected {expected}, found {value!r:.40}.")
        found[name] = number
    return found


def _against(limits: Limits, row: Mapping, card: Scorecard) -> Option:
    """A model as an option that is out, with the limits that it breaks; or one that is in."""
    if not row["n_ok"]:
        return Option(row["model"], out=f"it did not answer ({row['error'] or row['status']})")
    by_prompt = card.by_prompt["quality"][row["model"]]
    row = {**row, "quality": float(np.mean(list(by_prompt.values()))) if by_prompt else None}
    broken = tuple(
        filter(
            None,
            (
                _broken(name, bound, row[LIMITED[name][0]])
                for name, bound in limits.model_dump(exclude_none=True).items()
            ),
        )
    )
    return Option(
        row["model"], out=join_words([b.words for b in broken]) if broken else "", broken=broken
    )


def _broken(limit: str, bound, value) -> Violation | None:
    _, name, unit = LIMITED[limit]
    if limit == "licenses":
        fits = (value or "").casefold() in {licence.casefold() for licence in bound}
        return (
            None
            if fits
            else Violation(limit, f"licence {value or 'unknown'} is not on the list", np.inf)
        )
    if value is None:
        return Violation(limit, f"{_bound(limit, bound)} cannot be checked: not measured", np.inf)
    least = limit.startswith("min")
    if value >= bound if least else value <= bound:
        return None
    excess = abs(value - bound) / bound if bound else np.inf
    by = (
        f"{100 * excess:.3g} % {'under' if least else 'over'}"
        if excess < 1
        else f"{1 + excess:,.3g} times"
        if bound
        else "over"
    )
    return Violation(
        limit,
        f"{name} {format_cell(float(value))}{unit} is {by} the limit of {format_cell(float(bound))}{unit}",
        excess,
    )


def _bound(limit: str, bound) -> str:
    _, name, unit = LIMITED[limit]
    return (
        f"licence one of {', '.join(bound)}"
        if limit == "licenses"
        else f"{name} at {'least' if limit[:3] == 'min' else 'most'} {format_cell(float(bound))}{unit}"
    )


def _in(limit: str, options: Sequence[Option]) -> bool:
    return any(broken.limit == limit for option in options for broken in option.broken)


def _matrix(
    card: Scorecard, models: Sequence[str]
) -> tuple[dict[str, np.ndarray | None], list[str]]:
    """Dimension to values, prompts x models (one line where it does not vary by prompt); None where some model has none."""
    found: dict[str, np.ndarray | None] = {}
    usable = {d: set.intersection(*(set(card.by_prompt[d][m]) for m in models)) for d in BY_PROMPT}
    shared = (
        sorted(set.intersection(*filter(None, usable.values()))) if any(usable.values()) else []
    )
    for d in BY_PROMPT:
        found[d] = (
            np.array([[card.by_prompt[d][m][p] for m in models] for p in shared])
            if usable[d] and shared
            else None
        )
    for d, column in COLUMNS.items():
        values = [card.by_model[m][column] for m in models]
        found[d] = (
            None
            if any(v is None for v in values)
            else np.maximum(np.array([values], dtype=float), 1e-9)
        )
    found["licence"] = np.array([[license_score(card.by_model[m]["license"]) for m in models]])
    total = len(card.run.prompts)
    partly = len(models) > 1 and 0 < len(shared) < total
    note = f"Latency, throughput and quality are compared on the {len(shared)} of {total} prompts for which all models have them."
    return found, [note] if partly else []


def _share_out(weights: dict[str, float], matrix: Mapping) -> tuple[dict[str, float], list[str]]:
    """Weights of what was measured; what was not gives its weight to the others, and it is said."""
    missing = [d for d in weights if matrix[d] is None]
    left = {d: w for d, w in weights.items() if d not in missing}
    if not left:
        raise UsageError(
            f"Nothing to decide by: {join_words(missing)} got all the weight and was not measured for every model."
        )
    notes = [
        f"{d.capitalize()} was not measured for every model: its weight of {100 * weights[d]:.3g} % is shared out among the others."
        for d in missing
    ]
    return {d: w / sum(left.values()) for d, w in left.items()}, notes


def _mean_of(dimension: str, values: np.ndarray) -> np.ndarray:
    """Values over prompts (second axis from the end) to one: geometric for latency and throughput, else the mean."""
    return (
        np.exp(np.log(values).mean(axis=-2))
        if dimension in ("latency", "throughput")
        else values.mean(axis=-2)
    )


def _scored(dimension: str, values: np.ndarray, good_enough: float | None) -> np.ndarray:
    """0 to 1 along the last axis (models): relative to the best, or to what is enough."""
    if dimension == "licence":
        return values
    less = dimension in LESS_IS_BETTER
    best = (
        np.full((*values.shape[:-1], 1), good_enough)
        if good_enough
        else (values.min if less else values.max)(axis=-1, keepdims=True)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = best / values if less else values / best
    return np.minimum(np.nan_to_num(ratio, nan=1.0, posinf=1.0), 1.0)


def _stability(
    matrix, weights, good_enough, first: int, models: Sequence[str], limits: Limits, seed: int
) -> tuple[Stability, list[float]]:
    """How often the winner stays, and the share of first places of each model when prompts and weights vary."""
    rng = np.random.default_rng(seed)
    n = next((len(matrix[d]) for d in weights if d in BY_PROMPT), 0)
    # One prompt fewer than there are: with few prompts a bootstrap of all n is too narrow by (n - 1) / n (Rao and Wu, 1988).
    picks = rng.integers(0, max(n, 1), size=(RESAMPLES, max(n - 1, 1)))
    drawn = [
        _mean_of(d, matrix[d][picks])
        if d in BY_PROMPT
        else np.broadcast_to(matrix[d][0], (RESAMPLES, len(models)))
        for d in weights
    ]
    scores = np.stack(
        [_scored(d, values, good_enough.get(d)) for d, values in zip(weights, drawn, strict=True)]
    )  # dimension x resample x model
    fixed = np.stack([_scored(d, _mean_of(d, matrix[d]), good_enough.get(d)) for d in weights])
    given = np.array(list(weights.values()))
    others = rng.dirichlet(given * SPREAD, size=RESAMPLES)
    by_prompts, by_both = (
        np.einsum("d,drm->rm", given, scores),
        np.einsum("rd,drm->rm", others, scores),
    )
    close = _close(given @ fixed, by_prompts, first, n)
    if limits.min_quality is not None and matrix["quality"] is not None:
        fails = matrix["quality"][picks].mean(axis=1) < limits.min_quality
        by_prompts, by_both = np.where(fails, -1.0, by_prompts), np.where(fails, -1.0, by_both)
    stays = [
        float(np.mean(totals.argmax(axis=1) == first))
        for totals in (by_prompts, others @ fixed, by_both)
    ]
    wins = [float(np.mean(by_both.argmax(axis=1) == i)) for i in range(len(models))]
    return Stability(*stays, tuple(m for i, m in enumerate(models) if i in close), n), wins


def _close(totals: np.ndarray, resampled: np.ndarray, first: int, n: int) -> set[int]:
    """Models whose gap to the winner is within Student's interval: the spread of the resampled gaps, n - 1 degrees of freedom, Bonferroni."""
    from scipy import stats

    gaps, spread = totals[first] - totals, (resampled[:, [first]] - resampled).std(axis=0)
    few = 0 < n < PROMPTS_NEEDED
    reach = stats.t.ppf(1 - 0.025 / (len(totals) - 1), n - 1) if n >= PROMPTS_NEEDED else 0.0
    return {i for i in range(len(totals)) if i != first and (few or gaps[i] <= reach * spread[i])}


def _flip(
    weights: Mapping[str, float], scores: np.ndarray, first: int, models: Sequence[str]
) -> TippingPoint | None:
    """Exact, because totals are linear in the weights: set weight d to v and scale the others by (1 - v) / (1 - w)."""
    found, share = [], np.array(list(weights.values()))
    for i in range(len(models)):
        gap = scores[:, first] - scores[:, i]
        for k, dimension in enumerate(weights):
            if i == first or share[k] >= 1:
                continue
            rest = (share @ gap - share[k] * gap[k]) / (
                1 - share[k]
            )  # the gap that the other dimensions make
            if (
                min(gap[k], rest) < -1e-12
            ):  # else no share of this dimension, from 0 to 1, turns the gap around
                found.append(
                    TippingPoint(
                        dimension, float(share[k]), float(rest / (rest - gap[k])), models[i]
                    )
                )
    return min(found, key=lambda flip: abs(flip.to - flip.share), default=None)


def _hundred(share: float) -> str:
    """A share as so many of 100; only all of them is "all"."""
    return "all" if share == 1 else f"{min(100 * share, 99):.0f}"
