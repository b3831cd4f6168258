"""Tell whether facets, people and judges agree, by rank correlation and weighted kappa.

Spearman's correlation asks whether two sources order the answers alike. Quadratic weighted kappa
(Cohen, 1968) asks whether they give the same score, so it also notices that one is stricter. Facets
count as 1 + 4 x quality on the scale of 1 to 5, rounded for kappa. Intervals are percentile
bootstraps over answers, and need 10 of them.
"""

import warnings
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path

import numpy as np

from ..common.show import Shown, Table
from ..common.templates import sentences
from ..measure.record import Run
from ..timing.intervals import Estimate
from . import facets
from .answers import Key, distinct, mean_by_prompt
from .model_judge import JudgeResult, read_judges
from .people import Annotation, for_run

ANSWERS_NEEDED = 10
RESAMPLES = 2000
Scores = Mapping[Key, float]  # from 1 to 5


@dataclass(frozen=True)
class Agreement:
    """Say how two sources agree on the `n` answers that both scored; None where it is unknown."""

    one: str
    two: str
    n: int
    spearman: Estimate | None = None
    kappa: Estimate | None = None

    @property
    def shown(self) -> bool:
        """Tell whether the data shows that both order the answers alike: Spearman lies above 0."""
        return bool(self.spearman and self.spearman.low and self.spearman.low > 0)

    def __str__(self) -> str:
        return sentences("quality/pair.jinja", pair=self, needed=ANSWERS_NEEDED)[0]


@dataclass(frozen=True, repr=False)
class Ratings(Shown):
    """Hold all scores of a run's answers, by source."""

    run: Run
    annotations: tuple[Annotation, ...] = ()
    judges: tuple[JudgeResult, ...] = ()

    @cached_property
    def raters(self) -> dict[str, dict[Key, float]]:
        """Return each rater's scores of answers that this run holds; the last line counts."""
        scores: dict[str, dict[Key, float]] = defaultdict(dict)
        for annotation in self.annotations:
            if annotation.key in self._held:
                scores[annotation.rater][annotation.key] = annotation.score
        return dict(scores)

    @cached_property
    def sources(self) -> dict[str, Scores]:
        """Return the scores of facets, of people (the mean of all raters) and of each judge."""
        people = defaultdict(list)
        for scores in self.raters.values():
            for key, score in scores.items():
                people[key].append(score)
        shares = facets.score_facets(self.run).shares
        sources: dict[str, Scores] = {"facets": {key: 1 + 4 * shares[key] for key in shares}}
        if people:
            sources["people"] = {key: float(np.mean(scores)) for key, scores in people.items()}
        judges = [judge for judge in self.judges if judge.scores]
        for judge in judges:
            sources["judge" if len(judges) == 1 else f"judge {judge.judge}"] = judge.scores
        return sources

    @cached_property
    def pairs(self) -> list[Agreement]:
        """Compare every two sources, then every two raters."""
        sources = {name: scores for name, scores in self.sources.items() if scores}
        return [
            agreement(one, two, group[one], group[two])
            for group in (sources, self.raters)
            for one, two in combinations(group, 2)
        ]

    def quality(self) -> dict[str, dict[str, dict[str, float]]]:
        """Return source to model to prompt id to quality, 0 to 1, averaged over the rounds."""
        quality = {}
        for source, scores in self.sources.items():
            shares = {key: (score - 1) / 4 for key, score in scores.items()}
            quality[source] = mean_by_prompt(self.run, shares)
        return {source: means for source, means in quality.items() if means}

    def warning(self, source: str = "facets") -> str:
        """Return what to know before this source decides; empty where another is shown to agree."""
        related = [pair for pair in self.pairs if source in (pair.one, pair.two)]
        if any(pair.shown for pair in related):
            return ""
        return sentences("quality/warning.jinja", source=source, pair=next(iter(related), None))[0]

    @property
    def stale(self) -> int:
        """Count scores of this run's models and prompts whose answer this run does not hold."""
        prompts = {prompt for prompt, _ in self._held}
        models = {*self.run.models, ""}
        others = [a for a in self.annotations if a.key not in self._held]
        return sum(a.prompt in prompts and a.model in models for a in others)

    def sentences(self) -> list[str]:
        """Say who agrees, how many judges' replies could be used, and which scores are stale."""
        return sentences("quality/ratings.jinja", ratings=self)

    def table(self) -> Table:
        """Return each model's quality from each source, 0 to 1, over the prompts that it scored."""
        quality = self.quality()
        rows = []
        for model in self.run.models:
            values = [quality.get(source, {}).get(model) for source in self.sources]
            means = [float(np.mean(list(v.values()))) if v else None for v in values]
            rows.append([model, *means])
        counts = [f"{source}: {len(scores)} answers" for source, scores in self.sources.items()]
        return Table(("model", *self.sources), rows, note="; ".join(counts) + ".")

    @cached_property
    def _held(self) -> set[Key]:
        return {answer.key for answer in distinct(self.run)}


def ratings(run: Run, *files: Path) -> Ratings:
    """Collect all scores of a run, also those of `files`. Raises UsageError for a damaged file."""
    return Ratings(run, tuple(for_run(run, *files)), tuple(read_judges(run)))


def agreement(one: str, two: str, ours: Scores, theirs: Scores) -> Agreement:
    """Compare two sources of scores; 95 % intervals need 10 shared answers."""
    from scipy import stats  # slow to import

    shared = sorted(set(ours) & set(theirs))
    n = len(shared)
    x, y = (np.array([scores[key] for key in shared], dtype=float) for scores in (ours, theirs))
    if n < 3 or not np.ptp(x) or not np.ptp(y):
        return Agreement(one, two, n)
    picks = np.random.default_rng(0).integers(0, n, size=(RESAMPLES, n))

    def estimate(statistic: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Estimate:
        value = float(statistic(x[None], y[None])[0])
        if n < ANSWERS_NEEDED:
            return Estimate(value, n=n)
        with warnings.catch_warnings(action="ignore"):  # a resample may have one score only
            low, high = np.nanquantile(statistic(x[picks], y[picks]), [0.025, 0.975])
        return Estimate(value, float(low), float(high), n=n)

    spearman = estimate(lambda a, b: stats.spearmanrho(a, b, axis=1).statistic)
    return Agreement(one, two, n, spearman, estimate(_kappa))


def _kappa(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return 1 - mean((a - b)^2) / the same for independent a and b: Cohen's kappa of each line."""
    a, b = np.floor(x + 0.5), np.floor(y + 0.5)
    expected = (a * a).mean(axis=1) + (b * b).mean(axis=1) - 2 * a.mean(axis=1) * b.mean(axis=1)
    return 1 - ((a - b) ** 2).mean(axis=1) / expected
