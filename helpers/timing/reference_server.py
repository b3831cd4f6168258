"""Serve tokens at known times: each is sent on schedule, and a log keeps when it really was.

The server is a program that imports nothing of the kit, so that it starts at once and shares no
interpreter lock with the client that it judges. It prints its port, and ends when its standard
input closes, and so with the process that started it. One plain loop serves all connections: a
costly server would take processor time from the client, whose error would look larger than it is.

POST <any path>   streams `max_tokens` tokens, the first FIRST_TOKEN_S after the request was read
GET /v1/models    names the one model, so that any client of such servers can be pointed here
GET /<else>       returns the log: `user` field, `read_at` and `sent_at` (perf_counter) of requests
"""

import json
import os
import re
import sched
import select
import socket
import sys
import threading
import time
from collections.abc import Iterator

FIRST_TOKEN_S = 0.050
INTERVAL_S = 0.005
GIVE_UP_S = 5.0  # for a client that reads nothing until its buffers are full
MODEL = "reference"
Schedule = Iterator[float]


def _event(delta: dict, finish: str | None = None, **fields) -> bytes:
    chunk = {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": MODEL,
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        **fields,
    }
    return _framed(b"data: %s\n\n" % json.dumps(chunk).encode())


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _end(tokens: int) -> bytes:
    usage = {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}
    last = _event({}, "stop") + _event({}, choices=[], usage=usage)
    return last + _framed(b"data: [DONE]\n\n") + _framed(b"")


_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\nConnection: %s\r\n\r\n"
)
_JSON = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s"
)
_MODELS = {
    "object": "list",
    "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": "kit"}],
}
_ROLE = _event({"role": "assistant", "content": ""})
_TOKEN = _event({"content": " token"})


def _answer(sock: socket.socket, tokens: int, read_at: float, sent_at: list[float]) -> Schedule:
    # Yield when the next token is due: counted from the request, so that delays do not add up.
    for number in range(tokens):
        yield read_at + FIRST_TOKEN_S + INTERVAL_S * number
        sent_at.append(time.perf_counter())
        sock.sendall(_TOKEN)
    yield read_at + FIRST_TOKEN_S + INTERVAL_S * tokens
    sock.sendall(_end(tokens))


class _Server:
    def __init__(self, listener: socket.socket):
        self._listener = listener
        self._log: list[dict] = []
        self._received: dict[socket.socket, bytes] = {}  # of connections that wait for a request
        self._due = sched.scheduler(time.perf_counter, lambda _: None)

    def run(self) -> None:
        while True:
            wait = self._due.run(blocking=False)
            # select() waits to the microsecond, epoll only to the millisecond; and only connections
            # that wait for a request are watched.
            ready, _, _ = select.select([self._listener, *self._received], [], [], wait)
            for sock in ready:
                if sock is self._listener:
                    self._accept()
                else:
                    self._read(sock)

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        sock.settimeout(GIVE_UP_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received[sock] = b""

    def _read(self, sock: socket.socket) -> None:
        received = self._received.pop(sock)
        try:
            piece = sock.recv(65536)
            now = time.perf_counter()
            head, complete, body = (received + piece).partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            if not piece:
                sock.close()
            elif not complete or len(body) < int(length[1] if length else 0):
                self._received[sock] = received + piece
            elif head.startswith(b"POST "):
                self._begin(sock, head.lower() + b"\r\n", json.loads(body), now)
            else:
                shown = _MODELS if head.startswith(b"GET /v1/models ") else self._log
                body = json.dumps(shown).encode()
                sock.sendall(_JSON % (len(body), body))
                sock.close()
        except (OSError, ValueError, KeyError):
            sock.close()

    def _begin(self, sock: socket.socket, head: bytes, request: dict, now: float) -> None:
        kept = b"\r\nconnection: close\r\n" not in head
        tokens = request.get("max_tokens") or request["max_completion_tokens"]
        sent_at: list[float] = []
        self._log.append({"user": request.get("user"), "read_at": now, "sent_at": sent_at})
        sock.sendall(_STREAM_HEAD % (b"keep-alive" if kept else b"close") + _ROLE)
        self._go_on(sock, _answer(sock, tokens, now, sent_at), kept)

    def _go_on(self, sock: socket.socket, answer: Schedule, kept: bool) -> None:
        try:
            self._due.enterabs(next(answer), 0, self._go_on, (sock, answer, kept))
        except StopIteration:
            if kept:
                self._received[sock] = b""
            else:
                sock.close()
        except OSError:
            sock.close()


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve until standard input closes."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listener.getsockname()[1], flush=True)
    _Server(listener).run()


if __name__ == "__main__":
    main()
