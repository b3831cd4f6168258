"""One finished form of the starter project: models and prompts from files, a quality score, and a report as Markdown and CSV.

python notebooks/solutions/starter_project.py --capability summarise --prompts session
"""

import argparse
import csv
import io
import json
import statistics
import sys
from pathlib import Path

from helpers import KitError, connect, load_prompts
from helpers.common.paths import DATA, results_folder

COLUMNS = ("model", "latency_s", "ttft_s", "quality", "sample")


def measure(models, rounds=2, prompts="session"):
    """One row a model: median TTFT and latency in seconds, mean quality, and the first answer."""
    rows, questions = [], load_prompts(prompts).prompts
    with connect() as server:
        for model in models:
            try:
                replies = [
                    server.chat(model, prompt.text)
                    for _ in range(rounds)
                    for prompt in questions
                ]
            except KitError as error:
                rows.append(
                    {**dict.fromkeys(COLUMNS), "model": model, "sample": str(error)}
                )
                continue
            scores = [
                score(reply.text, phrases(prompt))
                for reply, prompt in zip(replies, [*questions] * rounds, strict=True)
            ]
            rows.append(
                {
                    "model": model,
                    "latency_s": statistics.median(
                        reply.latency_s for reply in replies
                    ),
                    "ttft_s": statistics.median(reply.ttft_s for reply in replies),
                    "quality": statistics.fmean(scores),
                    "sample": replies[0].text,
                }
            )
    return rows


def phrases(prompt):
    """For each facet of a prompt that is a list of phrases, those phrases: any of them counts."""
    return [facet.any_of for facet in prompt.facets if facet.any_of]


def to_csv(rows):
    """The rows as CSV text, names in the first line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def to_markdown(rows):
    """The rows as a Markdown table."""
    lines = [
        list(rows[0]),
        ["---"] * len(rows[0]),
        *([cell(value) for value in row.values()] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def cell(value):
    """One cell: a dash for what is missing, three digits, and no line break or bar from an answer."""
    if value is None:
        return "-"
    return (
        f"{value:.3g}"
        if isinstance(value, float)
        else " ".join(str(value).split()).replace("|", "\\|")
    )


def score(answer, expected):
    """The share of expected phrases that the answer contains, 0 to 1; a phrase may be a list of which any counts."""
    choices = [[phrase] if isinstance(phrase, str) else phrase for phrase in expected]
    return sum(
        any(phrase.lower() in answer.lower() for phrase in some) for some in choices
    ) / len(choices)


def read_models(path, capability):
    """The aliases in a models.json that have a capability."""
    entries = json.loads(Path(path).read_text(encoding="utf-8"))
    return [
        alias for alias, entry in entries.items() if capability in entry["capabilities"]
    ]


def main(arguments=None):
    """Measure and write the report; its path is the last line."""
    parser = argparse.ArgumentParser(description="Compare models and write a report.")
    parser.add_argument(
        "--models",
        default="",
        help="aliases with commas between; default: those with the capability that are on this machine",
    )
    parser.add_argument("--capability", default="summarise")
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
    """Those of the models that the server has ready."""
    with connect() as server:
        ready = {model.alias for model in server.models() if model.cached is not False}
    return [model for model in models if model in ready]


if __name__ == "__main__":
    sys.exit(main())
