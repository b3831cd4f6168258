"""Guesses before a measurement: kept, answered with the figure, and counted at the end."""

import json

import pytest

from helpers import guess, reveal, review_guesses


@pytest.fixture(autouse=True)
def results(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def test_a_guess_is_answered_with_the_figure_and_its_interval():
    assert repr(guess("factor", 2.0)) == "You say 2.0."
    said = "You said 2.0; measured 4.9 (4.2 to 5.7)."
    assert repr(reveal("factor", 4.9, 4.2, 5.7)) == said


def test_the_course_goes_on_without_a_guess_and_without_a_figure():
    assert "in place of the dots" in guess("factor", ...)
    assert "in place of the dots" in guess("factor", "two")
    assert "in place of the dots" in guess("factor", True)
    assert reveal("factor", 12345.678) == "Measured 12,346."
    assert reveal("load", None) == "There is no figure here, so no guess is answered."
    assert review_guesses() == "You made no guess that a measurement answered."


def test_the_last_guess_before_the_first_answer_counts(results):
    guess("factor", 1)
    guess("factor", 2)
    reveal("factor", 4.0)
    guess("factor", 4)
    assert reveal("factor", 4.1) == "You said 2; measured 4.1."
    assert "1 too low, 0 too high and 0 right" in review_guesses()
    lines = (results / "guesses.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["guess"] for line in lines] == ["factor"] * 5  # nothing is replaced


def test_the_end_says_how_many_were_too_low_too_high_or_right():
    for name, said, low, high in (
        ("a", 2.0, 4.2, 5.7),
        ("b", 5.6, 4.2, 5.7),
        ("c", 4.5, None, None),
        ("d", 4.3, None, None),
        ("e", 9.0, 4.2, 5.7),
        ("f", 5.5, None, None),
        ("open", 1.0, None, None),
    ):
        guess(name, said)
        if name != "open":
            reveal(name, 4.9, low, high)
    words = "Guesses that were answered: 6; 2 too low, 2 too high and 2 right."
    assert review_guesses() == words


def test_damaged_lines_and_a_folder_that_cannot_be_written_stop_nothing(results, monkeypatch):
    guess("factor", 2.0)
    with (results / "guesses.jsonl").open("ab") as file:
        file.write(b'\xff{"guess": \n[1]\n{"at": 1}\n')
    assert reveal("factor", 4.0) == "You said 2.0; measured 4."
    monkeypatch.setenv("WORKSHOP_RESULTS", str(results / "guesses.jsonl" / "below"))
    assert (guess("factor", 2.0), reveal("factor", 4.0)) == ("You say 2.0.", "Measured 4.")
