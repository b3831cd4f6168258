"""Understand a server that refuses or fails: its own words, and the fields that it does not take.

Errors come as OpenAI's `error`, FastAPI's `detail`, problem details (RFC 9457), vLLM's and
FastChat's flat objects and others, so words are looked for under every name that is in use.
"""

import json
import re
from collections.abc import Mapping

from ..common.errors import plain
from ..common.foreign import clean

MAX_WORDS = 300  # characters of a server's words in one message
# Keys that hold words, without `_` and in lower case; the first one that is there counts.
_WORDS = (
    *("message", "detail", "msg", "error", "errors", "errormessage", "errormsg", "description"),
    *("errordescription", "reason", "faultstring", "fault", "title", "text"),
)
# A length of the answer, by its names: a refusal of one often names the other.
_LENGTHS = ("max_completion_tokens", "max_tokens", "max_output_tokens", "max_new_tokens")
_NOT_TAKEN = re.compile(
    r"support|permit|allow|recogni|unknown|unexpected|extra|invalid|forbidden|deprecated|instead|"
    r"not (?:exist|implement|accept|available)|only the default|cannot find|no such|"
    r"positive|greater than 0",
    re.IGNORECASE,
)
# The field is known and only its value too large: the caller's mistake, told as it is.
_TOO_LARGE = re.compile(
    r"too (?:large|long|high|many|big)|exceed|context|at most|less than|maximum", re.IGNORECASE
)


def words_of(value: object) -> str:
    """Return a server's own words, whole, from a decoded error of any shape; empty without any."""
    if isinstance(value, list):
        return "; ".join(filter(None, map(words_of, value)))
    if not isinstance(value, dict):
        return plain(value) if isinstance(value, str) else ""
    names = {str(name).lower().replace("_", ""): name for name in value}
    found = (words_of(value[names[name]]) for name in _WORDS if value.get(names.get(name)))
    words = next(filter(None, found), "")
    if words and isinstance(value.get("loc"), list):
        words = f"{'.'.join(map(str, value['loc']))}: {words}"
    if words and isinstance(value.get("param"), str) and value["param"] not in words:
        words += f" (param {value['param']})"
    return words


def shorten(text: str) -> str:
    """Return a server's words on one line, as they are shown and recorded."""
    return clean(text, MAX_WORDS)


def snippet(data: bytes) -> str:
    """Return the start of bytes that make no sense, in quotes."""
    return repr(shorten(data[: 4 * MAX_WORDS].decode("utf-8", "replace")))


def explain_error(error: object) -> str:
    """Return what a decoded error says, in its own words or as it is."""
    return shorten(words_of(error) or json.dumps(error))


def explain_refusal(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """Say why a server answered with an HTTP status other than 2xx."""
    if 300 <= status < 400 and (goal := headers.get("location")):
        return f"HTTP {status}: the server redirects to {clean(goal, 120)!r}; use that address"
    message = shorten(words_in(body)) or snippet(body)
    if wait := headers.get("retry-after", "")[:40]:
        message += f" (the server asks to wait: Retry-After {wait})"
    return f"HTTP {status}: {message}"


def refused_fields(status: int, body: bytes, request: Mapping) -> dict[str, str]:
    """Return the fields of a request that a server names in a refusal, each with its other name.

    The other name is empty where the field can only be left out. No field is returned for a value
    that is too large, or for another status than 400 and 422.
    """
    words = words_in(body) or body[: 4 * MAX_WORDS].decode("utf-8", "replace")
    if status not in (400, 422) or _TOO_LARGE.search(words):
        return {}
    refused = {}
    for name in sorted(request.keys() - {"model", "messages"}):
        marked = re.search(rf"""(?:['"`\[.]|param ){name}(?:['"`\],):]|$)""", words)
        bare = re.search(rf"(?<![\w-]){name}(?![\w-])", words)
        not_taken = _NOT_TAKEN.search(words)
        if name in _LENGTHS and bare and not_taken:
            others = (other for other in _LENGTHS if re.search(rf"\b{other}\b", words))
            other_name = _LENGTHS[0] if name == "max_tokens" else ""
            refused[name] = next((other for other in others if other not in request), other_name)
        elif name not in _LENGTHS and (marked or (bare and not_taken and name != "stream")):
            refused[name] = ""
    return refused


def without(body: Mapping, changes: Mapping[str, str]) -> dict:
    """Return a request body with fields renamed, or left out where the other name is empty."""
    body = {changes.get(name, name): value for name, value in body.items()}
    body.pop("", None)
    if not body.get("stream"):
        body.pop("stream_options", None)
    return body


def in_words(changes: Mapping[str, str]) -> str:
    """Say what became of each field: `temperature is left out; max_tokens is sent as ...`."""
    parts = (f"is sent as {other}" if other else "is left out" for other in changes.values())
    return "; ".join(map(" ".join, zip(changes, parts, strict=True)))


def words_in(body: bytes) -> str:
    """Return the words in the body of a refusal; empty where it is not JSON or has none."""
    try:
        value = json.loads(body)
        return words_of(value) if isinstance(value, dict) else ""
    except (ValueError, RecursionError):
        return ""
