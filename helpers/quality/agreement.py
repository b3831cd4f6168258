"""Do facets, people and judges agree? Rank correlation and weighted kappa, with intervals over answers, pair by pair.

Spearman asks whether two order the answers alike; quadratic weighted kappa (Cohen, 1968) whether they give the same score, so it also sees
that one is stricter. Facets count as 1 + 4 x quality on the scale of 1 to 5, rounded for kappa. Intervals are percentile bootstraps over
answers, and need 10 of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np

from ..common.show import Table
from ..measure.record import Run
from . import facets
from .answers import distinct
from .model_judge import JudgeResult, read_judges
from .people import Annotation, for_run

ANSWERS_NEEDED = 10
RESAMPLES = 2000
Scores = Mapping[tuple[str, str], float]
"""(prompt id, answer hash) to a score from 1 to 5."""


@dataclass(frozen=True)
class Agreement:
    """How two sources of scores agree on the `n` answers that both scored. None where it cannot be said."""

    one: str
    two: str
    n: int
    spearman: float | None = None
    spearman_low: float | None = None
    spearman_high: float | None = None
    kappa: float | None = None
    kappa_low: float | None = None
    kappa_high: float | None = None

    @property
    def shown(self) -> bool:
        """Whether the data shows that the two order answers alike: the interval of Spearman's correlation lies above 0."""
        return self.spearman_low is not None and self.spearman_low > 0

    def __str__(self) -> str:
        if self.spearman is None:
            reason = (
                "one of them gives every answer the same score"
                if self.n >= 3
                else "too few answers have both"
            )
            return f"{self.one} and {self.two}: no agreement can be computed from {self.n} answers, {reason}."
        if self.spearman_low is None:
            return f"{self.one} and {self.two}: {self.n} answers are too few to tell whether they agree (it takes {ANSWERS_NEEDED})."
        figures = (
            f"Spearman {self.spearman:.2f}, 95 % interval {self.spearman_low:.2f} to {self.spearman_high:.2f}; "
            f"weighted kappa {self.kappa:.2f}, {self.kappa_low:.2f} to {self.kappa_high:.2f}; {self.n} answers"
        )
        return f"{self.one} and {self.two} {'order the answers alike' if self.shown else 'are not shown to agree'} ({figures})."


@dataclass(frozen=True, repr=False)
class Ratings:
    """Everything that was said of a run's answers, by source; shows itself as a table and sentences."""

    run: Run
    annotations: tuple[Annotation, ...] = ()
    judges: tuple[JudgeResult, ...] = ()
    files: tuple[Path, ...] = field(default=())

    @cached_property
    def raters(self) -> dict[str, Scores]:
        """Rater to scores; the last line counts. Only answers that this run holds."""
        here = set(zip(self._answers["prompt_id"], self._answers["answer"], strict=True))
        found: dict[str, dict] = {}
        for a in self.annotations:
            if (a.prompt, a.answer) in here:
                found.setdefault(a.rater, {})[a.prompt, a.answer] = a.score
        return found

    @cached_property
    def sources(self) -> dict[str, Scores]:
        """facets, people (the mean of all raters) and each judge to its scores."""
        found: dict[str, Scores] = {"facets": self._facets()}
        by_answer: dict[tuple[str, str], list[float]] = {}
        for scores in self.raters.values():
            for key, score in scores.items():
                by_answer.setdefault(key, []).append(score)
        if by_answer:
            found["people"] = {key: float(np.mean(some)) for key, some in by_answer.items()}
        names = [judged.judge for judged in self.judges if judged.scores]
        return found | {
            ("judge" if len(names) == 1 else f"judge {j.judge}"): j.scores
            for j in self.judges
            if j.scores
        }

    @cached_property
    def pairs(self) -> list[Agreement]:
        """Every two sources, then every two raters."""
        between = [
            agreement(a, b, self.sources[a], self.sources[b])
            for a, b in combinations([s for s in self.sources if self.sources[s]], 2)
        ]
        return between + [
            agreement(a, b, self.raters[a], self.raters[b]) for a, b in combinations(self.raters, 2)
        ]

    def quality(self) -> dict[str, dict[str, dict[str, float]]]:
        """Source to model to prompt id to quality, 0 to 1: what decides when a person asks for another source than facets."""
        found: dict[str, dict[str, dict[str, float]]] = {}
        for source, scores in self.sources.items():
            kept: dict[tuple[str, str], list[tuple[float, int]]] = {}
            for row in self._answers.itertuples():
                if (score := scores.get((row.prompt_id, row.answer))) is not None:
                    kept.setdefault((row.model, row.prompt_id), []).append(((score - 1) / 4, row.n))
            for (model, prompt), some in kept.items():
                values, counts = zip(*some, strict=True)
                found.setdefault(source, {}).setdefault(model, {})[prompt] = float(
                    np.average(values, weights=counts)
                )
        return found

    def warning(self, source: str = "facets") -> str:
        """What to know before quality from this source decides anything; empty when another kind of source is shown to agree with it."""
        related = [pair for pair in self.pairs if source in (pair.one, pair.two)]
        if any(pair.shown for pair in related):
            return ""
        if related:
            return (
                f"Quality comes from {source}, and nobody is shown to agree with it. {related[0]}"
            )
        return f"Quality comes from {source} alone: no person and no judge has scored these answers, so how far it can be trusted is not known."

    @property
    def stale(self) -> int:
        """Scores of these models and prompts that belong to answers which this run does not hold."""
        here = set(zip(self._answers["prompt_id"], self._answers["answer"], strict=True))
        prompts, models = {prompt for prompt, _ in here}, {*self.run.models, ""}
        return sum(
            a.prompt in prompts and a.model in models and (a.prompt, a.answer) not in here
            for a in self.annotations
        )

    def sentences(self) -> list[str]:
        """Agreement, what the judges' replies were worth, and scores that no longer fit."""
        said = [str(pair) for pair in self.pairs] + [
            line for judged in self.judges for line in judged.sentences()
        ]
        if not self.raters:
            said.append(
                "No person has scored an answer of this run yet: notebook 05, or python -m helpers annotate."
            )
        if self.stale:
            said.append(
                f"{self.stale} scores are of answers that this run does not hold (they changed since); they do not count."
            )
        return said

    def table(self) -> Table:
        """One row for each model: quality from each source, 0 to 1, over the prompts that it scored."""
        by_source = self.quality()
        means = [
            [_mean(by_source.get(s, {}).get(m, {})) for s in self.sources] for m in self.run.models
        ]
        counts = [f"{s}: {len(scores)} answers" for s, scores in self.sources.items()]
        return Table(
            ("model", *self.sources),
            [[m, *row] for m, row in zip(self.run.models, means, strict=True)],
            note="; ".join(counts) + ".",
        )

    @cached_property
    def _answers(self):
        return distinct(self.run)

    def _facets(self) -> Scores:
        judged = facets.score_facets(self.run)
        expecting = {p.id: p for p in judged.prompts.prompts if p.facets or p.format}
        some = self._answers.drop_duplicates(["prompt_id", "answer"])
        return {
            (row.prompt_id, row.answer): 1 + 4 * value
            for row in some.itertuples()
            if row.prompt_id in expecting
            and (value := facets.score(expecting[row.prompt_id], row.text).quality) is not None
        }

    def __str__(self) -> str:
        return "\n".join([str(self.table()), "", *self.sentences()])

    def _repr_html_(self) -> str:
        import html

        lines = "".join(f"<li>{html.escape(line)}</li>" for line in self.sentences())
        return f"{self.table()._repr_html_()}<ul>{lines}</ul>"


def ratings(run: Run, *files: Path) -> Ratings:
    """Facets, people and judges on one run. `files` are more annotation files beside the usual ones. Raises UsageError for a damaged one."""
    return Ratings(run, tuple(for_run(run, *files)), tuple(read_judges(run)), files)


def agreement(one: str, two: str, ours: Scores, theirs: Scores, seed: int = 0) -> Agreement:
    """Spearman's correlation and quadratic weighted kappa on the answers that both scored, with 95 % intervals from 10 answers on."""
    shared = sorted(set(ours) & set(theirs))
    n = len(shared)
    x, y = (np.array([scores[key] for key in shared], dtype=float) for scores in (ours, theirs))
    if n < 3 or not np.ptp(x) or not np.ptp(y):
        return Agreement(one, two, n)
    figures = [float(_spearman(x[None], y[None])[0]), float(_kappa(x[None], y[None])[0])]
    if n < ANSWERS_NEEDED:
        return Agreement(one, two, n, spearman=figures[0], kappa=figures[1])
    picks = np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, n))
    with np.errstate(invalid="ignore", divide="ignore"):
        bounds = [
            np.nanquantile(f(x[picks], y[picks]), [0.025, 0.975]) for f in (_spearman, _kappa)
        ]
    (s_low, s_high), (k_low, k_high) = bounds
    return Agreement(
        one,
        two,
        n,
        figures[0],
        float(s_low),
        float(s_high),
        figures[1],
        float(k_low),
        float(k_high),
    )


def _spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Row by row: Pearson's correlation of ranks, ties shared."""
    from scipy import stats

    a, b = (stats.rankdata(v, axis=1) for v in (x, y))
    a, b = (v - v.mean(axis=1, keepdims=True) for v in (a, b))
    return (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))


def _kappa(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Row by row: 1 - mean((a - b)^2) / the same if a and b were independent. With quadratic weights that is Cohen's weighted kappa."""
    a, b = np.floor(x + 0.5), np.floor(y + 0.5)
    expected = (a * a).mean(axis=1) + (b * b).mean(axis=1) - 2 * a.mean(axis=1) * b.mean(axis=1)
    return 1 - ((a - b) ** 2).mean(axis=1) / expected


def _mean(values: Mapping[str, float] | Sequence[float]) -> float | None:
    some = list(values.values()) if isinstance(values, Mapping) else list(values)
    return float(np.mean(some)) if some else None
