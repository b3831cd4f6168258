"""Find the names and numbers of a text, which an answer may take from its notes but not invent."""

import re

NUMBER = r"\d+(?:[.,:]\d+)*"
# A capital inside a sentence; at its beginning every word has one.
NAME = r"(?<![.?!:*\-•] )(?<!^)(?<!\n)\b[A-Z][\w'-]+"


def marks(text: str) -> set[str]:
    """Return numbers, and names in lower case."""
    names = re.findall(NAME, text, re.MULTILINE)
    owners = re.findall(r"^[-*] (\w+):", text, re.MULTILINE)
    return {word.casefold() for word in names + owners} | set(re.findall(NUMBER, text))


def strangers(text: str, notes: str) -> set[str]:
    """Return the marks of a text that stand nowhere in its notes, in capitals or not."""
    known = set(re.findall(r"[\w'-]+", notes.casefold())) | set(re.findall(NUMBER, notes))
    return {mark for mark in marks(text) if mark not in known}
