"""Ask the finished folders, through Foundry Local, what the test sets ask, and score the answers.

Two sets: the test split of the generated text, and data/handwritten.json, notes in the style of
people, which are used for nothing else.
"""

import hashlib
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from helpers.common.files import write_json
from helpers.timing.metrics import measure
from helpers.timing.stream import Timeline

from . import generate, scoring
from .generate import Turn
from .scoring import Row
from .serve import Runtime
from .settings import DATA_FOLDER, MAX_OUTPUT, PACKAGES

RESULTS = "evaluation.json"
COMPARED_WITH_TORCH = 100
LOADS = 5
SPEED_PROMPTS = 200
# Tokens. The chunks of a shorter answer may arrive together, which says nothing about speed.
RATED_FROM = 16
SPEED = ("output_tokens_per_s", "ttft_s", "load_s")

Result = dict[str, Any]  # an entry of evaluation.json
T = TypeVar("T")
R = TypeVar("R")


def evaluate(alias: str, work: Path, folder: Path, scale: float = 1.0) -> Result:
    """Ask one package both sets, add its scores to `<folder>/evaluation.json` and return them.

    Every answer is kept in `<work>/answers`.
    """
    sets = {"generated": generated(work, scale), "handwritten": handwritten(scale)}
    replies = _ask(alias, folder / alias, sets)
    rows = {
        name: [scoring.score(turn, reply) for turn, reply in zip(turns, replies[name], strict=True)]
        for name, turns in sets.items()
    }
    result: Result = {name: scoring.summary(of_set) for name, of_set in rows.items()}
    result["torch"] = _agreement(alias, work, sets["generated"], replies["generated"])
    result["gain"] = gain(alias, work, sets["generated"], rows["generated"])
    for name, turns in sets.items():
        save_rows(work / "answers" / f"{alias}-{name}.jsonl", turns, replies[name], rows[name])
    weights = (folder / alias / "model.onnx.data").read_bytes()
    result["weights"] = hashlib.sha256(weights).hexdigest()
    result = _with_known(result, read(folder).get(alias, {}))
    _add(folder, alias, result)
    recalls = [result[name]["tasks"].get("summary", {}).get("facet_recall") for name in sets]
    print(
        f"{alias}: facet recall of summaries {recalls[0]} (generated), {recalls[1]} (hand-written)",
        flush=True,
    )
    return result


def _ask(alias: str, folder: Path, sets: dict[str, list[Turn]]) -> dict[str, list[Timeline]]:
    with Runtime() as runtime:
        model_id, _ = runtime.load(alias, folder)

        def ask(turn: Turn) -> Timeline:
            return runtime.chat(model_id, turn["user"], MAX_OUTPUT)

        return {name: progress(f"{alias}, {name}", turns, ask) for name, turns in sets.items()}


def _with_known(result: Result, known: Result) -> Result:
    """Keep what an earlier evaluation or measurement of speed found of the same weights.

    The checkpoint or the answers of the other size may not be here today.
    """
    if known.get("weights") != result["weights"]:
        return result
    speeds = {name: known[name] for name in SPEED if name in known}
    compared = {name: result[name] or known.get(name) for name in ("torch", "gain")}
    return {**speeds, **result, **compared}


def speed(alias: str, work: Path, folder: Path, scale: float = 1.0) -> None:
    """Measure speed and load time of a package that was evaluated before.

    It is apart from `evaluate`, because this needs a quiet machine and is short.
    """
    turns = generated(work, scale)[:SPEED_PROMPTS]
    with Runtime() as runtime:
        model_id, loads = runtime.load(alias, folder / alias, LOADS)
        replies = [runtime.chat(model_id, turn["user"], MAX_OUTPUT) for turn in turns]
    long_enough = [reply for reply in replies if (reply.completion_tokens or 0) >= RATED_FROM]
    first_tokens = [reply.chunk_times_s[0] for reply in replies if reply.chunk_times_s]
    result = {
        "output_tokens_per_s": median_rate(long_enough),
        "ttft_s": round(statistics.median(first_tokens), 4),
        "load_s": round(statistics.median(loads), 3),
    }
    _add(folder, alias, read(folder)[alias] | result)
    print(f"{alias}: {result}", flush=True)


def median_rate(replies: Sequence[Timeline]) -> int | None:
    """Return the median output tokens/s of some answers, None where none shows it."""
    rates = [rate for reply in replies if (rate := measure(reply)["output_tokens_per_s"])]
    return round(statistics.median(rates)) if rates else None


def read(folder: Path, name: str = RESULTS) -> dict[str, Result]:
    """Return the entries of `<folder>/evaluation.json` by alias; none where there is no file."""
    path = folder / name
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _add(folder: Path, alias: str, result: Result) -> None:
    results = read(folder) | {alias: result}
    write_json(folder / RESULTS, {name: results[name] for name in PACKAGES if name in results})


def generated(work: Path, scale: float = 1.0) -> list[Turn]:
    """Return the first turns of the test split."""
    turns = [turns[0] for turns in generate.read(work / "text" / "test.jsonl")]
    return turns[: max(8, int(len(turns) * scale))]


def handwritten(scale: float = 1.0) -> list[Turn]:
    """Return the requests about hand-written notes; a facet may have several wordings."""
    path = DATA_FOLDER / "handwritten.json"
    notes = json.loads(path.read_text(encoding="utf-8"))["notes"]
    turns = [_turn(note["notes"], request) for note in notes for request in note["requests"]]
    return turns[: max(8, int(len(turns) * scale))]


def _turn(notes: str, request: dict[str, Any]) -> Turn:
    forbidden = [facet["any_of"] for facet in request.get("forbidden", [])]
    return {
        "task": request["task"],
        "user": request["request"].replace("{notes}", notes),
        "assistant": None if request["facets"] else "The notes do not say.",
        "facets": {facet["id"]: facet["any_of"] for facet in request["facets"]},
        "forbidden": [wording for wordings in forbidden for wording in wordings],
        "format": request.get("format"),
    }


def progress(label: str, items: Sequence[T], call: Callable[[T], R]) -> list[R]:
    """Return the result of a call for each item, and print how far it is now and then."""
    results, began = [], time.perf_counter()
    for number, item in enumerate(items, 1):
        results.append(call(item))
        if number % 500 == 0 or number == len(items):
            seconds = time.perf_counter() - began
            print(f"{label}: {number} of {len(items)} requests, {seconds:.0f} s", flush=True)
    return results


def gain(alias: str, work: Path, turns: Sequence[Turn], rows: Sequence[Row]) -> Result | None:
    """Return how much more of a summary is found than by the other size or precision.

    The other is the next smaller size, or the same size in its plain precision. Both were asked the
    same prompts, so the interval is that of the differences: much of what separates two answers is
    the prompt. Returns None where the other's answers are not there.
    """
    model = PACKAGES[alias][0]
    other = model.grows_from if alias == model.alias else model.alias
    path = work / "answers" / f"{other}-generated.jsonl"
    if not path.exists():
        return None
    before = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if [row["prompt"] for row in before] != [turn["user"] for turn in turns]:
        return None
    differences = [
        scoring.recall(new["hits"].values()) - scoring.recall(old["hits"].values())
        for old, new in zip(before, rows, strict=True)
        if new["task"] == "summary" and new["hits"]
    ]
    if not differences:
        return None
    difference, interval = scoring.interval(differences)
    return {
        "over": other,
        "summaries": len(differences),
        "difference": difference,
        "difference_95": interval,
    }


def _agreement(
    alias: str, work: Path, turns: Sequence[Turn], replies: Sequence[Timeline]
) -> dict[str, int] | None:
    """Return how many served answers equal those of the checkpoint letter for letter.

    Returns None where there is no checkpoint.
    """
    model = PACKAGES[alias][0]
    if not (work / model.alias / "checkpoint.pt").exists():
        print(
            f"{alias}: no checkpoint in {work.name}, so answers are not compared with torch",
            flush=True,
        )
        return None
    from . import tokens, train

    network, tokenizer = train.load(model, work), tokens.load(work / "tokens")
    compared = turns[:COMPARED_WITH_TORCH]
    answers = progress(
        f"{alias}, torch",
        compared,
        lambda turn: train.answer(network, tokenizer, turn["user"], MAX_OUTPUT),
    )
    same = sum(answer == reply.text for answer, reply in zip(answers, replies, strict=False))
    return {"compared": len(compared), "same": same}


def save_rows(
    path: Path,
    turns: Sequence[Turn],
    replies: Sequence[scoring.Reply],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """Keep every answer beside what was asked and expected, as JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for turn, reply, row in zip(turns, replies, rows, strict=True):
            saved = {"prompt": turn["user"], "expected": turn["assistant"], "text": reply.text}
            file.write(json.dumps({**saved, **row}) + "\n")
