"""Load the sentences that meeting notes are made of, and share them out between the splits.

`VOICES` has what people say in a transcript ("spoken"), what a note taker writes ("reported") and
what people write in a hurry ("short"), each by what the sentences say. The templates and their
fields are in data/phrases.toml; a part of each block is held out for validation and test.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Mapping

from . import grammar, words
from .settings import load_toml

Block = tuple[str, ...]  # templates that say the same thing

# Of every so many entries of a short list two are held out (`words.share`, `own`).
HELD_OUT = 6
# What would be held out but is also the core of a training sentence in grammar.py: no split has it.
UNUSED = "unused"


def _block(text: str) -> Block:
    """Return the templates of one block; a written \\n is a line break inside a template."""
    return tuple(line.replace("\\n", "\n") for line in text.split("\n"))


def _blocks(table: Mapping[str, str]) -> dict[str, Block]:
    return {kind: _block(text) for kind, text in table.items()}


_DATA = load_toml("phrases.toml")
VOICES = {voice: _blocks(table) for voice, table in _DATA["voices"].items()}
CLAUSES = _blocks(_DATA["clauses"])
OPEN_QUESTIONS, RISKS, REASONS = CLAUSES["open"], CLAUSES["risk"], CLAUSES["reason"]
REQUESTS = _blocks(_DATA["requests"])
HELD_OUT_REQUESTS = {split: _blocks(table) for split, table in _DATA["held_out"].items()}
FOLLOW_UP = _blocks(_DATA["follow_up"])
QUESTIONS = _blocks(_DATA["questions"])
NEVER_SAID = _block(_DATA["unanswerable"]["never_said"])
NOT_IN_NOTES: str = _DATA["answers"]["not_in_notes"]
HEADINGS: dict[str, list[str]] = _DATA["layouts"]["headings"]
EMAIL: dict[str, list[str]] = _DATA["layouts"]["email"]
TABLE_HEADS: list[str] = _DATA["layouts"]["table"]["heads"]


def blocks() -> Iterator[Block]:
    """Yield every block that is shared out between the splits."""
    for voice in VOICES.values():
        yield from voice.values()
    yield from CLAUSES.values()
    yield from REQUESTS.values()
    yield from QUESTIONS.values()
    yield NEVER_SAID


def plain(template: str) -> str:
    """Return a template in lower case and without punctuation."""
    return re.sub(r"[^a-z{} ]", "", template.lower()).strip()


@functools.cache
def owners() -> dict[str, str]:
    """Return the split of each template, by its plain form.

    One that stands in two lists has one split in both; punctuation makes no difference.
    """
    split_of: dict[str, str] = {}
    for templates in blocks():
        # So that even a short list leaves two or more to validation and test.
        every = next(
            every
            for least, every in ((40, 10), (16, 8), (12, HELD_OUT), (0, 5))
            if len(templates) >= least
        )
        for index, template in enumerate(templates):
            held = {every - 2: words.VALIDATION, every - 1: words.TEST}.get(
                index % every, words.TRAIN
            )
            if held != words.TRAIN and plain(template) in grammar.plain_cores(plain):
                held = UNUSED
            split_of.setdefault(plain(template) or template, held)
    return split_of


@functools.cache
def _part(block: Block, split: str) -> Block:
    return tuple(template for template in block if owner_of(template) == split)


def own(block: Block, split: str) -> Block:
    """Return the templates of a block that one split may use."""
    return _part(block, split)


def own_requests(kind: str, split: str) -> Block:
    """Return the requests of one kind that one split may use."""
    return HELD_OUT_REQUESTS.get(split, {}).get(kind) or _part(REQUESTS[kind], split)


def wording(request: str) -> str:
    """Return a request or question without the notes, capitals and punctuation."""
    return " ".join(plain(request.replace("{notes}", " ")).split())


@functools.cache
def held_out_wordings() -> set[str]:
    """Return the `wording` of each request and question of validation and test."""
    held_out: set[str] = set()
    for split in (words.VALIDATION, words.TEST):
        held_out.update(wording(text) for kind in REQUESTS for text in own_requests(kind, split))
        for block in (*QUESTIONS.values(), NEVER_SAID):
            held_out.update(map(wording, own(block, split)))
    return held_out - {""}


def owner_of(template: str) -> str | None:
    """Return the split that a template belongs to, None for one that is in no list."""
    return owners().get(plain(template) or template)


def answer_text() -> str:
    """Return the fixed words of answers, and the words of dates."""
    return "\n".join([_DATA["answers"]["words"], NOT_IN_NOTES, words.WORDING])


def fixed_text() -> str:
    """Return everything in notes, requests and answers that is wording and not content."""
    voices = [block for voice in VOICES.values() for block in voice.values()]
    parts: list[Iterable[str]] = [*voices, *QUESTIONS.values(), *FOLLOW_UP.values()]
    parts += [*CLAUSES.values(), *REQUESTS.values(), NEVER_SAID]
    parts += [[NOT_IN_NOTES, _DATA["answers"]["words"], words.WORDING]]
    parts += [*HEADINGS.values(), *EMAIL.values(), TABLE_HEADS]
    text = re.sub(r"\{\w+\}", "", "\n".join("\n".join(part) for part in parts))
    return text + "\n" + text.lower()
