"""Bytes and when they came. One loop in one thread writes and reads every request under way, and does nothing else.

A thread for each stream would fight for the interpreter's lock with the others, and so would a parser in the loop: at 16
streams that costs a first token milliseconds. So the loop stamps what arrives, finds the end of the message, and leaves the
bytes to whoever asked. Connections are opened by threads of their own, since names, TLS and proxies take time.

Every request has a connection of its own. On a kept-alive one, a server that leaves Nagle's algorithm on (Foundry Local
2.2.1 does) holds its text back until the client's delayed acknowledgement, 40 ms on Linux: a first token after 2 ms
then arrives after 43 ms, together with all the others. The connection is opened before the clock starts.
"""

import base64
import contextlib
import heapq
import ipaddress
import itertools
import queue
import re
import selectors
import socket
import ssl
import threading
import time
import urllib.parse
import urllib.request
from bisect import bisect_right
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import truststore

MAX_RESPONSE_BYTES = 32 * 2**20
MAX_HEAD_BYTES = 2**16
CHUNKED, UNTIL_CLOSED = -1, 0
LOOK_S = 0.05  # how often the loop looks for requests whose time is up
AGENT = "foundry-local-workshop"
_LAST_CHUNK = re.compile(
    rb"\r\n0+[ \t]*(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n\Z"
)  # with extension and trailers (RFC 9112, section 7.1)
_TEXT = re.compile(rb'"(?:content|reasoning_content|reasoning)"\s*:\s*"[^"]')
_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_clock = time.perf_counter


@dataclass
class Packets:
    """Bytes in the pieces in which they arrived, and when (seconds since just before the request was written)."""

    times_s: list[float] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)


@dataclass(eq=False)
class Exchange:
    """One POST, what becomes of it, and why it failed (in words for the record).

    `timeout_s` bounds the connection and the whole request, `stall_s` each silence once text has come, `max_events` the
    events of a stream. It is written when `due_at` has come (perf_counter), or at once. `written_at` and `ended_at` are
    perf_counter too, `raw` counts from the first of them.
    """

    url: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    timeout_s: float = 120.0
    stall_s: float | None = None
    max_events: int | None = None
    due_at: float | None = None
    key: object = None
    raw: Packets = field(default_factory=Packets)
    head: "Head | None" = None
    failure: str | None = None
    connect_s: float | None = None
    written_at: float | None = None
    ended_at: float | None = None
    _sock: socket.socket | None = None
    _unsent: bytes = b""
    _received: int = 0
    _events: int = 0
    _texts: bool = False

    def __post_init__(self):
        self._tail = b""

    def take(self, piece: bytes, now: float) -> bool:
        """Keep a piece that arrived; whether the message is whole. Raises Failure for what cannot become an answer."""
        self.raw.times_s.append(now)
        self.raw.pieces.append(piece)
        self._received += len(piece)
        self._tail = piece if len(piece) >= 1024 else (self._tail + piece)[-1024:]
        if self.head is None:
            self.head = parse_head(b"".join(self.raw.pieces))
        if self._received > MAX_RESPONSE_BYTES:
            raise Failure(f"the server sent more than {MAX_RESPONSE_BYTES >> 20} MB")
        if self.head is None:
            return False
        if self.max_events is not None:
            self._events += piece.count(b"data:")
            if self._events > self.max_events:
                raise Failure(
                    f"the server did not stop: more than {self.max_events} events for the tokens that were asked for"
                )
        self._texts = self._texts or _TEXT.search(piece) is not None
        # Servers that keep the connection open although asked to close it: stop at the end of the message.
        if (
            self.head.length == CHUNKED
        ):  # the bytes of a last chunk may also be text: only the unpacked message tells
            return (
                self._tail.endswith(b"\r\n\r\n")
                and _LAST_CHUNK.search(self._tail) is not None
                and unpack(self.raw).complete
            )
        return 0 < self.head.length <= self._received

    def overdue(self, now: float) -> str | None:
        """What is wrong when too much time has passed."""
        since, times = now - self.written_at, self.raw.times_s
        if self._texts and self.stall_s is not None and since - times[-1] > self.stall_s:
            return f"stalled: nothing arrived for {self.stall_s:g} s in the middle of the answer"
        if since <= self.timeout_s:
            return None
        if not times:
            return f"timed out: nothing arrived for {self.timeout_s:g} s"
        return (
            f"timed out: {'not finished' if self._texts else 'no text'} after {self.timeout_s:g} s"
        )


class Failure(Exception):
    """Why a request counts as failed, in words for the record."""


class Wire:
    """The loop; use it as a context manager. Leaving it drops what is still under way."""

    def __init__(self):
        self._selector = selectors.DefaultSelector()
        self._bell, self._ear = socket.socketpair()
        self._ear.setblocking(False)
        self._selector.register(self._ear, selectors.EVENT_READ)
        self._connected: deque[Exchange] = deque()
        self._due: list[tuple[float, int, Exchange]] = []
        self._numbers = itertools.count()  # so that equal times never compare exchanges
        self._under_way: set[Exchange] = set()
        self._over: queue.SimpleQueue[Exchange | BaseException] = queue.SimpleQueue()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="wire", daemon=True)

    def __enter__(self) -> "Wire":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stopped = True
        self._ring()
        self._thread.join()

    def start(self, exchange: Exchange) -> None:
        """Open a connection, then write the request when it is due. It comes back through `finished`."""
        threading.Thread(target=self._open, args=(exchange,), daemon=True).start()

    def finished(self, timeout_s: float | None = None) -> Exchange | None:
        """The next exchange that is over, for whatever reason; None when there is none within the time."""
        end = None if timeout_s is None else _clock() + timeout_s
        while True:
            wait = (
                0.2 if end is None else min(max(end - _clock(), 0), 0.2)
            )  # in between, Ctrl-C is heard on every system
            with contextlib.suppress(queue.Empty):
                found = self._over.get(timeout=wait)
                if isinstance(found, BaseException):
                    raise found
                return found
            if end is not None and _clock() >= end:
                return None

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            self._bell.send(b"!")

    def _open(self, exchange: Exchange) -> None:
        start, host = _clock(), host_of(exchange.url)
        try:
            exchange._sock, exchange._unsent = connect(exchange)
            exchange.connect_s = _clock() - start
        except TimeoutError:
            exchange.failure = f"timed out: no connection to {host} within {exchange.timeout_s:g} s"
        except OSError as error:
            exchange.failure = f"no answer from {host}: {error or type(error).__name__}"
        except Failure as error:
            exchange.failure = str(error)
        except ValueError as error:
            exchange.failure = f"{exchange.url!r:.120} is no address to send a request to: {error}"
        except Exception as error:  # a mistake of the kit: better told than waited for
            self._over.put(error)
            return
        if exchange.failure is None:
            self._connected.append(exchange)
            self._ring()
        else:
            exchange.ended_at = _clock()
            self._over.put(exchange)

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:  # a mistake of the kit: better told than waited for
            self._over.put(error)
        finally:
            for exchange in [*self._under_way, *self._connected, *(due[2] for due in self._due)]:
                exchange._sock.close()
            for each in (self._selector, self._bell, self._ear):
                each.close()

    def _loop(self) -> None:
        looked = _clock()
        while not self._stopped:
            for key, _ in self._selector.select(self._patience()):
                if key.data is None:
                    self._ear.recv(4096)
                else:
                    self._serve(key.data)
            while self._connected:
                exchange = self._connected.popleft()
                heapq.heappush(self._due, (exchange.due_at or 0.0, next(self._numbers), exchange))
            while self._due and self._due[0][0] <= _clock():
                self._begin(heapq.heappop(self._due)[2])
            if (now := _clock()) - looked > LOOK_S:
                looked = now
                for exchange, problem in [(e, e.overdue(now)) for e in self._under_way]:
                    if problem:
                        self._end(exchange, problem)

    def _patience(self) -> float | None:
        """Seconds to wait for bytes. The last millisecond before a request is due is spent awake: epoll counts in milliseconds."""
        wait = LOOK_S if self._under_way else None
        if self._due:
            until = max(self._due[0][0] - _clock() - 0.001, 0)
            wait = until if wait is None else min(wait, until)
        return wait

    def _begin(self, exchange: Exchange) -> None:
        self._under_way.add(exchange)
        exchange._sock.setblocking(False)
        exchange.written_at = _clock()
        self._selector.register(exchange._sock, selectors.EVENT_READ, exchange)
        self._serve(exchange, read=False)

    def _write(self, exchange: Exchange) -> None:
        try:
            while exchange._unsent:
                exchange._unsent = exchange._unsent[exchange._sock.send(exchange._unsent) :]
        except _BLOCKED:
            pass
        except (
            BrokenPipeError,
            ConnectionResetError,
        ):  # it wants no more of it, and may already have said why
            exchange._unsent = b""
        more = selectors.EVENT_WRITE if exchange._unsent else 0
        self._selector.modify(exchange._sock, selectors.EVENT_READ | more, exchange)

    def _serve(self, exchange: Exchange, read: bool = True) -> None:
        try:
            if exchange._unsent:
                self._write(exchange)
            if read and self._read(exchange):
                self._end(exchange)
        except _BLOCKED:
            pass
        except OSError as error:
            self._end(exchange, f"the connection broke: {error}")
        except Failure as error:
            self._end(exchange, str(error))

    def _read(self, exchange: Exchange) -> bool:
        """Take what is there; whether that is all."""
        sock = exchange._sock
        while True:
            if hasattr(
                socket, "TCP_QUICKACK"
            ):  # Linux forgets it after a while; it keeps the server's next packet coming
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            piece = sock.recv(65536)
            now = _clock() - exchange.written_at
            if not piece or exchange.take(piece, now):
                return True
            if not (
                isinstance(sock, ssl.SSLSocket) and sock.pending()
            ):  # what TLS has decrypted no longer shows on the socket
                return False

    def _end(self, exchange: Exchange, failure: str | None = None) -> None:
        exchange.failure, exchange.ended_at = failure, _clock()
        self._under_way.discard(exchange)
        self._selector.unregister(exchange._sock)
        exchange._sock.close()
        self._over.put(exchange)


def connect(exchange: Exchange) -> tuple[socket.socket, bytes]:
    """An open connection for an exchange, through the proxy that applies, and the bytes to write on it.

    Raises OSError when it cannot be opened, ValueError for what is no address, Failure for a proxy of an unknown kind.
    """
    parts = urllib.parse.urlsplit(exchange.url)
    secure, host = parts.scheme == "https", (parts.hostname or "").encode("idna").decode()
    if not host:
        raise ValueError("it names no host")
    port, named = parts.port or (443 if secure else 80), f"[{host}]" if ":" in host else host
    target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    headers = {"Host": named + (f":{parts.port}" if parts.port else ""), **exchange.headers}
    headers |= {"Authorization": _basic(parts)} if parts.username else {}
    proxy = urllib.parse.urlsplit(proxy_for(exchange.url) or "")
    if proxy.hostname and (
        proxy.scheme not in ("http", "https") or (secure and proxy.scheme == "https")
    ):
        raise Failure(
            f"a proxy of the kind {proxy.scheme}:// cannot be used for {parts.scheme}://{named}; name an http:// proxy"
        )
    if proxy.hostname and not secure:
        target = f"http://{headers['Host']}{target}"
        headers |= {"Proxy-Authorization": _basic(proxy)} if proxy.username else {}
    request = _request(target, headers, exchange.payload)
    sock = socket.create_connection(
        (proxy.hostname or host, proxy.port or (80 if proxy.hostname else port)), exchange.timeout_s
    )
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if proxy.scheme == "https":
            sock = _tls(sock, proxy.hostname)
        if proxy.hostname and secure:
            _tunnel(sock, f"{named}:{port}", proxy)
        return (_tls(sock, host) if secure else sock), request
    except BaseException:
        sock.close()
        raise


def _request(target: str, headers: Mapping[str, str], payload: bytes) -> bytes:
    if not re.fullmatch(r"[\x21-\x7e]+", target):
        raise ValueError("it has a character that no request can name")
    lines = {
        **headers,
        "User-Agent": AGENT,
        "Content-Type": "application/json",
        "Content-Length": str(len(payload)),
    }
    lines |= {"Connection": "close", "Accept-Encoding": "identity"}
    if wrong := [name for name, value in lines.items() if not re.fullmatch(r"[\x20-\x7e]*", value)]:
        raise Failure(f"the {wrong[0]} has a character that no HTTP header can carry")
    return (
        f"POST {target} HTTP/1.1\r\n{''.join(f'{name}: {value}' + chr(13) + chr(10) for name, value in lines.items())}\r\n".encode()
        + payload
    )


def _basic(parts: urllib.parse.SplitResult) -> str:
    words = ":".join(urllib.parse.unquote(word or "") for word in (parts.username, parts.password))
    return f"Basic {base64.b64encode(words.encode()).decode()}"


def _tls(sock: socket.socket, host: str) -> ssl.SSLSocket:
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    return context.wrap_socket(sock, server_hostname=host)


def _tunnel(sock: socket.socket, goal: str, proxy: urllib.parse.SplitResult) -> None:
    """Have a proxy pass everything on to `goal` (RFC 9110, section 9.3.6). Raises OSError when it does not."""
    key = f"Proxy-Authorization: {_basic(proxy)}\r\n" if proxy.username else ""
    sock.sendall(f"CONNECT {goal} HTTP/1.1\r\nHost: {goal}\r\n{key}\r\n".encode("ascii"))
    said = b""
    while not said.endswith(b"\r\n\r\n"):  # byte by byte: what follows belongs to TLS
        byte = sock.recv(1)
        if not byte or len(said) > MAX_HEAD_BYTES:
            raise OSError("the proxy gave no answer that could be read")
        said += byte
    if not re.match(rb"HTTP/1\.[01] 2\d\d", said):
        raise OSError(f"the proxy refused: {said.splitlines()[0].decode('latin-1')[:80]}")


def proxy_for(url: str) -> str | None:
    """The proxy that the environment names for an address; none for loopback."""
    parts = urllib.parse.urlsplit(url)
    if is_loopback(url) or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    named = urllib.request.getproxies()
    proxy = named.get(parts.scheme) or named.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def is_loopback(url: str) -> bool:
    """Whether an address names this machine."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(url: str) -> str:
    """Host and port of an address, without a user name or password."""
    return urllib.parse.urlsplit(url).netloc.rpartition("@")[2] or url


@dataclass(frozen=True)
class Head:
    """Start of an answer: status, header names in lower case, offset of the body; `length` of the whole, CHUNKED or UNTIL_CLOSED."""

    status: int
    headers: Mapping[str, str]
    body: int
    length: int


@dataclass(frozen=True)
class Message:
    """An answer taken out of its HTTP framing. `framed`: something marks its end; `complete`: the end is there."""

    head: Head | None = None
    packets: Packets = field(default_factory=Packets)
    framed: bool = False
    complete: bool = False


def parse_head(blob: bytes) -> Head | None:
    """The head once it is complete; interim answers (1xx) are passed over. Raises Failure when it is not HTTP."""
    start = 0
    while (end := blob.find(b"\r\n\r\n", start)) >= 0 and end - start <= MAX_HEAD_BYTES:
        first, *lines = blob[start:end].decode("latin-1").split("\r\n")
        match = re.match(r"HTTP/1\.[01] (\d{3})", first)
        if not match:
            raise Failure("what answers there does not speak HTTP")
        start = end + 4
        if match[1][0] != "1":
            headers = {
                name.strip().lower(): value.strip()
                for name, _, value in (line.partition(":") for line in lines)
            }
            return Head(int(match[1]), headers, start, _length(headers, start))
    if len(blob) - start > MAX_HEAD_BYTES:
        raise Failure(f"the head of the answer is longer than {MAX_HEAD_BYTES >> 10} KB")
    return None


def _length(headers: Mapping[str, str], body: int) -> int:
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return CHUNKED
    said = headers.get("content-length", "")
    return body + int(said) if re.fullmatch(r"[0-9]{1,18}", said, re.ASCII) else UNTIL_CLOSED


def unpack(raw: Packets) -> Message:
    """The body of a recorded HTTP answer, in its arrival pieces."""
    blob = b"".join(raw.pieces)
    head = parse_head(blob)
    if head is None:
        return Message()
    if head.length == CHUNKED:
        spans, complete = _dechunk(blob, head.body)
    else:
        spans, complete = [(head.body, len(blob))], len(blob) >= head.length
    return Message(head, _cut(raw, blob, spans), head.length != UNTIL_CLOSED, complete)


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
    ends, body = list(itertools.accumulate(map(len, raw.pieces))), Packets()
    for start, end in spans:
        while start < end:
            packet = bisect_right(ends, start)
            stop = min(end, ends[packet])
            body.times_s.append(raw.times_s[packet])
            body.pieces.append(blob[start:stop])
            start = stop
    return body
