"""Every size in every precision, on the validation split: the figures that the choice of precision rests on."""

import json
import statistics

import evaluate
import export
import generate
import serve
from settings import MAX_OUTPUT, MODELS

ALL = ("fp32", "int8", "int4")
RESULTS = "precisions.json"


def study(models, work, folder):
    """Exports and asks them all, and writes `<folder>/precisions.json`: rows of size, facet recall of summaries and speed.

    Rows of other sizes that are there already stay.
    """
    turns = [turns[0] for turns in generate.read(work / "text" / "validation.jsonl")]
    turns = [turn for turn in turns if turn["task"] == "summary"]
    rows = []
    for model in models:
        for precision in ALL:
            target = export.build(
                model, precision, work, work / "precisions" / f"{model.alias}-{precision}"
            )
            with serve.Runtime() as runtime:
                model_id, _ = evaluate._loaded(runtime, target.name, target)
                replies = [runtime.chat(model_id, turn["user"], MAX_OUTPUT) for turn in turns]
            judged = [
                evaluate.judge(turn, reply) for turn, reply in zip(turns, replies, strict=True)
            ]
            rates = [reply.output_tokens_per_s for reply in replies if reply.output_tokens_per_s]
            recall, interval = evaluate._interval(
                [statistics.fmean(row["hits"].values()) for row in judged]
            )
            rows.append(
                {
                    "model": model.alias,
                    "precision": precision,
                    "size_mb": round(export.size_mb(target), 1),
                    "summaries": len(turns),
                    "facet_recall": recall,
                    "facet_recall_95": interval,
                    "degenerate": round(statistics.fmean(row["degenerate"] for row in judged), 3),
                    "output_tokens_per_s": round(statistics.median(rates)) if rates else None,
                }
            )
            print(json.dumps(rows[-1]), flush=True)
    path = folder / RESULTS
    asked = {model.alias for model in models}
    rows += [
        row
        for row in (json.loads(path.read_text(encoding="utf-8")) if path.exists() else [])
        if row["model"] not in asked
    ]
    rows.sort(key=lambda row: list(MODELS).index(row["model"]))
    path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8", newline="\n")
