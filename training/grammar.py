"""Put sentences, requests and questions together from the parts in parts.json, for training only.

A fixed list of templates is soon known by heart. An opening, a core and an end, each drawn from a
list, give many thousands, and a model that has met them relies less on any. Fields are those of
phrases.toml; in a request {x} is what it calls the notes. Validation and test have templates of
their own, none of which can come out here (`answers` and `notes` check).
"""

import functools
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from .settings import DATA_FOLDER

PARTS: dict[str, Any] = json.loads((DATA_FOLDER / "parts.json").read_text(encoding="utf-8"))
# By voice and kind; openings and ends fit any core of the voice.
CORES: dict[str, dict[str, list[str]]] = PARTS["cores"]
REQUESTS: dict[str, Any] = PARTS["requests"]
QUESTIONS: dict[str, list[str]] = PARTS["questions"]
CLAUSES: dict[str, list[str]] = PARTS["clauses"]
SYLLABLES = (
    "ba be bi bo da de di do fa fe fi go ka ke ki ko la le li lo ma me mi mo na ne ni no "
    "pa pe ra re ri ro sa se so ta te ti to va ve vo za zo"
).split()
ASKING = "whether;if;when;why;how;where;since when;how soon;how far".split(";")


def clause(rng: Random, kind: str, verbs: Sequence[str]) -> str:
    """Return a template for what is open ("open") or may happen ("risk").

    `verbs` are those that make sense with a thing alone.
    """
    verb = _unknown(rng) if rng.random() < 0.2 else rng.choice(verbs)
    end = rng.choice(CLAUSES["ends"])
    if rng.random() < 0.25:
        begin, space, last = end.rpartition(" ")
        end = begin + space + (last if "{" in last else _unknown(rng))
    if kind == "risk":
        if rng.random() < 0.65:
            return f"{{topic}} {end}"
        return f"{rng.choice(CLAUSES['doers'])} cannot {verb} {{topic}}"
    if rng.random() < 0.55:
        return f"{rng.choice(ASKING)} {{topic}} {end}"
    return f"{rng.choice(CLAUSES['askers'])} {verb} {{topic}}"


def sentence(rng: Random, voice: str, kind: str) -> str | None:
    """Return a template for one sentence of notes, or None where there are no parts for it."""
    cores = CORES[voice].get(kind)
    if cores is None:
        return None
    core = _roughened(rng, rng.choice(cores))
    text = rng.choice(PARTS["openings"][voice]) + core + rng.choice(PARTS["ends"][voice])
    return text if voice == "short" or text[-1] in ".?!)" else text + "."


def _roughened(rng: Random, core: str) -> str:
    """Drop, replace or add a word now and then, as people do when they write."""
    if rng.random() < 0.75:
        return core
    words = core.split(" ")
    places = [
        n for n, word in enumerate(words) if "{" not in word and not word.endswith((":", "not"))
    ]
    if len(places) < 2:
        return core
    place, chance = rng.choice(places), rng.random()
    if chance < 0.45:
        words[place : place + 1] = []
    elif chance < 0.8:
        words[place] = _unknown(rng)
    else:
        words[place:place] = [_unknown(rng)]
    return " ".join(words)


def _unknown(rng: Random) -> str:
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(1, 3)))


def question(rng: Random, kind: str) -> str:
    """Return a template for a question about one thing in the notes, as in phrases.QUESTIONS."""
    return _roughened(rng, rng.choice(QUESTIONS[kind]))


def request(rng: Random, kind: str) -> str | None:
    """Return a request with {notes}, and {format} where the kind has one.

    Returns None where there are no parts for it.
    """
    if kind == "question":
        return None
    shape = rng.random()
    if kind == "summary" and shape < 0.03:
        text = _unknown(rng)
    elif shape < 0.35:
        text = rng.choice(REQUESTS["bare"][kind])
        text = _roughened(rng, text) if kind == "summary" else text
    else:
        wish = _wish(rng, kind, unknown_verb=shape > 0.9)
        text = rng.choice(REQUESTS["beginnings"]) + wish + rng.choice(REQUESTS["ends"])
    if rng.random() < 0.7:
        text = text[:1].upper() + text[1:]
    return _with_notes(rng, text)


def _wish(rng: Random, kind: str, unknown_verb: bool) -> str:
    if kind == "format" and rng.random() < 0.5:
        wish = rng.choice(REQUESTS["wishes"]["summary"]) + " {format}"
    else:
        wish = rng.choice(REQUESTS["wishes"][kind])
    # A word that nobody knows still asks for something to be done with the notes.
    if unknown_verb and not wish.startswith("{"):
        wish = " ".join([_unknown(rng), *wish.split()[1:]])
    wish = _roughened(rng, wish) if kind == "summary" else wish
    return wish.replace("{x}", rng.choice(REQUESTS["things"]))


def _with_notes(rng: Random, text: str) -> str:
    """Put {notes} before or behind a request."""
    asks = text.startswith(("Can", "Could", "Would"))
    if rng.random() < 0.4:
        gap = rng.choice([": ", ":\n", ".\n", "\n\n", "? " if asks else ". ", "\n", ".\n\n"])
        return text + (gap.lstrip(".:?") if text.endswith(("?", ":")) else gap) + "{notes}"
    end = "" if text.endswith(("?", ":")) else rng.choice([".", "", "?" if asks else ".", "!"])
    return "{notes}" + rng.choice(["\n\n", "\n\n", "\n", " "]) + text + end


@functools.cache
def plain_cores(plain: Callable[[str], str]) -> set[str]:
    """Return all cores, as `plain` writes them."""
    return {plain(core) for kinds in CORES.values() for cores in kinds.values() for core in cores}
