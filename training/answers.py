"""Ask about a meeting, and derive the reference answers and the facets that they contain."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

from . import grammar, phrases
from .meetings import Meeting, Task, agreeing
from .words import TRAIN, plain_verbs

Asked = tuple[str, str, dict[str, str]]  # a question, its answer, its facets


@dataclass(frozen=True)
class Answer:
    """A request, its reference answer, and the strings that any correct answer contains.

    `notes` has the notes where the request holds them, "" where it follows right behind them, and
    None elsewhere.
    """

    task: str
    request: str
    text: str
    facets: dict[str, str]
    notes: str | None = None


def _facets(meeting: Meeting) -> dict[str, str]:
    """Return the strings that a full summary contains, by name."""
    facets = {name: text for name, text in (("open", meeting.open), ("risk", meeting.risk)) if text}
    for number, task in enumerate(meeting.tasks):
        mark = "" if number == 0 else f"_{number + 1}"
        facets["decision" if number == 0 else f"action{mark}"] = task.what
        if task.owner:
            facets[f"owner{mark}"] = task.owner
        if task.due:
            facets[f"due{mark}"] = task.due
    return facets


def _assignment(task: Task) -> str:
    if task.owner is None:
        return f"Nobody is named for it yet, and it is due by {task.due}."
    if task.due is None:
        return f"{task.owner} owns it, with no date set."
    return f"{task.owner} owns it, due by {task.due}."


def _decision_with_owner(task: Task) -> str:
    """Return one sentence without its full stop."""
    if task.owner is None:
        return f"The team decided to {task.what} by {task.due}, but nobody is named for it"
    end = f" by {task.due}" if task.due else ", with no date set"
    return f"The team decided to {task.what}, and {task.owner} will do it{end}"


def _others(meeting: Meeting) -> list[str]:
    return [f"{task.owner} will {task.what} by {task.due}" for task in meeting.tasks[1:]]


def _plain_summary(meeting: Meeting) -> str:
    sentences = [f"The team decided to {meeting.tasks[0].what}.", _assignment(meeting.tasks[0])]
    sentences += [f"{text}." for text in _others(meeting)]
    sentences += [f"Still open: {meeting.open}."] if meeting.open else []
    sentences += [f"Risk: {meeting.risk}."] if meeting.risk else []
    return " ".join(sentences)


def _rest(meeting: Meeting) -> list[str]:
    """Return what a summary says after the decision, as parts of a sentence."""
    parts = _others(meeting)
    parts += [f"it is still open {meeting.open}"] if meeting.open else []
    parts += [f"the risk is that {meeting.risk}"] if meeting.risk else []
    return parts


def _one_sentence(meeting: Meeting) -> str:
    return "; ".join([_decision_with_owner(meeting.tasks[0]), *_rest(meeting)]) + "."


def _two_sentences(meeting: Meeting) -> str:
    parts = _rest(meeting)
    if not parts:
        return f"The team decided to {meeting.tasks[0].what}. {_assignment(meeting.tasks[0])}"
    text = "; ".join(parts)
    # A name is left as it was written, even in lower case.
    if parts[0].startswith(("it is still", "the risk is")):
        text = text[0].upper() + text[1:]
    return f"{_decision_with_owner(meeting.tasks[0])}. {text}."


def _three_bullets(meeting: Meeting) -> str:
    first = meeting.tasks[0]
    owner, due = first.owner or "not named", first.due or "not set"
    if not (meeting.open or meeting.risk):
        return f"- Decision: {first.what}\n- Owner: {owner}\n- Due: {due}"
    last = f"Open: {meeting.open}" if meeting.open else f"Risk: {meeting.risk}"
    return f"- Decision: {first.what}\n- Owner: {owner}, due: {due}\n- {last}"


def _first_task_only(meeting: Meeting) -> dict[str, str]:
    """Return what three bullets have room for: a risk only where nothing is open."""
    risk = None if meeting.open else meeting.risk
    return _facets(replace(meeting, tasks=meeting.tasks[:1], risk=risk))


FORMATS: dict[str, Callable[[Meeting], str]] = {
    "in one sentence": _one_sentence,
    "in 1 sentence": _one_sentence,
    "in 2 sentences": _two_sentences,
    "in two sentences": _two_sentences,
    "as 3 bullets": _three_bullets,
    "in three bullets": _three_bullets,
    "in 3 bullet points": _three_bullets,
}


def request(rng: Random, split: str, kind: str, place: str) -> str:
    """Return a wording of a request.

    The first wording of a kind is the session's own: it is in every split, and comes more often.
    `place` is "first" (with {notes} in it), "branch" (right behind the notes) or "follow up" (a
    later turn).
    """
    if place == "follow up":
        return rng.choice(phrases.FOLLOW_UP[kind])
    made = grammar.request(rng, kind) if split == TRAIN and rng.random() < 0.6 else None
    if made and phrases.wording(made) not in phrases.held_out_wordings():
        text = made
    elif rng.random() < 0.25:
        text = phrases.REQUESTS[kind][0]
    else:
        text = rng.choice(phrases.own_requests(kind, split))
    if place == "first":
        return text
    if text.startswith("{notes}"):
        return text.removeprefix("{notes}")
    gap = rng.choice(["\n", "\n\n", "\n\n", " "])
    return gap + re.sub(r"[\s:]*\{notes\}\s*", " ", text).strip()


def _answer(task: str, asked: str, text: str, facets: dict[str, str], place: str) -> Answer:
    """Return a finished answer.

    A date such as "12.05." may end a sentence, whose full stop is then already there.
    """
    return Answer(task, asked, text.replace("..", "."), facets, "" if place == "branch" else None)


def summary(rng: Random, split: str, meeting: Meeting, place: str = "first") -> Answer:
    """Return the plain summary: decision, owner, date, further tasks, open question."""
    asked = request(rng, split, "summary", place)
    return _answer("summary", asked, _plain_summary(meeting), _facets(meeting), place)


def formatted_summary(rng: Random, split: str, meeting: Meeting, place: str = "first") -> Answer:
    """Return a summary in a form that the request names."""
    wording = rng.choice(list(FORMATS))
    dotted = any("." in text for text in _facets(meeting).values())
    if split != TRAIN and "sentence" in wording and dotted:
        # "Dr. Osei" and "12.05." look like two sentences when they are counted, so such answers
        # measure nothing.
        wording = rng.choice([other for other in FORMATS if "sentence" not in other])
    build = FORMATS[wording]
    asked = request(rng, split, "format", place).replace("{format}", wording)
    facets = _first_task_only(meeting) if build is _three_bullets else _facets(meeting)
    return _answer("format", asked, build(meeting), facets, place)


def actions(rng: Random, split: str, meeting: Meeting, place: str = "first") -> Answer:
    """Return all tasks as bullets."""
    rows = []
    for task in meeting.tasks:
        due = f" by {task.due}" if task.due else ""
        rows.append(f"- {task.owner or 'Nobody yet'}: {task.what}{due}")
    facets = {name: text for name, text in _facets(meeting).items() if name not in ("open", "risk")}
    asked = request(rng, split, "actions", place)
    return _answer("actions", asked, "\n".join(rows), facets, place)


def question(rng: Random, split: str, meeting: Meeting, place: str = "first") -> Answer:
    """Return one question with its answer, unanswerable in about one case in four."""
    ask = rng.choices([_ask_task, _ask_meeting, _ask_missing], [46, 42, 12])[0]
    text, answer, facets = ask(rng, split, meeting)
    asked = request(rng, split, "question", place).replace("{question}", text)
    return _answer("question" if facets else "unanswerable", asked, answer, facets, place)


def question_text(
    rng: Random, split: str, kind: str, task: Task | None = None, **fields: str
) -> str:
    """Return a question of one kind; one that needs a passive is left out where there is none."""
    choices = phrases.own(phrases.QUESTIONS[kind], split)
    if split == TRAIN and rng.random() < 0.5:
        made = grammar.question(rng, kind)
        if phrases.wording(made) not in phrases.held_out_wordings():
            choices = (made,)
    if task is None:
        return rng.choice(choices).format(**fields)
    fitting = [
        text
        for text in choices
        if (task.done or "{done}" not in text) and (task.owner or "{owner}" not in text)
    ]
    if not fitting:
        fitting = ["Who will {what}?" if kind == "owner" else "What is the deadline for {topic}?"]
    return rng.choice(fitting).format(
        what=task.what, owner=task.owner, done=task.done, **agreeing(task.topic)
    )


def _ask_task(rng: Random, split: str, meeting: Meeting) -> Asked:
    task = rng.choice(meeting.tasks)
    kind = rng.choice(["owner", "due", "task"]) if task.owner else "owner"
    text = question_text(rng, split, kind, task)
    if kind == "owner":
        return _said(text, "owner", task.owner, f"{task.owner} owns {task.topic}.")
    if kind == "due":
        return _said(text, "due", task.due, f"It is due by {task.due}.")
    mine = [other for other in meeting.tasks if other.owner == task.owner]
    answer = f"{task.owner} will " + " and ".join(other.what for other in mine) + "."
    return text, answer, {f"task_{number}": other.what for number, other in enumerate(mine)}


def _ask_meeting(rng: Random, split: str, meeting: Meeting) -> Asked:
    weights = [45, 40, 15 if meeting.risk is None else 40]
    kind = rng.choices(["decision", "open", "risk"], weights)[0]
    text = question_text(rng, split, kind)
    if kind == "decision":
        # In a table nothing tells a decision from another task.
        whats = [task.what for task in meeting.tasks if task.decided or meeting.layout == "table"]
        facets = {f"decision_{n}" if n else "decision": what for n, what in enumerate(whats)}
        return text, f"The team decided to {' and to '.join(whats)}.", facets
    if kind == "open":
        return _said(text, "open", meeting.open, f"It is still open {meeting.open}.")
    return _said(text, "risk", meeting.risk, f"The risk is that {meeting.risk}.")


def _ask_missing(rng: Random, split: str, meeting: Meeting) -> Asked:
    """Ask what the notes never mention, or about a person who was given nothing."""
    if rng.random() < 0.5:
        text = rng.choice(phrases.own(phrases.NEVER_SAID, split))
        return _unsaid(text.format(other=rng.choice(meeting.people)))
    idle = [name for name in meeting.people if name not in [task.owner for task in meeting.tasks]]
    if idle and rng.random() < 0.4:
        return _unsaid(question_text(rng, split, "task", owner=rng.choice(idle)))
    verb, done = rng.choice(plain_verbs(split))
    thing = rng.choice(meeting.spare_topics)
    task = Task(f"{verb} {thing}", done, thing, rng.choice(meeting.people), None)
    return _unsaid(question_text(rng, split, rng.choice(["owner", "due"]), task))


def _said(text: str, name: str, facet: str | None, answer: str) -> Asked:
    return (text, answer, {name: facet}) if facet else _unsaid(text)


def _unsaid(text: str) -> Asked:
    return text, phrases.NOT_IN_NOTES, {}
