"""What an answer invents, takes over and leaves whole, for any prompt and without a list."""

import pytest

from helpers.quality.faithfulness import check_answer

NOTES = """Summarize the meeting notes: Olivia thinks that the mailroom scanner in room 12 is broken
for good. Tobias takes it to the shop by 14 March, before 16:30, and pays at most 120 euros. The
Lyon office joins on the third of May. Open: who pays."""


@pytest.mark.parametrize(
    ("answer", "invented"),
    [
        ("Tobias takes the scanner to the shop by 14 March. Who pays is open.", ()),
        ("Tobias's task: the shop, by March 14th, at 16.30. Lyon joins on 3 May.", ()),
        ("**Decision:** the Scanner goes to the shop. The Team waits.", ()),
        ("Katarina owns the scanner.", ("Katarina",)),
        ("The scanner goes to Katarina and to Bergen.", ("Katarina", "Bergen")),
        ("Tobias pays 150 euros.", ("150",)),
        ("Tobias pays 120.00 euros in room twelve.", ()),
        ("It is due on 14 April, a Monday.", ("April", "Monday")),
        ("- Katarina: scanner", ("Katarina",)),
        ("1. Tobias: scanner\n2. Olivia: nothing", ()),
        ("", ()),
    ],
)
def test_names_numbers_and_days_that_the_prompt_does_not_have_are_named(answer, invented):
    assert check_answer(NOTES, answer).unsupported == invented


def test_nouns_that_a_language_writes_with_capitals_are_no_names():
    notes = (
        "Das Protokoll der Sitzung: Wir haben den Drucker im Keller besprochen, und Tobias bringt "
        "das Gerät am Montag in die Werkstatt, weil der Schaden an der Walze zu teuer ist."
    )
    assert check_answer(notes, "Tobias bringt den Apparat in die Reparatur.").unsupported == ()
    assert check_answer(notes, "Tobias bringt ihn am Freitag für 90 Euro.").unsupported == ("90",)


def test_a_question_has_no_notes_that_an_answer_could_leave():
    assert check_answer("Why is RAM slow?", "Ask Katarina in 1999.").unsupported == ()
    assert check_answer("Why is RAM slow?", "Ask Katarina in 1999.").length is None


@pytest.mark.parametrize(
    ("answer", "copied"),
    [
        (NOTES, 1.0),
        ("Tobias brings the scanner to a shop.", 0.0),
        ("So: Tobias takes it to the shop by 14 April.", 0.0),
        ("Tobias takes it to the shop by 14 March, before lunch, I think.", 10 / 13),
    ],
)
def test_runs_of_ten_words_count_as_copied(answer, copied):
    assert check_answer(NOTES, answer).copied == pytest.approx(copied)


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("Tobias brings the scanner to a shop.", 1.0),
        (NOTES, 0.0),
        (" ".join(f"own{n}" for n in range(70)), 0.0),  # longer than the notes
        ("Tobias takes it to the shop by 14 March, before lunch, I think.", 1 - 5 / 13),
    ],
)
def test_what_is_left_falls_with_copying_and_with_length(answer, left):
    assert check_answer(NOTES, answer).own_work == pytest.approx(left)


def test_a_list_of_names_and_days_is_no_prose():
    listed = check_answer(NOTES, "Olivia, Tobias, Lyon, 14 March, 3 May, 120, 12")
    assert listed.prose < 0.3
    assert check_answer(NOTES, "Tobias takes it to the shop by 14 March.").prose == 1
