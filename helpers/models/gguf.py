"""Turn a GGUF file into a folder that Foundry Local serves, with numpy and without PyTorch.

Any type of weights that the `gguf` package unpacks is read, a piece at a time, and written in
8-bit blocks. `gguf_graph` writes the graph, `gguf_tokenizer` the tokenizer.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from ..common import templates
from ..common.errors import UsageError
from ..common.files import write_text
from ..common.show import one_line
from .adapter import Adapter
from .gguf_graph import BLOCK, Decoder, write_graph
from .gguf_tokenizer import write_tokenizer

CONTEXT = 8192  # positions; more only when asked for, since the runtime may keep memory for all
PIECE = 2**21  # numbers that are unpacked at once
# Whether llama.cpp keeps the rows of queries and keys in pairs for its form of rotation.
IN_PAIRS = {"llama": True, "qwen2": False}
PAIRED = ("attn_q.", "attn_k.")
FACTORS = "rope_freqs.weight"  # by which a longer context turns more slowly


class GgufFile:
    """Read the metadata and the weights of a GGUF file, which stays on the disk.

    Raises UsageError for a file that is damaged, and for a model that the graph does not describe.
    """

    def __init__(self, path: Path, adapter: Adapter | None = None):
        self.path, self._adapter = path, adapter
        self._reader = _open(path)
        self._tensors = {tensor.name: tensor for tensor in self._reader.tensors}
        self._unused = set(self._tensors)
        self.architecture = str(self.get("general.architecture"))
        if self.architecture not in IN_PAIRS:
            raise UsageError(
                f"{path} has the architecture '{self.architecture}'; "
                f"those that can be converted: {', '.join(IN_PAIRS)}."
            )

    def get(self, name: str) -> Any:
        """Return a value of the metadata, or None where the file does not say."""
        field = self._reader.fields.get(name)
        return None if field is None else field.contents()

    @property
    def parameters(self) -> int:
        """Return how many numbers all weights have."""
        return sum(int(tensor.n_elements) for tensor in self._reader.tensors)

    def decoder(self, context: int | None = None) -> Decoder:
        """Return the sizes of the model, with a context of 8,192 positions or what it has."""
        heads, hidden = self._number("attention.head_count"), self._number("embedding_length")
        longest = self._number("context_length")
        if context is not None and not 1 <= context <= longest:
            raise UsageError(
                f"A context of {context:,} tokens was asked for; "
                f"{self.path} has {longest:,} at most."
            )
        size = self._number("attention.key_length", hidden // heads)
        dimensions = self._number("rope.dimension_count", size)
        scaling = self.get(f"{self.architecture}.rope.scaling.type") or "none"
        unlike = {
            f"it has {self._number('expert_count', 0)} experts": self._number("expert_count", 0),
            f"it rotates {dimensions} of {size} numbers of a head": dimensions != size,
            f"its rotation is scaled by '{scaling}'": scaling not in ("none", "linear"),
            f"a row of {hidden} numbers is not made of blocks of {BLOCK}": hidden % BLOCK,
        }
        for reason, is_so in unlike.items():
            if is_so:
                raise UsageError(f"{self.path} cannot be converted: {reason}.")
        return Decoder(
            layers=self._number("block_count"),
            hidden=hidden,
            heads=heads,
            kv_heads=self._number("attention.head_count_kv", heads),
            head_size=size,
            vocabulary=self.shape("token_embd.weight")[0],
            context=context or min(longest, CONTEXT),
            epsilon=float(self._need("attention.layer_norm_rms_epsilon")),
            angles=self._angles(size, scaling),
            tied=not self.has("output.weight"),
        )

    def vector(self, name: str) -> NDArray[np.float32]:
        """Return a vector."""
        return self._unpack(name, self._in_halves(name, self._tensor(name).data))

    def has(self, name: str) -> bool:
        """Tell whether the model has weights of this name."""
        return name in self._tensors

    def shape(self, name: str) -> tuple[int, int]:
        """Return rows and columns of a matrix."""
        columns, rows = (int(size) for size in self._tensor(name).shape)
        return rows, columns

    def rows(self, name: str) -> Iterator[NDArray[np.float32]]:
        """Yield the rows of a matrix, with what the adapter adds, some at a time."""
        rows, columns = self.shape(name)
        packed = self._in_halves(name, self._tensor(name).data)
        step = max(1, PIECE // columns)
        for start in range(0, rows, step):
            piece = self._unpack(name, packed[start : start + step])
            if self._adapter:
                piece = self._adapter.add(name, piece, start, (rows, columns))
            yield piece

    def refuse_left_over(self) -> None:
        """Raise UsageError for weights of the model or the adapter that no one has asked for."""
        if self._unused:
            left = ", ".join(sorted(self._unused)[:3])
            raise UsageError(
                f"{self.path} has {len(self._unused)} weights that a model of the architecture "
                f"'{self.architecture}' does not have, such as {left}; it cannot be converted."
            )
        if self._adapter:
            self._adapter.refuse_left_over()

    def _angles(self, size: int, scaling: str) -> NDArray[np.float32]:
        base = float(self.get(f"{self.architecture}.rope.freq_base") or 10_000.0)
        angles = base ** -(np.arange(0, size, 2) / size)
        if scaling == "linear":
            angles /= float(self._need("rope.scaling.factor"))
        if self.has(FACTORS):
            angles = angles / self.vector(FACTORS)
        return angles.astype(np.float32)

    def _in_halves(self, name: str, data: NDArray) -> NDArray:
        """Return rows of queries or keys by halves of a head, as ONNX Runtime rotates them."""
        if not (IN_PAIRS[self.architecture] and any(part in name for part in PAIRED)):
            return data
        heads = self._number("attention.head_count")
        if "attn_k" in name:
            heads = self._number("attention.head_count_kv", heads)
        order = np.arange(len(data)).reshape(heads, -1, 2).transpose(0, 2, 1)
        return data[order.ravel()]

    def _unpack(self, name: str, data: NDArray) -> NDArray[np.float32]:
        kind = self._tensor(name).tensor_type
        self._unused.discard(name)
        try:
            values = gguf.dequantize(data, kind).astype(np.float32, copy=False)
        except NotImplementedError:
            raise UsageError(
                f"{self.path} holds weights of the type {kind.name}, which cannot be unpacked; "
                "take a file in Q8_0, Q4_0, Q4_1, a K-quant or F16."
            ) from None
        if not np.isfinite(values).all():
            raise UsageError(f"{self.path} is damaged: {name} holds numbers that are not finite.")
        return values

    def _tensor(self, name: str) -> Any:
        if not self.has(name):
            raise UsageError(
                f"{self.path} lacks {name}: it is not a whole model of the architecture "
                f"'{self.architecture}', or one of several parts."
            )
        return self._tensors[name]

    def _need(self, name: str) -> Any:
        value = self.get(f"{self.architecture}.{name}")
        if value is None:
            raise UsageError(f"{self.path} does not say its {name}; it cannot be converted.")
        return value

    def _number(self, name: str, default: int | None = None) -> int:
        value = self.get(f"{self.architecture}.{name}")
        if value is None:
            value = self._need(name) if default is None else default
        if not isinstance(value, int):
            raise UsageError(f"{self.path} cannot be converted: its {name} is {value!r:.60}.")
        return value


class _Reader(gguf.GGUFReader):
    """Read a file, and notice where it ends too early."""

    data: Any

    def _get(self, offset: int, dtype: Any, count: int = 1, override_order: Any = None):
        self.data = np.asarray(self.data)  # slices of a memory map take three times as long
        if offset + int(count) * np.dtype(dtype).itemsize > len(self.data):
            raise ValueError("it ends too early")
        return super()._get(offset, dtype, count, override_order)


def _open(path: Path) -> gguf.GGUFReader:
    try:
        return _Reader(path)
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}; give a GGUF file.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error}).") from None
    except Exception as error:  # the package checks little: whatever it stumbles over
        reason = one_line(str(error), 100) or type(error).__name__
        raise UsageError(
            f"{path} is not a whole GGUF file ({reason}); fetch it again, or give another."
        ) from None


def write_model(file: GgufFile, folder: Path, context: int | None = None) -> Decoder:
    """Write graph, weights, tokenizer and configuration into a folder; return the sizes."""
    decoder = file.decoder(context)
    ids = write_tokenizer(file.get, folder, file.path, decoder.context)
    write_graph(folder, decoder, file)
    file.refuse_left_over()
    config = templates.environment("models").get_template("genai_config.json.jinja")
    filled = config.render(architecture=file.architecture, decoder=decoder, ids=ids)
    write_text(folder / "genai_config.json", filled)
    return decoder
