"""Collect the distinct answers of a run, so that each is judged once."""

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..measure.record import Run

Key = tuple[str, str]
"""Prompt id and answer hash; models that agree to the letter share it."""


@dataclass(frozen=True)
class Answer:
    """Hold one exact answer of a model: its text, the text's hash, and how often it was given."""

    model: str
    prompt: str
    text: str
    n: int
    hash: str

    @property
    def key(self) -> Key:
        """Return prompt id and hash."""
        return self.prompt, self.hash


def answer_hash(text: str) -> str:
    """Return the name of one exact answer: 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def distinct(run: Run) -> list[Answer]:
    """Return each distinct answer of each model once: far fewer than requests at temperature 0."""
    if "distinct answers" not in run.__dict__:  # kept: a record may have a million rows
        answered = run.headline[(run.headline["status"] == "ok").to_numpy()]
        groups = answered.groupby(["model", "prompt_id", "text"], sort=False, observed=True)
        run.__dict__["distinct answers"] = [
            Answer(model, prompt, text, n, answer_hash(text))
            for model, prompt, text, n in groups.size().reset_index().to_numpy().tolist()
        ]
    return run.__dict__["distinct answers"]


def mean_by_prompt(run: Run, scores: Mapping[Key, float | None]) -> dict[str, dict[str, float]]:
    """Return model to prompt id to the mean score over rounds; no score leaves an answer out."""
    counted: dict[tuple[str, str], list[tuple[float, int]]] = defaultdict(list)
    for answer in distinct(run):
        score = scores.get(answer.key)
        if score is not None:
            counted[answer.model, answer.prompt].append((score, answer.n))
    means: dict[str, dict[str, float]] = defaultdict(dict)
    for (model, prompt), pairs in counted.items():
        means[model][prompt] = weighted_mean(pairs)
    return dict(means)


def weighted_mean(counted: Sequence[tuple[float, int]]) -> float:
    """Return the mean of (value, count) pairs."""
    values, counts = zip(*counted, strict=True)
    return float(np.average(values, weights=counts))
