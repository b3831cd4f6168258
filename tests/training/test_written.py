"""The notes written for tuning: apart from every test set, and true to themselves."""

import json
import re
from collections import Counter
from random import Random

import pytest

from helpers.common.paths import DATA
from helpers.models.prompts import load_prompts
from training import phrases, written
from training.settings import DATA_FOLDER

RUN = 8  # words: a run as long as this in two texts is no chance
NOTES = written.load()
CALENDAR = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
    "january",
    "february",
    "march",
    "april",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]

OWNERS = {"The", "Everyone", "Everybody"}


def words(text):
    return re.findall(r"\w+", text.casefold())


def runs(text):
    found = words(text)
    return {tuple(found[n : n + RUN]) for n in range(len(found) - RUN + 1)}


def answers(note):
    yield from note.summary
    for action in note.actions:
        yield str(action).removeprefix("- ").replace("Nobody yet: ", "")
    for _, answer in note.questions:
        yield answer


def strangers(text, note):
    """Return numbers, names and owners of an answer that its note does not have."""
    known = set(words(note.notes)) | set(re.findall(r"\d+", note.notes))
    # A day may be abbreviated, or one of many.
    known |= {
        day
        for day in CALENDAR
        for word in known
        if len(word) > 2 and day.startswith(word.removesuffix("s"))
    }
    owners = " ".join(action.owner or "" for action in note.actions)
    marked = re.findall(r"(?<![.?!:] )(?<!^)\b[A-Z][^\W_]+|\d+", text)
    marked += set(re.findall(r"[A-Z]\w+", text)) & set(re.findall(r"[A-Z]\w+", owners)) - OWNERS
    return [
        word
        for word in marked
        if word.casefold().removesuffix("s") not in known and word.casefold() not in known
    ]


def test_there_are_enough_notes_of_many_lengths():
    lengths = [len(note.notes.split()) for note in NOTES]
    assert len(NOTES) >= 500
    assert sum(length > 250 for length in lengths) >= 40
    assert sum(40 <= length <= 250 for length in lengths) > 0.7 * len(NOTES)


def test_every_note_has_one_id_and_every_field():
    assert [name for name, n in Counter(note.id for note in NOTES).items() if n > 1] == []
    for note in NOTES:
        assert note.notes.strip() == note.notes, note.id
        assert 1 <= len(note.summary) <= 4, note.id
        assert all(re.fullmatch(r"\S.*\S.*[.!]", sentence) for sentence in note.summary), note.id
        assert len(note.questions) >= 2, note.id
        assert note.unanswerable, note.id
        assert all(question.endswith("?") for question, _ in note.questions), note.id
        assert all(question.endswith("?") for question in note.unanswerable), note.id
        assert all(answer.endswith(".") for _, answer in note.questions), note.id


def test_no_name_number_or_date_of_an_answer_is_missing_from_its_note():
    wrong = {
        note.id: unknown
        for note in NOTES
        if (unknown := [word for text in answers(note) for word in strangers(text, note)])
    }
    assert wrong == {}


def test_no_note_shares_a_run_of_words_with_a_test_note():
    tested = json.loads((DATA_FOLDER / "handwritten.json").read_text(encoding="utf-8"))["notes"]
    sets = json.loads((DATA / "prompts.json").read_text(encoding="utf-8"))
    held_out = [note["notes"] for note in tested]
    held_out += [prompt.text for name in sets for prompt in load_prompts(f"{name}:all").prompts]
    taken = set().union(*map(runs, held_out))
    assert len(taken) > 1000
    assert {note.id for note in NOTES if runs(note.notes) & taken} == set()


def test_no_two_notes_share_a_sentence():
    of_note = [runs(note.notes) for note in NOTES]
    counts = Counter(run for found in of_note for run in found)
    shared = {
        note.id
        for note, found in zip(NOTES, of_note, strict=True)
        if any(counts[run] > 1 for run in found)
    }
    assert shared == set()


@pytest.mark.parametrize("place", ["first", "branch"])
def test_every_request_is_filled_in_and_holds_the_notes_only_where_it_comes_first(place):
    rng = Random(3)
    for note in NOTES:
        for task, request, answer in written.requests(rng, note, place):
            assert "{" not in request.replace(note.notes, ""), note.id
            assert (note.notes in request) == (place == "first"), note.id
            assert (task == "unanswerable") == (answer == phrases.NOT_IN_NOTES), note.id


def test_a_formatted_summary_has_the_asked_number_of_sentences_or_bullets():
    from training import scoring

    rng, checked = Random(5), 0
    for note in NOTES:
        for task, request, answer in written.requests(rng, note, "branch"):
            if task == "format":
                turn = {"user": request}
                asked = re.search(r"\b(?:in|as) (one|two|three|four|\d) (sentence|bullet)", request)
                assert asked, request
                if asked[1] not in ("four", "4"):
                    assert scoring.format_ok(turn, answer), (request, answer)
                    checked += 1
    assert checked > 100


def test_no_note_is_both_trained_on_and_held_out():
    trained, held_out = written.split(validation=False), written.split(validation=True)
    assert len(trained) + len(held_out) == len(NOTES)
    assert len(held_out) > len(NOTES) // 20


def test_a_varied_note_is_true_to_itself_and_has_other_people():
    rng, changed = Random(11), 0
    for note in NOTES:
        varied = written.vary(rng, note)
        assert [word for text in answers(varied) for word in strangers(text, varied)] == [], note.id
        assert len(varied.notes.split()) == len(note.notes.split()), note.id
        changed += varied.actions != note.actions
    assert changed > 0.8 * len(NOTES)


def test_days_move_on_together_and_only_where_none_is_shortened():
    note = next(note for note in NOTES if note.id == "a01")
    seen = {
        (day, other)
        for seed in range(40)
        for day, other in zip(
            re.findall(r"\w+day", note.notes),
            re.findall(r"\w+day", written.vary(Random(seed), note).notes),
            strict=True,
        )
    }
    moves = {(CALENDAR.index(b.lower()) - CALENDAR.index(a.lower())) % 7 for a, b in seen}
    assert moves == set(range(7))
    short = next(note for note in NOTES if re.search(r"\bsat\b", note.notes))
    days = {tuple(re.findall(r"\w+day", written.vary(Random(s), short).notes)) for s in range(40)}
    assert len(days) == 1
