"""From a scorecard to a decision: limits first, then weights, then how much of it would survive other prompts and other weights.

Six dimensions, those of the session: latency, throughput, memory, quality, disk, licence. Each model gets 0 to 1 in each:
the best model's value over its own (its own over the best's where more is better), so 0.5 is "half as good as the best".
Where a value is given that is good `enough`, it takes the best's place, and better than enough counts as 1. The total is
the weighted mean. Latency and throughput are geometric means over prompts of each prompt's median, quality the mean over
prompts, so that all three can be resampled by prompt; the licence is 1 when it is permissive, 0.5 when another, 0 when unknown.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import UsageError
from .record import Run
from .scorecard import Scorecard, listed
from .tables import Table, shown

DIMENSIONS = ("latency", "throughput", "memory", "quality", "disk", "licence")
# For one person who waits for a summary and reads it: below a second a wait is hardly felt (Nielsen, 1993), and 20 tokens/s is
# about three times the speed of reading. Beyond that, faster is no reason to accept worse answers.
ENOUGH = {"latency": 1.0, "throughput": 20.0}
WEIGHTS = {"latency": 20.0, "throughput": 10.0, "memory": 10.0, "quality": 40.0, "disk": 10.0, "licence": 10.0}
LESS_IS_BETTER = ("latency", "memory", "disk")
BY_PROMPT = ("latency", "throughput", "quality")
UNITS = {"latency": "s", "throughput": "tokens/s", "memory": "MB", "disk": "MB"}
PERMISSIVE = r"(?i)(mit|apache|bsd|isc|unlicense|cc0|cc-by-4)"
RESAMPLES = 2000
SPREAD = 50  # Dirichlet concentration: a weight of 40 % varies with a standard deviation of 7 points
SURE = 0.95
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
            f"licence one of {', '.join(value)}" if name == "licenses" else f"{_limit_words(name)} {shown(float(value))}{_unit(name)}"
            for name, value in self.model_dump(exclude_none=True).items()
        )


# Limit to the column it looks at.
LIMITED = {"max_p95_s": "latency_p95_s", "max_memory_mb": "memory_mb", "max_disk_mb": "disk_mb", "min_quality": "quality", "licenses": "license"}


@dataclass(frozen=True)
class Broken:
    """A limit that a model breaks. `excess` is by how much, as a share of the limit; None when it cannot be checked or is no number."""

    limit: str
    value: object
    bound: object
    excess: float | None

    def __str__(self) -> str:
        if self.limit == "licenses":
            return f"licence {self.value or 'unknown'} is not on the list"
        if self.value is None:
            return f"{_limit_words(self.limit)} {shown(float(self.bound))}{_unit(self.limit)} cannot be checked: not measured"
        sign = "under" if self.limit.startswith("min") else "over"
        by = f"{sign}" if self.excess is None else f"{100 * self.excess:.3g} % {sign}" if self.excess < 1 else f"{1 + self.excess:,.3g} times"
        return f"{LIMIT_NAMES[self.limit]} {shown(float(self.value))}{_unit(self.limit)} is {by} the limit of {shown(float(self.bound))}{_unit(self.limit)}"


LIMIT_NAMES = {"max_p95_s": "p95 latency", "max_memory_mb": "memory", "max_disk_mb": "disk", "min_quality": "quality", "licenses": "licence"}


def _limit_words(limit: str) -> str:
    return f"{LIMIT_NAMES[limit]} at {'least' if limit.startswith('min') else 'most'}"


def _unit(limit: str) -> str:
    return " s" if limit.endswith("_s") else " MB" if limit.endswith("_mb") else ""


@dataclass(frozen=True)
class Option:
    """One model on the table. `scores` are 0 to 1 by dimension; `wins` is the share of resamples in which it comes first."""

    model: str
    values: Mapping[str, object]
    scores: Mapping[str, float] = field(default_factory=dict)
    total: float | None = None
    wins: float | None = None
    out: tuple[str, ...] = ()
    broken: tuple[Broken, ...] = ()


@dataclass(frozen=True)
class Flip:
    """The smallest change of one weight, the others shrinking or growing in proportion, that puts another model first."""

    dimension: str
    share: float
    to: float
    winner: str

    def __str__(self) -> str:
        change = "rose" if self.to > self.share else "fell"
        return (
            f"If the weight of {self.dimension} {change} from {100 * self.share:.3g} % to {100 * self.to:.3g} %, the others in proportion, "
            f"{self.winner} would come first."
        )


@dataclass(frozen=True)
class Stability:
    """Shares of resamples, 0 to 1, in which the winner stays: with other prompts, with other weights, with both."""

    prompts: float
    weights: float
    both: float
    against: Mapping[str, float]
    n: int

    @property
    def apart(self) -> bool:
        """Whether the prompts that were measured tell the winner from every other model."""
        return self.n >= PROMPTS_NEEDED and all(share >= SURE for share in self.against.values())


@dataclass(frozen=True)
class Decision:
    """Who wins, why, how surely, and what would change it. Shows itself as sentences and a table."""

    options: tuple[Option, ...]
    limits: Limits
    weights: Mapping[str, float]
    enough: Mapping[str, float]
    notes: tuple[str, ...] = ()
    stability: Stability | None = None
    flip: Flip | None = None
    source: str = "facets"
    question: str = QUESTION

    @property
    def ranked(self) -> list[Option]:
        """The models that meet the limits, best first."""
        return [option for option in self.options if not option.out]

    @property
    def winner(self) -> Option | None:
        """The first of them."""
        return next(iter(self.ranked), None)

    @property
    def close(self) -> list[str]:
        """The models that the data cannot tell from the winner."""
        if self.stability is None or self.stability.apart:
            return []
        few = self.stability.n < PROMPTS_NEEDED
        return [model for model, share in self.stability.against.items() if few or share < SURE]

    @property
    def answer(self) -> str:
        """The decision in one sentence."""
        if self.winner is None:
            return f"No model can be the default. {self.tightest}"
        if self.stability is None:
            return f"{self.winner.model} is the default: it is the only model left to choose from."
        if self.close:
            return f"{self.winner.model} is the first choice, but these prompts cannot tell it apart from {listed(self.close)}."
        return f"{self.winner.model} is the default."

    @property
    def reason(self) -> str:
        """What the winner is best at, and what it gives away."""
        if self.winner is None or self.stability is None:
            return ""
        best = [d for d, s in self.winner.scores.items() if s >= max(o.scores[d] for o in self.ranked) and any(o.scores[d] < s for o in self.ranked)]
        worst = min(self.winner.scores, key=lambda d: self.weights[d] * (self.winner.scores[d] - max(o.scores[d] for o in self.ranked)))
        loss = max(o.scores[worst] for o in self.ranked) - self.winner.scores[worst]
        first = f"Nobody left beats it in {listed(best)}" if best else "It is best in nothing alone, and good in everything together"
        return f"{first}. It gives away most in {worst} ({self.winner.scores[worst]:.2f} of the best)." if loss > 0.005 else f"{first}."

    @property
    def sureness(self) -> str:
        """How often the winner stays."""
        if self.stability is None:
            return ""
        s = self.stability
        few = f" With {s.n} prompts that is little to go by: below {PROMPTS_NEEDED} nothing is told apart." if s.n < PROMPTS_NEEDED else ""
        return (
            f"It stays first in {_hundred(s.prompts)} of 100 resamples of the {s.n} prompts, in {_hundred(s.weights)} of 100 draws of other weights, "
            f"and in {_hundred(s.both)} of 100 when both vary.{few}"
        )

    @property
    def change(self) -> str:
        """What would change the decision."""
        if self.stability is None:
            return ""
        return str(self.flip) if self.flip else "No change of a single weight puts another model first."

    @property
    def tightest(self) -> str:
        """When nobody is left: the limit that is hardest to meet, and by how much it is missed."""
        broken = [(o, b) for o in self.options for b in o.broken]
        if not broken:
            return "No model answered."
        nearest: dict[str, tuple[Option, Broken]] = {}
        for option, one in broken:
            if one.limit not in nearest or _size(one) < _size(nearest[one.limit][1]):
                nearest[one.limit] = option, one
        answered = [o for o in self.options if o.broken]
        of_all = [limit for limit in nearest if sum(any(b.limit == limit for b in o.broken) for o in answered) == len(answered)]
        if not of_all:
            option = min(answered, key=lambda o: max(map(_size, o.broken)))
            return (
                f"Each limit is met by some model, and no model meets all. The nearest is {option.model}: {listed([str(b) for b in option.broken])}."
            )
        option, one = nearest[max(of_all, key=lambda limit: _size(nearest[limit][1]))]
        return f"The tightest limit is {LIMIT_NAMES[one.limit]}: of the nearest model, {option.model}, {one}."

    def sentences(self) -> list[str]:
        """All of it, one finding each: the answer first."""
        losers = [f"{o.model} is out: {listed(o.out)}." for o in self.options if o.out]
        return [line for line in (self.answer, self.reason, self.sureness, self.change, *losers, *self.notes) if line]

    def table(self) -> Table:
        """One row a model, best first: the total, the scores behind it, and how often the model comes first."""
        used = list(self.weights)
        headers = ("place", "model", "total", *(f"{d} ({100 * w:.3g} %)" for d, w in self.weights.items()), "first in")
        rows = []
        for place, option in enumerate(self.options, 1):
            if option.out:
                rows.append(["out", option.model, None, *(None for _ in used), None])
            else:
                first = None if option.wins is None else f"{_hundred(option.wins)} of 100"
                rows.append([place, option.model, option.total, *(option.scores[d] for d in used), first])
        return Table(headers, rows)

    def as_dict(self) -> dict:
        """Everything for JSON."""
        return {
            "question": self.question,
            "winner": self.winner and self.winner.model,
            "cannot_tell_apart_from": self.close,
            "sentences": self.sentences(),
            "quality_source": self.source,
            "limits": self.limits.model_dump(exclude_none=True),
            "weights": dict(self.weights),
            "enough": dict(self.enough),
            "stability": self.stability and {k: v if not isinstance(v, Mapping) else dict(v) for k, v in vars(self.stability).items()},
            "flip": self.flip and vars(self.flip),
            "options": [
                {"model": o.model, "total": o.total, "scores": dict(o.scores), "values": dict(o.values), "first": o.wins, "out": list(o.out)}
                for o in self.options
            ],
        }

    def __str__(self) -> str:
        return "\n".join([*self.sentences(), "", str(self.table())])

    def _repr_html_(self) -> str:
        import html

        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self.sentences()[1:])
        return f"<p><strong>{html.escape(self.answer)}</strong></p><ul>{lines}</ul>{self.table()._repr_html_()}"


@dataclass(frozen=True)
class Evidence:
    """What a decision stands on, read once from a scorecard, so that `decide` can be asked again at once with other weights."""

    card: Scorecard

    @cached_property
    def models(self) -> list[str]:
        """The models that answered anything."""
        return [row["model"] for row in self.card.rows if row["n_ok"]]

    @cached_property
    def by_prompt(self) -> dict[str, dict[str, Mapping[str, float]]]:
        """Dimension to model to prompt id to its value."""
        medians = {m: {p: float(np.median(v)) for p, v in self.card.run.values(m, "latency_s").items()} for m in self.models}
        return {
            "latency": medians,
            "throughput": {m: self.card.rate_by_prompt(m) for m in self.models},
            "quality": {m: self.card.quality_by_prompt(m) for m in self.models},
        }

    def decide(self, limits=None, weights=None, enough=None, *, resamples: int = RESAMPLES, seed: int = 0) -> Decision:
        """See `decide`."""
        limits, weights = make_limits(limits), make_weights(weights)
        enough = _checked(ENOUGH if enough is None else enough, "enough", "a number above 0", lambda v: v > 0, set(DIMENSIONS) - {"licence"})
        options = [self._option(row, limits) for row in self.card.rows]
        left = [option for option in options if not option.out]
        out = [option for option in options if option.out]
        if not left:
            return Decision(tuple(out), limits, {}, enough, source=self.card.source)
        matrix, notes = self._matrix([option.model for option in left])
        weights, shared = _share_out(weights, matrix)
        used = list(weights)
        values = {d: _mean_of(d, matrix[d]) for d in used}
        scores = np.array([_scored(d, values[d], enough.get(d)) for d in used])  # dimension x model
        share = np.array(list(weights.values()))
        totals = share @ scores
        order = sorted(range(len(left)), key=lambda i: (-totals[i], left[i].model))
        stability, wins = None, [None] * len(left)
        if len(left) > 1:
            stability, wins = _stability(matrix, weights, enough, order[0], [o.model for o in left], limits, resamples, seed)
        ranked = [
            Option(
                left[i].model,
                {**left[i].values, **{d: float(values[d][i]) for d in used}},
                {d: float(scores[k, i]) for k, d in enumerate(used)},
                float(totals[i]),
                wins[i],
            )
            for i in order
        ]
        flip = _flip(weights, scores, order[0], [o.model for o in left])
        return Decision(tuple(ranked + out), limits, weights, enough, tuple(notes + shared), stability, flip, self.card.source)

    def _option(self, row: dict, limits: Limits) -> Option:
        by_prompt = self.card.quality_by_prompt(row["model"])
        quality = float(np.mean(list(by_prompt.values()))) if by_prompt else None
        seen = {**row, "quality": quality}
        values = {"latency": row["latency_p50_s"], "memory": row["memory_mb"], "disk": row["disk_mb"], "quality": quality, "licence": row["license"]}
        if not row["n_ok"]:
            return Option(row["model"], values, out=(f"it did not answer ({row['error'] or row['status']})",))
        broken = tuple(_broken(limits, seen))
        return Option(row["model"], values, out=tuple(map(str, broken)), broken=broken)

    def _matrix(self, models: list[str]) -> tuple[dict[str, np.ndarray | None], list[str]]:
        """Dimension to values, prompts x models (one line where it does not vary by prompt), or None where a model has none."""
        notes, found = [], {}
        rows = [self.card.by_model[m] for m in models]
        usable = {d: [set(self.by_prompt[d][m]) for m in models] for d in BY_PROMPT}
        usable = {d: set.intersection(*some) for d, some in usable.items()}
        present = [prompts for prompts in usable.values() if prompts]
        shared = sorted(set.intersection(*present)) if present else []
        for d in BY_PROMPT:
            found[d] = np.array([[self.by_prompt[d][m][p] for m in models] for p in shared]) if usable[d] and shared else None
        total = len(self.card.run.info["plan"]["prompts"]["prompts"])
        if shared and len(shared) < total and len(models) > 1:
            notes.append(f"Latency, throughput and quality are compared on the {len(shared)} of {total} prompts for which all models have them.")
        for d, column in (("memory", "memory_mb"), ("disk", "disk_mb")):
            values = [row[column] for row in rows]
            found[d] = None if any(v is None for v in values) else np.maximum(np.array([values], dtype=float), 1e-9)
        found["licence"] = np.array([[licence_score(row["license"]) for row in rows]])
        return {d: found[d] for d in DIMENSIONS}, notes


def decide(run: Run | Scorecard, limits=None, weights=None, enough=None, *, seed: int = 0) -> Decision:
    """Choose a model from a finished run.

    Args:
        run: the run, or its Scorecard (for prices, or another source of quality).
        limits: a mapping with any of max_p95_s, max_memory_mb, max_disk_mb, min_quality (0 to 1), licenses (allowed ones).
        weights: dimension to a number, in any scale; what is not named keeps its default when none is given, else counts 0.
        enough: dimension to a value beyond which better does not count; default 1 s of latency and 20 tokens/s, {} for none.
        seed: for resampling.

    Raises UsageError for a limit or weight that makes no sense.
    """
    return Evidence(run if isinstance(run, Scorecard) else Scorecard(run)).decide(limits, weights, enough, seed=seed)


def make_limits(given) -> Limits:
    """Checked limits from a mapping. Raises UsageError naming the limit and what was expected."""
    if isinstance(given, Limits):
        return given
    try:
        return Limits(**{name: value for name, value in (given or {}).items() if value is not None})
    except ValidationError as error:
        item = error.errors(include_url=False)[0]
        if item["type"] == "extra_forbidden":
            raise UsageError(f"There is no limit '{item['loc'][0]}'; there are {', '.join(Limits.model_fields)}.") from None
        raise UsageError(f"limit {item['loc'][0]}: {item['msg'].replace('Input should be', 'must be')}, found {item['input']!r:.40}.") from None


def make_weights(given: Mapping[str, float] | None) -> dict[str, float]:
    """Weights by dimension that add up to 1. Raises UsageError for unknown names, negative numbers, and when all are 0."""
    weights = _checked(WEIGHTS if given is None else given, "weight", "a number from 0", lambda v: v >= 0, set(DIMENSIONS))
    total = sum(weights.values())
    if not total:
        raise UsageError(f"All weights are 0, so nothing could be chosen; give at least one of {', '.join(DIMENSIONS)} a number above 0.")
    return {d: weights[d] / total for d in DIMENSIONS if weights.get(d)}


def licence_score(licence: str | None) -> float:
    """1 for a permissive licence (MIT, Apache, BSD and the like), 0.5 for another, 0 when it is not known."""
    return 0.0 if not licence else 1.0 if re.match(PERMISSIVE, licence) else 0.5


def _checked(given, what: str, expected: str, fits, names: set[str]) -> dict[str, float]:
    found = {}
    for name, value in dict(given).items():
        if name not in names:
            raise UsageError(f"There is no {what} '{name}'; there are {', '.join(d for d in DIMENSIONS if d in names)}.")
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = float("nan")
        if not np.isfinite(number) or not fits(number):
            raise UsageError(f"{what} of {name}: expected {expected}, found {value!r:.40}.")
        found[name] = number
    return found


def _broken(limits: Limits, row: Mapping) -> list[Broken]:
    found = []
    for limit, bound in limits.model_dump(exclude_none=True).items():
        value = row[LIMITED[limit]]
        if limit == "licenses":
            if (value or "").casefold() not in {name.casefold() for name in bound}:
                found.append(Broken(limit, value, bound, None))
        elif value is None or (value < bound if limit.startswith("min") else value > bound):
            found.append(Broken(limit, value, bound, abs(value - bound) / bound if value is not None and bound else None))
    return found


def _size(broken: Broken) -> float:
    return float("inf") if broken.excess is None else broken.excess


def _share_out(weights: dict[str, float], matrix: Mapping) -> tuple[dict[str, float], list[str]]:
    """Weights of what was measured; what was not gives its weight to the others, and it is said."""
    missing = [d for d in weights if matrix[d] is None]
    left = {d: w for d, w in weights.items() if d not in missing}
    if not left:
        raise UsageError(f"Nothing to decide by: {listed(missing)} got all the weight and was not measured for every model.")
    total = sum(left.values())
    notes = [
        f"{d.capitalize()} was not measured for every model: its weight of {100 * weights[d]:.3g} % is shared out among the others." for d in missing
    ]
    return {d: w / total for d, w in left.items()}, notes


def _mean_of(dimension: str, values: np.ndarray) -> np.ndarray:
    """Values over prompts (second axis from the end) to one: geometric for latency and throughput, else the mean."""
    return np.exp(np.log(values).mean(axis=-2)) if dimension in ("latency", "throughput") else values.mean(axis=-2)


def _scored(dimension: str, values: np.ndarray, enough: float | None) -> np.ndarray:
    """0 to 1 along the last axis (models): relative to the best, or to what is enough."""
    if dimension == "licence":
        return values
    less = dimension in LESS_IS_BETTER
    best = np.full((*values.shape[:-1], 1), enough) if enough else (values.min if less else values.max)(axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = best / values if less else values / best
    return np.minimum(np.nan_to_num(ratio, nan=1.0, posinf=1.0), 1.0)


def _stability(matrix, weights, enough, first: int, models: Sequence[str], limits: Limits, resamples: int, seed: int):
    """(Stability, share of first places of each model when prompts and weights vary)."""
    rng = np.random.default_rng(seed)
    n = next((len(matrix[d]) for d in weights if d in BY_PROMPT), 0)
    # One prompt fewer than there are: with few prompts a bootstrap of all n is too narrow by (n - 1) / n (Rao and Wu, 1988).
    picks = rng.integers(0, max(n, 1), size=(resamples, max(n - 1, 1)))
    layers = []
    for d in weights:
        values = _mean_of(d, matrix[d][picks]) if d in BY_PROMPT else np.broadcast_to(matrix[d][0], (resamples, len(models)))
        layers.append(_scored(d, values, enough.get(d)))
    scores = np.stack(layers)  # dimension x resample x model
    fixed = np.stack([_scored(d, _mean_of(d, matrix[d]), enough.get(d)) for d in weights])
    given = np.array(list(weights.values()))
    drawn = rng.dirichlet(given * SPREAD, size=resamples)
    by_prompts = np.einsum("d,drm->rm", given, scores)
    by_both = np.einsum("rd,drm->rm", drawn, scores)
    if limits.min_quality is not None and matrix["quality"] is not None:
        fails = matrix["quality"][picks].mean(axis=1) < limits.min_quality
        by_prompts, by_both = np.where(fails, -1.0, by_prompts), np.where(fails, -1.0, by_both)
    against = {m: float(np.mean(by_prompts[:, first] > by_prompts[:, i])) for i, m in enumerate(models) if i != first}
    shares = [float(np.mean(totals.argmax(axis=1) == first)) for totals in (by_prompts, drawn @ fixed, by_both)]
    wins = [float(np.mean(by_both.argmax(axis=1) == i)) for i in range(len(models))]
    return Stability(*shares, against, n), wins


def _flip(weights: Mapping[str, float], scores: np.ndarray, first: int, models: Sequence[str]) -> Flip | None:
    """Exact, because totals are linear in the weights: set weight d to v and scale the others by (1 - v) / (1 - w)."""
    found = []
    share = np.array(list(weights.values()))
    for i in range(len(models)):
        gap = scores[:, first] - scores[:, i]
        for k, dimension in enumerate(weights):
            if i == first or share[k] >= 1:
                continue
            rest = (share @ gap - share[k] * gap[k]) / (1 - share[k])  # the gap that the other dimensions make
            if min(gap[k], rest) < -1e-12:  # else no share of this dimension, from 0 to 1, turns the gap around
                found.append(Flip(dimension, float(share[k]), float(rest / (rest - gap[k])), models[i]))
    return min(found, key=lambda flip: abs(flip.to - flip.share), default=None)


def _hundred(share: float) -> str:
    return "all" if share == 1 else f"{min(100 * share, 99):.0f}" if share > 0.5 else f"{100 * share:.0f}"
