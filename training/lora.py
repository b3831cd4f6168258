"""Add low-rank matrices to the linear layers of a model, and keep them in PEFT's form."""

import math
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from helpers.common.files import write_json

RANK, ALPHA = 16, 32
WEIGHTS, CONFIG = "adapter_model.safetensors", "adapter_config.json"
PREFIX = "base_model.model."  # PEFT wraps a model twice


class LowRank(nn.Module):
    """A frozen linear layer plus the product of two small matrices, which begins at zero."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.linear = linear
        down = torch.randn(RANK, linear.in_features) / math.sqrt(linear.in_features)
        self.lora_A = nn.Parameter(down)
        self.lora_B = nn.Parameter(torch.zeros(linear.out_features, RANK))

    def forward(self, states: Tensor) -> Tensor:
        """Return (..., out) for (..., in)."""
        low = functional.linear(states, self.lora_A.to(states.dtype))
        added = functional.linear(low, self.lora_B.to(states.dtype) * (ALPHA / RANK))
        return self.linear(states) + added


def add(model: nn.Module) -> dict[str, nn.Parameter]:
    """Wrap every linear layer of the blocks; return the new parameters by their PEFT names."""
    model.requires_grad_(False)
    linears = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and ".layers." in name
    }
    parameters = {}
    for name, linear in linears.items():
        parent, _, last = name.rpartition(".")
        wrapped = LowRank(linear)
        setattr(model.get_submodule(parent), last, wrapped)
        for matrix in ("lora_A", "lora_B"):
            parameters[f"{PREFIX}{name}.{matrix}.weight"] = getattr(wrapped, matrix)
    return parameters


def save(parameters: dict[str, nn.Parameter], base: str, folder: Path) -> None:
    """Write the adapter in 16 bits, with the settings that PEFT asks for."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.detach().half().contiguous() for name, value in parameters.items()}
    save_file(tensors, folder / WEIGHTS, metadata={"format": "pt"})
    targets = sorted({name.split(".")[-3] for name in parameters})
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": RANK,
        "lora_alpha": ALPHA,
        "lora_dropout": 0.0,
        "target_modules": targets,
        "bias": "none",
        "fan_in_fan_out": False,
        "use_rslora": False,
        "use_dora": False,
        "inference_mode": True,
    }
    write_json(folder / CONFIG, config)
