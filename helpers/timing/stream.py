"""Read what came back into a `Timeline`: server-sent events that hold chat-completion chunks.

`transport` brings the bytes with their arrival times; they are read here after the last one. The
format is that of WHATWG HTML, section 9.2, with OpenAI's chunks as data.
"""

import codecs
import json
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate, chain

from ..common.foreign import clean, mask
from .chunks import DONE, Collector
from .connection import by_proxy, host_of
from .framing import UNTIL_CLOSED, Failure, Packets, decompress, unpack
from .refusals import explain_refusal, refused_fields, snippet, words_in
from .transport import Exchange, Streams

MAX_ERROR = 600  # characters: a server's words, and ours around them
_LINE = re.compile(rb"([^\r\n]*)(\r\n|\n|\r|\Z)")


@dataclass(frozen=True)
class Timeline:
    """Hold what one request did, in seconds since just before it was written.

    `chunk_times_s` has the arrival of every chunk with text (answer or reasoning); it is empty when
    the answer was not streamed. `token_source` says who counted its tokens: `usage` (the server),
    `limit` (it ended at `max_tokens`), `repeat` (see `Sender`) or `none`. `token_problem` says why
    a count of the server is not used, and `refused` has the fields that it refused, with their
    other names. `latency_s` is the arrival of the last text, not of a late usage chunk or `[DONE]`.
    `connect_s` is the time to open the connection, before that. `written_at` and `ended_at` are
    times of perf_counter; `ended_at` is when the last byte came, or it was given up.
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
    token_source: str = "none"
    finish_reason: str | None = None
    token_problem: str | None = None
    refused: Mapping[str, str] = field(default_factory=dict)
    connect_s: float | None = None
    written_at: float | None = None
    ended_at: float | None = None

    @property
    def ok(self) -> bool:
        """Return whether there is a complete answer."""
        return self.status == "ok"


def send(exchange: Exchange) -> Timeline:
    """Send one request and time its answer; `Timeline.error` says what a server did wrong."""
    with Streams() as streams:
        streams.start(exchange)
        streams.finished()
        return read(exchange)


def read(exchange: Exchange) -> Timeline:
    """Read an exchange that is over. It takes a while: best when nothing is being timed."""
    try:
        timeline = _read(exchange)
    except Failure as error:
        timeline = Timeline(error=str(error))
    return replace(
        timeline,
        text=mask(timeline.text),
        reasoning=mask(timeline.reasoning),
        error=timeline.error and clean(timeline.error, MAX_ERROR) + by_proxy(exchange.url),
        finish_reason=timeline.finish_reason and clean(timeline.finish_reason, 40),
        connect_s=exchange.connect_s,
        written_at=exchange.written_at,
        ended_at=exchange.ended_at,
    )


def _read(exchange: Exchange) -> Timeline:
    failure, head = exchange.failure, exchange.head
    if head is None:
        if exchange.written_at is not None:
            reason = failure or "it closed the connection without an HTTP answer"
            failure = f"no answer from {host_of(exchange.url)}: {reason}"
        return Timeline(error=failure)
    packets, complete = unpack(exchange.raw, head)
    framed = head.length != UNTIL_CLOSED
    if framed and complete:
        failure = None  # whatever the connection did after that
    elif failure is None and not complete and not exchange.is_done():
        failure = f"the answer was cut off after {len(bytes(packets))} bytes"
    packets = decompress(packets, head.headers.get("content-encoding", ""))
    if not 200 <= head.status < 300:
        refused = refused_fields(head.status, bytes(packets), exchange.body)
        error = explain_refusal(head.status, head.headers, bytes(packets))
        return Timeline(error=error, refused=refused)
    streamed = bool(exchange.body.get("stream"))
    timeline = parse(packets, streamed=streamed, failure=failure, framed=framed)
    size, limit = len(timeline.text + timeline.reasoning), exchange.body.get("max_tokens")
    fits = isinstance(limit, int) and len(timeline.chunk_times_s) <= limit <= size
    uncounted = timeline.token_source == "none" and not timeline.token_problem
    if fits and uncounted and timeline.finish_reason == "length":
        timeline = replace(timeline, completion_tokens=limit, token_source="limit")
    return timeline


def parse(
    packets: Packets, *, streamed: bool = True, failure: str | None = None, framed: bool = True
) -> Timeline:
    """Turn stamped bytes into a `Timeline`; pure, so that recorded streams can be replayed.

    `failure` is what the transport already knows; what arrived before it is still read, and after
    the end of an answer it no longer counts. Where nothing in HTTP marks the end (`framed` is
    false: the connection just closed), a stream that never says that it is done counts as cut.
    """
    collector, problem = Collector(), None
    whole = not streamed or _is_object(packets)  # some servers ignore `stream`
    chunk: object = None
    try:
        for arrived_s, chunk in _whole(packets) if whole else _chunks(packets):
            collector.take(arrived_s, chunk)
        useful = (collector.texts or collector.finish_reason) if whole else chunk
        if streamed and packets.pieces and not useful:
            raise Failure(f"expected a stream of events, found {snippet(bytes(packets))}")
    except Failure as error:
        problem = str(error)
    except RecursionError:
        problem = "a chunk of the stream is nested too deep"
    if collector.ended and failure:
        failure = problem = None
    collector.finish()
    failure = collector.error or failure or problem
    if failure is None and collector.is_blank:
        reason = collector.finish_reason
        failure = "the answer was empty" + (f" (finish_reason {reason:.40})" if reason else "")
    if failure is None and not (whole or framed or collector.ended):
        failure = (
            "the connection closed and nothing marks the end of the answer: "
            "no length, no finish_reason, no [DONE]"
        )
    return _timeline(collector, failure, whole)


def _timeline(collector: Collector, failure: str | None, whole: bool) -> Timeline:
    answer, reasoning, first_answer_s = collector.split()
    prompt_tokens, completion_tokens, token_problem = collector.tokens(answer, reasoning)
    return Timeline(
        status="failed" if failure else "ok",
        error=failure,
        text=answer,
        reasoning=reasoning,
        chunk_times_s=() if whole else tuple(collector.times_s),
        first_answer_s=None if whole else first_answer_s,
        latency_s=collector.times_s[-1] if collector.times_s else None,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        token_source="none" if completion_tokens is None else "usage",
        finish_reason=collector.finish_reason,
        token_problem=token_problem,
    )


def read_text(blocks: Iterable[bytes]) -> Iterator[str]:
    """Yield an answer's text as it comes, for a person. Raises Failure for errors and nonsense."""
    collector, rest, shown = Collector(), b"", 0
    for block in chain(blocks, [b"\n\n"]):
        rest += block
        end = max(rest.rfind(b"\n\n"), rest.rfind(b"\n\r\n")) + 1  # 0 where no event is whole
        events, rest = Packets([0.0], [rest[:end]]), rest[end:]
        for _, chunk in _whole(events) if _is_object(events) else _chunks(events):
            collector.take(0.0, chunk)
            for answer, _ in collector.texts[shown:]:
                shown += 1
                yield answer
            if chunk is DONE:
                return
    if collector.error:
        raise Failure(collector.error)


def _chunks(packets: Packets) -> Iterator[tuple[float, object]]:
    """Yield (arrival, decoded chunk) for each event up to `[DONE]`."""
    for arrived_s, name, data in _events(packets):
        if data == b"[DONE]":
            yield arrived_s, DONE
            return
        if name == b"error":
            words = words_in(data) or data.decode("utf-8", "replace")
            yield arrived_s, {"error": {"message": words}}
        else:
            yield arrived_s, _decode(data, "a chunk of the stream")


def _whole(packets: Packets) -> Iterator[tuple[float, object]]:
    arrived_s = packets.times_s[-1] if packets.times_s else 0.0
    yield arrived_s, _decode(bytes(packets), "the answer")
    yield arrived_s, DONE


def _is_object(packets: Packets) -> bool:
    """Return whether a body is one JSON object instead of a stream."""
    body = bytes(packets).removeprefix(codecs.BOM_UTF8).lstrip()
    try:
        return body.startswith(b"{") and isinstance(_decode(body, ""), dict)
    except Failure:
        return False


def _events(packets: Packets) -> Iterator[tuple[float, bytes, bytes]]:
    """Yield (arrival, name, data) of each event. It arrives with the end of its last data line."""
    ends = list(accumulate(map(len, packets.pieces)))
    times_s = [*packets.times_s, *packets.times_s[-1:]]  # the last line may end with the last byte
    name, data = b"", list[bytes]()
    arrived_s, body = 0.0, bytes(packets)
    start = len(codecs.BOM_UTF8) if body.startswith(codecs.BOM_UTF8) else 0
    for match in _LINE.finditer(body, start):
        line = match[1]
        if line:
            ended_in = bisect_right(ends, match.end(1))
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
            arrived_s = times_s[ended_in]
            if data[-1].startswith(b"[DONE]") and data[-1].rstrip() == b"[DONE]":
                if event := b"\n".join(data[:-1]).strip():
                    yield arrived_s, name, event
                yield arrived_s, b"", b"[DONE]"  # no line follows: the loop stops here as well
                return
        elif not line:
            if event := b"\n".join(data).strip():  # an event without data does not count
                yield arrived_s, name, event
            name, data = b"", []
        elif line.startswith(b"event:"):
            name = line[6:].strip()
        elif line.startswith(b"error:"):  # the field of llama.cpp up to September 2025
            name, data, arrived_s = b"error", [line[6:]], times_s[ended_in]
        elif line.startswith(b"{"):  # JSON lines, and errors that a proxy writes into a stream
            yield times_s[ended_in], b"", line
    if event := b"\n".join(data).strip():  # the blank line after the last event may be missing
        yield arrived_s, name, event


def _decode(data: bytes, name: str) -> object:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        pass
    try:  # a wrong byte, a bare control character or an endless number does not cost the answer
        return json.loads(data.decode("utf-8", "replace"), strict=False, parse_int=float)
    except (ValueError, RecursionError):
        raise Failure(f"{name} is not JSON: {snippet(data)}") from None
