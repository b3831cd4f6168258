"""Asks the finished folders, through Foundry Local, what the test split asks, and counts what the answers contain."""

import json
import random
import re
import statistics
import time

import generate
import serve
import tokens
import train
from settings import MAX_OUTPUT, MODELS_FOLDER, SEED, VERSION

PROMPTS = 300
COMPARED_WITH_TORCH = 30
LOADS = 5
RATED_FROM = 16  # tokens: the chunks of a shorter answer may arrive together, which says nothing about speed
RESAMPLES = 2000


def evaluate(model, work, folder=MODELS_FOLDER, prompts=PROMPTS):
    """Measures one model and saves `work/<alias>/evaluation.json`."""
    turns = [turns[0] for turns in generate.read(work / "text" / "test.jsonl")][:prompts]
    replies, loads = _ask(model, folder / model.alias, [turn["user"] for turn in turns])
    rows = [_judge(turn, reply) for turn, reply in zip(turns, replies, strict=True)]
    rates = [reply.output_tokens_per_s for reply in replies if reply.completion_tokens >= RATED_FROM]
    result = {
        "prompts": len(rows),
        "tasks": {task: _task(rows, task) for task in sorted({row["task"] for row in rows})},
        "stopped_by_itself": _share(rows, "stopped"),
        "degenerate": _share(rows, "degenerate"),
        "same_as_torch": _agreement(model, work, turns, replies),
        "compared_with_torch": min(COMPARED_WITH_TORCH, len(turns)),
        "output_tokens_per_s": round(statistics.median(rates)),
        "ttft_s": round(statistics.median(reply.ttft_s for reply in replies), 4),
        "load_s": round(statistics.median(loads), 3),
    }
    path = work / model.alias / "evaluation.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8", newline="\n")
    _save_rows(work / model.alias / "answers.jsonl", turns, replies, rows)
    print(f"{model.alias}: {json.dumps(result)}", flush=True)
    return result


def _ask(model, folder, prompts):
    model_id = f"{model.name}:{VERSION}"
    with serve.Runtime() as runtime:
        loaded, first = runtime.load(folder, model_id)
        loads = [first] + [_reload(loaded) for _ in range(LOADS - 1)]
        runtime.chat(model_id, "Hello", 8)  # warm-up
        replies = [runtime.chat(model_id, prompt, MAX_OUTPUT) for prompt in prompts]
    return replies, loads


def _reload(loaded):
    """Seconds of one load after an unload."""
    loaded.unload()
    began = time.perf_counter()
    loaded.load()
    return time.perf_counter() - began


def found(facet, text):
    """Whether a facet is in the text, whatever its case."""
    return facet.casefold() in text.casefold()


def sentences(text):
    """The number of sentences of a plain text."""
    return len(re.findall(r"[.!?](?=\s|$)", text.strip()))


def bullets(text):
    return sum(line.startswith("- ") for line in text.splitlines())


def format_kept(prompt, text):
    """True or False when the prompt asks for a length, else None."""
    numbers = {"one": 1, "two": 2, "three": 3}
    asked = re.search(r"\b(?:in|as) (one|two|three|\d) (sentence|bullet)", prompt)
    if not asked:
        return None
    count = numbers.get(asked[1]) or int(asked[1])
    return (sentences(text) if asked[2] == "sentence" else bullets(text)) == count


def looping(text):
    """Whether a run of four words comes three times."""
    words = text.split()
    runs = [tuple(words[n : n + 4]) for n in range(len(words) - 3)]
    return any(runs.count(run) > 2 for run in set(runs))


def _judge(turn, reply):
    hits = [found(facet, reply.text) for facet in turn["facets"].values()]
    return {
        "task": turn["task"],
        "hits": hits,
        "exact": reply.text.strip() == turn["assistant"],
        "format": format_kept(turn["user"], reply.text),
        "stopped": reply.finish_reason == "stop",
        "degenerate": not reply.text.strip() or looping(reply.text) or reply.finish_reason != "stop",
    }


def _share(rows, key):
    return round(sum(row[key] for row in rows) / len(rows), 3)


def _task(rows, task):
    rows = [row for row in rows if row["task"] == task]
    result = {"n": len(rows), "exact": _share(rows, "exact")}
    with_facets = [row for row in rows if row["hits"]]
    if with_facets:
        result["facet_recall"], result["facet_recall_95"] = _recall(with_facets)
    with_format = [row for row in rows if row["format"] is not None]
    if with_format:
        result["format_kept"] = _share(with_format, "format")
    return result


def _recall(rows):
    """Mean share of facets found per answer, and a 95 % bootstrap interval over answers."""
    values = [sum(row["hits"]) / len(row["hits"]) for row in rows]
    rng = random.Random(SEED)
    means = sorted(statistics.fmean(rng.choices(values, k=len(values))) for _ in range(RESAMPLES))
    interval = [round(means[int(RESAMPLES * share)], 3) for share in (0.025, 0.975)]
    return round(statistics.fmean(values), 3), interval


def _agreement(model, work, turns, replies):
    """The number of served answers that equal those of the checkpoint letter for letter."""
    network, tokenizer = train.load(model, work), tokens.load(work / "tokens")
    pairs = list(zip(turns, replies, strict=True))[:COMPARED_WITH_TORCH]
    return sum(train.answer(network, tokenizer, turn["user"], MAX_OUTPUT) == reply.text for turn, reply in pairs)


def _save_rows(path, turns, replies, rows):
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for turn, reply, row in zip(turns, replies, rows, strict=True):
            file.write(json.dumps({"prompt": turn["user"], "expected": turn["assistant"], "text": reply.text} | row) + "\n")
