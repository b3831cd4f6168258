"""Read what came back into a `Timeline`: server-sent events that hold chat-completion chunks.

`transport` brings the bytes with their arrival times; they are read here after the last one. The
format is that of WHATWG HTML, section 9.2, with OpenAI's chunks as data.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import TypeVar

from ..common.errors import plain
from ..common.foreign import clean, mask
from .connection import by_proxy, host_of
from .framing import UNTIL_CLOSED, Failure, Packets, unpack
from .transport import Exchange, Streams

DONE = object()
T = TypeVar("T")
_LINE = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|\Z)")


@dataclass(frozen=True)
class Timeline:
    """Hold what one request did, in seconds since just before it was written.

    `chunk_times_s` has the arrival of every chunk with text (answer or reasoning); it is empty when
    the request was not streamed. `latency_s` is the arrival of the last text, not of a late usage
    chunk or `[DONE]`. `connect_s` is the time to open the connection, before that. `written_at` and
    `ended_at` are times of perf_counter; `ended_at` is when the last byte came, or it was given up.
    """

    status: str = "failed"
    error: str | None = None
    text: str = ""
    reasoning: str = ""
    chunk_times_s: tuple[float, ...] = ()
    first_answer_s: float | None = None
    latency_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    connect_s: float | None = None
    written_at: float | None = None
    ended_at: float | None = None

    @property
    def ok(self) -> bool:
        """Return whether there is a complete answer."""
        return self.status == "ok"

    @property
    def token_source(self) -> str:
        """Return who counted the tokens: `usage` (the server) or `none`."""
        return "none" if self.completion_tokens is None else "usage"


def send(exchange: Exchange) -> Timeline:
    """Send one request and time its answer; `Timeline.error` says what a server did wrong."""
    with Streams() as streams:
        streams.start(exchange)
        streams.finished()
        return read(exchange)


def read(exchange: Exchange) -> Timeline:
    """Read an exchange that is over. It takes a while: best when nothing is being timed."""
    failure, packets, framed, head = exchange.failure, Packets(), False, exchange.head
    if head is not None:
        packets, complete = unpack(exchange.raw, head)
        framed = head.length != UNTIL_CLOSED
        if failure is None and not complete:
            failure = f"the answer was cut off after {len(bytes(packets))} bytes"
        elif failure is None and head.status != 200:
            failure = explain_refusal(head.status, head.headers, bytes(packets))
    elif exchange.written_at is not None:
        reason = failure or "it closed the connection without an HTTP answer"
        failure = f"no answer from {host_of(exchange.url)}: {reason}"
    streamed = bool(exchange.body.get("stream"))
    timeline = parse(packets, streamed=streamed, failure=failure, framed=framed)
    return replace(
        timeline,
        text=mask(timeline.text),
        reasoning=mask(timeline.reasoning),
        error=timeline.error and clean(timeline.error) + by_proxy(exchange.url),
        finish_reason=timeline.finish_reason and clean(timeline.finish_reason, 40),
        connect_s=exchange.connect_s,
        written_at=exchange.written_at,
        ended_at=exchange.ended_at,
    )


def parse(
    packets: Packets, *, streamed: bool = True, failure: str | None = None, framed: bool = True
) -> Timeline:
    """Turn stamped bytes into a `Timeline`; pure, so that recorded streams can be replayed.

    `failure` is what the transport already knows; what arrived before it is still read. Where
    nothing in HTTP marks the end (`framed` is false: the connection just closed), a stream that
    never says that it is done counts as cut.
    """
    collector = Collector()
    try:
        if failure is None or streamed:
            for arrived_s, chunk in _chunks(packets) if streamed else _whole(packets):
                collector.take(arrived_s, chunk)
    except Failure as error:
        failure = failure or str(error)
    if failure is None and not collector.texts:
        failure = "the answer was empty"
    if failure is None and streamed and not (framed or collector.ended):
        failure = (
            "the connection closed and nothing marks the end of the answer: "
            "no length, no finish_reason, no [DONE]"
        )
    answer, reasoning, first_answer_s = collector.split()
    return Timeline(
        status="failed" if failure else "ok",
        error=failure,
        text=answer,
        reasoning=reasoning,
        chunk_times_s=tuple(collector.times_s) if streamed else (),
        first_answer_s=first_answer_s if streamed else None,
        latency_s=collector.times_s[-1] if collector.times_s else None,
        prompt_tokens=collector.usage.get("prompt_tokens"),
        completion_tokens=collector.usage.get("completion_tokens"),
        finish_reason=collector.finish_reason,
    )


class Collector:
    """Collect text, arrival times, usage and the reason for the end, chunk by chunk."""

    def __init__(self):
        self.texts: list[tuple[str, str]] = []  # answer and reasoning of each chunk with text ...
        self.times_s: list[float] = []  # ... and its arrival
        self.finish_reason: str | None = None
        self.usage: dict[str, int] = {}
        self.ended = False

    def take(self, arrived_s: float, chunk: object) -> None:
        """Add a chunk; raises Failure for one that reports an error or makes no sense."""
        if chunk is DONE:
            self.ended = True
            return
        fields = _expect(dict, chunk, "a JSON object in the stream")
        if error := fields.get("error"):
            raise Failure(_message(error))
        self.usage = _usage(fields) or self.usage
        for choice in _expect(list, fields.get("choices") or [], "a list of choices")[:1]:
            self._take_choice(arrived_s, _expect(dict, choice, "an object as choice"))
        self.ended = self.ended or self.finish_reason is not None

    def _take_choice(self, arrived_s: float, choice: dict) -> None:
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        # A stream says `delta`, a whole answer `message`; Foundry Local 0.8 sends both.
        delta = choice.get("delta") or choice.get("message") or {}
        delta = _expect(dict, delta, "an object as delta")
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        reasoning = _expect(str, reasoning, "text as content")
        answer = _expect(str, delta.get("content") or "", "text as content")
        if answer or reasoning:
            self.texts.append((answer, reasoning))
            self.times_s.append(arrived_s)

    def split(self) -> tuple[str, str, float | None]:
        """Return the answer, the reasoning, and when the first text of the answer came.

        Some servers leave a model's `<think> ... </think>` in the content, or only its end because
        the prompt ended with the start. It is reasoning, and the answer begins after it.
        """
        whole = "".join(answer for answer, _ in self.texts)
        thought, end, rest = whole.partition("</think>")
        opened = thought.lstrip().startswith("<think>")
        if not opened and (not end or "<think>" in thought):
            thought, rest = "", whole
        start = len(whole) - len(rest.lstrip() if thought else rest)
        reached = accumulate(len(answer) for answer, _ in self.texts)
        arrivals = zip(self.times_s, reached, strict=True)
        first_answer_s = next((at for at, length in arrivals if length > start), None)
        inside = thought.lstrip().removeprefix("<think>").strip()
        reasoning = "".join(reasoning for _, reasoning in self.texts) + inside
        return _mend(whole[start:]), _mend(reasoning), first_answer_s


def _expect(kind: type[T], value: object, words: str) -> T:
    if not isinstance(value, kind):
        raise Failure(f"expected {words}, found {value!r:.80}")
    return value


def _mend(text: str) -> str:
    """Join the halves of a surrogate pair that came in two chunks; a lone half becomes U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _chunks(packets: Packets) -> Iterator[tuple[float, object]]:
    """Yield (arrival, decoded chunk) for each event up to `[DONE]`."""
    events = 0
    for arrived_s, data in _events(packets):
        if data == b"[DONE]":
            yield arrived_s, DONE
            return
        events += 1
        yield arrived_s, _decode(data, "a chunk of the stream")
    if packets.pieces and not events:
        raise Failure(f"expected a stream of events, found {_snippet(bytes(packets))}")


def _whole(packets: Packets) -> Iterator[tuple[float, object]]:
    arrived_s = packets.times_s[-1] if packets.times_s else 0.0
    yield arrived_s, _decode(bytes(packets), "the answer")


def _events(packets: Packets) -> Iterator[tuple[float, bytes]]:
    """Yield (arrival, data) of each event. It arrives with the end of its last data line."""
    ends = list(accumulate(map(len, packets.pieces)))
    data: list[bytes] = []
    arrived_s = 0.0
    for match in _LINE.finditer(bytes(packets)):
        line = match[1]
        if line.startswith(b"error:"):  # the field of llama.cpp up to September 2025
            line = b'data:{"error":' + line[6:] + b"}"
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
            arrived_s = packets.times_s[min(bisect_right(ends, match.end(1)), len(ends) - 1)]
        elif not line and data:
            if event := b"\n".join(data).strip():  # an event without data does not count
                yield arrived_s, event
            data = []
    if event := b"\n".join(data).strip():  # the blank line after the last event may be missing
        yield arrived_s, event


def _decode(data: bytes, name: str) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise Failure(f"{name} is not JSON: {_snippet(data)}") from None


def _usage(chunk: dict) -> dict[str, int]:
    usage = chunk.get("usage")
    if not isinstance(usage, dict):
        return {}
    counts = {name: usage.get(name) for name in ("prompt_tokens", "completion_tokens")}
    return {name: count for name, count in counts.items() if isinstance(count, int)}


def explain_refusal(status: int, headers: Mapping[str, str], body: bytes) -> str:
    """Say why a server answered with an HTTP status other than 200."""
    if 300 <= status < 400 and (goal := headers.get("location")):
        return f"HTTP {status}: the server redirects to {goal!r:.120}; use that address"
    try:
        message = _message(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        message = _snippet(body)
    if wait := headers.get("retry-after", "")[:40]:
        message += f" (the server asks to wait: Retry-After {wait})"
    return f"HTTP {status}: {message}"


def _message(error: object) -> str:
    return plain(str(error.get("message") or error) if isinstance(error, dict) else str(error))


def _snippet(data: bytes) -> str:
    text = " ".join(data.decode("utf-8", "replace").split())
    return repr(text[:80] + ("..." if len(text) > 80 else ""))
