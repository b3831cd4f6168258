"""models.json: the shipped one, and every way to get one wrong."""

import json

import pytest

from helpers.common.errors import UnknownModel, UsageError
from helpers.common.paths import DATA
from helpers.models.lineup import (
    Lineup,
    ModelEntry,
    load_models,
    model_list,
    unknown,
)
from support.sentences import says

GOOD = {"capabilities": ["chat"], "size_mb": 3}


# The shipped files -------------------------------------------------------------------------------------------------


def test_shipped_models():
    models = load_models()
    assert list(models) == list(json.loads((DATA / "models.json").read_text(encoding="utf-8")))
    assert models.built_in
    assert [models[a].source for a in models.built_in] == ["built-in"] * len(models.built_in)
    sizes = [models[a].size_mb for a in models.built_in]
    assert sizes == sorted(sizes)


def test_former_names_of_shipped_models_are_no_names_of_today():
    models = load_models()
    former = [name for entry in models.values() for name in entry.renamed_from]
    assert len(former) == len(set(former))
    assert not set(former) & set(models)
    assert all(models.current(name) in models for name in former)


# models.json -------------------------------------------------------------------------------------------------------


def test_models_of_a_file(write):
    models = load_models(
        write(
            {
                "b-1.5": {**GOOD, "renamed_from": ["b-1"]},
                "a": {**GOOD, "source": "built-in"},
                "c": {"capabilities": [], "size_mb": None},
            }
        )
    )
    assert list(models) == ["b-1.5", "a", "c"]
    assert models["a"] == ModelEntry(capabilities=("chat",), size_mb=3.0, source="built-in")
    assert models.built_in == ["a"]
    assert (models.current("b-1"), models.current("b-1.5"), models.current("zzz")) == (
        "b-1.5",
        None,
        None,
    )
    assert models["c"].size_mb is None


def test_a_byte_order_mark_is_no_mistake(write):
    assert list(load_models(write(b"\xef\xbb\xbf" + json.dumps({"a": GOOD}).encode()))) == ["a"]


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ["not valid JSON", "line 1 column 1"]),
        ('{\n  "a": {"size_mb": 3,}\n}', ["not valid JSON", "line 2 column "]),
        (
            '{"a": {"capabilities": [], "size_mb": 3}, "a": {"capabilities": [], "size_mb": 4}}',
            ["'a' appears twice"],
        ),
        ('{"a": {"capabilities": [], "size_mb": 3, "size_mb": 4}}', ["'size_mb' appears twice"]),
        (b"\xff\xfe{", ["cannot be read as UTF-8 or UTF-16 text (line 1)", "save it as UTF-8"]),
        ("[" * 100_000, ["not valid JSON"]),
        ({}, ["expected an object with at least one model"]),
        ([GOOD], ["expected an object with at least one model"]),
        ("null", ["expected an object with at least one model"]),
        ({"a": {**GOOD, "sise": 1}}, ["a.sise", "unknown field", "expected one of", "size_mb"]),
        ({"a": {"capabilities": ["chat"]}}, ["a.size_mb", "field required"]),
        ({"a": {"size_mb": 3}}, ["a.capabilities", "field required"]),
        ({"a": {**GOOD, "size_mb": "big"}}, ["a.size_mb", "number", "'big'"]),
        ({"a": {**GOOD, "size_mb": 0}}, ["a.size_mb", "greater than 0", "0"]),
        ({"a": {**GOOD, "size_mb": -1}}, ["a.size_mb", "greater than 0", "-1"]),
        ({"a": {**GOOD, "capabilities": "chat"}}, ["a.capabilities", "tuple", "'chat'"]),
        ({"a": {**GOOD, "capabilities": [""]}}, ["a.capabilities.0"]),
        ({"a": {**GOOD, "capabilities": [" "]}}, ["a.capabilities.0"]),
        (
            {"a": {**GOOD, "source": "cloud"}},
            ["a.source", "'built-in', 'package-index' or 'catalog'", "'cloud'"],
        ),
        ({"a": {**GOOD, "context": 1.5}}, ["a.context", "integer", "1.5"]),
        ({"a": {**GOOD, "renamed_from": ["Old Name"]}}, ["a.renamed_from.0", "'Old Name'"]),
        ({"a": "chat"}, [" a: ", "'chat'"]),
        ({"a": None}, [" a: ", "None"]),
        ({"A b": GOOD}, ["'A b' is not an alias", "lower-case"]),
        ({"": GOOD}, ["'' is not an alias"]),
        ({"a\n": GOOD}, ["is not an alias"]),
        ({"-a": GOOD}, ["'-a' is not an alias"]),
        ({"../a": GOOD}, ["'../a' is not an alias"]),
    ],
    ids=range(28),
)
def test_wrong_models_files(write, content, parts):
    path = write(content)
    with pytest.raises(UsageError) as error:
        load_models(path)
    says(error, path, *parts)


def test_three_problems_are_named_at_once(write):
    path = write({"a": {"size_mb": "x", "source": "y"}})
    with pytest.raises(UsageError) as error:
        load_models(path)
    says(error, path, "a.capabilities", "a.size_mb", "a.source")


def test_no_such_models_file(tmp_path):
    with pytest.raises(UsageError) as error:
        load_models(tmp_path / "none.json")
    says(error, tmp_path / "none.json", "There is no file", "ships with the kit")


def test_a_folder_is_no_models_file(tmp_path):
    with pytest.raises(UsageError) as error:
        load_models(tmp_path)
    says(error, tmp_path, "cannot be read")


# Unknown names -----------------------------------------------------------------------------------------------------

LINEUP = Lineup(
    {
        "pocket-mini": ModelEntry(capabilities=("chat",), size_mb=3),
        "mistral-7b-v0.2": ModelEntry(
            capabilities=("chat",), size_mb=4200, renamed_from=("mistral-7b",)
        ),
    }
)


def test_a_near_name_is_suggested():
    error = unknown("pokt-mni", ["pocket-mini", "qwen2.5-0.5b"])
    assert isinstance(error, UnknownModel)
    assert str(error).startswith("No model is called 'pokt-mni'; did you mean pocket-mini?")
    assert "python -m helpers models" in str(error)
    assert "qwen" not in str(error)


def test_a_part_of_a_name_is_enough_for_a_suggestion():
    assert "did you mean qwen2.5-coder-instruct-0.5b?" in str(
        unknown("0.5b", ["qwen2.5-coder-instruct-0.5b", "pocket-mini"])
    )


def test_without_a_near_name_the_known_ones_are_listed():
    assert "known here: a1, b2." in str(unknown("zzzzzzzz", ["a1", "b2"]))
    assert "known here: none." in str(unknown("zzzzzzzz", []))
    assert "m8" not in str(unknown("zzzzzzzz", [f"m{i}" for i in range(20)]))


def test_a_former_name_leads_to_the_one_of_today():
    assert "'mistral-7b' is called 'mistral-7b-v0.2' today" in str(
        unknown("mistral-7b", ["mistral-7b-v0.2"], LINEUP)
    )
    assert "use that name" in str(unknown("mistral-7b", ["mistral-7b-v0.2"], LINEUP))


def test_a_name_of_the_lineup_that_is_not_offered():
    for alias in ("mistral-7b", "mistral-7b-v0.2"):
        assert "not offered here. The catalog does not list it." in str(
            unknown(alias, ["pocket-mini"], LINEUP)
        )
        assert "The catalog could not be reached." in str(
            unknown(alias, ["pocket-mini"], LINEUP, note="The catalog could not be reached.")
        )


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("pocket-nano", ["pocket-nano"]),
        (" a, b ,,a", ["a", "b"]),
        ('["a", "b"]', ["a", "b"]),  # as papermill -p passes a list
        ("['a','b']", ["a", "b"]),
        ("", []),
        ([], []),
        (None, []),
        (["a", "b", "a"], ["a", "b"]),
        (("a", " b"), ["a", "b"]),
        ((name for name in "ab"), ["a", "b"]),
        ("Org/Model (Q4)", ["Org/Model (Q4)"]),
    ],
)
def test_names_of_models_are_a_list_or_a_text_with_commas(given, names):
    assert model_list(given) == names
