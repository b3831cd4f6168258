"""Collect the distinct answers of a run, so that each is judged once."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
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
    counted: dict[tuple[str, str], list[tuple[float | None, int]]] = defaultdict(list)
    for answer in distinct(run):
        counted[answer.model, answer.prompt].append((scores.get(answer.key), answer.n))
    means: dict[str, dict[str, float]] = defaultdict(dict)
    for (model, prompt), pairs in counted.items():
        mean = weighted_mean(pairs)
        if mean is not None:
            means[model][prompt] = mean
    return dict(means)


def weighted_mean(counted: Iterable[tuple[float | None, int]]) -> float | None:
    """Return the mean of (value, count) pairs, without those that have no value; None for none."""
    known = [pair for pair in counted if pair[0] is not None]
    if not known:
        return None
    values, counts = zip(*known, strict=True)
    return float(np.average(values, weights=counts))
