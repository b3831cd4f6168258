"""What servers mean by their chunks: failures, odd shapes of answers, counts that cannot be."""

import json

import pytest

from helpers.measure.rows import Row, read_rows
from helpers.timing.framing import Packets
from helpers.timing.metrics import measure
from helpers.timing.stream import Timeline, parse
from support.chat import HELLO, ROLE, STOP, WORLD
from support.loopback import DONE, delta, event, usage

WORDS = "Provider disconnected"
TWO = [event(delta("Hello")), event(delta(" world"))]


def replay(*events: bytes, **options) -> Timeline:
    """Each event arrives a second after the one before it."""
    return parse(Packets([float(n) for n in range(1, len(events) + 1)], list(events)), **options)


def choice(finish=None, **fields) -> dict:
    return {"choices": [{"index": 0, "delta": {}, "finish_reason": finish, **fields}]}


FAILURES = {
    "finish_reason error with an error in the choice": [
        event(choice("error", error={"code": 502, "message": WORDS}))
    ],
    "an error in the delta": [event(delta(error={"message": WORDS}))],
    "an object called error": [event({"object": "error", "message": WORDS, "code": 500})],
    "its message is itself an object": [event({"object": "error", "message": {"detail": WORDS}})],
    "FastAPI's detail": [event({"detail": WORDS})],
    "FastAPI's list": [event({"detail": [{"loc": ["body", "x"], "msg": WORDS}]})],
    "problem details": [
        event({"type": "about:blank", "title": "Bad", "status": 502, "detail": WORDS})
    ],
    "FastChat's error_code": [event({"text": WORDS, "error_code": 50001})],
    "a list of errors": [event({"success": False, "errors": [{"message": WORDS}], "result": None})],
    "an error event": [b'event: error\ndata: {"message": "%s"}\n\n' % WORDS.encode()],
    "an error event in plain words": [b"event: error\r\ndata: %s\r\n\r\n" % WORDS.encode()],
    "a bare line of JSON": [json.dumps({"error": {"message": WORDS}}).encode() + b"\n"],
    "a bare line after a cut event": [b'{"detail": "%s"}\n\n' % WORDS.encode()],
    "an error that is true": [event({"error": True, "message": WORDS})],
    "an error with a short name": [event({"error": "Bad Gateway", "message": [WORDS]})],
}


@pytest.mark.parametrize("end", [[], [DONE], [event(usage(5, 2)), DONE]])
@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_in_any_shape_has_the_words_of_the_server_and_keeps_the_text(name, end):
    found = replay(ROLE, *TWO, *FAILURES[name], *end)
    assert (found.status, found.text) == ("failed", "Hello world")
    assert WORDS in found.error
    assert "{" not in found.error


@pytest.mark.parametrize("name", FAILURES)
def test_the_words_are_kept_when_the_connection_breaks_after_them(name):
    found = replay(*TWO, *FAILURES[name], failure="the connection broke", framed=False)
    assert WORDS in found.error


@pytest.mark.parametrize(
    "reason",
    [
        "error",
        "abort",
        "ABORTED",
        "cancelled",
        "insufficient_system_resource",
        "network_error",
        "timed_out",
    ],
)
def test_a_reason_that_no_whole_answer_ends_with_is_a_failure(reason):
    found = replay(*TWO, event(delta(finish=reason)), event(usage(5, 2)), DONE)
    assert found.error == f"the server ended the answer with finish_reason '{reason}'"
    assert replay(*TWO, event(delta("!", finish=reason)), DONE).text == "Hello world!"


@pytest.mark.parametrize(
    "reason", ["stop", "length", "content_filter", "eos", "STOP", "tool_calls"]
)
def test_other_reasons_end_a_whole_answer(reason):
    found = replay(*TWO, event(delta(finish=reason)), DONE)
    assert (found.status, found.finish_reason) == ("ok", reason)


@pytest.mark.parametrize(
    "body",
    [
        {"object": "error", "message": WORDS},
        {"detail": WORDS},
        {"choices": [{"message": {"content": "Half"}, "error": {"message": WORDS}}]},
    ],
)
@pytest.mark.parametrize("streamed", [True, False])
def test_a_whole_answer_with_an_error_fails_in_its_words(body, streamed):
    found = replay(json.dumps(body, indent=1).encode(), streamed=streamed)
    assert (found.status, found.error) == ("failed", WORDS)


@pytest.mark.parametrize("text", [" ", "\n\n", "\u200b", "\ufeff \u00a0", "\0"])
def test_an_answer_of_white_space_is_empty(text):
    found = replay(ROLE, event(delta(text)), STOP, DONE)
    assert found.error == "the answer was empty (finish_reason stop)"


def test_a_remark_before_the_text_is_no_failure():
    assert replay(event({"message": "waiting in a queue"}), *TWO, STOP, DONE).ok
    assert replay(event({"type": "ping"}), b"event: ping\ndata: {}\n\n", *TWO, STOP, DONE).ok


def test_long_words_are_cut_at_three_hundred_characters():
    found = replay(event({"error": {"message": "why " * 500}}))
    assert 290 < len(found.error) < 310


# Answers of other shapes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "text", "reasoning", "seen_at"),
    [
        (
            [
                event(delta([{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}])),
                event(delta([{"type": "text", "text": "Hello"}])),
                event(delta(" world")),
            ],
            "Hello world",
            "Hm.",
            (1, 2, 3),
        ),
        ([event(delta(["Hello", " world"]))], "Hello world", "", (1,)),
        ([event(delta({"type": "text", "text": "Hello"}))], "Hello", "", (1,)),
        ([event(delta([{"type": "text", "text": {"value": "Hello"}}]))], "Hello", "", (1,)),
        ([event(delta([{"type": "image_url", "image_url": {}}])), HELLO], "Hello", "", (2,)),
        ([event(delta("", reasoning_details=[{"type": "reasoning.text", "text": "Hm."}])), HELLO],
         "Hello", "Hm.", (1, 2)),
        ([event(delta(reasoning_details=[{"summary": "Hm."}], reasoning="Hm.")), HELLO],
         "Hello", "Hm.", (1, 2)),
        ([event(delta(reasoning_details=[{"type": "reasoning.encrypted", "data": "x"}])), HELLO],
         "Hello", "", (2,)),
        ([event({"choices": [{"index": 0, "text": "Hello"}]})], "Hello", "", (1,)),
        ([event({"choices": [{"message": {"content": "Hel"}}]}),
          event({"choices": [{"message": {"content": "lo"}}]})], "Hello", "", (1, 2)),
        ([HELLO, event(delta(" world")), event(choice("stop", message={"content": "Hello world"}))],
         "Hello world", "", (1, 2)),
        ([HELLO, event(delta(" world")), event(delta("Hello world", finish="stop"))],
         "Hello world", "", (1, 2)),
        ([event(delta("ha")), event(delta("ha"))], "haha", "", (1, 2)),
        ([HELLO, event({"choices": [{"index": 1, "delta": {"content": "Other"}}]})],
         "Hello", "", (1,)),
        ([b"\xef\xbb\xbf" + HELLO], "Hello", "", (1,)),
        ([event(delta(t)) for t in ("<|channel|>analysis", "<|message|>Hm.<|end|>",
          "<|start|>assistant<|channel|>final<|message|>", "Hello", "<|return|>")],
         "Hello", "Hm.", (1, 2, 3, 4, 5)),
        ([event(delta("<|channel|>final<|message|>Hello"))], "Hello", "", (1,)),
        ([event(delta("[THINK]Hm.[/THINK]Hello"))], "Hello", "Hm.", (1,)),
        ([b'data: {"choices":[{"delta":{"content":"a\tb"}}]}\n\n'], "a\tb", "", (1,)),
        ([json.dumps(delta("Hello")).encode() + b"\n", json.dumps(delta("!")).encode() + b"\n"],
         "Hello!", "", (1, 2)),
    ],
    ids=range(20),
)  # fmt: skip
def test_an_answer_of_another_shape_is_read_with_its_times(events, text, reasoning, seen_at):
    found = replay(*events, STOP, DONE)
    assert (found.status, found.error) == ("ok", None)
    assert (found.text, found.reasoning, found.chunk_times_s) == (text, reasoning, seen_at)


def test_harmony_that_ends_within_its_analysis_is_all_reasoning():
    found = replay(
        event(delta("<|channel|>analysis<|message|>Let me")), event(delta(finish="length"))
    )
    assert (found.text, found.reasoning, found.first_answer_s) == ("", "Let me", None)


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_a_server_that_ignores_the_stream_has_a_latency_and_no_ttft(indent, bom):
    answer = {
        "choices": [{"message": {"content": "Hello"}, "finish_reason": "stop"}],
        **usage(5, 2),
    }
    answer["choices"] = [{"message": {"content": "Hello"}, "finish_reason": "stop"}]
    body = bom + json.dumps(answer, indent=indent).encode()
    found = replay(body[:9], body[9:], failure="stalled", framed=False)
    assert (found.status, found.text, found.completion_tokens) == ("ok", "Hello", 2)
    assert (found.chunk_times_s, found.latency_s, measure(found)["ttft_s"]) == ((), 2.0, None)


@pytest.mark.parametrize("end", [[STOP], [DONE], [STOP, b'data: {"usage": {"prom']])
def test_what_the_connection_does_after_the_end_of_an_answer_does_not_count(end):
    found = replay(*TWO, *end, failure="the connection broke", framed=False)
    assert (found.status, found.text) == ("ok", "Hello world")


# Counts --------------------------------------------------------------------------------------------


def counted(count, prompt=5, events=TWO, **more) -> Timeline:
    told = {"prompt_tokens": prompt, "completion_tokens": count, **more}
    return replay(*events, STOP, event({"choices": [], "usage": told}), DONE)


@pytest.mark.parametrize(
    "count", [-1, 0, True, False, 10**30, 10**7 + 1, 2.5, "3", [3], float("nan"), 5000]
)
def test_a_count_that_cannot_be_is_none_with_the_reason(count):
    found = counted(count)
    assert (found.status, found.completion_tokens, found.token_source) == ("ok", None, "none")
    assert found.token_problem.startswith("the server counted ")
    assert found.prompt_tokens == 5


@pytest.mark.parametrize("prompt", [-1, 0, True, "5", 1.5, 10**30, None])
def test_a_prompt_of_no_tokens_has_no_count(prompt):
    found = counted(3, prompt)
    assert (found.prompt_tokens, found.completion_tokens, found.token_problem) == (None, 3, None)


def test_usage_that_grows_with_every_chunk_counts_when_it_is_whole():
    zeros = [{**delta(text), "usage": usage(0, 0)["usage"]} for text in ("Hello", " world")]
    assert replay(*map(event, zeros), event(usage(5, 3)), DONE).completion_tokens == 3
    assert replay(*map(event, zeros), STOP, DONE).token_source == "none"


def thinking(count: int, thought: int, total: int | None = None, *, sent: bool) -> Timeline:
    reasoning = [event(delta(reasoning_content="Let me think about it."))] if sent else []
    details = {"completion_tokens_details": {"reasoning_tokens": thought}, "total_tokens": total}
    return counted(count, events=[*reasoning, *TWO], **details)


def test_tokens_of_reasoning_count_when_the_reasoning_came():
    assert thinking(9, 6, sent=True).completion_tokens == 9
    assert thinking(3, 6, sent=True).completion_tokens == 9  # not part of the count
    assert thinking(7, 6, 5 + 7 + 6, sent=True).completion_tokens == 13  # nor here, by the total
    assert thinking(503, 500, sent=False).completion_tokens == 3
    assert thinking(3, 500, sent=False).completion_tokens == 3
    assert thinking(500, 500, sent=False).completion_tokens is None


def test_reasoning_that_is_hidden_gives_no_speed_that_nobody_saw():
    found = counted(105)  # a hundred of them were never sent, and nothing says so
    assert measure(found)["output_tokens_per_s"] is None
    assert found.token_problem == "the server counted more tokens than the text can have"
    many = [event(delta(reasoning_content="Hm "))] * 50
    found = counted(3, events=[*many, *TWO])
    assert measure(found)["output_tokens_per_s"] is None
    assert found.token_problem == "the server did not count the tokens of the reasoning"


@pytest.mark.parametrize(
    "reason", [7, {"type": "stop"}, ["stop"], True, 10**400, "\ud800", "x" * 9999]
)
def test_a_reason_of_any_type_gives_a_row_that_is_read_again(reason, tmp_path):
    chunk = {"choices": [{"delta": {"content": "Hello"}, "finish_reason": reason}]}
    found = replay(b"data: " + json.dumps(chunk).encode() + b"\n\n", event(usage(True, True)), DONE)
    assert found.status == "ok"
    path = tmp_path / "requests.jsonl"
    row = Row("m", "m", "p", 1, "measure", found.status, finish_reason=found.finish_reason)
    path.write_text(json.dumps(row.to_dict()) + "\n", encoding="utf-8")
    assert read_rows(path)["finish_reason"].tolist() == [found.finish_reason]


def test_a_number_without_end_does_not_cost_the_answer():
    endless = b'data: {"choices": [], "usage": {"completion_tokens": %s}}\n\n' % (b"9" * 5000)
    found = replay(HELLO, WORLD, STOP, endless, DONE)
    assert (found.status, found.completion_tokens) == ("ok", None)


def test_a_content_nested_without_end_is_a_failure_in_words():
    deep = b'data: {"choices":[{"delta":{"content":%s%s}}]}\n\n' % (b"[" * 900, b"]" * 900)
    assert replay(deep, DONE).status == "failed"
