"""Send requests and stamp what comes back. One loop in one thread writes and reads all of them.

Threads for streams would compete for the interpreter's lock, and so would a parser in the loop: at
16 streams that costs milliseconds. So the loop stamps what arrives, finds the end of the message,
and leaves the bytes to the caller. Other threads open connections, which takes time.

Every request has its own connection, opened before the clock starts: a kept-alive one can add 40 ms
to a first token (docs/method.md).
"""

import contextlib
import heapq
import itertools
import json
import math
import queue
import re
import selectors
import socket
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from .connection import connect, host_of
from .framing import CHUNKED, MAX_BYTES, TOO_LARGE, Failure, Head, Packets, dechunk, parse_head

# How long to stay awake before a request is due: epoll counts in milliseconds, and `select` on
# Windows in steps of 15.6 ms.
AWAKE_S = 0.02 if sys.platform == "win32" else 0.001
LOOK_S = 0.05  # how often the loop looks for requests whose time is up
# A last chunk may have an extension and trailers (RFC 9112, section 7.1).
_LAST_CHUNK = re.compile(rb"\r\n0+[ \t]*(?:;[^\r\n]*)?\r\n(?:[^\r\n]+\r\n)*\r\n\Z")
# The end of a stream, also where it comes in HTTP chunks of a few bytes.
_DONE = re.compile(rb"[\r\n]data: ?\[DONE\]\s*(?:\Z|[\r\n])")
_CHUNK_LINE = re.compile(rb"\r\n[0-9A-Fa-f]+\r\n")
_TEXT = re.compile(rb'"(?:content|reasoning_content|reasoning|text|thinking)"\s*:\s*"[^"]')
# It keeps the server's next packet coming; Linux forgets it after a while.
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_BLOCKED = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_clock = time.perf_counter


@dataclass(eq=False)
class Exchange:
    """Hold one POST, what came back, and why it failed (in words for the record).

    `timeout_s` bounds the connection and the whole request; `stall_s` bounds each silence once text
    has come, by default a quarter of that. The request is written when
    `due_at` has come, or at once. `due_at`, `written_at` and `ended_at` are times of perf_counter;
    the times of `raw` count from `written_at`.
    """

    url: str
    body: Mapping
    timeout_s: float = 120.0
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    stall_s: float | None = None
    due_at: float | None = None
    raw: Packets = field(default_factory=Packets, init=False, repr=False)
    head: Head | None = field(default=None, init=False)
    failure: str | None = field(default=None, init=False)
    connect_s: float | None = field(default=None, init=False)
    written_at: float | None = field(default=None, init=False)
    ended_at: float = field(default=0.0, init=False)

    def __post_init__(self):
        self._sock: socket.socket  # once it is connected
        self._zero = 0.0  # `written_at`, where the loop knows that there is one
        self._unsent = self._tail = b""
        self._received = 0
        self._has_text = False
        self._stall_s = self.timeout_s / 4 if self.stall_s is None else self.stall_s

    def take(self, piece: bytes, now: float) -> bool:
        """Keep a piece and return whether the message is whole. Raises Failure for nonsense."""
        self.raw.times_s.append(now)
        self.raw.pieces.append(piece)
        self._received += len(piece)
        latest = self._tail + piece
        self._tail = latest[-1024:]
        if self.head is None:
            self.head = parse_head(bytes(self.raw))
        if self._received > MAX_BYTES:
            raise Failure(TOO_LARGE)
        if self.head is None:
            return False
        self._has_text = self._has_text or _TEXT.search(latest) is not None
        # A server may keep the connection open although asked to close it.
        if self.head.length != CHUNKED:
            return 0 < self.head.length <= self._received or self.is_done()
        return self.is_done() or (
            self._tail.endswith(b"\r\n\r\n")
            and _LAST_CHUNK.search(self._tail) is not None
            # The bytes of a last chunk may also be text: only the whole message tells.
            and dechunk(bytes(self.raw), self.head.body)[1]
        )

    def is_done(self) -> bool:
        """Return whether a stream said `[DONE]`: some servers then keep it open, or break it."""
        # Text ends in `}`; only after anything else is it worth to put HTTP chunks together.
        if b"[DONE]" not in self._tail and b"}" in self._tail[-16:]:
            return False
        return _DONE.search(_CHUNK_LINE.sub(b"", self._tail)) is not None

    def overdue(self, now: float) -> str | None:
        """Return what is wrong when too much time has passed, else None."""
        since, times = now - self._zero, self.raw.times_s
        if self._has_text and since - times[-1] > self._stall_s:
            return f"stalled: nothing arrived for {self._stall_s:g} s in the middle of the answer"
        if since <= self.timeout_s:
            return None
        if not times:
            return f"timed out: nothing arrived for {self.timeout_s:g} s"
        state = "not finished" if self._has_text else "no text"
        return f"timed out: {state} after {self.timeout_s:g} s"


class Streams:
    """Run exchanges side by side; use it as a context manager.

    Leaving it drops what is still under way. Nothing is ever sent twice. Proxy variables and the
    system's trusted certificates apply, but loopback addresses are always reached directly.
    """

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
        self._thread = threading.Thread(target=self._run, name="streams", daemon=True)

    def __enter__(self) -> "Streams":
        self._thread.start()
        return self

    def __exit__(self, *_) -> None:
        self._stopped = True
        self._ring()
        self._thread.join()

    def start(self, exchange: Exchange) -> None:
        """Open a connection and write the request when it is due; `finished` returns it."""
        threading.Thread(target=self._open, args=(exchange,), daemon=True).start()

    def finished(self, timeout_s: float | None = None) -> Exchange | None:
        """Return the next exchange that is over; None when there is none within the time."""
        end = math.inf if timeout_s is None else _clock() + timeout_s
        while True:
            try:
                # Short waits, so that Ctrl-C is noticed on every system.
                result = self._over.get(timeout=min(max(end - _clock(), 0), 0.2))
            except queue.Empty:
                if _clock() >= end:
                    return None
                continue
            if isinstance(result, BaseException):
                raise result
            return result

    def _ring(self) -> None:
        with contextlib.suppress(OSError):
            self._bell.send(b"!")

    def _open(self, exchange: Exchange) -> None:
        url, limit_s, start = exchange.url, exchange.timeout_s, _clock()
        try:
            payload = json.dumps(exchange.body).encode()
            exchange._sock, exchange._unsent = connect(url, exchange.headers, payload, limit_s)
            exchange.connect_s = _clock() - start
        except TimeoutError:
            exchange.failure = f"timed out: no connection to {host_of(url)} within {limit_s:g} s"
        except OSError as error:
            exchange.failure = f"no answer from {host_of(url)}: {error or type(error).__name__}"
        except Failure as error:
            exchange.failure = str(error)
        except ValueError as error:
            exchange.failure = f"{url!r:.120} is not an address to send a request to: {error}"
        except Exception as error:  # a mistake of the kit: raised where the caller waits
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
        except BaseException as error:  # a mistake of the kit: raised where the caller waits
            self._over.put(error)
        finally:
            waiting = [exchange for _, _, exchange in self._due]
            for exchange in [*self._under_way, *self._connected, *waiting]:
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
        """Return the seconds to wait for bytes; None when only the bell can end the wait."""
        wait = LOOK_S if self._under_way else None
        if self._due:
            until = max(self._due[0][0] - _clock() - AWAKE_S, 0)
            wait = until if wait is None else min(wait, until)
        return wait

    def _begin(self, exchange: Exchange) -> None:
        self._under_way.add(exchange)
        exchange._sock.setblocking(False)
        exchange.written_at = exchange._zero = _clock()
        self._selector.register(exchange._sock, selectors.EVENT_READ, exchange)
        self._serve(exchange, read=False)

    def _write(self, exchange: Exchange) -> None:
        try:
            while exchange._unsent:
                exchange._unsent = exchange._unsent[exchange._sock.send(exchange._unsent) :]
        except _BLOCKED:
            pass
        except (BrokenPipeError, ConnectionResetError):
            exchange._unsent = b""  # the server wants no more, and may already have said why
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
        """Take what is there, and return whether the message is whole."""
        sock = exchange._sock
        while True:
            if _QUICKACK is not None:
                sock.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
            piece = sock.recv(65536)
            now = _clock() - exchange._zero
            if not piece or exchange.take(piece, now):
                return True
            # What TLS has decrypted already no longer shows on the socket.
            if not (isinstance(sock, ssl.SSLSocket) and sock.pending()):
                return False

    def _end(self, exchange: Exchange, failure: str | None = None) -> None:
        exchange.failure, exchange.ended_at = failure, _clock()
        self._under_way.discard(exchange)
        self._selector.unregister(exchange._sock)
        exchange._sock.close()
        self._over.put(exchange)
