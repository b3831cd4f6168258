"""What an answer says of a facet: right, missing, or something else instead."""

import pytest

from helpers.models.prompts import Facet, Prompt
from helpers.quality.matching import outcome, persons

NOTES = """Olivia: I think we should replace the mailroom scanner.
Tobias: I'll take it, done by 14 March. Deepak orders the paper by Friday.
We agreed NOT to renew the map licence. The old date, 7 March, is off."""
OWNER = Facet(id="owner", any_of=("Tobias",))
LISTED = Facet(id="owner", any_of=("Tobias",), instead_of=("Olivia",))
TASKS = (
    Facet(id="owner", any_of=("Tobias",), instead_of=("Deepak", "Olivia"), about=("scanner",)),
    Facet(id="owner-2", any_of=("Deepak",), instead_of=("Tobias", "Olivia"), about=("paper",)),
)
DUE = Facet(id="due", date="14 March")
MOVED = Facet(id="due", date="14 March", instead_of=("7 March",))
NOT_RENEW = Facet(id="decision", any_of=("renew the map licence",))
REPLACE = Facet(
    id="decision", any_of=("replace the mailroom scanner",), instead_of=("repair the scanner",)
)


@pytest.mark.parametrize(
    ("facet", "answer", "word"),
    [
        (OWNER, "Tobias owns it.", "right"),
        (OWNER, "The scanner is replaced.", "missing"),
        (OWNER, "Olivia owns it.", "contradicted"),  # another person of the notes, without a list
        (OWNER, "Olivia thinks that it is old.", "missing"),  # she only speaks
        (LISTED, "Not Olivia but Tobias does it.", "right"),
        (LISTED, "Somebody else than Tobias was meant: Olivia owns it.", "right"),
        (TASKS[0], "Tobias replaces the scanner. Deepak orders paper.", "right"),
        (TASKS[0], "Deepak replaces the scanner. Tobias orders paper.", "contradicted"),
        (TASKS[0], "Deepak orders paper.", "missing"),  # he owns another task, and rightly
        (TASKS[0], "The scanner is replaced. Olivia does it.", "contradicted"),
        (TASKS[0], "The scanner is replaced. Tobias does it.", "right"),
        (TASKS[1], "Tobias replaces the scanner, Deepak orders paper.", "right"),
        (TASKS[1], "Deepak replaces the scanner, Tobias orders paper.", "contradicted"),
        (DUE, "It is due by March 14th.", "right"),
        (DUE, "It is due by 24 March.", "contradicted"),
        (DUE, "It is due soon.", "missing"),
        (MOVED, "It is due by 14 March, not 7 March.", "right"),
        (MOVED, "It is due by 7 March.", "contradicted"),
        (MOVED, "Paper comes by Friday.", "missing"),  # a day of the notes that is not listed
        (NOT_RENEW, "They decided not to renew the map licence.", "right"),
        (NOT_RENEW, "They decided to renew the map licence.", "contradicted"),  # a lost not
        (REPLACE, "They replace the mailroom scanner.", "right"),
        (REPLACE, "They will not replace the mailroom scanner.", "contradicted"),  # a new not
        (REPLACE, "They repair the scanner.", "contradicted"),
        (REPLACE, "They replace the mailroom scanner instead of repair the scanner.", "right"),
        (REPLACE, "", "missing"),
    ],
)
def test_a_facet_is_right_missing_or_contradicted(facet, answer, word):
    prompt = Prompt(id="p", text=NOTES, facets=(facet,) if facet not in TASKS else TASKS)
    assert outcome(facet, prompt, answer).word == word


@pytest.mark.parametrize(
    ("notes", "names"),
    [
        (NOTES, ["Olivia", "Tobias", "Deepak"]),
        ("joao: ok\nmei: yes, Friday: no", ["joao", "mei"]),
        ("Decision: test it. Owner: Farid. Ana will do it on Monday.", ["Ana"]),
        ("- Nadira -> slips\n[10:02] zeynep: fine", ["Nadira", "zeynep"]),
    ],
)
def test_persons_are_those_who_speak_or_act(notes, names):
    assert sorted(persons(notes)) == sorted(names)


def test_a_month_is_never_taken_for_another_that_is_spelled_alike():
    facet = Facet(id="due", any_of=("the end of May",))
    prompt = Prompt(id="p", text="Done by the end of May.", facets=(facet,))
    assert outcome(facet, prompt, "Done by the end of March.").word == "contradicted"
