"""One chat request in, one `Timeline` out. Bytes are stamped as they arrive and parsed only after the last one.

Every request has a connection of its own. On a kept-alive one, a server that leaves Nagle's algorithm on (Foundry Local
2.2.1 does) holds its text back until the client's delayed acknowledgement, 40 ms on Linux: a first token after 2 ms
then arrives after 43 ms, together with all the others. The connection is opened before the clock starts.

The wire format is that of server-sent events (WHATWG HTML, section 9.2) holding OpenAI chat-completion chunks.
"""

import contextlib
import http.client
import io
import ipaddress
import json
import re
import socket
import ssl
import time
import urllib.parse
import urllib.request
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

import truststore

from .errors import plain

MAX_RESPONSE_BYTES = 32 * 2**20
MAX_REDIRECTS = 5
CHUNKED, UNTIL_CLOSED = -1, 0
_LAST_CHUNK = re.compile(rb"\r\n0+[ \t]*(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n\Z")  # with extension and trailers (RFC 9112, section 7.1)
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

    @property
    def ok(self) -> bool:
        """Whether there is a complete answer."""
        return self.status == "ok"

    @property
    def token_source(self) -> str:
        """Who counted the tokens: `usage` (the server) or `none`."""
        return "none" if self.completion_tokens is None else "usage"


@dataclass
class Packets:
    """Bytes in the pieces in which they arrived, and when (seconds since just before the request was written)."""

    times_s: list[float] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)


class Failure(Exception):
    """Why a request counts as failed, in words for the record."""


def send(url: str, body: dict, *, timeout_s: float, headers: Mapping[str, str] | None = None) -> Timeline:
    """Post one chat-completion request and time its answer. Never raises for what a server does: see `Timeline.error`.

    `timeout_s` bounds the connection, each silence, and the whole request. Proxy variables and the system's trusted
    certificates apply as for any other client, except that loopback addresses are always reached directly.
    """
    streamed, headers = bool(body.get("stream")), dict(headers or {})
    secrets = [word for name, value in headers.items() if name.lower() == "authorization" for word in value.split()[1:]]
    payload = json.dumps(body).encode()
    packets, failure = Packets(), None
    try:
        for _ in range(MAX_REDIRECTS):
            status, location, packets, failure = _exchange(url, payload, headers, timeout_s)
            if not location:
                break
            goal = urllib.parse.urljoin(url, location)
            if not goal.startswith(("http://", "https://")):
                break
            if _origin(goal) != _origin(url):  # the key is for the server it was given for
                headers = {name: value for name, value in headers.items() if name.lower() != "authorization"}
            url = goal
        if failure is None and status != 200:
            failure = _http_failure(status, b"".join(packets.pieces))
    except TimeoutError:
        failure = f"timed out: no connection to {_host(url)} within {timeout_s:g} s"
    except (OSError, http.client.HTTPException) as error:
        failure = f"no answer from {_host(url)}: {error or type(error).__name__}"
    except ValueError as error:
        failure = f"{url!r:.120} is no address to send a request to: {error}"
    for secret in secrets:
        failure = failure and failure.replace(secret, "[key]")
    return parse(packets, streamed=streamed, failure=failure)


def _exchange(url: str, payload: bytes, headers: Mapping[str, str], timeout_s: float):
    """One request on a connection of its own: (status, redirect location or None, body packets, failure or None)."""
    connection, target = _connect(url, timeout_s)
    with contextlib.closing(connection):
        raw, failure = Packets(), None
        start = time.perf_counter()
        connection.request(
            "POST", target, payload, {**headers, "Content-Type": "application/json", "Connection": "close", "Accept-Encoding": "identity"}
        )
        try:
            _receive(connection.sock, raw, start, timeout_s)
        except TimeoutError:
            failure = f"timed out: nothing arrived for {timeout_s:g} s"
        except OSError as error:
            failure = f"the connection broke: {error}"
        except Failure as error:
            failure = str(error)
    status, head, packets, complete = _unpack(raw)
    if status is None:
        raise http.client.HTTPException(failure or "it closed the connection without an HTTP answer")
    if not complete and failure is None:
        failure = f"the answer was cut off after {sum(map(len, packets.pieces))} bytes"
    return status, head.get("Location") if status in (301, 302, 307, 308) else None, packets, failure


def _connect(url: str, timeout_s: float) -> tuple[http.client.HTTPConnection, str]:
    """An open connection for `url`, through the proxy that applies, and the request target to name on it."""
    parts = urllib.parse.urlsplit(url)
    secure, host = parts.scheme == "https", parts.hostname or ""
    port = parts.port or (443 if secure else 80)
    target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    proxy = urllib.parse.urlsplit(proxy_for(url) or "")
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    options = {"context": truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)} if secure else {}
    connection = kind(proxy.hostname or host, proxy.port or (80 if proxy.hostname else port), timeout=timeout_s, **options)
    if proxy.hostname and secure:
        connection.set_tunnel(host, port)
    elif proxy.hostname:
        target = url
    connection.connect()
    return connection, target


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for an address; none for loopback."""
    parts = urllib.parse.urlsplit(url)
    if is_loopback(url) or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxy = urllib.request.getproxies().get(parts.scheme)
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def is_loopback(url: str) -> bool:
    """Whether an address names this machine."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _receive(sock: socket.socket, raw: Packets, start: float, timeout_s: float) -> None:
    """Read to the end of the answer, stamping each piece the moment it is here."""
    clock, received, tail = time.perf_counter, 0, b""
    length = None
    while True:
        if hasattr(socket, "TCP_QUICKACK"):  # Linux forgets it after a while; it keeps the server's next packet coming
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        piece = sock.recv(65536)
        now = clock() - start
        if not piece:
            return
        raw.times_s.append(now)
        raw.pieces.append(piece)
        received += len(piece)
        tail = (tail + piece)[-1024:]
        length = _expected_length(raw) if length is None else length
        # Servers that keep the connection open although asked to close it: stop at the end of the message.
        # The bytes of a last chunk may also be text: only the unpacked message tells.
        if (length == CHUNKED and _LAST_CHUNK.search(tail) and _unpack(raw)[3]) or (length and 0 < length <= received):
            return
        if now > timeout_s:
            raise Failure(f"timed out: not finished after {timeout_s:g} s")
        if received > MAX_RESPONSE_BYTES:
            raise Failure(f"the server sent more than {MAX_RESPONSE_BYTES >> 20} MB")


def _head(blob: bytes) -> tuple[int, int, http.client.HTTPMessage] | None:
    """(status, offset of the body, headers) once the head is complete. Interim answers (1xx) are passed over."""
    start = 0
    while (end := blob.find(b"\r\n\r\n", start)) >= 0:
        match = re.match(rb"HTTP/1\.[01] (\d{3})", blob[start:end])
        if not match:
            raise http.client.HTTPException("what answers there does not speak HTTP")
        if match[1][0:1] != b"1":
            lines = blob[start : end + 4].split(b"\r\n", 1)[1]
            return int(match[1]), end + 4, http.client.parse_headers(io.BytesIO(lines))
        start = end + 4
    return None


def _expected_length(raw: Packets) -> int | None:
    """Bytes of the whole message; CHUNKED or UNTIL_CLOSED when the head gives none, None before it is complete."""
    found = _head(b"".join(raw.pieces))
    if found is None:
        return None
    _, body, headers = found
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        return CHUNKED
    length = _content_length(headers)
    return UNTIL_CLOSED if length is None else body + length


def _content_length(headers: Mapping[str, str]) -> int | None:
    value = headers.get("Content-Length", "").strip()
    return int(value) if re.fullmatch(r"[0-9]{1,18}", value) else None


def _unpack(raw: Packets) -> tuple[int | None, Mapping[str, str], Packets, bool]:
    """(status, headers, body in its arrival pieces, whether it is complete) of a recorded HTTP answer."""
    blob = b"".join(raw.pieces)
    found = _head(blob)
    if found is None:
        return None, {}, Packets(), False
    status, offset, headers = found
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        spans, complete = _dechunk(blob, offset)
    else:
        spans, complete = [(offset, len(blob))], len(blob) >= offset + (_content_length(headers) or 0)
    return status, headers, _cut(raw, blob, spans), complete


def _dechunk(blob: bytes, offset: int) -> tuple[list[tuple[int, int]], bool]:
    """Byte ranges of the data of a chunked body (RFC 9112, section 7.1), and whether its end is there."""
    spans = []
    while (line_end := blob.find(b"\r\n", offset)) >= 0:
        match = re.fullmatch(rb"([0-9A-Fa-f]+)[ \t]*(?:;.*)?", blob[offset:line_end])
        if not match:
            return spans, False
        size = int(match[1], 16)
        if size == 0:
            return spans, True
        start = line_end + 2
        spans.append((start, min(start + size, len(blob))))
        offset = start + size + 2
    return spans, False


def _cut(raw: Packets, blob: bytes, spans: list[tuple[int, int]]) -> Packets:
    """The bytes of `spans`, in pieces that each arrived at one moment."""
    ends, body = list(accumulate(map(len, raw.pieces))), Packets()
    for start, end in spans:
        while start < end:
            packet = bisect_right(ends, start)
            stop = min(end, ends[packet])
            body.times_s.append(raw.times_s[packet])
            body.pieces.append(blob[start:stop])
            start = stop
    return body


def parse(packets: Packets, *, streamed: bool = True, failure: str | None = None) -> Timeline:
    """Turn stamped bytes into a `Timeline`; pure, so that recorded streams can be replayed.

    `failure` is what the transport already knows; what arrived before it is still parsed.
    """
    found = _Answer()
    try:
        if failure is None or streamed:
            for arrived_s, chunk in _chunks(packets) if streamed else _whole(packets):
                found.take(arrived_s, chunk)
    except Failure as error:
        failure = failure or str(error)
    if failure is None and not (found.text or found.reasoning):
        failure = "the answer was empty"
    return Timeline(
        status="failed" if failure else "ok",
        error=failure,
        text=_joined(found.text),
        reasoning=_joined(found.reasoning),
        chunk_times_s=tuple(found.times_s) if streamed else (),
        first_answer_s=found.first_answer_s if streamed else None,
        latency_s=found.times_s[-1] if found.times_s else None,
        prompt_tokens=found.usage.get("prompt_tokens"),
        completion_tokens=found.usage.get("completion_tokens"),
        finish_reason=found.finish_reason,
    )


def _joined(parts: list[str]) -> str:
    """The whole text. Halves of a surrogate pair, each in a chunk of its own, become the character; a lone half U+FFFD."""
    return "".join(parts).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


class _Answer:
    """Collects text, arrival times, usage and the reason of the end from chunk after chunk."""

    def __init__(self):
        self.text, self.reasoning, self.times_s = [], [], []
        self.first_answer_s = self.finish_reason = None
        self.usage = {}

    def take(self, arrived_s: float, chunk) -> None:
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

    def _take_text(self, arrived_s: float, delta: dict) -> None:
        answer = delta.get("content") or ""
        reasoning = delta.get("reasoning_content") or delta.get("reasoning") or ""
        if not isinstance(answer, str) or not isinstance(reasoning, str):
            raise Failure(f"expected text as content, found {answer or reasoning!r:.80}")
        if answer and self.first_answer_s is None:
            self.first_answer_s = arrived_s
        if answer or reasoning:
            self.times_s.append(arrived_s)
        self.text += [answer] if answer else []
        self.reasoning += [reasoning] if reasoning else []


def _chunks(packets: Packets) -> Iterator[tuple[float, object]]:
    """(arrival, decoded chunk) for each event up to `[DONE]`."""
    events = 0
    for arrived_s, data in _events(packets):
        if data == b"[DONE]":
            return
        events += 1
        yield arrived_s, _decoded(data, "a chunk of the stream")
    if packets.pieces and not events:
        raise Failure(f"expected a stream of events, found {_snippet(b''.join(packets.pieces))}")


def _whole(packets: Packets) -> Iterator[tuple[float, object]]:
    yield (packets.times_s[-1] if packets.times_s else 0.0), _decoded(b"".join(packets.pieces), "the answer")


def _events(packets: Packets) -> Iterator[tuple[float, bytes]]:
    """(arrival, data) of each server-sent event. An event arrives with the end of its last data line."""
    blob = b"".join(packets.pieces)
    ends = list(accumulate(map(len, packets.pieces)))
    data, arrived_s = [], 0.0
    for match in _LINE.finditer(blob):
        line = match[1]
        # llama.cpp up to September 2025 reported a failure in a field of its own, `error: {...}`.
        if line.startswith((b"data:", b"error:")):
            data.append(line[5:].removeprefix(b" ") if line.startswith(b"data:") else b'{"error":' + line[6:] + b"}")
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
    return {key: usage[key] for key in ("prompt_tokens", "completion_tokens") if isinstance(usage.get(key), int)}


def _http_failure(status_code: int, body: bytes) -> str:
    try:
        error = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return f"HTTP {status_code}: {_snippet(body)}"
    return f"HTTP {status_code}: {_message(error)}"


def _message(error) -> str:
    return plain(str(error.get("message") or error) if isinstance(error, dict) else str(error))


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urllib.parse.urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc.rpartition("@")[2] or url


def _snippet(data: bytes) -> str:
    text = " ".join(data.decode("utf-8", "replace").split())
    return repr(text[:80] + ("..." if len(text) > 80 else ""))
