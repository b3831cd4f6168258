"""Say in words what is wrong with an answer, and find the worst answers of a run."""

import re
from collections import defaultdict
from collections.abc import Collection
from typing import NamedTuple

from ..common import templates
from ..models.prompts import Prompt
from .answers import Key, distinct
from .facets import FacetCheck, Quality, Score
from .faithfulness import DAYS
from .matching import is_day


class Wrong(NamedTuple):
    """Hold the models that gave an answer to a prompt, and what is wrong in it, worst first."""

    models: tuple[str, ...]
    prompt: str
    faults: tuple[str, ...]


def worst_answers(
    quality: Quality, most: int = 3, models: Collection[str] | None = None
) -> list[Wrong]:
    """Return the worst answers of a run (of some models) with a fault, each of another prompt."""
    prompts = {prompt.id: prompt for prompt in quality.prompts.prompts}
    given: dict[Key, list[str]] = defaultdict(list)
    texts = {}
    for answer in distinct(quality.run):
        if answer.key in quality.shares and (models is None or answer.model in models):
            given[answer.key].append(answer.model)
            texts[answer.key] = answer.text

    def rank(key: Key) -> tuple[float, int]:
        """Put what contradicts the notes before what leaves something out."""
        return quality.shares[key], -sum(of.contradicted for of in quality.scores[key].checks)

    found: dict[str, Wrong] = {}
    for key in sorted(given, key=rank):
        words = faults(prompts[key[0]], texts[key], quality.scores[key])
        if words and key[0] not in found:
            found[key[0]] = Wrong(tuple(given[key]), key[0], words)
        if len(found) == most:
            break
    return [*found.values()]


def faults(prompt: Prompt, answer: str, of: Score) -> tuple[str, ...]:
    """Return what is wrong with an answer: contradicted, invented, copied, missing, form."""
    facets = {facet.id: facet for facet in prompt.facets}
    invented: dict[str, list[str]] = defaultdict(list)
    for claim in of.faithfulness.unsupported:
        word = claim.casefold().rstrip(".")
        of_a_day = DAYS.get(word[:3], "").casefold().startswith(word)
        kind = "date" if of_a_day else "number" if claim[0].isdigit() else "name"
        invented[kind].append(claim)

    def contradiction(check: FacetCheck) -> tuple:
        """Return its kind, the words as the answer spells them, and the facet."""
        facet = facets[check.name]
        lost_not = check.found.removeprefix("not ") in (facet.any_of or ())
        kind = "date" if is_day(facet) else re.sub(r"-\d+$", "", facet.id)
        said = re.search(re.escape(check.found), answer, re.IGNORECASE)
        return "not" if lost_not else kind, said[0] if said else check.found, facet

    said = templates.sentences(
        "quality/faults.jinja",
        contradicted=[contradiction(check) for check in of.checks if check.contradicted],
        invented=invented,
        failed=[check for check in of.checks if not (check.passed or check.contradicted)],
        facets=facets,
        faithful=of.faithfulness,
    )
    return tuple(said)
