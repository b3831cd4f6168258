"""Tune a public model for meeting notes, on the CPU: `python -m training tune --gguf FILE`.

It may be stopped at any time and goes on from the checkpoint. The first part begins with the
recipe's text alone and goes on with the notes that were written for this, read once and asked about
many times. In the second part most requests stand before the notes, as people write them, and
names and days are exchanged. A step takes 7 to 10 seconds on two cores with nothing else to do.
"""

import json
import math
import os
import time
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from helpers.common.files import write_json

from . import lora, rows, scoring, written
from .evaluate import handwritten
from .marks import marks, strangers
from .settings import MAX_OUTPUT, SEED

ALIAS = "smollm2-135m-notes"
BATCH_TOKENS = 2048
WARM_UP = 20
CHECKPOINT_EVERY = 10  # steps
VALIDATION_NOTES = 16
ANSWERS_AT_ONCE = 12


class Part(NamedTuple):
    """Steps whose rate rises, stays level until `decay_from`, and falls to zero."""

    steps: int
    rate: float
    decay_from: float
    generated: float  # share of the steps before the first written note
    shared: float  # share of the rows that read the notes once and ask many times
    varied: bool  # other names and days each time


PARTS = (Part(500, 1e-3, 0.5, 0.2, 0.6, False), Part(700, 6e-4, 0.3, 0.0, 0.25, True))


class Reply:
    """One answer, as `scoring` reads it."""

    def __init__(self, text: str, finish_reason: str):
        self.text, self.finish_reason = text, finish_reason


def load(gguf: Path) -> tuple[nn.Module, Any]:
    """Return model and tokenizer of a GGUF file, with weights in bfloat16."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    where = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    plain = {"dtype": torch.bfloat16, "quantization_config": GgufConfig(dequantize=True)}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    return AutoModelForCausalLM.from_pretrained(**where, **plain), tokenizer


def tune(gguf: Path, work: Path, output: Path, scale: float = 1.0) -> None:
    """Train, and write the adapter to `<output>/smollm2-135m-notes` and its scores to `work`."""
    torch.manual_seed(SEED)
    model, tokenizer = load(gguf)
    parameters = lora.add(model)
    work.mkdir(parents=True, exist_ok=True)
    notes, end = written.split(validation=False), 0
    for part in PARTS:
        begin, end = end, end + max(2, int(part.steps * scale))
        drawn = rows.Rows(tokenizer, notes, part.shared, part.varied)
        smooth = _train(model, parameters, drawn, part, range(begin, end), work)
        if smooth is not None:
            _note_down(work, end, smooth, validate(model, tokenizer, scale))
        lora.save(parameters, gguf.name, output / ALIAS)
    scores = examine(model, tokenizer, work / "handwritten.jsonl", scale)
    write_json(work / "handwritten.json", scores)
    print(json.dumps(scores, indent=1), flush=True)


def _train(
    model: nn.Module,
    parameters: dict[str, nn.Parameter],
    drawn: rows.Rows,
    part: Part,
    steps: range,
    work: Path,
) -> float | None:
    """Carry out the steps of one part that the checkpoint does not have; return the last loss."""
    optimizer = torch.optim.AdamW(
        parameters.values(), lr=part.rate, betas=(0.9, 0.98), weight_decay=0
    )
    checkpoint = work / "checkpoint.pt"
    first = _resume(checkpoint, parameters, optimizer, steps)
    began, smooth = time.perf_counter(), None
    for step in range(first, steps.stop):
        within = step - steps.start
        late = within >= part.generated * len(steps)
        batch = drawn.batch(f"{SEED}/{step}", BATCH_TOKENS, with_written=late)
        for group in optimizer.param_groups:
            group["lr"] = part.rate * schedule(within, len(steps), part.decay_from)
        value = _step(model, rows.collate(batch), optimizer, parameters)
        smooth = value if smooth is None else 0.95 * smooth + 0.05 * value
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == steps.stop:
            _keep(checkpoint, step + 1, parameters, optimizer)
            pace = (time.perf_counter() - began) / (step + 1 - first)
            print(f"step {step + 1}: loss {smooth:.3f}, {pace:.1f} s a step", flush=True)
    return smooth


def schedule(step: int, steps: int, decay_from: float) -> float:
    """Return the part of the learning rate: up, level, then straight down to zero."""
    left = (steps - step) / (steps * (1 - decay_from))
    return min(1.0, (step + 1) / WARM_UP, left)


def loss(model: nn.Module, batch: rows.Batch) -> Tensor:
    """Return the mean loss of an answer token; only those are compared with the vocabulary."""
    states = model.model(
        input_ids=batch.ids,
        position_ids=batch.positions,
        attention_mask=_additive(batch.mask, model.dtype),
        use_cache=False,
    ).last_hidden_state
    target = batch.labels[:, 1:]
    # The first token of an answer follows its own request, which always stands before it.
    chosen = target != rows.IGNORED
    logits = model.lm_head(states[:, :-1][chosen]).float()
    return functional.cross_entropy(logits, target[chosen])


def _additive(mask: Tensor, dtype: torch.dtype) -> Tensor:
    return torch.zeros(mask.shape, dtype=dtype).masked_fill(~mask, torch.finfo(dtype).min)


def _step(model: nn.Module, batch: rows.Batch, optimizer, parameters) -> float:
    optimizer.zero_grad()
    value = loss(model, batch)
    value.backward()
    nn.utils.clip_grad_norm_(parameters.values(), 1.0)
    optimizer.step()
    return value.item()


def _keep(path: Path, step: int, parameters, optimizer) -> None:
    """Write the checkpoint beside the old one first, so that a stop in between loses nothing."""
    state = {"step": step, "optimizer": optimizer.state_dict()}
    state["parameters"] = {name: value.detach() for name, value in parameters.items()}
    half = path.with_suffix(".tmp")
    torch.save(state, half)
    os.replace(half, path)


def _resume(path: Path, parameters, optimizer, steps: range) -> int:
    """Return the step to go on with; each part begins with a new optimizer."""
    if not path.exists():
        return steps.start
    state = torch.load(path)
    for name, parameter in parameters.items():
        parameter.data.copy_(state["parameters"][name])
    if steps.start < state["step"] < steps.stop:
        optimizer.load_state_dict(state["optimizer"])
    return state["step"]


def _note_down(work: Path, step: int, smooth: float | None, figures: dict[str, float]) -> None:
    line = {"step": step, "loss": round(smooth or 0, 3), **figures}
    print(json.dumps(line), flush=True)
    with (work / "curve.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


@torch.no_grad()
def validate(model: nn.Module, tokenizer, scale: float = 1.0) -> dict[str, float]:
    """Return what the model makes of written notes that it is not trained on."""
    notes = written.split(validation=True)[: max(2, int(VALIDATION_NOTES * scale))]
    drawn, rng = rows.Rows(tokenizer, notes), Random(SEED)
    found = [loss(model, rows.collate([drawn.of_note(rng, note, True)])).item() for note in notes]
    asked = [
        (note, made)
        for note in notes
        for made in written.requests(rng, note, "first")
        if made.task in ("summary", "actions", "unanswerable")
    ]
    replies = reply(model, tokenizer, [made.request for _, made in asked])
    judged = [
        (made, answer.text, note.notes) for (note, made), answer in zip(asked, replies, strict=True)
    ]
    refusals = [text.strip() == made.answer for made, text, _ in judged if _refuses(made)]
    plain = [entry for entry in judged if not _refuses(entry[0])]
    shares = [_share(marks(made.answer), marks(text)) for made, text, _ in plain]
    invented = [bool(strangers(text, notes)) for _, text, notes in plain]
    return {
        "validation_loss": _mean(found),
        "marks_found": _mean([share for share in shares if share is not None]),
        "with_invented": _mean(invented),
        "refused": _mean(refusals),
    }


def _refuses(made: written.Asked) -> bool:
    return made.task == "unanswerable"


def _share(wanted: set[str], found: set[str]) -> float | None:
    return len(wanted & found) / len(wanted) if wanted else None


def _mean(values: Sequence[float]) -> float:
    return round(sum(values) / len(values), 3) if values else math.nan


@torch.no_grad()
def reply(model: nn.Module, tokenizer, requests: Sequence[str]) -> list[Reply]:
    """Return greedy answers, made for requests of similar length together."""
    tokenizer.padding_side = "left"
    order = sorted(range(len(requests)), key=lambda n: len(requests[n]))
    replies: dict[int, Reply] = {}
    for begin in range(0, len(order), ANSWERS_AT_ONCE):
        chosen = order[begin : begin + ANSWERS_AT_ONCE]
        texts = [rows.HEAD + requests[n] + rows.TURN for n in chosen]
        inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        made = model.generate(**inputs, max_new_tokens=MAX_OUTPUT, do_sample=False, pad_token_id=0)
        for n, ids in zip(chosen, made[:, inputs.input_ids.shape[1] :], strict=True):
            stopped = bool((ids == tokenizer.eos_token_id).any())
            text = tokenizer.decode(ids, skip_special_tokens=True)
            replies[n] = Reply(text, "stop" if stopped else "length")
    return [replies[n] for n in range(len(requests))]


def examine(model: nn.Module, tokenizer, answers: Path, scale: float = 1.0) -> dict[str, Any]:
    """Return the scores of torch's answers on the hand-written test set; keep them in a file."""
    turns = handwritten(scale)
    replies = reply(model, tokenizer, [turn["user"] for turn in turns])
    scored = [scoring.score(turn, text) for turn, text in zip(turns, replies, strict=True)]
    with answers.open("w", encoding="utf-8", newline="\n") as file:
        for turn, text, row in zip(turns, replies, scored, strict=True):
            file.write(json.dumps({"user": turn["user"], "text": text.text, **row}) + "\n")
    invented = [
        bool(strangers(text.text, turn["user"])) for turn, text in zip(turns, replies, strict=True)
    ]
    return {**scoring.summary(scored), "with_invented": _mean(invented)}
