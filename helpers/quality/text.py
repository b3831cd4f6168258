"""Read an answer as a person does, whatever its markup and its script.

Emphasis, links and HTML are not part of the words. Chinese, Japanese and Thai have no spaces
between words, and Arabic and Hebrew write articles and prepositions onto them.
"""

import html
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from string import Template

from ..common.files import read_toml

LETTERS_PER_WORD = 4  # of Thai and its like, about: only a dictionary could tell


def fill(patterns: Mapping[str, str], **parts: str) -> dict[str, str]:
    """Return patterns with `$NAME` replaced by the part, or the pattern before it, of that name."""
    filled: dict[str, str] = {}
    for name, pattern in patterns.items():
        filled[name] = Template(pattern).safe_substitute(parts, **filled)
    return filled


LANGUAGE = read_toml(Path(__file__).with_name("text.toml"))
PARTS = fill(LANGUAGE["parts"])
LETTER, UNSPACED = PARTS["LETTER"], PARTS["UNSPACED"]
ITEM, END, NO_END, UNSEEN, REST = (
    re.compile(PARTS[name], re.VERBOSE) for name in ("ITEM", "END", "NO_END", "UNSEEN", "REST")
)
MARKUP = [
    (re.compile(fill(each, **PARTS)["pattern"]), each["words"]) for each in LANGUAGE["markup"]
]
PREFIXES = [
    (re.compile(each["script"]), re.compile(each["before"]))
    for each in (fill(prefix, **PARTS) for prefix in LANGUAGE["prefix"])
]
ALIKE = {ord(other): one for one, others in LANGUAGE["alike"].items() for other in others}


def without_markup(text: str) -> str:
    """Return the text that a reader of Markdown or HTML sees."""
    for pattern, words in MARKUP:
        text = pattern.sub(words, text)
    return html.unescape(text)


def without_bullets(text: str) -> str:
    """Return the text that a reader sees, without what makes its lines items of a list."""
    return "\n".join(ITEM.sub("", line) for line in without_markup(text).splitlines())


def fold(text: str) -> str:
    """Write spaces, quotes, dashes, digits and letters in one way."""
    text = UNSEEN.sub("", unicodedata.normalize("NFKC", text).casefold())
    text = re.sub(r"\d", lambda digit: str(int(digit[0])), text.translate(ALIKE))
    return " ".join(text.split())


@lru_cache(maxsize=256)  # a prompt's phrases, and the answer that all of them are sought in
def plain(text: str) -> str:
    """Return the words of a text in one way of writing, without markup."""
    return re.sub(rf"(?<=[{UNSPACED}]) | (?=[{UNSPACED}])", "", fold(without_markup(text)))


def find_phrase(phrase: str, text: str) -> str | None:
    """Return the words of a plain text that begin with a plain phrase.

    "retriev" finds "retrieval", but "art" does not find "part". Where words have no spaces between
    them, a phrase is found anywhere.
    """
    begins = next(before for script, before in PREFIXES if script.match(phrase))
    at = text.find(phrase) if phrase else -1
    while at >= 0:
        if begin := begins.search(text, 0, at):
            rest = REST.match(text, at + len(phrase))
            return text[begin.start() : at] + phrase + (rest[0] if rest else "")
        at = text.find(phrase, at + 1)
    return None


def count_sentences(text: str) -> int:
    """Count sentences by the marks that end them; Thai has none, so it counts as one."""
    text = NO_END.sub(" ", without_bullets(text).strip())
    return sum(bool(re.search(r"\w", part)) for part in END.split(text))


def count_items(text: str) -> int:
    """Count lines that begin as items of a list, such as "-", "1." or "a)"."""
    return sum(bool(ITEM.match(line)) for line in without_markup(text).splitlines())


def count_words(text: str) -> int:
    """Count words: each ideograph is one, and bullets, numbers of items and dashes are none."""
    text = without_bullets(text)
    ideographs = len(re.findall(f"[{PARTS['IDEOGRAPHS']}]", text))
    syllables = re.findall(f"[{PARTS['SYLLABLES']}]", text)
    letters = sum(letter.isalpha() for letter in syllables)
    rest = re.split(r"[\s\u2014]+", re.sub(f"[{UNSPACED}]", " ", text))
    words = sum(bool(re.search(r"\w", word)) for word in rest)
    return words + ideographs + -(-letters // LETTERS_PER_WORD)
