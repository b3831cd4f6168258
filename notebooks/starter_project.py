"""Ask a few models a few questions and print how long it took. Four functions wait for you.

python notebooks/starter_project.py --models pocket-nano,pocket-mini --rounds 2

Write them here, or in the cells of notebook 07, which gives them to `main`.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

from helpers import DATA, KitError, connect

MODELS = "pocket-nano,pocket-mini"
PROMPTS = {  # each question, and phrases that a good answer contains
    "Explain the principle of retrieval augmented generation in 2 sentences.": [
        "retriev",
        "document",
        "answer",
    ],
    "List 3 privacy benefits of local inference.": ["device", "network"],
}


def measure(models, rounds=2):
    """Return a row for each model: median TTFT and latency, and the first answer."""
    rows = []
    with connect() as server:
        for model in models:
            try:
                replies = ask(server, model, rounds)
            except KitError as error:
                rows.append(row(model, sample=str(error)))
                continue
            latency = statistics.median(reply.latency_s for reply in replies)
            ttft = statistics.median(reply.ttft_s for reply in replies)
            rows.append(row(model, latency, ttft, replies[0].text))
    return rows


def ask(server, model, rounds):
    """Return all replies of one model."""
    return [server.chat(model, prompt) for _ in range(rounds) for prompt in PROMPTS]


def row(model, latency_s=None, ttft_s=None, sample=""):
    """Return one row of the result; times are in seconds."""
    return {"model": model, "latency_s": latency_s, "ttft_s": ttft_s, "sample": sample}


def to_csv(rows):
    """Step 1: return the rows as CSV text, with the names in the first line."""
    return ...


def to_markdown(rows):
    """Step 1: return the rows as a Markdown table."""
    return ...


def score(answer, expected):
    """Step 2: return the share of expected phrases that the answer contains, 0 to 1."""
    return ...


def read_models(path, capability):
    """Step 3: return the aliases in a models.json that have a capability."""
    return ...


KINDS = {
    "to_csv": str,
    "to_markdown": str,
    "score": (int, float),
    "read_models": (list, tuple, set),
}


def step(functions, name, *arguments):
    """Return what one of the four functions gives; else say what is missing: None."""
    try:
        result = functions[name](*arguments)
    except Exception as error:
        print(f"{name} stopped with {type(error).__name__}: {error}")
        return None
    if result is ... or result is None:
        print(f"Still to do: {name}")
        return None
    if not isinstance(result, KINDS[name]):
        print(f"{name} returned {result!r:.40}, which cannot be used here")
        return None
    return result


def add_scores(rows, functions):
    """Add the quality of each model's first answer; without `score`, add nothing."""
    expected = next(iter(PROMPTS.values()))
    for result in rows:
        quality = step(functions, "score", result["sample"], expected)
        if quality is None:
            return
        result["quality"] = quality


def main(arguments=None, **functions):
    """Measure, write what the functions can write, and name those that are left."""
    parser = argparse.ArgumentParser(description="Compare models.")
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--output", default="results/starter", help="where files go")
    options = parser.parse_args(arguments)
    steps = {"to_csv": to_csv, "to_markdown": to_markdown}
    steps |= {"score": score, "read_models": read_models} | functions
    models = options.models.split(",")
    able = step(steps, "read_models", DATA / "models.json", "summarize") or models
    rows = measure([model for model in models if model in able], options.rounds)
    add_scores(rows, steps)
    texts = {
        "benchmark_report.csv": step(steps, "to_csv", rows),
        "benchmark_report.md": step(steps, "to_markdown", rows),
    }
    folder = Path(options.output)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        if text is not None:
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
            print(f"written: {folder / name}")
    if None in texts.values():
        print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    sys.exit(main())
