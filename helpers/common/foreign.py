"""Clean what others say before it is shown or written: no secrets, no control characters.

Foreign is every text that the kit did not write itself: a server's words, an exception, a name, a
path, an answer. Secrets are hidden before anything is cut, so that no half of one stays.
"""

import base64
import html
import os
import re
import string
import urllib.parse
from collections.abc import Iterable, Iterator
from functools import lru_cache

KEY_VARIABLE = "FOUNDRY_LOCAL_API_KEY"
ADDRESSES = {"FOUNDRY_LOCAL_ENDPOINT", "WORKSHOP_MIRROR", "WORKSHOP_CATALOG"}
HIDDEN = "[key]"
MIN_SECRET = 6  # a shorter one stands in too many words
PLACEHOLDERS = {"ollama", "lm-studio", "not-needed", "no-key", "dummy-key", "placeholder"}
KEPT = "\u200c\u200d"  # Persian and emoji need these joiners
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_remembered: set[str] = set()

_ESCAPES = re.compile(
    r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\|\Z)|[ -/]*[0-~]?)"
)
# One character as URLs, JSON and HTML spell it, or what may stand between two of a key.
_SPELLED = re.compile(
    r"%(?:25)*([0-9A-Fa-f]{2})|\\+u00([0-9A-Fa-f]{2})|(&#?\w{1,8};)|\\+([^\sA-Za-z\d])|\\+[nrt]"
    r"|(?:\s|[\x00-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff])+"
)
_LAST_WORD = re.compile(r"[!-~]*\Z")  # however a key is spelled, it has no other characters
_USER = re.compile(
    r"(?<=//)(?:[^\s/?#@:\[]*:(?!\d{1,5}(?:[/?#,;)'\"]|\Z))\S*(?<!/)@|[^\s/?#]*@)"
    r"|(?<![\w.%+-])(?!mailto:)[\w.%+-]+:[^\s:/\\@]+@(?=[\w\[])"
)
_CREDENTIALS = re.compile(
    r"(?i)((?:bearer|basic)\s+|[?&](?:api[-_]?key|key|\w*token|sig|signature|password)=)"
    r"[\w.~+/=%-]{8,}"
)


def clean(text: object, limit: int = 300) -> str:
    """Return any value as one line of at most `limit` characters that is safe to show."""
    if isinstance(text, BaseException):
        text = str(text) or type(text).__name__
    elif isinstance(text, (bytes, bytearray)):
        text = text.decode("utf-8", "replace")
    flat = without_user(mask(" ".join(visible(str(text)).split())))
    flat = _CREDENTIALS.sub(rf"\1{HIDDEN}", flat)
    return flat if len(flat) <= limit else f"{flat[: max(limit - 3, 0)]}..."


def visible(text: str) -> str:
    """Return text without escapes of a terminal and bidi controls; a control becomes a space."""
    text = _ESCAPES.sub("", text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in KEPT else _blank(c) for c in text)


def _blank(character: str) -> str:
    invisible = character in "\u00ad\u061c\ufeff" or "\u200b" <= character <= "\u2069"
    return "" if invisible and character not in "\u2028\u2029" else " "


def without_user(text: str) -> str:
    """Return text with each address in it, also a malformed one, without user and password."""
    return _USER.sub("", text)


def read_key(text: str | None) -> str | None:
    """Return a key without the line end or spaces of its file, and hide it from now on."""
    key = (text or "").strip()
    _remembered.add(key)
    return key or None


def remember_address(address: str) -> None:
    """Hide the password of an address from now on."""
    _remembered.update(_passwords(address))


def mask(text: str) -> str:
    """Return text with `[key]` for each secret that this process knows, however it is spelled.

    Be it in part, over lines, or as in a URL, JSON, HTML, base64 or hexadecimal.
    """
    needles = _known()
    if not needles:
        return text
    plain, starts, ends = _unspell(text)
    spans = sorted(span for needle in needles for span in _spans(plain, needle))
    pieces, end = [], 0
    for first, last in spans:
        if starts[first] >= end:
            pieces += [text[end : starts[first]], HIDDEN]
        end = max(end, ends[last])
    return "".join([*pieces, text[end:]])


def masked(pieces: Iterable[str]) -> Iterator[str]:
    """Mask a text that comes in pieces; where there is a secret, only whole words are let out."""
    held = ""
    for piece in pieces:
        held += piece
        word = _LAST_WORD.search(held) if _known() else None
        ready = word.start() if word else len(held)
        if ready:
            yield mask(held[:ready])
        held = held[ready:]
    if held:
        yield mask(held)


def _spans(plain: str, needle: str) -> Iterator[tuple[int, int]]:
    """Yield first and last place of each long enough part of a secret; parts may overlap."""
    size = min(len(needle), max(8, min(12, len(needle) // 2)))
    for first in range(len(needle) - size + 1):
        at = plain.find(needle[first : first + size])
        while at >= 0:
            yield at, at + size - 1
            at = plain.find(needle[first : first + size], at + 1)


def _unspell(text: str) -> tuple[str, list[int], list[int]]:
    """Return text in lower case as it is meant, and where each character starts and ends."""
    plain, starts, ends, at = [], [], [], 0
    for match in _SPELLED.finditer(text):
        start, stop = match.span()
        code, entity, escaped = match[1] or match[2], match[3], match[4]
        meant = chr(int(code, 16)) if code else html.unescape(entity or escaped or "")
        meant = "" if meant.isspace() else meant
        plain += [text[at:start], meant]
        starts += [*range(at, start), *[start] * len(meant)]
        ends += [*range(at + 1, start + 1), *[stop] * len(meant)]
        at = stop
    plain.append(text[at:])
    starts += range(at, len(text))
    ends += range(at + 1, len(text) + 1)
    return "".join(plain).translate(_LOWER), starts, ends


def _known() -> frozenset[str]:
    """Return every form in which a secret of this process may stand in a text."""
    environ = os.environ
    found = _remembered | {environ.get(KEY_VARIABLE, "").strip()}
    for name in environ:
        if name.upper() in ADDRESSES or name.lower().endswith("_proxy"):
            found |= _passwords(environ[name])
    return _forms(frozenset(found))


@lru_cache(maxsize=8)
def _forms(found: frozenset[str]) -> frozenset[str]:
    forms = set()
    for word in found:
        if len(word) < MIN_SECRET or word.lower() in PLACEHOLDERS:
            continue
        for secret in {word, urllib.parse.unquote(word)}:
            raw = secret.encode("utf-8", "replace")
            forms |= {secret, raw.hex()}
            for shift, first in enumerate((0, 2, 3)):
                # What stands before and after a secret changes the characters at its edges only.
                coded = base64.b64encode(b"\0" * shift + raw).decode()
                core = coded.rstrip("=")[first : -1 if coded.endswith("=") else None]
                forms |= {core, core.translate(str.maketrans("+/", "-_"))}
    return frozenset(form for form in (_unspell(f)[0] for f in forms) if len(form) >= MIN_SECRET)


def _passwords(address: str) -> set[str]:
    """Return the secret part of each `user:password@` or `token@` in an address."""
    users = (match[0].rstrip("@") for match in _USER.finditer(address))
    return {user.partition(":")[2] or user for user in users}
