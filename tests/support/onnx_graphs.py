"""Run the graph of a converted model by itself, without the runtime around it."""

import numpy as np
import onnx
import onnxruntime

from helpers.models.gguf import GgufFile, write_model
from support.gguf_files import HEADS, HIDDEN, KV_HEADS, LAYERS

IDS = [72, 101, 257, 258, 32, 100, 270, 3, 90, 91]


def session(folder, level=0):
    """The graph of a folder; at level 0 it multiplies in floats, so that only the weights are rounded."""
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name == "accuracy_level":
                attribute.i = level
    onnx.save(model, folder / "changed.onnx")
    return onnxruntime.InferenceSession(str(folder / "changed.onnx"))


def step(graph, ids, past=None):
    """The logits after these ids, and the keys and values to go on with."""
    empty = np.zeros((1, KV_HEADS, 0, HIDDEN // HEADS), np.float32)
    names = [f"{layer}.{part}" for layer in range(LAYERS) for part in ("key", "value")]
    past = past or dict.fromkeys(names, empty)
    total = next(iter(past.values())).shape[2] + len(ids)
    feed = {"input_ids": np.array([ids]), "attention_mask": np.ones((1, total), np.int64)}
    feed |= {f"past_key_values.{name}": past[name] for name in names}
    answer, *present = graph.run(["logits", *(f"present.{name}" for name in names)], feed)
    assert answer.shape[:2] == (1, 1)  # of the last position alone
    return answer[0, 0], dict(zip(names, present, strict=True))


def converted_folder(path, folder, adapter=None):
    folder.mkdir()
    write_model(GgufFile(path, adapter), folder)
    return folder
