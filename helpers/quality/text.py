"""Read an answer as a person does, whatever its markup and its script.

Emphasis, links and HTML are not part of the words. Chinese, Japanese and Thai have no spaces
between words, and Arabic and Hebrew write articles and prepositions onto them.
"""

import html
import re
import unicodedata
from functools import lru_cache

IDEOGRAPHS = (
    "\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
SYLLABLES = "\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Tibetan, Burmese, Khmer
UNSPACED = IDEOGRAPHS + SYLLABLES
LETTERS_PER_WORD = 4  # of those syllables, about: only a dictionary could tell
LETTER = rf"[^\W{UNSPACED}]"
# Accents, and the vowels of Indian scripts; by themselves, Python does not count them as \w.
SIGNS = "\u0300-\u036f\u0900-\u0963\u0966-\u0dff"
BEGIN, REST = rf"(?<!{LETTER})(?<![{SIGNS}])", rf"(?:{LETTER}|[{SIGNS}])*"
# What may stand before a word without a space: "and", "in", "to", "the" and the like.
PREFIXES = {
    "\u0600-\u06ff": "[\u0648\u0641]?(?:[\u0628\u06a9]?\u0627\u0644|\u0644\u0644|[\u0628\u0644])?",
    "\u0590-\u05ff": "[\u05d5\u05e9\u05db]{0,2}[\u05d4\u05d1\u05dc\u05de]?",
}
ALIKE = {
    **str.maketrans("\u2018\u2019\u201a\u201c\u201d\u201e", "'''\"\"\""),
    **dict.fromkeys(map(ord, "\u2010\u2011\u2013\u2014\u2212\u05be"), "-"),
    # Arabic marks of thousands and decimals; letters that two keyboards write in two ways.
    **str.maketrans("\u066c\u066b\u064a\u0649\u0643", ",.\u06cc\u06cc\u06a9"),
    **dict.fromkeys(map(ord, "\u0622\u0623\u0625"), "\u0627"),
    # Joiners and marks of direction; vowels that Arabic and Hebrew may leave out.
    **dict.fromkeys([0xAD, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F)]),
    **dict.fromkeys([0x61C, 0x640, 0x670, *range(0x64B, 0x653), *range(0x2060, 0x2070)]),
    **dict.fromkeys([*range(0x591, 0x5BE), 0x5BF, 0x5C1, 0x5C2, 0x5C4, 0x5C5, 0x5C7]),
}
MARKUP = [
    (re.compile(pattern), words)
    for pattern, words in (
        (r"!?\[([^\[\]\n]*)\]\([^()\s]{0,2000}\)", r"\1"),  # a link
        (r"(?i)<li\b[^<>]*>", "\n- "),
        (r"(?i)<(?:br|/?p|/?ul|/?ol|/?div)\b[^<>]*>", "\n"),
        (r"(?i)</?(?:a|b|i|s|u|em|del|sub|sup|code|mark|span|strong)\b[^<>]*>", ""),
        (r"\\([\\`*_{}\[\]()#+.!|~$-])", r"\1"),
        (r"\*\*|~~|`", ""),
        (rf"(?<!{LETTER})(?<![*_])[*_]++(?=\S)|(?<=[^\s*_])[*_]++(?!{LETTER})", ""),
    )
]
BULLETS = "-*+\u2013\u2014\u2022\u2023\u2043\u25a0-\u25ff\u00b7\u2605\u2700-\u27bf"
ITEM = re.compile(
    rf"^[ \t>]*(?:[{BULLETS}]\ufe0f?\s+"
    r"|\d{1,3}[.)](?=\s|[^\W\d])\s*|\d{1,2}[-\u2013]\s+(?!\d)"  # 1. 1) 1-
    r"|\(\w{1,2}\)\s+|[A-Za-z]\)\s+"  # (1) (a) a)
    r"|\d{1,3}[\uff0e\uff09\u3001]\s*"  # with the marks of Chinese, then with its numerals
    r"|[\u4e00\u4e8c\u4e09\u56db\u4e94\u516d\u4e03\u516b\u4e5d\u5341]{1,3}\u3001"
    r"|\d\ufe0f?\u20e3\s*|[\u2460-\u2473\u2776-\u277f]\s*"  # in a key, in a circle
    r")(?=\S)"
)
CLOSING = "\"')\\]\u2019\u201d\u00bb\u300d\u300f\u3011\uff09\u300b"
ENDS = ".!?\u2026\u061f\u06d4\u0964\u0965\u0589\u1362\uff0e"
END = re.compile(
    rf"(?<![{ENDS}])[{ENDS}]++[{CLOSING}]*(?=\s|$)|(?<![\d{ENDS}])[.!?]++(?=[{UNSPACED}])"
    rf"|[\u3002\uff01\uff1f\uff61\u104b\u17d4\u0f0d]+[{CLOSING}]*"
)
MONTH = r"(?i:jan|feb|m[\u00e4a]r|apr|ma[ijy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])"
STARTERS = "The|This|That|These|It|He|She|We|They|You|I|A|An|In|On|At|But|And|If|There|Our|Its|No"
# Full stops that end no sentence.
NO_END = re.compile(
    r"\b(?i:dr|mr|ms|mrs|prof|st|sr|jr|vs|e\.g|i\.e|approx|fig|inc|ca|bzw|z\.\s?b|d\.\s?h)\."
    r"|\b(?i:no|nr)\.(?=\s*\d)|\betc\.(?=\s+[a-z])"
    rf"|\d\.(?=\s+{MONTH})"  # an ordinal: 14. Oktober
    r"|(?:(?<!\.)\.{2,}+|\u2026)(?=\s+[a-z])"  # a pause
    rf"|(?<!\.)\b(?:[A-Z]\.)++(?=\s+(?!(?:{STARTERS})\b)\S)"  # the U.S. team, J. Smith
    r"|(?<!\.)\b(?:[a-z]\.)++(?=\s+[a-z\d(])"  # 3 p.m. tomorrow
)


def without_markup(text: str) -> str:
    """Return the text that a reader of Markdown or HTML sees."""
    for pattern, words in MARKUP:
        text = pattern.sub(words, text)
    return html.unescape(text)


def fold(text: str) -> str:
    """Write spaces, quotes, dashes, digits and letters in one way."""
    text = unicodedata.normalize("NFKC", text).casefold().translate(ALIKE)
    return " ".join(re.sub(r"\d", lambda digit: str(int(digit[0])), text).split())


@lru_cache(maxsize=256)  # a prompt's phrases, and the answer that all of them are sought in
def plain(text: str) -> str:
    """Return the words of a text in one way of writing, without markup."""
    return re.sub(rf"(?<=[{UNSPACED}]) | (?=[{UNSPACED}])", "", fold(without_markup(text)))


@lru_cache(maxsize=256)
def phrase_pattern(phrase: str) -> str:
    """Return a pattern that finds a plain phrase from the beginning of a word to its end.

    "retriev" finds "retrieval", but "art" does not find "part". Where words have no spaces between
    them, a phrase is found anywhere.
    """
    unspaced = re.compile(f"[{UNSPACED}]")
    scripts = (script for script in PREFIXES if re.match(f"[{script}]{{3}}", phrase))
    begin = "" if unspaced.match(phrase) else BEGIN + PREFIXES.get(next(scripts, ""), "")
    return begin + re.escape(phrase) + ("" if unspaced.match(phrase[-1:]) else REST)


def count_sentences(text: str) -> int:
    """Count sentences by the marks that end them; Thai has none, so it counts as one."""
    text = NO_END.sub(" ", "\n".join(_lines(text)).strip())
    return sum(bool(re.search(r"\w", part)) for part in END.split(text))


def count_items(text: str) -> int:
    """Count lines that begin as items of a list, such as "-", "1." or "a)"."""
    return sum(bool(ITEM.match(line)) for line in without_markup(text).splitlines())


def count_words(text: str) -> int:
    """Count words: each ideograph is one, and bullets, numbers of items and dashes are none."""
    text = "\n".join(_lines(text))
    ideographs = len(re.findall(f"[{IDEOGRAPHS}]", text))
    syllables = sum(letter.isalpha() for letter in re.findall(f"[{SYLLABLES}]", text))
    rest = re.split(r"[\s\u2014]+", re.sub(f"[{UNSPACED}]", " ", text))
    words = sum(bool(re.search(r"\w", word)) for word in rest)
    return words + ideographs + -(-syllables // LETTERS_PER_WORD)


def _lines(text: str) -> list[str]:
    """Return the lines of a text without markup and without what makes them items."""
    return [ITEM.sub("", line) for line in without_markup(text).splitlines()]
