"""What counts as a wrong owner or day, as invented, and as a refusal."""

import pytest

from training import handwritten, tables

NOTES = "Mara will order the lamps by 3 May. Jonas will paint the hall by Friday (not Thursday)."
TURN = {
    "task": "summary",
    "user": f"Summarize the meeting notes: {NOTES}",
    "assistant": None,
    "facets": {
        "action": ["lamps"],
        "owner": ["Mara"],
        "due": ["3 May", "May 3"],
        "action_2": ["hall"],
        "owner_2": ["Jonas"],
        "due_2": ["Friday"],
    },
    "forbidden": ["Thursday"],
    "format": None,
}


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("Mara will order the lamps by 3 May. Jonas will paint the hall by Friday.", []),
        ("Mara will order the lamps. Jonas will paint the hall.", []),  # missing is not wrong
        ("Jonas will order the lamps by 3 May.", ["owner"]),
        ("Mara will order the lamps by Friday.", []),  # right for the other task
        ("Mara will order the lamps by 9 June.", ["due"]),
        ("Jonas will paint the hall by Thursday.", ["due", "due_2"]),  # withdrawn
        ("Jonas will paint the hall by Friday, not Thursday.", []),
        ("Mara will paint the hall by Thursday.", ["due", "owner_2", "due_2"]),
    ],
)
def test_another_person_or_day_in_place_of_the_right_one_is_wrong(answer, wrong):
    assert handwritten.wrong_owners_and_dates(TURN, answer) == wrong


def test_a_request_that_expects_neither_owner_nor_day_is_not_judged():
    turn = {**TURN, "facets": {"topic": ["lamps"]}}
    assert handwritten.wrong_owners_and_dates(turn, "Jonas, by 9 June.") is None


@pytest.mark.parametrize(
    ("text", "refuses"),
    [
        ("The notes do not say.", True),
        ("The price is not mentioned in the notes.", True),
        ("There is no information about the price.", True),
        ("Mara will order the lamps.", False),
        (f"It is not known when. {NOTES * 3}", False),
    ],
)
def test_a_refusal_may_have_other_words_but_is_short(text, refuses):
    assert handwritten.is_refusal(text) is refuses


def test_figures_leave_out_what_was_not_asked_and_goals_name_what_is_missed():
    row = {"task": "summary", "hits": {"owner": True, "due": False}, "wrong": [], "format": None}
    row |= {"invented": ["berlin"], "refused": False, "degenerate": False}
    found = handwritten.figures([row, {**row, "wrong": ["due"], "invented": []}])
    assert (found["facet_recall"], found["wrong_owner_or_date"], found["invented"]) == (0.5,) * 3
    assert "format_kept" not in found
    whole = {
        **found,
        "refused": 1.0,
        "refused_95": [1, 1],
        "format_kept": 1.0,
        "format_kept_95": [1, 1],
    }
    table = tables.notes_goals({tables.TUNED: whole, "rules": found})
    assert (
        "| facet recall of summaries, at least 0.80 | 0.50 (0.50 to 0.50) | **not reached** |"
        in table
    )
    assert "| unanswerable refused, at least 0.85 | 1.00 (1.00 to 1.00) | reached |" in table
    assert "| from 0.50; theirs to 0.50 | **not reached** |" in table
    assert tables.notes_goals({"rules": found}) == ""
