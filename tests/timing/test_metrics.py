"""Figures of one request, by the definitions of docs/method.md."""

import pytest

from helpers.timing.metrics import COMPARED, METRICS, held_back, measure
from helpers.timing.stream import Timeline


def answered(times=(0.5, 0.6, 0.7, 0.9), tokens: int | None = 5, **fields) -> Timeline:
    given = {
        "status": "ok",
        "text": "x",
        "chunk_times_s": times,
        "first_answer_s": times[0],
        "latency_s": times[-1],
        "completion_tokens": tokens,
    }
    return Timeline(**{**given, **fields})


def test_figures_of_one_request():
    found = measure(answered())
    assert found["ttft_s"] == 0.5
    assert found["ttfo_s"] == 0.5
    assert found["latency_s"] == 0.9
    assert found["itl_s"] == pytest.approx((0.9 - 0.5) / 4)
    assert found["output_tokens_per_s"] == pytest.approx(4 / (0.9 - 0.5))
    assert found["request_tokens_per_s"] == pytest.approx(5 / 0.9)


def test_tokens_count_not_chunks():
    """Eight tokens in four chunks: seven steps between the first token and the last."""
    assert measure(answered(tokens=8))["itl_s"] == pytest.approx(0.4 / 7)


def test_prompt_tokens_never_count():
    assert measure(answered(prompt_tokens=1000)) == measure(answered(prompt_tokens=None))


def test_first_answer_apart_from_first_token():
    found = measure(answered(first_answer_s=0.7))
    assert (found["ttft_s"], found["ttfo_s"]) == (0.5, 0.7)


@pytest.mark.parametrize("tokens", [None, 0, 1])
def test_no_itl_below_two_tokens_or_without_a_count(tokens):
    found = measure(answered(tokens=tokens))
    assert (found["itl_s"], found["output_tokens_per_s"]) == (None, None)
    assert (found["ttft_s"], found["latency_s"]) == (0.5, 0.9)
    assert found["request_tokens_per_s"] == (pytest.approx(1 / 0.9) if tokens else None)


@pytest.mark.parametrize("times", [(0.5,), (0.5, 0.5, 0.9), (0.5, 0.5)])
def test_no_itl_when_the_first_packet_brought_several_chunks_or_there_is_one(times):
    found = measure(answered(times))
    assert (found["itl_s"], found["output_tokens_per_s"]) == (None, None)
    assert found["request_tokens_per_s"] == pytest.approx(5 / times[-1])


def test_later_chunks_may_come_together():
    assert measure(answered((0.5, 0.7, 0.7, 0.9)))["itl_s"] == pytest.approx(0.1)


def test_a_failed_request_has_no_figures():
    assert measure(answered(status="failed", error="cut off")) == dict.fromkeys(METRICS)


def test_an_answer_that_was_not_streamed_has_latency_and_no_ttft():
    found = measure(Timeline(status="ok", text="x", latency_s=2.0, completion_tokens=10))
    assert found == {**dict.fromkeys(METRICS), "latency_s": 2.0, "request_tokens_per_s": 5.0}


def test_every_metric_has_words():
    assert {(name, METRICS[name].label, METRICS[name].times) for name in COMPARED} == {
        ("ttft_s", "TTFT", "takes {} times as long as"),
        ("latency_s", "Latency", "takes {} times as long as"),
        ("output_tokens_per_s", "Output tokens/s", "is {} times as fast as"),
    }


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([0.1, 0.2, 0.3, 0.4], False),
        ([0.1, 0.1, 0.3, 0.4], True),  # the first packet brought two chunks
        ([0.1, 0.2, 0.2, 0.3, 0.3, 0.4], False),  # pairs later on are usual
        ([0.1, 0.2, 0.3, 0.3, 0.3, 0.3], True),  # one packet brought more than half
        ([0.1, 0.2, 0.2, 0.3], False),  # exactly half is not more than half
        ([0.1, 0.2], False),
    ],
)
def test_a_stream_that_was_held_back_is_recognised(times, expected):
    assert held_back(times) is expected
    timeline = Timeline(
        status="ok",
        text="x",
        chunk_times_s=tuple(times),
        latency_s=times[-1],
        completion_tokens=len(times),
    )
    assert (measure(timeline)["output_tokens_per_s"] is None) is expected
