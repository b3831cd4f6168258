"""Propose what a good summary of somebody's own notes must say, for that person to edit."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..common.errors import UsageError
from ..common.files import ELSEWHERE, read_folder, read_text
from ..models.prompts import MAX_NAME, MONTHS, Facet
from .matching import A_DATE, MONTH, SAID, persons
from .text import fold

MAX_DECISIONS = 3
REQUEST = "Summarize the meeting notes:\n"


def read_notes(source: Path) -> dict[str, str]:
    """Return the notes of a file, or of each text in a folder, by name. Raises UsageError."""
    texts = read_folder(source) if source.is_dir() else {source.name: read_text(source, ELSEWHERE)}
    if empty := [name for name, text in texts.items() if not text.strip()]:
        raise UsageError(f"{source} has no text in {empty[0]}; write the notes into it.")
    return {Path(name).stem[:MAX_NAME]: text.strip() for name, text in texts.items()}


def propose(notes: str) -> list[Facet]:
    """Return facets that notes seem to have; other people and days are what contradicts them."""
    facets: list[Facet] = []

    def add(kind: str, **fields: Any) -> None:
        before = sum(facet.id.startswith(kind) for facet in facets)
        facets.append(Facet(id=f"{kind}-{before + 1}" if before else kind, **fields))

    for what in list(dict.fromkeys(_decisions(notes)))[:MAX_DECISIONS]:
        plain = re.sub(r"^(?:not|against) (?:to )?", "", what, flags=re.IGNORECASE)
        denied = plain != what
        phrases = (f"not {plain}", f"not to {plain}") if denied else (what,)
        add("decision", any_of=phrases, instead_of=(plain,) if denied else ())
    people = persons(notes)
    for name in people:
        if re.search(rf"\b{re.escape(name)}{SAID['OWNS']}", notes):
            others = tuple(other for other in people if other != name)
            add("owner", any_of=(name,), instead_of=others)
    for day in dict.fromkeys(fold(match[0]) for match in A_DATE.finditer(notes)):
        add("due", **_day(day))
    return facets


def make_set(notes: dict[str, str]) -> dict[str, object]:
    """Return the entry of a prompt set for these notes, with all that is proposed."""
    prompts = []
    for name, text in notes.items():
        facets = [facet.model_dump(exclude_defaults=True) for facet in propose(text)]
        prompts.append({"id": name, "text": (REQUEST + text).split("\n"), "facets": facets})
    return {"title": "Own notes", "prompts": prompts}


def _decisions(notes: str) -> Iterator[str]:
    for match in re.finditer(SAID["DECISION"], notes, re.IGNORECASE):
        what = next(filter(None, match.groups()))
        short = re.split(r" (?:for|by|on|with|so|because|as|until|and) ", what)[0].split()[:6]
        yield re.sub(r"^to ", "", " ".join(short), flags=re.IGNORECASE).strip(" :-")


def _day(day: str) -> dict[str, Any]:
    of_month = re.search(rf"(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({MONTH})", day, re.IGNORECASE)
    if of_month is None:
        return {"any_of": (day.capitalize(),)}
    month = next(m for m in MONTHS if m.casefold().startswith(of_month[2][:3].casefold()))
    return {"date": f"{int(of_month[1])} {month}"}
