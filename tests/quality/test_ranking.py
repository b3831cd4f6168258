"""The composed score ranks as a reader does, on every shipped set."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from helpers.models.prompts import Prompt, load_prompts
from helpers.quality import facets
from helpers.quality.references import reference_answers

SLOT = re.compile(r"\{([^|{}]*)(\|\|?)([^{}]*)\}")
REFERENCES = json.loads(
    (Path(__file__).parent / "data" / "references.json").read_text(encoding="utf-8")
)
"""Set to prompt id to a summary, in which {right|wrong} marks a fact and what would contradict it.

{right|} can be left out and not be got wrong; {right||wrong} leaves nothing that could be missing."""


def right(template: str) -> str:
    return SLOT.sub(r"\1", template)


def changed(template: str, place: int, by: str) -> str:
    """Return the summary with one fact left out ("") or replaced by its contradiction."""
    slots = list(SLOT.finditer(template))
    chosen = slots[place]
    nobody = "Someone" if re.match(r"[A-Z]\S*(?: [A-Z]\w+)?$", chosen[1]) else ""
    middle = chosen[3] if by else nobody
    return right(template[: chosen.start()]) + middle + right(template[chosen.end() :])


def quality(prompt: Prompt, answer: str) -> float:
    value = facets.score(prompt, answer).quality
    assert value is not None
    return value


def names_and_days(prompt: Prompt) -> str:
    """Return what a lazy reader underlines: all names, numbers and days of the notes."""
    words = re.findall(r"(?<=[a-z,:>] )[A-Z][\w'-]+|\d[\w.]*(?: [A-Z]\w+)?", prompt.text)
    return ", ".join(dict.fromkeys(words))


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_is_above_one_fact_missing_and_that_above_one_fact_wrong(name):
    prompts = {prompt.id: prompt for prompt in load_prompts(f"{name}:all").prompts}
    assert prompts.keys() == REFERENCES[name].keys()
    wrongs = 0
    for prompt_id, template in REFERENCES[name].items():
        prompt, reference = prompts[prompt_id], right(template)
        best = facets.score(prompt, reference)
        assert best.quality is not None
        assert not best.contradicted, (prompt_id, [str(c) for c in best.checks])
        assert best.faithfulness.unsupported == (), prompt_id
        assert best.quality > 0.84, (prompt_id, best)
        for place, slot in enumerate(SLOT.finditer(template)):
            missing = best.quality
            if slot[2] == "|":
                missing = quality(prompt, changed(template, place, ""))
                assert best.quality > missing, (prompt_id, slot[0])
            if slot[3]:
                wrongs += 1
                wrong = facets.score(prompt, changed(template, place, "wrong"))
                assert missing > (wrong.quality or 0) or missing == 0, (prompt_id, slot[0], wrong)
    assert wrongs >= (0 if name in ("session", "deterministic") else len(prompts) - 1)


@pytest.mark.parametrize("name", REFERENCES)
def test_nothing_that_reads_no_notes_comes_near_a_summary(name):
    """Copies, lists and other notes' summaries are below a short summary with a fact missing."""
    prompts = load_prompts(f"{name}:all").prompts
    others = [right(REFERENCES[name][prompt.id]) for prompt in (*prompts[1:], prompts[0])]
    kinds: dict[str, list[float]] = {}
    for prompt, other in zip(prompts, others, strict=True):
        template = REFERENCES[name][prompt.id]
        bad = {
            "empty": "",
            "names and days": names_and_days(prompt),
            "another summary": other,
            **reference_answers(prompt),
        }
        facts = [place for place, slot in enumerate(SLOT.finditer(template)) if slot[3]] or [0]
        summaries = {
            "missing": [quality(prompt, changed(template, place, "")) for place in facts],
            "wrong": [quality(prompt, changed(template, place, "wrong")) for place in facts],
        }
        for kind, values in summaries.items():
            kinds.setdefault(kind, []).append(float(np.mean(values)))
        for kind, answer in bad.items():
            kinds.setdefault(kind, []).append(quality(prompt, answer))
    means = {kind: float(np.mean(values)) for kind, values in kinds.items()}
    missing, wrong, rules = (means.pop(kind) for kind in ("missing", "wrong", "rules baseline"))
    assert max(means.values()) < wrong / 2 <= missing / 2, (name, means)
    assert rules < missing, (name, rules)
