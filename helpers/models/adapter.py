"""Add a LoRA adapter, in the form in which PEFT saves it, to the weights of a model."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from ..common.errors import UsageError
from ..common.show import one_line

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
KEY = re.compile(r"base_model\.model\.model\.layers\.(\d+)\.\w+\.(\w+)\.lora_([AB])\.weight")
NAMES = {  # PEFT's names of the matrices of a layer, and GGUF's
    "q_proj": "attn_q",
    "k_proj": "attn_k",
    "v_proj": "attn_v",
    "o_proj": "attn_output",
    "gate_proj": "ffn_gate",
    "up_proj": "ffn_up",
    "down_proj": "ffn_down",
}
# What PEFT can do beside plain LoRA, and would change the result.
OTHER_FORMS = ("use_dora", "fan_in_fan_out", "rank_pattern", "alpha_pattern", "modules_to_save")


class Adapter:
    """Hold the two factors of each matrix that an adapter changes: W + scale * B A."""

    def __init__(self, folder: Path):
        self.folder = folder
        config = _read_config(folder)
        rank, alpha = config["r"], config["lora_alpha"]
        self._scale = alpha / (math.sqrt(rank) if config.get("use_rslora") else rank)
        self._factors = self._read(rank)
        self._unused = set(self._factors)

    def add(
        self, name: str, rows: NDArray[np.float32], start: int, shape: tuple[int, int]
    ) -> NDArray[np.float32]:
        """Return rows of the matrix with this GGUF name, from `start` on, with the change added."""
        if name not in self._factors:
            return rows
        a, b = self._factors[name]["A"], self._factors[name]["B"]
        if (len(b), a.shape[1]) != shape:
            raise UsageError(
                f"{self.folder} is an adapter for another model: for {name} it has "
                f"{len(b)} x {a.shape[1]} numbers, and this model {shape[0]} x {shape[1]}."
            )
        self._unused.discard(name)
        return rows + np.float32(self._scale) * (b[start : start + len(rows)] @ a)

    def refuse_left_over(self) -> None:
        """Raise UsageError when the model lacks a matrix that the adapter changes."""
        if self._unused:
            raise UsageError(
                f"{self.folder} is an adapter for another model: "
                f"it changes {min(self._unused)}, which this model does not have."
            )

    def _read(self, rank: int) -> dict[str, dict[str, NDArray[np.float32]]]:
        try:
            tensors = safetensors.numpy.load_file(self.folder / WEIGHTS)
        except Exception as error:  # its own errors, and those of the file system
            reason = one_line(str(error), 100)
            raise UsageError(f"{self.folder / WEIGHTS} cannot be read ({reason}).") from None
        factors: dict[str, dict[str, NDArray[np.float32]]] = {}
        for key, values in tensors.items():
            found = KEY.fullmatch(key)
            if found is None or found[2] not in NAMES:
                raise UsageError(
                    f"{self.folder} changes {key:.80}; only the matrices "
                    f"{', '.join(NAMES)} of the layers can be changed."
                )
            name = f"blk.{found[1]}.{NAMES[found[2]]}.weight"
            factors.setdefault(name, {})[found[3]] = values.astype(np.float32)
        for name, pair in factors.items():
            ranks = {"A": pair["A"].shape[0], "B": pair["B"].shape[1]} if len(pair) == 2 else {}
            if set(ranks.values()) != {rank}:
                raise UsageError(
                    f"{self.folder} is damaged: {CONFIG} says rank {rank}, "
                    f"and the factors of {name} have {ranks or 'no partner'}."
                )
        if not factors:
            raise UsageError(f"{self.folder / WEIGHTS} holds nothing.")
        return factors


def _read_config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        kind, rank, alpha = config["peft_type"], config["r"], config["lora_alpha"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UsageError(
            f"{folder} holds no {CONFIG} with peft_type, r and lora_alpha; "
            "give a folder that PEFT's save_pretrained has written."
        ) from None
    others = [name for name in OTHER_FORMS if config.get(name)]
    if kind != "LORA" or others or config.get("bias", "none") != "none":
        raise UsageError(
            f"{folder} is an adapter of the form {' '.join([str(kind), *others])}; "
            "only plain LoRA without biases can be added."
        )
    if not (isinstance(rank, int) and rank > 0 and isinstance(alpha, (int, float))):
        raise UsageError(f"{folder / CONFIG}: r must be a whole number above 0, found {rank!r}.")
    return config
