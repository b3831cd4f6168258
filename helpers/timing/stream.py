"""One chat request in, one `Timeline` out. `wire` brings the bytes with their arrival times; here they are read, after the last one.

The wire format is that of server-sent events (WHATWG HTML, section 9.2) holding OpenAI chat-completion chunks.
"""

import json
import re
import urllib.parse
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate

from ..common.errors import plain
from . import transport
from .transport import Failure, Packets

MAX_REDIRECTS = 5
MAX_EVENTS, EVENTS_A_TOKEN = (
    100,
    4,
)  # a stream with more events than that for `max_tokens` tokens does not end by itself
DONE = object()
_LINE = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|\Z)")


@dataclass(frozen=True)
class Timeline:
    """What one request did, in seconds since just before it was written.

    `chunk_times_s` has the arrival of every chunk with text (answer or reasoning); it is empty when the request was
    not streamed. `latency_s` is the arrival of the last text, not of a late usage chunk or `[DONE]`.
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
    connect_s: float | None = None  # opening the connection, before the request was written
    written_at: float | None = None  # perf_counter; also ...
    ended_at: float | None = None  # ... when the last byte was there, or the request given up

    @property
    def ok(self) -> bool:
        """Whether there is a complete answer."""
        return self.status == "ok"

    @property
    def token_source(self) -> str:
        """Who counted the tokens: `usage` (the server) or `none`."""
        return "none" if self.completion_tokens is None else "usage"


@dataclass(frozen=True)
class Request:
    """One chat-completion request. `timeout_s` bounds the connection and the whole request, `stall_s` each silence once text has come."""

    url: str
    body: Mapping
    timeout_s: float
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    stall_s: float | None = None  # a quarter of timeout_s


def send(request: Request) -> Timeline:
    """Post one request and time its answer. Never raises for what a server does: see `Timeline.error`."""
    with Streams() as streams:
        streams.start(request)
        return streams.finished().timeline()


class Streams:
    """Requests under way side by side; use it as a context manager. Leaving it drops what is still under way.

    Proxy variables and the system's trusted certificates apply as for any other client, except that loopback addresses are
    always reached directly. Redirects are followed, each with a clock of its own; nothing else is ever sent twice.
    """

    def __init__(self):
        self._wire = transport.Wire()

    def __enter__(self) -> "Streams":
        self._wire.__enter__()
        return self

    def __exit__(self, *_) -> None:
        self._wire.__exit__()

    def start(self, request: Request, *, key: object = None, due_at: float | None = None) -> None:
        """Open a connection and write the request, at once or when `due_at` (perf_counter) has come."""
        self._start(Finished(request, key, request.url, dict(request.headers), due_at))

    def finished(self, timeout_s: float | None = None) -> "Finished | None":
        """The next request that is over, not parsed yet; None when there is none within the time."""
        while (exchange := self._wire.finished(timeout_s)) is not None:
            found = exchange.key
            found.exchange = exchange
            if not found.redirected():
                return found
            self._start(found)
        return None

    def _start(self, one: "Finished") -> None:
        request, asked = one.request, one.request.body.get("max_tokens")
        self._wire.start(
            transport.Exchange(
                one.url,
                json.dumps(request.body).encode(),
                one.headers,
                request.timeout_s,
                request.timeout_s / 4 if request.stall_s is None else request.stall_s,
                MAX_EVENTS + EVENTS_A_TOKEN * asked
                if request.body.get("stream") and isinstance(asked, int)
                else None,
                one.due_at,
                key=one,
            )
        )


@dataclass
class Finished:
    """A request that is over. `timeline()` parses what came, which takes its time: best when nothing is being timed."""

    request: Request
    key: object
    url: str
    headers: dict[str, str] = field(repr=False)
    due_at: float | None
    hops: int = 1
    exchange: transport.Exchange = None

    def redirected(self) -> bool:
        """Whether the server pointed elsewhere; then `url` and `headers` are those of the next request."""
        head = self.exchange.head
        location = (
            head.headers.get("location")
            if head and head.status in (301, 302, 307, 308) and self.exchange.failure is None
            else None
        )
        try:
            goal = urllib.parse.urljoin(self.url, location) if location else ""
            if not goal.startswith(("http://", "https://")) or self.hops == MAX_REDIRECTS:
                return False
            if _origin(goal) != _origin(self.url):  # the key is for the server it was given for
                self.headers = {
                    name: value
                    for name, value in self.headers.items()
                    if name.lower() != "authorization"
                }
        except ValueError as error:
            self.exchange.failure = (
                f"{location!r:.120}, where the server pointed, is no address: {error}"
            )
            return False
        self.url, self.hops = goal, self.hops + 1
        return True

    def timeline(self) -> Timeline:
        """What the request did."""
        exchange, streamed = self.exchange, bool(self.request.body.get("stream"))
        failure, packets, complete = exchange.failure, Packets(), False
        if exchange.written_at is not None:
            message = transport.unpack(exchange.raw) if exchange.head else transport.Message()
            packets, complete = message.packets, message.framed
            if message.head is None:
                failure = f"no answer from {transport.host_of(self.url)}: {failure or 'it closed the connection without an HTTP answer'}"
            elif failure is None and not message.complete:
                failure = f"the answer was cut off after {sum(map(len, packets.pieces))} bytes"
            elif failure is None and message.head.status != 200:
                failure = _http_failure(message.head, b"".join(packets.pieces))
        for secret in self._secrets():
            failure = failure and failure.replace(secret, "[key]")
        times = {
            "connect_s": exchange.connect_s,
            "written_at": exchange.written_at,
            "ended_at": exchange.ended_at,
        }
        return replace(parse(packets, streamed=streamed, failure=failure, framed=complete), **times)

    def _secrets(self) -> list[str]:
        return [
            word
            for name, value in self.request.headers.items()
            if name.lower() == "authorization"
            for word in value.split()[1:]
        ]


def parse(
    packets: Packets, *, streamed: bool = True, failure: str | None = None, framed: bool = True
) -> Timeline:
    """Turn stamped bytes into a `Timeline`; pure, so that recorded streams can be replayed.

    `failure` is what the transport already knows; what arrived before it is still parsed. Where the transport marks no end
    (`framed` is false: the connection just closed), a stream that never says that it is done counts as cut.
    """
    found = _Collector()
    try:
        if failure is None or streamed:
            for arrived_s, chunk in _chunks(packets) if streamed else _whole(packets):
                found.take(arrived_s, chunk)
    except Failure as error:
        failure = failure or str(error)
    if failure is None and not found.texts:
        failure = "the answer was empty"
    if failure is None and streamed and not (framed or found.ended):
        failure = "the connection closed and nothing marks the end of the answer: no length, no finish_reason, no [DONE]"
    answer, reasoning, first_answer_s = found.apart()
    return Timeline(
        status="failed" if failure else "ok",
        error=failure,
        text=answer,
        reasoning=reasoning,
        chunk_times_s=tuple(found.times_s) if streamed else (),
        first_answer_s=first_answer_s if streamed else None,
        latency_s=found.times_s[-1] if found.times_s else None,
        prompt_tokens=found.usage.get("prompt_tokens"),
        completion_tokens=found.usage.get("completion_tokens"),
        finish_reason=found.finish_reason,
    )


def _joined(parts: list[str]) -> str:
    """The whole text. Halves of a surrogate pair, each in a chunk of its own, become the character; a lone half U+FFFD."""
    return "".join(parts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class _Collector:
    """Collects text, arrival times, usage and the reason of the end from chunk after chunk."""

    def __init__(self):
        self.texts: list[
            tuple[str, str]
        ] = []  # answer and reasoning of each chunk with text, and ...
        self.times_s: list[float] = []  # ... its arrival
        self.finish_reason, self.usage, self.ended = None, {}, False

    def take(self, arrived_s: float, chunk) -> None:
        if chunk is DONE:
            self.ended = True
            return
        if not isinstance(chunk, dict):
            raise Failure(f"expected a JSON object in the stream, found {chunk!r:.80}")
        if error := chunk.get("error"):
            raise Failure(_message(error))
        self.usage = _usage(chunk) or self.usage
        choices = chunk.get("choices") or []
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise Failure(f"expected a list of choices, found {choices!r:.80}")
        for choice in choices[:1]:
            self.finish_reason = choice.get("finish_reason") or self.finish_reason
            # A stream says `delta`, a whole answer `message`; Foundry Local 0.8 streams both with the same text.
            delta = choice.get("delta") or choice.get("message") or {}
            if not isinstance(delta, dict):
                raise Failure(f"expected an object as delta, found {delta!r:.80}")
            self._take_text(arrived_s, delta)
        self.ended = self.ended or self.finish_reason is not None

    def _take_text(self, arrived_s: float, delta: dict) -> None:
        answer = delta.get("content") or ""
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        if not isinstance(answer, str) or not isinstance(reasoning, str):
            raise Failure(f"expected text as content, found {answer or reasoning!r:.80}")
        if answer or reasoning:
            self.texts.append((answer, reasoning))
            self.times_s.append(arrived_s)

    def apart(self) -> tuple[str, str, float | None]:
        """Answer, reasoning, and when the first text of the answer came.

        Some servers leave a model's `<think> ... </think>` in the content, or put only its end there because the prompt
        ended with the start. It is reasoning, and the answer begins after it.
        """
        whole = "".join(answer for answer, _ in self.texts)
        thought, end, rest = whole.partition("</think>")
        opened = thought.lstrip().startswith("<think>")
        if not opened and (not end or "<think>" in thought):
            thought, rest = "", whole
        start = len(whole) - len(rest.lstrip() if thought else rest)
        reached = accumulate(len(answer) for answer, _ in self.texts)
        first = next(
            (at for at, length in zip(self.times_s, reached, strict=True) if length > start), None
        )
        inside = thought.lstrip().removeprefix("<think>").strip()
        return (
            _joined([whole[start:]]),
            _joined([*(reasoning for _, reasoning in self.texts), inside]),
            first,
        )


def _chunks(packets: Packets) -> Iterator[tuple[float, object]]:
    """(arrival, decoded chunk) for each event up to `[DONE]`."""
    events = 0
    for arrived_s, data in _events(packets):
        if data == b"[DONE]":
            yield arrived_s, DONE
            return
        events += 1
        yield arrived_s, _decoded(data, "a chunk of the stream")
    if packets.pieces and not events:
        raise Failure(f"expected a stream of events, found {_snippet(b''.join(packets.pieces))}")


def _whole(packets: Packets) -> Iterator[tuple[float, object]]:
    yield (
        (packets.times_s[-1] if packets.times_s else 0.0),
        _decoded(b"".join(packets.pieces), "the answer"),
    )


def _events(packets: Packets) -> Iterator[tuple[float, bytes]]:
    """(arrival, data) of each server-sent event. An event arrives with the end of its last data line."""
    blob = b"".join(packets.pieces)
    ends = list(accumulate(map(len, packets.pieces)))
    data, arrived_s = [], 0.0
    for match in _LINE.finditer(blob):
        line = match[1]
        # llama.cpp up to September 2025 reported a failure in a field of its own, `error: {...}`.
        if line.startswith((b"data:", b"error:")):
            data.append(
                line[5:].removeprefix(b" ")
                if line.startswith(b"data:")
                else b'{"error":' + line[6:] + b"}"
            )
            arrived_s = packets.times_s[min(bisect_right(ends, match.end(1)), len(ends) - 1)]
        elif not line and data:
            if event := b"\n".join(data).strip():  # an event without data is none
                yield arrived_s, event
            data = []
    if event := b"\n".join(data).strip():  # the blank line after the last event may be missing
        yield arrived_s, event


def _decoded(data: bytes, what: str):
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        raise Failure(f"{what} is not JSON: {_snippet(data)}") from None


def _usage(chunk: dict) -> dict[str, int]:
    usage = chunk.get("usage")
    if not isinstance(usage, dict):
        return {}
    return {
        key: usage[key]
        for key in ("prompt_tokens", "completion_tokens")
        if isinstance(usage.get(key), int)
    }


def _http_failure(head: transport.Head, body: bytes) -> str:
    try:
        said = _message(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError, RecursionError):
        said = _snippet(body)
    wait = head.headers.get("retry-after", "")[:40]
    return f"HTTP {head.status}: {said}" + (
        f" (the server asks to wait: Retry-After {wait})" if wait else ""
    )


def _message(error) -> str:
    return plain(str(error.get("message") or error) if isinstance(error, dict) else str(error))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _snippet(data: bytes) -> str:
    text = " ".join(data.decode("utf-8", "replace").split())
    return repr(text[:80] + ("..." if len(text) > 80 else ""))
