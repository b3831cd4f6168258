"""models.json and prompts.json: the shipped ones, and every way to get one wrong."""

import json

import pytest

from helpers.common.errors import KitError, UnknownModel, UsageError
from helpers.common.paths import DATA
from helpers.models.lineup import (
    DEFAULT_PROMPT_SET,
    Lineup,
    ModelEntry,
    PromptSet,
    load_models,
    load_prompts,
    prompt_list,
    unknown,
)

GOOD = {"capabilities": ["chat"], "size_mb": 3}


@pytest.fixture
def write(tmp_path):
    """Writes a file and gives its path; what is not bytes or text is written as JSON."""

    def made(content, name="given.json"):
        path = tmp_path / name
        text = content if isinstance(content, (str, bytes)) else json.dumps(content)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return made


def says(error, path, *parts) -> None:
    """One sentence on one line with the file and all parts."""
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith((".", "}."))
    assert str(path) in message
    for part in parts:
        assert part in message, message
    assert "pydantic" not in message
    assert isinstance(error.value, KitError)


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


def test_shipped_prompts():
    raw = json.loads((DATA / "prompts.json").read_text(encoding="utf-8"))
    for name, entry in raw.items():
        prompts = load_prompts(name)
        assert (prompts.name, prompts.title) == (name, entry["title"])
        assert [p.text for p in prompts.prompts] == [p["text"] for p in entry["prompts"]]
    assert load_prompts() == load_prompts(DEFAULT_PROMPT_SET)


def test_the_sessions_prompts_are_word_for_word():
    assert [p.text for p in load_prompts("session").prompts] == [
        "Explain the principle of retrieval augmented generation in 2 sentences.",
        "List 3 privacy benefits of local inference.",
        "Summarize why model size impacts latency on consumer hardware.",
        "Provide two scenarios where an SLM is preferable to an LLM.",
    ]


# models.json -------------------------------------------------------------------------------------------------------


def test_models_of_a_file(write):
    models = load_models(
        write(
            {
                "b-1.5": {**GOOD, "formerly": ["b-1"]},
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
        (b"\xff\xfe{", ["not valid JSON", "utf-8"]),
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
        ({"a": {**GOOD, "formerly": ["Old Name"]}}, ["a.formerly.0", "'Old Name'"]),
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


# Prompts -----------------------------------------------------------------------------------------------------------

TWO_SETS = {
    "first": {"title": "One", "prompts": [{"id": "x", "text": "Say x."}]},
    "second": {
        "prompts": [
            {
                "id": "y",
                "text": "Say y.",
                "facets": [{"id": "f", "any_of": ["why"]}],
                "format": {"bullets": 3},
            }
        ]
    },
}


def texts(prompts: PromptSet) -> list[str]:
    return [p.text for p in prompts.prompts]


def test_a_plain_list_of_strings(write):
    prompts = load_prompts(write(["Say x.", "Say y."]))
    assert [(p.id, p.text) for p in prompts.prompts] == [("p1", "Say x."), ("p2", "Say y.")]


def test_a_set_as_a_plain_list_has_no_ids_of_its_own(write):
    """The document's first form: {set: ["text", ...]}."""
    path = write({"mine": ["Say x.", "Say y."], "other": ["Say z."]})
    prompts = load_prompts(f"{path}:mine")
    assert (prompts.name, texts(prompts)) == ("mine", ["Say x.", "Say y."])
    assert len({p.id for p in prompts.prompts}) == 2


def test_file_and_set(write):
    path = write(TWO_SETS)
    assert texts(load_prompts(f"{path}:second")) == ["Say y."]
    assert texts(load_prompts(f"{path}:first")) == ["Say x."]
    second = load_prompts(f"{path}:second").prompts[0]
    assert (second.facets[0].any_of, second.facets[0].kind, second.format.bullets) == (
        ("why",),
        "required",
        3,
    )


def test_the_only_set_of_a_file_needs_no_name(write):
    assert texts(load_prompts(write({"only": TWO_SETS["first"]}))) == ["Say x."]


def test_a_file_whose_name_has_a_colon_or_looks_like_a_set(write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(["Say x."], "session")
    assert texts(load_prompts("session")) == ["Say x."]


@pytest.mark.parametrize("source", [r"C:\prompts\mine.json", "C:/prompts/mine.json"])
def test_the_colon_of_a_drive_names_no_set(source):
    with pytest.raises(UsageError) as error:
        load_prompts(source)
    says(error, source, "There is no file")


@pytest.mark.parametrize("source", [r"C:\prompts\mine.json:first", "C:/prompts/mine.json:first"])
def test_a_set_of_a_file_on_a_drive(source):
    with pytest.raises(UsageError) as error:
        load_prompts(source)
    says(error, source.removesuffix(":first"), "There is no file")
    assert ":first" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("", ["not valid JSON", "line 1"]),
        ('["a",\n "b"', ["not valid JSON", "line 2"]),
        ([], ["list.prompts", "is empty"]),
        ({}, ["expected a list of strings, or an object of prompt sets"]),
        ('"Say x."', ["expected a list of strings, or an object of prompt sets"]),
        (["Say x.", 5], ["list.prompts.1", "5"]),
        (["Say x.", ""], ["list.prompts.1.text"]),
        (["Say x.", "  "], ["list.prompts.1.text"]),
        (TWO_SETS, ["which prompt set?", "it has first, second"]),
        ({"s": {"prompts": []}}, ["s.prompts", "is empty"]),
        ({"s": {"title": "x"}}, ["s.prompts", "field required"]),
        ({"s": {"prompts": "Say x."}}, ["s.prompts", "'Say x.'"]),
        ({"s": {"prompts": [{"id": "a"}]}}, ["s.prompts.0.text", "field required"]),
        ({"s": {"prompts": [{"text": "a"}]}}, ["s.prompts.0.id", "field required"]),
        ({"s": {"prompts": [{"id": "A b", "text": "a"}]}}, ["s.prompts.0.id", "'A b'"]),
        ({"s": {"prompts": [{"id": "a", "text": "a", "hint": 1}]}}, ["s.prompts.0.hint"]),
        (
            {"s": {"prompts": [{"id": "a", "text": "a"}, {"id": "a", "text": "b"}]}},
            ["two prompts have the id 'a'"],
        ),
        (
            {"s": {"prompts": [{"id": "a", "text": "a", "facets": [{"id": "f", "any_of": []}]}]}},
            ["s.prompts.0.facets.0.any_of", "at least 1 item"],
        ),
        (
            {
                "s": {
                    "prompts": [
                        {
                            "id": "a",
                            "text": "a",
                            "facets": [{"id": "f", "any_of": ["x"], "kind": "maybe"}],
                        }
                    ]
                }
            },
            ["facets.0.kind", "'maybe'"],
        ),
        (
            {"s": {"prompts": [{"id": "a", "text": "a", "format": {"sentences": 0}}]}},
            ["s.prompts.0.format.sentences", "greater than 0"],
        ),
        (
            {"s": {"prompts": [{"id": "a", "text": "a"}], "extra": 1}},
            ["s.extra", "unknown field", "title"],
        ),
        ({"s": 7}, ["s", "7"]),
        ({"s": []}, ["s.prompts", "is empty"]),
    ],
    ids=range(23),
)
def test_wrong_prompt_files(write, content, parts):
    path = write(content)
    with pytest.raises(UsageError) as error:
        load_prompts(path)
    says(error, path, *parts)


def test_no_such_set(write):
    path = write(TWO_SETS)
    with pytest.raises(UsageError) as error:
        load_prompts(f"{path}:third")
    says(error, path, "no prompt set 'third'", "it has first, second")


def test_no_such_shipped_set():
    with pytest.raises(UsageError) as error:
        load_prompts("holiday")
    says(error, DATA / "prompts.json", "no prompt set 'holiday'", "session", "meeting-notes")


def test_a_plain_list_has_no_sets(write):
    path = write(["Say x."])
    with pytest.raises(UsageError) as error:
        load_prompts(f"{path}:mine")
    says(error, path, "no prompt set 'mine'")


def test_no_such_prompt_file(tmp_path):
    for source in (f"{tmp_path}/none.json", f"{tmp_path}/none.json:first"):
        with pytest.raises(UsageError) as error:
            load_prompts(source)
        says(error, tmp_path / "none.json", "There is no file")


def test_prompts_from_strings():
    assert [(p.id, p.text) for p in prompt_list(["a", "b"]).prompts] == [("p1", "a"), ("p2", "b")]
    assert texts(prompt_list(t for t in ("a", "b"))) == ["a", "b"]
    for wrong, part in (
        ([], "is empty"),
        ([""], "list.prompts.0.text"),
        ([None], "list.prompts.0: .*None"),
    ):
        with pytest.raises(UsageError, match=part):
            prompt_list(wrong)


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
