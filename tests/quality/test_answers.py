"""The distinct answers of a run, each of which is judged once."""

from helpers.quality.answers import answer_hash, distinct
from support.records import HALF, RIGHT, about, answer, failure, record


def test_an_answer_that_every_round_repeats_is_one_answer_with_its_count(tmp_path):
    rows = [answer("m", "short", n, 0.1, text=RIGHT if n < 3 else HALF) for n in (1, 2, 3)]
    run = record(tmp_path, {"m": about()}, [*rows, failure("m", "long", 1)])
    assert [(a.model, *a.key, a.text, a.n) for a in distinct(run)] == [
        ("m", "short", answer_hash(RIGHT), RIGHT, 2),
        ("m", "short", answer_hash(HALF), HALF, 1),
    ]
    assert distinct(run) is distinct(run)  # a record may have a million rows


def test_any_text_has_a_hash():
    assert answer_hash("a") != answer_hash("a ")
    assert len(answer_hash("\ud800")) == 16  # half a character, as a broken stream may leave
