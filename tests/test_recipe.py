"""The recipe of the built-in models, as far as it runs with the standard library: its text. Training needs the extras of its own requirements file."""

import json
import re
import sys

import pytest

from helpers.paths import BUILT_IN_MODELS


@pytest.fixture(scope="module")
def recipe():
    """The recipe's modules, imported as its command imports them."""
    folder = str(BUILT_IN_MODELS / "recipe")
    sys.path.insert(0, folder)
    try:
        import generate
        import words

        yield generate, words
    finally:
        sys.path.remove(folder)


def test_the_same_seed_writes_the_same_text(recipe, tmp_path):
    generate, _ = recipe
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        generate.write(tmp_path / name, seed, scale=0.002)
    texts = {name: (tmp_path / name / "train.jsonl").read_text(encoding="utf-8") for name in ("first", "again", "other")}
    assert texts["first"] == texts["again"]
    assert texts["first"] != texts["other"]
    assert len(texts["first"].splitlines()) == 120


def test_names_and_topic_words_of_one_split_are_in_no_other(recipe):
    _, words = recipe
    for vocabulary in (words.NAMES, words.MODIFIERS, words.NOUNS):
        parts = {split: set(words.share(vocabulary, split)) for split in words.SPLITS}
        assert all(parts.values())
        assert not parts["train"] & parts["test"]
        assert not parts["train"] & parts["validation"]
        assert not parts["validation"] & parts["test"]


def test_every_expected_facet_stands_in_the_reference_answer(recipe):
    generate, _ = recipe
    turns = [turn for conversation in generate.conversations(3, "test", 300) for turn in conversation]
    facets = [(value, turn.text) for turn in turns for value in turn.facets.values()]
    assert len(facets) > 300
    assert [value for value, text in facets if value.lower() not in text.lower()] == []


def test_answers_keep_the_form_that_the_prompt_asks_for(recipe):
    generate, _ = recipe
    two = [turn.text for c in generate.conversations(4, "test", 600) for turn in c if re.search(r"in (2|two) sentences", turn.request, re.IGNORECASE)]
    three = [turn.text for c in generate.conversations(4, "test", 600) for turn in c if re.search(r"(3|three) bullets", turn.request, re.IGNORECASE)]
    assert len(two) > 5
    assert len(three) > 5
    assert {len(re.findall(r"[.!?](\s|$)", text)) for text in two} == {2}
    assert {len(re.findall(r"^- ", text, re.MULTILINE)) for text in three} == {3}


def test_every_package_has_a_card_with_licence_limits_and_measurements():
    manifest = json.loads((BUILT_IN_MODELS / "manifest.json").read_text(encoding="utf-8"))
    for alias in manifest["models"]:
        card = (BUILT_IN_MODELS / alias / "MODEL_CARD.md").read_text(encoding="utf-8")
        for part in ("MIT", "## Data", "## Training", "## Measured", "## Limits", f"{manifest['models'][alias]['parameters']:,}"):
            assert part in card, part
