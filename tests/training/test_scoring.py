"""What is counted of an answer."""

from types import SimpleNamespace

import pytest

from training import scoring


@pytest.mark.parametrize(
    ("facet", "text", "expected"),
    [
        ("Ana", "ana owns it", True),
        ("fix the oven", "The team decided to fix the ovens.", True),
        (["oven", "stove"], "They fix the Oven.", True),
        (["oven"], "They fix the ovens.", False),
        (["12 May", "May 12"], "due by May 12.", True),
        (["2 May"], "due by 12 May.", False),
        (["call-back"], "The call-back is live.", True),
    ],
)
def test_a_facet_is_found_as_it_stands_or_in_one_of_its_wordings(facet, text, expected):
    assert scoring.contains(facet, text) is expected


@pytest.mark.parametrize(
    ("request_text", "asked", "text", "kept"),
    [
        ("Summarize in 2 sentences: x", None, "One. Two.", True),
        ("Summarize in two sentences: x", None, "One.", False),
        ("As 3 bullets", None, "no", None),
        ("Summarize as 3 bullets: x", None, "- a\n- b\n- c", True),
        ("Put it short: x", {"sentences": 1}, "One. Two.", False),
        ("Put it short: x", {"bullets": 2}, "- One\n- Two", True),
        ("Summarize: x", None, "One.", None),
    ],
)
def test_the_form_of_an_answer_is_counted(request_text, asked, text, kept):
    assert scoring.format_ok({"user": request_text, "format": asked}, text) is kept


@pytest.mark.parametrize(
    ("text", "finish", "degenerate"),
    [
        ("Ana owns it.", "stop", False),
        ("", "stop", True),
        ("Ana owns", "length", True),
        ("a b c d a b c d a b c d", "stop", True),
    ],
)
def test_an_answer_that_is_empty_looping_or_cut_off_is_degenerate(text, finish, degenerate):
    turn = {
        "task": "summary",
        "user": "Summarize: x",
        "assistant": "Ana owns it.",
        "facets": {"owner": "Ana"},
        "forbidden": ["Ben"],
    }
    row = scoring.score(turn, SimpleNamespace(text=text, finish_reason=finish))
    assert row["degenerate"] is degenerate
    assert row["hits"] == {"owner": "Ana" in text}
    assert row["forbidden"] is False
