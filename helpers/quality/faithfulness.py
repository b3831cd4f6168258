"""Check an answer against its prompt alone: what is invented, how much is kept, what is copied.

It needs no list of expectations, so it works for anybody's prompts. Unsupported is what the answer
names and the prompt does not: names, numbers, days (Nan et al., 2021, for names). Copied is the
share of the answer in runs of ten words or more that the prompt has too, as the extractive
fragments of Grusky et al. (2018).
"""

import re
from dataclasses import dataclass
from functools import lru_cache

from ..models.prompts import MONTHS
from .matching import NOT_PERSONS, NUMBER_WORDS, SAID, WEEKDAYS, WORDS, number_value
from .text import PARTS, fold, without_bullets, without_markup

SOURCE_WORDS = 20  # a shorter prompt is a question: it has no notes that an answer could leave
RUN = 10  # words
LENGTH, LESS_IF_COPIED = 0.9, 0.2  # of the notes' words; nothing is left 0.2 above that
LISTED = 0.6  # the share of names, numbers and days from which an answer is a list, no summary
GERMAN = 0.2  # the share of capitals within sentences above which they do not mark names
DAYS = {day.casefold()[:3]: day for day in (*MONTHS, *WEEKDAYS)}
WORD = re.compile(PARTS["WORD"])
COMMON = NOT_PERSONS | frozenset(WORDS["common"])


@dataclass(frozen=True)
class Faithfulness:
    """Hold what an answer adds to its prompt, and what it takes over.

    `length` is its words as a share of the prompt's, None where the prompt is only a question;
    `copied` the share of its words in copied runs; `listed` the share of names, numbers and days
    among its words.
    """

    unsupported: tuple[str, ...] = ()
    length: float | None = None
    copied: float = 0.0
    listed: float = 0.0

    @property
    def own_work(self) -> float:
        """Return what is left of a score, 0 to 1, for being short and in words of its own.

        Copied words count half. An answer nearly as long as the notes is no summary: where all of
        it is copied, credit falls from 0.7 of their length to nothing at 0.9; else from 0.9 on.
        """
        full = LENGTH - LESS_IF_COPIED * self.copied
        beyond = ((self.length or 0) - full) / LESS_IF_COPIED
        return (1 - self.copied / 2) * min(1.0, max(0.0, 1 - beyond))

    @property
    def prose(self) -> float:
        """Return what is left of a score, 0 to 1, where sentences and not a list are wanted."""
        return min(1.0, (1 - self.listed) / (1 - LISTED))


def check_answer(prompt: str, answer: str) -> Faithfulness:
    """Return what an answer adds to its prompt and takes over from it."""
    asked, said = _words(prompt), _words(answer)
    if not said:
        return Faithfulness(length=0.0)
    copied = _copied(asked, said)
    listed = min(len(_claims(answer, prompt)), len(said)) / len(said)
    if len(asked) < SOURCE_WORDS:
        return Faithfulness((), None, copied, listed)
    known = _known(prompt)
    extra = [
        claim for claim in dict.fromkeys(_claims(answer, prompt)) if not _supported(claim, known)
    ]
    return Faithfulness(tuple(extra), len(said) / len(asked), copied, listed)


def _supported(claim: str, known: frozenset[str]) -> bool:
    word = claim.casefold()
    if re.match(r"\d", word):
        return f"{number_value(word):g}" in known
    if DAYS.get(word[:3], "").casefold().startswith(word.rstrip(".")):
        return word[:3] in known
    return bool({word, word.removesuffix("s"), f"{word}s"} & known)


@lru_cache(maxsize=64)
def _known(prompt: str) -> frozenset[str]:
    """Return the words of a prompt, the values of its numbers, and the beginnings of its days."""
    words = set(_words(prompt))
    words |= {part for word in words for part in re.split(r"[-.'\u2019]", word)}
    numbers = {f"{number_value(digits):g}" for digits in _numbers(prompt)}
    numbers |= {str(n) for n, word in enumerate(NUMBER_WORDS) if word in words}
    numbers |= {str(n) for n, word in enumerate(WORDS["ordinals"], 1) if word in words}
    days = {word[:3] for word in words if word[:3] in DAYS}
    of_month = re.findall(r"\d{1,2}[./](\d{1,2})|\d{4}-(\d\d)", fold(prompt))
    months = {int(a or b) for a, b in of_month if 0 < int(a or b) <= len(MONTHS)}
    return frozenset(words | numbers | days | {MONTHS[m - 1].casefold()[:3] for m in months})


@lru_cache(maxsize=256)
def _claims(answer: str, prompt: str) -> tuple[str, ...]:
    """Return names, numbers and days of an answer, in order, as often as they are there."""
    text = without_bullets(answer)
    claims = _numbers(text)
    names = _capitals_mark_names(prompt)
    for match in WORD.finditer(text):
        word = re.sub(r"['\u2019]s?$", "", match[0])
        folded = word.casefold()
        is_day = any(folded in (day.casefold(), day.casefold()[:3]) for day in DAYS.values())
        capital = word[0].isupper() and folded not in COMMON
        begins = not re.search(r"[\w,'\u2019)] $", text[: match.start()])
        verb = re.match(r" (?:will|owns|takes|does|is to|has to|handles)\b|:", text[match.end() :])
        a_name = names and capital and (not begins or verb or word in prompt)
        claims += [word] if (is_day and word[0].isupper()) or a_name else []
    return tuple(claims)


@lru_cache(maxsize=64)
def _capitals_mark_names(prompt: str) -> bool:
    within = re.findall(r"(?<=[a-z,] )[^\W\d_]+", prompt)
    return sum(word[0].isupper() for word in within) <= GERMAN * len(within)


def _numbers(text: str) -> list[str]:
    joined = re.sub(r"(?<=\d):(?=\d\d)", ".", fold(text))
    ordinals = re.sub(r"(?<=\d)(?:st|nd|rd|th)\b", " ", joined)
    return [digits.strip("+-") for digits in re.findall(SAID["NUMBER"], ordinals)]


@lru_cache(maxsize=256)
def _words(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(fold(without_markup(text))))


def _copied(asked: tuple[str, ...], said: tuple[str, ...]) -> float:
    """Return the share of words in runs that both have."""
    run = max(1, min(RUN, len(asked)))
    known = {asked[at : at + run] for at in range(len(asked) - run + 1)}
    starts = [at for at in range(len(said) - run + 1) if said[at : at + run] in known]
    return len({place for at in starts for place in range(at, at + run)}) / len(said)
