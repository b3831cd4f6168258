"""A loopback HTTP server that sends exactly the bytes it is told to, when it is told to, and keeps its own clock.

A script is a sequence of bytes to send and seconds to wait. The server notes when it had read a request and when it
began to send each piece, on the clock that the client uses too (`time.perf_counter`), so that a test can hold what a
client says it saw against what was sent.

    with serving(models=["tiny"], chat=streamed([0.05, event(delta("Hello"))])) as server:
        ...  # server.base_url, server.requests
"""

import contextlib
import io
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from http.client import HTTPMessage, parse_headers, responses

DONE = b"data: [DONE]\n\n"
Script = Sequence[bytes | float]


@dataclass
class Request:
    """One request as it arrived. `sent_at[i]` is when the i-th piece of the answer began to be sent, `ended_at` when all was."""

    method: str
    path: str
    headers: HTTPMessage
    body: bytes
    read_at: float
    sent_at: list[float] = field(default_factory=list)
    ended_at: float = 0.0

    @property
    def json(self):
        return json.loads(self.body)

    def delay_s(self, piece: int) -> float:
        """How long the server itself took until it sent a piece, in seconds since it had read the request."""
        return self.sent_at[piece] - self.read_at


@dataclass(frozen=True)
class Answer:
    """Bytes to send and seconds to wait, then what becomes of the connection: `close`, `keep` (open) or `reset`."""

    script: Script
    end: str = "close"


Handler = Callable[[Request], Answer]


class Loopback:
    """The server. Every connection has a thread of its own and carries one request (two after a CONNECT)."""

    def __init__(
        self, handler: Handler, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
    ):
        self._handler, self._tls, self._host = handler, tls, host
        self.requests: list[Request] = []
        self._stopped = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(
            (host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=128
        )
        self.port = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        name = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._tls else 'http'}://{name}:{self.port}"

    @property
    def base_url(self) -> str:
        """The address as an OpenAI client wants it."""
        return f"{self.url}/v1"

    def __enter__(self) -> "Loopback":
        self._start(self._accept)
        return self

    def __exit__(self, *_) -> None:
        self._stopped.set()
        # A blocked accept() does not notice that its socket was closed; a connection wakes it.
        with contextlib.suppress(OSError):
            socket.create_connection(self._listener.getsockname()[:2], timeout=1).close()
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(timeout=10)

    def _start(self, target, *arguments) -> None:
        thread = threading.Thread(target=target, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            while request := _read(connection):
                self.requests.append(request)
                self._send(connection, request, self._handler(request))
                if request.method != "CONNECT":
                    return

    def _send(self, connection: socket.socket, request: Request, answer: Answer) -> None:
        for step in answer.script:
            if not isinstance(step, bytes):
                self._stopped.wait(step)
                continue
            request.sent_at.append(time.perf_counter())
            connection.sendall(step)
        request.ended_at = time.perf_counter()
        if answer.end == "keep":
            while connection.recv(4096):
                pass
        elif answer.end == "reset":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()


def _read(connection: socket.socket) -> Request | None:
    blob = b""
    while b"\r\n\r\n" not in blob:
        piece = connection.recv(65536)
        if not piece:
            return None
        blob += piece
    head, _, body = blob.partition(b"\r\n\r\n")
    first, _, lines = head.partition(b"\r\n")
    method, path, _ = first.decode("latin-1").split(" ", 2)
    headers = parse_headers(io.BytesIO(lines + b"\r\n\r\n"))
    while len(body) < int(headers.get("Content-Length", 0)):
        body += connection.recv(65536)
    return Request(method, path, headers, body, time.perf_counter())


@contextlib.contextmanager
def serving(
    models: Iterable[str] = ("tiny",), chat: Answer | Handler | Sequence[Answer] | None = None
) -> Iterator[Loopback]:
    """An OpenAI-shaped server: GET /v1/models, POST /v1/chat/completions, 404 elsewhere.

    `chat` is what it answers: one Answer, a function of the request, or several Answers in turn (the last one stays).
    """
    ids, chat = (
        list(models),
        chat or streamed([event(delta("Hello")), event(delta(" world")), event(usage(5, 2)), DONE]),
    )
    turn, lock = iter(chat if isinstance(chat, (list, tuple)) else ()), threading.Lock()
    last = [chat]

    def completion(request: Request) -> Answer:
        if callable(chat):
            return chat(request)
        if (name := json.loads(request.body).get("model")) not in ids:
            return json_answer(
                {"error": {"message": f"The model {name} does not exist"}}, status=404
            )
        with lock:
            last[0] = next(turn, last[0])
            return last[0]

    def handler(request: Request) -> Answer:
        if (request.method, request.path) == ("GET", "/v1/models"):
            return json_answer(
                {
                    "object": "list",
                    "data": [
                        {"id": i, "object": "model", "created": 0, "owned_by": "test"} for i in ids
                    ],
                }
            )
        if (request.method, request.path) == ("POST", "/v1/chat/completions"):
            return completion(request)
        return whole(b"Not Found", status=404, content_type="text/plain")

    with Loopback(handler) as server:
        yield server


def streamed(
    steps: Script,
    *,
    framing: str = "chunked",
    end: str = "close",
    content_type: str = "text/event-stream",
) -> Answer:
    """A 200 answer with a body sent in pieces. Piece 0 is the head, so body pieces count from 1.

    `framing` is `chunked`, `sized` (Content-Length) or `until-close`.
    """
    if framing == "chunked":
        return Answer(
            [
                head(200, content_type, "Transfer-Encoding: chunked"),
                *map(_framed, steps),
                b"0\r\n\r\n",
            ],
            end,
        )
    size = f"Content-Length: {sum(len(s) for s in steps if isinstance(s, bytes))}"
    return Answer([head(200, content_type, *([size] if framing == "sized" else [])), *steps], end)


def whole(
    body: bytes,
    *,
    status: int = 200,
    content_type: str = "application/json",
    headers: Sequence[str] = (),
    end: str = "close",
) -> Answer:
    """An answer sent at once."""
    return Answer(
        [head(status, content_type, f"Content-Length: {len(body)}", *headers) + body], end
    )


def json_answer(value: object, *, status: int = 200) -> Answer:
    return whole(json.dumps(value).encode(), status=status)


def error_answer(status: int, message: str) -> Answer:
    return json_answer(
        {"error": {"message": message, "type": "test", "param": None, "code": None}}, status=status
    )


def redirect(status: int, location: str) -> Answer:
    return whole(b"", status=status, headers=[f"Location: {location}"])


def head(status: int, content_type: str, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} {responses[status]}", f"Content-Type: {content_type}", *headers]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode("latin-1")


def _framed(step: bytes | float) -> bytes | float:
    return b"%x\r\n%s\r\n" % (len(step), step) if isinstance(step, bytes) else step


def event(chunk: object) -> bytes:
    """A server-sent event with JSON in it, non-ASCII text as it is."""
    return b"data: " + json.dumps(chunk, ensure_ascii=False).encode() + b"\n\n"


def delta(content: str | None = None, finish: str | None = None, **fields) -> dict:
    """A chunk as OpenAI sends it; `fields` are further ones of its delta (role, reasoning_content ...)."""
    fields |= {} if content is None else {"content": content}
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "tiny",
        "choices": [{"index": 0, "delta": fields, "finish_reason": finish}],
    }


def usage(prompt: int, completion: int, **fields) -> dict:
    """The chunk with usage and no choices."""
    counts = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
    }
    return {
        "id": "c1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "tiny",
        "choices": [],
        "usage": counts,
        **fields,
    }
