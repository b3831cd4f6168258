"""One sentence for data that a person wrote wrongly."""

from typing import Annotated, Literal

import pytest
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from helpers.common.validation import MAX_PROBLEMS, explain


def refuse(name: str) -> str:
    raise ValueError("names are not allowed today")


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    kind: Literal["a", "b"] = "a"
    names: dict[Annotated[str, AfterValidator(refuse)], int] = {}


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    rounds: Annotated[int, Field(ge=1)]
    text: str = ""
    size: float = 1.0
    parts: tuple[Inner, ...] = ()


def sentence(raw: object, prefix: str = "") -> str:
    with pytest.raises(ValidationError) as error:
        Outer.model_validate(raw)
    return explain(error.value, Outer, prefix)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({}, "rounds: field required"),
        ({"rounds": 0}, "rounds: must be greater than or equal to 1, found 0"),
        (
            {"rounds": 1, "roundz": 2},
            "roundz: unknown field (did you mean rounds?), expected one of rounds, text, size, parts",
        ),
        (
            {"rounds": 1, "parts": [{"kind": "c"}]},
            "parts.0.kind: must be 'a' or 'b', found 'c'",
        ),
        (
            {"rounds": 1, "parts": [{"names": {"x": 1}}]},
            "parts.0.names.x: names are not allowed today",
        ),
    ],
)
def test_a_problem_has_its_place_what_is_expected_and_what_was_there(raw, said):
    assert sentence(raw) == said


def test_an_unknown_field_inside_does_not_list_the_fields_of_the_outside():
    assert "rounds" not in sentence({"rounds": 1, "parts": [{"sise": 2}]})


def test_a_prefix_stands_before_each_place():
    clauses = sentence({"rounds": 0, "text": 3}, "plan.json").split("; ")
    assert [clause.partition(":")[0] for clause in clauses] == [
        "plan.json.rounds",
        "plan.json.text",
    ]


def test_data_that_is_no_object_needs_no_place():
    assert sentence("x").startswith("must be a valid dictionary or instance of Outer, found 'x'")


def test_the_first_problems_are_enough():
    text = sentence({"rounds": 0, "text": 1, "size": "x", "parts": 5})
    assert text.count("; ") == MAX_PROBLEMS - 1


def test_long_or_broken_input_stays_short_and_on_one_line():
    text = sentence({"rounds": 1, "text": ["line\nbreak" * 1000]})
    assert "\n" not in text
    assert len(text) < 200
