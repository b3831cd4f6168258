"""Turn a scorecard into a decision: limits first, then weights, then how firm the choice is."""

import html
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Literal

from ..common.show import Table, join_words
from ..common.templates import paragraph, sentences
from ..measure.record import Run
from ..quality.references import RULES
from .limits import Evidence, Limits, Violation, binding_limit, check, collect
from .scenario import Scenario, load_scenario
from .scorecard import Scorecard
from .scoring import (
    PROMPTS_NEEDED,
    Contest,
    Stability,
    TippingPoint,
    make_contest,
    of_100,
    settle_ties,
    stability,
    tipping_point,
)

Obstacle = Literal["", "unjudged", "too few", "rules"]


@dataclass(frozen=True)
class Option:
    """Hold one model's `values` and `scores` (0 to 1) by dimension, and its weighted `total`.

    `out` says why it is out. `doubts` has what the data cannot tell about it: a limit that it may
    or may not meet.
    """

    model: str
    values: Mapping[str, float | None] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    total: float | None = None
    out: str = ""
    broken: tuple[Violation, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Decision:
    """Say which model wins, why, how firmly, and what would change it; it shows itself.

    `options` come best first, those that are out at the end. `obstacle` says why no model is the
    default although some are left: nothing was judged, too few prompts, or rules come first.
    `next_step` then has the answer and, after it, why and what to do. `settled` has the words of
    what settled a tie.
    """

    options: tuple[Option, ...]
    scenario: Scenario
    weights: Mapping[str, float]
    source: str
    notes: tuple[str, ...] = ()
    stability: Stability | None = None
    flip: TippingPoint | None = None
    obstacle: Obstacle = ""
    next_step: tuple[str, ...] = ()
    settled: str = ""
    n: int = 0

    @property
    def limits(self) -> Limits:
        """Return the hard limits."""
        return self.scenario.limits

    @property
    def left(self) -> list[Option]:
        """Return the options that are not out, best first."""
        return [option for option in self.options if not option.out]

    @property
    def winner(self) -> Option | None:
        """Return the default; None where there is no decision, or no model to choose."""
        return None if self.obstacle or not self.left else self.left[0]

    @property
    def tied(self) -> list[str]:
        """Return the models that the data cannot tell from the first, with it; else none."""
        n = len(self.tied_with) + 1 if self.settled else 0
        return [option.model for option in self.options[:n]]

    @property
    def tied_with(self) -> tuple[str, ...]:
        """Return the models that the data cannot tell from the one with the highest total."""
        return self.stability.tied_with if self.stability else ()

    @property
    def answer(self) -> str:
        """Return the decision in one or two sentences, with the next step where there is none."""
        return paragraph("decision/answer.jinja", decision=self)

    @property
    def headline(self) -> str:
        """Return the answer without the next step."""
        return self.next_step[0] if self.next_step else self.answer

    @property
    def reason(self) -> str:
        """Say what the winner is best at, and where it loses most; or why there is none."""
        return paragraph("decision/reason.jinja", decision=self)

    @property
    def confidence(self) -> str:
        """Say how sure the choice is."""
        if self.winner is None:
            return ""
        return paragraph("decision/confidence.jinja", decision=self, of_100=of_100)

    @property
    def change(self) -> str:
        """Say what would change the decision."""
        return paragraph("decision/change.jinja", decision=self) if self.winner else ""

    @property
    def why_not(self) -> list[str]:
        """Say of each other model why it did not win."""
        return sentences("decision/why_not.jinja", decision=self)

    def sentences(self) -> list[str]:
        """Return all findings, the answer first."""
        first = [self.headline, self.reason, self.confidence, self.change]
        return [sentence for sentence in (*first, *self.why_not, *self.notes) if sentence]

    def table(self) -> Table:
        """Return a row for each model, best first: total, how far behind the first, and scores."""
        leads = self.stability.leads if self.stability else {}
        shares = [f"{d} ({100 * w:.3g} %)" for d, w in self.weights.items()]
        rows = [
            [
                "out" if option.out else place,
                *(option.model, option.total),
                paragraph("decision/behind.jinja", lead=leads.get(option.model)) or None,
                *(option.scores.get(d) for d in self.weights),
            ]
            for place, option in enumerate(self.options, 1)
        ]
        return Table(("place", "model", "total", "behind (interval)", *shares), rows)

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
            "scenario": self.scenario.model_dump(mode="json"),
            "options": options,
        }

    def __str__(self) -> str:
        return "\n".join([*self.sentences(), "", str(self.table())])

    def _repr_html_(self) -> str:
        points = "".join(f"<li>{html.escape(line)}</li>" for line in self.sentences()[1:])
        answer = f"<p><strong>{html.escape(self.headline)}</strong></p>"
        return f"{answer}<ul>{points}</ul>{self.table()._repr_html_()}"


def decide(
    run: Run | Scorecard,
    limits: Limits | Mapping | None = None,
    weights: Mapping[str, float | str] | None = None,
    good_enough: Mapping[str, float | str] | None = None,
    *,
    scenario: Scenario | str | os.PathLike | None = None,
    seed: int = 0,
) -> Decision:
    """Choose a model from a finished run, or a Scorecard (for prices, or other quality).

    `limits`, `weights` and `good_enough` go before those of `scenario`, by default the file
    `data/limits.toml`; {} as `good_enough` sets none. `seed` is for resampling. Raises UsageError.
    """
    card = run if isinstance(run, Scorecard) else Scorecard(run)
    machine = card.run.info.environment.machine
    rules = load_scenario(scenario).changed(limits, weights, good_enough, machine)
    evidence = collect(card)
    options = [_option(model, evidence, rules.limits, card) for model in evidence]
    out, left = [o for o in options if o.out], [o for o in options if not o.out]
    rows = {option.model: evidence[option.model].row for option in left}
    unseen = [model for model, row in rows.items() if row.get("contradicted") is None]
    hosts = dict.fromkeys(evidence[model].host for model in rows)
    about = {"limits": rules.limits, "unseen": unseen, "hosts": list(filter(None, hosts))}
    notes = tuple(sentences("decision/notes.jinja", **about))
    if not left or all(row["quality"] is None for row in rows.values()):
        left.sort(key=lambda option: rows[option.model]["latency_p50_s"] or math.inf)
        found = Decision((*left, *out), rules, {}, card.source, notes)
        return _undecided(found, "unjudged" if left else "", card)
    contest, more = make_contest(card, rows, rules.weights, rules.good_enough)
    firmness = stability(contest, seed)
    ranked, settled = _ranked(contest, firmness, left)
    found = Decision(
        options=(*ranked, *out),
        scenario=rules,
        weights=contest.weights,
        source=card.source,
        notes=(*notes, *more),
        stability=firmness,
        flip=None if settled else tipping_point(contest),
        settled=settled,
        n=contest.n,
    )
    if contest.n < PROMPTS_NEEDED:
        return _undecided(found, "too few", card)
    return _undecided(found, "rules", card) if evidence[ranked[0].model].is_function else found


def _undecided(found: Decision, obstacle: Obstacle, card: Scorecard) -> Decision:
    """Return a decision that names no model, with what stands in its way and what to do next."""
    broken = {option.model: option.broken for option in found.options if option.broken}
    limit, nearest = binding_limit(broken) if broken else ("", "No model answered.")
    step = sentences(
        "decision/next_step.jinja",
        run=card.run.folder.name,
        other_sources=[source for source in card.others if source != card.source],
        obstacle=obstacle,
        first=found.options[0].model,
        row=card.by_model[found.options[0].model],
        left=found.left,
        n=found.n,
        needed=PROMPTS_NEEDED,
        answered=bool(broken),
        limit=limit,
        nearest=nearest,
        rules=[*card.floor.get(RULES, {}).values()],
    )
    return replace(found, obstacle=obstacle, next_step=tuple(step))


def _option(
    model: str, evidence: Mapping[str, Evidence], limits: Limits, card: Scorecard
) -> Option:
    """Return a model as an option that is out, with the limits that it breaks, or that is in."""
    row = evidence[model].row
    if not row["n_ok"]:
        return Option(model, out=f"it did not answer ({row['error'] or row['status']})")
    broken, doubts = check(model, evidence, limits, card)
    words = join_words([violation.words for violation in broken], none="")
    return Option(model, out=words, broken=tuple(broken), doubts=tuple(doubts))


def _ranked(
    contest: Contest, firmness: Stability | None, left: Sequence[Option]
) -> tuple[list[Option], str]:
    """Return the options, best first, and the words of what settled a tie; "" without one."""
    models = [contest.models[place] for place in contest.order]
    settled = ""
    if firmness and firmness.tied_with and contest.n >= PROMPTS_NEEDED:
        tied, settled = settle_ties(contest, [firmness.first, *firmness.tied_with])
        models = [*tied, *(model for model in models if model not in tied)]
    scores = dict(zip(contest.weights, contest.scores().tolist(), strict=True))
    options = []
    for model in models:
        place = contest.models.index(model)
        values = {d: contest.values[d][place].item() for d in contest.weights}
        options.append(
            Option(
                model=model,
                values={d: None if value != value else value for d, value in values.items()},
                scores={d: scores[d][place] for d in scores},
                total=float(contest.totals[place]),
                doubts=left[place].doubts,
            )
        )
    return options, settled
