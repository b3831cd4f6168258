"""HTTP answers however their bytes are framed and cut."""

import gzip
import json
import zlib
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.measure.rows import Row, RowRecord
from helpers.timing.framing import Failure, Packets, dechunk, decompress, parse_head, unpack
from helpers.timing.metrics import measure
from helpers.timing.stream import parse, read, read_text
from helpers.timing.transport import Exchange
from support import loopback
from support.chat import BODY, GAP_S, HELLO, ROLE, STOP, TEXT, WIDE_GAP_S, WORLD, crlf, send
from support.loopback import DONE, Answer, Loopback, delta, event, serving, streamed, usage


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


# Compressed, although nobody asked for it -----------------------------------------------------------

SAID = [ROLE, HELLO, WORLD, STOP, DONE]


def deflated(bits: int) -> list[bytes]:
    """The events, each flushed as a server does that streams, and the end of the compression."""
    packer = zlib.compressobj(wbits=bits)
    return [packer.compress(e) + packer.flush(zlib.Z_SYNC_FLUSH) for e in SAID] + [packer.flush()]


@pytest.mark.parametrize(
    ("encoding", "pieces"),
    [
        ("gzip", deflated(31)),
        ("X-GZIP, identity", deflated(31)),
        ("deflate", deflated(15)),
        ("deflate", deflated(-15)),
        ("deflate", deflated(31)),
        ("gzip", [gzip.compress(e) for e in SAID]),  # each event a file of its own
        ("", deflated(31)),  # nothing says so
        ("gzip", SAID),  # nothing is
    ],
)
def test_a_compressed_stream_is_unpacked_with_its_times(encoding, pieces):
    body = Packets([float(n) for n in range(len(pieces))], pieces)
    found = parse(decompress(body, encoding))
    assert (found.status, found.text, found.chunk_times_s) == ("ok", TEXT, (1.0, 2.0))


@pytest.mark.parametrize(
    ("encoding", "body", "words"),
    [
        ("br", b"\x0b\x02\x80", "the answer is compressed (br), although that was not asked for"),
        ("zstd", b"\x28\xb5", "the answer is compressed (zstd), although that was not asked for"),
        ("gzip", b"\x1f\x8b\x08\x00" + b"\xff" * 20, "the compressed answer is damaged"),
        ("gzip", gzip.compress(b"\0" * 2**26), "the server sent more than 32 MB"),
    ],
)
def test_a_compression_that_cannot_be_unpacked_is_named(encoding, body, words):
    head = loopback.head(200, "text/event-stream", f"Content-Encoding: {encoding}")
    with serving(chat=Answer([head, body])) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert found.status == "failed"
    assert words in found.error
    with pytest.raises(Failure, match="32 MB"):
        decompress(Packets([0.0], [gzip.compress(b"\0" * 2**26)]), "gzip")


def test_a_compressed_refusal_is_explained():
    body = gzip.compress(b'{"detail": "No slot"}')
    head = loopback.head(503, "application/json", "Content-Encoding: gzip")
    with serving(chat=Answer([head, body])) as server:
        found = send(f"{server.base_url}/chat/completions", BODY, timeout_s=20)
    assert found.error == "HTTP 503: No slot"


# Whatever comes ------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "choices",
                    "delta",
                    "message",
                    "content",
                    "text",
                    "type",
                    "error",
                    "detail",
                    "finish_reason",
                    "usage",
                    "index",
                    "completion_tokens",
                    "completion_tokens_details",
                    "reasoning_tokens",
                    "reasoning_details",
                    "object",
                    "msg",
                    "loc",
                    "param",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KNOWN = [*SAID, event(delta(finish="length")), event(usage(-1, True)), event({"detail": "No"})]
KNOWN += [
    b"\xef\xbb\xbf",
    b"event: error\n",
    b"error: x\n",
    b"data:",
    b"\r\n\r\n",
    b": x\n",
    b"\xff",
]
CHUNKS = JSON.map(lambda value: b"data: " + json.dumps(value).encode() + b"\n\n")
CHOICES = JSON.map(lambda value: event({"choices": [{"index": 0, "delta": {"content": value}}]}))
ENDS = JSON.map(
    lambda value: event({"choices": [{"delta": {}, "finish_reason": value}], "usage": value})
)
EVENTS = st.lists(
    st.sampled_from(KNOWN) | CHUNKS | CHOICES | ENDS | st.binary(max_size=9), max_size=9
)


@given(EVENTS, st.booleans(), st.booleans())
def test_events_in_any_order_give_a_timeline_and_a_row_that_is_read_again(events, streamed, framed):
    times = [float(number) for number in range(len(events))]
    found = parse(Packets(times, events), streamed=streamed, framed=framed)
    assert found.ok == (found.error is None)
    names = ("text", "finish_reason", "prompt_tokens", "completion_tokens", "token_problem")
    row = Row(
        *("m", "m", "p", 1, "measure", found.status, found.error),
        figures=measure(found),
        **{name: getattr(found, name) for name in names},
    )
    line = json.dumps(row.to_dict(), ensure_ascii=False).encode("utf-8", "replace")
    again = msgspec.json.decode(line, type=RowRecord)
    assert [getattr(again, name) for name in names] == [getattr(found, name) for name in names]


@given(EVENTS, st.sets(st.integers(1, 400)))
def test_any_events_cut_into_any_packets_give_the_same_timeline(events, cuts):
    """From the first byte of the head on; the loop may see the end of the stream before the last packet."""
    blob = b"".join(s for s in streamed([*events, DONE]).script if isinstance(s, bytes))
    found = []
    for ends in ([0, len(blob)], sorted({0, *(cut for cut in cuts if cut < len(blob)), len(blob)})):
        exchange = Exchange("http://127.0.0.1/v1", BODY)
        assert any(exchange.take(blob[a:b], 1.0) for a, b in pairwise(ends))  # up to its end
        found.append(read(exchange))
    assert found[0] == found[1]


@given(st.lists(EVENTS, max_size=3))
def test_text_for_a_person_is_the_text_of_the_timeline_or_a_failure(blocks):
    body = [b"".join(block) for block in blocks]
    found = parse(Packets([0.0] * len(body), body))
    try:
        shown = "".join(read_text(body))
    except Failure:
        return
    if found.ok and "<" not in shown and not found.reasoning:
        assert found.text in shown
