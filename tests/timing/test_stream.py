"""Streams of every dialect, whole and broken, over HTTP on loopback and replayed from bytes."""

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from helpers.timing import stream
from helpers.timing.framing import Packets
from helpers.timing.stream import parse
from support.chat import BODY, GAP_S, HELLO, KEY, ROLE, STOP, TEXT, WIDE_GAP_S, WORLD, crlf, send
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
        (HELLO, b'data: {"choices": [{"delta": {"content": " w\xffrld"}}]}\n\n', STOP, DONE),
        (1, 2),
        text="Hello w\ufffdrld",
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
        error="expected an object as choice",
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
        (HELLO, event(delta(7)), DONE),
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
        (whole(b"x" * 500, status=500), f"HTTP 500: '{'x' * 297}...'"),
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
