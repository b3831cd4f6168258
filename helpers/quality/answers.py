"""Collect the distinct answers of a run, so that each is judged once."""

import hashlib
from dataclasses import dataclass

from ..measure.record import Run


@dataclass(frozen=True)
class Answer:
    """Hold one exact answer of a model: its text, the text's hash, and how often it was given."""

    model: str
    prompt: str
    text: str
    n: int
    hash: str

    @property
    def key(self) -> tuple[str, str]:
        """Return prompt id and hash, which models that agree to the letter share."""
        return self.prompt, self.hash


def answer_hash(text: str) -> str:
    """Return the name of one exact answer: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def distinct(run: Run) -> list[Answer]:
    """Return each distinct answer of each model once, in the order of the run.

    At temperature 0 most rounds repeat an answer, so these are far fewer than the requests.
    """
    if "distinct answers" not in run.__dict__:  # kept: a record may have a million rows
        answered = run.headline[(run.headline["status"] == "ok").to_numpy()]
        groups = answered.groupby(["model", "prompt_id", "text"], sort=False, observed=True)
        run.__dict__["distinct answers"] = [
            Answer(model, prompt, text, n, answer_hash(text))
            for model, prompt, text, n in groups.size().reset_index().to_numpy().tolist()
        ]
    return run.__dict__["distinct answers"]


def prompt_texts(run: Run) -> dict[str, str]:
    """Return the text of each prompt by its id."""
    return run.prompts
