"""Read the notes that were written for tuning, and ask about them.

Each note comes with what a careful reader would answer; requests and further questions are derived
from that. The files are data/notes/*.jsonl, one note a line:

    id             unique
    notes          the text
    summary        one to four sentences, as a list
    actions        [owner or null, task as an infinitive without "to", date with its preposition or
                   null], in the order of the notes
    questions      [question, answer], what the notes say
    unanswerable   questions that the notes do not answer
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from random import Random
from typing import NamedTuple

from helpers.quality.text import count_sentences

from . import answers, phrases
from .settings import DATA_FOLDER
from .words import TRAIN

FOLDER = DATA_FOLDER / "notes"
VALIDATION_EVERY = 12  # of so many notes one is kept out of training
NAME = re.compile(r"[A-Z][^\W\d_]+")
# Owners that are not names, and names that are common words in lower case.
NOT_NAMES = frozenset(
    "Everyone Everybody Nobody Someone Somebody Anyone All Both Each Whoever Reception Kitchen "
    "Sales Legal Finance Security Marketing Support Ops Procurement Medtech Owners Interns "
    "Parents Floor Volunteers Management Facilities Mum Will May Mark Bill Rob Pat Sue Grant "
    "Hope Grace Joy Rose April June Art Dean Frank Gene Jack Ray Rich Dawn Faith Iris Lily "
    "Olive Pearl Ruby Sage Per Min Comfort Amb Tal Harmony Moss Temperance Lotus Tilde".split()
)
WEEK = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
# A shortened day may be written out in an answer, and of several one may be named.
SHORT_DAY = re.compile(r"\b(?:(?:mon|tues?|weds?|thu|thurs?|fri|sat|sun)|\w+days)\b", re.IGNORECASE)
COUNTS = ("one", "two", "three", "four")
# First words of a sentence that may begin a part of one instead.
SMALL = frozenset(
    "the a an it its they their there this that these those nobody no nothing still open not "
    "everyone everybody all both some who whether when where what why how until from on in at for "
    "after before because since once first also then two three four one five six however so "
    "either neither only if by as each any otherwise meanwhile most several another".split()
)


class Action(NamedTuple):
    """One task of some notes."""

    owner: str | None
    task: str
    date: str | None

    def __str__(self) -> str:
        """Return the action as an item of a list."""
        return f"- {self.owner or 'Nobody yet'}: {self.task}{f' {self.date}' if self.date else ''}"


@dataclass(frozen=True)
class Note:
    """Some notes and the reference answers about them."""

    id: str
    notes: str
    summary: list[str]
    actions: list[Action]
    questions: list[tuple[str, str]]
    unanswerable: list[str]


class Asked(NamedTuple):
    """A request, its answer, and the kind of both.

    The request holds the notes, or follows right behind them.
    """

    task: str
    request: str
    answer: str


@cache
def load() -> tuple[Note, ...]:
    """Return all notes in the order of their files."""
    lines = [
        line
        for path in sorted(FOLDER.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return tuple(_note(json.loads(line)) for line in lines)


def _note(fields: dict) -> Note:
    actions = [Action(*action) for action in fields.pop("actions")]
    questions = [(question, answer) for question, answer in fields.pop("questions")]
    return Note(actions=actions, questions=questions, **fields)


def split(validation: bool) -> list[Note]:
    """Return the notes of the validation split or those to train on."""
    return [note for n, note in enumerate(load()) if (n % VALIDATION_EVERY == 5) == validation]


def vary(rng: Random, note: Note) -> Note:
    """Return the note with other people, and other days of the week in half of the cases.

    There are few notes, so what they say must not be learned: who does a task stands in front of
    the reader, not in memory. Days move on together, so that their order stays.
    """
    names = [name for name in _names(note) if rng.random() < 0.8]
    others = rng.sample(_all_names(), len(names))
    exchanged = dict(zip(names, others, strict=True))
    exchanged |= {a.lower(): b.lower() for a, b in exchanged.items()}
    if rng.random() < 0.5 and not SHORT_DAY.search(note.notes):
        moved = rng.randrange(1, 7)
        exchanged |= {day: WEEK[(n + moved) % 7] for n, day in enumerate(WEEK)}
        exchanged |= {day.lower(): exchanged[day].lower() for day in WEEK}
    return Note(
        id=note.id,
        notes=_exchange(note.notes, exchanged),
        summary=[_exchange(sentence, exchanged) for sentence in note.summary],
        actions=[_exchange_action(action, exchanged) for action in note.actions],
        questions=[(_exchange(q, exchanged), _exchange(a, exchanged)) for q, a in note.questions],
        unanswerable=[_exchange(question, exchanged) for question in note.unanswerable],
    )


def _exchange_action(action: Action, exchanged: dict[str, str]) -> Action:
    owner, task, date = (_exchange(text or "", exchanged) for text in action)
    return Action(owner or None, task, date or None)


def _exchange(text: str, exchanged: dict[str, str]) -> str:
    """Replace whole words, all at once."""
    words = "|".join(map(re.escape, exchanged))
    return re.sub(rf"\b(?:{words})\b", lambda found: exchanged[found[0]], text) if words else text


def _names(note: Note) -> list[str]:
    """Return the people with tasks who are called by one name that is no other word of the note."""
    owners = [action.owner for action in note.actions if action.owner]
    names = dict.fromkeys(name for name in owners if NAME.fullmatch(name))
    return [name for name in names if name not in NOT_NAMES and len(name) > 2]


@cache
def _all_names() -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for note in load() for name in _names(note)))


def requests(rng: Random, note: Note, place: str) -> list[Asked]:
    """Return one request of each kind about the notes, in random order.

    `place` is "first" (the request holds the notes) or "branch" (it follows right behind them).
    """
    makers = (_summary, _summary, _formatted, _formatted, _formatted, _actions, _missing)
    asked = [made for make in makers if (made := make(rng, note))]
    asked += [("question", "question", question, answer) for question, answer in note.questions]
    derived = _derived(rng, note)
    # What the notes say is asked more often than what they leave out: a model that refuses too
    # readily is of no use.
    known = [made for made in derived if made[0] == "question"]
    asked += rng.sample(known, min(len(known), 2))
    rng.shuffle(asked)
    return [
        Asked(task, _request(rng, task, note, place).replace(f"{{{field}}}", text), answer)
        for task, field, text, answer in asked
    ]


_Made = tuple[str, str, str, str]  # task, the field of the request, its value, the answer


def _request(rng: Random, task: str, note: Note, place: str) -> str:
    kind = "question" if task == "unanswerable" else task
    text = answers.request(rng, TRAIN, kind, place)
    return text.replace("{notes}", note.notes)


def _summary(rng: Random, note: Note) -> _Made:
    return "summary", "", "", " ".join(note.summary)


def _actions(rng: Random, note: Note) -> _Made:
    return "actions", "", "", "\n".join(map(str, note.actions)) or phrases.NOT_IN_NOTES


def _formatted(rng: Random, note: Note) -> _Made | None:
    """Return a summary as a number of sentences or bullets that the note's own allows."""
    pieces = [piece for sentence in note.summary for piece in _pieces(sentence)]
    if rng.random() < 0.4 and len(pieces) > 1:
        count = min(rng.choice([2, 3, 3, 4]), len(pieces))
        lines = [f"- {item.removesuffix('.')}" for item in _join(pieces, count)]
        wording = rng.choice(["as {} bullets", "in {} bullet points", "in {} bullets"])
        return "format", "format", _counted(rng, wording, count), "\n".join(lines)
    count = rng.randint(1, len(note.summary))
    text = " ".join(_join(note.summary, count))
    if count_sentences(text) != count:
        return None
    return "format", "format", _counted(rng, f"in {{}} sentence{'s' * (count > 1)}", count), text


def _counted(rng: Random, wording: str, count: int) -> str:
    return wording.format(rng.choice([COUNTS[count - 1], str(count)]))


def _pieces(sentence: str) -> list[str]:
    """Return the parts of a sentence between semicolons, each as a sentence."""
    parts = sentence.removesuffix(".").split("; ")
    return [f"{part[0].upper()}{part[1:]}." for part in parts]


def _join(parts: Sequence[str], count: int) -> list[str]:
    """Return `count` sentences; the last one holds what is left, parted by semicolons."""
    *before, last = parts[: count - 1], parts[count - 1 :]
    rest = [last[0], *map(_decapitalized, last[1:])]
    return [*before[0], "; ".join(part.rstrip(".") for part in rest) + "."]


def _decapitalized(text: str) -> str:
    first = re.match(r"[A-Z][a-z]*", text)
    is_small = first is not None and first[0].lower() in SMALL
    return text[0].lower() + text[1:] if is_small else text


def _missing(rng: Random, note: Note) -> _Made | None:
    """Return a question without an answer; now and then one about an owner or a date."""
    gaps = [made for made in _derived(rng, note) if made[0] == "unanswerable"]
    if gaps and rng.random() < 0.3:
        return rng.choice(gaps)
    if not note.unanswerable:
        return None
    return "unanswerable", "question", rng.choice(note.unanswerable), phrases.NOT_IN_NOTES


def _derived(rng: Random, note: Note) -> list[_Made]:
    """Return questions about the actions: who, when, and what somebody has to do."""
    owners = dict.fromkeys(action.owner for action in note.actions if action.owner)
    made = [_who(rng, action) for action in note.actions]
    made += [_when(rng, action) for action in note.actions if action.owner]
    return made + [_what(rng, note, owner) for owner in owners]


def _who(rng: Random, action: Action) -> _Made:
    question = rng.choice(["Who will {}?", "Who has to {}?", "Who is going to {}?"])
    text = question.format(action.task)
    if action.owner is None:
        return "unanswerable", "question", text, phrases.NOT_IN_NOTES
    return "question", "question", text, f"{action.owner} will {action.task}."


def _when(rng: Random, action: Action) -> _Made:
    question = rng.choice(["When will {} {}?", "When is {} going to {}?"])
    text = question.format(action.owner, action.task)
    if action.date is None:
        return "unanswerable", "question", text, phrases.NOT_IN_NOTES
    return "question", "question", text, f"{action.date[0].upper()}{action.date[1:]}."


def _what(rng: Random, note: Note, owner: str) -> _Made:
    question = rng.choice(["What will {} do?", "What is {}'s task?", "What does {} have to do?"])
    mine = [f"{a.task} {a.date or ''}".strip() for a in note.actions if a.owner == owner]
    return "question", "question", question.format(owner), f"{owner} will {' and '.join(mine)}."
