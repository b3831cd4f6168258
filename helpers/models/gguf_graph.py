"""Write a decoder of the Llama family as ONNX for ONNX Runtime GenAI, in 8-bit blocks of 32.

`templates/decoder.onnx.jinja` is the graph. Weights go to a file beside it, one after the other, so
that no more than a piece of one matrix is in memory at a time.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import onnx
import onnx.parser
from numpy.typing import NDArray

from ..common import templates

if TYPE_CHECKING:
    from .gguf import GgufFile

BLOCK = 32  # numbers of a row that share a scale
ZERO = 128  # the byte that stands for 0
GRAPH, WEIGHTS = "model.onnx", "model.onnx.data"
PAGE, ALIGNED = 4096, 64  # large weights begin on a page, so that the runtime can map them
# A layer's norms, and the matrices after each. Those of one list are multiplied as one.
LAYER = {
    "attn_norm": [["attn_q", "attn_k", "attn_v"], ["attn_output"]],
    "ffn_norm": [["ffn_gate"], ["ffn_up"], ["ffn_down"]],
}


@dataclass(frozen=True)
class Decoder:
    """Hold the sizes of a decoder, and what its rotation and its norms need."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    context: int
    epsilon: float
    angles: NDArray[np.float32]  # of one position, half a head
    tied: bool  # the head that chooses the next token uses the embedding's weights


@dataclass(frozen=True)
class Tensor:
    """Say what kind of numbers a tensor has, its sizes, and where its bytes lie."""

    kind: str
    dims: tuple[int, ...]
    offset: int
    length: int


def write_graph(folder: Path, decoder: Decoder, source: "GgufFile") -> None:
    """Write graph and weights of a decoder into a folder."""
    with (folder / WEIGHTS).open("wb") as file:
        tensors = _write_weights(file, decoder, source)
    template = templates.environment("models").get_template("decoder.onnx.jinja")
    graph = template.render(decoder=decoder, tensors=tensors, block=BLOCK, location=WEIGHTS)
    onnx.save_model(onnx.parser.parse_model(graph), folder / GRAPH)


def quantize(rows: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return rows as bytes around 128, and the scale of each block of 32."""
    blocks = rows.reshape(len(rows), -1, BLOCK)
    scales = np.abs(blocks).max(-1) / np.float32(127)
    divisors = np.where(scales == 0, np.float32(1), scales)[..., None]
    steps = np.rint(blocks / divisors) + ZERO
    return steps.astype(np.uint8).reshape(rows.shape), scales


def _write_weights(file: BinaryIO, decoder: Decoder, source: "GgufFile") -> dict[str, Tensor]:
    """Write what the graph names; return where each tensor lies."""
    writer = _Writer(file, source)
    angles = np.outer(np.arange(decoder.context, dtype=np.float32), decoder.angles)
    writer.floats("cos", np.cos(angles))
    writer.floats("sin", np.sin(angles))
    writer.matrix("token_embd")
    for layer in range(decoder.layers):
        for norm, groups in LAYER.items():
            writer.vectors(f"blk.{layer}.{norm}.weight")
            for names in groups:
                writer.matrix(*(f"blk.{layer}.{name}" for name in names))
    writer.vectors("output_norm.weight")
    tensors = writer.tensors
    table = tensors["token_embd"]
    tensors["embedding"] = replace(table, dims=(decoder.vocabulary, decoder.hidden))
    if not decoder.tied:
        del tensors["token_embd"]
        writer.matrix("output")
    return tensors


class _Writer:
    """Write weights as they come, and note where they lie."""

    def __init__(self, file: BinaryIO, source: "GgufFile"):
        self._file, self._source = file, source
        self.tensors: dict[str, Tensor] = {}

    def floats(self, name: str, values: NDArray[np.float32]) -> None:
        """Write an array."""
        self._begin(name, "float", values.shape, values.nbytes)
        self._file.write(np.ascontiguousarray(values).tobytes())

    def vectors(self, *names: str) -> None:
        """Write vectors one after the other as one."""
        self.floats(names[0], np.concatenate([self._source.vector(name) for name in names]))

    def matrix(self, *names: str) -> None:
        """Write matrices below each other as one, and their biases where the model has any."""
        shapes = [self._source.shape(f"{name}.weight") for name in names]
        rows, columns = sum(shape[0] for shape in shapes), shapes[0][1]
        self._begin(names[0], "uint8", (rows, columns // BLOCK, BLOCK), rows * columns)
        scales = []
        for name in names:
            for piece in self._source.rows(f"{name}.weight"):
                data, piece_scales = quantize(piece)
                self._file.write(data.tobytes())
                scales.append(piece_scales)
        self.floats(f"{names[0]}.scales", np.concatenate(scales))
        biases = [f"{name}.bias" for name in names]
        if all(self._source.has(name) for name in biases):
            self.vectors(*biases)

    def _begin(self, name: str, kind: str, dims: tuple[int, ...], length: int) -> None:
        page = PAGE if length >= PAGE * 16 else ALIGNED
        self._file.write(bytes(-self._file.tell() % page))
        self.tensors[name] = Tensor(kind, dims, self._file.tell(), length)
