"""Set every choice that shapes the models. A new size is one more entry in `MODELS`."""

import functools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.common.paths import BUILT_IN_MODELS

SEED = 7
CONTEXT = 1024  # tokens of prompt and answer together; the KV cache is allocated for all of them
MAX_OUTPUT = 256
VOCABULARY = 2048
HEAD = 32
LICENSE = "MIT"
VERSION = 5

DATA_FOLDER = Path(__file__).resolve().parent / "data"  # what the text is made of
MODELS_FOLDER = BUILT_IN_MODELS
WORK_FOLDER = MODELS_FOLDER / "work"  # not in git: text, checkpoints, logs


@functools.cache
def load_toml(name: str) -> dict[str, Any]:
    """Return what a file of the data folder holds."""
    return tomllib.loads((DATA_FOLDER / name).read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Model:
    """One size. A step reads `batch_tokens` tokens; reading begins at batch `skip` of the text."""

    alias: str
    hidden: int
    intermediate: int
    layers: int
    steps: int
    grows_from: str | None = None  # alias of the smaller size whose weights it begins with
    skip: int = 0
    batch_tokens: int = 6144
    decay_from: float = 0.4  # the learning rate falls to zero after this part of the steps
    rate: float = 0.02  # Muon, for the weight matrices
    rate_vectors: float = 0.004  # AdamW, for embeddings, norms and biases
    precisions: tuple[str, ...] = ("int8",)  # the first one carries the plain alias

    @property
    def heads(self) -> int:
        """Return the number of attention heads."""
        return self.hidden // HEAD


MODELS = {
    model.alias: model
    for model in (
        Model("pocket-nano", hidden=128, intermediate=384, layers=4, steps=4000),
        Model(
            "pocket-mini",
            hidden=256,
            intermediate=640,
            layers=5,
            steps=2200,
            grows_from="pocket-nano",
            skip=4000,
            precisions=("int8", "int4"),
        ),
        Model(
            "pocket-midi",
            hidden=384,
            intermediate=1024,
            layers=6,
            steps=3300,
            grows_from="pocket-mini",
            skip=6200,
            decay_from=0.2,
            rate=0.015,
        ),
    )
}

# By alias of a folder.
PACKAGES: dict[str, tuple[Model, str]] = {
    model.alias if number == 0 else f"{model.alias}-{precision}": (model, precision)
    for model in MODELS.values()
    for number, precision in enumerate(model.precisions)
}
