"""Invented meetings: the facts, the notes that hide them, and the answers that follow from them."""

import re
from dataclasses import dataclass, replace

import grammar
import phrases
from words import (
    TEAMS,
    TRAIN,
    Topic,
    action,
    content_words,
    date,
    distinct,
    person,
    plain_verbs,
    topic,
)

# how often each layout comes
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
    """One thing to do. `owner` or `due` is None when the notes leave it out, `done` when `what` has no short passive."""

    what: str
    done: str | None
    topic: Topic
    owner: str | None
    due: str | None
    decided: bool = False


@dataclass(frozen=True)
class Meeting:
    """What a correct answer may say. `tasks[0]` is the first decision, the others are further decisions or action items."""

    tasks: tuple[Task, ...]
    people: tuple[str, ...]
    spare_topics: tuple[Topic, ...]
    layout: str
    open: str | None = None
    risk: str | None = None


@dataclass(frozen=True)
class Answer:
    """A question (or request), its reference answer, and the strings any correct answer contains."""

    task: str
    request: str
    text: str
    facets: dict[str, str]
    notes: str | None = (
        None  # the notes where the request holds them, "" where it follows right behind them, None elsewhere
    )


def _agreeing(about):
    """The fields of a template that depend on its topic."""
    forms = ("", "are", "were", "have", "do") if about.plural else ("s", "is", "was", "has", "does")
    return {"topic": about, **dict(zip(("s", "is", "was", "has", "does"), forms, strict=True))}


def _topics(rng, split, count):
    """Topics none of which is part of another.

    The held-out lists are a tenth as long as those of training, so that words would meet in one meeting eight times as often as
    there (in 17 notes of 100 instead of 2). Where that could happen, no two topics have a word in common.
    """
    found, seen = [], set()
    while len(found) < count:
        new = topic(rng, split)
        own = content_words(new)
        if not any(new in old or old in new for old in found) and (
            split == TRAIN or not own & seen
        ):
            found.append(new)
            seen |= own
    return found


def invent(rng, split):
    """A meeting of three to five people with one to four tasks."""
    layout = rng.choices(list(LAYOUTS), LAYOUTS.values())[0]
    people = distinct(lambda: person(rng, split), rng.randint(3, 5))
    if layout == "chat":
        people = [name.lower() for name in people]
    count = rng.choices([1, 2, 3, 4], [42, 38, 16, 4])[0]
    one_each = count <= len(people) and rng.random() < 0.7
    owners = rng.sample(people, count) if one_each else [rng.choice(people) for _ in range(count)]
    topics = _topics(rng, split, count + 5)
    tasks = []
    for number in range(count):
        what, done, about = action(rng, split, topics[number], lambda: topic(rng, split))
        while split != TRAIN and what.split()[0] in [task.what.split()[0] for task in tasks]:
            what, done, about = action(rng, split, topics[number], lambda: topic(rng, split))
        tasks.append(
            Task(what, done, about, owners[number], date(rng), number == 0 or rng.random() < 0.25)
        )
    tasks[0] = _leave_out(rng, tasks[0])
    spare = topics[count:]
    question = _clause(rng, split, "open", phrases.OPEN_QUESTIONS).format(**_agreeing(spare[0]))
    risk = _clause(rng, split, "risk", phrases.RISKS).format(**_agreeing(spare[1]))
    return Meeting(
        tasks=tuple(tasks),
        people=tuple(people),
        spare_topics=tuple(spare[2:]),
        layout=layout,
        open=question if rng.random() < 0.6 else None,
        # More often in training: what a model meets rarely it soon never says.
        risk=risk if rng.random() < (0.4 if split == TRAIN else 0.25) else None,
    )


def _clause(rng, split, kind, block):
    """What is open or may go wrong, with {topic}; in half of the training notes put together from parts."""
    if split == TRAIN and rng.random() < 0.5:
        made = grammar.clause(rng, kind, [verb for verb, _ in plain_verbs(split)])
        if phrases.owner_of(made) in (None, TRAIN):
            return made
    return rng.choice(phrases.own(block, split))


def _leave_out(rng, task):
    """Sometimes nobody is named, or no date is set: a model must then not invent one."""
    chance = rng.random()
    if chance < 0.04:
        return replace(task, owner=None)
    return replace(task, due=None) if chance < 0.1 else task


# ---------------------------------------------------------------- notes


# Kinds of sentences after which something is not as it was said first.
CHANGES = frozenset(
    (
        "correct_date",
        "correct_owner",
        "hand_over",
        "dropped",
        "decide_instead",
        "refuse",
        "accept_late",
    )
)


class Notes(str):
    """The text of some notes, and which kinds of sentences (see phrases.py) it was made of."""

    kinds = frozenset()


FIELD = re.compile(r"(\{\w+\})")


def _mistype(rng, template):
    """One typo in the wording of a template; names, topics and dates stay as they are."""
    parts = FIELD.split(template)
    places = [
        (n, match) for n in range(0, len(parts), 2) for match in re.finditer(r"[a-z]{5,}", parts[n])
    ]
    if not places:
        return template
    number, match = rng.choice(places)
    at = match.start() + rng.randint(1, len(match[0]) - 3)
    text = parts[number]
    parts[number] = (
        text[:at] + text[at + 1] + text[at] + text[at + 2 :]
        if rng.random() < 0.5
        else text[:at] + text[at + 1 :]
    )
    return "".join(parts)


class _Writer:
    """Collects (section, speaker, sentence) for one meeting in one voice."""

    def __init__(self, rng, split, meeting, voice):
        self.rng, self.split, self.meeting = rng, split, meeting
        self.blocks, self.spoken, self.short = (
            voice,
            voice is phrases.SPOKEN,
            voice is phrases.SHORT,
        )
        self.voice = "spoken" if self.spoken else "short" if self.short else "reported"
        self.lower = self.short or rng.random() < (0.8 if meeting.layout == "chat" else 0.08)
        self.typos = 0.25 if rng.random() < 0.08 else 0
        self.section, self.step = "", 0
        self.said, self.used, self.kinds = [], set(), {"typos"} if self.typos else set()
        self.later = []

    def say(self, kind, speaker=None, about=None, **fields):
        template = self._made(kind) or self._unused(phrases.own(self.blocks[kind], self.split))
        if self.typos and self.rng.random() < self.typos:
            template = _mistype(self.rng, template)
        if "{why}" in template:
            fields["why"] = self._reason()
        if "{other}" in template and "other" not in fields:
            fields["other"] = self.someone(
                *[fields[key] for key in ("owner", "old") if key in fields]
            )
        text = template.format(**fields, **(_agreeing(about) if about else {}))
        if not self.lower:
            text = (
                text
                if template.startswith(("{owner}", "{other}", "{old}"))
                else text[0].upper() + text[1:]
            )
        elif (
            not self.short and not template.startswith("{") and not re.match(r"I\b|[A-Z]{2}", text)
        ):
            text = text[0].lower() + text[1:]
        self.said.append((self.step, self.section, speaker, text))
        self.kinds.add(kind)

    def _made(self, kind):
        """In half of the training sentences a template put together from parts, so that wording is an open list too."""
        if self.split != TRAIN or self.rng.random() < 0.5:
            return None
        made = grammar.sentence(self.rng, self.voice, kind)
        return made if made and phrases.owner_of(made) in (None, TRAIN) else None

    def _unused(self, templates):
        """A template that these notes do not have yet, if there is one: nobody says the same thing twice."""
        template = self.rng.choice(
            [text for text in templates if text not in self.used] or templates
        )
        self.used.add(template)
        return template

    def _reason(self):
        template = self.rng.choice(phrases.own(phrases.REASONS, self.split))
        return template.format(
            number=self.rng.randint(2, 60), **_agreeing(self.rng.choice(self.meeting.spare_topics))
        )

    def someone(self, *excluded):
        return self.rng.choice([name for name in self.meeting.people if name not in excluded])

    def chatter(self):
        speaker = self.someone()
        self.say(
            "chatter",
            speaker,
            about=self.rng.choice(self.meeting.spare_topics),
            other=self.someone(speaker),
            done=self.rng.choice(plain_verbs(self.split))[1],
            number=self.rng.randint(2, 60),
            team=self.rng.choice(TEAMS),
        )

    def decision(self):
        task = self.meeting.tasks[0]
        if self.short:
            return self._decision_in_short(task)
        if self.rng.random() < 0.22:
            speaker = self.someone()
            self.say(
                "problem", speaker, about=task.topic, other=speaker, number=self.rng.randint(2, 60)
            )
        speaker = self.someone()
        if task.owner and task.due and self.rng.random() < 0.15:
            return self.say(
                "decide_own",
                self.someone(task.owner),
                owner=task.owner,
                what=task.what,
                due=task.due,
            )
        if self.rng.random() < 0.07:
            self._dropped_first(task, speaker)
        else:
            self.say("decide", speaker, what=task.what, other=speaker)
        if self.spoken and self.rng.random() < 0.35:
            self.say("agree", self.someone(speaker))
        if self.spoken and self.rng.random() < 0.15:
            self.chatter()
        self._responsible(task)

    def _dropped_first(self, task, speaker):
        """Another plan comes up first and is given up."""
        spare = self.rng.choice(self.meeting.spare_topics)
        verb = self.rng.choice(plain_verbs(self.split))[0]
        self.say("dropped", speaker, what=f"{verb} {spare}")
        self.say("decide_instead", self.someone(speaker), what=task.what)

    def _decision_in_short(self, task):
        fields = {"what": task.what, "owner": task.owner, "due": task.due}
        if task.owner is None or task.due is None:
            return self.say("decide_no_date" if task.owner else "decide_no_owner", **fields)
        self._maybe_corrected(
            task, lambda owner, due: self.say("decide_own", what=task.what, owner=owner, due=due)
        )

    def _responsible(self, task):
        if task.owner is None:
            return self.say("no_owner", self.someone(), due=task.due)
        if task.due is None:
            return self.say("own_no_date", task.owner, owner=task.owner)
        if self.rng.random() < 0.06:
            return self._first_refused(task)
        self._maybe_corrected(task, self._own)

    def _maybe_corrected(self, task, tell, chance=0.15):
        """Tells owner and date, in some meetings first a wrong one and then the right one, at once or later."""
        kind = self.rng.choices(
            ["", "date", "owner", "later"], [1 - chance, chance * 0.4, chance * 0.3, chance * 0.3]
        )[0]
        if kind == "later" and self.short:
            kind = "owner"
        if kind == "date":
            old = self._other_date(task.due)
            tell(task.owner, old)
            self.say("correct_date", task.owner, owner=task.owner, due=task.due, old=old)
        elif kind:
            old = self.someone(task.owner)
            tell(old, task.due)
            if kind == "owner":
                return self.say("correct_owner", old, owner=task.owner, old=old)
            self.later.append(
                lambda: self.say("hand_over", old, about=task.topic, owner=task.owner, old=old)
            )
        else:
            tell(task.owner, task.due)

    def _other_date(self, due):
        while True:
            old = date(self.rng)
            if old not in due and due not in old:
                return old

    def _first_refused(self, task):
        if not self.spoken:
            return self.say("accept_late", owner=task.owner, due=task.due)
        other = self.someone(task.owner)
        self.say("ask_first", other, owner=task.owner)
        self.say("refuse", task.owner)
        self.say("plead", other)
        self.say("accept", task.owner, due=task.due)

    def _own(self, owner, due):
        if self.spoken and self.rng.random() < 0.6:
            return self.say("own_self", owner, due=due)
        self.say("own_other", self.someone(owner), owner=owner, due=due)
        if self.spoken and self.rng.random() < 0.4:
            self.say("agree", owner)

    def item(self, task):
        def tell(owner, due):
            if task.decided:
                return self.say(
                    "decide_also", self.someone(owner), owner=owner, what=task.what, due=due
                )
            if self.spoken and self.rng.random() < 0.5:
                return self.say("item_self", owner, what=task.what, due=due)
            self.say("item_other", self.someone(owner), owner=owner, what=task.what, due=due)

        self._maybe_corrected(task, tell, 0.06)

    def open(self):
        speaker = self.someone()
        self.say("open", speaker, open=self.meeting.open, other=speaker)

    def risk(self):
        speaker = self.someone()
        self.say("risk", speaker, risk=self.meeting.risk, other=speaker)

    def write(self):
        """The parts of the meeting: tasks in their order, everything else anywhere between them."""
        asides = [("chatter", self.chatter)] * self.rng.choice([0, 0, 1, 1, 1, 2, 3])
        asides += [("open", self.open)] * bool(self.meeting.open) + [("risk", self.risk)] * bool(
            self.meeting.risk
        )
        self.rng.shuffle(asides)
        steps = [("decide", self.decision)]
        steps += [
            ("decide" if task.decided else "item", lambda task=task: self.item(task))
            for task in self.meeting.tasks[1:]
        ]
        for aside in asides:
            steps.insert(self.rng.randint(0, len(steps)), aside)
        for number, (section, step) in enumerate(steps):
            self.step, self.section = number, section
            step()
        for step in self.later:
            self.section, self.step = "decide", self.step + 1
            step()


def write_notes(rng, split, meeting):
    """The meeting as a person may have written it down."""
    layout = meeting.layout
    voice = phrases.REPORTED
    if layout in ("speakers", "chat"):
        voice = phrases.SPOKEN
    elif layout in ("short", "table") or (layout == "minutes" and rng.random() < 0.5):
        voice = phrases.SHORT
    writer = _Writer(rng, split, meeting, voice)
    writer.write()
    # A date may end in a full stop of its own.
    notes = Notes(_LAID_OUT[layout](rng, meeting, writer).replace("..", "."))
    # A table shows how things stand in the end.
    notes.kinds = frozenset(writer.kinds) - (CHANGES if layout == "table" else frozenset())
    return notes


def _speakers(rng, meeting, writer):
    return rng.choice(["\n", "\n", " "]).join(
        f"{speaker}: {text}" for speaker, text in _turns(writer)
    )


def _chat(rng, meeting, writer):
    style, minute = (
        rng.choice(
            [
                "{name}: {text}",
                "<{name}> {text}",
                "[{time}] {name}: {text}",
                "{time} {name}: {text}",
            ]
        ),
        rng.randint(0, 30),
    )
    hour, rows = rng.randint(8, 17), []
    for speaker, text in _turns(writer):
        minute = min(59, minute + rng.randint(0, 2))
        rows.append(style.format(name=speaker, text=text, time=f"{hour}:{minute:02}"))
    return "\n".join(rows)


def _turns(writer):
    """(speaker, what was said without a break)"""
    turns = []
    for _, _, speaker, text in writer.said:
        if turns and turns[-1][0] == speaker:
            turns[-1][1] += " " + text
        else:
            turns.append([speaker, text])
    return turns


def _points(writer):
    """(section, everything said in one step)"""
    points = {}
    for step, section, _, text in writer.said:
        points.setdefault((step, section), []).append(text)
    return [
        (section, ("; " if writer.short else " ").join(texts))
        for (_, section), texts in points.items()
    ]


def _bullets(rng, meeting, writer):
    mark = rng.choice(["- ", "* ", "- ", "\u2022 "])
    rows = (
        [text for _, text in _points(writer)]
        if rng.random() < 0.4
        else [text for *_, text in writer.said]
    )
    return "\n".join(mark + text for text in rows)


def _prose(rng, meeting, writer):
    if rng.random() < 0.2:
        return "\n".join(text for _, text in _points(writer))
    return " ".join(text for *_, text in writer.said)


def _minutes(rng, meeting, writer):
    mark, colon = rng.choice(["- ", "* ", ""]), rng.choice([":", ":", ""])
    rows = (
        [f"{rng.choice(phrases.HEADINGS['people'])}: {', '.join(meeting.people)}"]
        if rng.random() < 0.7
        else []
    )
    order = ["decide", "item", "open", "risk", "chatter"]
    if rng.random() < 0.3:
        order = ["chatter", "decide", "item", "risk", "open"]
    for wanted in order:
        texts = [text for section, text in _points(writer) if section == wanted]
        if texts:
            rows += [rng.choice(phrases.HEADINGS[wanted]) + colon, *[mark + text for text in texts]]
    return "\n".join(rows)


def _email(rng, meeting, writer):
    body = _bullets(rng, meeting, writer) if rng.random() < 0.3 else _prose(rng, meeting, writer)
    gap = rng.choice(["\n", "\n\n", " "]) if not body.startswith(("-", "*")) else "\n"
    opening = f"{rng.choice(phrases.HELLO)} {rng.choice(phrases.RECAP)}".strip()
    return f"{opening}{gap}{body}{gap}{rng.choice(phrases.BYE)} {rng.choice(meeting.people)}"


def _short(rng, meeting, writer):
    mark = rng.choice(["", "", "- ", "* "])
    return "\n".join(mark + text.removeprefix("- ") for _, text in _points(writer))


def _table(rng, meeting, writer):
    rows = [rng.choice(phrases.TABLE_HEADS)]
    rows += [
        f"{task.what} | {task.owner or rng.choice(['?', '-'])} | {task.due or rng.choice(['?', '-'])}"
        for task in meeting.tasks
    ]
    asides = [text for section, text in _points(writer) if section not in ("decide", "item")]
    return "\n".join(row for row in rows + asides if row)


_LAID_OUT = {
    "speakers": _speakers,
    "chat": _chat,
    "bullets": _bullets,
    "prose": _prose,
    "minutes": _minutes,
    "email": _email,
    "short": _short,
    "table": _table,
}


# ---------------------------------------------------------------- answers


def _facets(meeting):
    """The strings that a full summary contains, by name."""
    found = {name: text for name, text in (("open", meeting.open), ("risk", meeting.risk)) if text}
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
    return (
        f"{task.owner} owns it, due by {task.due}."
        if task.due
        else f"{task.owner} owns it, with no date set."
    )


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
    sentences += [f"Still open: {meeting.open}."] if meeting.open else []
    return " ".join(sentences + ([f"Risk: {meeting.risk}."] if meeting.risk else []))


def _rest(meeting):
    """What a summary says after the decision, as parts of a sentence."""
    parts = _others(meeting) + ([f"it is still open {meeting.open}"] if meeting.open else [])
    return parts + ([f"the risk is that {meeting.risk}"] if meeting.risk else [])


def _one_sentence(meeting):
    return "; ".join([_decision_with_owner(meeting.tasks[0]), *_rest(meeting)]) + "."


def _two_sentences(meeting):
    parts = _rest(meeting)
    if not parts:
        return f"The team decided to {meeting.tasks[0].what}. {_assignment(meeting.tasks[0])}"
    text = "; ".join(parts)
    # A name is left as it was written, even in lower case.
    text = (
        text[0].upper() + text[1:] if parts[0].startswith(("it is still", "the risk is")) else text
    )
    return f"{_decision_with_owner(meeting.tasks[0])}. {text}."


def _three_bullets(meeting):
    first = meeting.tasks[0]
    owner, due = first.owner or "not named", first.due or "not set"
    if not (meeting.open or meeting.risk):
        return f"- Decision: {first.what}\n- Owner: {owner}\n- Due: {due}"
    last = f"Open: {meeting.open}" if meeting.open else f"Risk: {meeting.risk}"
    return f"- Decision: {first.what}\n- Owner: {owner}, due: {due}\n- {last}"


def _first_task_only(meeting):
    """What three bullets have room for: a risk only where nothing is open."""
    return _facets(
        replace(meeting, tasks=meeting.tasks[:1], risk=None if meeting.open else meeting.risk)
    )


FORMATS = {
    "in one sentence": _one_sentence,
    "in 1 sentence": _one_sentence,
    "in 2 sentences": _two_sentences,
    "in two sentences": _two_sentences,
    "as 3 bullets": _three_bullets,
    "in three bullets": _three_bullets,
    "in 3 bullet points": _three_bullets,
}


def _template(rng, split, block, place):
    """A wording of a request. The first wording of a block is the session's own, in every split, and comes more often.

    `place` is "first" (with {notes} in it), "branch" (right behind the notes) or "follow up" (a later turn).
    """
    if place == "follow up":
        return rng.choice(phrases.lines(phrases.FOLLOW_UP[block]))
    made = (
        grammar.request(rng, phrases.KIND_OF[block])
        if split == TRAIN and rng.random() < 0.6
        else None
    )
    if made and phrases.wording(made) in phrases.held_out_wordings():
        made = None
    text = made or (
        phrases.lines(block)[0] if rng.random() < 0.25 else rng.choice(phrases.own(block, split))
    )
    if place == "first":
        return text
    if text.startswith("{notes}"):
        return text.removeprefix("{notes}")
    gap = rng.choice(["\n", "\n\n", "\n\n", " "])
    return gap + re.sub(r"[\s:]*\{notes\}\s*", " ", text).strip()


def _tidy(answer, place):
    """A date such as "12.05." may end a sentence, whose full stop is then already there."""
    return replace(
        answer, text=answer.text.replace("..", "."), notes="" if place == "branch" else None
    )


def summary(rng, split, meeting, place="first"):
    """The plain summary: decision, owner, date, further tasks, open question."""
    request = _template(rng, split, phrases.SUMMARIZE, place)
    return _tidy(Answer("summary", request, _plain_summary(meeting), _facets(meeting)), place)


def formatted_summary(rng, split, meeting, place="first"):
    """A summary in a form that the request names."""
    wording = rng.choice(list(FORMATS))
    if (
        split != TRAIN
        and "sentence" in wording
        and any("." in text for text in _facets(meeting).values())
    ):
        # "Dr. Osei" and "12.05." look like two sentences to whoever counts them, so such answers measure nothing.
        wording = rng.choice([other for other in FORMATS if "sentence" not in other])
    build = FORMATS[wording]
    request = _template(rng, split, phrases.FORMATTED, place).replace("{format}", wording)
    facets = _first_task_only(meeting) if build is _three_bullets else _facets(meeting)
    return _tidy(Answer("format", request, build(meeting), facets), place)


def actions(rng, split, meeting, place="first"):
    """All tasks as bullets."""
    rows = []
    for task in meeting.tasks:
        rows.append(
            f"- {task.owner or 'Nobody yet'}: {task.what}" + (f" by {task.due}" if task.due else "")
        )
    facets = {name: text for name, text in _facets(meeting).items() if name not in ("open", "risk")}
    return _tidy(
        Answer(
            "actions", _template(rng, split, phrases.LIST_ACTIONS, place), "\n".join(rows), facets
        ),
        place,
    )


def question(rng, split, meeting, place="first"):
    """One question with its answer, unanswerable in about one case in four."""
    ask = rng.choices([_ask_task, _ask_meeting, _ask_missing], [46, 42, 12])[0]
    text, answer, facets = ask(rng, split, meeting)
    request = _template(rng, split, phrases.QUESTION, place).replace("{question}", text)
    return _tidy(Answer("question" if facets else "unanswerable", request, answer, facets), place)


def _wording(rng, split, kind, task=None, **fields):
    """A question of one kind; one that needs a passive is left out where there is none."""
    choices = phrases.own(phrases.QUESTIONS[kind], split)
    if split == TRAIN and rng.random() < 0.5:
        made = grammar.question(rng, kind)
        choices = [made] if phrases.wording(made) not in phrases.held_out_wordings() else choices
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
        what=task.what, owner=task.owner, done=task.done, **_agreeing(task.topic)
    )


def _ask_task(rng, split, meeting):
    task = rng.choice(meeting.tasks)
    kind = rng.choice(["owner", "due", "task"]) if task.owner else "owner"
    text = _wording(rng, split, kind, task)
    if kind == "owner":
        return (
            (text, f"{task.owner} owns {task.topic}.", {"owner": task.owner})
            if task.owner
            else _unsaid(text)
        )
    if kind == "due":
        return (text, f"It is due by {task.due}.", {"due": task.due}) if task.due else _unsaid(text)
    mine = [other for other in meeting.tasks if other.owner == task.owner]
    answer = f"{task.owner} will " + " and ".join(other.what for other in mine) + "."
    return text, answer, {f"task_{number}": other.what for number, other in enumerate(mine)}


def _ask_meeting(rng, split, meeting):
    kind = rng.choices(["decision", "open", "risk"], [45, 40, 15 if meeting.risk is None else 40])[
        0
    ]
    text = _wording(rng, split, kind)
    if kind == "decision":
        # In a table nothing tells a decision from another task.
        whats = [task.what for task in meeting.tasks if task.decided or meeting.layout == "table"]
        return (
            text,
            f"The team decided to {' and to '.join(whats)}.",
            {f"decision_{n}" if n else "decision": what for n, what in enumerate(whats)},
        )
    if kind == "open":
        return (
            (text, f"It is still open {meeting.open}.", {"open": meeting.open})
            if meeting.open
            else _unsaid(text)
        )
    return (
        (text, f"The risk is that {meeting.risk}.", {"risk": meeting.risk})
        if meeting.risk
        else _unsaid(text)
    )


def _ask_missing(rng, split, meeting):
    """About something the notes never mention, or about a person who was given nothing."""
    if rng.random() < 0.5:
        text = rng.choice(phrases.own(phrases.NEVER_SAID, split))
        return _unsaid(text.format(other=rng.choice(meeting.people)))
    idle = [name for name in meeting.people if name not in [task.owner for task in meeting.tasks]]
    if idle and rng.random() < 0.4:
        return _unsaid(_wording(rng, split, "task", owner=rng.choice(idle)))
    verb, done = rng.choice(plain_verbs(split))
    thing = rng.choice(meeting.spare_topics)
    task = Task(f"{verb} {thing}", done, thing, rng.choice(meeting.people), None)
    return _unsaid(_wording(rng, split, rng.choice(["owner", "due"]), task))


def _unsaid(text):
    return text, phrases.NOT_IN_NOTES, {}
