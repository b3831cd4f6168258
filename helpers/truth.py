"""A chat server whose truth is known: it sends each token at a set time, and keeps a log of when it really did.

It is a program of its own that imports nothing of the kit, so that it starts at once and shares no interpreter lock
with the client that it judges. It prints its port, and ends when its standard input closes: whatever becomes of the
process that started it, the server does not stay behind.

POST <any path>   answers with `max_tokens` tokens, the first FIRST_TOKEN_S after the request was read
GET /log          for each request: its `user` field, when it was read, and when each token was sent (perf_counter)
"""

import asyncio
import json
import os
import re
import selectors
import socket
import sys
import threading
import time

FIRST_TOKEN_S = 0.050
INTERVAL_S = 0.005


def _event(delta: dict, finish: str | None = None, **fields) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    chunk = {"id": "truth", "object": "chat.completion.chunk", "created": 1, "model": "truth", "choices": choices, **fields}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


def _framed(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _end(tokens: int) -> bytes:
    usage = {"prompt_tokens": 1, "completion_tokens": tokens, "total_tokens": tokens + 1}
    return _framed(_event({}, "stop")) + _framed(_event({}, choices=[], usage=usage)) + _framed(b"data: [DONE]\n\n") + b"0\r\n\r\n"


_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
_START = _HEAD + _framed(_event({"role": "assistant", "content": ""}))
_TOKEN = _framed(_event({"content": " token"}))


class _Answer(asyncio.Protocol):
    """One connection, one request. Each token has its own time from the start, so that delays do not add up."""

    def __init__(self, log: list[dict]):
        self._log, self._received, self._timer = log, b"", None

    def connection_made(self, transport) -> None:
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._received += data
        head, complete, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if not complete or len(body) < int(length[1] if length else 0):
            return
        if head.startswith(b"POST "):
            self._begin(json.loads(body), now)
        else:
            self._send_log()

    def connection_lost(self, _error) -> None:
        if self._timer:
            self._timer.cancel()

    def _begin(self, asked: dict, read_at: float) -> None:
        self._tokens, self._first_at, self._sent_at = asked["max_tokens"], read_at + FIRST_TOKEN_S, []
        self._log.append({"user": asked.get("user"), "read_at": read_at, "sent_at": self._sent_at})
        self._transport.write(_START)
        self._wait()

    def _wait(self) -> None:
        due = self._first_at + INTERVAL_S * len(self._sent_at)
        self._timer = asyncio.get_running_loop().call_later(due - time.perf_counter(), self._next)

    def _next(self) -> None:
        if len(self._sent_at) < self._tokens:
            self._sent_at.append(time.perf_counter())
            self._transport.write(_TOKEN)
            self._wait()
        else:
            self._transport.write(_end(self._tokens))
            self._transport.close()

    def _send_log(self) -> None:
        body = json.dumps(self._log).encode()
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body
        )
        self._transport.close()


async def _serve() -> None:
    log: list[dict] = []
    server = await asyncio.get_running_loop().create_server(lambda: _Answer(log), "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def _end_with_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Serve until standard input closes."""
    threading.Thread(target=_end_with_input, daemon=True).start()
    # select() waits to the microsecond; the default on Linux, epoll, only to the millisecond.
    loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
    loop.run_until_complete(_serve())


if __name__ == "__main__":
    main()
