"""HTTP answers however their bytes are framed and cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.timing.framing import Packets, dechunk, parse_head, unpack
from helpers.timing.stream import parse
from support import loopback
from support.chat import BODY, GAP_S, HELLO, ROLE, STOP, TEXT, WIDE_GAP_S, WORLD, crlf, send
from support.loopback import DONE, Answer, Loopback, event, serving, streamed, usage


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


def timeline_of(times: list[float], pieces: list[bytes]):
    packets = Packets(times, pieces)
    body, complete = unpack(packets, parse_head(bytes(packets)))
    assert complete
    return parse(body)


RECORDED = b"".join(
    step
    for step in streamed(
        [ROLE, crlf(HELLO) + WORLD[:20], WORLD[20:], STOP, event(usage(9, 4)), DONE]
    ).script
    if isinstance(step, bytes)
)

# Where the last data line of each text ends in the recorded bytes.
TEXT_ENDS = [RECORDED.index(end) + len(end) for end in (crlf(HELLO).rstrip(), WORLD[20:].rstrip())]


@given(st.sets(st.integers(1, len(RECORDED) - 1)))
def test_a_stream_cut_anywhere_into_packets_gives_the_same_timeline(cuts):
    ends = [0, *sorted(cuts), len(RECORDED)]
    pieces = [RECORDED[start:end] for start, end in pairwise(ends)]
    whole = timeline_of([1.0], [RECORDED])
    assert (whole.status, whole.text, whole.completion_tokens) == ("ok", TEXT, 4)
    assert timeline_of([1.0] * len(pieces), pieces) == whole
    times = [float(number) for number in range(len(pieces))]
    assert list(timeline_of(times, pieces).chunk_times_s) == [
        times[next(place for place, end in enumerate(ends[1:]) if end > arrived)]
        for arrived in TEXT_ENDS
    ]


def test_a_head_is_none_until_it_is_complete():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
    assert [parse_head(head[:cut]) for cut in range(len(head))] == [None] * len(head)
    assert (parse_head(head).status, parse_head(head).length) == (200, len(head) + 3)


def test_the_spans_of_a_chunked_body_are_its_data():
    blob = b"head" + b"3\r\nabc\r\n2;x=1\r\nde\r\n0\r\n\r\n"
    spans, complete = dechunk(blob, 4)
    assert [blob[a:b] for a, b in spans] == [b"abc", b"de"]
    assert complete
    assert not dechunk(blob[:-7], 4)[1]
