"""Serve tokens at known times: each is sent on schedule, and a log keeps when it really was.

The server is a program that imports nothing of the kit, so that it starts at once and shares no
interpreter lock with the client that it judges. It prints its port, and ends when its standard
input closes: whatever becomes of the process that started it, the server does not stay behind. One
plain loop serves all connections: on two cores a costly server would take processor time from the
client, and the client's error would look larger than it is.

POST <any path>   answers with `max_tokens` tokens, the first FIRST_TOKEN_S after it read the request
GET /v1/models    names the one model, so that any client of such servers can be pointed here
GET /<else>       returns the log: for each request its `user` field, when it was read, and when each
                  token was sent (perf_counter)
"""

import contextlib
import heapq
import json
import os
import re
import select
import socket
import sys
import threading
import time
from itertools import count

FIRST_TOKEN_S = 0.050
INTERVAL_S = 0.005
GIVE_UP_S = 5.0  # for a client that reads nothing until its buffers are full
MODEL = "reference"


def _event(delta: dict, finish: str | None = None, **fields) -> bytes:
    """Return one server-sent event as an HTTP chunk."""
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


class _Connection:
    """Serve one connection, one request at a time.

    Each token has its time counted from the request, so that delays do not add up.
    """

    def __init__(self, sock: socket.socket):
        sock.settimeout(GIVE_UP_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sock, self._received = sock, b""

    def read(self, log: list[dict]) -> bool:
        """Take what has arrived; return whether a stream of tokens is to begin.

        Raises OSError when the connection has served its purpose or is broken.
        """
        self._received += (piece := self.sock.recv(65536))
        now = time.perf_counter()
        head, complete, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not piece:
            raise ConnectionResetError
        if not complete or len(body) < int(length[1] if length else 0):
            return False
        if not head.startswith(b"POST "):
            body = json.dumps(_MODELS if head.startswith(b"GET /v1/models ") else log).encode()
            self.sock.sendall(_JSON % (len(body), body))
            raise ConnectionAbortedError
        request = json.loads(body)
        self.kept = b"\r\nconnection: close\r\n" not in head.lower() + b"\r\n"
        self._tokens = request.get("max_tokens") or request["max_completion_tokens"]
        self._received, self._first_at = b"", now + FIRST_TOKEN_S
        self._sent_at: list[float] = []
        log.append({"user": request.get("user"), "read_at": now, "sent_at": self._sent_at})
        self.sock.sendall(_STREAM_HEAD % (b"keep-alive" if self.kept else b"close") + _ROLE)
        return True

    def due_at(self) -> float:
        """Return when the next token is due."""
        return self._first_at + INTERVAL_S * len(self._sent_at)

    def step(self) -> bool:
        """Send the next token, or the end; return whether more is to come."""
        if len(self._sent_at) == self._tokens:
            self.sock.sendall(_end(self._tokens))
            return False
        self._sent_at.append(time.perf_counter())
        self.sock.sendall(_TOKEN)
        return True


def _serve(listener: socket.socket) -> None:
    log: list[dict] = []
    reading: dict[socket.socket, _Connection] = {}
    answering: list[tuple[float, int, _Connection]] = []
    numbers = count()  # so that equal times never compare connections
    while True:
        # select() waits to the microsecond, epoll only to the millisecond; and only connections
        # that wait for a request are watched.
        wait = max(answering[0][0] - time.perf_counter(), 0) if answering else None
        ready, _, _ = select.select([listener, *reading], [], [], wait)
        while answering and answering[0][0] <= time.perf_counter():
            connection = heapq.heappop(answering)[2]
            with contextlib.suppress(OSError):
                if connection.step():
                    heapq.heappush(answering, (connection.due_at(), next(numbers), connection))
                    continue
                if connection.kept:
                    reading[connection.sock] = connection
                    continue
            connection.sock.close()
        for sock in ready:
            if sock is listener:
                accepted, _ = listener.accept()
                reading[accepted] = _Connection(accepted)
                continue
            try:
                if reading[sock].read(log):
                    connection = reading.pop(sock)
                    heapq.heappush(answering, (connection.due_at(), next(numbers), connection))
            except (OSError, ValueError, KeyError):
                reading.pop(sock)
                sock.close()


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve until standard input closes."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    print(listener.getsockname()[1], flush=True)
    _serve(listener)


if __name__ == "__main__":
    main()
