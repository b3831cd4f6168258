"""Ask a few models a few questions and print how long it took. Four functions wait for you.

python notebooks/starter_project.py --models pocket-nano,pocket-mini --rounds 2
"""

import argparse
import json
import statistics
import sys

from helpers import KitError, connect

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


def main(arguments=None):
    """Measure, print JSON, and say which steps are left."""
    parser = argparse.ArgumentParser(description="Compare models.")
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument(
        "--output", default="results/starter", help="where step 1 writes its files"
    )
    options = parser.parse_args(arguments)
    rows = measure(options.models.split(","), options.rounds)
    print(json.dumps(rows, indent=2))
    print(
        "Still to do: write to_csv, to_markdown, score and read_models, and use them here."
    )


if __name__ == "__main__":
    sys.exit(main())
