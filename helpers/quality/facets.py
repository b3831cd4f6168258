"""Score an answer by expected facets and by what it adds or copies, so that a person can disagree.

An answer gets a list of checks, one for each required facet and one for the form. Quality is the
share that it passes, less what it contradicts or invents, times what is left for copying and
length. The match is by words, not by meaning: a right answer in other words counts as missing.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydantic import ValidationError

from ..common import templates
from ..common.errors import UsageError
from ..common.show import Shown, Table
from ..common.validation import explain
from ..measure.record import Run
from ..models.prompts import AnswerFormat, Prompt, PromptSet
from ..timing import intervals
from .answers import Key, distinct, mean_by_prompt, weighted_mean
from .faithfulness import Faithfulness, check_answer
from .matching import WORDS, outcome
from .matching import find as find
from .references import reference_answers
from .text import count_items, count_sentences, count_words

PROMPTS_NEEDED = 5  # for a verdict
DIFFERENCE, POWER = 0.1, 0.8  # a difference in quality that matters, and how often it shall be seen
SHOWN: dict[str, str] = WORDS["headings"]  # of columns
RARE = ("format_ok", "forbidden_hits")  # shown only where there are any
PARTS = ("invented", "length of notes", "copied", "quality")
UNSUPPORTED = 0.5  # of a check: less than for a contradiction, as a capital may mark no name
FACTS_OF_A_SUMMARY = 3  # from so many checks on, a list of names and days is no answer


@dataclass(frozen=True)
class FacetCheck:
    """Hold one check of an answer: `found` has the words that decided it."""

    name: str
    kind: str  # required, optional, forbidden, form
    passed: bool
    found: str
    contradicted: bool = False

    def __str__(self) -> str:
        verdict = "yes" if self.passed else "contradicted" if self.contradicted else "no"
        return f"{verdict}: {self.found}" if self.found else verdict


@dataclass(frozen=True)
class Score:
    """Hold the checks of one answer, and what it adds to its prompt and takes over from it."""

    checks: Sequence[FacetCheck]
    faithfulness: Faithfulness

    @property
    def quality(self) -> float | None:
        """Return the composed score, 0 to 1; None where the prompt expects nothing.

        Required facets and the form count, and each forbidden facet that the answer names. What is
        missing is not earned; what is contradicted also costs one, and what is unsupported half.
        """
        counted = [check for check in self.checks if check.kind in ("required", "form")]
        named = [c.name for c in self.checks if c.kind == "forbidden" and not c.passed]
        n = len(counted) + len(named)
        if not n:
            return None
        facts: float = sum(check.passed - check.contradicted for check in counted)
        facts -= UNSUPPORTED * len(self.faithfulness.unsupported)
        prose = self.faithfulness.prose if n >= FACTS_OF_A_SUMMARY else 1.0
        return max(0.0, facts / n) * prose * self.faithfulness.own_work

    @property
    def contradicted(self) -> bool:
        """Tell whether the answer contradicts what is expected."""
        return any(check.contradicted for check in self.checks)


def score(prompt: Prompt, answer: str) -> Score:
    """Check one answer against what its prompt expects."""
    checks = []
    for facet in prompt.facets:
        if facet.kind == "forbidden":
            found = find(facet, answer)
            checks.append(FacetCheck(facet.id, facet.kind, found is None, found or ""))
        else:
            word, found = outcome(facet, prompt, answer)
            wrong = word == "contradicted" and facet.kind == "required"
            checks.append(FacetCheck(facet.id, facet.kind, word == "right", found, wrong))
    form = _form_checks(prompt.format or AnswerFormat(), answer)
    return Score(checks + form, check_answer(prompt.text, answer))


@dataclass(frozen=True, repr=False)
class Quality(Shown):
    """Hold the quality of all answers of a run."""

    run: Run
    prompts: PromptSet

    @cached_property
    def scores(self) -> dict[Key, Score]:
        """Return the score of each distinct answer to a prompt that expects something."""
        expecting = {prompt.id: prompt for prompt in self.prompts.prompts if _expects(prompt)}
        return {
            answer.key: score(expecting[answer.prompt], answer.text)
            for answer in distinct(self.run)
            if answer.prompt in expecting
        }

    @cached_property
    def shares(self) -> dict[Key, float]:
        """Return the quality of each distinct answer that has one, 0 to 1."""
        scored = ((key, score.quality) for key, score in self.scores.items())
        return {key: quality for key, quality in scored if quality is not None}

    def by_prompt(self, model: str) -> dict[str, float]:
        """Return the mean quality of a model's answers to each prompt, 0 to 1, by prompt id."""
        return self._means.get(model, {})

    @cached_property
    def _means(self) -> dict[str, dict[str, float]]:
        return mean_by_prompt(self.run, self.shares)

    @cached_property
    def references(self) -> dict[str, dict[str, float]]:
        """Return the quality of answers that need no model, by their name and by prompt id."""
        return {
            name: {prompt: of.quality for prompt, of in scores.items() if of.quality is not None}
            for name, scores in self._reference_scores.items()
        }

    @cached_property
    def _reference_scores(self) -> dict[str, dict[str, Score]]:
        scores: dict[str, dict[str, Score]] = {}
        for prompt in filter(_expects, self.prompts.prompts):
            for name, answer in reference_answers(prompt).items():
                scores.setdefault(name, {})[prompt.id] = score(prompt, answer)
        return scores

    @cached_property
    def summary(self) -> list[dict]:
        """Return a row for each model: mean quality, its 95 % interval, and the checks behind."""
        scored: dict[str, list[tuple[Score, int]]] = {model: [] for model in self.run.models}
        for answer in distinct(self.run):
            if answer.key in self.scores:
                scored[answer.model].append((self.scores[answer.key], answer.n))
        return [_summarize(m, [*self.by_prompt(m).values()], of) for m, of in scored.items()]

    def compare(self) -> list[str]:
        """Compare others with the first model that has answers, at 95 % together (Bonferroni)."""
        first, *others = [model for model in self.run.models if self.by_prompt(model)] or [""]
        return [self._verdict(model, first, 1 - 0.05 / len(others)) for model in others]

    def _verdict(self, model: str, baseline: str, confidence: float) -> str:
        ours, theirs = self.by_prompt(model), self.by_prompt(baseline)
        differences = [ours[prompt] - theirs[prompt] for prompt in ours if prompt in theirs]
        enough = differences if len(differences) >= PROMPTS_NEEDED else []
        bounds = intervals.interval_of_mean(enough, confidence=confidence, within=(-1, 1))
        return templates.sentences(
            "quality/verdict.jinja",
            model=model,
            baseline=baseline,
            confidence=confidence,
            differences=differences,
            bounds=bounds,
            more=prompts_to_settle(differences, confidence),
            difference=DIFFERENCE,
            needed=PROMPTS_NEEDED,
        )[0]

    def sentences(self) -> list[str]:
        """Say which models were taught on texts like these prompts."""
        taught = [model for model in self.run.models if model in self.prompts.taught_on]
        return templates.sentences("quality/taught.jinja", models=taught, name=self.prompts.name)

    def details(self, prompt_id: str) -> Table:
        """Return the checks of each model's first answer. Raises UsageError for a wrong id."""
        prompts = {prompt.id: prompt for prompt in self.prompts.prompts}
        if prompt_id not in prompts:
            raise UsageError(
                f"No prompt is called '{prompt_id}' here; there are {', '.join(prompts)}."
            )
        prompt, columns = prompts[prompt_id], {}
        for answer in distinct(self.run):
            if answer.prompt == prompt_id and answer.model not in columns:
                of = score(prompt, answer.text)
                extra = of.faithfulness
                invented = ", ".join(extra.unsupported) or "nothing"
                parts = [invented, extra.length, extra.copied, of.quality]
                columns[answer.model] = [*map(str, of.checks), *parts]
        expected = [(check.name, check.kind) for check in score(prompt, "").checks]
        names = [*expected, *((part, "every answer") for part in PARTS)]
        rows = [[*name, *parts] for name, *parts in zip(names, *columns.values(), strict=True)]
        note = f"'{prompt_id}' expects nothing in particular: give it facets in prompts.json."
        return Table(("check", "kind", *columns), rows, note="" if expected else note)

    def table(self) -> Table:
        """Return each model's quality and what is behind it, then that of answers without a model.

        The interval is 95 %, over prompts.
        """
        rows = list(self.summary)
        for name, scores in self._reference_scores.items():
            quality = self.references[name]
            answers = [(scores[prompt], 1) for prompt in quality]
            rows.append(_summarize(name, list(quality.values()), answers))
        shown = {n: h for n, h in SHOWN.items() if n not in RARE or any(row[n] for row in rows)}
        cells = []
        for row in rows:
            low, high = row["quality_low"], row["quality_high"]
            interval = None if low is None else f"{low:.2f} to {high:.2f}"
            cells.append([(row | {"quality_low": interval})[name] for name in shown])
        silent = [p.id for p in self.prompts.prompts if not _expects(p)]
        note = f"Not judged, because nothing is expected of them: {', '.join(silent)}."
        return Table([*shown.values()], cells, note=note if silent else "")


def _summarize(name: str, values: Sequence[float], scored: Sequence[tuple[Score, int]]) -> dict:
    """Return a row: the mean over prompts, and what is behind it in scores and their numbers."""
    # Where all prompts agree, a few of them do not show how much others would differ.
    differ = len(set(values)) > 1
    low, high = intervals.interval_of_mean(values if differ else [], within=(0, 1))
    checks = [(check, n) for of, n in scored for check in of.checks]
    faithful = [(of.faithfulness, n) for of, n in scored]
    return {
        "model": name,
        "quality": float(np.mean(values)) if values else None,
        "quality_low": low,
        "quality_high": high,
        "prompts_judged": len(values),
        "facet_recall": weighted_mean((c.passed, n) for c, n in checks if c.kind == "required"),
        "format_ok": weighted_mean((c.passed, n) for c, n in checks if c.kind == "form"),
        "forbidden_hits": sum(n for c, n in checks if c.kind == "forbidden" and not c.passed),
        "contradicted": weighted_mean((of.contradicted, n) for of, n in scored),
        "unsupported": weighted_mean((bool(of.unsupported), n) for of, n in faithful),
        "length": weighted_mean((of.length, n) for of, n in faithful),
        "copied": weighted_mean((of.copied, n) for of, n in faithful),
        "answers_judged": sum(n for _, n in scored),
    }


def prompts_to_settle(differences: Sequence[float], confidence: float = 0.95) -> int | None:
    """Return how many more prompts show a difference of 0.1 in 4 of 5 runs; None if unknown."""
    from scipy import special

    if len(differences) < PROMPTS_NEEDED or not np.ptp(differences):
        return None
    z = special.ndtri((1 + confidence) / 2) + special.ndtri(POWER)
    needed = math.ceil((z * np.std(differences, ddof=1) / DIFFERENCE) ** 2)
    return max(0, needed - len(differences))


def _expects(prompt: Prompt) -> bool:
    return bool(prompt.facets or prompt.format)


def score_facets(run: Run) -> Quality:
    """Score a run by the facets recorded with it, once. Raises UsageError for a wrong facet."""
    try:
        recorded = run.info.plan.prompts.model_dump()
        prompts = PromptSet.model_validate(recorded, extra="ignore")
    except ValidationError as error:
        reason = explain(error, prefix="plan.prompts")
        raise UsageError(f"{run.folder / 'run.json'}: {reason}; edit it there.") from None
    return run.__dict__.setdefault("quality", Quality(run, prompts))


def _form_checks(form: AnswerFormat, answer: str) -> list[FacetCheck]:
    checks = []
    for unit, n in {"sentences": count_sentences(answer), "bullets": count_items(answer)}.items():
        asked = getattr(form, unit)
        if asked is not None:
            checks.append(FacetCheck(f"{asked} {unit}", "form", n == asked, f"{n} {unit}"))
    if form.max_words is not None:
        n = count_words(answer)
        name, passed = f"at most {form.max_words} words", 0 < n <= form.max_words
        checks.append(FacetCheck(name, "form", passed, f"{n} words"))
    return checks
