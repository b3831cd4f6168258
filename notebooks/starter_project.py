"""Ask a few models a few questions, and print what it took. Plain on purpose: four functions below wait for you.

python notebooks/starter_project.py --models pocket-nano,pocket-mini --rounds 2
"""

import argparse
import json
import statistics
import sys

from helpers import KitError, connect

MODELS = "pocket-nano,pocket-mini"
PROMPTS = {  # what is asked, and phrases that a good answer contains
    "Explain the principle of retrieval augmented generation in 2 sentences.": [
        "retriev",
        "document",
        "answer",
    ],
    "List 3 privacy benefits of local inference.": ["device", "network"],
}


def measure(models, rounds=2):
    """One row a model: median TTFT and latency in seconds, and the first answer."""
    rows = []
    with connect() as server:
        for model in models:
            try:
                replies = [
                    server.chat(model, prompt)
                    for _ in range(rounds)
                    for prompt in PROMPTS
                ]
            except KitError as error:
                rows.append(
                    {
                        "model": model,
                        "latency_s": None,
                        "ttft_s": None,
                        "sample": str(error),
                    }
                )
                continue
            latency, ttft = (
                statistics.median(getattr(reply, name) for reply in replies)
                for name in ("latency_s", "ttft_s")
            )
            rows.append(
                {
                    "model": model,
                    "latency_s": latency,
                    "ttft_s": ttft,
                    "sample": replies[0].text,
                }
            )
    return rows


def to_csv(rows):
    """Step 1: the rows as CSV text, names in the first line."""
    return ...


def to_markdown(rows):
    """Step 1: the rows as a Markdown table."""
    return ...


def score(answer, expected):
    """Step 2: the share of expected phrases that the answer contains, 0 to 1."""
    return ...


def read_models(path, capability):
    """Step 3: the aliases in a models.json that have a capability."""
    return ...


def main(arguments=None):
    """Measure, print JSON, and say which steps are still to do."""
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
