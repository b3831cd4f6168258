"""Writes what belongs beside the weights: a model card each, the manifest of all files, and the table of results."""

import hashlib
import json

import train
from settings import CONTEXT, HEAD, LICENSE, MAX_OUTPUT, MODELS, MODELS_FOLDER, SEED, VERSION, VOCABULARY

MANIFEST = "manifest.json"
TABLE_BEGIN, TABLE_END = "<!-- results: written by the recipe -->", "<!-- end of results -->"

CARD = """# {alias}

A small English chat model for workshops, made from scratch. It summarizes meeting notes, lists action items, answers
questions about notes and knows a few short texts about local inference. It knows nothing else.

| | |
|---|---|
| architecture | Qwen2, {layers} layers, hidden size {hidden}, {heads} attention heads of size {head} ({kv} for keys and values), feed-forward size {intermediate}, tied embeddings |
| parameters | {parameters:,} |
| tokenizer | byte-level BPE, {vocabulary:,} tokens, learned from the training text; ChatML template, end token `<|im_end|>` |
| context | {context:,} tokens, of which at most {max_output} are meant for the answer |
| precision | {precision} (trained in 32-bit floats with bfloat16 products) |
| files | {size_mb:.1f} MB |
| license | {license}; weights, tokenizer and all training text were made by this project |

## Data

{conversations:,} invented conversations from `recipe/` (seed {seed}): meeting notes with requests about them, short texts
about local inference, greetings, and questions the model must decline. Names and sentence templates of the validation and test
data are kept out of training, but for a handful of chance matches. Topics are new combinations, though most of their single words also occur in training. Dates, team names, greetings and the prompts of the session are shared.
No text, data set or weight was downloaded.

## Training

{steps:,} steps of about {batch_tokens:,} tokens, Muon for the weight matrices and AdamW for the rest, on {threads}.
It took {minutes} minutes. The last validation loss was {validation_loss} per answer token.{note}

## Measured

{prompts} prompts of the test split, served by Foundry Local at temperature 0. Facet recall is the share of required names, dates
and topics that occur in an answer; the interval is a 95 % bootstrap over answers.

{tasks}

- Stopped by itself: {stopped:.1%}. Empty, looping or cut off: {degenerate:.1%}.
- {same} of {compared} answers are letter for letter those of the 32-bit checkpoint.
- Median output {rate:,} tokens/s and load time {load_s} s, on the 2-core CPU where it was made.

## Limits

- English only, and only notes that resemble the training text. Long notes, irony and unusual layouts fail.
- Names and topics that it was not trained on are often garbled or replaced: see the recall above.
- The number of sentences asked for is not always kept.
- The test prompts were looked at once while mini was still being trained, and training went on after it: its figures are slightly favored.
- It can attach a task to the wrong person or drop one. Check every name and date.
- Facts outside its few texts are unknown to it. It often says so, but not always.
- It is a teaching aid for measuring speed and quality, not a tool for real minutes.
"""


def package(work, folder=MODELS_FOLDER):
    """Writes cards, manifest and table for every exported model."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    for model in MODELS.values():
        if not (folder / model.alias / "model.onnx").exists():
            continue
        parameters = sum(p.numel() for p in train.build(model).parameters())
        evaluation = _read(work / model.alias / "evaluation.json")
        if evaluation:
            _write(folder / model.alias / "MODEL_CARD.md", _card(model, work, folder, parameters, evaluation))
        entries[model.alias] = _entry(model, folder / model.alias, parameters)
    _write(folder / MANIFEST, json.dumps({"schema": 1, "models": entries}, indent=2) + "\n")
    _refresh_table(folder / "README.md", work, entries)
    print(f"{MANIFEST}: {', '.join(entries)}", flush=True)


def _entry(model, folder, parameters):
    return {
        "name": model.name,
        "version": VERSION,
        "context_length": CONTEXT,
        "max_output_tokens": MAX_OUTPUT,
        "parameters": parameters,
        "precision": model.precision,
        "license": LICENSE,
        "files": {
            path.name: {"bytes": path.stat().st_size, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
            for path in sorted(folder.iterdir())
            if path.is_file()
        },
    }


def _card(model, work, folder, parameters, evaluation):
    last = json.loads((work / model.alias / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    files = [path for path in (folder / model.alias).iterdir() if path.name != "MODEL_CARD.md"]
    with (work / "text" / "train.jsonl").open(encoding="utf-8") as lines:
        conversations = sum(1 for _ in lines)
    return CARD.format(
        alias=model.alias,
        layers=model.layers,
        hidden=model.hidden,
        heads=model.heads,
        head=HEAD,
        kv=model.heads // 2,
        intermediate=model.intermediate,
        parameters=parameters,
        vocabulary=VOCABULARY,
        context=CONTEXT,
        max_output=MAX_OUTPUT,
        precision=model.precision,
        size_mb=sum(path.stat().st_size for path in files) / 1e6,
        license=LICENSE,
        conversations=conversations,
        seed=SEED,
        steps=last["step"],
        batch_tokens=model.batch_tokens,
        threads="one or two CPU cores",
        minutes=round(last["seconds"] / 60),
        validation_loss=last["validation_loss"],
        prompts=evaluation["prompts"],
        note=model.note and f"\n{model.note}",
        tasks=_task_table(evaluation),
        stopped=evaluation["stopped_by_itself"],
        degenerate=evaluation["degenerate"],
        same=evaluation["same_as_torch"],
        compared=evaluation["compared_with_torch"],
        rate=evaluation["output_tokens_per_s"],
        load_s=evaluation["load_s"],
    )


def _task_table(evaluation):
    rows = ["| task | prompts | facet recall (95 %) | exactly the reference | format kept |", "|---|---|---|---|---|"]
    for task, row in evaluation["tasks"].items():
        kept = f"{row['format_kept']:.2f}" if "format_kept" in row else ""
        rows.append(f"| {task} | {row['n']} | {_recall(row)} | {row['exact']:.2f} | {kept} |")
    return "\n".join(rows)


def _recall(row):
    if "facet_recall" not in row:
        return ""
    low, high = row["facet_recall_95"]
    return f"{row['facet_recall']:.2f} ({low:.2f} to {high:.2f})"


def _refresh_table(path, work, entries):
    """Replaces the table between the two marks of the README; does nothing where there are none."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if TABLE_BEGIN not in text:
        return
    head, rest = text.split(TABLE_BEGIN, 1)
    _write(path, head + TABLE_BEGIN + "\n" + _results(work, entries) + "\n" + TABLE_END + rest.split(TABLE_END, 1)[1])


def _results(work, entries):
    rows = [
        "| model | parameters | files, MB | precision | facet recall, summaries (95 %) | format kept | output tokens/s | load, s |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for alias, entry in entries.items():
        evaluation = _read(work / alias / "evaluation.json")
        if evaluation:
            size = sum(file["bytes"] for file in entry["files"].values()) / 1e6
            kept = evaluation["tasks"].get("format", {}).get("format_kept", float("nan"))
            rows.append(
                f"| {alias} | {entry['parameters']:,} | {size:.1f} | {entry['precision']} | "
                f"{_recall(evaluation['tasks'].get('summary', {}))} | {kept:.2f} | "
                f"{evaluation['output_tokens_per_s']:,} | {evaluation['load_s']} |"
            )
    return "\n".join(rows)


def _read(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _write(path, text):
    path.write_text(text, encoding="utf-8", newline="\n")
