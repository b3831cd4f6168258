"""The text of the models: the same for the same seed, and held-out words stay held out."""

import hashlib
import json
import re

import pytest

from training import generate, phrases, settings, words


def test_the_same_seed_writes_the_same_text(tmp_path):
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        generate.write(tmp_path / name, seed, scale=0.002)
    texts = {
        name: (tmp_path / name / "train.jsonl").read_text(encoding="utf-8")
        for name in ("first", "again", "other")
    }
    assert texts["first"] == texts["again"]
    assert texts["first"] != texts["other"]
    assert len(texts["first"].splitlines()) == 260


def test_no_name_topic_word_or_verb_of_one_split_is_in_another():
    """Every content word of a facet has one owner, whichever list it came from; titles, small words and dates are shared."""
    for split in words.SPLITS:
        facets = [
            facet
            for c in generate.conversations(5, split, 400)
            for turn in c
            for name, facet in turn.facets.items()
            if name.startswith("owner")
        ]
        names = {
            word.casefold() for facet in facets for word in re.findall(r"[A-Za-z]{3,}", facet)
        } - {"nobody"}
        assert len(names) > 50
        assert [name for name in names if words.split_of(name) != split] == []


def test_in_training_further_requests_stand_behind_the_notes_alone():
    """A branch is right behind the notes, which only the first request holds."""
    conversations = [
        c for c in generate.conversations(12, "train", 500) if any(turn.notes == "" for turn in c)
    ]
    assert len(conversations) > 200
    for first, *others in conversations:
        assert first.notes
        assert first.notes in first.request
        assert all(
            turn.notes == "" and turn.request[0] in " \n" and "{" not in turn.request
            for turn in others
        )


def test_the_notes_contain_what_the_readme_says():
    """Every phenomenon that the task names is there; changes of mind are not the rule."""
    shares = generate.contents(1, "test", 1500)
    assert min(shares.values()) > 0.02
    assert shares["a digression"] > 0.5
    for name in (
        "a date that is corrected",
        "an owner who is corrected at once",
        "a task that is handed over later",
        "a plan that is dropped for another",
    ):
        assert 0.02 < shares[name] < 0.15, name


def test_no_held_out_request_is_asked_in_training():
    """Wherever the notes stand in it."""

    def wording(text):
        return phrases.plain(text.replace("{notes}", " ")).strip()

    asked = set()
    for conversation in generate.conversations(11, "train", 3000):
        for turn in conversation:
            if turn.task in ("summary", "actions"):
                asked.add(
                    wording(turn.request.replace(turn.notes, "") if turn.notes else turn.request)
                )
    assert len(asked) > 1000
    for split in ("validation", "test"):
        for kind in ("summary", "actions"):
            held_out = {wording(template) for template in phrases.own_requests(kind, split)}
            assert len(held_out) >= 6
            assert not held_out & asked


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", "9b18fa99d0d4178f5868ae41810f2246"),
        ("validation", "30c01733ff70a5236afc0d407d105a6c"),
        ("test", "f0d9d17e5e89b6f72018717236672972"),
    ],
)
def test_the_text_is_that_of_the_shipped_models_to_the_letter(split, expected):
    """A change here makes other models: raise VERSION, train and measure again."""
    digest = hashlib.sha256()
    for turns in generate.conversations(settings.SEED, split, 400):
        lines = json.dumps([generate.turn(answer) for answer in turns], ensure_ascii=False)
        digest.update(lines.encode("utf-8"))
    assert digest.hexdigest()[:32] == expected


def test_the_wording_that_the_tokenizer_keeps_apart_is_that_of_the_shipped_models():
    text = phrases.answer_text() + phrases.fixed_text()
    assert (
        hashlib.sha256(text.encode("utf-8")).hexdigest()[:32] == "a170113c2b9f6f81854b89deab5cafb6"
    )
