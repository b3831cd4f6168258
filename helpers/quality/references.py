"""Answer prompts without a model: a copy of the notes, their first two sentences, and by rules."""

import runpy
from functools import cache
from typing import Any

from ..common.paths import DATA
from ..models.prompts import Prompt

COPY, FIRST, RULES = "copy of the notes", "first two sentences", "rules baseline"


@cache
def _baseline() -> dict[str, Any]:
    """Return the functions of the rules baseline: generate, split and sentences."""
    return runpy.run_path(str(DATA / "baseline" / "extractive.py"))


def reference_answers(prompt: Prompt) -> dict[str, str]:
    """Return the answer to a prompt of each reference, by its name."""
    rules = _baseline()
    notes = rules["split"](prompt.text)[1] or prompt.text
    first = " ".join(rules["sentences"](notes)[:2])
    return {COPY: notes, FIRST: first, RULES: rules["generate"](prompt.text)}
