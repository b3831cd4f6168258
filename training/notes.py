"""Write the notes of a meeting as a person may have written them down, in one of eight layouts."""

import itertools
import re
from collections.abc import Callable
from functools import partial
from random import Random

from . import grammar, phrases
from .dates import date
from .meetings import Meeting, Task, agreeing
from .words import TEAMS, TRAIN, Topic, plain_verbs

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
    """The text of some notes, and which kinds of sentences (see phrases.toml) it was made of."""

    kinds: frozenset[str] = frozenset()


FIELD = re.compile(r"(\{\w+\})")


def _mistype(rng: Random, template: str) -> str:
    """Make one typo in the wording of a template; names, topics and dates stay as they are."""
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

    def __init__(self, rng: Random, split: str, meeting: Meeting, voice: str):
        self.rng, self.split, self.meeting, self.voice = rng, split, meeting, voice
        self.spoken, self.short = voice == "spoken", voice == "short"
        self.lower = self.short or rng.random() < (0.8 if meeting.layout == "chat" else 0.08)
        self.typos = 0.25 if rng.random() < 0.08 else 0
        self.section, self.step = "", 0
        self.said: list[tuple[int, str, str | None, str]] = []
        self.used: set[str] = set()
        self.kinds = {"typos"} if self.typos else set()
        self.later: list[Callable[[], None]] = []

    def say(
        self,
        kind: str,
        speaker: str | None = None,
        about: Topic | None = None,
        **fields: str | int | None,
    ) -> None:
        block = phrases.VOICES[self.voice][kind]
        template = self._made(kind) or self._unused(phrases.own(block, self.split))
        if self.typos and self.rng.random() < self.typos:
            template = _mistype(self.rng, template)
        if "{why}" in template:
            fields["why"] = self._reason()
        if "{other}" in template and "other" not in fields:
            named = [fields[key] for key in ("owner", "old") if key in fields]
            fields["other"] = self.someone(*named)
        text = template.format(**fields, **(agreeing(about) if about else {}))
        self.said.append((self.step, self.section, speaker, self._cased(template, text)))
        self.kinds.add(kind)

    def _cased(self, template: str, text: str) -> str:
        """Begin a sentence as this writer does; names stay as they are."""
        if not self.lower:
            if template.startswith(("{owner}", "{other}", "{old}")):
                return text
            return text[0].upper() + text[1:]
        if self.short or template.startswith("{") or re.match(r"I\b|[A-Z]{2}", text):
            return text
        return text[0].lower() + text[1:]

    def _made(self, kind: str) -> str | None:
        """Put a template together from parts, in half of the training sentences.

        Wording is an open list too.
        """
        if self.split != TRAIN or self.rng.random() < 0.5:
            return None
        made = grammar.sentence(self.rng, self.voice, kind)
        return made if made and phrases.owner_of(made) in (None, TRAIN) else None

    def _unused(self, templates: phrases.Block) -> str:
        """Return a template that these notes do not have yet, if there is one."""
        fresh = [text for text in templates if text not in self.used]
        template = self.rng.choice(fresh or templates)
        self.used.add(template)
        return template

    def _reason(self) -> str:
        template = self.rng.choice(phrases.own(phrases.REASONS, self.split))
        number = self.rng.randint(2, 60)
        about = self.rng.choice(self.meeting.spare_topics)
        return template.format(number=number, **agreeing(about))

    def someone(self, *excluded: object) -> str:
        return self.rng.choice([name for name in self.meeting.people if name not in excluded])

    def chatter(self) -> None:
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

    def decision(self) -> None:
        task = self.meeting.tasks[0]
        if self.short:
            self._decision_in_short(task)
            return
        if self.rng.random() < 0.22:
            speaker = self.someone()
            self.say(
                "problem", speaker, about=task.topic, other=speaker, number=self.rng.randint(2, 60)
            )
        speaker = self.someone()
        if task.owner and task.due and self.rng.random() < 0.15:
            speaker = self.someone(task.owner)
            self.say("decide_own", speaker, owner=task.owner, what=task.what, due=task.due)
            return
        if self.rng.random() < 0.07:
            self._dropped_first(task, speaker)
        else:
            self.say("decide", speaker, what=task.what, other=speaker)
        if self.spoken and self.rng.random() < 0.35:
            self.say("agree", self.someone(speaker))
        if self.spoken and self.rng.random() < 0.15:
            self.chatter()
        self._responsible(task)

    def _dropped_first(self, task: Task, speaker: str) -> None:
        """Bring up another plan first, which is given up."""
        spare = self.rng.choice(self.meeting.spare_topics)
        verb = self.rng.choice(plain_verbs(self.split))[0]
        self.say("dropped", speaker, what=f"{verb} {spare}")
        self.say("decide_instead", self.someone(speaker), what=task.what)

    def _decision_in_short(self, task: Task) -> None:
        if task.owner is None or task.due is None:
            kind = "decide_no_date" if task.owner else "decide_no_owner"
            self.say(kind, what=task.what, owner=task.owner, due=task.due)
            return

        def tell(owner: str, due: str) -> None:
            self.say("decide_own", what=task.what, owner=owner, due=due)

        self._tell(task.owner, task.due, task.topic, tell)

    def _responsible(self, task: Task) -> None:
        if task.owner is None:
            self.say("no_owner", self.someone(), due=task.due)
        elif task.due is None:
            self.say("own_no_date", task.owner, owner=task.owner)
        elif self.rng.random() < 0.06:
            self._first_refused(task)
        else:
            self._tell(task.owner, task.due, task.topic, self._own)

    def _tell(
        self,
        owner: str,
        due: str,
        about: Topic,
        tell: Callable[[str, str], None],
        chance: float = 0.15,
    ) -> None:
        """Tell owner and date; in some meetings a wrong one first, corrected at once or later."""
        kind = self.rng.choices(
            ["", "date", "owner", "later"], [1 - chance, chance * 0.4, chance * 0.3, chance * 0.3]
        )[0]
        if kind == "later" and self.short:
            kind = "owner"
        if kind == "date":
            old = self._other_date(due)
            tell(owner, old)
            self.say("correct_date", owner, owner=owner, due=due, old=old)
        elif kind:
            old = self.someone(owner)
            tell(old, due)
            if kind == "owner":
                self.say("correct_owner", old, owner=owner, old=old)
            else:
                self.later.append(
                    lambda: self.say("hand_over", old, about=about, owner=owner, old=old)
                )
        else:
            tell(owner, due)

    def _other_date(self, due: str) -> str:
        while True:
            old = date(self.rng)
            if old not in due and due not in old:
                return old

    def _first_refused(self, task: Task) -> None:
        if not self.spoken:
            self.say("accept_late", owner=task.owner, due=task.due)
            return
        other = self.someone(task.owner)
        self.say("ask_first", other, owner=task.owner)
        self.say("refuse", task.owner)
        self.say("plead", other)
        self.say("accept", task.owner, due=task.due)

    def _own(self, owner: str, due: str) -> None:
        if self.spoken and self.rng.random() < 0.6:
            self.say("own_self", owner, due=due)
            return
        self.say("own_other", self.someone(owner), owner=owner, due=due)
        if self.spoken and self.rng.random() < 0.4:
            self.say("agree", owner)

    def item(self, task: Task) -> None:
        def tell(owner: str, due: str) -> None:
            if not task.decided and self.spoken and self.rng.random() < 0.5:
                self.say("item_self", owner, what=task.what, due=due)
                return
            kind = "decide_also" if task.decided else "item_other"
            self.say(kind, self.someone(owner), owner=owner, what=task.what, due=due)

        assert task.owner and task.due  # only the first decision may lack one
        self._tell(task.owner, task.due, task.topic, tell, 0.06)

    def open(self) -> None:
        speaker = self.someone()
        self.say("open", speaker, open=self.meeting.open, other=speaker)

    def risk(self) -> None:
        speaker = self.someone()
        self.say("risk", speaker, risk=self.meeting.risk, other=speaker)

    def write(self) -> None:
        """Write the parts of the meeting: tasks in order, the rest anywhere between them."""
        asides: list[tuple[str, Callable[[], None]]] = []
        asides += [("chatter", self.chatter)] * self.rng.choice([0, 0, 1, 1, 1, 2, 3])
        asides += [("open", self.open)] if self.meeting.open else []
        asides += [("risk", self.risk)] if self.meeting.risk else []
        self.rng.shuffle(asides)
        steps: list[tuple[str, Callable[[], None]]] = [("decide", self.decision)]
        for task in self.meeting.tasks[1:]:
            steps.append(("decide" if task.decided else "item", partial(self.item, task)))
        for aside in asides:
            steps.insert(self.rng.randint(0, len(steps)), aside)
        for number, (section, step) in enumerate(steps):
            self.step, self.section = number, section
            step()
        for step in self.later:
            self.section, self.step = "decide", self.step + 1
            step()


def write_notes(rng: Random, split: str, meeting: Meeting) -> Notes:
    """Return the meeting as a person may have written it down."""
    layout = meeting.layout
    voice = "reported"
    if layout in ("speakers", "chat"):
        voice = "spoken"
    elif layout in ("short", "table") or (layout == "minutes" and rng.random() < 0.5):
        voice = "short"
    writer = _Writer(rng, split, meeting, voice)
    writer.write()
    # A date may already end in a full stop.
    notes = Notes(_LAID_OUT[layout](rng, meeting, writer).replace("..", "."))
    # A table shows how things stand in the end.
    notes.kinds = frozenset(writer.kinds) - (CHANGES if layout == "table" else frozenset())
    return notes


def _speakers(rng: Random, meeting: Meeting, writer: _Writer) -> str:
    return rng.choice(["\n", "\n", " "]).join(
        f"{speaker}: {text}" for speaker, text in _turns(writer)
    )


def _chat(rng: Random, meeting: Meeting, writer: _Writer) -> str:
    style = rng.choice(
        ["{name}: {text}", "<{name}> {text}", "[{time}] {name}: {text}", "{time} {name}: {text}"]
    )
    minute, hour, rows = rng.randint(0, 30), rng.randint(8, 17), []
    for speaker, text in _turns(writer):
        minute = min(59, minute + rng.randint(0, 2))
        rows.append(style.format(name=speaker, text=text, time=f"{hour}:{minute:02}"))
    return "\n".join(rows)


def _turns(writer: _Writer) -> list[tuple[str | None, str]]:
    """Return who spoke, and what was said without a break."""
    by_speaker = itertools.groupby(writer.said, key=lambda sentence: sentence[2])
    return [(speaker, " ".join(text for *_, text in group)) for speaker, group in by_speaker]


def _points(writer: _Writer) -> list[tuple[str, str]]:
    """Return the section of each step, and everything said in it."""
    points: dict[tuple[int, str], list[str]] = {}
    for step, section, _, text in writer.said:
        points.setdefault((step, section), []).append(text)
    between = "; " if writer.short else " "
    return [(section, between.join(texts)) for (_, section), texts in points.items()]


def _bullets(rng: Random, meeting: Meeting, writer: _Writer) -> str:
    mark = rng.choice(["- ", "* ", "- ", "\u2022 "])
    rows = [text for *_, text in writer.said]
    if rng.random() < 0.4:
        rows = [text for _, text in _points(writer)]
    return "\n".join(mark + text for text in rows)


def _prose(rng: Random, meeting: Meeting, writer: _Writer) -> str:
    if rng.random() < 0.2:
        return "\n".join(text for _, text in _points(writer))
    return " ".join(text for *_, text in writer.said)


def _minutes(rng: Random, meeting: Meeting, writer: _Writer) -> str:
    mark, colon = rng.choice(["- ", "* ", ""]), rng.choice([":", ":", ""])
    rows = []
    if rng.random() < 0.7:
        rows = [f"{rng.choice(phrases.HEADINGS['people'])}: {', '.join(meeting.people)}"]
    order = ["decide", "item", "open", "risk", "chatter"]
    if rng.random() < 0.3:
        order = ["chatter", "decide", "item", "risk", "open"]
    for wanted in order:
        texts = [text for section, text in _points(writer) if section == wanted]
        if texts:
            rows.append(rng.choice(phrases.HEADINGS[wanted]) + colon)
            rows += [mark + text for text in texts]
    return "\n".join(rows)


def _email(rng: Random, meeting: Meeting, writer: _Writer) -> str:
    body = _bullets(rng, meeting, writer) if rng.random() < 0.3 else _prose(rng, meeting, writer)
    gap = rng.choice(["\n", "\n\n", " "]) if not body.startswith(("-", "*")) else "\n"
    words = {part: rng.choice(texts) for part, texts in phrases.EMAIL.items()}
    opening = f"{words['hello']} {words['recap']}".strip()
    return f"{opening}{gap}{body}{gap}{words['bye']} {rng.choice(meeting.people)}"


def _short(rng: Random, meeting: Meeting, writer: _Writer) -> str:
    mark = rng.choice(["", "", "- ", "* "])
    return "\n".join(mark + text.removeprefix("- ") for _, text in _points(writer))


def _table(rng: Random, meeting: Meeting, writer: _Writer) -> str:
    rows = [rng.choice(phrases.TABLE_HEADS)]
    for task in meeting.tasks:
        owner = task.owner or rng.choice(["?", "-"])
        due = task.due or rng.choice(["?", "-"])
        rows.append(f"{task.what} | {owner} | {due}")
    asides = [text for section, text in _points(writer) if section not in ("decide", "item")]
    return "\n".join(row for row in rows + asides if row)


_LAID_OUT: dict[str, Callable[[Random, Meeting, _Writer], str]] = {
    "speakers": _speakers,
    "chat": _chat,
    "bullets": _bullets,
    "prose": _prose,
    "minutes": _minutes,
    "email": _email,
    "short": _short,
    "table": _table,
}
