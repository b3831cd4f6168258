"""Small models with random weights, as GGUF files of every kind, and a forward pass that shares no code with the converter."""

from pathlib import Path

import gguf
import numpy as np

HIDDEN, FEED, HEADS, KV_HEADS, LAYERS, CONTEXT = 64, 256, 4, 2, 2, 128
THETA, EPSILON = 10_000.0, 1e-5
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def vocabulary() -> tuple[list[str], list[str]]:
    """The 256 bytes as byte-level BPE writes them, what some pairs make, and three control tokens; and the pairs."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    letter = {byte: chr(byte) for byte in plain} | {
        byte: chr(256 + place) for place, byte in enumerate(others)
    }
    pairs = [
        ("h", "e"),
        ("t", "he"),
        ("Ġ", "the"),
        ("1", "2"),
        ("12", "3"),
        ("Ã", "©"),
        ("Ġ", "Ġ"),
        ("'", "R"),
        ("ð", "Ł"),
        ("ðŁ", "ĳ"),
        ("Ġ", "1"),
        ("e", "!"),
    ]
    tokens = [letter[byte] for byte in range(256)] + [a + b for a, b in pairs]
    return [*tokens, "<|endoftext|>", "<|im_start|>", "<|im_end|>"], [f"{a} {b}" for a, b in pairs]


def write_gguf(
    path: Path,
    architecture: str = "llama",
    kind: str = "Q8_0",
    *,
    tied: bool = True,
    biases: bool | None = None,
    metadata: dict | None = None,
    factors: bool = False,
    seed: int = 0,
) -> Path:
    """Write a model; `metadata` replaces values, or leaves out those that are None."""
    tokens, merges = vocabulary()
    writer, random = gguf.GGUFWriter(path, architecture), np.random.default_rng(seed)
    size = HIDDEN // HEADS
    values = {
        f"{architecture}.block_count": LAYERS,
        f"{architecture}.context_length": CONTEXT,
        f"{architecture}.embedding_length": HIDDEN,
        f"{architecture}.feed_forward_length": FEED,
        f"{architecture}.attention.head_count": HEADS,
        f"{architecture}.attention.head_count_kv": KV_HEADS,
        f"{architecture}.rope.freq_base": THETA,
        f"{architecture}.attention.layer_norm_rms_epsilon": EPSILON,
        "general.license": "MIT",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "smollm",
        "tokenizer.ggml.eos_token_id": len(tokens) - 1,
        "tokenizer.ggml.bos_token_id": len(tokens) - 2,
        "tokenizer.chat_template": TEMPLATE,
    }
    for name, value in {**values, **(metadata or {})}.items():
        if isinstance(value, str):
            writer.add_string(name, value)
        elif isinstance(value, float):
            writer.add_float32(name, value)
        elif value is not None:
            writer.add_uint32(name, value)
    writer.add_token_list(tokens)
    writer.add_token_types([1] * (len(tokens) - 3) + [3] * 3)
    writer.add_token_merges(merges)

    def matrix(name: str, rows: int, columns: int, form: str = kind) -> None:
        numbers = random.normal(0, columns**-0.5, (rows, columns)).astype(np.float32)
        data, form_type = packed(numbers, form, random)
        writer.add_tensor(name, data, raw_dtype=form_type)

    # A K-quant has blocks of 256, so only the widest matrix can be one; the others stay as in real files of that kind.
    narrow = "Q8_0" if "K" in kind else kind
    matrix("token_embd.weight", len(tokens), HIDDEN, narrow)
    if not tied:
        matrix("output.weight", len(tokens), HIDDEN, narrow)
    vectors = {"output_norm.weight": HIDDEN}
    vectors |= {"rope_freqs.weight": size // 2} if factors else {}
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        vectors |= {f"{block}attn_norm.weight": HIDDEN, f"{block}ffn_norm.weight": HIDDEN}
        matrix(f"{block}attn_q.weight", HIDDEN, HIDDEN, narrow)
        matrix(f"{block}attn_k.weight", KV_HEADS * size, HIDDEN, narrow)
        matrix(f"{block}attn_v.weight", KV_HEADS * size, HIDDEN, narrow)
        matrix(f"{block}attn_output.weight", HIDDEN, HIDDEN, narrow)
        matrix(f"{block}ffn_gate.weight", FEED, HIDDEN, narrow)
        matrix(f"{block}ffn_up.weight", FEED, HIDDEN, narrow)
        matrix(f"{block}ffn_down.weight", HIDDEN, FEED)
        if biases if biases is not None else architecture == "qwen2":
            vectors |= {f"{block}attn_q.bias": HIDDEN, f"{block}attn_k.bias": KV_HEADS * size}
            vectors |= {f"{block}attn_v.bias": KV_HEADS * size}
    for name, count in vectors.items():
        writer.add_tensor(name, random.normal(1, 0.2, count).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def packed(numbers: np.ndarray, kind: str, random: np.random.Generator):
    """The numbers in a form of GGUF; bytes at random for the K-quants, which `gguf` only unpacks."""
    form = gguf.GGMLQuantizationType[kind]
    if "K" not in kind:
        return gguf.quantize(numbers, form), None if kind in ("F32", "F16") else form
    block, size = gguf.GGML_QUANT_SIZES[form]
    data = random.integers(0, 256, (numbers.size // block, size), np.uint8)
    scale = np.array([0.0008], np.float16).view(np.uint8)
    places = {"Q4_K": (0, 2), "Q5_K": (0, 2), "Q6_K": (208,), "Q3_K": (108,), "Q2_K": (80, 82)}
    for place in places[kind]:
        data[:, place : place + 2] = scale
    return data.reshape(len(numbers), -1), form


def logits(path: Path, ids: list[int], changes: dict[str, np.ndarray] | None = None) -> np.ndarray:
    """The logits of every position, from the file's own order of rows: pairs of neighbours turn in llama, halves in qwen2.

    `changes` are added to matrices by their name in GGUF.
    """
    reader = gguf.GGUFReader(path)
    architecture = reader.fields["general.architecture"].contents()
    w = {t.name: gguf.dequantize(t.data, t.tensor_type).astype(np.float64) for t in reader.tensors}
    for name, change in (changes or {}).items():
        w[name] = w[name] + change
    size, length = HIDDEN // HEADS, len(ids)
    factor = reader.fields.get(f"{architecture}.rope.scaling.factor")
    positions = np.arange(length) / (factor.contents() if factor else 1)
    angles = np.outer(positions, THETA ** -(np.arange(0, size, 2) / size))
    angles /= w.get("rope_freqs.weight", 1)

    def norm(x: np.ndarray, name: str) -> np.ndarray:
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + EPSILON) * w[f"{name}.weight"]

    def turn(x: np.ndarray) -> np.ndarray:
        first, second = np.s_[..., : size // 2], np.s_[..., size // 2 :]
        if architecture == "llama":
            first, second = np.s_[..., ::2], np.s_[..., 1::2]
        cosine, sine = np.cos(angles)[:, None], np.sin(angles)[:, None]
        turned = np.empty_like(x)
        turned[first] = x[first] * cosine - x[second] * sine
        turned[second] = x[second] * cosine + x[first] * sine
        return turned

    def project(x: np.ndarray, name: str, heads: int) -> np.ndarray:
        return (x @ w[f"{name}.weight"].T + w.get(f"{name}.bias", 0)).reshape(length, heads, size)

    x = w["token_embd.weight"][ids]
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        h = norm(x, f"{block}attn_norm")
        q, k = (
            turn(project(h, f"{block}attn_{part}", heads))
            for part, heads in (("q", HEADS), ("k", KV_HEADS))
        )
        v = project(h, f"{block}attn_v", KV_HEADS)
        k, v = (np.repeat(part, HEADS // KV_HEADS, axis=1) for part in (k, v))
        scores = np.einsum("qhd,khd->hqk", q, k) / np.sqrt(size)
        scores += np.triu(np.full((length, length), -np.inf), 1)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        shares /= shares.sum(-1, keepdims=True)
        heads = np.einsum("hqk,khd->qhd", shares, v).reshape(length, HIDDEN)
        x = x + heads @ w[f"{block}attn_output.weight"].T
        h = norm(x, f"{block}ffn_norm")
        gate = h @ w[f"{block}ffn_gate.weight"].T
        up = h @ w[f"{block}ffn_up.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ w[f"{block}ffn_down.weight"].T
    return norm(x, "output_norm") @ w.get("output.weight", w["token_embd.weight"]).T
