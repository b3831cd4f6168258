"""Sentences, requests and questions put together from parts."""

import random
import re

from training import grammar, phrases


def test_no_sentence_from_parts_is_a_held_out_template():
    """Parts are for training: what they make is in no list, or in the list of the training text."""
    held_out = {
        phrases.plain(template)
        for template, owner in phrases.owners().items()
        if owner in ("validation", "test")
    }
    for voice, kinds in grammar.CORES.items():
        for kind, cores in kinds.items():
            assert not held_out & {phrases.plain(core) for core in cores}, (voice, kind)
    rng = random.Random(1)
    made = {
        grammar.sentence(rng, voice, kind)
        for voice, kinds in grammar.CORES.items()
        for kind in kinds
        for _ in range(200)
    }
    assert len(made) > 5000


def test_questions_from_parts_have_the_fields_of_their_kind():
    """Of what and topic one, never both: what is asked about must be named once."""
    assert set(grammar.QUESTIONS) == set(phrases.QUESTIONS)
    for kind, questions in grammar.QUESTIONS.items():
        for text in questions:
            named = re.findall(r"\{(what|topic)\}", text)
            assert len(named) == (1 if kind in ("owner", "due") else 0), text
            assert ("{owner}" in text) == (kind == "task") or kind == "due", text
            assert text[-1] in "?.", text
