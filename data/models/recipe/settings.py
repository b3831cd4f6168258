"""Every choice that shapes the models, in one place. A further size is one more entry in `MODELS`."""

from dataclasses import dataclass
from pathlib import Path

SEED = 7
CONTEXT = 1024  # tokens of prompt and answer together; the KV cache is allocated for all of them
MAX_OUTPUT = 256
VOCABULARY = 2048
HEAD = 32
LICENSE = "MIT"
VERSION = 1

MODELS_FOLDER = Path(__file__).resolve().parent.parent
WORK_FOLDER = MODELS_FOLDER / "recipe" / "work"  # not in git: text, checkpoints, logs


@dataclass(frozen=True)
class Model:
    """One size. Training reads `batch_tokens` tokens a step."""

    alias: str
    hidden: int
    intermediate: int
    layers: int
    steps: int
    batch_tokens: int = 3072
    rate: float = 0.02  # Muon, for the weight matrices
    rate_vectors: float = 0.004  # AdamW, for embeddings, norms and biases
    precision: str = "int8"
    note: str = ""  # what the model card must add about the making of these weights

    @property
    def heads(self):
        return self.hidden // HEAD

    @property
    def name(self):
        return f"{self.alias}-generic-cpu"


STAGED = (
    "The recipe changed while these weights were made, so it gives a model of this kind, not exactly these weights. "
    "The first {early:,} steps read an earlier version of the generated text, and names were swapped only after them."
)

MODELS = {
    model.alias: model
    for model in (
        Model("pocket-nano", hidden=128, intermediate=384, layers=4, steps=2600, note=STAGED.format(early=1600)),
        Model(
            "pocket-mini",
            hidden=256,
            intermediate=640,
            layers=5,
            steps=1896,
            note=STAGED.format(early=400)
            + " The number of steps was settled on the way, and the last 296 read more short conversations than the recipe does.",
        ),
    )
}
