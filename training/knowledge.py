"""Give short correct texts about local inference, greetings, and what the models do not know.

An answer is put together from parts: every part has several wordings, all true on their own, so
that the number of sentences asked for can be kept and no single text is learned by heart. Prompts
are `wording x subject`, part of them held out. The texts are in data/knowledge.toml.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from . import phrases
from .answers import Answer
from .settings import load_toml
from .words import person, share, topic

_DATA = load_toml("knowledge.toml")


@dataclass(frozen=True)
class Subject:
    """Something the models can talk about: how it is asked for, and what is true about it."""

    key: str
    weight: int
    default: int
    asks: list[str]
    names: tuple[str, ...] | list[str] = ()
    parts: tuple[list[str], ...] | list[list[str]] = ()
    bullets: tuple[str, ...] | list[str] = ()


SUBJECTS = [Subject(**entry) for entry in _DATA["subjects"]]
VERBS: list[str] = _DATA["general"]["verbs"]
LENGTHS: dict[str, int] = _DATA["general"]["lengths"]
GREETINGS: dict[str, str] = _DATA["greetings"]
PLACES: list[str] = _DATA["unknown"]["places"].split()
UNKNOWN: list[str] = _DATA["unknown"]["questions"].split("\n")
DO_NOT_KNOW: str = _DATA["unknown"]["answer"]


def _sentences(rng: Random, subject: Subject, count: int) -> str:
    """Return the first `count` parts, one wording of each."""
    return " ".join(rng.choice(part) for part in subject.parts[:count])


def _bullets(rng: Random, subject: Subject, count: int) -> str:
    """Return `count` points in their order: a later one never repeats an earlier one."""
    chosen = sorted(rng.sample(range(len(subject.bullets)), count))
    return "\n".join(f"- {subject.bullets[index]}" for index in chosen)


def _length_asked(prompt: str) -> int | None:
    """Return the number of sentences that a whole prompt asks for, if it does."""
    return next((count for wording, count in LENGTHS.items() if wording in prompt), None)


def session_answer(rng: Random, split: str) -> Answer:
    """Return a prompt of the session, or a paraphrase of one, with its answer."""
    subject = rng.choices(SUBJECTS, [subject.weight for subject in SUBJECTS])[0]
    if subject.bullets:
        prompt = _ask(rng, split, subject.asks)
        return Answer("session", prompt, _bullets(rng, subject, subject.default), {})
    if rng.random() < 0.5:
        prompt = _ask(rng, split, subject.asks)
        count = min(_length_asked(prompt) or subject.default, len(subject.parts))
        return Answer("session", prompt, _sentences(rng, subject, count), {})
    return _general(rng, split, subject)


def _general(rng: Random, split: str, subject: Subject) -> Answer:
    fitting = [wording for wording, count in LENGTHS.items() if count <= len(subject.parts)]
    wording = rng.choice(fitting)
    name = rng.choice(share(subject.names, split, phrases.HELD_OUT) or subject.names)
    prompt = f"{rng.choice(share(VERBS, split, phrases.HELD_OUT))} {name} {wording}."
    return Answer("session", prompt, _sentences(rng, subject, LENGTHS[wording]), {})


def _ask(rng: Random, split: str, asks: Sequence[str]) -> str:
    """Return a prompt of the session.

    Its own wordings are in training on purpose; short lists have nothing to hold out.
    """
    every = 10 if len(asks) >= 10 else phrases.HELD_OUT
    return rng.choice(share(asks, split, every) or asks)


def greeting(rng: Random, split: str) -> Answer:
    """Return a greeting with its answer; they are a closed list, shared by all splits."""
    request = rng.choice(list(GREETINGS))
    return Answer("greeting", request, GREETINGS[request], {})


def unknown(rng: Random, split: str) -> Answer:
    """Return a question outside what the models were made for."""
    places = share(PLACES, split)
    template = rng.choice(share(UNKNOWN, split, phrases.HELD_OUT))
    request = template.format(
        place=rng.choice(places),
        other_place=rng.choice(places),
        topic=topic(rng, split),
        name=person(rng, split),
        number=rng.randint(2, 99),
        other_number=rng.randint(2, 99),
    )
    return Answer("unknown", request, DO_NOT_KNOW, {})
