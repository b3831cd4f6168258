"""Find the names and numbers of a text, which an answer may take from its notes but not invent."""

import re

CALENDAR = (
    "monday tuesday wednesday thursday friday saturday sunday "
    "january february march april may june july august september october november december"
).split()
NUMBER_WORDS = "zero one two three four five six seven eight nine ten eleven twelve".split()
NUMBER = r"\d+(?:[.,:]\d+)*"
# A capital inside a sentence; at its beginning every word has one.
NAME = r"(?<![.?!:*\-•] )(?<!^)(?<!\n)\b[A-Z][\w'-]+"


def marks(text: str) -> set[str]:
    """Return numbers, and names in lower case."""
    names = re.findall(NAME, text, re.MULTILINE)
    owners = re.findall(r"^[-*] (\w+):", text, re.MULTILINE)
    return {word.casefold() for word in names + owners} | set(re.findall(NUMBER, text))


def strangers(text: str, notes: str) -> set[str]:
    """Return the marks of a text that stand nowhere in its notes, in capitals or not.

    "Saturday" is not invented where the notes have "Sat", nor is "2" where they have "two".
    """
    words = set(re.findall(r"[\w'-]+", notes.casefold()))
    known = words | set(re.findall(NUMBER, notes))
    known |= {str(n) for n, word in enumerate(NUMBER_WORDS) if word in words}
    known |= {word for n, word in enumerate(NUMBER_WORDS) if str(n) in words}
    known |= {day for day in CALENDAR for word in words if _is_short_for(word, day)}
    return {mark for mark in marks(text) if mark not in known}


def _is_short_for(word: str, day: str) -> bool:
    return len(word) >= 3 and day.startswith(word)
