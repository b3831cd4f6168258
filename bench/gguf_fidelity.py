"""Compare a converted model with `transformers` on the same GGUF file: logits, greedy answers, token ids.

    python bench/gguf_fidelity.py FILE.gguf [FILE.gguf ...] [--prompts 50] [--tokens 50]

Runs in the environment of `make models`, which has PyTorch, with `gguf` and `accelerate` added to it. Each file is compared in
the form that it has and again with its matrices in Q8_0. `transformers` computes in 32-bit floats; the converted model runs as
it is served, in 8-bit blocks and with 8-bit activations. A table for docs/custom-models.md is printed.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gguf
import numpy as np
import onnxruntime
import onnxruntime_genai as genai
import torch
import transformers

from helpers.models.prompts import load_prompts

PROJECT = Path(__file__).resolve().parents[1]
TEXT = json.loads((PROJECT / "tests/models/data/token_ids.json").read_text(encoding="utf-8"))[
    "text"
]
COLUMNS = (
    "file",
    "conversion, s",
    "peak memory, MB",
    "largest difference of a logit",
    "mean",
    "spread of the logits",
    "same next token, same text before it",
    "same token, answers side by side",
    "token ids",
)


def main() -> None:
    """Print a row for each file and form."""
    options = argparse.ArgumentParser()
    options.add_argument("files", nargs="+", type=Path)
    options.add_argument("--prompts", type=int, default=50)
    options.add_argument("--tokens", type=int, default=50)
    chosen = options.parse_args()
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for number, path in enumerate(chosen.files):
            eight = Path(folder) / f"{path.stem}-as-Q8_0.gguf"
            in_bytes(path, eight)
            for file in (path, eight):
                row = compare(file, Path(folder) / f"{number}-{file.stem}", chosen)
                print(f"| {' | '.join(row)} |", flush=True)


def compare(path: Path, folder: Path, chosen: argparse.Namespace) -> list[str]:
    """Return a row: what the conversion took, and how the answers differ."""
    folder.mkdir()
    took_s, peak_mb = convert(path, folder)
    tokenizer = genai.Tokenizer(genai.Model(str(folder)))
    reference = transformers.AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, dtype=torch.float32
    )
    graph = Graph(folder)
    differences, spreads, forced, free = [], [], [], []
    for prompt in prompts(chosen.prompts):
        messages = json.dumps([{"role": "user", "content": prompt}])
        ids = [
            int(i)
            for i in tokenizer.encode(
                tokenizer.apply_chat_template(messages, add_generation_prompt=True)
            )
        ]
        expected, logits = answer(reference, ids, chosen.tokens)
        found = replay(graph, ids, expected)
        differences += [np.abs(found - logits)]
        spreads += [logits.std()]
        forced += [found.argmax(-1) == logits.argmax(-1)]
        own = greedy(graph, ids, expected, found)
        free += [[a == b for a, b in zip(own, expected, strict=True)]]
        print(f"{len(forced)} of {chosen.prompts}", file=sys.stderr, flush=True)
    same_ids = [int(i) for i in tokenizer.encode(TEXT)] == transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json")
    )(TEXT)["input_ids"]
    every = np.concatenate(differences)
    return [
        path.name,
        f"{took_s:.1f}",
        f"{peak_mb:.0f}",
        f"{every.max():.2f}",
        f"{every.mean():.3f}",
        f"{np.mean(spreads):.2f}",
        f"{np.concatenate(forced).mean():.3f}",
        f"{np.concatenate([np.array(row) for row in free]).mean():.3f}",
        "equal" if same_ids else "DIFFERENT",
    ]


def convert(path: Path, folder: Path) -> tuple[float, float]:
    """Convert in a process of its own, from its start; return seconds and peak memory in MB."""
    script = (
        "import re, sys; from pathlib import Path; from helpers.models.gguf import GgufFile, write_model;"
        "write_model(GgufFile(Path(sys.argv[1])), Path(sys.argv[2]));"
        # Linux counts what the parent had as well in getrusage, but not here.
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', Path('/proc/self/status').read_text())[1]) / 1000)"
    )
    start = time.perf_counter()
    command = [sys.executable, "-c", script, str(path.resolve()), str(folder)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, float(done.stdout)


def prompts(count: int) -> list[str]:
    """Prompts of the course, then summaries of the notes that people wrote."""
    names = json.loads((PROJECT / "data/prompts.json").read_text(encoding="utf-8"))
    texts = [prompt.text for name in names for prompt in load_prompts(f"{name}:all").prompts]
    notes = json.loads((PROJECT / "training/data/handwritten.json").read_text(encoding="utf-8"))
    texts += [f"Summarize the meeting notes: {text}" for text in find_notes(notes)]
    return list(dict.fromkeys(texts))[:count]


def find_notes(value: object) -> list[str]:
    """Return every text called `notes`."""
    if isinstance(value, dict):
        own = [value["notes"]] if isinstance(value.get("notes"), str) else []
        return own + [text for part in value.values() for text in find_notes(part)]
    return [text for part in value for text in find_notes(part)] if isinstance(value, list) else []


def answer(model, ids: list[int], count: int) -> tuple[list[int], np.ndarray]:
    """Return the greedy answer of `transformers`, and its logits of every step."""
    with torch.no_grad():
        made = model.generate(
            torch.tensor([ids]),
            attention_mask=torch.ones(1, len(ids), dtype=torch.long),
            max_new_tokens=count,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
    return made.sequences[0, len(ids) :].tolist(), torch.cat(made.logits).numpy()


class Graph:
    """Run the graph of a converted model, and keep the keys and values of what it has read."""

    def __init__(self, folder: Path):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # waiting threads would only disturb
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), options)
        inputs = {i.name: i.shape for i in self._session.get_inputs() if i.name.startswith("past")}
        self._empty = {
            name: np.zeros((1, shape[1], 0, shape[3]), np.float32) for name, shape in inputs.items()
        }
        self._outputs = ["logits", *(n.replace("past_key_values", "present") for n in inputs)]
        self._past, self._read = self._empty, 0

    def start(self) -> None:
        """Forget what was read."""
        self._past, self._read = self._empty, 0

    def step(self, ids: list[int]) -> np.ndarray:
        """Read more ids; return the logits of what comes next."""
        self._read += len(ids)
        mask = np.ones((1, self._read), np.int64)
        feed = {"input_ids": np.array([ids]), "attention_mask": mask, **self._past}
        logits, *present = self._session.run(self._outputs, feed)
        self._past = dict(zip(self._empty, present, strict=True))
        return logits[0, -1]


def replay(graph: Graph, ids: list[int], then: list[int]) -> np.ndarray:
    """Return the converted model's logits of every step of the same answer."""
    graph.start()
    return np.array([graph.step(new) for new in (ids, *([token] for token in then[:-1]))])


def greedy(graph: Graph, ids: list[int], expected: list[int], found: np.ndarray) -> list[int]:
    """Return the converted model's own answer, which is the expected one until it first differs."""
    chosen = found.argmax(-1).tolist()
    same = next(
        (n for n, pair in enumerate(zip(chosen, expected, strict=True)) if pair[0] != pair[1]), None
    )
    if same is None:
        return expected
    own = [*expected[:same], chosen[same]]
    graph.start()
    logits = graph.step([*ids, *own])
    while len(own) < len(expected):
        own.append(int(logits.argmax()))
        logits = graph.step(own[-1:])
    return own


def in_bytes(path: Path, target: Path) -> None:
    """Write the same model with every matrix in Q8_0."""
    reader = gguf.GGUFReader(path)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for name, field in reader.fields.items():
        if not name.startswith("GGUF.") and name != "general.architecture":
            kind = field.types[0]
            more = {"sub_type": field.types[-1]} if kind == gguf.GGUFValueType.ARRAY else {}
            writer.add_key_value(name, field.contents(), kind, **more)
    form = gguf.GGMLQuantizationType.Q8_0
    for tensor in reader.tensors:
        numbers = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        wide = numbers.ndim == 2
        data = gguf.quantize(numbers, form) if wide else numbers
        writer.add_tensor(tensor.name, data, raw_dtype=form if wide else None)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    transformers.logging.set_verbosity_error()
    torch.set_num_threads(1)
    main()
