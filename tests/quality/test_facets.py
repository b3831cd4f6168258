"""What an answer is worth: facets of every kind, the form, a run's quality and its verdicts."""

import json

import numpy as np
import pytest

from helpers.common.errors import UsageError
from helpers.common.paths import PROJECT
from helpers.models.prompts import AnswerFormat, Facet, Prompt, PromptSet, load_prompts
from helpers.quality import facets
from support.records import HALF, RIGHT, WRONG, recorded


def facet(**match) -> Facet:
    return Facet(id="it", **match)


@pytest.mark.parametrize(
    ("match", "answer", "words"),
    [
        ({"any_of": ["Tobias"]}, "tobias owns it", "tobias"),
        ({"any_of": ["retriev"]}, "It uses retrieval.", "retrieval"),
        ({"any_of": ["art"]}, "a part of it", None),
        ({"any_of": ["who pays", "payment"]}, "Payment is open", "payment"),
        ({"any_of": ["it\u2019s open"]}, "it's  open", "it's open"),
        (
            {"any_of": ["replace the mailroom scanner"]},
            "They replace the mailroom scaner.",
            "replace the mailroom scaner",
        ),
        ({"any_of": ["replace the mailroom scanner"]}, "They repair the badge printer.", None),
        (
            {"any_of": ["Katarina"]},
            "Katarine owns it",
            None,
        ),  # one word must be right: a garbled name is a wrong name
        ({"any_of": ["19 October"]}, "due by 18 October", None),  # and so must a date
        ({"any_of": ["open"]}, "", None),
        ({"number": 6.5}, "The price is 6.50 now", "6.50"),
        ({"number": 12000}, "about 12,000 people", "12,000"),
        ({"number": 3}, "Three people", "three"),
        ({"number": 5}, "version 4.5 and 15", None),
        ({"date": "14 March"}, "by March 14th", "march 14th"),
        ({"date": "14 March"}, "by the 14 of march", "14 of march"),
        ({"date": "14 March"}, "on 14.03.", "14.03"),
        ({"date": "14 March"}, "on 2026-03-14", "2026-03-14"),
        ({"date": "14 March"}, "by Mar 14", "mar 14"),
        ({"date": "4 March"}, "by 14 March", None),
        ({"date": "1 May"}, "by May 12", None),
        ({"date": "14 March"}, "by 15 March", None),
        ({"regex": r"room \d+"}, "Move to Room 12", "room 12"),
        ({"regex": r"room \d+"}, "Move to room twelve", None),
    ],
)
def test_a_facet_finds_its_words(match, answer, words):
    assert facets.find(facet(**match), answer) == words


PROMPT = Prompt(
    id="p",
    text="Summarize",
    facets=(
        Facet(id="owner", any_of=("Ana",)),
        Facet(id="due", any_of=("Friday",)),
        Facet(id="why", any_of=("leak",), kind="optional"),
        Facet(id="old", any_of=("Monday",), kind="forbidden"),
    ),
    format=AnswerFormat(sentences=1),
)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Ana owns it by Friday.", 1.0),
        (
            "Ana owns it by Friday because of the leak.",
            1.0,
        ),  # an optional facet is shown and not counted
        (
            "Ana owns it by Friday, not Monday.",
            3 / 4,
        ),  # a forbidden one that is named is one more check, failed
        ("Ana owns it. It is due.", 1 / 3),
        ("", 0.0),
        ("Monday", 0.0),  # a day by itself is a list, not a sentence
    ],
)
def test_quality_is_the_share_of_checks_that_are_passed(answer, expected):
    assert facets.score(PROMPT, answer).quality == pytest.approx(expected)


def test_a_prompt_that_expects_nothing_has_no_quality():
    assert facets.score(Prompt(id="p", text="Hello"), "Hi.").quality is None


def test_the_form_may_limit_the_words():
    prompt = Prompt(id="p", text="Short", format=AnswerFormat(max_words=3))
    assert [facets.score(prompt, text).quality for text in ("a b c", "a b c d", "")] == [
        1.0,
        0.0,
        0.0,
    ]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"id": "f"}, "one of any_of, number, date and regex, found none"),
        ({"id": "f", "any_of": ["a"], "number": 3}, "found any_of and number"),
        ({"id": "f", "regex": "("}, "regex is not a regular expression"),
        ({"id": "f", "date": "31 Foo"}, "match pattern"),
    ],
)
def test_a_facet_that_cannot_be_matched_is_named(tmp_path, bad, message):
    path = tmp_path / "prompts.json"
    path.write_text(
        json.dumps({"mine": {"prompts": [{"id": "p", "text": "x", "facets": [bad]}]}}),
        encoding="utf-8",
    )
    with pytest.raises(UsageError, match=r"prompts\.json.*facets") as caught:
        load_prompts(path)
    assert message in str(caught.value)


# ---------------------------------------------------------------- a run


def test_a_run_is_judged_model_by_model_with_intervals(tmp_path):
    judged = facets.score_facets(
        recorded(tmp_path, {"good": [RIGHT] * 5 + [HALF], "poor": [WRONG, HALF] * 3})
    )
    good, poor = judged.summary
    assert good["quality"] == pytest.approx(5.5 / 6)
    assert poor["quality"] == pytest.approx(0.25)
    assert (
        good["quality_low"] < good["quality"] < good["quality_high"] == 1
    )  # cut to what is possible
    assert (good["prompts_judged"], good["facet_recall"]) == (6, pytest.approx(11 / 12))
    assert judged.compare() == [
        "Quality: poor is 0.67 below good (95 % interval 0.24 to 1.00, n = 6 prompts)."
    ]
    assert "good" in str(judged)
    assert "<table" in judged._repr_html_()


def test_equal_and_unclear_quality_is_said_to_be_so(tmp_path):
    judged = facets.score_facets(
        recorded(
            tmp_path,
            {"a": [RIGHT, HALF] * 3, "same": [RIGHT, HALF] * 3, "mixed": [HALF, RIGHT] * 3},
        )
    )
    assert judged.compare() == [
        "Quality: same and a have the same quality on each of 6 prompts.",
        "Quality: cannot tell mixed and a apart: the difference is 0.00 (joint 95 % interval -0.71 to 0.71, n = "
        "6 prompts); to settle a difference of 0.1: 280 more prompts.",
    ]


def test_prompts_that_all_agree_give_no_interval(tmp_path):
    judged = facets.score_facets(recorded(tmp_path, {"good": [RIGHT] * 6}))
    assert (
        judged.summary[0]["quality"],
        judged.summary[0]["quality_low"],
        judged.summary[0]["quality_high"],
    ) == (1.0, None, None)


def test_two_prompts_are_too_few_for_an_interval_or_a_verdict(tmp_path):
    judged = facets.score_facets(
        recorded(tmp_path, {"good": [RIGHT, RIGHT], "poor": [WRONG, WRONG]})
    )
    assert [row["quality_low"] for row in judged.summary] == [None, None]
    assert judged.compare() == [
        "Quality: cannot tell poor and good apart with 2 prompts; an interval needs 5."
    ]


def test_a_model_without_answers_and_a_prompt_without_expectations_are_shown_as_unknown(tmp_path):
    prompts = [
        {"id": "p1", "text": "Prompt 1"},
        {"id": "p2", "text": "Prompt 2", "facets": [{"id": "owner", "any_of": ["Ana"]}]},
    ]
    judged = facets.score_facets(
        recorded(tmp_path, {"good": [RIGHT, RIGHT], "dead": [None, None]}, prompts)
    )
    assert [(row["quality"], row["answers_judged"]) for row in judged.summary] == [
        (1.0, 1),
        (None, 0),
    ]
    assert judged.compare() == []
    assert "Not judged, because nothing is expected of them: p1." in str(judged)
    assert "'p1' expects nothing in particular" in str(judged.details("p1"))
    assert "yes: ana" in str(judged.details("p2"))
    with pytest.raises(UsageError, match="No prompt is called 'p3' here; there are p1, p2"):
        judged.details("p3")


def test_the_example_in_the_docs_is_a_valid_prompt():
    text = (PROJECT / "docs" / "quality.md").read_text(encoding="utf-8")
    prompt = Prompt.model_validate_json(text.split("```json\n")[1].split("```")[0])
    answer = "Ana will repair the oven by March 14th for 6.50 euros. Room 12 is closed."
    assert [check.passed for check in facets.score(prompt, answer).checks] == [True] * 7


def test_the_shipped_prompts_with_facets_can_be_passed_and_failed():
    """Find each facet in one of its own wordings, and not in an empty answer."""
    for name in ("session", "deterministic", "meeting-notes"):
        for prompt in load_prompts(name).prompts:
            for one in prompt.facets:
                assert (
                    facets.find(one, f"So: {one.any_of[0]}." if one.any_of else "")
                    or not one.any_of
                ), (name, prompt.id, one.id)
                assert facets.find(one, "") is None


# ---------------------------------------------------------------- what stands beside a model

NOTED = [
    {
        "id": f"p{n}",
        "text": "Summarize the meeting notes: Bo has spoken for a long time about the weather of last "
        f"week. We agreed to repair oven {n}. Ana will do it by 14 March. Who pays is open.",
        "facets": [
            {"id": "decision", "any_of": ["repair oven"]},
            {"id": "owner", "any_of": ["Ana"]},
            {"id": "due", "date": "14 March"},
        ],
    }
    for n in range(1, 7)
]
GOOD, BAD = (
    "They repair oven; Ana by 14 March.",
    "They repair oven; Bo does it by 20 March with Eve.",
)


def test_answers_without_a_model_stand_below_the_models_in_the_same_columns(tmp_path):
    judged = facets.score_facets(recorded(tmp_path, {"good": [GOOD] * 6, "poor": [BAD] * 6}, NOTED))
    assert list(judged.references) == ["copy of the notes", "first two sentences", "rules baseline"]
    assert all(len(values) == 6 for values in judged.references.values())
    assert max(judged.references["copy of the notes"].values()) < 0.1
    good, poor = judged.summary
    assert (good["quality"], good["contradicted"], good["unsupported"]) == (1, 0, 0)
    assert (poor["quality"], poor["contradicted"], poor["unsupported"]) == (0, 1, 1)
    table = judged.table()
    assert [row[0] for row in table.rows] == ["good", "poor", *judged.references]
    assert len(table.headers) == 8
    details = str(judged.details("p1"))
    assert "contradicted: Bo" in details
    assert "20, Eve" in details


def test_a_verdict_says_how_many_prompts_would_settle_a_difference():
    differences = [0.3, -0.2, 0.1, 0.0, -0.1, 0.2]
    more = facets.prompts_to_settle(differences)
    assert more is not None
    spread = np.std(differences, ddof=1)
    assert len(differences) + more == pytest.approx((2.8016 * spread / 0.1) ** 2, abs=1)
    assert facets.prompts_to_settle([0.1] * 9) is None
    assert facets.prompts_to_settle([0.1, 0.2]) is None
    assert facets.prompts_to_settle([0.01, -0.01] * 20) == 0


def test_models_that_were_taught_on_texts_like_these_are_named(tmp_path):
    run = recorded(tmp_path, {"good": [GOOD] * 6, "poor": [BAD] * 6}, NOTED)
    taught = PromptSet(name="mine", taught_on=("poor", "another"), prompts=NOTED)
    assert facets.score_facets(run).sentences() == []
    (sentence,) = facets.Quality(run, taught).sentences()
    assert sentence.startswith("poor was taught on texts like mine.")
