"""Writes what belongs beside the weights: a model card each, the manifest of all files, and the tables of the README."""

import hashlib
import itertools
import json

import curves
import generate
from settings import (
    CONTEXT,
    HEAD,
    LICENSE,
    MAX_OUTPUT,
    MODELS,
    MODELS_FOLDER,
    PACKAGES,
    SEED,
    VERSION,
    VOCABULARY,
)

MANIFEST = "manifest.json"
CARD_NAME = "MODEL_CARD.md"
TASKS = {
    "summary": "summarise",
    "format": "summarise in a given form",
    "actions": "list action items",
    "question": "answer a question",
    "unanswerable": 'say "The notes do not say."',
    "session": "the session's own prompts",
    "greeting": "greetings",
    "unknown": "decline what it does not know",
}

CARD = """# {alias}

A small English chat model for workshops, made from scratch. It summarises meeting notes, lists action items, answers
questions about notes and knows a few short texts about local inference. It knows nothing else.

| | |
|---|---|
| architecture | Qwen2, {layers} layers, hidden size {hidden}, {heads} attention heads of size {head} ({pairs} for keys and values), feed-forward size {intermediate}, tied embeddings |
| parameters | {parameters:,} |
| tokenizer | byte-level BPE, {vocabulary:,} tokens, learned from the training text; ChatML template, end token `<|im_end|>` |
| context | {context:,} tokens, of which at most {max_output} are meant for the answer |
| precision | {precision} (trained in 32-bit floats, with bfloat16 products where the processor has them) |
| files | {size_mb:.1f} MB |
| license | {license}; weights, tokenizer and all training text were made by this project |

## Data

{conversations:,} invented conversations from `recipe/` (seed {seed}, {tokens:.1f} million tokens): meeting notes in eight layouts with requests
about them, short texts about local inference, greetings, and questions the model must decline. The names, topic words,
verbs and sentence templates of the validation and test data are not in the training data. Dates, team names, greetings, the prompts of the
session and the first wording of each request are shared. No text, data set or weight was downloaded.

## Training

{steps:,} steps of about {batch_tokens:,} tokens, Muon for the weight matrices and AdamW for the rest, in {minutes} minutes on two CPU cores.
{start} The last validation loss was {validation_loss} per answer token.

## Measured

Served by Foundry Local at temperature 0. Facet recall is the share of expected names, dates and topics that an answer contains; intervals
are 95 % bootstraps over answers. "Exact" means letter for letter the reference answer.

Generated test set ({generated_n:,} prompts):

{generated}

Hand-written notes ({handwritten_n} requests about 48 notes, used for nothing else):

{handwritten}

- Empty, looping or cut off: {degenerate:.1%} of the generated, {degenerate_handwritten:.1%} of the hand-written set.
- {agreement}
- Median output {rate} tokens/s and load time {load_s} s, on the 2-core CPU where it was made.

## Limits

- English only. Notes that resemble the training text are answered far better than notes as people write them: compare the two tables.
- It can attach a task to the wrong person, keep a date that was withdrawn, or drop an item. Check every name and date.
- Names and topics are sometimes garbled in copying, and the length asked for is not always kept.
- Facts outside its few texts are unknown to it. It often says so, but not always.
- It is a teaching aid for measuring speed and quality, not a tool for real minutes.
"""


def package(folder=MODELS_FOLDER):
    """Writes cards, manifest and tables for every exported folder, from `evaluation.json` and `training.json`."""
    results, training = _read(folder / "evaluation.json"), _read(folder / "training.json")
    entries = {}
    for alias, (model, precision) in PACKAGES.items():
        target = folder / alias
        if not (target / "model.onnx").exists():
            continue
        if alias in results and model.alias in training:
            _write(
                target / CARD_NAME,
                _card(alias, model, precision, target, results[alias], training[model.alias]),
            )
        entries[alias] = {
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
                for path in sorted(target.iterdir())
                if path.is_file()
            },
        }
    _write(folder / MANIFEST, json.dumps({"schema": 1, "models": entries}, indent=2) + "\n")
    for mark, table in (
        ("results", _results(results, entries)),
        ("precisions", _precisions(folder)),
        ("gaps", _gaps(folder)),
        ("training", _training(training)),
        ("contents", _contents()),
        ("goals", _goals(results)),
    ):
        _refresh(folder / "README.md", mark, table)
    if training:
        (folder / curves.PICTURE).write_bytes(curves.draw(training))
        _refresh(
            folder / "README.md",
            "curves",
            f"![{curves.alternative_text(training)}]({curves.PICTURE})",
        )
    print(f"{MANIFEST}: {', '.join(entries)}", flush=True)


def parameters(model):
    """The number of trained weights of one size; input and output embeddings are the same matrix."""
    keys = model.hidden // 2  # half as many heads for keys and values
    attention = 2 * model.hidden**2 + 2 * model.hidden * keys + model.hidden + 2 * keys
    layer = attention + 3 * model.hidden * model.intermediate + 2 * model.hidden
    return VOCABULARY * model.hidden + model.layers * layer + model.hidden


def _card(alias, model, precision, target, result, trained):
    start = (
        f"It began with the weights of {model.grows_from}, widened and deepened so that at first it answered the same."
        if model.grows_from
        else ""
    )
    start = (
        start
        or f"The first {trained['copy_steps']} steps read random tokens with repetitions, which taught it to copy."
    )
    return CARD.format(
        alias=alias,
        layers=model.layers,
        hidden=model.hidden,
        heads=model.heads,
        head=HEAD,
        pairs=model.heads // 2,
        intermediate=model.intermediate,
        parameters=parameters(model),
        vocabulary=VOCABULARY,
        context=CONTEXT,
        max_output=MAX_OUTPUT,
        precision=precision,
        size_mb=_size_mb(target),
        license=LICENSE,
        conversations=trained["conversations"],
        tokens=trained["tokens"] / 1e6,
        seed=SEED,
        steps=trained["steps"],
        batch_tokens=model.batch_tokens,
        minutes=round(trained["seconds"] / 60),
        start=start,
        validation_loss=trained["curve"][-1]["validation_loss"],
        generated_n=result["generated"]["prompts"],
        generated=_tasks(result["generated"]),
        handwritten_n=result["handwritten"]["prompts"],
        handwritten=_tasks(result["handwritten"]),
        degenerate=result["generated"]["degenerate"],
        degenerate_handwritten=result["handwritten"]["degenerate"],
        agreement=_agreement(result["torch"]),
        rate=f"{result['output_tokens_per_s']:,}"
        if result.get("output_tokens_per_s")
        else "unknown",
        load_s=result.get("load_s", "unknown"),
    )


def _size_mb(target):
    return sum(path.stat().st_size for path in target.iterdir() if path.name != CARD_NAME) / 1e6


def _agreement(torch):
    if torch is None:
        return "The answers were not compared with those of the checkpoint."
    return f"{torch['same']} of {torch['compared']} answers are letter for letter those of the 32-bit checkpoint in PyTorch."


def _tasks(result):
    rows = [
        "| task | prompts | facet recall | exact | form kept | withdrawn facts named |",
        "|---|---|---|---|---|---|",
    ]
    for task, title in TASKS.items():
        if task in result["tasks"]:
            row = result["tasks"][task]
            cells = [
                _figure(row, key)
                for key in ("facet_recall", "exact", "format_kept", "forbidden_named")
            ]
            rows.append(f"| {title} | {row['n']} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _figure(row, key):
    if key not in row:
        return ""
    low, high = row[f"{key}_95"]
    return f"{row[key]:.2f} ({low:.2f} to {high:.2f})"


def _results(results, entries):
    rows = [
        "| model | parameters | precision | files, MB | facet recall, generated | facet recall, hand-written | form kept | degenerate | same as torch | output tokens/s | load, s |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for alias, entry in entries.items():
        if alias not in results:
            continue
        result = results[alias]
        tasks, by_hand = result["generated"]["tasks"], result["handwritten"]["tasks"]
        size = (
            sum(file["bytes"] for name, file in entry["files"].items() if name != CARD_NAME) / 1e6
        )
        same = (
            f"{result['torch']['same']} of {result['torch']['compared']}"
            if result["torch"]
            else "not compared"
        )
        cells = [
            alias,
            f"{entry['parameters']:,}",
            entry["precision"],
            f"{size:.1f}",
            _figure(tasks.get("summary", {}), "facet_recall"),
            _figure(by_hand.get("summary", {}), "facet_recall"),
            _figure(tasks.get("format", {}), "format_kept"),
            f"{result['generated']['degenerate']:.1%}",
            same,
            f"{result['output_tokens_per_s']:,}" if result.get("output_tokens_per_s") else "",
            f"{result.get('load_s', '')}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _precisions(folder):
    rows = [
        "| model | precision | files, MB | facet recall | degenerate | output tokens/s | shipped |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in _read(folder / "precisions.json") or []:
        shipped = "yes" if row["precision"] in MODELS[row["model"]].precisions else ""
        cells = [
            row["model"],
            row["precision"],
            f"{row['size_mb']:.1f}",
            _figure(row, "facet_recall"),
            f"{row['degenerate']:.1%}",
        ]
        rate = f"{row['output_tokens_per_s']:,}" if row["output_tokens_per_s"] else ""
        rows.append(f"| {' | '.join(cells)} | {rate} | {shipped} |")
    return "\n".join(rows)


def _gaps(folder):
    rows = ["| known from training | facet recall |", "|---|---|"]
    for row in _read(folder / "gaps.json") or []:
        rows.append(f"| {', '.join(row['known']) or 'nothing'} | {_figure(row, 'facet_recall')} |")
    return "\n".join(rows)


def _training(training):
    rows = [
        "| model | began with | steps | tokens read, million | minutes | of processor time | validation loss | exact answers |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for alias, trained in training.items():
        model = MODELS[alias]
        last = trained["curve"][-1]
        cells = [
            alias,
            model.grows_from or "random weights",
            f"{trained['steps']:,}",
            f"{last['tokens_read'] / 1e6:.1f}",
            f"{trained['seconds'] / 60:.0f}",
            f"{trained['cpu_seconds'] / 60:.0f}",
            f"{last['validation_loss']:.3f}",
            f"{last['validation_exact']:.0%}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


# What the models are meant to reach: facet recall of summaries in the generated test, from the smallest to the largest.
GOALS = {"pocket-nano": 0.60, "pocket-mini": 0.85, "pocket-midi": 0.95}
GOAL_BY_HAND, GOAL_FORM, GOAL_DEGENERATE, GOAL_LOAD_S = 0.75, 0.9, 0.02, 1.0


def _goals(results):
    """Each goal beside what was measured, reached or not."""
    sizes = [alias for alias in MODELS if alias in results]
    if (
        sizes != list(GOALS)
        or any("load_s" not in results[alias] for alias in results)
        or not all(results[alias].get("gain") for alias in sizes[1:])
    ):
        return ""
    recall = {alias: results[alias]["generated"]["tasks"]["summary"] for alias in sizes}
    by_hand = {alias: results[alias]["handwritten"]["tasks"]["summary"] for alias in sizes}
    largest = results[sizes[-1]]
    form = largest["generated"]["tasks"]["format"]
    rates = [results[alias]["output_tokens_per_s"] or 0 for alias in sizes]
    loads = [results[alias]["load_s"] for alias in results]
    steps = list(itertools.pairwise(sizes))
    gains = [results[large]["gain"] for _, large in steps]
    apart = all(
        recall[small]["facet_recall_95"][1] < recall[large]["facet_recall_95"][0]
        for small, large in steps
    )
    ordered = all(
        by_hand[small]["facet_recall"] < by_hand[large]["facet_recall"] for small, large in steps
    )
    rows = [
        (
            f"{alias}: facet recall of summaries, generated, at least {goal:.2f}",
            _figure(recall[alias], "facet_recall"),
            recall[alias]["facet_recall"] >= goal,
        )
        for alias, goal in GOALS.items()
    ]
    rows += [
        ("each size above the one before, intervals apart", "", apart),
        (
            "each size above the one before on the same prompts, interval of the difference above 0",
            ", ".join("+" + _figure(gain, "difference") for gain in gains),
            all(gain["difference_95"][0] > 0 for gain in gains),
        ),
        (
            f"{sizes[-1]}: form kept, at least {GOAL_FORM:.2f}",
            _figure(form, "format_kept"),
            form["format_kept"] >= GOAL_FORM,
        ),
        (
            f"{sizes[-1]}: facet recall, hand-written, at least {GOAL_BY_HAND:.2f}",
            _figure(by_hand[sizes[-1]], "facet_recall"),
            by_hand[sizes[-1]]["facet_recall"] >= GOAL_BY_HAND,
        ),
        (
            "hand-written: the same order",
            ", ".join(f"{row['facet_recall']:.3f}" for row in by_hand.values()),
            ordered,
        ),
        (
            f"{sizes[-1]}: degenerate answers, generated, at most {GOAL_DEGENERATE:.0%}",
            f"{largest['generated']['degenerate']:.1%}",
            largest["generated"]["degenerate"] <= GOAL_DEGENERATE,
        ),
        (
            "output tokens/s falls with size",
            ", ".join(f"{rate:,}" for rate in rates),
            rates == sorted(set(rates), reverse=True),
        ),
        (
            f"every load under {GOAL_LOAD_S:.0f} s",
            f"at most {max(loads)} s",
            max(loads) < GOAL_LOAD_S,
        ),
    ]
    lines = [
        f"| {goal} | {measured} | {'reached' if reached else '**not reached**'} |"
        for goal, measured, reached in rows
    ]
    return "\n".join(["| goal | measured | |", "|---|---|---|", *lines])


def _contents():
    """What the test notes contain, and how often; the training notes are drawn in the same way."""
    shares = generate.contents(SEED, "test")
    return "\n".join(
        [
            "| the notes contain | of 100 |",
            "|---|---|",
            *[f"| {name} | {100 * share:.0f} |" for name, share in shares.items()],
        ]
    )


def _refresh(path, mark, table):
    """Replaces the table between two marks of the README; does nothing where there are none."""
    begin, end = f"<!-- {mark}: written by the recipe -->", f"<!-- end of {mark} -->"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if begin in text:
        head, rest = text.split(begin, 1)
        _write(path, f"{head}{begin}\n{table}\n{end}{rest.split(end, 1)[1]}")


def _read(path):
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _write(path, text):
    path.write_text(text, encoding="utf-8", newline="\n")
