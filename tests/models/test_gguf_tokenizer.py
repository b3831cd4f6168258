"""The runtime gives a text the ids that another program gives it, for every pre-tokenizer that can be converted."""

import json
from pathlib import Path

import pytest

from helpers.models import gguf_tokenizer
from helpers.models.gguf import GgufFile, write_model
from support.gguf_files import write_gguf
from support.runtime_tokenizer import token_ids

EXPECTED = json.loads(
    Path(__file__).with_name("data").joinpath("token_ids.json").read_text(encoding="utf-8")
)
SAME_RULE = {"starcoder": "smollm", "refact": "smollm", "deepseek-r1-qwen": "qwen2"}
SAME_RULE |= {"llama3": "llama-bpe", "llama-v3": "llama-bpe"}


@pytest.mark.parametrize("rule", gguf_tokenizer.RULES)
def test_the_runtime_reads_many_scripts_digits_and_emoji_as_another_program_does(tmp_path, rule):
    path = write_gguf(tmp_path / "m.gguf", metadata={"tokenizer.ggml.pre": rule})
    write_model(GgufFile(path), tmp_path)
    assert token_ids(tmp_path, EXPECTED["text"]) == EXPECTED["ids"][SAME_RULE.get(rule, rule)]


def test_the_ids_tell_the_rules_apart():
    assert len({tuple(ids) for ids in EXPECTED["ids"].values()}) == 4


def test_a_text_begins_as_the_file_says_unless_the_template_does_it(tmp_path):
    metadata = {"tokenizer.ggml.add_bos_token": 1, "tokenizer.ggml.eot_token_id": 268}
    write_model(GgufFile(write_gguf(tmp_path / "m.gguf", metadata=metadata)), tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert (config["add_bos_token"], config["bos_token"]) == (True, "<|im_start|>")
    model = json.loads((tmp_path / "genai_config.json").read_text(encoding="utf-8"))["model"]
    assert model["eos_token_id"] == [270, 268]
    metadata["tokenizer.chat_template"] = "{{ bos_token }}{{ messages[0]['content'] }}"
    write_model(GgufFile(write_gguf(tmp_path / "m.gguf", metadata=metadata)), tmp_path)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert config["add_bos_token"] is False
