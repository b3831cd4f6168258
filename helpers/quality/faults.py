"""Say in words what is wrong with an answer, and find the worst answers of a run."""

import re
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from ..common import templates
from ..models.prompts import Facet, Prompt
from .answers import Key, distinct
from .facets import FacetCheck, Quality, Score
from .faithfulness import DAYS
from .matching import is_day


@dataclass(frozen=True)
class Wrong:
    """Hold an answer with the models that gave it, and what is wrong in it, the worst first."""

    models: tuple[str, ...]
    prompt: str
    text: str
    quality: float
    faults: tuple[str, ...]


def worst_answers(
    quality: Quality, most: int = 3, models: Collection[str] | None = None
) -> list[Wrong]:
    """Return the worst answers of a run (of some models), each of another prompt.

    An answer in which nothing wrong was found is not among them.
    """
    prompts = {prompt.id: prompt for prompt in quality.prompts.prompts}
    given: dict[Key, list[str]] = defaultdict(list)
    texts = {}
    for answer in distinct(quality.run):
        if answer.key in quality.shares and (models is None or answer.model in models):
            given[answer.key].append(answer.model)
            texts[answer.key] = answer.text
    found: dict[str, Wrong] = {}
    for key in sorted(given, key=lambda key: (quality.shares[key], *_order(quality.scores[key]))):
        prompt = prompts[key[0]]
        if prompt.id not in found and len(found) < most:
            words = faults(prompt, texts[key], quality.scores[key])
            if words:
                share = quality.shares[key]
                found[prompt.id] = Wrong(tuple(given[key]), prompt.id, texts[key], share, words)
    return [*found.values()]


def _order(of: Score) -> tuple[int, int]:
    """Return what comes first among answers of the same quality: more is wrong in them."""
    return -sum(check.contradicted for check in of.checks), -len(of.faithfulness.unsupported)


def faults(prompt: Prompt, answer: str, of: Score) -> tuple[str, ...]:
    """Return what is wrong with an answer: contradicted, invented, copied, missing, form."""
    facets = {facet.id: facet for facet in prompt.facets}
    kinds: dict[str, list[str]] = defaultdict(list)
    for claim in of.faithfulness.unsupported:
        word = claim.casefold().rstrip(".")
        of_a_day = DAYS.get(word[:3], "").casefold().startswith(word)
        kinds["date" if of_a_day else "number" if claim[0].isdigit() else "name"].append(claim)
    contradicted = [
        (_kind(facets[check.name], check), _as_written(check.found, answer), facets[check.name])
        for check in of.checks
        if check.contradicted
    ]
    return tuple(
        templates.sentences(
            "quality/faults.jinja",
            contradicted=contradicted,
            invented=kinds,
            failed=[check for check in of.checks if not (check.passed or check.contradicted)],
            facets=facets,
            faithful=of.faithfulness,
        )
    )


def _kind(facet: Facet, check: FacetCheck) -> str:
    """Return what kind of mistake a contradiction is."""
    if check.found.removeprefix("not ") in (facet.any_of or ()):
        return "not"
    name = re.sub(r"-\d+$", "", facet.id)
    return "date" if is_day(facet) else name


def _as_written(found: str, answer: str) -> str:
    """Return words as the answer spells them."""
    match = re.search(re.escape(found), answer, re.IGNORECASE)
    return match[0] if match else found
