"""The tokenizer of the runtime itself, called without its Python package, which the kit does not need."""

import ctypes
from pathlib import Path

import pytest


def token_ids(folder: Path, text: str) -> list[int]:
    """The ids that ONNX Runtime GenAI gives a text with the tokenizer of a model folder."""
    library, pointer = _library(), ctypes.c_void_p
    model, tokenizer, sequences = pointer(), pointer(), pointer()
    made = ctypes.byref
    _call(library, "OgaCreateModel", str(folder).encode(), made(model))
    _call(library, "OgaCreateTokenizer", model, made(tokenizer))
    _call(library, "OgaCreateSequences", made(sequences))
    _call(library, "OgaTokenizerEncode", tokenizer, text.encode(), sequences)
    count, data = library.OgaSequencesGetSequenceCount, library.OgaSequencesGetSequenceData
    count.restype, data.restype = ctypes.c_size_t, ctypes.POINTER(ctypes.c_int32)
    count.argtypes = data.argtypes = [pointer, ctypes.c_size_t]
    ids = data(sequences, 0)[: count(sequences, 0)]
    for kind, value in (("Sequences", sequences), ("Tokenizer", tokenizer), ("Model", model)):
        destroy = getattr(library, f"OgaDestroy{kind}")
        destroy.argtypes = [pointer]
        destroy(value)
    return ids


def _library() -> ctypes.CDLL:
    packages = (("onnxruntime", "capi"), ("onnxruntime_genai_core", "bin"))
    library = None
    for package, folder in packages:  # the second looks for the first in what is loaded
        path = Path(pytest.importorskip(package).__file__).parent / folder
        pattern = "*onnxruntime" if package == "onnxruntime" else "*onnxruntime-genai"
        found = [f for e in (".so*", ".dll", "*.dylib") for f in path.glob(f"{pattern}{e}")]
        if not found:
            pytest.skip(f"{package} has no library here that can be called by itself")
        library = ctypes.CDLL(str(found[0]), mode=ctypes.RTLD_GLOBAL)
    assert library is not None
    return library


def _call(library: ctypes.CDLL, name: str, *arguments: object) -> None:
    function = getattr(library, name)
    function.restype = ctypes.c_void_p
    if error := function(*arguments):
        library.OgaResultGetError.restype = ctypes.c_char_p
        raise RuntimeError(library.OgaResultGetError(ctypes.c_void_p(error)).decode())
