"""What is wrong with an answer, in words: wrong owner, lost not, invented date; and the worst answers of a run."""

import pytest

from helpers.models.prompts import Prompt
from helpers.quality.facets import score, score_facets
from helpers.quality.faults import faults, worst_answers
from support.records import recorded

NOTES = Prompt(
    id="map",
    text="Ana: the map licence ends soon, it costs 200 euros.\nBen: we agreed NOT to renew the map licence."
    "\nAna: Cleo, please tell the field team by 7 March.\nCleo: I will do it.",
    facets=[
        {"id": "decision", "any_of": ["renew the map licence"]},
        {"id": "owner", "any_of": ["Cleo"], "instead_of": ["Ben"]},
        {"id": "due", "date": "7 March"},
    ],
    format={"max_words": 20},
)
GOOD = "They agreed not to renew the map licence. Cleo tells the field team by 7 March."


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (GOOD, []),
        (
            GOOD.replace("not to", "to"),
            ['a lost "not": it says "renew the map licence", which the notes deny'],
        ),
        (GOOD.replace("Cleo", "Ben"), ["wrong owner: Ben, not Cleo"]),
        (GOOD.replace("7 March", "9 March"), ["wrong date: 9 March, not 7 March", "invented number: 9"]),
        (GOOD.replace(" by 7 March", " in June"), ["invented date: June", "missing: due (7 March)"]),
        (GOOD.replace("They", "Today, Maria and Dora"), ["invented name: Maria, Dora"]),
        ("Cleo did.", ["missing: decision (renew the map licence), due (7 March)"]),
        (GOOD + " This matters a great deal to all of them.", ["25 words, asked: at most 20 words"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_words(answer, words):
    assert list(faults(NOTES, answer, score(NOTES, answer))) == words


def test_a_copy_is_called_a_copy():
    said = faults(NOTES, NOTES.text, score(NOTES, NOTES.text))
    assert "copied: 100 % of its words are runs of the notes" in said


def test_the_worst_answers_come_first_each_of_another_prompt(tmp_path):
    facets = [
        {"id": "owner", "any_of": ["Ana"], "instead_of": ["Ben"]},
        {"id": "due", "any_of": ["Friday"]},
    ]
    prompts = [{"id": f"p{n}", "text": f"Prompt {n}", "facets": facets} for n in (1, 2, 3)]
    texts = {
        "a": ["Ana by Friday.", "Ana.", "Ben."],
        "b": ["Ana by Friday.", "Ana by Friday.", "Ben."],
    }
    quality = score_facets(recorded(tmp_path, texts, prompts))
    found = worst_answers(quality)
    assert [(of.models, of.prompt) for of in found] == [(("a", "b"), "p3"), (("a",), "p2")]
    assert found[0].faults == ("wrong owner: Ben, not Ana", "missing: due (Friday)")
    assert [of.prompt for of in worst_answers(quality, 1)] == ["p3"]
    assert [of.prompt for of in worst_answers(quality, models=["b"])] == ["p3"]
