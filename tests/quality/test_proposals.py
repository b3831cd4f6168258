"""Facets proposed from somebody's own notes, and what a person makes of them."""

import json

import pytest

from helpers.cli.app import main
from helpers.common.errors import UsageError
from helpers.models.prompts import Prompt, load_prompts
from helpers.quality import facets
from helpers.quality.proposals import propose

NOTES = """Hi all, we agreed NOT to renew the licence for the map service. Tobias will tell the vendor
by 14 March. Olivia: I'll look for another one, done by Friday. Deepak was late."""


def by_id(notes):
    return {facet.id: facet for facet in propose(notes)}


def test_decision_owners_and_days_are_proposed_with_what_contradicts_them():
    proposed = by_id(NOTES)
    assert list(proposed) == ["decision", "owner", "owner-2", "due", "due-2"]
    assert proposed["decision"].any_of == ("not renew the licence", "not to renew the licence")
    assert proposed["decision"].instead_of == ("renew the licence",)
    assert (proposed["owner"].any_of, proposed["owner"].instead_of) == (("Tobias",), ("Olivia",))
    assert (proposed["due"].date, proposed["due-2"].any_of) == ("14 March", ("Friday",))


@pytest.mark.parametrize(
    ("notes", "decision"),
    [
        ("Decision: test the tenant portal.", "test the tenant portal"),
        ("Let's cancel the magazine.", "cancel the magazine"),
        ("The team decided to repair the lift by May.", "repair the lift"),
        ("It rained.", None),
    ],
)
def test_a_decision_is_found_in_usual_words(notes, decision):
    found = by_id(notes).get("decision")
    assert (found.any_of[0] if found else None) == decision


def test_the_command_writes_a_set_from_any_encoding_and_never_over_a_file(tmp_path, capsys):
    folder, output = tmp_path / "notes", tmp_path / "mine.json"
    folder.mkdir()
    (folder / "vendor.txt").write_text(NOTES, encoding="utf-16")
    (folder / "other.txt").write_text("It rained.", encoding="utf-8")
    command = ["prompts", "new", str(folder), "--output", str(output)]
    assert main(command) == 0
    assert "2 prompts with 5 facets" in capsys.readouterr().out
    other, vendor = load_prompts(output).prompts
    assert (other.id, vendor.id, other.facets) == ("other", "vendor", ())
    good, bad = (
        facets.score(vendor, answer)
        for answer in (
            "They do not renew the licence. Tobias tells the vendor by 14 March; "
            "Olivia looks for another one by Friday.",
            "They renew the licence. Olivia tells the vendor by 20 March.",
        )
    )
    assert good.quality == 1
    assert bad.contradicted and bad.quality == 0
    assert main(command) == 2
    assert "exists; name another file" in capsys.readouterr().err


def test_a_typo_in_a_field_of_a_facet_is_told_with_the_nearest_field(tmp_path):
    path = tmp_path / "p.json"
    bad = {"id": "p", "text": "x", "facets": [{"id": "f", "anyof": ["a"]}]}
    path.write_text(json.dumps({"mine": {"prompts": [bad]}}), encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"facets\.0\.anyof: unknown field \(did you mean any_of\?\)"
    ):
        load_prompts(path)


def test_prompts_may_be_lists_of_lines():
    assert Prompt.model_validate({"id": "p", "text": ["a", "", "b"]}).text == "a\n\nb"
