"""The test sets, and what is compared on them."""

import json
import re

from training import evaluate, grammar, phrases, scoring
from training.settings import DATA_FOLDER


def test_the_handwritten_set_is_whole_and_every_facet_stands_in_its_notes():
    notes = json.loads((DATA_FOLDER / "handwritten.json").read_text(encoding="utf-8"))["notes"]
    assert len(notes) >= 40
    assert len({note["id"] for note in notes}) == len(notes)
    for note in notes:
        for request in note["requests"]:
            assert request["request"].count("{notes}") == 1, note["id"]
            for facet in request["facets"] + request.get("forbidden", []):
                assert scoring.contains(facet["any_of"], note["notes"]), (note["id"], facet)
    turns = evaluate.handwritten()
    assert {turn["task"] for turn in turns} == {
        "summary",
        "format",
        "actions",
        "question",
        "unanswerable",
    }
    assert not [turn["user"] for turn in turns if "{notes}" in turn["user"]]


def test_no_handwritten_note_comes_from_the_generator():
    """Independent of the templates: no whole sentence of a note fits one that has five words of its own or more."""
    notes = [
        note["notes"]
        for note in json.loads((DATA_FOLDER / "handwritten.json").read_text(encoding="utf-8"))[
            "notes"
        ]
    ]
    sentences = {
        sentence.strip()
        for text in notes
        for sentence in re.split(r"(?<=[.!?])\s|\n", text)
        if len(sentence.split()) > 5
    }
    from_parts = [cores for kinds in grammar.CORES.values() for cores in kinds.values()]
    own_words = {
        t: len(re.findall(r"[A-Za-z']+", re.sub(r"\{\w+\}", "", t)))
        for templates in (*phrases.blocks(), *from_parts)
        for t in templates
        if "{notes}" not in t
    }
    templates = [template for template, count in own_words.items() if count >= 5]
    patterns = [
        re.compile(
            re.sub(r"\\\{\w+\\\}", r"\\S+( \\S+){0,3}", re.escape(template)) + r"\.?", re.IGNORECASE
        )
        for template in templates
        if "{" in template
    ]
    assert len(sentences) > 100
    assert len(patterns) > 1000
    assert [
        sentence
        for sentence in sentences
        if any(pattern.fullmatch(sentence) for pattern in patterns)
    ] == []


def test_a_gain_is_the_difference_on_the_same_prompts(tmp_path):
    """Two sizes that differ by as much on every prompt are told apart, however much the prompts differ."""
    turns = [{"user": f"prompt {n}"} for n in range(40)]
    answers = tmp_path / "answers"
    answers.mkdir()

    def rows(found):
        return [
            {"task": "summary", "hits": {str(facet): facet < n % 8 + found for facet in range(10)}}
            for n in range(40)
        ]

    def write(prompts):
        lines = [
            json.dumps({"prompt": prompt} | row)
            for prompt, row in zip(prompts, rows(1), strict=True)
        ]
        (answers / "pocket-mini-generated.jsonl").write_text("\n".join(lines), encoding="utf-8")

    assert evaluate.gain("pocket-midi", tmp_path, turns, rows(2)) is None  # mini was not asked
    write([turn["user"] for turn in turns])
    gain = evaluate.gain("pocket-midi", tmp_path, turns, rows(2))
    assert gain == {
        "over": "pocket-mini",
        "summaries": 40,
        "difference": 0.1,
        "difference_95": [0.1, 0.1],
    }
    assert evaluate.gain("pocket-mini-int4", tmp_path, turns, rows(1))["difference_95"] == [
        0.0,
        0.0,
    ]
    assert evaluate.gain("pocket-nano", tmp_path, turns, rows(1)) is None  # nothing is smaller
    write(["another prompt"] * 40)
    assert evaluate.gain("pocket-midi", tmp_path, turns, rows(2)) is None
