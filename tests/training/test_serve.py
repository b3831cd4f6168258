"""What counts as an answer of the served model."""

import pytest

from helpers.timing.stream import Timeline
from training import serve


@pytest.fixture
def runtime():
    """A runtime that was never started: nothing is sent."""
    runtime = serve.Runtime()
    runtime._url = "http://127.0.0.1:9/v1/chat/completions"
    return runtime


def test_an_empty_answer_is_an_answer(runtime, monkeypatch):
    empty = Timeline(error="the answer was empty", finish_reason="stop")
    monkeypatch.setattr(serve, "send", lambda request: empty)
    assert runtime.chat("pocket-nano", "Hello", 8) is empty


def test_an_answer_that_never_ends_is_an_error_that_names_the_model(runtime, monkeypatch):
    failed = Timeline(error="HTTP 500", text="The te")
    monkeypatch.setattr(serve, "send", lambda request: failed)
    with pytest.raises(RuntimeError, match="pocket-nano: HTTP 500"):
        runtime.chat("pocket-nano", "Hello", 8)
