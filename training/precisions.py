"""Compare every size in every precision on the validation split, to choose a precision by."""

import json
from collections.abc import Sequence
from pathlib import Path

from helpers.common.files import write_json

from . import evaluate, export, generate, scoring
from .package import size_mb
from .serve import Runtime
from .settings import MAX_OUTPUT, MODELS, Model

ALL = ("fp32", "int8", "int4")
RESULTS = "precisions.json"


def study(models: Sequence[Model], work: Path, folder: Path) -> None:
    """Export and ask them all, and write `<folder>/precisions.json`.

    Its rows have size, facet recall of summaries and speed. Rows of other models that are there
    already stay.
    """
    turns = [turns[0] for turns in generate.read(work / "text" / "validation.jsonl")]
    turns = [turn for turn in turns if turn["task"] == "summary"]
    rows = []
    for model in models:
        for precision in ALL:
            rows.append(_row(model, precision, work, turns))
            print(json.dumps(rows[-1]), flush=True)
    path = folder / RESULTS
    asked = {model.alias for model in models}
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    rows += [row for row in known if row["model"] not in asked]
    rows.sort(key=lambda row: list(MODELS).index(row["model"]))
    write_json(path, rows)


def _row(model: Model, precision: str, work: Path, turns: Sequence[generate.Turn]) -> dict:
    name = f"{model.alias}-{precision}"
    target = export.build(model, precision, work, work / "precisions" / name)
    with Runtime() as runtime:
        model_id, _ = runtime.load(name, target)
        replies = [runtime.chat(model_id, turn["user"], MAX_OUTPUT) for turn in turns]
    scores = [scoring.score(turn, reply) for turn, reply in zip(turns, replies, strict=True)]
    recall, interval = scoring.facet_recall(scores)
    return {
        "model": model.alias,
        "precision": precision,
        "size_mb": round(size_mb(target), 1),
        "summaries": len(turns),
        "facet_recall": recall,
        "facet_recall_95": interval,
        "degenerate": scoring.degenerate_share(scores),
        "output_tokens_per_s": evaluate.median_rate(replies),
    }
