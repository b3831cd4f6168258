"""Requests, questions and their reference answers."""

import re

from training import answers, generate, grammar, phrases, words


def test_parts_that_come_to_a_held_out_request_or_question_are_not_used(monkeypatch):
    """Whatever parts.json holds, and however it is written."""
    held_out = phrases.own_requests("summary", "test")[0]
    asked = phrases.own(phrases.QUESTIONS["decision"], "validation")[0]
    rng = words.generator(5, "train")
    for request, question, used in ((held_out, asked, False), ("Zum {notes} zum", "Zum?", True)):
        monkeypatch.setattr(
            grammar,
            "request",
            lambda _rng, _kind, text=request: text.upper().replace("{NOTES}", "{notes}") + "!",
        )
        monkeypatch.setattr(grammar, "question", lambda _rng, _kind, text=question: text.upper())
        wordings = {
            phrases.wording(answers.request(rng, "train", "summary", "first")) for _ in range(40)
        }
        assert (phrases.wording(request) in wordings) == used
        questions = {
            phrases.wording(answers.question_text(rng, "train", "decision")) for _ in range(40)
        }
        assert (phrases.wording(question) in questions) == used


def test_every_expected_facet_stands_in_the_reference_answer():
    turns = [
        turn for conversation in generate.conversations(3, "test", 300) for turn in conversation
    ]
    facets = [(value, turn.text) for turn in turns for value in turn.facets.values()]
    assert len(facets) > 300
    assert [value for value, text in facets if value.lower() not in text.lower()] == []


def test_answers_keep_the_form_that_the_prompt_asks_for():
    two = [
        turn.text
        for c in generate.conversations(4, "test", 600)
        for turn in c
        if re.search(r"in (2|two) sentences", turn.request, re.IGNORECASE)
    ]
    three = [
        turn.text
        for c in generate.conversations(4, "test", 600)
        for turn in c
        if re.search(r"(3|three) bullets", turn.request, re.IGNORECASE)
    ]
    assert len(two) > 5
    assert len(three) > 5
    assert {len(re.findall(r"[.!?](\s|$)", text)) for text in two} == {2}
    assert {len(re.findall(r"^- ", text, re.MULTILINE)) for text in three} == {3}
