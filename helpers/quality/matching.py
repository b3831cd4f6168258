"""Find what a facet says in an answer, and tell whether the answer says something else instead.

An answer states a fact, leaves it out, or contradicts it: another person owns the task, another
day is given, the plan that was dropped is called decided, a *not* is lost. What contradicts is
listed in `instead_of`; for owners and days of other prompts it is taken from the notes.
"""

import calendar
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from rapidfuzz import fuzz

from ..common.files import read_toml
from ..models.prompts import MONTHS, Facet, Prompt
from .text import LETTER, NO_END, fill, find_phrase, fold, plain, without_bullets

NEAR = 90  # two words or more, without digits, may differ in one letter of ten: "mailroom scaner"
WORDS = read_toml(Path(__file__).with_name("words.toml"))
NOT_PERSONS, NUMBER_WORDS = frozenset(WORDS["not_persons"]), WORDS["numbers"]
WEEKDAYS = tuple(calendar.day_name)
MONTH = "|".join(rf"{month}|{month[:3]}" for month in MONTHS)
SAID = fill(WORDS["patterns"], LETTER=LETTER, MONTH=MONTH, WEEKDAY="|".join(WEEKDAYS))
A_DATE = re.compile(SAID["DATE"], re.IGNORECASE)


class Outcome(NamedTuple):
    """Say whether a facet is right, missing or contradicted, and which words decided it."""

    word: str
    found: str = ""


def find(facet: Facet, answer: str) -> str | None:
    """Return the words of the answer that a facet matches, or None."""
    text = plain(answer)
    if facet.number is not None:
        return _number(facet.number, text)
    if facet.date is not None:
        return _match(date_pattern(facet.date), text)
    if facet.regex is not None:
        return _match(facet.regex, text) or _match(facet.regex, fold(answer))
    phrases = (_phrase(plain(phrase), text) for phrase in facet.any_of or ())
    return next((words for words in phrases if words), None)


def outcome(facet: Facet, prompt: Prompt, answer: str) -> Outcome:
    """Return what an answer says of a facet."""
    if _is_owner(facet):
        return _owner(facet, prompt, answer)
    kept, wrong = _without_wrong(facet, prompt, answer)
    if found := find(facet, kept):
        lost = "decision" in facet.id and _lost_not(facet, prompt, answer)
        return Outcome("contradicted" if lost else "right", lost or found)
    if not wrong and is_day(facet):
        wrong = _another_day(facet, prompt, answer)
    return Outcome("contradicted", wrong) if wrong else Outcome("missing")


def is_day(facet: Facet) -> bool:
    """Tell whether a facet is a day: a date, or one that is called due, date, when or start."""
    return facet.date is not None or bool(re.match(r"due|date|when|start|deadline", facet.id))


def persons(notes: str) -> list[str]:
    """Return who speaks or does something in notes, in the order of their first mention."""
    named = re.findall(SAID["PERSON"], notes) + re.findall(SAID["SPEAKER"], notes, re.MULTILINE)
    known = {word.casefold() for word in (*MONTHS, *WEEKDAYS)}
    return list(dict.fromkeys(n for n in named if n.casefold() not in known | NOT_PERSONS))


@lru_cache(maxsize=64)
def clauses(text: str) -> tuple[str, ...]:
    """Return the clauses of a text in one way of writing; a new subject begins a new one."""
    text = NO_END.sub(lambda end: end[0].rstrip("."), without_bullets(text))
    parts = re.split(SAID["NEW_CLAUSE"], text)
    return tuple(part for part in map(plain, parts) if part)


def _is_owner(facet: Facet) -> bool:
    return bool(facet.any_of) and ("owner" in facet.id or facet.id.startswith("who"))


def _owner(facet: Facet, prompt: Prompt, answer: str) -> Outcome:
    """Judge an owner: another person counts where a clause is about the task.

    Where `about` is not given, one who owns no other task here counts anywhere.
    """
    right = facet.any_of or ()
    others = facet.instead_of or tuple(
        name for name in persons(prompt.text) if not find(facet, name)
    )
    busy = {name for f in prompt.facets if _is_owner(f) for name in f.any_of or ()}
    said = clauses(answer)
    about = _about(facet, said)
    ours = [any(_acts(name, c, saying=True) for name in right) for c in said]
    found = find(facet, answer)
    swapped = [
        name
        for i, clause in enumerate(said)
        for name in others
        if about[i] and not ours[i] and _acts(name, clause)
    ]
    if swapped and not any(a and o for a, o in zip(about, ours, strict=True)):
        return Outcome("contradicted", swapped[0])
    if found and any(ours):
        return Outcome("right", found)
    idle = [name for name in others if name not in busy and not facet.about]
    taken = next((name for clause in said for name in idle if _acts(name, clause)), None)
    return Outcome("contradicted", taken) if taken else Outcome("missing")


def _about(facet: Facet, said: Sequence[str]) -> list[bool]:
    """Tell which clauses are about the task, or refer to one before them that is."""
    about = [any(_mentions(phrase, clause) for phrase in facet.about) for clause in said]
    it = [bool(re.search(SAID["REFERS"], clause)) for clause in said]
    return [a or (i > 0 and it[i] and about[i - 1]) for i, a in enumerate(about)]


def _acts(name: str, clause: str, *, saying: bool = False) -> bool:
    """Tell whether a clause names a person, unless as one who is not meant or only speaks."""
    for match in re.finditer(rf"(?<!\w){re.escape(plain(name))}(?:'?s)?(?!\w)", clause):
        before, after = clause[: match.start()], clause[match.end() :]
        if not _denied(before, after) and (saying or not re.match(SAID["SAYS"], after)):
            return True
    return False


def _denied(before: str, after: str) -> bool:
    near = " ".join(re.split(r"\bbut\b", before)[-1].split()[-4:])
    return bool(re.search(SAID["DENIED"], near) or re.search(SAID["AFTER"], after))


def _mentions(phrase: str, clause: str) -> str | None:
    """Return the words of a clause that are this phrase to the letter; a date in any form."""
    if day := re.fullmatch(rf"(\d{{1,2}}) ({MONTH})", phrase):
        month = next(m for m in MONTHS if m.startswith(day[2][:3]))
        return _match(date_pattern(f"{day[1]} {month}"), clause)
    return find_phrase(plain(phrase), clause)


def _without_wrong(facet: Facet, prompt: Prompt, answer: str) -> tuple[str, str]:
    """Return the answer without what contradicts a facet, and the first words that do.

    What is right for another facet contradicts only in a clause that is about the task.
    """
    others = [f for f in prompt.facets if f.id != facet.id]
    free = [not any(find(f, phrase) for f in others) for phrase in facet.instead_of]
    if not free:
        return answer, ""
    kept, wrong, said = [], "", clauses(answer)
    for clause, about in zip(said, _about(facet, said), strict=True):
        rest = clause
        for phrase, counts in zip(facet.instead_of, free, strict=True):
            words = _mentions(phrase, clause) if counts or about else None
            before, _, after = clause.partition(words or "\0")
            if words and not _denied(before, after):
                wrong, rest = wrong or words, rest.replace(words, " ")
        kept.append(rest)
    return (". ".join(kept), wrong) if wrong else (answer, "")


def _another_day(facet: Facet, prompt: Prompt, answer: str) -> str:
    """Return a day that the answer gives where the right one is missing.

    Days that are right for another facet do not count; where `instead_of` lists what does, only
    days that the notes do not have.
    """
    rights = [f for f in prompt.facets if is_day(f)]
    said = clauses(answer)
    for clause, about in zip(said, _about(facet, said), strict=True):
        for match in A_DATE.finditer(clause):
            expected = any(find(f, match[0]) for f in rights)
            listed = facet.instead_of and match[0] in plain(prompt.text)
            counts = (about or not facet.about) and not expected and not listed
            if counts and re.search(SAID["DUE"], clause[: match.start()]):
                return match[0]
    return ""


def _lost_not(facet: Facet, prompt: Prompt, answer: str) -> str:
    """Return words that the answer affirms and the notes deny, or the other way round."""
    for phrase in facet.any_of or ():
        says = {state for state, _ in _states(phrase, answer)}
        notes = list(_states(phrase, prompt.text))
        settled = {state for state, weight in notes if weight == max(w for _, w in notes)}
        if ({*says} == {"yes"} and settled == {"no"}) or ({*says} == {"no"} and settled == {"yes"}):
            return f"not {phrase}" if says == {"no"} else phrase
    return ""


def _states(phrase: str, text: str) -> Iterator[tuple[str, int]]:
    """Yield for each mention yes, no or dropped, and 0 if only proposed, 2 if called decided."""
    for clause in clauses(text):
        if words := _mentions(phrase, clause):
            before = re.split(r"->|[,:]", clause.partition(words)[0])[-1].split()[-6:]
            denied = re.search(SAID["NOT"], " ".join(before))
            dropped = re.search(SAID["DROPPED"], " ".join(before))
            state = "dropped" if dropped else "no" if denied else "yes"
            decided = re.search(SAID["DECIDED"], clause)
            yield state, 2 if decided else 0 if re.search(SAID["PROPOSED"], clause) else 1


def _phrase(phrase: str, answer: str) -> str | None:
    if words := find_phrase(phrase, answer):
        return words
    too_short = " " not in phrase or len(answer) < len(phrase)
    if too_short or re.search(r"\d", phrase) or A_DATE.search(phrase):
        return None
    near = fuzz.partial_ratio_alignment(phrase, answer, score_cutoff=NEAR)
    return answer[near.dest_start : near.dest_end].strip() if near else None


def _match(pattern: str, text: str) -> str | None:
    match = re.search(pattern, text, re.IGNORECASE)
    return match[0] if match else None


def _number(wanted: float, text: str) -> str | None:
    for match in re.finditer(SAID["NUMBER"], text):
        value = number_value(match[0])
        if abs(value - wanted) <= 1e-9 * max(1, abs(value)):
            return match[0]
    words = [word for value, word in enumerate(NUMBER_WORDS) if value == wanted]
    return _match(rf"\b{words[0]}\b", text) if words else None


def number_value(digits: str) -> float:
    """Return the value of a number as it is written: 6.50, 6,50, 12,000."""
    decimal_comma = re.fullmatch(r"[-+]?\d+,(?:\d\d?|\d{4,})", digits)
    return float(digits.replace(",", "." if decimal_comma else ""))


def date_pattern(date: str) -> str:
    """Return a pattern for a day: 14 March, March 14th, 14.03., 14/3, 2026-03-14, or in Chinese."""
    day, month = date.split()
    number = MONTHS.index(month) + 1
    name = rf"(?:{month}|{month[:3]}t?\.?)"
    ways = (
        rf"0?{day}(?:st|nd|rd|th)?(?: of)? {name}(?!\w)",
        rf"{name} 0?{day}(?:st|nd|rd|th)?(?!\d)",
        rf"0?{day}[./]0?{number}(?![\d])",
        rf"\d{{4}}-{number:02d}-{int(day):02d}",
        rf"0?{number}\u6708\s?0?{day}\u65e5",
    )
    return rf"(?<!\d)(?:{'|'.join(ways)})"
