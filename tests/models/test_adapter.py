"""A LoRA adapter becomes part of the weights, and one that does not belong is refused."""

import json

import numpy as np
import pytest
import safetensors.numpy

from helpers.common.errors import UsageError
from helpers.models import gguf
from helpers.models.adapter import NAMES, Adapter
from support.gguf_files import FEED, HEADS, HIDDEN, KV_HEADS, LAYERS, logits, write_gguf
from support.onnx_graphs import IDS, converted_folder, session, step

RANK = 4
SIZES = {"q_proj": (HIDDEN, HIDDEN), "o_proj": (HIDDEN, HIDDEN), "down_proj": (HIDDEN, FEED)}
SIZES |= dict.fromkeys(("k_proj", "v_proj"), (KV_HEADS * HIDDEN // HEADS, HIDDEN))
SIZES |= dict.fromkeys(("gate_proj", "up_proj"), (FEED, HIDDEN))


def write_adapter(folder, *, layers=LAYERS, sizes=SIZES, rank=RANK, dtype=np.float32, **config):
    """Write an adapter for every matrix, as PEFT would; return the factors by layer and name."""
    folder.mkdir(exist_ok=True)
    random, tensors, factors = np.random.default_rng(5), {}, {}
    for layer in range(layers):
        for name, (rows, columns) in sizes.items():
            a = random.normal(0, 0.1, (rank, columns)).astype(dtype)
            b = random.normal(0, 0.1, (rows, rank)).astype(dtype)
            part = "self_attn" if name[0] in "qkvo" else "mlp"
            key = f"base_model.model.model.layers.{layer}.{part}.{name}"
            tensors |= {f"{key}.lora_A.weight": a, f"{key}.lora_B.weight": b}
            factors[layer, name] = a.astype(np.float64), b.astype(np.float64)
    safetensors.numpy.save_file(tensors, folder / "adapter_model.safetensors")
    values = {"peft_type": "LORA", "r": rank, "lora_alpha": 8, "bias": "none", **config}
    (folder / "adapter_config.json").write_text(json.dumps(values))
    return factors


def in_pairs(rows, heads):
    """The rows of queries and keys in the order of llama.cpp: the two that turn together are neighbours."""
    halves = rows.reshape(heads, 2, -1, rows.shape[-1])
    return np.stack([halves[:, 0], halves[:, 1]], axis=2).reshape(rows.shape)


@pytest.mark.parametrize(("rslora", "dtype"), [(False, np.float32), (True, np.float16)])
@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_an_adapter_changes_what_the_model_computes_as_peft_defines_it(
    tmp_path, monkeypatch, architecture, rslora, dtype
):
    monkeypatch.setattr(gguf, "PIECE", 500)  # 7 rows at a time
    path = write_gguf(tmp_path / "m.gguf", architecture)
    factors = write_adapter(tmp_path / "lora", use_rslora=rslora, dtype=dtype)
    scale, changes = 8 / (RANK**0.5 if rslora else RANK), {}
    for (layer, name), (a, b) in factors.items():
        change = scale * (b @ a)
        heads = {"q_proj": HEADS, "k_proj": KV_HEADS}.get(name)
        if heads and architecture == "llama":
            change = in_pairs(change, heads)
        changes[f"blk.{layer}.{NAMES[name]}.weight"] = change
    expected = logits(path, IDS, changes)[-1]
    graph = session(converted_folder(path, tmp_path / "out", Adapter(tmp_path / "lora")))
    found, _ = step(graph, IDS)
    assert found == pytest.approx(expected, abs=0.1 * expected.std())
    assert np.abs(logits(path, IDS)[-1] - expected).max() > 0.5 * expected.std()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": {"q_proj": (HIDDEN, 96)}}, r"adapter for another model: for blk\.0\.attn_q\.weight it has 64 x 96 numbers, and this model 64 x 64"),
        ({"layers": 3}, r"adapter for another model: it changes blk\.2\.attn_k\.weight, which this model does not have"),
        ({"r": 8}, r"says rank 8, and the factors of blk\.0\.ffn_down\.weight have \{'A': 4, 'B': 4\}"),
        ({"r": 0}, r"r must be a whole number above 0, found 0"),
        ({"r": None}, r"r must be a whole number above 0, found None"),
        ({"peft_type": "IA3"}, r"of the form IA3; only plain LoRA without biases"),
        ({"use_dora": True}, r"of the form LORA use_dora; only plain LoRA"),
        ({"bias": "all"}, r"only plain LoRA without biases"),
        ({"sizes": {"lm_head": (271, HIDDEN)}}, r"changes base_model.*; only the matrices q_proj"),
        ({"sizes": {}}, r"holds nothing"),
    ],
)  # fmt: skip
def test_an_adapter_that_does_not_belong_is_told_in_one_sentence(tmp_path, change, message):
    path = write_gguf(tmp_path / "m.gguf")
    write_adapter(tmp_path / "lora", **change)
    with pytest.raises(UsageError, match=message):
        converted_folder(path, tmp_path / "out", Adapter(tmp_path / "lora"))


def test_a_folder_without_a_whole_adapter_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"holds no adapter_config\.json with peft_type"):
        Adapter(tmp_path)
    write_adapter(tmp_path)
    weights = tmp_path / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UsageError, match=r"adapter_model\.safetensors cannot be read"):
        Adapter(tmp_path)
    weights.unlink()
    with pytest.raises(UsageError, match=r"adapter_model\.safetensors cannot be read"):
        Adapter(tmp_path)
