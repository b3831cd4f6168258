"""Write a decoder of the Llama family as ONNX for ONNX Runtime GenAI, in 8-bit blocks of 32.

The graph is a few nodes a layer. Weights go to a file beside it, one after the other, so that no
more than a piece of one matrix is in memory at a time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from .gguf import GgufFile

BLOCK = 32  # numbers of a row that share a scale
ZERO = 128  # the byte that stands for 0
GRAPH, WEIGHTS = "model.onnx", "model.onnx.data"
PAGE, SMALL = 4096, 64  # weights begin on a page, so that the runtime can map them
OURS = "com.microsoft"  # where ONNX Runtime keeps operators of its own
INT8 = 4  # the accuracy level that multiplies in bytes, which is fast on a processor
Values = dict[str, Any]


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


def write_graph(folder: Path, decoder: Decoder, source: "GgufFile") -> None:
    """Write graph and weights of a decoder into a folder."""
    with (folder / WEIGHTS).open("wb") as file:
        writer = _Writer(file, source)
        _decoder_graph(writer, decoder)
    cache = ["batch", decoder.kv_heads, "past", decoder.head_size]
    inputs = [_int64("input_ids", "length"), _int64("attention_mask", "total")]
    outputs = [_floats("logits", ["batch", 1, decoder.vocabulary])]
    for layer in range(decoder.layers):
        for part in ("key", "value"):
            inputs.append(_floats(f"past_key_values.{layer}.{part}", cache))
            outputs.append(_floats(f"present.{layer}.{part}", [*cache[:2], "total", cache[3]]))
    graph = helper.make_graph(writer.nodes, "decoder", inputs, outputs, writer.initializers)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid(OURS, 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=10)
    onnx.save_model(model, folder / GRAPH)


def quantize(rows: NDArray[np.float32]) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return rows as bytes around 128, and the scale of each block of 32."""
    blocks = rows.reshape(len(rows), -1, BLOCK)
    scales = np.abs(blocks).max(-1) / np.float32(127)
    divisors = np.where(scales == 0, np.float32(1), scales)[..., None]
    steps = np.rint(blocks / divisors) + ZERO
    return steps.astype(np.uint8).reshape(rows.shape), scales


def _decoder_graph(writer: "_Writer", decoder: Decoder) -> None:
    positions = np.arange(decoder.context, dtype=np.float32)
    angles = np.outer(positions, decoder.angles)
    cosine, sine = writer.add("cos", np.cos(angles)), writer.add("sin", np.sin(angles))
    lengths = _lengths(writer)
    embedding = writer.matrix("token_embd.weight")
    gathered: Values = {"bits": 8, "block_size": BLOCK, "gather_axis": 0, "quantize_axis": 1}
    table = writer.name_bytes(embedding, "embedding", decoder.vocabulary, decoder.hidden)
    # A byte of 128 is 0 without being told, as in MatMulNBits.
    stream = writer.node("GatherBlockQuantized", table, "input_ids", embedding.scales, **gathered)
    attention: Values = {
        "num_heads": decoder.heads,
        "kv_num_heads": decoder.kv_heads,
        "do_rotary": 1,
    }
    norm, added = {"epsilon": decoder.epsilon}, ""
    for layer in range(decoder.layers):
        block = f"blk.{layer}"
        stream, normed = _norm(writer, stream, added, f"{block}.attn_norm.weight", norm)
        packed = writer.multiply(normed, *(f"{block}.attn_{part}" for part in "qkv"))
        past = [f"past_key_values.{layer}.{part}" for part in ("key", "value")]
        present = [f"present.{layer}.{part}" for part in ("key", "value")]
        inputs = (packed, "", "", *past, *lengths, cosine, sine)
        answered = writer.node("GroupQueryAttention", *inputs, more_outputs=present, **attention)
        added = writer.multiply(answered, f"{block}.attn_output")
        stream, normed = _norm(writer, stream, added, f"{block}.ffn_norm.weight", norm)
        gate = writer.multiply(normed, f"{block}.ffn_gate")
        opened = writer.node("Mul", gate, writer.node("Sigmoid", gate))
        both = writer.node("Mul", opened, writer.multiply(normed, f"{block}.ffn_up"))
        added = writer.multiply(both, f"{block}.ffn_down")
    _, normed = _norm(writer, stream, added, "output_norm.weight", norm)
    # Only the last position chooses a token: over a long prompt, the others would cost a fifth of
    # the time and gigabytes.
    last = writer.node("Gather", normed, writer.add("last", np.array([-1])), axis=1)
    head = embedding if decoder.tied else writer.matrix("output.weight")
    writer.multiply_by(last, head, None, output="logits")


def _lengths(writer: "_Writer") -> tuple[str, str]:
    """Return the last position of each sequence, and the length of the longest, from the mask."""
    one, first = writer.add("one", np.array([1])), writer.add("first", np.array(1))
    summed = writer.node("ReduceSum", "attention_mask", one, keepdims=0)
    last = writer.node("Cast", writer.node("Sub", summed, one), to=TensorProto.INT32)
    total = writer.node("Gather", writer.node("Shape", "attention_mask"), first, axis=0)
    return last, writer.node("Cast", total, to=TensorProto.INT32)


def _norm(
    writer: "_Writer", stream: str, added: str, name: str, attributes: dict
) -> tuple[str, str]:
    """Return the stream with what a layer adds, and its norm."""
    weight = writer.add(name, writer.source.vector(name))
    if not added:
        normed = writer.node("SimplifiedLayerNormalization", stream, weight, axis=-1, **attributes)
        return stream, normed
    summed = writer.new_name()
    inputs, outputs = (stream, added, weight), ("", "", summed)
    skip = "SkipSimplifiedLayerNormalization"
    return summed, writer.node(skip, *inputs, more_outputs=outputs, **attributes)


@dataclass(frozen=True)
class _Matrix:
    """Name a matrix in the graph; `offset` is where its bytes lie."""

    name: str
    rows: int
    columns: int
    offset: int

    @property
    def scales(self) -> str:
        return f"{self.name}.scales"


class _Writer:
    """Collect nodes, and write weights as they come."""

    def __init__(self, file: BinaryIO, source: "GgufFile"):
        self.source = source
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[TensorProto] = []
        self._file = file
        self._names = 0

    def new_name(self) -> str:
        self._names += 1
        return f"value.{self._names}"

    def node(
        self, kind: str, *inputs: str, output: str = "", more_outputs: Iterable[str] = (), **values
    ) -> str:
        """Add a node; return the name of its first output."""
        output = output or self.new_name()
        domain = OURS if kind in _OURS else ""
        names = [output, *more_outputs]
        made = helper.make_node(kind, inputs, names, f"node.{output}", domain=domain, **values)
        self.nodes.append(made)
        return output

    def add(self, name: str, values: NDArray) -> str:
        """Write an array; return its name."""
        if values.nbytes < SMALL:  # shapes are inferred from these, and only from within the graph
            self.initializers.append(numpy_helper.from_array(values, name))
            return name
        self._initializer(name, values.shape, values.dtype, self._align(values.nbytes))
        self._file.write(np.ascontiguousarray(values).tobytes())
        return name

    def matrix(self, *names: str) -> _Matrix:
        """Write matrices below each other as one, in 8-bit blocks."""
        shapes = [self.source.shape(name) for name in names]
        rows, columns = sum(shape[0] for shape in shapes), shapes[0][1]
        offset = self._align(rows * columns)
        scales = []
        for name in names:
            for piece in self.source.rows(name):
                data, piece_scales = quantize(piece)
                self._file.write(data.tobytes())
                scales.append(piece_scales)
        matrix = _Matrix(names[0], rows, columns, offset)
        self.add(matrix.scales, np.concatenate(scales))
        return matrix

    def name_bytes(self, matrix: _Matrix, name: str, *shape: int) -> str:
        """Give the bytes of a matrix a name and a shape; the same bytes may have several."""
        self._initializer(name, shape, np.dtype(np.uint8), matrix.offset)
        return name

    def multiply(self, value: str, *names: str) -> str:
        """Multiply by matrices as one and add their biases, where the model has any."""
        biases = [f"{name}.bias" for name in names]
        bias = None
        if all(self.source.has(name) for name in biases):
            vectors = [self.source.vector(name) for name in biases]
            bias = self.add(biases[0], np.concatenate(vectors))
        return self.multiply_by(value, self.matrix(*(f"{name}.weight" for name in names)), bias)

    def multiply_by(self, value: str, matrix: _Matrix, bias: str | None, output: str = "") -> str:
        """Multiply by a matrix whose bytes have been written, and add a bias."""
        blocks = (matrix.rows, matrix.columns // BLOCK, BLOCK)
        data = self.name_bytes(matrix, matrix.name, *blocks)
        inputs = [value, data, matrix.scales, *(["", "", bias] if bias else [])]
        sizes: Values = {"N": matrix.rows, "K": matrix.columns, "bits": 8, "block_size": BLOCK}
        return self.node("MatMulNBits", *inputs, output=output, accuracy_level=INT8, **sizes)

    def _align(self, size: int) -> int:
        page = PAGE if size >= PAGE * 16 else SMALL
        self._file.write(bytes(-self._file.tell() % page))
        return self._file.tell()

    def _initializer(self, name: str, shape: Iterable[int], kind: np.dtype, offset: int) -> None:
        dims = [int(size) for size in shape]
        length = int(np.prod(dims)) * kind.itemsize
        data_type = helper.np_dtype_to_tensor_dtype(kind)
        tensor = TensorProto(name=name, data_type=data_type, dims=dims)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", WEIGHTS), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        self.initializers.append(tensor)


_OURS = {
    "GatherBlockQuantized",
    "GroupQueryAttention",
    "MatMulNBits",
    "SkipSimplifiedLayerNormalization",
}


def _int64(name: str, length: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", length])


def _floats(name: str, shape: list) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
