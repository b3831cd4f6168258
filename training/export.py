"""Turn a checkpoint into a flat folder that Foundry Local serves."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from helpers.common.files import write_json

from . import tokens, train
from .package import size_mb
from .settings import CONTEXT, MODELS, PACKAGES, VERSION, Model

SERVED_FILES = (
    "model.onnx",
    "model.onnx.data",
    "genai_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)


def export(alias: str, work: Path, folder: Path) -> None:
    """Write `folder/<alias>` from the newest checkpoint.

    The old folder is replaced only when all is well.
    """
    model, precision = PACKAGES[alias]
    target = build(model, precision, work, folder / alias)
    write_json(
        target / "inference_model.json",
        {"Name": f"{alias}-generic-cpu:{VERSION}", "PromptTemplate": None},
    )
    path = folder / "training.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known[model.alias] = train.history(model, work)
    write_json(path, {name: known[name] for name in MODELS if name in known})
    print(f"{alias}: exported as {precision}, {size_mb(target):.1f} MB", flush=True)


def build(model: Model, precision: str, work: Path, target: Path) -> Path:
    """Write the ONNX files of one size in one precision, without a name; return the folder."""
    source, fresh = work / model.alias / "checkpoint", work / model.alias / f"onnx-{precision}"
    train.load(model, work).save_pretrained(source)
    tokens.load(work / "tokens").save_pretrained(source)
    shutil.rmtree(fresh, ignore_errors=True)
    _build(source, fresh, precision, work / "cache")
    _settle(fresh / "genai_config.json")
    target.mkdir(parents=True, exist_ok=True)
    for name in SERVED_FILES:
        shutil.copyfile(fresh / name, target / name)
    return target


def _build(source: Path, target: Path, precision: str, cache: Path) -> None:
    """Run the ONNX Runtime GenAI model builder, which wants a process to itself."""
    command = [
        sys.executable,
        "-m",
        "onnxruntime_genai.models.builder",
        "-i",
        str(source),
        "-o",
        str(target),
        "-p",
        precision,
        "-e",
        "cpu",
        "-c",
        str(cache),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False
    )
    if done.returncode:
        raise SystemExit(f"The model builder failed on {source}:\n{done.stderr[-2000:]}")


def _settle(path: Path) -> None:
    """Make a folder greedy by default, with no more KV cache than the context needs."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["model"]["context_length"] = CONTEXT
    # The builder invents one; it is never written into a prompt.
    config["model"]["bos_token_id"] = train.PAD_ID
    config["search"].update(max_length=CONTEXT, do_sample=False)
    write_json(path, config)
