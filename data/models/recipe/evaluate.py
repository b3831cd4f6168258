"""Asks the finished folders, through Foundry Local, what the test sets ask, and counts what the answers contain.

Two sets: the test split of the generated text, and `handwritten.json`, notes that people wrote, which are used for nothing else.
"""

import hashlib
import json
import random
import re
import statistics
import time

import generate
import serve
from settings import MAX_OUTPUT, MODELS_FOLDER, PACKAGES, SEED, VERSION, WORK_FOLDER

from helpers.quality.facets import bullets, sentences

RESULTS = "evaluation.json"
HANDWRITTEN = "handwritten.json"
COMPARED_WITH_TORCH = 100
LOADS = 5
SPEED_PROMPTS = 200
RATED_FROM = (
    16  # tokens: the chunks of a shorter answer may arrive together, which says nothing about speed
)
RESAMPLES = 10_000


def evaluate(alias, work=WORK_FOLDER, folder=MODELS_FOLDER, scale=1.0):
    """Asks one package both sets, adds what the answers are worth to `<folder>/evaluation.json` and keeps every answer in `work`."""
    sets = {"generated": generated(work, scale), "handwritten": handwritten(scale)}
    with serve.Runtime() as runtime:
        model_id = _loaded(runtime, alias, folder / alias)[0]
        replies = {
            name: _progress(
                f"{alias}, {name}",
                turns,
                lambda turn: runtime.chat(model_id, turn["user"], MAX_OUTPUT),
            )
            for name, turns in sets.items()
        }
    judged = {
        name: [judge(turn, reply) for turn, reply in zip(turns, replies[name], strict=True)]
        for name, turns in sets.items()
    }
    result = {
        name: {
            "prompts": len(rows),
            "tasks": {task: _task(rows, task) for task in sorted({row["task"] for row in rows})},
            "degenerate": _share(rows, "degenerate"),
        }
        for name, rows in judged.items()
    }
    result["torch"] = _agreement(alias, work, sets["generated"], replies["generated"])
    result["gain"] = _gain(alias, work, sets["generated"], judged["generated"])
    for name, turns in sets.items():
        _save_rows(work / "answers" / f"{alias}-{name}.jsonl", turns, replies[name], judged[name])
    known = _read(folder).get(alias, {})
    result["weights"] = hashlib.sha256(
        (folder / alias / "model.onnx.data").read_bytes()
    ).hexdigest()
    if known.get("weights") == result["weights"]:
        # What an evaluation with the checkpoint or beside the other size, or a measurement of speed, found of these weights.
        result = {
            **{name: known[name] for name in SPEED if name in known},
            **result,
            **{name: result[name] or known.get(name) for name in ("torch", "gain")},
        }
    _add(folder, alias, result)
    recalls = [result[name]["tasks"].get("summary", {}).get("facet_recall") for name in sets]
    print(
        f"{alias}: facet recall of summaries {recalls[0]} (generated), {recalls[1]} (hand-written)",
        flush=True,
    )
    return result


SPEED = ("output_tokens_per_s", "ttft_s", "load_s")


def speed(alias, work=WORK_FOLDER, folder=MODELS_FOLDER, scale=1.0):
    """Measures speed and load time of a package that was evaluated before; apart from it, because this needs a quiet machine and is short."""
    turns = generated(work, scale)[:SPEED_PROMPTS]
    with serve.Runtime() as runtime:
        model_id, loads = _loaded(runtime, alias, folder / alias, LOADS)
        replies = [runtime.chat(model_id, turn["user"], MAX_OUTPUT) for turn in turns]
    rates = [
        reply.output_tokens_per_s
        for reply in replies
        if reply.completion_tokens >= RATED_FROM and reply.output_tokens_per_s
    ]
    result = {
        "output_tokens_per_s": round(statistics.median(rates)) if rates else None,
        "ttft_s": round(statistics.median(reply.ttft_s for reply in replies), 4),
        "load_s": round(statistics.median(loads), 3),
    }
    _add(folder, alias, _read(folder)[alias] | result)
    print(f"{alias}: {result}", flush=True)


def _read(folder):
    path = folder / RESULTS
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _add(folder, alias, result):
    results = _read(folder) | {alias: result}
    results = {name: results[name] for name in PACKAGES if name in results}
    (folder / RESULTS).write_text(
        json.dumps(results, indent=1) + "\n", encoding="utf-8", newline="\n"
    )


def generated(work, scale=1.0):
    """The first turns of the test split."""
    turns = [turns[0] for turns in generate.read(work / "text" / "test.jsonl")]
    return turns[: max(8, int(len(turns) * scale))]


def handwritten(scale=1.0):
    """The requests about hand-written notes, in the shape of generated turns; a facet may have several wordings."""
    notes = json.loads((MODELS_FOLDER / "recipe" / HANDWRITTEN).read_text(encoding="utf-8"))[
        "notes"
    ]
    turns = []
    for note in notes:
        for request in note["requests"]:
            turns.append(
                {
                    "task": request["task"],
                    "user": request["request"].replace("{notes}", note["notes"]),
                    "assistant": None if request["facets"] else "The notes do not say.",
                    "facets": {facet["id"]: facet["any_of"] for facet in request["facets"]},
                    "forbidden": [
                        wording
                        for facet in request.get("forbidden", [])
                        for wording in facet["any_of"]
                    ],
                    "format": request.get("format"),
                }
            )
    return turns[: max(8, int(len(turns) * scale))]


def _loaded(runtime, alias, folder, loads=1):
    """(model id, seconds of each load) of a folder that is then loaded and warm."""
    model_id = f"{alias}-generic-cpu:{VERSION}"
    model, first = runtime.load(folder, model_id)
    seconds = [first] + [_reload(model) for _ in range(loads - 1)]
    runtime.chat(model_id, "Hello", 8)
    return model_id, seconds


def _progress(label, items, call):
    results, began = [], time.perf_counter()
    for number, item in enumerate(items, 1):
        results.append(call(item))
        if number % 500 == 0 or number == len(items):
            print(
                f"{label}: {number} of {len(items)} requests, {time.perf_counter() - began:.0f} s",
                flush=True,
            )
    return results


def _reload(loaded):
    """Seconds of one load after an unload."""
    loaded.unload()
    began = time.perf_counter()
    loaded.load()
    return time.perf_counter() - began


def found(facet, text):
    """Whether a facet is in the text, whatever its case: a string as it stands, of a list any wording as whole words.

    Stricter than `helpers.quality.find`, which forgives a slip of the pen: what is measured here is whether a model copies to the letter.
    """
    if isinstance(facet, str):
        return facet.casefold() in text.casefold()
    return any(
        re.search(rf"(?<!\w){re.escape(wording)}(?!\w)", text, re.IGNORECASE) for wording in facet
    )


def format_asked(turn):
    """{"sentences": n} or {"bullets": n} where the request asks for a length, else None."""
    if turn.get("format"):
        return turn["format"]
    asked = re.search(r"\b(?:in|as) (one|two|three|\d) (sentence|bullet)", turn["user"])
    numbers = {"one": 1, "two": 2, "three": 3}
    return {f"{asked[2]}s": numbers.get(asked[1]) or int(asked[1])} if asked else None


def format_kept(turn, text):
    """True or False when a length is asked for, else None."""
    asked = format_asked(turn)
    return asked and {"sentences": sentences, "bullets": bullets}[next(iter(asked))](text) == next(
        iter(asked.values())
    )


def looping(text):
    """Whether a run of four words comes three times."""
    words = text.split()
    runs = [tuple(words[n : n + 4]) for n in range(len(words) - 3)]
    return any(runs.count(run) > 2 for run in set(runs))


def judge(turn, reply):
    """What can be counted of one answer. Degenerate is empty, looping or cut off."""
    return {
        "task": turn["task"],
        "hits": {name: found(facet, reply.text) for name, facet in turn["facets"].items()},
        "forbidden": found(turn["forbidden"], reply.text) if turn.get("forbidden") else None,
        "exact": None if turn["assistant"] is None else reply.text.strip() == turn["assistant"],
        "format": format_kept(turn, reply.text),
        "degenerate": not reply.text.strip()
        or looping(reply.text)
        or reply.finish_reason != "stop",
    }


def _share(rows, key):
    return round(statistics.fmean(row[key] for row in rows), 3)


def _task(rows, task):
    rows = [row for row in rows if row["task"] == task]
    result = {"n": len(rows)}
    with_facets = [row for row in rows if row["hits"]]
    if with_facets:
        result["facet_recall"], result["facet_recall_95"] = _interval(
            [statistics.fmean(row["hits"].values()) for row in with_facets]
        )
    for key, name in (
        ("exact", "exact"),
        ("format", "format_kept"),
        ("forbidden", "forbidden_named"),
    ):
        known = [row for row in rows if row[key] is not None]
        if known:
            result[name], result[f"{name}_95"] = _interval([float(row[key]) for row in known])
            result[f"{name}_n"] = len(known)
    return result


def _interval(values):
    """(mean, 95 % percentile bootstrap interval over answers)."""
    rng = random.Random(SEED)
    means = sorted(statistics.fmean(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return round(statistics.fmean(values), 3), [
        round(means[int(RESAMPLES * share)], 3) for share in (0.025, 0.975)
    ]


def _gain(alias, work, turns, rows):
    """How much more of a summary is found than by the next smaller size, or by the same size in its plain precision.

    The same prompts were put to both, so the interval is that of the differences: much of what separates two answers is the prompt. None
    where the other's answers are not there.
    """
    model = PACKAGES[alias][0]
    other = model.grows_from if alias == model.alias else model.alias
    path = work / "answers" / f"{other}-generated.jsonl"
    if not path.exists():
        return None
    before = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    if [row["prompt"] for row in before] != [turn["user"] for turn in turns]:
        return None
    pairs = [
        (old["hits"].values(), new["hits"].values())
        for old, new in zip(before, rows, strict=True)
        if new["task"] == "summary" and new["hits"]
    ]
    if not pairs:
        return None
    difference, interval = _interval(
        [statistics.fmean(new) - statistics.fmean(old) for old, new in pairs]
    )
    return {
        "over": other,
        "summaries": len(pairs),
        "difference": difference,
        "difference_95": interval,
    }


def _agreement(alias, work, turns, replies):
    """How many served answers equal those of the checkpoint letter for letter; None where there is no checkpoint."""
    model = PACKAGES[alias][0]
    if not (work / model.alias / "checkpoint.pt").exists():
        print(
            f"{alias}: no checkpoint in {work.name}, so answers are not compared with torch",
            flush=True,
        )
        return None
    import tokens
    import train

    network, tokenizer = train.load(model, work), tokens.load(work / "tokens")
    pairs = list(zip(turns, replies, strict=True))[:COMPARED_WITH_TORCH]
    answers = _progress(
        f"{alias}, torch",
        pairs,
        lambda pair: train.answer(network, tokenizer, pair[0]["user"], MAX_OUTPUT),
    )
    same = sum(answer == reply.text for answer, (_, reply) in zip(answers, pairs, strict=True))
    return {"compared": len(pairs), "same": same}


def _save_rows(path, turns, replies, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for turn, reply, row in zip(turns, replies, rows, strict=True):
            file.write(
                json.dumps(
                    {"prompt": turn["user"], "expected": turn["assistant"], "text": reply.text}
                    | row
                )
                + "\n"
            )
