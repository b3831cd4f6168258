"""Turn a scorecard into a decision: limits first, then weights, then how firm the choice is."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

import numpy as np

from ..common.show import Table, join_words
from ..common.templates import paragraph
from ..measure.record import Run
from .dimensions import make_good_enough, make_weights
from .limits import Limits, Violation, binding_limit, make_limits, violations
from .scorecard import Scorecard
from .scoring import (
    Contest,
    Stability,
    TippingPoint,
    average,
    make_contest,
    of_100,
    stability,
    tipping_point,
)

QUESTION = (
    "Which small model should be the default for summarizing meeting notes offline "
    "on this hardware?"
)


@dataclass(frozen=True)
class Option:
    """Hold one model's `values` and `scores` (0 to 1) by dimension, and its weighted `total`.

    `wins` is the share of resamples in which it comes first. `out` says why it is out.
    """

    model: str
    values: Mapping[str, float] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    total: float | None = None
    wins: float | None = None
    out: str = ""
    broken: tuple[Violation, ...] = ()


@dataclass(frozen=True)
class Decision:
    """Say which model wins, why, how firmly, and what would change it; it shows itself.

    `options` come best first, those that are out at the end.
    """

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
        """Return the best of the models that meet the limits."""
        return next((option for option in self.options if not option.out), None)

    @property
    def tied_with(self) -> tuple[str, ...]:
        """Return the models that the data cannot tell from the winner."""
        return self.stability.tied_with if self.stability else ()

    @property
    def answer(self) -> str:
        """Return the decision in one sentence."""
        broken = {option.model: option.broken for option in self.options if option.broken}
        limit = "" if self.winner else binding_limit(broken)
        return paragraph("decision/answer.jinja", decision=self, binding_limit=limit)

    @property
    def reason(self) -> str:
        """Say what the winner is best at, and where it loses most."""
        if self.stability is None or self.winner is None:
            return ""
        mine = self.winner.scores
        left = [option.scores for option in self.options if not option.out]
        top = {d: max(scores[d] for scores in left) for d in mine}
        bottom = {d: min(scores[d] for scores in left) for d in mine}
        worst = max(mine, key=lambda d: self.weights[d] * (top[d] - mine[d]))
        return paragraph(
            "decision/reason.jinja",
            best=[d for d in mine if mine[d] == top[d] > bottom[d]],
            worst=worst,
            score=mine[worst],
            top=top[worst],
        )

    @property
    def confidence(self) -> str:
        """Say how often the winner stays first."""
        return str(self.stability or "")

    @property
    def change(self) -> str:
        """Say what would change the decision."""
        if self.stability is None:
            return ""
        return str(self.flip or "No change of a single weight puts another model first.")

    @property
    def why_not(self) -> list[str]:
        """Say of each other model why it did not win."""
        return [self._why_not(option) for option in self.options if option is not self.winner]

    def _why_not(self, option: Option) -> str:
        winner = self.winner
        if option.out or winner is None:
            return f"{option.model} is out: {option.out}."
        lost = {d: w * (winner.scores[d] - option.scores[d]) for d, w in self.weights.items()}
        worst = max(lost, key=lambda d: lost[d])
        scores = f"{option.scores[worst]:.2f} against {winner.scores[worst]:.2f}"
        return f"{option.model} loses most to {winner.model} in {worst} ({scores})."

    def sentences(self) -> list[str]:
        """Return all findings, the answer first."""
        first = [self.answer, self.reason, self.confidence, self.change]
        return [sentence for sentence in (*first, *self.why_not, *self.notes) if sentence]

    def table(self) -> Table:
        """Return a row for each model, best first: total, scores, and how often it comes first."""
        shares = [f"{d} ({100 * w:.3g} %)" for d, w in self.weights.items()]
        rows = [
            [
                "out" if option.out else place,
                *(option.model, option.total),
                *(option.scores.get(d) for d in self.weights),
                option.wins and of_100(option.wins),
            ]
            for place, option in enumerate(self.options, 1)
        ]
        return Table(("place", "model", "total", *shares, "first in"), rows)

    def as_dict(self) -> dict:
        """Return everything as plain values, for JSON."""
        options = [asdict(option) for option in self.options]
        for option in options:
            del option["broken"]
        return {
            "winner": self.winner and self.winner.model,
            "cannot_tell_apart_from": self.tied_with,
            "sentences": self.sentences(),
            **asdict(self),
            "limits": self.limits.model_dump(exclude_none=True),
            "options": options,
        }

    def __str__(self) -> str:
        return "\n".join([*self.sentences(), "", str(self.table())])

    def _repr_html_(self) -> str:
        points = "".join(f"<li>{html.escape(line)}</li>" for line in self.sentences()[1:])
        answer = f"<p><strong>{html.escape(self.answer)}</strong></p>"
        return f"{answer}<ul>{points}</ul>{self.table()._repr_html_()}"


def decide(
    run: Run | Scorecard,
    limits: Limits | Mapping | None = None,
    weights: Mapping[str, float | str] | None = None,
    good_enough: Mapping[str, float | str] | None = None,
    *,
    seed: int = 0,
) -> Decision:
    """Choose a model from a finished run.

    Args:
        run: the run, or its Scorecard (for prices, or another source of quality).
        limits: any of max_p95_s (seconds), max_memory_mb, max_disk_mb, min_quality (0 to 1) and
            licenses (the allowed ones).
        weights: dimension to a number, in any scale; a dimension that is not named counts 0.
            None: the defaults.
        good_enough: dimension to a value beyond which better does not count. None: 1 s of latency
            and 20 tokens/s; {}: no such value.
        seed: for resampling.

    Raises UsageError for a limit or weight that makes no sense.
    """
    card = run if isinstance(run, Scorecard) else Scorecard(run)
    bounds, enough = make_limits(limits), make_good_enough(good_enough)
    wanted = make_weights(weights)
    options = [_option(bounds, row, card) for row in card.rows]
    out = tuple(option for option in options if option.out)
    models = [option.model for option in options if not option.out]
    if not models:
        return Decision(out, bounds, {}, enough, card.source)
    contest, notes = make_contest(card, models, wanted, enough)
    firmness, wins = stability(contest, bounds.min_quality, seed)
    return Decision(
        options=(*_ranked(contest, wins), *out),
        limits=bounds,
        weights=contest.weights,
        good_enough=enough,
        source=card.source,
        notes=tuple(notes),
        stability=firmness,
        flip=tipping_point(contest),
    )


def _ranked(contest: Contest, wins: Sequence[float | None]) -> list[Option]:
    values = {d: average(d, contest.matrix[d]).tolist() for d in contest.weights}
    scores = dict(zip(contest.weights, contest.scores().tolist(), strict=True))
    return [
        Option(
            model=contest.models[place],
            values={d: values[d][place] for d in values},
            scores={d: scores[d][place] for d in scores},
            total=float(contest.totals[place]),
            wins=wins[place],
        )
        for place in contest.order
    ]


def _option(limits: Limits, row: Mapping, card: Scorecard) -> Option:
    """Return a model as an option that is out, with the limits that it breaks, or that is in."""
    if not row["n_ok"]:
        return Option(row["model"], out=f"it did not answer ({row['error'] or row['status']})")
    by_prompt = card.by_prompt["quality"][row["model"]]
    quality = float(np.mean(list(by_prompt.values()))) if by_prompt else None
    broken = violations(limits, {**row, "quality": quality})
    return Option(row["model"], out=join_words([v.words for v in broken], none=""), broken=broken)
