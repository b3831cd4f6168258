"""What is known from training in the study of gaps."""

import re

import pytest

from training import gaps, phrases, words


@pytest.mark.parametrize("known", [(), ("words",), ("sentences",), ("requests",)])
def test_a_study_of_gaps_takes_from_training_what_it_says_and_nothing_else(known):
    before = phrases.own_requests("summary", "validation"), words.vocabulary("validation").names
    turns = gaps.summaries(known, 150)
    assert (
        phrases.own_requests("summary", "validation"),
        words.vocabulary("validation").names,
    ) == before
    text = "\n".join(turn["user"] for turn in turns)
    trained = {
        "words": {
            name for name in words.vocabulary("train").names if re.search(rf"\b{name}\b", text)
        },
        "sentences": {
            line
            for line in phrases.own(phrases.VOICES["reported"]["chatter"], "train")
            if "{" not in line and line.rstrip(".") in text
        },
        "requests": {
            line
            for line in phrases.own_requests("summary", "train")
            if line.replace("{notes}", "").strip() in text
        },
    }
    session_request = {phrases.REQUESTS["summary"][0]}
    assert {part for part, found in trained.items() if len(found - session_request) > 2} == set(
        known
    )
