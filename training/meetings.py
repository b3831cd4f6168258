"""Invent meetings: the facts that the notes hide and the answers follow from."""

from dataclasses import dataclass, replace
from random import Random

from . import grammar, phrases
from .dates import date
from .words import (
    TRAIN,
    Topic,
    action,
    content_words,
    distinct,
    person,
    plain_verbs,
    topic,
)

# How often each layout comes.
LAYOUTS = {
    "speakers": 30,
    "chat": 7,
    "bullets": 14,
    "prose": 20,
    "minutes": 12,
    "email": 8,
    "short": 6,
    "table": 3,
}


@dataclass(frozen=True)
class Task:
    """One thing to do.

    `owner` or `due` is None when the notes leave it out, `done` when `what` has no short passive.
    """

    what: str
    done: str | None
    topic: Topic
    owner: str | None
    due: str | None
    decided: bool = False


@dataclass(frozen=True)
class Meeting:
    """What a correct answer may say.

    `tasks[0]` is the first decision, the others are further decisions or action items.
    """

    tasks: tuple[Task, ...]
    people: tuple[str, ...]
    spare_topics: tuple[Topic, ...]
    layout: str
    open: str | None = None
    risk: str | None = None


def agreeing(about: Topic) -> dict[str, str]:
    """Return the fields of a template that depend on its topic."""
    forms = ("", "are", "were", "have", "do") if about.plural else ("s", "is", "was", "has", "does")
    return {"topic": about, **dict(zip(("s", "is", "was", "has", "does"), forms, strict=True))}


def invent(rng: Random, split: str) -> Meeting:
    """Return a meeting of three to five people with one to four tasks."""
    layout = rng.choices(list(LAYOUTS), list(LAYOUTS.values()))[0]
    people = distinct(lambda: person(rng, split), rng.randint(3, 5))
    if layout == "chat":
        people = [name.lower() for name in people]
    count = rng.choices([1, 2, 3, 4], [42, 38, 16, 4])[0]
    one_each = count <= len(people) and rng.random() < 0.7
    owners = rng.sample(people, count) if one_each else [rng.choice(people) for _ in range(count)]
    topics = _topics(rng, split, count + 5)
    tasks = _tasks(rng, split, owners, topics)
    spare = topics[count:]
    question = clause(rng, split, "open").format(**agreeing(spare[0]))
    risk = clause(rng, split, "risk").format(**agreeing(spare[1]))
    return Meeting(
        tasks=tuple(tasks),
        people=tuple(people),
        spare_topics=tuple(spare[2:]),
        layout=layout,
        open=question if rng.random() < 0.6 else None,
        # More often in training: what a model meets rarely it soon never says.
        risk=risk if rng.random() < (0.4 if split == TRAIN else 0.25) else None,
    )


def _topics(rng: Random, split: str, count: int) -> list[Topic]:
    """Return topics none of which is part of another.

    The held-out lists are a tenth as long as those of training, so that words would meet in one
    meeting eight times as often as there (in 17 notes of 100 instead of 2). Where that could
    happen, no two topics have a word in common.
    """
    topics: list[Topic] = []
    seen: set[str] = set()
    while len(topics) < count:
        new = topic(rng, split)
        own = content_words(new)
        nested = any(new in old or old in new for old in topics)
        if not nested and (split == TRAIN or not own & seen):
            topics.append(new)
            seen |= own
    return topics


def _tasks(rng: Random, split: str, owners: list[str], topics: list[Topic]) -> list[Task]:
    """Return one task for each owner; outside training no two begin with the same verb."""
    tasks: list[Task] = []
    for number, (owner, about) in enumerate(zip(owners, topics, strict=False)):
        made = action(rng, split, about, lambda: topic(rng, split))
        verbs = [task.what.split()[0] for task in tasks]
        while split != TRAIN and made.to_do.split()[0] in verbs:
            made = action(rng, split, about, lambda: topic(rng, split))
        due, decided = date(rng), number == 0 or rng.random() < 0.25
        tasks.append(Task(made.to_do, made.done, made.topic, owner, due, decided))
    tasks[0] = _leave_out(rng, tasks[0])
    return tasks


def clause(rng: Random, split: str, kind: str) -> str:
    """Return a template with {topic} for what is open ("open") or may go wrong ("risk").

    In half of the training notes it is put together from parts.
    """
    if split == TRAIN and rng.random() < 0.5:
        made = grammar.clause(rng, kind, [verb.do for verb in plain_verbs(split)])
        if phrases.owner_of(made) in (None, TRAIN):
            return made
    return rng.choice(phrases.own(phrases.CLAUSES[kind], split))


def _leave_out(rng: Random, task: Task) -> Task:
    """Leave out the owner or the date in some meetings: a model must then not invent one."""
    chance = rng.random()
    if chance < 0.04:
        return replace(task, owner=None)
    return replace(task, due=None) if chance < 0.1 else task
