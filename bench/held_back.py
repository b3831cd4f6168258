"""Show what text that was held back does to output tokens/s: the second table of docs/method.md.

python bench/held_back.py [RUN]
"""

import sys

import numpy as np

from helpers import load_run


def main(folder: str | None) -> None:
    """Print the plain formula over all answers beside the kit's figure, for each model."""
    run = load_run(folder)
    print(
        "| model | output tokens/s, all answers: median, maximum | the kit: median, maximum |\n|---|---|---|"
    )
    for model in run.models:
        rows = [
            row
            for row in run.rows
            if (row["model"], row["phase"], row["status"]) == (model, "measure", "ok")
            and (row["completion_tokens"] or 0) > 1
        ]
        spans = [
            (row["completion_tokens"] - 1, row["chunk_times_s"][-1] - row["chunk_times_s"][0])
            for row in rows
        ]
        plain = [tokens / span if span else np.inf for tokens, span in spans]
        kept = [row["output_tokens_per_s"] for row in rows if row["output_tokens_per_s"]]
        cells = [
            f"{np.median(rates):,.0f}, {max(rates):,.0f} (n = {len(rates)})" if rates else "-"
            for rates in (plain, kept)
        ]
        print(f"| {model} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)
