"""Invented meetings: the facts, the notes that hide them, and the answers that follow from them."""

from dataclasses import dataclass, replace

import phrases
from words import TEAMS, VERBS, date, distinct, person, share, topic

LAYOUTS = ("speakers", "bullets", "prose")


@dataclass(frozen=True)
class Task:
    """One thing to do. `owner` or `due` is None when the notes leave it out."""

    verb: str
    done: str
    topic: str
    owner: str | None
    due: str | None

    @property
    def what(self):
        return f"{self.verb} {self.topic}"


@dataclass(frozen=True)
class Meeting:
    """What a correct answer may say. `tasks[0]` is the decision, the others are further action items."""

    tasks: tuple[Task, ...]
    people: tuple[str, ...]
    spare_topics: tuple[str, ...]
    open: str | None = None
    risk: str | None = None


@dataclass(frozen=True)
class Answer:
    """A question (or request), its reference answer, and the strings any correct answer contains."""

    task: str
    request: str
    text: str
    facets: dict[str, str]


def invent(rng, split):
    """A meeting of three to five people with one to three tasks."""
    people = distinct(lambda: person(rng, split), rng.randint(3, 5))
    topics = distinct(lambda: topic(rng, split), 8)
    count = rng.choices([1, 2, 3], [50, 35, 15])[0]
    verbs = distinct(lambda: rng.choice(share(VERBS, split)), count)
    owners = rng.sample(people, count) if rng.random() < 0.7 else [rng.choice(people) for _ in range(count)]
    tasks = [Task(*verbs[n], topics[n], owners[n], date(rng)) for n in range(count)]
    tasks[0] = _leave_out(rng, tasks[0])
    question = rng.choice(share(phrases.OPEN_QUESTIONS, split, phrases.HELD_OUT)).format(topic=topics[3])
    risk = rng.choice(share(phrases.RISKS, split, phrases.HELD_OUT)).format(topic=topics[4])
    return Meeting(
        tasks=tuple(tasks),
        people=tuple(people),
        spare_topics=tuple(topics[5:]),
        open=question if rng.random() < 0.75 else None,
        risk=risk if rng.random() < 0.2 else None,
    )


def _leave_out(rng, task):
    """Sometimes nobody is named, or no date is set: a model must then not invent one."""
    chance = rng.random()
    if chance < 0.06:
        return replace(task, owner=None)
    return replace(task, due=None) if chance < 0.14 else task


# ---------------------------------------------------------------- notes


class _Writer:
    """Collects (speaker, sentence) pairs for one meeting in one voice."""

    def __init__(self, rng, split, meeting, spoken):
        self.rng, self.split, self.meeting = rng, split, meeting
        self.spoken = spoken
        self.blocks = phrases.SPOKEN if spoken else phrases.REPORTED
        self.said = []

    def say(self, kind, speaker=None, **fields):
        template = self.rng.choice(share(phrases.lines(self.blocks[kind]), self.split, phrases.HELD_OUT))
        text = template.format(**fields)
        self.said.append((speaker, text[0].upper() + text[1:]))

    def someone(self, *excluded):
        return self.rng.choice([name for name in self.meeting.people if name not in excluded])

    def chatter(self):
        speaker = self.someone()
        self.say(
            "chatter",
            speaker,
            topic=self.rng.choice(self.meeting.spare_topics),
            other=self.someone(speaker),
            done=self.rng.choice(share(VERBS, self.split))[1],
            number=self.rng.randint(2, 60),
            team=self.rng.choice(TEAMS),
        )

    def problem(self, topic):
        speaker = self.someone()
        self.say("problem", speaker, topic=topic, other=speaker, number=self.rng.randint(2, 60))

    def decision(self):
        task = self.meeting.tasks[0]
        what = task.what
        if self.rng.random() < 0.3:
            self.problem(task.topic)
            what = self.rng.choice([what, f"{task.verb} it"])
        speaker = self.someone()
        if task.owner and task.due and self.rng.random() < 0.2:
            return self.say("decide_own", self.someone(task.owner), owner=task.owner, what=what, due=task.due)
        self.say("decide", speaker, what=what, other=speaker)
        if self.spoken and self.rng.random() < 0.4:
            self.say("agree", self.someone(speaker))
        if self.rng.random() < 0.25:
            self.chatter()
        self._responsible(task)

    def _responsible(self, task):
        if task.owner is None:
            return self.say("no_owner", self.someone(), due=task.due)
        if task.due is None:
            return self.say("own_no_date", task.owner, owner=task.owner)
        chance = self.rng.random()
        if chance < 0.12:
            return self._corrected_date(task)
        if chance < 0.22:
            return self._corrected_owner(task)
        self._own(task.owner, task.due)

    def _own(self, owner, due):
        if self.spoken and self.rng.random() < 0.6:
            return self.say("own_self", owner, due=due)
        self.say("own_other", self.someone(owner), owner=owner, due=due)
        if self.spoken and self.rng.random() < 0.5:
            self.say("agree", owner)

    def _corrected_date(self, task):
        old = next(value for value in distinct(lambda: date(self.rng), 2) if value != task.due)
        self._own(task.owner, old)
        self.say("correct_date", task.owner, due=task.due, old=old)

    def _corrected_owner(self, task):
        old = self.someone(task.owner)
        self._own(old, task.due)
        self.say("correct_owner", old, owner=task.owner, old=old)

    def item(self, task):
        if self.spoken and self.rng.random() < 0.5:
            return self.say("item_self", task.owner, what=task.what, due=task.due)
        self.say("item_other", self.someone(task.owner), owner=task.owner, what=task.what, due=task.due)

    def open(self):
        speaker = self.someone()
        self.say("open", speaker, open=self.meeting.open, other=speaker)

    def risk(self):
        speaker = self.someone()
        self.say("risk", speaker, risk=self.meeting.risk, other=speaker)

    def steps(self):
        """The parts of the meeting: tasks in their order, everything else anywhere between them."""
        asides = [self.chatter] * self.rng.choice([0, 0, 1, 1, 2, 3])
        asides += [self.open] * bool(self.meeting.open) + [self.risk] * bool(self.meeting.risk)
        self.rng.shuffle(asides)
        steps = [self.decision] + [lambda task=task: self.item(task) for task in self.meeting.tasks[1:]]
        for aside in asides:
            steps.insert(self.rng.randint(0, len(steps)), aside)
        return steps


def write_notes(rng, split, meeting):
    """The meeting as a person may have written it down: a transcript, bullets or running text."""
    layout = rng.choices(LAYOUTS, [50, 20, 30])[0]
    writer = _Writer(rng, split, meeting, spoken=layout == "speakers")
    for step in writer.steps():
        step()
    if layout == "speakers":
        lower = rng.random() < 0.2
        return _transcript(rng, [(name, _lower_first(text, meeting) if lower else text) for name, text in writer.said])
    texts = [text for _, text in writer.said]
    if layout == "bullets":
        mark = rng.choice(["-", "*"])
        return "\n".join(f"{mark} {text}" for text in texts)
    return " ".join(texts)


def _lower_first(text, meeting):
    """A careless transcript starts sentences in lower case, but never a name or "I"."""
    first = text.split()[0].strip(",.:'")
    keep = first == "I" or first.startswith("I'") or first in meeting.people or first.isdigit()
    return text if keep else text[0].lower() + text[1:]


def _transcript(rng, said):
    turns = []
    for speaker, text in said:
        if turns and turns[-1][0] == speaker:
            turns[-1][1] += " " + text
        else:
            turns.append([speaker, text])
    return rng.choice(["\n", "\n", " "]).join(f"{speaker}: {text}" for speaker, text in turns)


# ---------------------------------------------------------------- answers


def _facets(meeting):
    """The strings that a full summary contains, by name."""
    found = {"open": meeting.open} if meeting.open else {}
    for number, task in enumerate(meeting.tasks):
        mark = "" if number == 0 else f"_{number + 1}"
        found[f"{'decision' if number == 0 else 'action'}{mark}"] = task.what
        if task.owner:
            found[f"owner{mark}"] = task.owner
        if task.due:
            found[f"due{mark}"] = task.due
    return found


def _assignment(task):
    if task.owner is None:
        return f"Nobody is named for it yet, and it is due by {task.due}."
    return f"{task.owner} owns it, due by {task.due}." if task.due else f"{task.owner} owns it, with no date set."


def _decision_with_owner(task):
    """One sentence without its full stop."""
    if task.owner is None:
        return f"The team decided to {task.what} by {task.due}, but nobody is named for it"
    end = f" by {task.due}" if task.due else ", with no date set"
    return f"The team decided to {task.what}, and {task.owner} will do it{end}"


def _others(meeting):
    return [f"{task.owner} will {task.what} by {task.due}" for task in meeting.tasks[1:]]


def _plain_summary(meeting):
    sentences = [f"The team decided to {meeting.tasks[0].what}.", _assignment(meeting.tasks[0])]
    sentences += [f"{text}." for text in _others(meeting)]
    return " ".join(sentences + ([f"Still open: {meeting.open}."] if meeting.open else []))


def _one_sentence(meeting):
    parts = _others(meeting) + ([f"it is still open {meeting.open}"] if meeting.open else [])
    return "; ".join([_decision_with_owner(meeting.tasks[0]), *parts]) + "."


def _two_sentences(meeting):
    parts = _others(meeting) + ([f"it is still open {meeting.open}"] if meeting.open else [])
    if not parts:
        return f"The team decided to {meeting.tasks[0].what}. {_assignment(meeting.tasks[0])}"
    text = "; ".join(parts)
    return f"{_decision_with_owner(meeting.tasks[0])}. {text[0].upper()}{text[1:]}."


def _three_bullets(meeting):
    first = meeting.tasks[0]
    owner, due = first.owner or "not named", first.due or "not set"
    if not meeting.open:
        return f"- Decision: {first.what}\n- Owner: {owner}\n- Due: {due}"
    return f"- Decision: {first.what}\n- Owner: {owner}, due: {due}\n- Open: {meeting.open}"


def _first_task_only(meeting):
    return _facets(replace(meeting, tasks=meeting.tasks[:1]))


FORMATS = {
    "in one sentence": _one_sentence,
    "in 1 sentence": _one_sentence,
    "in 2 sentences": _two_sentences,
    "in two sentences": _two_sentences,
    "as 3 bullets": _three_bullets,
    "in three bullets": _three_bullets,
    "in 3 bullet points": _three_bullets,
}


def _template(rng, split, block, follow_up):
    """A wording of a request. The first wording of a block is the session's own and comes more often."""
    if follow_up:
        return rng.choice(phrases.lines(phrases.FOLLOW_UP[block]))
    choices = share(phrases.lines(block), split, phrases.HELD_OUT)
    return choices[0] if rng.random() < 0.35 else rng.choice(choices)


def summary(rng, split, meeting, follow_up=False):
    request = _template(rng, split, phrases.SUMMARIZE, follow_up)
    return Answer("summary", request, _plain_summary(meeting), _facets(meeting))


def formatted_summary(rng, split, meeting, follow_up=False):
    wording = rng.choice(list(FORMATS))
    build = FORMATS[wording]
    request = _template(rng, split, phrases.FORMATTED, follow_up).replace("{format}", wording)
    facets = _first_task_only(meeting) if build is _three_bullets else _facets(meeting)
    return Answer("format", request, build(meeting), facets)


def actions(rng, split, meeting, follow_up=False):
    rows = []
    for task in meeting.tasks:
        rows.append(f"- {task.owner or 'Nobody yet'}: {task.what}" + (f" by {task.due}" if task.due else ""))
    facets = {name: text for name, text in _facets(meeting).items() if name != "open"}
    return Answer("actions", _template(rng, split, phrases.LIST_ACTIONS, follow_up), "\n".join(rows), facets)


def question(rng, split, meeting, follow_up=False):
    """One question with its answer, unanswerable in about one case in four."""
    text, answer, facets = rng.choice([_ask_task, _ask_task, _ask_meeting, _ask_meeting, _ask_missing])(rng, split, meeting)
    request = _template(rng, split, phrases.QUESTION, follow_up).replace("{question}", text)
    return Answer("question" if facets else "unanswerable", request, answer, facets)


def _wording(rng, split, kind, **fields):
    return rng.choice(share(phrases.lines(phrases.QUESTIONS[kind]), split, phrases.HELD_OUT)).format(**fields)


def _ask_task(rng, split, meeting):
    task = rng.choice(meeting.tasks)
    kind = rng.choice(["owner", "due", "task"]) if task.owner else "owner"
    text = _wording(rng, split, kind, topic=task.topic, what=task.what, owner=task.owner, done=task.done)
    if kind == "owner":
        return (text, f"{task.owner} owns {task.topic}.", {"owner": task.owner}) if task.owner else _unsaid(text)
    if kind == "due":
        return (text, f"It is due by {task.due}.", {"due": task.due}) if task.due else _unsaid(text)
    mine = [other for other in meeting.tasks if other.owner == task.owner]
    answer = f"{task.owner} will " + " and ".join(other.what for other in mine) + "."
    return text, answer, {f"task_{number}": other.what for number, other in enumerate(mine)}


def _ask_meeting(rng, split, meeting):
    kind = rng.choice(["decision", "decision", "open", "open", "risk"])
    text = _wording(rng, split, kind)
    if kind == "decision":
        what = meeting.tasks[0].what
        return text, f"The team decided to {what}.", {"decision": what}
    if kind == "open":
        return (text, f"It is still open {meeting.open}.", {"open": meeting.open}) if meeting.open else _unsaid(text)
    return (text, f"The risk is that {meeting.risk}.", {"risk": meeting.risk}) if meeting.risk else _unsaid(text)


def _ask_missing(rng, split, meeting):
    """About something the notes never mention, or about a person who was given nothing."""
    if rng.random() < 0.5:
        text = rng.choice(share(phrases.lines(phrases.NEVER_SAID), split, phrases.HELD_OUT))
        return _unsaid(text.format(other=rng.choice(meeting.people)))
    idle = [name for name in meeting.people if name not in [task.owner for task in meeting.tasks]]
    if idle and rng.random() < 0.4:
        return _unsaid(_wording(rng, split, "task", owner=rng.choice(idle)))
    verb, done = rng.choice(share(VERBS, split))
    thing = rng.choice(meeting.spare_topics)
    kind = rng.choice(["owner", "due"])
    fields = {"topic": thing, "what": f"{verb} {thing}", "owner": rng.choice(meeting.people), "done": done}
    return _unsaid(_wording(rng, split, kind, **fields))


def _unsaid(text):
    return text, phrases.NOT_IN_NOTES, {}
