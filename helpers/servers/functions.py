"""Serve one Python function on loopback, so that it looks like any OpenAI-compatible server."""

import itertools
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..common.web import configure, is_this_machine
from ..models.lineup import Lineup
from .remote import Remote

PARAMETERS = ("max_tokens", "temperature", "seed")
MAX_BYTES = 8 * 2**20  # of a request: a long conversation
GRACE_S = 1  # for answers under way when the server is closed


class Functions(Remote):
    """Put one Python function behind an OpenAI-shaped address on loopback."""

    kind = "Python function"

    def __init__(self, alias: str, answer: Callable, models: Lineup):
        listener = socket.create_server(("127.0.0.1", 0))
        config = configure(
            _App(alias, answer),
            is_this_machine,
            max_bytes=MAX_BYTES,
            log_level="critical",  # a caller that hangs up prints nothing in the notebook
            access_log=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        self._web = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._web.run, args=([listener],), daemon=True)
        self._thread.start()
        super().__init__(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", models)

    def close(self) -> None:
        """End the server; wait no longer for a function that does not return."""
        self._web.should_exit = True
        self._thread.join(2 * GRACE_S)


class _App(Starlette):
    """Answer GET /v1/models and POST /v1/chat/completions; send a piece once it is there."""

    def __init__(self, alias: str, answer: Callable):
        self._alias, self._answer = alias, answer
        chat = Route("/v1/chat/completions", self._chat, methods=["POST"])
        routes = [Route("/v1/models", self._models), chat]
        super().__init__(routes=routes, exception_handlers={404: _not_found})

    async def _models(self, _: Request) -> Response:
        model = {"id": self._alias, "object": "model", "created": 0, "owned_by": "you"}
        return JSONResponse({"object": "list", "data": [model]})

    async def _chat(self, request: Request) -> Response:
        try:
            body = await request.json()
            prompt = next(m["content"] for m in reversed(body["messages"]) if m["role"] == "user")
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
            reason = "Expected a JSON object with messages, the last of them by a user."
            return JSONResponse(_error(reason), 400)
        params = {name: body[name] for name in PARAMETERS if body.get(name) is not None}
        try:
            pieces = await run_in_threadpool(lambda: _pieces(self._answer(prompt, **params)))
            # A function that fails at once is told by the status, not in the middle of a stream.
            first = await run_in_threadpool(next, pieces, "")
            if body.get("stream"):
                events = self._events(first, pieces)
                return StreamingResponse(events, media_type="text/event-stream")
            text = first + await run_in_threadpool("".join, pieces)
        except Exception as error:
            return JSONResponse(_error(error), 500)
        whole = self._frame("stop", message={"role": "assistant", "content": text})
        return JSONResponse(whole | {"object": "chat.completion"})

    async def _events(self, first: str, pieces: Iterator[str]) -> AsyncIterator[bytes]:
        yield _event(self._frame(None, delta={"role": "assistant", "content": ""}))
        try:
            async for piece in iterate_in_threadpool(itertools.chain([first], pieces)):
                yield _event(self._frame(None, delta={"content": piece}))
            yield _event(self._frame("stop", delta={}))
        except Exception as error:  # what a function may do in the middle of its answer
            yield _event(_error(error))
        finally:
            if close := getattr(pieces, "close", None):
                close()  # a caller that has gone wants no more of it
        yield b"data: [DONE]\n\n"

    def _frame(self, finish: str | None, **content: dict) -> dict:
        choice = {"index": 0, **content, "finish_reason": finish}
        frame = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": self._alias}
        return {**frame, "choices": [choice]}


async def _not_found(request: Request, _: Exception) -> Response:
    only = "only /v1/models and /v1/chat/completions"
    return JSONResponse(_error(f"There is no {request.url.path} here, {only}."), 404)


def _event(value: dict) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def _error(reason: Exception | str) -> dict:
    if isinstance(reason, Exception):
        reason = f"The function stopped with {type(reason).__name__}: {reason}"
    return {"error": {"message": reason, "type": "custom", "param": None, "code": None}}


def _pieces(answer: str | Iterator[str]) -> Iterator[str]:
    return iter([answer] if isinstance(answer, str) else answer)
