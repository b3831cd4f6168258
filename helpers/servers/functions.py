"""Serve one Python function on loopback, so that it looks like any OpenAI-compatible server."""

import itertools
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator

from starlette.applications import Starlette
from starlette.concurrency import iterate_in_threadpool, run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ..common.errors import UsageError
from ..common.web import Background
from ..models.lineup import Lineup
from .remote import Remote

PARAMETERS = ("max_tokens", "temperature", "seed")
EXPECTED = "return a string, or yield strings"
MAX_BYTES = 8 * 2**20  # of a request: a long conversation


class Functions(Remote):
    """Put one Python function behind an OpenAI-shaped address on loopback."""

    kind = "Python function"

    def __init__(self, alias: str, answer: Callable, models: Lineup):
        self._web = Background(_App(alias, answer), MAX_BYTES)
        super().__init__(f"http://127.0.0.1:{self._web.port}/v1", models)

    def close(self) -> None:
        """End the server; wait no longer for a function that does not return."""
        self._web.close()


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
            if not isinstance(prompt, str):
                raise TypeError
        except (ValueError, KeyError, TypeError, AttributeError, StopIteration, RecursionError):
            reason = "Expected a JSON object with messages, the last of them text by a user."
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
        except (Exception, SystemExit) as error:
            return JSONResponse(_error(error), 500)
        whole = self._frame("stop", message={"role": "assistant", "content": text})
        return JSONResponse(whole | {"object": "chat.completion"})

    async def _events(self, first: str, pieces: Generator[str]) -> AsyncIterator[bytes]:
        yield _event(self._frame(None, delta={"role": "assistant", "content": ""}))
        try:
            async for piece in iterate_in_threadpool(itertools.chain([first], pieces)):
                yield _event(self._frame(None, delta={"content": piece}))
            yield _event(self._frame("stop", delta={}))
        except (Exception, SystemExit) as error:  # in the middle of its answer
            yield _event(_error(error))
        finally:
            pieces.close()  # a caller that has gone wants no more of it
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


def _error(reason: BaseException | str) -> dict:
    if isinstance(reason, BaseException) and not isinstance(reason, UsageError):
        reason = f"The function stopped with {type(reason).__name__}: {reason}"
    return {"error": {"message": str(reason), "type": "custom", "param": None, "code": None}}


def _pieces(answer: object) -> Generator[str]:
    """Yield the text that a function returned, or its pieces. Raises UsageError for no text."""
    if isinstance(answer, str):
        answer = [answer]
    if not isinstance(answer, (list, tuple, Iterator)):
        if isinstance(answer, Coroutine):
            answer.close()
        raise UsageError(f"The function returned {_kind(answer)}; {EXPECTED}.")
    for piece in answer:
        if not isinstance(piece, str):
            raise UsageError(f"The function yielded {_kind(piece)}; {EXPECTED}.")
        yield piece


def _kind(value: object) -> str:
    """Name what a function returned, as a learner would."""
    if isinstance(value, (Coroutine, AsyncIterator)):
        return "a coroutine, so it is an async function"
    return "nothing (None)" if value is None else f"a value of the type {type(value).__name__}"
