"""Score an answer by expected facets and by the form asked for, so that a person can disagree.

An answer gets a list of checks, one for each required facet and one for the form. Quality is the
share that it passes; a forbidden facet that it names is one more check, failed. The match is by
words, not by meaning: a right answer in other words counts as wrong.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydantic import ValidationError
from rapidfuzz import fuzz

from ..common import templates
from ..common.errors import UsageError
from ..common.show import Shown, Table
from ..common.validation import explain
from ..measure.record import Run
from ..models.prompts import MONTHS, AnswerFormat, Facet, Prompt, PromptSet, load_prompts
from ..timing import intervals
from .answers import Key, distinct, mean_by_prompt, weighted_mean
from .text import LETTER, count_items, count_sentences, count_words, fold, phrase_pattern, plain

NEAR = 90  # two words or more, without digits, may differ in one letter of ten: "mailroom scaner"
NUMBER = rf"(?<!{LETTER})(?<!\.)[-+]?\d[\d,]*(?:\.\d+)?"
NUMBER_WORDS = (
    *("zero", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
PROMPTS_NEEDED = 5  # for a verdict


@dataclass(frozen=True)
class FacetCheck:
    """Hold one check of an answer: `found` has the words that decided it."""

    name: str
    kind: str  # required, optional, forbidden, form
    passed: bool
    found: str

    def __str__(self) -> str:
        verdict = "yes" if self.passed else "no"
        return f"{verdict}: {self.found}" if self.found else verdict


@dataclass(frozen=True)
class Score:
    """Hold the checks of one answer."""

    checks: Sequence[FacetCheck]

    @property
    def quality(self) -> float | None:
        """Return the share of passed checks, 0 to 1; None where the prompt expects nothing.

        Required facets and the form count, and each forbidden facet that the answer names.
        """
        counted = [check.passed for check in self.checks if check.kind in ("required", "form")]
        named = [c.name for c in self.checks if c.kind == "forbidden" and not c.passed]
        n = len(counted) + len(named)
        return sum(counted) / n if n else None


def score(prompt: Prompt, answer: str) -> Score:
    """Check one answer against what its prompt expects."""
    checks = []
    for facet in prompt.facets:
        found = find(facet, answer)
        passed = (found is None) == (facet.kind == "forbidden")
        checks.append(FacetCheck(facet.id, facet.kind, passed, found or ""))
    return Score(checks + _form_checks(prompt.format or AnswerFormat(), answer))


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
    def summary(self) -> list[dict]:
        """Return a row for each model: mean quality, its 95 % interval, and the checks behind."""
        return [self._row(model) for model in self.run.models]

    def _row(self, model: str) -> dict:
        values = list(self.by_prompt(model).values())
        # Where all prompts agree, a few of them do not show how much others would differ.
        differ = len(set(values)) > 1
        low, high = intervals.interval_of_mean(values if differ else [], within=(0, 1))
        answers = [a for a in distinct(self.run) if a.model == model and a.key in self.scores]
        checks = [(check, a.n) for a in answers for check in self.scores[a.key].checks]
        named = [n for check, n in checks if check.kind == "forbidden" and not check.passed]
        return {
            "model": model,
            "quality": float(np.mean(values)) if values else None,
            "quality_low": low,
            "quality_high": high,
            "prompts_judged": len(values),
            "facet_recall": _share_passed(checks, "required"),
            "format_ok": _share_passed(checks, "form"),
            "forbidden_hits": sum(named),
            "answers_judged": sum(answer.n for answer in answers),
        }

    def compare(self) -> list[str]:
        """Compare others with the first model that has answers, at 95 % together (Bonferroni)."""
        first, *others = [model for model in self.run.models if self.by_prompt(model)] or [""]
        return [self._verdict(model, first, 1 - 0.05 / len(others)) for model in others]

    def _verdict(self, model: str, baseline: str, confidence: float) -> str:
        ours, theirs = self.by_prompt(model), self.by_prompt(baseline)
        differences = [ours[prompt] - theirs[prompt] for prompt in ours if prompt in theirs]
        enough = differences if len(differences) >= PROMPTS_NEEDED else []
        bounds = intervals.interval_of_mean(enough, confidence=confidence, within=(-1, 1))
        names = {"model": model, "baseline": baseline, "confidence": confidence}
        values = {"differences": differences, "bounds": bounds}
        return templates.sentences("quality/verdict.jinja", **names, **values)[0]

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
                columns[answer.model] = score(prompt, answer.text).checks
        expected = [(check.name, check.kind) for check in score(prompt, "").checks]
        rows = [
            [*names, *map(str, checks)]
            for names, *checks in zip(expected, *columns.values(), strict=True)
        ]
        note = f"'{prompt_id}' expects nothing in particular: give it facets in prompts.json."
        return Table(("check", "kind", *columns), rows, note="" if expected else note)

    def table(self) -> Table:
        """Return the summary as a table."""
        headers = [name for name in self.summary[0] if name != "answers_judged"]
        silent = [p.id for p in self.prompts.prompts if not _expects(p)]
        note = f"Not judged, because nothing is expected of them: {', '.join(silent)}."
        rows = [[row[name] for name in headers] for row in self.summary]
        return Table(headers, rows, note=note if silent else "")


def _expects(prompt: Prompt) -> bool:
    return bool(prompt.facets or prompt.format)


def _share_passed(checks: Sequence[tuple[FacetCheck, int]], kind: str) -> float | None:
    counted = [(check.passed, n) for check, n in checks if check.kind == kind]
    return weighted_mean(counted) if counted else None


def score_facets(run: Run, prompts: PromptSet | str | None = None) -> Quality:
    """Score every answer of a run by the facets recorded with it, or by those of `prompts`.

    Raises UsageError when `prompts` shares no prompt (same id and same text) with the run.
    """
    try:
        recorded = run.info.plan.prompts.model_dump()
        then = PromptSet.model_validate(recorded, extra="ignore")
    except ValidationError as error:
        raise UsageError(
            f"{run.folder / 'run.json'}: {explain(error, prefix='plan.prompts')}; "
            "score it by a prompt file."
        ) from None
    if prompts is None:  # kept, as report, charts and decision all ask
        return run.__dict__.setdefault("quality", Quality(run, then))
    now = load_prompts(prompts) if isinstance(prompts, str) else prompts
    texts = {prompt.id: prompt.text for prompt in then.prompts}
    shared = tuple(prompt for prompt in now.prompts if texts.get(prompt.id) == prompt.text)
    if not shared:
        raise UsageError(
            f"The prompt set '{now.name}' and this run have no prompt in common "
            f"(same id and same text); score it by '{then.name}'."
        )
    return Quality(run, now.model_copy(update={"prompts": shared}))


def find(facet: Facet, answer: str) -> str | None:
    """Return the words of the answer that a facet matches, or None."""
    text = plain(answer)
    if facet.number is not None:
        return _number(facet.number, text)
    if facet.date is not None:
        return _match(_date_pattern(facet.date), text)
    if facet.regex is not None:
        return _match(facet.regex, text) or _match(facet.regex, fold(answer))
    phrases = (_phrase(plain(phrase), text) for phrase in facet.any_of or ())
    return next((words for words in phrases if words), None)


def _phrase(phrase: str, answer: str) -> str | None:
    if not phrase or (words := _match(phrase_pattern(phrase), answer)):
        return words if phrase else None
    if " " not in phrase or re.search(r"\d", phrase) or len(answer) < len(phrase):
        return None
    near = fuzz.partial_ratio_alignment(phrase, answer, score_cutoff=NEAR)
    return answer[near.dest_start : near.dest_end].strip() if near else None


def _match(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text, re.IGNORECASE)
    return match[0] if match else None


def _number(wanted: float, text: str) -> str | None:
    for match in re.finditer(NUMBER, text):
        decimal_comma = re.fullmatch(r"[-+]?\d+,(?:\d\d?|\d{4,})", match[0])  # 6,50
        value = float(match[0].replace(",", "." if decimal_comma else ""))
        if abs(value - wanted) <= 1e-9 * max(1, abs(value)):
            return match[0]
    words = [word for value, word in enumerate(NUMBER_WORDS) if value == wanted]
    return _match(rf"\b{words[0]}\b", text) if words else None


def _date_pattern(date: str) -> str:
    """Return a pattern for a day: 14 March, March 14th, 14.03., 14/3, 2026-03-14, or in Chinese."""
    day, month = date.split()
    number = MONTHS.index(month) + 1
    name = rf"(?:{month}|{month[:3]}\.?)"
    ways = (
        rf"0?{day}(?:st|nd|rd|th)?(?: of)? {name}(?!\w)",
        rf"{name} 0?{day}(?:st|nd|rd|th)?(?!\d)",
        rf"0?{day}[./]0?{number}(?![\d])",
        rf"\d{{4}}-{number:02d}-{int(day):02d}",
        rf"0?{number}\u6708\s?0?{day}\u65e5",
    )
    return rf"(?<!\d)(?:{'|'.join(ways)})"


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
