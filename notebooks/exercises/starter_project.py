"""Compare models from a file, with a quality score and a report: the finished starter project.

python notebooks/exercises/starter_project.py --capability summarize --prompts session
"""

import argparse
import csv
import io
import json
import statistics
import sys
from pathlib import Path

from helpers import DATA, KitError, connect, load_prompts, results_folder

COLUMNS = ("model", "latency_s", "ttft_s", "quality", "sample")


def measure(models, rounds=2, prompts="session"):
    """Return a row for each model: median TTFT and latency, mean quality, first answer."""
    rows, questions = [], [*load_prompts(prompts).prompts] * rounds
    with connect() as server:
        for model in models:
            try:
                replies = [server.chat(model, prompt.text) for prompt in questions]
            except KitError as error:
                empty = dict.fromkeys(COLUMNS)
                rows.append({**empty, "model": model, "sample": str(error)})
            else:
                rows.append(summary(model, questions, replies))
    return rows


def summary(model, questions, replies):
    """Return the row of one model; times are in seconds."""
    pairs = zip(questions, replies, strict=True)
    scores = [score(reply.text, phrases(prompt)) for prompt, reply in pairs]
    return {
        "model": model,
        "latency_s": statistics.median(reply.latency_s for reply in replies),
        "ttft_s": statistics.median(reply.ttft_s for reply in replies),
        "quality": statistics.fmean(scores),
        "sample": replies[0].text,
    }


def phrases(prompt):
    """Return the phrases of each facet of a prompt; any of them counts."""
    return [facet.any_of for facet in prompt.facets if facet.any_of]


def to_csv(rows):
    """Return the rows as CSV text, with the names in the first line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def to_markdown(rows):
    """Return the rows as a Markdown table."""
    lines = [
        list(rows[0]),
        ["---"] * len(rows[0]),
        *([cell(value) for value in row.values()] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def cell(value):
    """Return the text of one cell, without a line break or a bar from an answer."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}"
    return " ".join(str(value).split()).replace("|", "\\|")


def score(answer, expected):
    """Return the share of expected phrases in the answer; any of a list counts as one."""
    text, hits = answer.lower(), 0
    for phrase in expected:
        choices = [phrase] if isinstance(phrase, str) else phrase
        hits += any(choice.lower() in text for choice in choices)
    return hits / len(expected)


def read_models(path, capability):
    """Return the aliases in a models.json that have a capability."""
    entries = json.loads(Path(path).read_text(encoding="utf-8"))
    return [
        alias for alias, entry in entries.items() if capability in entry["capabilities"]
    ]


def main(arguments=None):
    """Measure, write the report, and print its path."""
    parser = argparse.ArgumentParser(description="Compare models and write a report.")
    parser.add_argument(
        "--models",
        default="",
        help="aliases, separated by commas; default: all here with the capability",
    )
    parser.add_argument("--capability", default="summarize")
    parser.add_argument("--prompts", default="session")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--output", default="")
    options = parser.parse_args(arguments)
    models = [name for name in options.models.split(",") if name] or available(
        read_models(DATA / "models.json", options.capability)
    )
    rows = measure(models, options.rounds, options.prompts)
    folder = results_folder(options.output or None)
    (folder / "benchmark_report.csv").write_text(
        to_csv(rows), encoding="utf-8", newline="\n"
    )
    report = folder / "benchmark_report.md"
    report.write_text(
        f"# Benchmark report\n\n{to_markdown(rows)}\nTimes are medians in seconds.\n",
        encoding="utf-8",
        newline="\n",
    )
    print(f"report: {report}")


def available(models):
    """Return the models that the server has ready."""
    with connect() as server:
        ready = {model.alias for model in server.models() if model.cached is not False}
    return [model for model in models if model in ready]


if __name__ == "__main__":
    sys.exit(main())
