"""What an answer is worth: expected facets and the form asked for, counted in the open so that a person can disagree.

An answer is a list of checks, one for each required facet and one for the form. Quality is the share that it passes; a forbidden
facet that it names is one more check, failed. The match is by words, not by meaning: a right answer in other words counts as wrong.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from pydantic import ValidationError
from rapidfuzz import fuzz

from ..common.errors import UsageError
from ..common.show import Table
from ..measure.record import Run
from ..models.lineup import MONTHS, AnswerFormat, Facet, Prompt, PromptSet, load_prompts
from ..timing import intervals
from .answers import distinct

# A phrase of two words or more, without digits, may differ in about one letter of ten: "mailroom scaner".
NEAR = 90
NUMBER = r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?"
WORDS_OF_NUMBERS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
)


@dataclass(frozen=True)
class FacetCheck:
    """One check of an answer: `found` holds the words that decided it, or says what was missing."""

    name: str
    kind: str  # required, optional, forbidden, form
    passed: bool
    found: str


@dataclass(frozen=True)
class Score:
    """The checks of one answer."""

    checks: tuple[FacetCheck, ...]

    @property
    def counted(self) -> list[FacetCheck]:
        """The checks that make up `quality`: required facets, the form, and forbidden facets that were named."""
        return [
            c
            for c in self.checks
            if c.kind in ("required", "form") or (c.kind == "forbidden" and not c.passed)
        ]

    @property
    def quality(self) -> float | None:
        """Share of passed checks, 0 to 1; None where the prompt expects nothing in particular."""
        counted = self.counted
        return sum(c.passed for c in counted) / len(counted) if counted else None

    def table(self) -> Table:
        """Check by check."""
        return Table(
            ("check", "kind", "passed", "found"),
            [[c.name, c.kind, "yes" if c.passed else "no", c.found] for c in self.checks],
        )

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def score(prompt: Prompt, answer: str) -> Score:
    """Check one answer against what its prompt expects."""
    checks = [_facet_check(facet, answer) for facet in prompt.facets]
    return Score(tuple(checks + (_form_checks(prompt.format, answer) if prompt.format else [])))


@dataclass(frozen=True, repr=False)
class Quality:
    """The quality of all answers of a run; shows itself as a table with one line a model."""

    run: Run
    prompts: PromptSet

    @cached_property
    def scores(self) -> dict[str, dict[str, list[tuple[Score, int]]]]:
        """Model to prompt id to each distinct answer's score with how often it was given; only prompts that expect something."""
        expecting = {
            prompt.id: prompt for prompt in self.prompts.prompts if prompt.facets or prompt.format
        }
        found: dict[str, dict[str, list[tuple[Score, int]]]] = {
            model: {} for model in self.run.models
        }
        known: dict[tuple[str, str], Score] = {}  # models may agree to the letter
        for row in distinct(self.run).itertuples():
            if row.prompt_id in expecting:
                key = row.prompt_id, row.answer
                if key not in known:
                    known[key] = score(expecting[row.prompt_id], row.text)
                found[row.model].setdefault(row.prompt_id, []).append((known[key], row.n))
        return found

    def by_prompt(self, model: str) -> dict[str, float]:
        """Prompt id to the mean quality of the model's answers to it, 0 to 1."""
        return {
            prompt: _mean([(value, n) for s, n in some if (value := s.quality) is not None])
            for prompt, some in self.scores[model].items()
            if any(s.quality is not None for s, _ in some)
        }

    @cached_property
    def summary(self) -> list[dict]:
        """One row a model: mean quality over prompts with its 95 % interval (Student's t, 3 prompts or more), and the checks behind it."""
        return [self._row(model) for model in self.run.models]

    def _row(self, model: str) -> dict:
        values = list(self.by_prompt(model).values())
        # Where all prompts agree, a few of them do not show how much others would differ.
        low, high = (
            intervals.interval_of_mean(values, within=(0, 1))
            if len(set(values)) > 1
            else (None, None)
        )
        scores = [pair for some in self.scores[model].values() for pair in some]
        checks = [(c, n) for s, n in scores for c in s.checks]
        required, form = (
            [(c.passed, n) for c, n in checks if c.kind == kind] for kind in ("required", "form")
        )
        return {
            "model": model,
            "quality": float(np.mean(values)) if values else None,
            "quality_low": low,
            "quality_high": high,
            "prompts_judged": len(values),
            "facet_recall": _mean(required) if required else None,
            "format_ok": _mean(form) if form else None,
            "forbidden_hits": sum(n for c, n in checks if c.kind == "forbidden" and not c.passed),
            "answers_judged": sum(n for _, n in scores),
        }

    def compare(self, baseline: str | None = None) -> list[str]:
        """One sentence for every other model against `baseline` (default: the first with answers), paired by prompt.

        Intervals of the difference hold together at 95 % (Bonferroni). Raises UsageError when the baseline is not in the run.
        """
        if baseline is not None and baseline not in self.run.models:
            raise UsageError(
                f"'{baseline}' is not in this run; it has {', '.join(self.run.models)}."
            )
        judged = [model for model in self.run.models if self.by_prompt(model)]
        baseline = baseline or (judged[0] if judged else None)
        others = [model for model in judged if model != baseline]
        return [
            self._verdict(model, baseline, confidence=1 - 0.05 / len(others)) for model in others
        ]

    def _verdict(self, model: str, baseline: str, confidence: float) -> str:
        ours, theirs = self.by_prompt(model), self.by_prompt(baseline)
        differences = [ours[prompt] - theirs[prompt] for prompt in ours if prompt in theirs]
        n = len(differences)
        if n and not any(differences):
            return f"Quality: {model} and {baseline} pass the same share of checks on each of {n} prompts."
        low, high = (
            intervals.interval_of_mean(differences, confidence=confidence, within=(-1, 1))
            if n >= 5
            else (None, None)
        )
        if low is None or low <= 0 <= high:
            return f"Quality: cannot tell {model} and {baseline} apart with {n} prompts."
        middle = float(np.mean(differences))
        low, high = sorted((abs(low), abs(high)))
        return (
            f"Quality: {model} passes {100 * abs(middle):.0f} in 100 checks {'more' if middle > 0 else 'fewer'} than {baseline} "
            f"({100 * confidence:.4g} % interval {100 * low:.0f} to {100 * high:.0f}, {n} prompts)."
        )

    def details(self, prompt_id: str) -> Table:
        """Check by check what the models' first answers to one prompt contain. Raises UsageError for an unknown prompt."""
        prompt = next((p for p in self.prompts.prompts if p.id == prompt_id), None)
        if prompt is None:
            raise UsageError(
                f"No prompt is called '{prompt_id}' here; there are {', '.join(p.id for p in self.prompts.prompts)}."
            )
        columns = {
            model: some[prompt_id][0][0] for model, some in self.scores.items() if prompt_id in some
        }
        names = [(c.name, c.kind) for c in score(prompt, "").checks]
        cells = [
            [name, kind, *(_cell(column.checks[n]) for column in columns.values())]
            for n, (name, kind) in enumerate(names)
        ]
        note = (
            ""
            if prompt.facets or prompt.format
            else f"'{prompt_id}' expects nothing in particular: give it facets in prompts.json."
        )
        return Table(("check", "kind", *columns), cells, note=note)

    def table(self) -> Table:
        """The summary as a table."""
        headers = [name for name in self.summary[0] if name != "answers_judged"]
        silent = [p.id for p in self.prompts.prompts if not p.facets and not p.format]
        note = (
            f"Not judged, because nothing is expected of them: {', '.join(silent)}."
            if silent
            else ""
        )
        return Table(headers, [[row[name] for name in headers] for row in self.summary], note=note)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def score_facets(run: Run, prompts: PromptSet | str | None = None) -> Quality:
    """Score every answer of a run by the facets that its prompts had then, or by those of `prompts`, such as an edited file.

    Raises UsageError when `prompts` shares no prompt (same id and same text) with the run.
    """
    try:
        then = PromptSet.model_validate(run.info.plan.prompts.model_dump())
    except ValidationError as error:
        place = ".".join(map(str, error.errors(include_url=False)[0]["loc"]))
        raise UsageError(
            f"{run.folder / 'run.json'}: the plan's {place} is not what a prompt set may have; judge it by a prompt file."
        ) from None
    if prompts is None:
        return run.__dict__.setdefault(
            "quality", Quality(run, then)
        )  # kept, as report, charts and decision all ask
    now = load_prompts(prompts) if isinstance(prompts, str) else prompts
    texts = {prompt.id: prompt.text for prompt in then.prompts}
    shared = tuple(prompt for prompt in now.prompts if texts.get(prompt.id) == prompt.text)
    if not shared:
        raise UsageError(
            f"The prompt set '{now.name}' and this run have no prompt in common (same id and same text); judge it by '{then.name}'."
        )
    return Quality(run, now.model_copy(update={"prompts": shared}))


def _mean(counted: list[tuple[float, int]]) -> float:
    values, counts = zip(*counted, strict=True)
    return float(np.average(values, weights=counts))


def _cell(check: FacetCheck) -> str:
    return (
        f"{'yes' if check.passed else 'no'}: {check.found}"
        if check.found
        else ("yes" if check.passed else "no")
    )


def _facet_check(facet: Facet, answer: str) -> FacetCheck:
    found = find(facet, answer)
    if facet.kind == "forbidden":
        return FacetCheck(facet.id, facet.kind, found is None, found or "")
    return FacetCheck(facet.id, facet.kind, found is not None, found or "")


def find(facet: Facet, answer: str) -> str | None:
    """The words of the answer that a facet matches, or None."""
    text = _plain(answer)
    if facet.number is not None:
        return next(
            (
                words
                for words, value in _numbers(text)
                if abs(value - facet.number) <= 1e-9 * max(1, abs(value))
            ),
            None,
        )
    if facet.date is not None:
        return _matched(_date_pattern(facet.date), text)
    if facet.regex is not None:
        return _matched(facet.regex, text)
    return next(
        (words for phrase in facet.any_of or () if (words := _phrase(_plain(phrase), text))), None
    )


def _plain(text: str) -> str:
    """One way to write spaces, quotes and dashes; upper and lower case alike."""
    text = (
        unicodedata.normalize("NFKC", text)
        .casefold()
        .translate(str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014\u2011", "''\"\"---"))
    )
    return " ".join(text.split())


def _phrase(phrase: str, text: str) -> str | None:
    """A phrase counts from the beginning of a word, so that "retriev" finds "retrieval" but "art" does not find "part"."""
    if match := re.search(rf"(?<!\w){re.escape(phrase)}\w*", text):
        return match[0]
    if " " not in phrase or re.search(r"\d", phrase):
        return None
    near = fuzz.partial_ratio_alignment(phrase, text, score_cutoff=NEAR)
    return (
        text[near.dest_start : near.dest_end].strip() if near and len(text) >= len(phrase) else None
    )


def _matched(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text, re.IGNORECASE)
    return match[0] if match else None


def _numbers(text: str) -> list[tuple[str, float]]:
    found = [(m[0], float(m[0].replace(",", ""))) for m in re.finditer(NUMBER, text)]
    return found + [
        (word, float(value))
        for value, word in enumerate(WORDS_OF_NUMBERS)
        if re.search(rf"\b{word}\b", text)
    ]


def _date_pattern(date: str) -> str:
    """A pattern for the ways to write a day of a month: 14 March, March 14th, 14.03., 14/3, 2026-03-14."""
    day, month = date.split()
    number = MONTHS.index(month) + 1
    name = (
        rf"{month.casefold()[:3]}(?:{month.casefold()[3:]})?\.?"
        if len(month) > 3
        else month.casefold()
    )
    numeric = rf"0?{day}[./]0?{number}(?![\d])|\d{{4}}-{number:02d}-{int(day):02d}"
    return rf"(?<!\d)(?:0?{day}(?:st|nd|rd|th)?(?: of)? {name}(?!\w)|{name} 0?{day}(?:st|nd|rd|th)?(?!\d)|{numeric})"


def _form_checks(form: AnswerFormat, answer: str) -> list[FacetCheck]:
    checks = []
    for what, count in (("sentences", sentences), ("bullets", bullets)):
        asked = getattr(form, what)
        if asked is not None:
            checks.append(
                FacetCheck(
                    f"{asked} {what}", "form", count(answer) == asked, f"{count(answer)} {what}"
                )
            )
    if form.max_words is not None:
        words = len(answer.split())
        checks.append(
            FacetCheck(
                f"at most {form.max_words} words",
                "form",
                0 < words <= form.max_words,
                f"{words} words",
            )
        )
    return checks


def sentences(text: str) -> int:
    """The number of sentences: ends of ".", "!" or "?" before a space or the end; abbreviations such as "Dr." do not end one."""
    text = re.sub(
        r"\b(?:dr|mr|ms|mrs|st|e\.g|i\.e|etc|vs|no)\.", " ", text.strip(), flags=re.IGNORECASE
    )
    ends = re.findall(r"[.!?]+[\"')\]]*(?=\s|$)", text)
    return len(ends) + bool(re.search(r"\w[^.!?]*$", text))


def bullets(text: str) -> int:
    """The number of lines that begin as list items: "-", "*", a round bullet or a number."""
    return sum(
        bool(re.match(r"\s*(?:[-*\u2022]|\d+[.)])\s+\S", line)) for line in text.splitlines()
    )
