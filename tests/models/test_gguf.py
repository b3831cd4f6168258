"""GGUF files become models: every form of weights, against a forward pass in plain numpy; and what cannot be converted is told."""

import json

import gguf
import numpy as np
import pytest

from helpers import from_gguf
from helpers.common import paths
from helpers.common.errors import KitError, UsageError
from helpers.common.paths import home, model_cache
from helpers.models import cache
from helpers.models.gguf import GgufFile, write_model
from support.gguf_files import CONTEXT, logits, write_gguf
from support.onnx_graphs import IDS, converted_folder, session, step

KINDS = (
    "F32",
    "F16",
    "BF16",
    "Q8_0",
    "Q4_0",
    "Q4_1",
    "Q5_0",
    "Q2_K",
    "Q3_K",
    "Q4_K",
    "Q5_K",
    "Q6_K",
)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_a_converted_model_computes_what_the_file_says(tmp_path, architecture, kind):
    path = write_gguf(tmp_path / "m.gguf", architecture, kind, tied=kind != "F16")
    graph = session(converted_folder(path, tmp_path / "out"))
    expected = logits(path, IDS)
    # Bytes are stored exactly; other forms are rounded to bytes, which random weights feel more than real ones.
    allowed = (1e-4 if kind == "Q8_0" else 0.15) * expected.std()
    found, past = step(graph, IDS[:6])
    assert found == pytest.approx(expected[5], abs=allowed)
    for place in (6, 7, 8, 9):  # one token at a time, with the keys and values of those before
        found, past = step(graph, IDS[place : place + 1], past)
        assert found == pytest.approx(expected[place], abs=allowed)


def test_the_arithmetic_in_bytes_stays_near(tmp_path):
    path = write_gguf(tmp_path / "m.gguf")
    expected = logits(path, IDS)[-1]
    found, _ = step(session(converted_folder(path, tmp_path / "out"), level=4), IDS)
    assert np.corrcoef(found, expected)[0, 1] > 0.999


SCALING = {"llama.rope.scaling.type": "linear", "llama.rope.scaling.factor": 2.0}


@pytest.mark.parametrize(
    "changes", [{"biases": True}, {"factors": True}, {"metadata": SCALING}, {"tied": False}]
)
def test_biases_and_rotations_for_a_longer_context_are_as_in_the_file(tmp_path, changes):
    plain = write_gguf(tmp_path / "plain.gguf")
    path = write_gguf(tmp_path / "m.gguf", **changes)
    found, _ = step(session(converted_folder(path, tmp_path / "out")), IDS)
    assert found == pytest.approx(logits(path, IDS)[-1], abs=1e-3)
    assert np.abs(found - logits(plain, IDS)[-1]).max() > 0.05


def test_a_converted_model_is_served_measured_and_removed_like_any_other(server, tmp_path):
    path = write_gguf(tmp_path / "Tiny Llama.Q8_0.gguf")
    said = []
    assert from_gguf(path, note=said.append) == "tiny-llama.q8_0"
    model = server.resolve("tiny-llama.q8_0")  # by a runtime that ran before it was there
    assert (model.source, model.cached, model.license, model.context) == (
        "gguf",
        True,
        "MIT",
        CONTEXT,
    )
    reply = server.chat("tiny-llama.q8_0", "the 123", max_tokens=5)
    assert reply.timeline.completion_tokens == 5
    stamp = (model_cache() / "Own" / "tiny-llama.q8_0-generic-cpu-1").stat().st_mtime_ns
    from_gguf(path, note=said.append)
    assert said == ["converting"]  # once
    assert (model_cache() / "Own" / "tiny-llama.q8_0-generic-cpu-1").stat().st_mtime_ns == stamp
    other = write_gguf(tmp_path / "other.gguf", seed=1)
    with pytest.raises(
        UsageError, match=r"converted from something else.* cache --remove tiny-llama\.q8_0"
    ):
        from_gguf(other, "tiny-llama.q8_0")
    server.runtime.remove(model.id)
    assert "tiny-llama.q8_0" not in [m.alias for m in server.models()]
    from_gguf(other, "tiny-llama.q8_0")
    assert server.chat("tiny-llama.q8_0", "the 123", max_tokens=5).text != reply.text
    server.runtime.remove(model.id)


def test_a_damaged_conversion_is_made_again(tmp_path):
    path = write_gguf(tmp_path / "m.gguf")
    from_gguf(path, "damaged")
    folder = model_cache() / "Own" / "damaged-generic-cpu-1"
    (folder / "model.onnx").write_bytes(b"")
    from_gguf(path, "damaged")
    record = cache.read_record(folder)
    assert record is not None
    assert cache.verify(folder, record, full=True) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"general.architecture": "mamba"}, r"has the architecture 'mamba'; those that can be converted: llama, qwen2"),
        ({"llama.rope.scaling.type": "yarn"}, r"its rotation is scaled by 'yarn'"),
        ({"llama.expert_count": 8}, r"it has 8 experts"),
        ({"llama.rope.dimension_count": 8}, r"it rotates 8 of 16 numbers of a head"),
        ({"llama.block_count": 3}, r"lacks blk\.2\.attn_norm\.weight: it is not a whole model"),
        ({"llama.block_count": 1}, r"has 9 weights that a model of the architecture 'llama' does not have, such as blk\.1\.attn_k"),
        ({"llama.block_count": None}, r"does not say its block_count"),
        ({"llama.block_count": "many"}, r"its block_count is 'many'"),
        ({"tokenizer.ggml.model": "llama"}, r"has a tokenizer of the kind 'llama'; only byte-level BPE"),
        ({"tokenizer.ggml.pre": "tekken"}, r"by the pre-tokenizer 'tekken', which cannot be converted; these can: gpt-2, smollm"),
        ({"tokenizer.chat_template": None}, r"has no chat template.* convert its instruct version"),
        ({"tokenizer.ggml.eos_token_id": None}, r"names no token that ends an answer"),
        ({"tokenizer.ggml.eos_token_id": 9999}, r"names the token 9999, and has 271"),
    ],
)  # fmt: skip
def test_what_cannot_be_converted_is_named_in_one_sentence(tmp_path, change, message):
    name = change.get("general.architecture", "llama")
    metadata = {k: v for k, v in change.items() if k != "general.architecture"}
    path = write_gguf(tmp_path / "m.gguf", name, metadata=metadata)
    with pytest.raises(UsageError, match=message) as error:
        from_gguf(path, "refused")
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    nothing_is_left("refused")


def nothing_is_left(alias):
    for place in (home() / "incoming", model_cache() / "Own"):
        assert [path for path in place.glob(f"{alias}*")] == []


def test_a_type_of_weights_that_cannot_be_unpacked_is_named(tmp_path):
    path = write_gguf(tmp_path / "m.gguf")
    content = bytearray(path.read_bytes())
    (tensor,) = (t for t in gguf.GGUFReader(path).tensors if t.name == "blk.0.attn_q.weight")
    start = tensor.field.offset + sum(part.nbytes for part in tensor.field.parts[:4])
    content[start : start + 4] = int(gguf.GGMLQuantizationType.I8).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"holds weights of the type I8, which cannot be unpacked"):
        from_gguf(path, "refused")


def test_a_file_cut_off_anywhere_or_of_another_kind_is_told(tmp_path):
    whole = write_gguf(tmp_path / "m.gguf").read_bytes()
    cut = tmp_path / "cut.gguf"
    for length in (0, 3, 4, 20, 100, 1000, 5000, len(whole) // 2, len(whole) - 1):
        cut.write_bytes(whole[:length])
        with pytest.raises(
            UsageError, match=r"cut\.gguf is not a whole GGUF file \(.*\); fetch it"
        ):
            from_gguf(cut, "refused")
    cut.write_bytes(b"PK\3\4" + bytes(1000))
    with pytest.raises(UsageError, match="not a whole GGUF file"):
        from_gguf(cut, "refused")
    with pytest.raises(UsageError, match="cannot be read"):
        from_gguf(tmp_path / "none.gguf", "refused")
    with pytest.raises(UsageError, match="cannot be read"):
        from_gguf(tmp_path, "refused")
    nothing_is_left("refused")


def test_a_length_that_the_file_cannot_hold_is_told_at_once(tmp_path):
    """The package would go on counting for years."""
    path = tmp_path / "long.gguf"
    parts = [b"GGUF", (3).to_bytes(4, "little"), bytes(8), (1).to_bytes(8, "little")]
    parts += [(1).to_bytes(8, "little"), b"x", (9).to_bytes(4, "little"), bytes(4)]
    path.write_bytes(b"".join([*parts, (2**40).to_bytes(8, "little"), b"abc"]))
    with pytest.raises(UsageError, match=r"not a whole GGUF file \(it ends too early\)"):
        from_gguf(path, "refused")


def test_numbers_that_are_not_finite_are_told(tmp_path):
    path = write_gguf(tmp_path / "m.gguf", kind="F32")
    content = bytearray(path.read_bytes())
    content[-4:] = np.float32("nan").tobytes()
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"is damaged: .* holds numbers that are not finite"):
        from_gguf(path, "refused")


def test_names_and_contexts_that_do_not_do_are_told(tmp_path):
    path = write_gguf(tmp_path / "m.gguf")
    with pytest.raises(UsageError, match="'Mine!' is not a name for a model"):
        from_gguf(path, "Mine!")
    with pytest.raises(UsageError, match="'pocket-mini' is a model of the line-up"):
        from_gguf(path, "pocket-mini")
    for context in (129, 0):
        with pytest.raises(UsageError, match=rf"A context of {context} tokens .* has 128 at most"):
            from_gguf(path, "refused", context=context)
    write_model(GgufFile(path), tmp_path, 64)
    config = json.loads((tmp_path / "genai_config.json").read_text())
    assert config["model"]["context_length"] == config["search"]["max_length"] == 64


def test_too_little_disk_or_memory_and_ctrl_c_leave_nothing_behind(tmp_path, monkeypatch):
    path = write_gguf(tmp_path / "m.gguf")
    with monkeypatch.context() as patch:
        patch.setattr(paths, "free_disk_gb", lambda: 0.01)
        with pytest.raises(KitError, match=r"refused needs 50\.\d MB, and 10\.0 MB are free"):
            from_gguf(path, "refused")
    for error, seen, message in (
        (MemoryError(), KitError, "memory does not suffice"),
        (OSError(28, "No space left on device"), KitError, "The disk is full"),
        (KeyboardInterrupt(), KeyboardInterrupt, None),
    ):
        with monkeypatch.context() as patch:

            def stop(*_, error=error):
                raise error

            patch.setattr(GgufFile, "refuse_left_over", stop)  # after the weights are written
            with pytest.raises(seen, match=message):
                from_gguf(path, "refused")
        nothing_is_left("refused")
