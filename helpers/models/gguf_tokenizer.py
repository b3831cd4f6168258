"""Write the tokenizer and the chat template that a GGUF file has in its metadata.

The form is that of `tokenizers` (`tokenizer.json`), which ONNX Runtime GenAI reads.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..common.errors import UsageError
from ..common.files import read_toml, write_text
from ..common.templates import environment

CONTROL = 3  # a kind of tokens
ADDED = (CONTROL, 4)  # the kinds that no merging makes; the second are those that users define
ENDS = ("eos", "eot", "eom")  # of an answer: of a text, of a turn, of a message
SPECIAL = (*ENDS, "bos", "unknown", "padding")
RULES = {
    name: rule
    for rule in read_toml(Path(__file__).with_name("pretokenizers.toml"))["rule"]
    for name in rule["names"]
}
Metadata = Callable[[str], Any]


def write_tokenizer(get: Metadata, folder: Path, place: Path, context: int) -> dict[str, Any]:
    """Write tokenizer and template into `folder`; return the ids that begin, end and fill a text.

    `get` returns a value of the metadata or None; `place` is named in errors. Raises UsageError for
    a tokenizer that the runtime would not read the same way, and without a chat template.
    """
    template = get("tokenizer.chat_template")
    rule = _rule(get, place)
    if not template:
        raise UsageError(
            f"{place} has no chat template, so it is not a model to chat with; "
            "convert its instruct version."
        )
    tokens = get("tokenizer.ggml.tokens") or []
    ids = {name: get(f"tokenizer.ggml.{name}_token_id") for name in SPECIAL}
    for number in ids.values():
        if number is not None and not 0 <= number < len(tokens):
            raise UsageError(f"{place} names the token {number}, and has {len(tokens)}.")
    named = {name: tokens[number] for name, number in ids.items() if number is not None}
    stops = list(dict.fromkeys(ids[name] for name in ENDS if name in named))
    if not stops:
        raise UsageError(f"{place} names no token that ends an answer, so it cannot be served.")
    kinds = enumerate(get("tokenizer.ggml.token_type") or [])
    values = {
        "tokens": tokens,
        "vocabulary": json.dumps({token: number for number, token in enumerate(tokens)}),
        "special": {number: kind == CONTROL for number, kind in kinds if kind in ADDED},
        "merges": json.dumps(get("tokenizer.ggml.merges")),
        "rule": rule,
        "named": named,
        "adds_bos": bool(get("tokenizer.ggml.add_bos_token")) and "bos_token" not in template,
        "context": context,
    }
    for name in ("tokenizer.json", "tokenizer_config.json"):
        form = environment("models").get_template(f"{name}.jinja")
        write_text(folder / name, form.render(values))
    write_text(folder / "chat_template.jinja", template)
    return {
        "bos_token_id": ids["bos"] if "bos" in named else stops[0],
        "eos_token_id": stops if len(stops) > 1 else stops[0],
        "pad_token_id": ids["padding"] if "padding" in named else stops[0],
    }


def _rule(get: Metadata, place: Path) -> dict[str, Any]:
    kind, rule = get("tokenizer.ggml.model"), get("tokenizer.ggml.pre")
    if kind != "gpt2":
        raise UsageError(
            f"{place} has a tokenizer of the kind '{kind}'; "
            "only byte-level BPE ('gpt2') can be converted."
        )
    if rule not in RULES:
        raise UsageError(
            f"{place} cuts text by the pre-tokenizer '{rule}', which cannot be converted; "
            f"these can: {', '.join(RULES)}."
        )
    return RULES[rule]
