"""Streams of every dialect, whole and broken, over real HTTP on loopback and replayed from recorded bytes."""

import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from helpers.timing import connection, stream
from helpers.timing.connection import proxy_for
from helpers.timing.framing import Packets
from helpers.timing.stream import parse, read
from helpers.timing.transport import Exchange, Streams
from support import loopback
from support.loopback import (
    DONE,
    Answer,
    Loopback,
    delta,
    error_answer,
    event,
    redirect,
    serving,
    streamed,
    usage,
    whole,
)

GAP_S = 0.02  # between the pieces of a table case
WIDE_GAP_S = 0.3  # where a test holds an arrival against the next send
BODY = {"model": "tiny", "messages": [{"role": "user", "content": "Say hello."}], "stream": True}
KEY = "sk-very-secret-1234"
ROLE = event(delta("", role="assistant"))
STOP = event(delta(finish="stop"))
HELLO = event(delta("Hello"))
WORLD = event(delta(" w\u00f6rld \U0001d11e"))  # two and four bytes in UTF-8
TEXT = "Hello w\u00f6rld \U0001d11e"


@dataclass(frozen=True)
class Case:
    """A body in pieces, and what must come of it. `seen_in` names, for each chunk with text, the piece that brought it (from 1)."""

    pieces: tuple[bytes, ...]
    seen_in: tuple[int, ...] = ()
    text: str = TEXT
    reasoning: str = ""
    first_answer_in: int | None = (
        None  # the same as the first of seen_in where there is no reasoning
    )
    error: str | None = None
    tokens: int | None = None
    prompt_tokens: int | None = None
    finish: str | None = "stop"
    content_type: str = field(default="text/event-stream", kw_only=True)


def send(url: str, body: dict, *, timeout_s: float, **options) -> stream.Timeline:
    return stream.send(Exchange(url, body, timeout_s, **options))


def crlf(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


def old_foundry(text: str) -> bytes:
    """Foundry Local 0.8: `message` beside `delta` with the same text, and no finish_reason."""
    both = {"role": "assistant", "content": text}
    return event(
        {
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": both, "message": both}],
        }
    )


def foundry(delta: dict | None = None, finish: str | None = None, **fields) -> bytes:
    """Foundry Local 2.2.1: names in the order of the alphabet, a chunk of its own for finish_reason and for usage."""
    choices = (
        []
        if delta is None
        else [{"delta": delta, "finish_reason": finish, "index": 0, "logprobs": None}]
    )
    return event(
        {
            "choices": choices,
            "created": 1,
            "id": "c1",
            "object": "chat.completion.chunk",
            "system_fingerprint": None,
            **fields,
        }
    )


def llama_cpp(delta: dict, finish: str | None = None, **fields) -> bytes:
    return event(
        {
            "choices": [{"finish_reason": finish, "index": 0, "delta": delta}],
            "system_fingerprint": "b1",
            **fields,
        }
    )


def vllm(delta: dict, finish: str | None = None, **fields) -> bytes:
    choice = {
        "index": 0,
        "delta": delta,
        "logprobs": None,
        "finish_reason": finish,
        "token_ids": None,
    }
    return event(
        {
            "choices": [choice | ({"stop_reason": None} if finish else {})],
            "object": "chat.completion.chunk",
            **fields,
        }
    )


def with_usage(chunk: dict, value: object) -> bytes:
    return event({**chunk, "usage": value})


SPLIT = WORLD.index(b"\xc3\xb6") + 1  # inside a character
CLEF = WORLD.index(b"\xf0\x9d\x84\x9e") + 2
EMPTY = "the answer was empty"

CASES = {
    "OpenAI form": Case(
        (ROLE, HELLO, WORLD, STOP, event(usage(9, 4)), DONE), (2, 3), tokens=4, prompt_tokens=9
    ),
    "role-only first chunk": Case(
        (event(delta(role="assistant")), HELLO, WORLD, STOP, DONE), (2, 3)
    ),
    "empty content without a role": Case(
        (event(delta("")), HELLO, event(delta("")), WORLD, STOP, DONE), (2, 4)
    ),
    "content null": Case(
        (
            event({**delta(), "choices": [{"delta": {"role": "assistant", "content": None}}]}),
            HELLO,
            WORLD,
            STOP,
            DONE,
        ),
        (2, 3),
    ),
    "reasoning_content before content": Case(
        (
            ROLE,
            event(delta(reasoning_content="Let me")),
            event(delta(reasoning_content=" think.")),
            HELLO,
            WORLD,
            STOP,
            DONE,
        ),
        (2, 3, 4, 5),
        reasoning="Let me think.",
        first_answer_in=4,
    ),
    "reasoning instead of reasoning_content": Case(
        (ROLE, event(delta("", reasoning="Hm.")), event(delta(TEXT)), STOP, DONE),
        (2, 3),
        reasoning="Hm.",
        first_answer_in=3,
    ),
    "reasoning and answer in one chunk": Case(
        (ROLE, event(delta(TEXT, reasoning_content="Hm.")), STOP, DONE),
        (2,),
        reasoning="Hm.",
        first_answer_in=2,
    ),
    "<think> in the content": Case(
        (
            ROLE,
            *map(
                event,
                map(
                    delta,
                    (
                        "<th",
                        "ink>\nLet me",
                        " think.\n</thi",
                        "nk>",
                        "\n\n",
                        "Hello",
                        " w\u00f6rld \U0001d11e",
                    ),
                ),
            ),
            STOP,
            DONE,
        ),
        (2, 3, 4, 5, 6, 7, 8),
        reasoning="Let me think.",
        first_answer_in=7,
    ),
    "only </think>, as the prompt ended with <think>": Case(
        (
            ROLE,
            event(delta("Let me think.\n")),
            event(delta("</think>\n\nHello")),
            WORLD,
            STOP,
            DONE,
        ),
        (2, 3, 4),
        reasoning="Let me think.",
        first_answer_in=3,
    ),
    "<think> without an end": Case(
        (
            ROLE,
            event(delta("<think>")),
            event(delta("Let me")),
            event(delta(finish="length")),
            DONE,
        ),
        (2, 3),
        text="",
        reasoning="Let me",
        finish="length",
    ),
    "an empty <think>": Case(
        (ROLE, event(delta("<think>")), event(delta("\n\n</think>\n\n")), HELLO, WORLD, STOP, DONE),
        (2, 3, 4, 5),
        first_answer_in=4,
    ),
    "an answer about <think>": Case(
        (ROLE, event(delta("Use <think> and </think>.")), STOP, DONE),
        (2,),
        text="Use <think> and </think>.",
    ),
    "nothing but reasoning": Case(
        (ROLE, event(delta(reasoning_content="Hm.")), STOP, DONE), (2,), text="", reasoning="Hm."
    ),
    "four tokens a chunk with usage": Case(
        (ROLE, event(delta(TEXT)), STOP, event(usage(3, 4)), DONE), (2,), tokens=4, prompt_tokens=3
    ),
    "four tokens a chunk without usage": Case((ROLE, event(delta(TEXT)), STOP, DONE), (2,)),
    "usage null": Case(
        (
            with_usage(delta("Hello"), None),
            with_usage(delta(" w\u00f6rld \U0001d11e", finish="stop"), None),
            DONE,
        ),
        (1, 2),
    ),
    "usage in every chunk, null in between": Case(
        (
            with_usage(delta("Hello"), {"prompt_tokens": 3, "completion_tokens": 1}),
            with_usage(
                delta(" w\u00f6rld \U0001d11e", finish="stop"),
                {"prompt_tokens": 3, "completion_tokens": 2},
            ),
            with_usage(delta(), None),
            DONE,
        ),
        (1, 2),
        tokens=2,
        prompt_tokens=3,
    ),
    "usage beside finish_reason": Case(
        (
            HELLO,
            WORLD,
            with_usage(delta(finish="stop"), {"prompt_tokens": 3, "completion_tokens": 2}),
            DONE,
        ),
        (1, 2),
        tokens=2,
        prompt_tokens=3,
    ),
    "usage that is no number": Case(
        (
            HELLO,
            WORLD,
            STOP,
            event({"choices": [], "usage": {"prompt_tokens": "3", "completion_tokens": 2.0}}),
            DONE,
        ),
        (1, 2),
    ),
    "usage that is no object": Case(
        (HELLO, WORLD, STOP, event({"choices": [], "usage": 7}), DONE), (1, 2)
    ),
    "choices null beside usage": Case(
        (
            HELLO,
            WORLD,
            STOP,
            event({"choices": None, "usage": {"prompt_tokens": 3, "completion_tokens": 2}}),
            DONE,
        ),
        (1, 2),
        tokens=2,
        prompt_tokens=3,
    ),
    "no finish_reason": Case((ROLE, HELLO, WORLD, DONE), (2, 3), finish=None),
    "finish_reason length": Case(
        (HELLO, WORLD, event(delta(finish="length")), DONE), (1, 2), finish="length"
    ),
    "finish_reason with zero tokens": Case(
        (ROLE, STOP, event(usage(9, 0)), DONE), text="", error=EMPTY, tokens=0, prompt_tokens=9
    ),
    "only [DONE]": Case((DONE,), text="", error=EMPTY, finish=None),
    "keep-alive comments": Case(
        (b": keep-alive\n\n", ROLE, b":\n\n", HELLO, b": data: no\n\n", WORLD, STOP, DONE), (4, 6)
    ),
    "empty data lines as keep-alive": Case(
        (b"data:\n\n", ROLE, b"data: \n\n", HELLO, WORLD, STOP, DONE), (4, 5)
    ),
    "CRLF": Case((crlf(ROLE), crlf(HELLO), crlf(WORLD), crlf(STOP), crlf(DONE)), (2, 3)),
    "CR": Case(tuple(e.replace(b"\n", b"\r") for e in (ROLE, HELLO, WORLD, STOP, DONE)), (2, 3)),
    "CRLF cut between its two bytes": Case(
        (
            crlf(ROLE)[:-1],
            b"\n" + crlf(HELLO)[:-3],
            crlf(HELLO)[-3:],
            crlf(WORLD),
            crlf(STOP),
            crlf(DONE),
        ),
        (2, 4),
    ),
    "no space after the colon": Case(
        (b"data:" + HELLO[6:], b"data:" + WORLD[6:], STOP, b"data:[DONE]\n\n"), (1, 2)
    ),
    "event, id and retry lines": Case(
        (b"event: message\nid: 1\nretry: 5\n" + HELLO, b"id: 2\n" + WORLD, STOP, DONE), (1, 2)
    ),
    "one event in several data lines": Case(
        (b'data: {"choices":[{"delta":\n', b'data: {"content":"Hello"}}]}\n\n', WORLD, STOP, DONE),
        (2, 3),
    ),
    "several events in one packet": Case(
        (ROLE + HELLO + WORLD + STOP + event(usage(9, 4)) + DONE,),
        (1, 1),
        tokens=4,
        prompt_tokens=9,
    ),
    "one event over many packets, cut inside characters": Case(
        (
            ROLE,
            HELLO[:3],
            HELLO[3:20],
            HELLO[20:],
            WORLD[:SPLIT],
            WORLD[SPLIT:CLEF],
            WORLD[CLEF:],
            STOP,
            DONE,
        ),
        (4, 7),
    ),
    "end of one event with the start of the next": Case(
        (ROLE + HELLO[:9], HELLO[9:] + WORLD[:SPLIT], WORLD[SPLIT:] + STOP, DONE), (2, 3)
    ),
    "text escaped in ASCII": Case(
        (event(delta("")), b"data: " + json.dumps(delta(TEXT)).encode() + b"\n\n", STOP, DONE), (2,)
    ),
    "halves of a surrogate pair in two chunks": Case(
        (
            b'data: {"choices":[{"delta":{"content":"Hello w\\u00f6rld \\ud834"}}]}\n\n',
            b'data: {"choices":[{"delta":{"content":"\\udd1e"}}]}\n\n',
            STOP,
            DONE,
        ),
        (1, 2),
    ),
    "half a surrogate pair": Case(
        (b'data: {"choices":[{"delta":{"content":"Hello \\ud834"}}]}\n\n', STOP, DONE),
        (1,),
        text="Hello \ufffd",
    ),
    "no [DONE]": Case((ROLE, HELLO, WORLD, STOP), (2, 3)),
    "no [DONE] and no last line end": Case((ROLE, HELLO, WORLD, STOP.rstrip()), (2, 3)),
    "chunks after [DONE]": Case((HELLO, WORLD, STOP, DONE, event(delta("more"))), (1, 2)),
    "several choices": Case(
        (
            HELLO,
            event(
                {
                    "choices": [
                        *delta(" w\u00f6rld \U0001d11e")["choices"],
                        {"index": 1, "delta": {"content": "other"}},
                    ]
                }
            ),
            STOP,
            DONE,
        ),
        (1, 2),
    ),
    "Foundry Local 0.8": Case(
        (old_foundry("Hello"), old_foundry(" w\u00f6rld \U0001d11e"), DONE), (1, 2), finish=None
    ),
    "Foundry Local 2.2.1": Case(
        (
            foundry({"content": "", "role": "assistant"}),
            foundry({"content": "Hello"}),
            foundry({"content": " w\u00f6rld \U0001d11e"}),
            foundry({}, "stop"),
            foundry(
                usage={
                    "completion_tokens": 4,
                    "completion_tokens_details": {"reasoning_tokens": 0},
                    "prompt_tokens": 21,
                    "total_tokens": 25,
                }
            ),
            DONE,
        ),
        (2, 3),
        tokens=4,
        prompt_tokens=21,
    ),
    "llama.cpp": Case(
        (
            llama_cpp({"role": "assistant", "content": None}),
            llama_cpp({"content": "Hello"}),
            llama_cpp({"content": " w\u00f6rld \U0001d11e"}),
            llama_cpp({}, "stop"),
            event(
                {**usage(9, 4), "timings": {"prompt_n": 9, "predicted_n": 4, "predicted_ms": 1.5}}
            ),
            DONE,
        ),
        (2, 3),
        tokens=4,
        prompt_tokens=9,
    ),
    "llama.cpp before it sent usage apart, timings in every chunk": Case(
        (
            llama_cpp({"role": "assistant", "content": None}),
            llama_cpp({"content": "Hello"}, timings={"predicted_n": 1}),
            llama_cpp({"content": " w\u00f6rld \U0001d11e"}, timings={"predicted_n": 4}),
            llama_cpp(
                {},
                "stop",
                timings={"predicted_n": 4},
                usage={"completion_tokens": 4, "prompt_tokens": 9, "total_tokens": 13},
            ),
            DONE,
        ),
        (2, 3),
        tokens=4,
        prompt_tokens=9,
    ),
    "llama.cpp that thinks": Case(
        (
            llama_cpp({"role": "assistant", "content": None}),
            llama_cpp({"reasoning_content": "Hm."}),
            llama_cpp({"content": TEXT}),
            llama_cpp({}, "stop"),
            event(usage(9, 5)),
            DONE,
        ),
        (2, 3),
        reasoning="Hm.",
        first_answer_in=3,
        tokens=5,
        prompt_tokens=9,
    ),
    "vLLM": Case(
        (
            vllm({"role": "assistant", "content": ""}, prompt_token_ids=None),
            vllm({"content": "Hello"}),
            vllm({"content": " w\u00f6rld \U0001d11e"}, finish="stop"),
            event(usage(9, 4)),
            DONE,
        ),
        (2, 3),
        tokens=4,
        prompt_tokens=9,
    ),
    "vLLM with continuous usage": Case(
        (
            vllm(
                {"role": "assistant", "content": ""},
                usage={"prompt_tokens": 9, "total_tokens": 9, "completion_tokens": 0},
            ),
            vllm(
                {"content": "Hello"},
                usage={"prompt_tokens": 9, "total_tokens": 10, "completion_tokens": 1},
            ),
            vllm(
                {"content": " w\u00f6rld \U0001d11e"},
                finish="stop",
                usage={"prompt_tokens": 9, "total_tokens": 13, "completion_tokens": 4},
            ),
            event(usage(9, 4)),
            DONE,
        ),
        (2, 3),
        tokens=4,
        prompt_tokens=9,
    ),
    "vLLM that thinks, by its newer name": Case(
        (
            vllm({"role": "assistant", "content": ""}),
            vllm({"reasoning": "Hm."}),
            vllm({"content": TEXT}, finish="stop"),
            event(usage(9, 5)),
            DONE,
        ),
        (2, 3),
        reasoning="Hm.",
        first_answer_in=3,
        tokens=5,
        prompt_tokens=9,
    ),
    "Ollama": Case(
        (
            event(delta("Hello", role="assistant")),
            event(delta(" w\u00f6rld \U0001d11e", role="assistant")),
            event(delta("", finish="stop", role="assistant")),
            event(usage(9, 4)),
            DONE,
        ),
        (1, 2),
        tokens=4,
        prompt_tokens=9,
    ),
    "Ollama that thinks": Case(
        (
            event(delta("", role="assistant", reasoning="Hm")),
            event(delta("", role="assistant", reasoning=".")),
            event(delta(TEXT, role="assistant")),
            event(delta("", finish="stop", role="assistant")),
            event(usage(9, 6)),
            DONE,
        ),
        (1, 2, 3),
        reasoning="Hm.",
        first_answer_in=3,
        tokens=6,
        prompt_tokens=9,
    ),
    "error object before any text": Case(
        (ROLE, event({"error": {"message": "Model ran out of memory", "code": 500}})),
        text="",
        error="Model ran out of memory",
        finish=None,
    ),
    "error object after text": Case(
        (ROLE, HELLO, event({"error": {"message": "Device lost"}}), DONE),
        (2,),
        text="Hello",
        error="Device lost",
        finish=None,
    ),
    "error that is a string": Case(
        (HELLO, event({"error": "no slot"}), DONE), (1,), text="Hello", error="no slot", finish=None
    ),
    "error with a C++ source location": Case(
        (
            event(
                {
                    "error": {
                        "message": "/src/onnx/generators.cc:98 Generate(int) const Out of memory"
                    }
                }
            ),
        ),
        text="",
        error="Out of memory",
        finish=None,
    ),
    # llama.cpp up to September 2025 named the SSE field `error` and then ended the stream in good order.
    "llama.cpp error field": Case(
        (
            HELLO,
            b'error: {"code":400,"message":"the request exceeds the available context size","type":"invalid_request_error"}\n\n',
            DONE,
        ),
        (1,),
        text="Hello",
        error="exceeds the available context size",
        finish=None,
    ),
    "a chunk that is no JSON": Case(
        (HELLO, b"data: {oops\n\n", DONE),
        (1,),
        text="Hello",
        error="a chunk of the stream is not JSON: '{oops'",
        finish=None,
    ),
    "a chunk that is no UTF-8": Case(
        (HELLO, b'data: {"a": "\xff"}\n\n', DONE),
        (1,),
        text="Hello",
        error="is not JSON",
        finish=None,
    ),
    "a chunk nested too deep": Case(
        (HELLO, b"data: " + b"[" * 100_000 + b"\n\n", DONE),
        (1,),
        text="Hello",
        error="is not JSON",
        finish=None,
    ),
    "a chunk that is a list": Case(
        (HELLO, event([1, 2]), DONE),
        (1,),
        text="Hello",
        error="expected a JSON object in the stream, found [1, 2]",
        finish=None,
    ),
    "choices that are no list": Case(
        (HELLO, event({"choices": {"a": 1}}), DONE),
        (1,),
        text="Hello",
        error="expected a list of choices",
        finish=None,
    ),
    "a choice that is no object": Case(
        (HELLO, event({"choices": ["x"]}), DONE),
        (1,),
        text="Hello",
        error="expected a list of choices",
        finish=None,
    ),
    "a delta that is no object": Case(
        (HELLO, event({"choices": [{"delta": "x"}]}), DONE),
        (1,),
        text="Hello",
        error="expected",
        finish=None,
    ),
    "content that is no text": Case(
        (HELLO, event(delta(["x"])), DONE),
        (1,),
        text="Hello",
        error="expected text as content",
        finish=None,
    ),
    "HTML with status 200": Case(
        (b"<!doctype html>\n<title>Log in</title>",),
        text="",
        error="expected a stream of events, found '<!doctype html>",
        finish=None,
        content_type="text/html",
    ),
    "HTML with a data: address in it": Case(
        (b"<img\nsrc='data:image/png;base64,AA'>",),
        text="",
        error="expected a stream of events",
        finish=None,
    ),
    "other JSON with status 200": Case(
        (b'{"status": "ok"}',),
        text="",
        error='expected a stream of events, found \'{"status": "ok"}\'',
        finish=None,
    ),
    "only comments": Case(
        (b": keep-alive\n\n",), text="", error="expected a stream of events", finish=None
    ),
}


def holds(case: Case, found: stream.Timeline) -> None:
    """Everything but the times."""
    assert found.status == ("failed" if case.error else "ok"), found.error
    assert (case.error or "") in (found.error or "")
    assert (found.error is None) == (case.error is None)
    assert (found.text, found.reasoning) == (case.text, case.reasoning)
    assert (found.completion_tokens, found.prompt_tokens, found.finish_reason) == (
        case.tokens,
        case.prompt_tokens,
        case.finish,
    )
    assert found.token_source == ("none" if case.tokens is None else "usage")
    found.text.encode()  # what cannot be encoded cannot be recorded


@pytest.mark.parametrize("name", CASES)
def test_replayed_stream_gives_the_times_of_its_packets(name):
    case = CASES[name]
    found = parse(Packets([float(i) for i in range(1, len(case.pieces) + 1)], list(case.pieces)))
    holds(case, found)
    assert found.chunk_times_s == case.seen_in
    answer_in = case.first_answer_in or (case.seen_in[0] if case.seen_in and case.text else None)
    assert found.first_answer_s == answer_in
    assert found.latency_s == (case.seen_in[-1] if case.seen_in else None)


@pytest.mark.parametrize("name", CASES)
def test_stream_over_http(name):
    case = CASES[name]
    steps = [step for piece in case.pieces for step in (GAP_S, piece)]
    with serving(chat=streamed(steps, content_type=case.content_type)) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    holds(case, found)
    request = server.requests[0]
    assert len(found.chunk_times_s) == len(case.seen_in)
    assert list(found.chunk_times_s) == sorted(found.chunk_times_s)
    for arrived_s, piece in zip(found.chunk_times_s, case.seen_in, strict=True):
        assert arrived_s >= request.delay_s(piece)
    if case.first_answer_in:
        assert found.first_answer_s >= request.delay_s(case.first_answer_in)


def test_a_recorded_answer_of_foundry_local():
    """The bytes of Foundry Local 2.2.1 in the packets in which they came, `pocket-nano` asked "Who are you?" for 12 tokens.

    Headers come twice; its buffer of 2,048 bytes cuts an event; most tokens come in one packet.
    """
    recorded = json.loads(
        (Path(__file__).parents[1] / "support" / "foundry_2_2_1.json").read_text(encoding="utf-8")
    )
    with Loopback(
        lambda _: Answer(
            [step for piece in recorded for step in (piece.encode("latin-1"), WIDE_GAP_S)],
            end="keep",
        )
    ) as server:
        found = send(server.url, BODY, timeout_s=20)
    assert (found.status, found.error) == ("ok", None)
    assert found.text == "I am a small workshop model. I can summarize meeting"
    assert (found.prompt_tokens, found.completion_tokens, found.finish_reason) == (12, 12, "length")
    assert len(found.chunk_times_s) == 12
    sent = server.requests[0]
    assert found.chunk_times_s[0] == found.first_answer_s == found.latency_s >= sent.delay_s(2)
    assert found.written_at + found.latency_s < sent.sent_at[3]


def test_every_cut_of_a_stream_gives_the_same_text_and_the_time_of_the_line_end():
    events = [crlf(ROLE), HELLO, b": ping\n\n", crlf(WORLD), STOP, event(usage(9, 4)), DONE]
    blob = b"".join(events)
    line_ends = [blob.index(e) + len(e.rstrip()) for e in (HELLO, crlf(WORLD))]
    for cut in range(1, len(blob)):
        found = parse(Packets([1.0, 2.0], [blob[:cut], blob[cut:]]))
        assert (found.status, found.text, found.completion_tokens) == ("ok", TEXT, 4), cut
        assert found.chunk_times_s == tuple(1.0 if cut > end else 2.0 for end in line_ends), cut


def test_a_stream_byte_by_byte():
    blob = ROLE + HELLO + WORLD + STOP + DONE
    found = parse(
        Packets([float(i) for i in range(len(blob))], [blob[i : i + 1] for i in range(len(blob))])
    )
    assert found.text == TEXT
    assert found.chunk_times_s == tuple(
        float(blob.index(e) + len(e.rstrip())) for e in (HELLO, WORLD)
    )


@pytest.mark.parametrize("framing", ["chunked", "sized", "until-close"])
def test_times_are_those_of_the_server(framing):
    """No text is seen before it was sent, nor as late as the next piece, however the body is framed."""
    steps = [ROLE, WIDE_GAP_S, HELLO, WIDE_GAP_S, WORLD, WIDE_GAP_S, STOP, event(usage(9, 4)), DONE]
    with serving(chat=streamed(steps, framing=framing)) as server:
        before = time.perf_counter()
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    sent = server.requests[0]
    assert (found.status, found.text, found.completion_tokens) == ("ok", TEXT, 4)
    first, second = found.chunk_times_s
    assert first >= sent.delay_s(2)
    assert before + first < sent.sent_at[3]
    assert second >= sent.delay_s(3)
    assert before + second < sent.sent_at[4]
    assert found.first_answer_s == first
    assert found.latency_s == second


def test_reasoning_comes_before_the_first_answer():
    steps = [ROLE, event(delta(reasoning_content="Hm.")), WIDE_GAP_S, HELLO, WIDE_GAP_S, STOP, DONE]
    with serving(chat=streamed(steps)) as server:
        before = time.perf_counter()
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    sent = server.requests[0]
    assert before + found.chunk_times_s[0] < sent.sent_at[3]
    assert found.first_answer_s >= sent.delay_s(3)
    assert before + found.first_answer_s < sent.sent_at[4]


def test_latency_ends_with_the_text_not_with_late_usage():
    with serving(
        chat=streamed([HELLO, WIDE_GAP_S, STOP, event(usage(9, 1)), WIDE_GAP_S, DONE])
    ) as server:
        before = time.perf_counter()
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert found.completion_tokens == 1
    assert before + found.latency_s < server.requests[0].sent_at[2]


def test_an_event_over_http_chunks_arrives_with_its_last_one():
    pieces = [HELLO[:10], GAP_S, HELLO[10:15], WIDE_GAP_S, HELLO[15:], WIDE_GAP_S, STOP, DONE]
    with serving(chat=streamed(pieces)) as server:
        before = time.perf_counter()
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    sent = server.requests[0]
    assert found.text == "Hello"
    assert found.chunk_times_s[0] >= sent.delay_s(3)
    assert before + found.chunk_times_s[0] < sent.sent_at[4]


def test_http_chunks_whose_own_framing_is_cut_into_packets():
    whole_answer = b"".join(
        s for s in streamed([HELLO + WORLD, STOP, DONE]).script if isinstance(s, bytes)
    )
    cuts = [
        0,
        9,
        60,
        whole_answer.index(b"\r\n\r\n") + 2,
        whole_answer.index(b"data: ") - 1,
        whole_answer.index(b"\xc3\xb6") + 1,
        len(whole_answer) - 3,
    ]
    pieces = [whole_answer[a:b] for a, b in pairwise([*cuts, len(whole_answer)])]
    with Loopback(lambda _: Answer([s for p in pieces for s in (p, GAP_S)])) as server:
        found = send(server.url, BODY, timeout_s=20)
    assert (found.status, found.text) == ("ok", TEXT)
    assert found.chunk_times_s[0] >= server.requests[0].delay_s(4)
    assert found.chunk_times_s[1] >= server.requests[0].delay_s(5)


def test_the_request_is_what_was_asked_for():
    with serving() as server:
        send(
            f"{server.base_url}/chat/completions",
            BODY,
            timeout_s=20,
            headers={"Authorization": f"Bearer {KEY}"},
        )
    request = server.requests[0]
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.json == BODY
    assert request.headers["Authorization"] == f"Bearer {KEY}"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Host"] == f"127.0.0.1:{server.port}"
    assert request.headers["Accept-Encoding"] == "identity"


def test_an_answer_that_was_not_asked_to_stream_has_latency_and_no_chunk_times():
    answer = {
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
        ],
        **usage(9, 4),
        "object": "chat.completion",
    }
    answer["choices"] = [
        {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
    ]
    blob = json.dumps(answer).encode()
    with serving(
        chat=streamed(
            [blob[:20], GAP_S, blob[20:]], framing="sized", content_type="application/json"
        )
    ) as server:
        found = send(f"{server.base_url}/chat/completions", {**BODY, "stream": False}, timeout_s=20)
    assert (
        found.status,
        found.text,
        found.completion_tokens,
        found.prompt_tokens,
        found.finish_reason,
    ) == ("ok", TEXT, 4, 9, "stop")
    assert found.chunk_times_s == ()
    assert found.first_answer_s is None
    assert found.latency_s >= server.requests[0].delay_s(2)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"<p>hello</p>", "the answer is not JSON: '<p>hello</p>'"),
        (b"", "the answer is not JSON"),
        (b'{"choices": []}', "the answer was empty"),
        (b'{"error": {"message": "No slot"}}', "No slot"),
        (b'{"choices": [{"message": null}]}', "the answer was empty"),
    ],
)
def test_wrong_answers_that_were_not_asked_to_stream(body, error):
    with serving(chat=whole(body)) as server:
        found = send(f"{server.base_url}/chat/completions", {**BODY, "stream": False}, timeout_s=20)
    assert found.status == "failed"
    assert error in found.error


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (error_answer(500, "Out of memory"), "HTTP 500: Out of memory"),
        (error_answer(404, "Model not found"), "HTTP 404: Model not found"),
        (
            error_answer(400, "exceeds the model's maximum context length"),
            "HTTP 400: exceeds the model's maximum context length",
        ),
        (whole(b'{"error": "busy"}', status=503), "HTTP 503: busy"),
        (
            whole(b"<html><h1>Bad gateway</h1></html>", status=502, content_type="text/html"),
            "HTTP 502: '<html><h1>Bad gateway</h1></html>'",
        ),
        (whole(b"Not Found", status=404, content_type="text/plain"), "HTTP 404: 'Not Found'"),
        (whole(b"[1]", status=500), "HTTP 500: '[1]'"),
        (whole(b"[" * 100_000, status=500), "HTTP 500: '[[[[["),
        (whole(b"", status=500), "HTTP 500: ''"),
        (whole(b"x" * 500, status=500), f"HTTP 500: '{'x' * 80}...'"),
        (whole(b"\xff\n<", status=500), "HTTP 500: '\ufffd <'"),
        (
            whole(
                b'{"error": {"message": "Rate limit reached"}}',
                status=429,
                headers=["Retry-After: 20"],
            ),
            "HTTP 429: Rate limit reached (the server asks to wait: Retry-After 20)",
        ),
    ],
    ids=range(12),
)
@pytest.mark.parametrize("stream", [True, False])
def test_error_status(answer, error, stream):
    with serving(chat=answer) as server:
        found = send(
            f"{server.base_url}/chat/completions", {**BODY, "stream": stream}, timeout_s=20
        )
    assert found.status == "failed"
    assert error in found.error
    assert (found.text, found.chunk_times_s, found.token_source) == ("", (), "none")
    assert len(server.requests) == 1  # nothing is sent twice


def test_the_key_is_not_in_the_error_even_when_the_server_repeats_it():
    with serving(
        chat=lambda request: error_answer(
            401, f"Incorrect API key provided: {request.headers['Authorization']}"
        )
    ) as server:
        found = send(
            f"{server.base_url}/chat/completions",
            BODY,
            timeout_s=20,
            headers={"Authorization": f"Bearer {KEY}"},
        )
    assert found.error.startswith("HTTP 401: Incorrect API key provided")
    assert KEY not in repr(found)


@pytest.mark.parametrize(
    ("framing", "steps", "end"),
    [
        ("chunked", [HELLO, GAP_S, WORLD[:20]], "close"),
        ("chunked", [HELLO, GAP_S, WORLD], "close"),  # between two HTTP chunks
        ("sized", [HELLO, GAP_S, WORLD[:20]], "close"),
        ("chunked", [HELLO, GAP_S, WORLD[:20], GAP_S], "reset"),
        ("sized", [HELLO, GAP_S, WORLD[:20], GAP_S], "reset"),
    ],
)
def test_a_stream_cut_in_the_middle_is_a_failure_and_keeps_what_came(framing, steps, end):
    full = [*steps, STOP, DONE]
    script = list(streamed(full, framing=framing).script)[: 1 + len(steps)]
    with serving(chat=Answer(script, end)) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert found.status == "failed"
    assert (
        "cut off after" in found.error if end == "close" else "the connection broke" in found.error
    )
    assert found.text.startswith("Hello")
    assert found.chunk_times_s


@pytest.mark.parametrize(
    ("steps", "ok"),
    [
        ([ROLE, HELLO, WORLD], False),  # cut, or all of it: nothing tells
        ([ROLE, HELLO, WORLD, event(usage(9, 4))], False),  # usage may come in every chunk
        ([ROLE, HELLO, WORLD, STOP], True),
        ([ROLE, HELLO, WORLD, DONE], True),
    ],
)
def test_a_stream_that_only_ends_with_its_connection_must_say_that_it_is_done(steps, ok):
    with serving(chat=streamed(steps, framing="until-close")) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert found.text == TEXT
    assert (found.error is None) == ok
    assert ok or found.error.startswith(
        "the connection closed and nothing marks the end of the answer"
    )


def test_a_whole_answer_that_ends_with_its_connection_is_complete_when_it_is_json():
    answer = json.dumps({"choices": [{"message": {"content": TEXT}}]}).encode()
    for blob, ok in ((answer, True), (answer[:-3], False)):
        with serving(chat=streamed([blob], framing="until-close")) as server:
            found = send(
                f"{server.base_url}/chat/completions", {**BODY, "stream": False}, timeout_s=20
            )
        assert found.ok == ok


def test_a_cut_inside_an_http_chunk():
    with serving(
        chat=Answer(
            [
                loopback.head(200, "text/event-stream", "Transfer-Encoding: chunked"),
                b"ffff\r\n" + HELLO,
            ]
        )
    ) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert found.status == "failed"
    assert found.error == f"the answer was cut off after {len(HELLO)} bytes"
    assert found.text == "Hello"


@pytest.mark.parametrize("size", [b"-2", b"zz", b"", b"0x", b"1_0"])
def test_wrong_http_chunk_sizes_are_a_failure(size):
    script = [
        loopback.head(200, "text/event-stream", "Transfer-Encoding: chunked"),
        b"%x\r\n%s\r\n%s\r\n0\r\n\r\n" % (len(HELLO), HELLO, size),
    ]
    with serving(chat=Answer(script)) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert found.status == "failed"
    assert found.text == "Hello"


@pytest.mark.parametrize("steps", [[], [ROLE], [b": keep-alive\n\n", ROLE, b"data:\n\n"]])
def test_a_stream_that_begins_and_brings_no_text_has_the_whole_time(steps):
    """A long prompt takes its time, also where head and role are sent before it is read; the limit on stalls is not for that."""
    with serving(chat=streamed([*steps, 30.0, DONE])) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=0.4, stall_s=0.1)
    assert (found.status, found.error, found.text) == (
        "failed",
        "timed out: no text after 0.4 s",
        "",
    )


@pytest.mark.parametrize(
    "text",
    [
        HELLO,
        event(delta(reasoning_content="Hm.")),
        b'data: {"choices": [{"delta": {"content" : "Hello"}}]}\n\n',
    ],
)
def test_a_stall_within_an_answer_is_named_with_its_limit(text):
    with serving(chat=streamed([ROLE, text, 30.0, DONE])) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=60, stall_s=0.2)
    assert (found.status, found.error) == (
        "failed",
        "stalled: nothing arrived for 0.2 s in the middle of the answer",
    )
    assert len(found.chunk_times_s) == 1


def test_a_stall_is_a_quarter_of_the_time_unless_said_otherwise():
    with serving(chat=streamed([ROLE, HELLO, 30.0, DONE])) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=0.8)
    assert found.error == "stalled: nothing arrived for 0.2 s in the middle of the answer"


def test_pauses_below_the_limit_are_no_stall():
    steps = [step for _ in range(6) for step in (HELLO, 0.15)]
    with serving(chat=streamed([*steps, STOP, DONE])) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20, stall_s=0.7)
    assert (found.status, found.text) == ("ok", 6 * "Hello")


def test_a_server_that_says_nothing_at_all():
    with serving(chat=Answer([30.0])) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=0.3)
    assert found.status == "failed"
    assert "timed out: nothing arrived for 0.3 s" in found.error


def test_comments_do_not_keep_a_request_alive_beyond_its_time():
    with serving(
        chat=streamed([step for _ in range(600) for step in (b": keep-alive\n\n", 0.05)])
    ) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=0.3)
    assert found.status == "failed"
    assert found.error == "timed out: no text after 0.3 s"
    assert len(server.requests[0].sent_at) < 600


def test_an_answer_that_goes_on_beyond_its_time_is_a_failure_and_keeps_what_came():
    with serving(chat=streamed([step for _ in range(600) for step in (HELLO, 0.05)])) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=0.5, stall_s=5)
    assert (found.status, found.error) == ("failed", "timed out: not finished after 0.5 s")
    assert found.text.startswith("HelloHello")


def test_a_stream_far_beyond_the_tokens_that_were_asked_for_is_ended():
    """Bounded long before its time: 100 events, and 4 for each token."""
    with serving(
        chat=streamed([step for _ in range(100) for step in (10 * HELLO, 0.01)])
    ) as server:
        found = send(
            f"{server.base_url}/chat/completions", {**BODY, "max_tokens": 10}, timeout_s=60
        )
        enough = send(
            f"{server.base_url}/chat/completions", {**BODY, "max_tokens": 1000}, timeout_s=60
        )
    assert (found.status, found.error) == (
        "failed",
        "the server did not stop: it sent more than 140 events for 10 tokens",
    )
    assert len(found.chunk_times_s) == 150
    assert (enough.status, len(enough.chunk_times_s)) == ("ok", 1000)


@pytest.mark.parametrize("framing", ["chunked", "sized"])
def test_a_server_that_keeps_the_connection_open_although_asked_to_close_it(framing):
    with serving(
        chat=streamed([ROLE, GAP_S, HELLO, GAP_S, WORLD, STOP, DONE], framing=framing, end="keep")
    ) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=3)
    assert (found.status, found.text, found.error) == ("ok", TEXT, None)
    assert server.requests[0].headers["Connection"] == "close"


@pytest.mark.parametrize("last", [b"0\r\nX-Took: 5\r\n\r\n", b"000\r\n\r\n", b"0;last\r\n\r\n"])
def test_other_ends_of_a_chunked_body(last):
    """Trailers, more zeros, an extension (RFC 9112, section 7.1), on a connection that stays open."""
    script = [*streamed([HELLO, STOP, DONE]).script[:-1], last]
    with serving(chat=Answer(script, end="keep")) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=4)
    assert (found.status, found.text, found.error) == ("ok", "Hello", None)


def test_a_chunked_body_does_not_end_where_its_text_only_looks_like_the_end():
    """A packet may end inside an HTTP chunk, just after the text CR LF 0 CR LF CR LF."""
    blob = crlf(HELLO) + b": x\r\n0\r\n\r\n"
    rest = WORLD + STOP + DONE
    script = [
        loopback.head(200, "text/event-stream", "Transfer-Encoding: chunked"),
        b"%x\r\n%s" % (len(blob), blob),
        WIDE_GAP_S,
    ]
    script += [b"\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest)]
    with serving(chat=Answer(script)) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert (found.status, found.text, found.error) == ("ok", TEXT, None)


def test_ten_megabytes_in_one_event():
    text = "0123456789" * 2**20
    with serving(chat=streamed([event(delta(text)), STOP, DONE])) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=60)
    assert found.status == "ok", found.error
    assert found.text == text
    assert len(found.chunk_times_s) == 1


def test_an_endless_answer_is_cut():
    with serving(
        chat=Answer([loopback.head(200, "text/event-stream"), *[b": " + b"x" * 2**20] * 40])
    ) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=60)
    assert found.status == "failed"
    assert found.error == "the server sent more than 32 MB"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_a_failure_that_names_the_new_address(status):
    """What is timed is one request to one server; the key goes to no other."""
    with serving() as other:
        goal = f"{other.base_url}/chat/completions"
        with Loopback(lambda _: redirect(status, goal)) as server:
            found = send(server.url, BODY, timeout_s=20, headers={"Authorization": f"Bearer {KEY}"})
    assert found.error == f"HTTP {status}: the server redirects to {goal!r}; use that address"
    assert len(server.requests) == 1
    assert other.requests == []


@pytest.mark.parametrize("location", ["/again", "http://[", "http://127.0.0.1:1/\xe9", "ftp://x/"])
def test_a_redirect_to_any_text_is_a_failure(location):
    with Loopback(lambda _: redirect(307, location)) as server:
        found = send(server.url, BODY, timeout_s=20)
    assert found.error.startswith("HTTP 307: the server redirects to ")


def test_a_redirect_without_an_address_is_a_failure():
    with Loopback(lambda _: error_answer(307, "elsewhere")) as server:
        assert send(server.url, BODY, timeout_s=20).error == "HTTP 307: elsewhere"


@pytest.mark.parametrize(
    "url", ["http://[", "http://127.0.0.1:99999/", "http://127.0.0.1:port/", "http://x/a b"]
)
def test_what_is_not_an_address_is_a_failure(url):
    assert "is not an address to send a request to: " in send(url, BODY, timeout_s=20).error


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_connection_refused():
    port = unused_port()
    found = send(f"http://127.0.0.1:{port}/v1/chat/completions", BODY, timeout_s=20)
    assert found.status == "failed"
    assert found.error.startswith(f"no answer from 127.0.0.1:{port}: ")
    assert "efused" in found.error


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer([]), "it closed the connection without an HTTP answer"),
        (
            Answer([b"HTTP/1.1 200 OK\r\nContent-Ty"]),
            "it closed the connection without an HTTP answer",
        ),
        (Answer([], end="reset"), "no answer from 127.0.0.1"),
        (Answer([b"220 mail.example ESMTP\r\n\r\n"]), "what answers there does not speak HTTP"),
        (
            Answer([b"SSH-2.0-OpenSSH_9\r\n\r\n"], end="keep"),
            "what answers there does not speak HTTP",
        ),
        (Answer([b"HTTP/1.1 abc\r\n\r\n"]), "what answers there does not speak HTTP"),
        (
            Answer([b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n"]),
            "the head of the answer is longer than 64 KB",
        ),
        (Answer([b"y" * 70_000], end="keep"), "the head of the answer is longer than 64 KB"),
    ],
    ids=range(8),
)
def test_no_http_answer(answer, error):
    with serving(chat=answer) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert found.status == "failed"
    assert f"127.0.0.1:{server.port}" in found.error
    assert error in found.error


@pytest.mark.parametrize("length", ["\xb2", "9" * 5000, "-5", "ten", ""])
def test_a_content_length_that_is_no_number_means_until_close(length):
    with serving(
        chat=Answer(
            [
                loopback.head(200, "text/event-stream", f"Content-Length: {length}")
                + HELLO
                + STOP
                + DONE
            ]
        )
    ) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert found.text == "Hello"
    assert found.status in ("ok", "failed")
    assert len(found.chunk_times_s) == 1


def test_interim_answers_are_passed_over():
    script = [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        GAP_S,
        b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
        *streamed([HELLO, STOP, DONE]).script,
    ]
    with serving(chat=Answer(script)) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert (found.status, found.text) == ("ok", "Hello")


# Several at once ----------------------------------------------------------------------------------------------------


def test_answers_come_back_as_they_end_and_each_keeps_its_own_times():
    def chat(request):
        return streamed([float(request.json["wait"]), HELLO, STOP, DONE])

    with serving(chat=chat) as server, Streams() as streams:
        for wait in (0.6, 0.3, 0.0):
            streams.start(
                Exchange(f"{server.base_url}/chat/completions", {**BODY, "wait": wait}, 20)
            )
        found = [streams.finished() for _ in range(3)]
        assert streams.finished(timeout_s=0.01) is None
    assert [one.body["wait"] for one in found] == [0.0, 0.3, 0.6]
    sent = {request.json["wait"]: request for request in server.requests}
    for one in found:
        timeline = read(one)
        assert timeline.chunk_times_s[0] >= sent[one.body["wait"]].delay_s(1)
        assert timeline.written_at <= sent[one.body["wait"]].read_at
        assert timeline.written_at + timeline.chunk_times_s[0] <= timeline.ended_at


def test_a_request_is_written_when_it_is_due_on_a_connection_that_stands():
    with serving() as server, Streams() as streams:
        due_at = time.perf_counter() + 0.3
        streams.start(Exchange(f"{server.base_url}/chat/completions", BODY, 20, due_at=due_at))
        timeline = read(streams.finished())
    assert timeline.ok
    assert due_at <= timeline.written_at <= server.requests[0].read_at
    assert timeline.connect_s > 0


def test_a_request_larger_than_every_buffer_is_written_whole():
    prompt = "0123456789" * 800_000
    with serving() as server:
        found = send(
            f"{server.base_url}/chat/completions", {**BODY, "prompt": prompt}, timeout_s=60
        )
    assert found.ok, found.error
    assert server.requests[0].json["prompt"] == prompt


def test_a_refusal_that_comes_before_the_request_was_read_is_heard():
    """A server that answers 413 to the head and closes; the rest of the request has nowhere to go."""
    answer = whole(b'{"error": {"message": "too large"}}', status=413).script[0]
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve():
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)
                connection.shutdown(socket.SHUT_WR)
                time.sleep(WIDE_GAP_S)

        thread = threading.Thread(target=serve)
        thread.start()
        found = send(
            f"http://127.0.0.1:{listener.getsockname()[1]}/v1",
            {**BODY, "prompt": "x" * 30_000_000},
            timeout_s=20,
        )
        thread.join()
    assert found.error == "HTTP 413: too large"


def test_an_address_without_a_host_is_none():
    assert (
        "is not an address to send a request to: it names no host"
        in send("http:///v1", BODY, timeout_s=20).error
    )


def test_what_is_still_under_way_is_dropped_at_the_end():
    with serving(chat=Answer([30.0])) as server:
        with Streams() as streams:
            streams.start(Exchange(f"{server.base_url}/chat/completions", BODY, 60))
            while not server.requests:
                time.sleep(0.01)
        assert not streams._thread.is_alive()


def test_a_mistake_in_the_loop_is_told_and_not_waited_for(monkeypatch):
    monkeypatch.setattr(Exchange, "take", lambda *_: 1 / 0)
    with serving() as server, pytest.raises(ZeroDivisionError):
        send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)


def test_nothing_is_imported_while_the_first_request_is_timed():
    """The client is warm before its first request: what the openai package imports then cost 40 to 100 ms."""
    with serving(
        chat=streamed([0.05, HELLO, 0.05, WORLD, STOP, event(usage(9, 4)), DONE])
    ) as server:
        script = f"""
import sys, time
from helpers.timing import stream, transport
imports = []
sys.addaudithook(lambda name, args: imports.append((time.perf_counter(), args[0])) if name == "import" else None)
found = stream.send(transport.Exchange("{server.base_url}/chat/completions", {BODY!r}, 20))
assert found.ok, found.error
print([name for at, name in imports if found.written_at <= at <= found.ended_at], len(found.chunk_times_s))
"""
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "[] 2", done.stderr


# Proxies ------------------------------------------------------------------------------------------------------------

VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


@pytest.fixture
def proxy_variables(monkeypatch):
    """Sets proxy variables for one test, after taking away those of the machine."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def give(**values):
        for name, value in values.items():
            monkeypatch.setenv(name.upper(), value)

    return give


def test_loopback_is_reached_without_the_proxy(proxy_variables):
    with serving() as server, Loopback(lambda _: whole(b"proxy", status=502)) as proxy:
        proxy_variables(http_proxy=proxy.url)
        for host in ("127.0.0.1", "localhost"):
            found = send(f"http://{host}:{server.port}/v1/chat/completions", BODY, timeout_s=20)
            assert (found.status, found.text) == ("ok", "Hello world")
    assert len(server.requests) == 2
    assert proxy.requests == []


@pytest.mark.parametrize(
    ("url", "loopback_address"),
    [
        ("http://127.0.0.1:5273/v1", True),
        ("http://127.8.9.10/v1", True),
        ("http://LOCALHOST/v1", True),
        ("http://[::1]:80/v1", True),
        ("http://127.example.com/v1", False),
        ("http://127.0.0.1.example.com/v1", False),
        ("http://localhost.example.com/v1", False),
        ("http://192.168.1.5/v1", False),
        ("http://[fe80::1]/v1", False),
    ],
)
def test_what_is_loopback(url, loopback_address, proxy_variables):
    proxy_variables(http_proxy="http://proxy.example:3128")
    assert connection.is_loopback(url) is loopback_address
    assert proxy_for(url) == (None if loopback_address else "http://proxy.example:3128")


def test_which_proxy_is_used(proxy_variables):
    proxy_variables(
        http_proxy="http://a.example:1",
        https_proxy="http://b.example:2",
        no_proxy="inside.example,10.0.0.5",
    )
    assert proxy_for("http://models.example/v1") == "http://a.example:1"
    assert proxy_for("https://models.example/v1") == "http://b.example:2"
    assert proxy_for("https://inside.example/v1") is None
    assert proxy_for("http://gpu.inside.example/v1") is None
    assert proxy_for("http://10.0.0.5:8000/v1") is None


def test_no_proxy_set_means_none(proxy_variables):
    assert proxy_for("http://models.example/v1") is None


@pytest.mark.parametrize("scheme", ["http://", ""])
def test_plain_http_through_a_proxy_names_the_whole_address(proxy_variables, scheme):
    """The proxy answers itself. Its own address may come without a scheme, as curl allows."""
    with Loopback(lambda _: streamed([HELLO, STOP, DONE])) as proxy:
        proxy_variables(http_proxy=f"{scheme}127.0.0.1:{proxy.port}")
        found = send("http://models.example:8000/v1/chat/completions?a=1", BODY, timeout_s=20)
    assert (found.status, found.text) == ("ok", "Hello")
    request = proxy.requests[0]
    assert (request.method, request.path) == (
        "POST",
        "http://models.example:8000/v1/chat/completions?a=1",
    )
    assert request.headers["Host"] == "models.example:8000"
    assert request.json == BODY


def test_https_through_a_proxy_asks_for_a_tunnel_and_says_when_it_is_refused(proxy_variables):
    with Loopback(lambda _: whole(b"", status=407)) as proxy:
        proxy_variables(https_proxy=proxy.url)
        found = send(
            "https://models.example/v1/chat/completions",
            BODY,
            timeout_s=20,
            headers={"Authorization": f"Bearer {KEY}"},
        )
    assert found.status == "failed"
    assert "no answer from models.example" in found.error
    assert "407" in found.error
    assert [(r.method, r.path) for r in proxy.requests] == [("CONNECT", "models.example:443")]
    assert (
        "Authorization" not in proxy.requests[0].headers
    )  # the key is for the server, not for the proxy


BASIC = "Basic dXNlcjpwQHNz"  # user:p@ss


def test_a_proxys_password_is_sent_to_the_proxy_and_shown_to_nobody(proxy_variables):
    with Loopback(lambda _: whole(b"no", status=407)) as proxy:
        address = f"http://user:p%40ss@127.0.0.1:{proxy.port}"
        proxy_variables(http_proxy=address, https_proxy=address)
        plain = send("http://models.example/v1/chat/completions", BODY, timeout_s=20)
        secure = send("https://models.example/v1/chat/completions", BODY, timeout_s=20)
    assert [r.headers["Proxy-Authorization"] for r in proxy.requests] == [BASIC, BASIC]
    assert (plain.status, secure.status) == ("failed", "failed")
    assert "p@ss" not in f"{plain}{secure}"
    assert "p%40ss" not in f"{plain}{secure}"


def test_no_proxy_password_is_sent_to_the_server_itself(proxy_variables):
    with serving() as server:
        proxy_variables(http_proxy="http://user:secret@127.0.0.1:1")
        send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert "Proxy-Authorization" not in server.requests[0].headers


def test_all_proxy_is_for_both_schemes(proxy_variables):
    proxy_variables(all_proxy="http://a.example:1", http_proxy="http://b.example:2")
    assert proxy_for("https://models.example/v1") == "http://a.example:1"
    assert proxy_for("http://models.example/v1") == "http://b.example:2"


@pytest.mark.parametrize("address", ["socks5://127.0.0.1:1", "https://127.0.0.1:1"])
def test_a_kind_of_proxy_that_cannot_be_used_is_named(proxy_variables, address):
    proxy_variables(https_proxy=address)
    found = send("https://models.example/v1/chat/completions", BODY, timeout_s=20)
    assert (
        found.error
        == f"a proxy of the kind {address[:6].rstrip(':/')}:// cannot be used for https://models.example; name an http:// proxy"
    )


def test_a_tunnel_to_an_ipv6_address_names_it_in_brackets(proxy_variables):
    with Loopback(lambda _: whole(b"", status=403)) as proxy:
        proxy_variables(https_proxy=proxy.url)
        found = send("https://[2001:db8::7]/v1/chat/completions", BODY, timeout_s=20)
    assert "the proxy refused: 403 Forbidden" in found.error
    assert proxy.requests[0].path == "[2001:db8::7]:443"


def test_a_name_and_password_in_the_address_are_sent_and_shown_to_nobody():
    with Loopback(lambda _: error_answer(401, "no")) as server:
        found = send(
            f"http://user:p%40ss@127.0.0.1:{server.port}/v1/chat/completions", BODY, timeout_s=20
        )
    assert server.requests[0].headers["Authorization"] == BASIC
    assert server.requests[0].headers["Host"] == f"127.0.0.1:{server.port}"
    assert found.error == "HTTP 401: no"


def test_a_key_that_no_header_can_carry_is_told_without_it():
    found = send(
        "http://127.0.0.1:1/v1/chat/completions",
        BODY,
        timeout_s=20,
        headers={"Authorization": f"Bearer {KEY}\r\n"},
    )
    assert found.error == "the header Authorization has a character that HTTP cannot carry"


def test_a_proxy_that_is_not_there(proxy_variables):
    proxy_variables(http_proxy=f"http://127.0.0.1:{unused_port()}")
    found = send("http://models.example/v1/chat/completions", BODY, timeout_s=20)
    assert found.status == "failed"
    assert "models.example" in found.error


# IPv6 and TLS -------------------------------------------------------------------------------------------------------


def has_ipv6_loopback() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6_loopback(), reason="this machine has no IPv6 loopback")
def test_ipv6_loopback():
    with Loopback(lambda _: streamed([HELLO, WORLD, STOP, DONE]), host="::1") as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert (found.status, found.text) == ("ok", TEXT)
    assert server.requests[0].headers["Host"] == f"[::1]:{server.port}"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A self-signed certificate for 127.0.0.1 and models.example, made by the openssl program."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl program to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    config = folder / "openssl.cnf"  # LibreSSL and old versions know no -addext
    config.write_text(
        "[req]\ndistinguished_name=d\nx509_extensions=x\nprompt=no\n[d]\nCN=test\n[x]\nsubjectAltName=IP:127.0.0.1,DNS:models.example\n"
    )
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-config",
        config,
    ]
    subprocess.run(
        [*command, "-keyout", folder / "key.pem", "-out", folder / "cert.pem"],
        check=True,
        capture_output=True,
    )
    return folder


@contextmanager
def tls_server(certificate, handler):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with Loopback(handler, tls=context) as server:
        yield server


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate):
    with tls_server(certificate, lambda _: streamed([HELLO, STOP, DONE])) as server:
        found = send(
            f"{server.base_url}/chat/completions",
            BODY,
            timeout_s=20,
            headers={"Authorization": f"Bearer {KEY}"},
        )
    assert found.status == "failed"
    assert f"no answer from 127.0.0.1:{server.port}" in found.error
    assert "ertificate" in found.error or "CERTIFICATE" in found.error
    assert server.requests == []


trusts_a_file = pytest.mark.skipif(
    sys.platform != "linux", reason="only OpenSSL's own store can be pointed at a file"
)


@trusts_a_file
def test_a_stream_over_tls(certificate, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificate / "cert.pem"))
    steps = [ROLE, WIDE_GAP_S, HELLO, WIDE_GAP_S, WORLD, STOP, event(usage(9, 4)), DONE]
    with tls_server(certificate, lambda _: streamed(steps)) as server:
        before = time.perf_counter()
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    sent = server.requests[0]
    assert (found.status, found.text, found.completion_tokens) == ("ok", TEXT, 4), found.error
    assert found.chunk_times_s[0] >= sent.delay_s(2)
    assert before + found.chunk_times_s[0] < sent.sent_at[3]


@trusts_a_file
def test_a_large_answer_over_tls(certificate, monkeypatch):
    """TLS hands out 16 KB records: what its library holds already no longer shows on the socket."""
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificate / "cert.pem"))
    text = "0123456789" * 100_000
    with tls_server(
        certificate, lambda _: streamed([event(delta(text)), STOP, DONE], end="keep")
    ) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=10)
    assert (found.status, found.text == text) == ("ok", True), found.error


@trusts_a_file
def test_tls_through_a_proxys_tunnel(certificate, monkeypatch, proxy_variables):
    """The loopback server is the proxy and, once the tunnel stands, the server behind it. Setting up is no part of the times."""
    monkeypatch.setenv("SSL_CERT_FILE", os.fspath(certificate / "cert.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    seen, stood = [], []

    class Tunnel(Loopback):
        def _serve(self, connection):
            with closing(connection), suppress(OSError):
                seen.append(loopback._read(connection))
                self._stopped.wait(WIDE_GAP_S)
                stood.append(time.perf_counter())
                connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                self._tls = context
                super()._serve(connection)

    with Tunnel(lambda _: streamed([HELLO, STOP, DONE])) as proxy:
        proxy_variables(https_proxy=f"http://127.0.0.1:{proxy.port}")
        found = send(
            "https://models.example/v1/chat/completions",
            BODY,
            timeout_s=20,
            headers={"Authorization": f"Bearer {KEY}"},
        )
        after = time.perf_counter()
    assert (found.status, found.text) == ("ok", "Hello"), found.error
    assert stood[0] + found.latency_s < after
    assert (seen[0].method, seen[0].path) == ("CONNECT", "models.example:443")
    assert proxy.requests[0].path == "/v1/chat/completions"
    assert proxy.requests[0].headers["Authorization"] == f"Bearer {KEY}"
    assert "Authorization" not in seen[0].headers


# The loopback server itself -----------------------------------------------------------------------------------------


def get(server: Loopback, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_the_ready_made_server_lists_models_and_knows_no_other_address():
    with serving(models=["a", "b:1"]) as server:
        status, body = get(server, "/v1/models")
        assert status == 200
        assert [m["id"] for m in json.loads(body)["data"]] == ["a", "b:1"]
        assert get(server, "/models/loaded")[0] == 404
    assert [r.path for r in server.requests] == ["/v1/models", "/models/loaded"]


def test_the_ready_made_server_answers_in_turn():
    with serving(chat=[error_answer(500, "first"), streamed([HELLO, STOP, DONE])]) as server:
        found = [send(f"{server.base_url}/chat/completions", BODY, timeout_s=20) for _ in range(3)]
    assert [f.error for f in found] == ["HTTP 500: first", None, None]
