"""A chat server whose truth is known: it sends each token at a set time, and keeps a log of when it really did.

It is a program of its own that imports nothing of the kit, so that it starts at once and shares no interpreter lock
with the client that it judges. It prints its port, and ends when its standard input closes: whatever becomes of the
process that started it, the server does not stay behind. One plain loop serves all connections: on two cores a costly
server would take from the client what is then called the client's error.

POST <any path>   answers with `max_tokens` tokens, the first FIRST_TOKEN_S after the request was read
GET /v1/models    names the one model, so that any client of such servers can be pointed here
GET /<else>       for each request: its `user` field, when it was read, and when each token was sent (perf_counter)
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


def _event(delta: dict, finish: str | None = None, **fields) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk = {
        "id": "truth",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "truth",
        "choices": choices,
        **fields,
    }
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _end(tokens: int) -> bytes:
    usage = {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}
    return (
        _framed(_event({}, "stop"))
        + _framed(_event({}, choices=[], usage=usage))
        + _framed(b"data: [DONE]\n\n")
        + b"0\r\n\r\n"
    )


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: %s\r\n\r\n"
_JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
_MODELS = {
    "object": "list",
    "data": [{"id": "truth", "object": "model", "created": 1, "owned_by": "truth"}],
}
_ROLE = _framed(_event({"role": "assistant", "content": ""}))
_TOKEN = _framed(_event({"content": " token"}))


class _Reply:
    """One connection, one request at a time. Each token has its own time from the start, so that delays do not add up."""

    def __init__(self, connection: socket.socket):
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection, self._received, self._unsent = connection, b"", b""

    def read(self, log: list[dict]) -> bool:
        """Take what has arrived; whether the request is whole now. Raises OSError when there will be none."""
        self._received += (piece := self.connection.recv(65536))
        now = time.perf_counter()
        head, complete, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not piece:
            raise ConnectionResetError
        if not complete or len(body) < int(length[1] if length else 0):
            return False
        if head.startswith(b"POST "):
            asked, self.kept = (
                json.loads(body),
                b"\r\nconnection: close\r\n" not in head.lower() + b"\r\n",
            )
            self._received, self._sent_at = b"", []
            self._tokens = asked.get("max_tokens") or asked["max_completion_tokens"]
            self._first_at = now + FIRST_TOKEN_S
            log.append({"user": asked.get("user"), "read_at": now, "sent_at": self._sent_at})
            self._send(_HEAD % (b"keep-alive" if self.kept else b"close") + _ROLE)
        else:
            body = json.dumps(_MODELS if head.startswith(b"GET /v1/models ") else log).encode()
            self.connection.setblocking(True)
            self.connection.sendall(
                _JSON_HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            raise ConnectionAbortedError
        return True

    def due(self) -> float:
        """When the next token is to be sent."""
        return self._first_at + INTERVAL_S * len(self._sent_at)

    def step(self) -> bool:
        """Send the next token, or the end; whether more is to come."""
        if len(self._sent_at) < self._tokens:
            self._sent_at.append(time.perf_counter())
            self._send(_TOKEN)
            return True
        self.connection.setblocking(True)
        self._send(_end(self._tokens))
        self.connection.setblocking(False)
        return False

    def _send(self, data: bytes) -> None:
        data = self._unsent + data
        try:
            self._unsent = data[self.connection.send(data) :]
        except BlockingIOError:  # a client that does not read: the rest goes with the next token
            self._unsent = data


def _serve(listener: socket.socket) -> None:
    log: list[dict] = []
    reading: dict[socket.socket, _Reply] = {}
    answering: list[tuple[float, int, _Reply]] = []
    numbers = count()  # so that equal times never compare answers
    while True:
        # select() waits to the microsecond, epoll only to the millisecond; and only those that still ask are watched.
        wait = max(answering[0][0] - time.perf_counter(), 0) if answering else None
        ready, _, _ = select.select([listener, *reading], [], [], wait)
        while answering and answering[0][0] <= time.perf_counter():
            answer = heapq.heappop(answering)[2]
            with contextlib.suppress(OSError):
                if answer.step():
                    heapq.heappush(answering, (answer.due(), next(numbers), answer))
                    continue
                if answer.kept:
                    reading[answer.connection] = answer
                    continue
            answer.connection.close()
        for sock in ready:
            if sock is listener:
                connection, _ = listener.accept()
                reading[connection] = _Reply(connection)
                continue
            try:
                if reading[sock].read(log):
                    answer = reading.pop(sock)
                    heapq.heappush(answering, (answer.due(), next(numbers), answer))
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
