"""Writes the training, validation and test conversations, one JSON object a line."""

import json
from dataclasses import replace

import knowledge
import meetings
from words import SPLITS, generator

SIZES = {
    "train": 130_000,
    "validation": 600,
    "test": 6_600,
}  # about 870 summaries in the test split: mini and midi differ by less than 0.05
BRANCHES = (
    0.9  # part of the conversations about notes whose further requests see nothing but the notes
)


def _short(rng, split):
    """A conversation of one turn that needs no notes."""
    make = rng.choices(
        [knowledge.session_answer, knowledge.greeting, knowledge.unknown], [70, 12, 18]
    )[0]
    return [make(rng, split)]


def _about_notes(rng, split):
    """Notes and a request about them; in training up to four further requests about the same notes.

    Several answers for one set of notes make training cheaper: the notes are read once and pay several times. Most further
    requests are branches: each sees the notes alone, as if it had been asked first. In the others the conversation goes on.
    """
    meeting = meetings.invent(rng, split)
    notes = meetings.write_notes(rng, split, meeting)
    makers = [
        meetings.summary,
        meetings.formatted_summary,
        meetings.actions,
        meetings.question,
        meetings.question,
    ]
    rng.shuffle(makers)
    first = makers[0](rng, split, meeting)
    first = replace(first, request=first.request.replace("{notes}", notes), notes=notes)
    if split != "train":
        return [first]
    place = "branch" if rng.random() < BRANCHES else "follow up"
    return [first] + [
        make(rng, split, meeting, place)
        for make in makers[1 : rng.randint(3, 5) if place == "branch" else 3]
    ]


# What the notes may contain, besides decision, owner and date: a name, and the kinds of sentences that show it.
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
    "somebody who first refuses": ("refuse", "accept_late"),
    "no owner": ("no_owner", "decide_no_owner"),
    "no date": ("own_no_date", "decide_no_date"),
    "slips of the pen": ("typos",),
}


def contents(seed, split, count=5_000):
    """Name to the share of notes that contain it."""
    rng = generator(f"{seed}/contents", split)
    kinds = [
        meetings.write_notes(rng, split, meetings.invent(rng, split)).kinds for _ in range(count)
    ]
    return {
        name: sum(any(kind in found for kind in wanted) for found in kinds) / count
        for name, wanted in CONTENTS.items()
    }


def conversation(rng, split):
    """A list of answers; each is one turn."""
    return (
        _short(rng, split)
        if rng.random() < (0.3 if split != "train" else 0.2)
        else _about_notes(rng, split)
    )


def conversations(seed, split, count):
    """`count` conversations of one split, always the same for the same seed."""
    rng = generator(seed, split)
    for _ in range(count):
        yield conversation(rng, split)


def write(folder, seed, scale=1.0):
    """Writes `<split>.jsonl` files; an existing file of the right length is kept."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        path, count = folder / f"{split}.jsonl", max(8, int(SIZES[split] * scale))
        if path.exists() and sum(1 for _ in path.open(encoding="utf-8")) == count:
            continue
        with path.open("w", encoding="utf-8", newline="\n") as file:
            for turns in conversations(seed, split, count):
                rows = [
                    {
                        "task": t.task,
                        "user": t.request,
                        "assistant": t.text,
                        "facets": t.facets,
                        "notes": t.notes,
                    }
                    for t in turns
                ]
                file.write(json.dumps(rows, ensure_ascii=False) + "\n")
        print(f"{path.name}: {count} conversations")


def read(path):
    """Yields the conversations of a file, each a list of turns (dicts with task, user, assistant, facets)."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
