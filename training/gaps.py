"""Find what the largest model misses because words, sentences or requests are new to it.

Validation summaries are written again with one of the three, or all, taken from the training lists.
What the share of facets found then gains is the price of that being unseen. Made-up words stay
unseen.
"""

import contextlib
import json
from collections.abc import Collection, Iterator
from pathlib import Path
from unittest import mock

from helpers.common.files import write_json

from . import answers, phrases, scoring, words
from .generate import Turn, turn
from .meetings import invent
from .notes import write_notes
from .serve import Runtime
from .settings import MAX_OUTPUT, SEED, Model

RESULTS = "gaps.json"
PARTS = ("words", "sentences", "requests")
SUMMARIES = 200


def study(model: Model, folder: Path, scale: float = 1.0) -> None:
    """Ask the package of one size about each kind of text, and write `<folder>/gaps.json`.

    Its rows say what was known from training, and the facet recall.
    """
    rows, count = [], max(8, int(SUMMARIES * scale))
    with Runtime() as runtime:
        model_id, _ = runtime.load(model.alias, folder / model.alias)
        for known in ((), *((part,) for part in PARTS), PARTS):
            scores = [
                scoring.score(asked, runtime.chat(model_id, asked["user"], MAX_OUTPUT))
                for asked in summaries(known, count)
            ]
            recall, interval = scoring.facet_recall(scores)
            rows.append(
                {
                    "model": model.alias,
                    "known": known,
                    "summaries": count,
                    "facet_recall": recall,
                    "facet_recall_95": interval,
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    write_json(folder / RESULTS, rows)


def summaries(known: Collection[str], count: int) -> list[Turn]:
    """Return requests for a summary; the parts in `known` come from the training lists."""
    rng = words.generator(f"{SEED}/gaps", words.VALIDATION)
    turns = []
    with _taken_from_training(known):
        for _ in range(count):
            meeting = invent(rng, words.VALIDATION)
            notes = write_notes(rng, words.VALIDATION, meeting)
            made = turn(answers.summary(rng, words.VALIDATION, meeting))
            made["user"] = made["user"].replace("{notes}", notes)
            turns.append(made)
    return turns


@contextlib.contextmanager
def _taken_from_training(known: Collection[str]) -> Iterator[None]:
    """Let what draws from the validation lists draw some parts from the training lists instead."""
    split = {part: words.TRAIN if part in known else words.VALIDATION for part in PARTS}
    own, own_requests, vocabulary = phrases.own, phrases.own_requests, words.vocabulary
    with (
        mock.patch.object(phrases, "own", lambda block, _: own(block, split["sentences"])),
        mock.patch.object(
            phrases, "own_requests", lambda kind, _: own_requests(kind, split["requests"])
        ),
        mock.patch.object(words, "vocabulary", lambda _: vocabulary(split["words"])),
    ):
        yield
