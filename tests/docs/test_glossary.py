"""The glossary, and the key points that lead to it from the end of every notebook."""

import re
from pathlib import Path

import nbformat
import pytest

import refresh
from helpers.common.paths import PROJECT
from support.notebooks import NAMES, notebook

TERMS = {term.key: term for chapter in refresh.glossary() for term in chapter.terms}
LINK = re.compile(r"\[([^]]+)\]\(\.\./docs/glossary\.md#([\w-]+)\)")


def key_points(name: str) -> str:
    """The cell before the recap, which ends with the way to the next notebook."""
    cell = nbformat.read(notebook(name), as_version=4).cells[-2]
    assert (cell.id, cell.cell_type) == ("key-points", "markdown")
    return cell.source


@pytest.mark.parametrize("name", NAMES)
def test_each_notebook_says_in_three_to_five_sentences_what_to_remember(name):
    points, _, words = key_points(name).partition("\n\n**Words:** ")
    assert points.startswith("## Key points\n\n*Alone.*\n\n- ")
    assert 3 <= len(re.findall(r"^- .*\.$", points, re.MULTILINE)) <= 5
    assert len(LINK.findall(words)) == len(words.split("), ")) >= 4


@pytest.mark.parametrize("name", NAMES)
def test_the_words_of_the_key_points_are_in_the_glossary_under_that_name(name):
    for words, key in LINK.findall(key_points(name)):
        assert words.lower() == TERMS[key].term.lower()


def test_every_word_of_the_glossary_belongs_to_a_notebook():
    linked = {key for name in NAMES for _, key in LINK.findall(key_points(name))}
    assert linked == set(TERMS)


def test_a_key_is_the_anchor_of_its_heading():
    for key, term in TERMS.items():
        assert key == re.sub(r"[^\w -]", "", term.term.lower()).replace(" ", "-")
    assert len(TERMS) >= 40


def test_a_word_and_its_translation_mean_one_thing():
    for names in ("term", "fa", "meaning", "meaning_fa"):
        values = [getattr(term, names) for term in TERMS.values()]
        assert len(set(values)) == len(values), names


@pytest.mark.parametrize("term", TERMS.values(), ids=TERMS)
def test_a_meaning_is_one_sentence_in_the_letters_of_its_language(term):
    for text in (term.meaning, term.meaning_fa):
        assert text.endswith((".", ".)")), text
        assert text.count("`") % 2 == text.count("*") % 2 == 0
    persian = term.fa + term.meaning_fa
    assert not re.search("[\u064a\u0643\u06f0-\u06f9\u0660-\u0669]", persian), "Arabic ye or kaf"
    assert re.search("[\u0600-\u06ff]", term.meaning_fa)
    assert not re.search("[\u0600-\u06ff]", term.term + term.meaning)
    code = re.compile(r"`[^`]+`")
    assert code.findall(term.meaning_fa) == code.findall(term.meaning)


@pytest.mark.parametrize("name", refresh.PAGES)
def test_a_page_that_is_made_is_fresh(name):
    page = Path(PROJECT / "docs" / name).read_text(encoding="utf-8")
    assert page == refresh.PAGES[name](), "python docs/refresh.py"
