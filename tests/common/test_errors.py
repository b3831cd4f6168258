"""Errors that a learner sees."""

import pytest

from helpers.common.errors import EndpointError, KitError, MirrorError, UsageError, plain


@pytest.mark.parametrize("kind", [KitError, UsageError, EndpointError, MirrorError])
def test_a_notebook_shows_one_line_in_place_of_a_traceback(kind):
    assert kind("It is full.")._render_traceback_() == [f"{kind.__name__}: It is full."]


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("/src/a/model.cc:12 void Load(int) const No such file", "No such file"),
        ("a.h:1 f() broken", "broken"),
        ("It is full.", "It is full."),
        ("", ""),
    ],
)
def test_a_native_message_loses_its_source_location(message, shown):
    assert plain(message) == shown
