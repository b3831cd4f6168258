"""Write the training, validation and test conversations, one JSON object a line."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import NotRequired, TypedDict

from . import answers, knowledge
from .answers import Answer
from .meetings import invent
from .notes import write_notes
from .words import SPLITS, TRAIN, generator

# The test split has about 870 summaries: mini and midi differ by less than 0.05.
SIZES = {"train": 130_000, "validation": 600, "test": 6_600}
BRANCHES = 0.9  # share of the conversations about notes whose further requests see only the notes


class Turn(TypedDict):
    """One request with its reference answer, as files and evaluations hold it.

    A facet is a string that must stand in a correct answer, or a list of wordings for it. Only
    hand-written requests have `forbidden` wordings and a `format` such as {"sentences": 2}.
    """

    task: str
    user: str
    assistant: str | None
    facets: dict[str, str] | dict[str, list[str]]
    notes: NotRequired[str | None]
    forbidden: NotRequired[list[str]]
    format: NotRequired[dict[str, int] | None]


def _short(rng: Random, split: str) -> list[Answer]:
    """Return a conversation of one turn that needs no notes."""
    make = rng.choices(
        [knowledge.session_answer, knowledge.greeting, knowledge.unknown], [70, 12, 18]
    )[0]
    return [make(rng, split)]


def _about_notes(rng: Random, split: str) -> list[Answer]:
    """Return a request about notes; in training up to four further requests about the same notes.

    Several answers for one set of notes make training cheaper: the notes are read once and pay
    several times. Most further requests are branches: each sees the notes alone, as if it had been
    asked first. In the others the conversation goes on.
    """
    meeting = invent(rng, split)
    notes = write_notes(rng, split, meeting)
    makers = [
        answers.summary,
        answers.formatted_summary,
        answers.actions,
        answers.question,
        answers.question,
    ]
    rng.shuffle(makers)
    first = makers[0](rng, split, meeting)
    first = replace(first, request=first.request.replace("{notes}", notes), notes=notes)
    if split != TRAIN:
        return [first]
    place = "branch" if rng.random() < BRANCHES else "follow up"
    further = makers[1 : rng.randint(3, 5) if place == "branch" else 3]
    return [first] + [make(rng, split, meeting, place) for make in further]


# What the notes may contain, besides decision, owner and date: a name, and the kinds of sentences
# that show it.
CONTENTS = {
    "a second task or more": ("item_other", "item_self", "decide_also"),
    "a second decision or more": ("decide_also",),
    "an open question": ("open",),
    "a risk": ("risk",),
    "a digression": ("chatter",),
    "a date that is corrected": ("correct_date",),
    "an owner who is corrected at once": ("correct_owner",),
    "a task that is handed over later": ("hand_over",),
    "a plan that is dropped for another": ("dropped",),
    "a person who refuses at first": ("refuse", "accept_late"),
    "no owner": ("no_owner", "decide_no_owner"),
    "no date": ("own_no_date", "decide_no_date"),
    "typing errors": ("typos",),
}


def contents(seed: int, split: str, count: int = 5_000) -> dict[str, float]:
    """Return the share of notes that contain each of `CONTENTS`."""
    rng = generator(f"{seed}/contents", split)
    kinds = [write_notes(rng, split, invent(rng, split)).kinds for _ in range(count)]
    return {
        name: sum(not of_notes.isdisjoint(wanted) for of_notes in kinds) / count
        for name, wanted in CONTENTS.items()
    }


def conversation(rng: Random, split: str) -> list[Answer]:
    """Return a list of answers; each is one turn."""
    short = rng.random() < (0.2 if split == TRAIN else 0.3)
    return _short(rng, split) if short else _about_notes(rng, split)


def conversations(seed: object, split: str, count: int) -> Iterator[list[Answer]]:
    """Yield `count` conversations of one split, always the same for the same seed."""
    rng = generator(seed, split)
    for _ in range(count):
        yield conversation(rng, split)


def turn(answer: Answer) -> Turn:
    """Return an answer as files and evaluations hold it."""
    return {
        "task": answer.task,
        "user": answer.request,
        "assistant": answer.text,
        "facets": answer.facets,
        "notes": answer.notes,
    }


def write(folder: Path, seed: int, scale: float = 1.0) -> None:
    """Write `<split>.jsonl` files; an existing file of the right length is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        path, count = folder / f"{split}.jsonl", max(8, int(SIZES[split] * scale))
        if path.exists() and sum(1 for _ in path.open(encoding="utf-8")) == count:
            continue
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for turns in conversations(seed, split, count):
                file.write(json.dumps(list(map(turn, turns)), ensure_ascii=False) + "\n")
        print(f"{path.name}: {count} conversations")


def read(path: Path) -> Iterator[list[Turn]]:
    """Yield the conversations of a file."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
