"""Turns a checkpoint into a flat folder that Foundry Local serves."""

import json
import shutil
import subprocess
import sys

import tokens
import train
from settings import CONTEXT, MODELS, MODELS_FOLDER, PACKAGES, VERSION

SERVED_FILES = (
    "model.onnx",
    "model.onnx.data",
    "genai_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)


def export(alias, work, folder=MODELS_FOLDER):
    """Writes `folder/<alias>` from the newest checkpoint. The old folder is replaced only when all is well."""
    model, precision = PACKAGES[alias]
    target = build(model, precision, work, folder / alias)
    _write_json(
        target / "inference_model.json",
        {"Name": f"{alias}-generic-cpu:{VERSION}", "PromptTemplate": None},
    )
    path = folder / "training.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    known = {
        name: (known | {model.alias: train.history(model, work)})[name]
        for name in MODELS
        if name in known or name == model.alias
    }
    _write_json(path, known)
    print(f"{alias}: exported as {precision}, {size_mb(target):.1f} MB", flush=True)
    return target


def build(model, precision, work, target):
    """The ONNX files of one size in one precision, without a name."""
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


def size_mb(folder):
    """Megabytes (10^6 bytes) of what is served; the model card is not."""
    return (
        sum(path.stat().st_size for path in folder.iterdir() if path.name != "MODEL_CARD.md") / 1e6
    )


def _build(source, target, precision, cache):
    """Runs the ONNX Runtime GenAI model builder, which wants to be a process of its own."""
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


def _settle(path):
    """Greedy by default, and never more memory for the KV cache than the context needs."""
    config = json.loads(path.read_text(encoding="utf-8"))
    config["model"]["context_length"] = CONTEXT
    config["model"]["bos_token_id"] = (
        train.PAD_ID
    )  # the builder invents one; it is never written into a prompt
    config["search"].update(max_length=CONTEXT, do_sample=False)
    _write_json(path, config)


def _write_json(path, value):
    path.write_text(
        json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="\n"
    )
