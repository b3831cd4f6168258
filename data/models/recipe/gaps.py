"""What the largest model misses because it has not met the words, the sentences or the wording of the request.

Validation summaries are written anew with one of the three, or all, taken from the training lists; what the share of facets
found then gains is the price of that being unseen. Made-up words stay unseen.
"""

import contextlib
import json
import statistics
from unittest import mock

import evaluate
import meetings
import phrases
import serve
import words
from settings import MAX_OUTPUT, SEED

RESULTS = "gaps.json"
PARTS = ("words", "sentences", "requests")
SUMMARIES = 200


def study(model, folder, scale=1.0):
    """Asks the package of one size about each kind of text, and writes `<folder>/gaps.json`: rows of what was known, and facet recall."""
    rows, count = [], max(8, int(SUMMARIES * scale))
    with serve.Runtime() as runtime:
        model_id, _ = evaluate._loaded(runtime, model.alias, folder / model.alias)
        for known in ((), *((part,) for part in PARTS), PARTS):
            turns = summaries(known, count)
            judged = [
                evaluate.judge(turn, runtime.chat(model_id, turn["user"], MAX_OUTPUT))
                for turn in turns
            ]
            recall, interval = evaluate._interval(
                [statistics.fmean(row["hits"].values()) for row in judged]
            )
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
    (folder / RESULTS).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8", newline="\n")


def summaries(known, count):
    """Requests for a summary in the shape of generated turns; the parts in `known` come from the training lists."""
    rng = words.generator(f"{SEED}/gaps", words.VALIDATION)
    turns = []
    with _taken_from_training(known):
        for _ in range(count):
            meeting = meetings.invent(rng, words.VALIDATION)
            notes = meetings.write_notes(rng, words.VALIDATION, meeting)
            made = meetings.summary(rng, words.VALIDATION, meeting)
            turns.append(
                {
                    "task": "summary",
                    "user": made.request.replace("{notes}", notes),
                    "assistant": made.text,
                    "facets": made.facets,
                }
            )
    return turns


@contextlib.contextmanager
def _taken_from_training(known):
    split = {part: words.TRAIN if part in known else words.VALIDATION for part in PARTS}
    own, lists = (
        phrases.own,
        {(asked, name): words._cut()[split["words"], name] for asked, name in words._cut()},
    )

    def own_of(block, _):
        return own(block, split["requests" if block == phrases.SUMMARIZE else "sentences"])

    with mock.patch.object(phrases, "own", own_of), mock.patch.object(words, "_cut", lambda: lists):
        yield
