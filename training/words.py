"""Draw names, topics and actions, each word from the split that it belongs to.

Every word belongs to one split, by a checksum of the word, whatever list it comes from: a name,
topic word or verb of one split never occurs in the names, topics or actions of another. A model can
then only name the right person by copying it. Closed lists (weekdays, months, teams, numbers) and
fixed wording are shared by all splits. The lists are in data/words.toml.
"""

import functools
import random
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

from .dates import MONTHS, OCCASIONS, SHORT_DAYS, WEEKDAYS
from .settings import load_toml

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
SHARES = (TRAIN,) * 8 + (VALIDATION, TEST)
_DATA = load_toml("words.toml")


class Verb(NamedTuple):
    """A verb and its participle: "fix" and "fixed"."""

    do: str
    done: str


class Frame(NamedTuple):
    """An action with more than a verb and a topic; `done` is None without a short passive."""

    verb: str
    to_do: str
    done: str | None


TEAMS: list[str] = _DATA["teams"].split()
VERBS = [Verb(*pair.split("/")) for pair in _DATA["verbs"].split()]
VERBS += [
    Verb(*pair.split("/"))
    for pair in _DATA["verbs_of_several_words"].replace("\n", " ").split("; ")
]
PARTICIPLES = dict(VERBS)
ONSETS = [*"b br c ch d dr f g gr h j k kr l m n p pr r s sh st t tr v w y z".split(), ""]
VOWELS = "a e i o u ai ee ia io oo".split()
CODAS = ["", "", "", "l", "n", "r", "s", "m", "th", "x", "nd", "rk"]
BLENDS = 0.5
# Share of the words of one kind that are made up in training: nothing may depend on knowing a word.
MADE_UP = {"verbs": 0.35, "nouns": 0.3, "modifiers": 0.4, "adjectives": 0.25}
LETTERS = "ABCDEFGHIJKLMNOPRSTUVWXZ"
NUMBERED = "Room Hall Building Bay Line Class Ward Unit Gate Floor Lab".split()
# Words that two names or topics may share.
COMMON = {
    *("the our for in of list version dr. mr. ms.".split()),
    *(word.lower() for word in NUMBERED),
}


def share(items: Sequence[str], split: str, every: int = 10) -> Sequence[str]:
    """Return the part of a list that one split may use: of each `every` items two are held out."""
    if split == VALIDATION:
        return items[every - 2 :: every]
    if split == TEST:
        return items[every - 1 :: every]
    return [item for index, item in enumerate(items) if index % every < every - 2]


def split_of(word: str) -> str:
    """Return the split that owns a word: training for about eight in ten.

    A plural goes with its singular.
    """
    return SHARES[zlib.crc32(word.lower().removesuffix("s").encode("utf-8")) % 10]


@dataclass(frozen=True)
class Vocabulary:
    """The words of one split. `alone` are the verbs that make sense with a thing alone."""

    names: list[str]
    surnames: list[str]
    nouns: list[str]
    modifiers: list[str]
    adjectives: list[str]
    rooms: list[str]
    alone: list[Verb]
    frames: list[Frame]


@functools.cache
def vocabulary(split: str) -> Vocabulary:
    """Return the words of one split. Verbs of several words ("set up") go with their first word."""
    lists = {
        key: [word for word in _DATA[key].split() if split_of(word) == split]
        for key in ("names", "surnames", "nouns", "modifiers", "adjectives", "rooms")
    }
    verbs = [verb for verb in VERBS if split_of(verb.do.split()[0]) == split]
    known = {verb.do for verb in verbs}
    not_alone = _DATA["verbs_not_alone"].split()
    return Vocabulary(
        **lists,
        alone=[verb for verb in verbs if verb.do not in not_alone],
        frames=[
            Frame(verb, frame["to_do"], frame.get("done"))
            for frame in _DATA["frames"]
            for verb in frame["verbs"].split()
            if verb in known
        ],
    )


def made_up(rng: Random, split: str, syllables: tuple[int, int] = (2, 3)) -> str:
    """Return a pronounceable word that belongs to `split` and to no other.

    In training half of them are blends, the head of one word with the tail of another: they are
    spelled as English is. A model must not think that it knows how a word goes on.
    """
    while True:
        if split == TRAIN and rng.random() < BLENDS:
            head = rng.choice(vocabulary(split).nouns)
            tail = rng.choice(vocabulary(split).modifiers)
            word = head[: rng.randint(2, 5)] + tail[-rng.randint(2, 4) :]
        else:
            count = rng.randint(*syllables)
            word = "".join(
                rng.choice(ONSETS) + rng.choice(VOWELS) for _ in range(count)
            ) + rng.choice(CODAS)
        if 3 <= len(word) <= 10 and split_of(word) == split:
            return word


def _acronym(rng: Random, split: str) -> str:
    while True:
        word = "".join(rng.choice(LETTERS) for _ in range(rng.randint(2, 4)))
        if split_of(word) == split:
            return word


def person(rng: Random, split: str) -> str:
    """Return a name as people write it: mostly a first name, made up in three of five cases.

    Names are an open list.
    """
    real = rng.random() < 0.4
    known = vocabulary(split)
    first = rng.choice(known.names) if real else made_up(rng, split).capitalize()
    if rng.random() < 0.88:
        return first
    last = rng.choice(known.surnames) if rng.random() < 0.6 else made_up(rng, split).capitalize()
    return rng.choice(
        [f"{first} {last}", f"{first} {last}", f"Dr. {last}", f"Mr. {last}", f"Ms. {last}"]
    )


class Topic(str):
    """Something that people discuss. `plural` chooses the verb form that follows it."""

    plural = False


def _topic(text: str, plural: bool = False) -> Topic:
    made = Topic(text)
    made.plural = plural
    return made


def plural_of(noun: str) -> str:
    """Return the regular plural; the list of nouns has hardly any others."""
    if noun in ("shelf", "leaf", "scarf"):
        return noun[:-1] + "ves"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh", "z")) else "s")


class _Draw:
    """Draws the words of one split for one topic."""

    def __init__(self, rng: Random, split: str):
        self.rng, self.split = rng, split

    def noun(self) -> str:
        made = MADE_UP["nouns"] if self.split == TRAIN else 0.1
        if self.rng.random() < made:
            return made_up(self.rng, self.split)
        return self.rng.choice(vocabulary(self.split).nouns)

    def nouns(self) -> str:
        return plural_of(self.noun())

    def modifier(self) -> str:
        if self.rng.random() < (MADE_UP["modifiers"] if self.split == TRAIN else 0.25):
            return made_up(self.rng, self.split)
        known = vocabulary(self.split)
        return self.rng.choice(known.modifiers if self.rng.random() < 0.5 else known.nouns)

    def adjective(self) -> str:
        if self.split == TRAIN and self.rng.random() < MADE_UP["adjectives"]:
            return made_up(self.rng, self.split)
        return self.rng.choice(vocabulary(self.split).adjectives)

    def product(self) -> str:
        return made_up(self.rng, self.split).capitalize()

    def acronym(self) -> str:
        return _acronym(self.rng, self.split)

    def place(self) -> str:
        return f"{self.rng.choice(NUMBERED)} {self.rng.randint(1, 40)}"


# How often, the shape, is it plural.
SHAPES: list[tuple[int, Callable[[_Draw], str], bool]] = [
    (26, lambda w: f"the {w.modifier()} {w.noun()}", False),
    (13, lambda w: f"the {w.modifier()} {w.nouns()}", True),
    (8, lambda w: f"{w.modifier()} {w.nouns()}", True),
    (8, lambda w: f"the {w.adjective()} {w.noun()}", False),
    (3, lambda w: f"the {w.adjective()} {w.nouns()}", True),
    (5, lambda w: f"the {w.adjective()} {w.modifier()} {w.noun()}", False),
    (6, lambda w: f"the {w.noun()}", False),
    (3, lambda w: f"the {w.nouns()}", True),
    (2, lambda w: w.nouns(), True),
    (4, lambda w: f"the {w.modifier()} {w.noun()} {w.noun()}", False),
    (4, lambda w: f"{w.nouns()} for the {w.modifier()} {w.noun()}", True),
    (3, lambda w: f"the {w.nouns()} in the {w.noun()}", True),
    (2, lambda w: f"the {w.noun()} for {w.nouns()}", False),
    (3, lambda w: f"our {w.modifier()} {w.noun()}", False),
    (2, lambda w: f"our {w.nouns()}", True),
    (5, lambda w: f"the {w.product()} {w.noun()}", False),
    (4, lambda w: f"the {w.acronym()} {w.noun()}", False),
    (2, lambda w: f"the {w.place()} {w.noun()}", False),
    (1, lambda w: f"the {w.noun()} in {w.place()}", False),
    (2, lambda w: w.product(), False),
    (1, lambda w: f"version {w.rng.randint(1, 9)}.{w.rng.randint(0, 9)} of the {w.noun()}", False),
    (1, lambda w: f"version {w.rng.randint(1, 9)}.{w.rng.randint(0, 9)}", False),
    (1, lambda w: f"{w.product()} {w.rng.randint(2, 9)}", False),
    (2, lambda w: f"the {w.modifier()} list of {w.nouns()}", False),
]
_WEIGHTS = [weight for weight, _, _ in SHAPES]


def topic(rng: Random, split: str) -> Topic:
    """Return a thing that people discuss: "the billing export", "posters for the spring fair"."""
    _, shape, plural = rng.choices(SHAPES, _WEIGHTS)[0]
    return _topic(shape(_Draw(rng, split)), plural)


def plain_verbs(split: str) -> list[Verb]:
    """Return the verbs of a split that make sense with a thing alone."""
    return vocabulary(split).alone


def _verb(rng: Random, split: str, verb: Verb) -> Verb:
    """Return a verb; in training often one that does not exist in its place."""
    if split != TRAIN or rng.random() >= MADE_UP["verbs"]:
        return verb
    new = made_up(rng, split, (1, 2))
    return Verb(new, new.removesuffix("e") + "ed")


class Action(NamedTuple):
    """Something to do, how it was done (None: there is no short passive), and its topic."""

    to_do: str
    done: str | None
    topic: Topic


def action(rng: Random, split: str, about: Topic, other_topic: Callable[[], Topic]) -> Action:
    """Return something to do with a topic; `other_topic` makes a further one where it is needed."""
    if rng.random() < 0.58:
        verb = _verb(rng, split, rng.choice(plain_verbs(split)))
        return Action(f"{verb.do} {about}", verb.done, about)
    frame = rng.choice(vocabulary(split).frames)
    verb = _verb(rng, split, Verb(frame.verb, PARTICIPLES[frame.verb]))
    number = rng.randint(2, 60)
    if "{ts}" in frame.to_do:
        draw = _Draw(rng, split)
        plural = rng.choice(
            [
                f"{draw.modifier()} {draw.nouns()}",
                draw.nouns(),
                f"{draw.adjective()} {draw.nouns()}",
            ]
        )
        return Action(f"{verb.do} {number} {plural}", verb.done, _topic(f"the {plural}", True))
    fields = {
        "v": verb.do,
        "d": verb.done,
        "t": about,
        "n": number,
        "u": other_topic() if "{u}" in frame.to_do else "",
        "name": person(rng, split) if "{name}" in frame.to_do else "",
        "place": _place(rng, split),
        "day": _day(rng),
        "weekday": rng.choice(WEEKDAYS),
    }
    return Action(frame.to_do.format(**fields), frame.done and frame.done.format(**fields), about)


def _day(rng: Random) -> str:
    return rng.choice(
        [
            rng.choice(WEEKDAYS),
            f"next {rng.choice(WEEKDAYS)}",
            rng.choice(MONTHS),
            f"{rng.randint(1, 28)} {rng.choice(MONTHS)}",
        ]
    )


def _place(rng: Random, split: str) -> str:
    if rng.random() < 0.3:
        return f"{rng.choice(NUMBERED)} {rng.randint(1, 40)}"
    return f"the {rng.choice(vocabulary(split).rooms)}"


# Wording of frames, dates and topics for `phrases.fixed_text`.
WORDING = " ".join(
    [
        "from to instead of closed on open until in with into parts before percent on every for",
        "and about look at list version more our the",
        "Dr. Mr. Ms. EOD mid early late noon lunchtime midday evening morning afternoon",
        "tomorrow tonight next week month am pm st nd rd th of",
        *WEEKDAYS,
        *SHORT_DAYS,
        *MONTHS,
        *[month[:3] for month in MONTHS],
        *OCCASIONS,
        *NUMBERED,
        "Q1 Q2 Q3 Q4 up down out away into for back off through",
    ]
)


def content_words(text: str) -> set[str]:
    """Return the words of a name or topic, apart from short ones and titles."""
    return {word for word in text.lower().split() if word not in COMMON}


def distinct(make: Callable[[], str], count: int) -> list[str]:
    """Return `count` results of `make` that share no word, apart from short ones and titles."""
    kept: list[str] = []
    seen: set[str] = set()
    while len(kept) < count:
        candidate = make()
        own = content_words(candidate)
        if not own & seen:
            kept.append(candidate)
            seen |= own
    return kept


def generator(seed: object, split: str) -> Random:
    """Return the random numbers of one split; a text seed gives each split a stream to itself."""
    return random.Random(f"{seed}/{split}")
