"""Write what belongs beside the weights: model cards, manifest, and tables of the README."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helpers.common.files import write_json, write_text
from helpers.common.paths import DATA
from helpers.models.adapter import WEIGHTS
from helpers.models.lineup import load_models

from . import curves, evaluate, gaps, generate, handwritten, tables
from .settings import (
    CONTEXT,
    DATA_FOLDER,
    HEAD,
    LICENSE,
    MAX_OUTPUT,
    MODELS_FOLDER,
    PACKAGES,
    SEED,
    VERSION,
    VOCABULARY,
    Model,
)

MANIFEST = "manifest.json"
CARD_NAME = "MODEL_CARD.md"
# The manifest holds the hash of each card, so its words change only together with VERSION.
CARD = (DATA_FOLDER / "card.md").read_text(encoding="utf-8")

ADAPTER_CARD = (DATA_FOLDER / "adapter_card.md").read_text(encoding="utf-8")


def package(folder: Path = MODELS_FOLDER) -> None:
    """Write cards, manifest and tables for every exported folder.

    The figures are those of `evaluation.json`, `training.json`, `precisions.json` and `gaps.json`.
    """
    evaluation, training = evaluate.read(folder), _read(folder / "training.json", {})
    entries = {}
    for alias, (model, precision) in PACKAGES.items():
        target = folder / alias
        if not (target / "model.onnx").exists():
            continue
        if alias in evaluation and model.alias in training:
            text = card(alias, target, evaluation[alias], training[model.alias])
            write_text(target / CARD_NAME, text)
        entries[alias] = _entry(alias, model, precision, target)
    write_json(folder / MANIFEST, {"schema": 1, "models": entries})
    by_notes = evaluate.read(folder, handwritten.RESULTS)
    for alias in handwritten.PUBLIC:
        if (folder / alias / WEIGHTS).exists():
            write_text(folder / alias / CARD_NAME, adapter_card(alias, by_notes))
            if folder == MODELS_FOLDER:
                _pin(alias, folder / alias / WEIGHTS)
    written: dict[str, Callable[[], str]] = {
        "results": lambda: tables.results(evaluation, entries),
        "precisions": lambda: tables.precisions(_read(folder / "precisions.json", [])),
        "gaps": lambda: tables.gaps(_read(folder / gaps.RESULTS, [])),
        "training": lambda: tables.training(training),
        "contents": lambda: tables.contents(generate.contents(SEED, "test")),
        "goals": lambda: tables.goals(evaluation),
        "notes": lambda: tables.notes(by_notes),
        "goals of tuning": lambda: tables.notes_goals(by_notes),
    }
    if training:
        (folder / curves.PICTURE).write_bytes(curves.draw(training))
        picture = f"![{curves.alternative_text(training)}]({curves.PICTURE})"
        written["curves"] = lambda: picture
    for mark, make in written.items():
        _refresh(folder / "README.md", mark, make)
    print(f"{MANIFEST}: {', '.join(entries)}", flush=True)


def adapter_card(alias: str, by_notes: dict[str, Any]) -> str:
    """Return the card of an adapter, with what its model makes of the hand-written notes."""
    return ADAPTER_CARD.format(alias=alias, measured=tables.notes(by_notes))


def _pin(alias: str, weights: Path) -> None:
    """Write the SHA-256 of an adapter into the line-up, which is checked before it is used."""
    path, known = DATA / "models.json", load_models()[alias].adapter_sha256
    if known:
        text = path.read_text(encoding="utf-8")
        before, name, after = text.partition(f'"{alias}": {{')
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        write_text(path, before + name + after.replace(known, digest, 1))


def _entry(alias: str, model: Model, precision: str, folder: Path) -> dict[str, Any]:
    """Return what the manifest says of one package."""
    return {
        "name": f"{alias}-generic-cpu",
        "version": VERSION,
        "context_length": CONTEXT,
        "max_output_tokens": MAX_OUTPUT,
        "parameters": parameters(model),
        "precision": precision,
        "license": LICENSE,
        "files": {
            path.name: {
                "bytes": path.stat().st_size,
                "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            }
            for path in sorted(folder.iterdir())
            if path.is_file()
        },
    }


def parameters(model: Model) -> int:
    """Return the number of trained weights of one size.

    Input and output embeddings are the same matrix.
    """
    keys = model.hidden // 2  # half as many heads for keys and values
    attention = 2 * model.hidden**2 + 2 * model.hidden * keys + model.hidden + 2 * keys
    layer = attention + 3 * model.hidden * model.intermediate + 2 * model.hidden
    return VOCABULARY * model.hidden + model.layers * layer + model.hidden


def size_mb(folder: Path) -> float:
    """Return the megabytes (10^6 bytes) of what is served; the model card is not."""
    return sum(path.stat().st_size for path in folder.iterdir() if path.name != CARD_NAME) / 1e6


def card(alias: str, folder: Path, result: dict[str, Any], trained: dict[str, Any]) -> str:
    """Return the model card of one package."""
    model, precision = PACKAGES[alias]
    rate = result.get("output_tokens_per_s")
    shape = {
        "layers": model.layers,
        "hidden": model.hidden,
        "heads": model.heads,
        "head": HEAD,
        "pairs": model.heads // 2,
        "intermediate": model.intermediate,
        "parameters": parameters(model),
        "vocabulary": VOCABULARY,
        "context": CONTEXT,
        "max_output": MAX_OUTPUT,
        "precision": precision,
        "size_mb": size_mb(folder),
        "license": LICENSE,
    }
    training = {
        "conversations": trained["conversations"],
        "tokens": trained["tokens"] / 1e6,
        "seed": SEED,
        "steps": trained["steps"],
        "batch_tokens": model.batch_tokens,
        "minutes": round(trained["seconds"] / 60),
        "start": _start(model, trained),
        "validation_loss": trained["curve"][-1]["validation_loss"],
    }
    measured = {
        "generated_n": result["generated"]["prompts"],
        "generated": tables.tasks(result["generated"]),
        "handwritten_n": result["handwritten"]["prompts"],
        "handwritten": tables.tasks(result["handwritten"]),
        "degenerate": result["generated"]["degenerate"],
        "degenerate_handwritten": result["handwritten"]["degenerate"],
        "agreement": _agreement(result["torch"]),
        "rate": f"{rate:,}" if rate else "unknown",
        "load_s": result.get("load_s", "unknown"),
    }
    return CARD.format(alias=alias, **shape, **training, **measured)


def _start(model: Model, trained: dict[str, Any]) -> str:
    if model.grows_from:
        return (
            f"It began with the weights of {model.grows_from}, widened and deepened so that at "
            "first it answered the same."
        )
    return (
        f"The first {trained['copy_steps']} steps read random tokens with repetitions, which "
        "taught it to copy."
    )


def _agreement(torch: dict[str, int] | None) -> str:
    if torch is None:
        return "The answers were not compared with those of the checkpoint."
    return (
        f"{torch['same']} of {torch['compared']} answers are letter for letter those of the 32-bit "
        "checkpoint in PyTorch."
    )


def _refresh(path: Path, mark: str, make: Callable[[], str]) -> None:
    """Replace the table between two marks of the README; do nothing where there are none."""
    begin, end = f"<!-- {mark}: written by the recipe -->", f"<!-- end of {mark} -->"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if begin in text:
        head, rest = text.split(begin, 1)
        write_text(path, f"{head}{begin}\n{make()}\n{end}{rest.split(end, 1)[1]}")


def _read(path: Path, default: Any) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else default
