"""The loop: times, limits, and requests side by side."""

import socket
import subprocess
import sys
import threading
import time

import pytest

from helpers.timing.stream import read
from helpers.timing.transport import Exchange, Streams
from support import loopback
from support.chat import BODY, GAP_S, HELLO, ROLE, STOP, TEXT, WIDE_GAP_S, WORLD, send
from support.loopback import (
    DONE,
    Answer,
    delta,
    event,
    serving,
    streamed,
    usage,
    whole,
)


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


@pytest.mark.parametrize("framing", ["chunked", "sized"])
def test_a_server_that_keeps_the_connection_open_although_asked_to_close_it(framing):
    with serving(
        chat=streamed([ROLE, GAP_S, HELLO, GAP_S, WORLD, STOP, DONE], framing=framing, end="keep")
    ) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=3)
    assert (found.status, found.text, found.error) == ("ok", TEXT, None)
    assert server.requests[0].headers["Connection"] == "close"


SAID = [ROLE, HELLO, WORLD, STOP, event(usage(9, 4))]
LETTERS = [bytes([letter]) for letter in HELLO + WORLD + DONE]


@pytest.mark.parametrize(
    "steps",
    [[*SAID, DONE], [*SAID, b"data:[DONE]\r\n\r\n: bye\n\n"], [*SAID, DONE[:9], DONE[9:]], LETTERS],
)
@pytest.mark.parametrize("framing", ["chunked", "until-close"])
@pytest.mark.parametrize("end", ["keep", "close", "reset"])
def test_a_stream_that_said_done_is_whole_at_once_whatever_its_connection_does(steps, framing, end):
    """Without its last HTTP chunk; every other client stops there as well."""
    script = [s for s in streamed(steps, framing=framing).script if s != b"0\r\n\r\n"]
    with serving(chat=Answer([*script, GAP_S], end)) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20, stall_s=10)
    assert (found.status, found.text, found.error) == ("ok", TEXT, None)
    assert found.ended_at - found.written_at < 10  # the limit on stalls


def test_nonsense_before_done_is_named_and_not_taken_for_a_cut():
    script = streamed([HELLO, b"data: {oops\n\n", DONE]).script[:-1]
    with serving(chat=Answer(script, "keep")) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert found.error == "a chunk of the stream is not JSON: '{oops'"


def test_words_about_done_do_not_end_a_stream():
    text = "data: [DONE]\ndata: [DONE]"
    steps = [event(delta(text)), GAP_S, WORLD, STOP, DONE]
    with serving(chat=streamed(steps)) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert found.text == text + " w\u00f6rld \U0001d11e"


@pytest.mark.parametrize("end", ["keep", "reset"])
def test_a_stream_that_named_its_finish_reason_is_whole_without_more(end):
    script = streamed([*SAID, 0.3], framing="chunked").script[:-1]
    with serving(chat=Answer(script, end)) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20, stall_s=0.2)
    assert (found.status, found.text, found.completion_tokens) == ("ok", TEXT, 4)


@pytest.mark.parametrize("status", [200, 201, 202, 206])
def test_every_status_of_success_brings_an_answer(status):
    script = [loopback.head(status, "text/event-stream"), *SAID, DONE]
    with serving(chat=Answer(script)) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert (found.status, found.text) == ("ok", TEXT)


def test_bytes_beyond_the_content_length_do_not_count():
    body = HELLO + STOP + DONE
    head = loopback.head(200, "text/event-stream", f"Content-Length: {len(body)}")
    with serving(chat=Answer([head + body + event({"error": "late"})], "keep")) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert (found.status, found.text) == ("ok", "Hello")
    body = b'{"choices": [{"message": {"content": "Hello"}}]}'
    head = loopback.head(200, "application/json", f"Content-Length: {len(body)}")
    with serving(chat=Answer([head + body + b"xx"])) as server:
        found = send(f"{server.base_url}/chat/completions", {**BODY, "stream": False}, timeout_s=20)
    assert (found.status, found.text) == ("ok", "Hello")


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
