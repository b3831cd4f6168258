"""The distinct answers of a run. What judges an answer, facet by facet, by hand or by a model, judges each once."""

import hashlib
from typing import TYPE_CHECKING

from ..measure.record import Run

if TYPE_CHECKING:
    import pandas as pd


def answer_hash(text: str) -> str:
    """The name of one exact answer: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def distinct(run: Run) -> "pd.DataFrame":
    """One row for each distinct answer of each model: model, prompt_id, text, n (how often it was given), answer (its hash).

    At temperature 0 most rounds repeat an answer, so this is far smaller than the run.
    """
    if (
        "distinct answers" not in run.__dict__
    ):  # kept with the run, as a record may have a million rows
        answered = run.headline[(run.headline["status"] == "ok").to_numpy()]
        found = (
            answered.groupby(["model", "prompt_id", "text"], sort=False, observed=True)
            .size()
            .reset_index(name="n")
        )
        run.__dict__["distinct answers"] = found.assign(
            answer=[answer_hash(text) for text in found["text"]]
        )
    return run.__dict__["distinct answers"]


def prompt_texts(run: Run) -> dict[str, str]:
    """Prompt id to what was asked."""
    return run.prompts
