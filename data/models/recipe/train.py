"""Trains one size on the CPU. Stopping is safe at any time; the next start goes on from the checkpoint."""

import json
import math
import os
import shutil
import signal
import time
from dataclasses import dataclass

import numpy as np
import tokens
import torch
from network import EPSILON, NUMBERS, THETA, Network, grow
from settings import CONTEXT, MODELS, SEED, VOCABULARY
from torch.nn import functional

CHECKPOINT_EVERY = 200  # steps
VALIDATE_EVERY = 250  # steps
VALIDATION_TOKENS = 8192  # a batch
WARM_UP = 50  # steps
COPY_STEPS = 200  # the smallest size first learns to copy, from random tokens
COPY_SHAPE = (48, 64)
ROW = 512  # tokens
OPEN_ROWS = 24
PROMPT_WEIGHT = 0.1  # how much the notes themselves count at the start; falls to zero ...
PROMPT_SHARE = 0.25  # ... and how many of their tokens are looked at: predicting all of them costs a third of the time
SHUFFLED = 0.4  # part of the conversations about notes whose names and topics are swapped for random tokens
NOISY = 0.4  # part of the conversations about notes in which ...
NOISE = 0.12  # ... this part of the wording that no answer repeats is replaced by other wording
MOMENTUM, WEIGHT_DECAY = 0.95, 0.01
NEWTON_SCHULZ = 3.4445, -4.7750, 2.0315
END_ID = 2
PAD_ID = 0
FIRST_WORD_ID = 259  # special tokens and single bytes come before


@dataclass(frozen=True)
class Batch:
    """Everything is (rows, length); see `Network.forward` and `Batches._tensors`."""

    ids: torch.Tensor
    marks: torch.Tensor
    position: torch.Tensor
    sequence: torch.Tensor
    branch: torch.Tensor
    about_notes: torch.Tensor


class Batches:
    """Batches of rows of equal length, each packed with whole conversations; step n is the same batch in every run."""

    def __init__(self, path, batch_tokens):
        data = np.load(path)
        self.ids, self.marks, self.starts = data["ids"], data["marks"], data["starts"]
        self.branch, self.position = data["branch"], data["position"]
        self.about_notes, self.rows, self.disturbed = (
            data["about_notes"],
            batch_tokens // ROW,
            False,
        )
        self.content = [np.flatnonzero(data["content"] == kind) for kind in (1, 2, 3)]
        self.wording = np.flatnonzero(data["content"] == 0)
        self.wording = self.wording[self.wording >= FIRST_WORD_ID]
        self.is_wording = np.isin(np.arange(len(data["content"])), self.wording)
        self.identity = np.arange(len(data["content"]))
        self.epoch, self.plan, self.offset = -1, [], 0

    def _plan(self, epoch):
        """Conversations go into the first of some open rows that has room; those too long for a row are left out."""
        order = np.random.default_rng(SEED + epoch).permutation(len(self.starts) - 1)
        lengths = np.diff(self.starts)
        ready, open_rows = [], []
        for index in order[lengths[order] <= ROW]:
            for row in open_rows:
                if row[0] + lengths[index] <= ROW:
                    break
            else:
                if len(open_rows) == OPEN_ROWS:
                    fullest = max(range(OPEN_ROWS), key=lambda n: open_rows[n][0])
                    ready.append(open_rows.pop(fullest)[1])
                row = [0, []]
                open_rows.append(row)
            row[0] += lengths[index]
            row[1].append(index)
        ready += [row for _, row in open_rows]
        return [ready[n : n + self.rows] for n in range(0, len(ready), self.rows)]

    def filled(self):
        """The part of a batch that is text and not padding."""
        plan = self._plan(0)
        lengths = np.diff(self.starts)
        return sum(int(lengths[row].sum()) for batch in plan for row in batch) / (
            len(plan) * self.rows * ROW
        )

    def all(self):
        """Every conversation once, as it was written."""
        return [self._tensors(batch) for batch in self._plan(0)]

    def at(self, step):
        """The batch of one step, with swapped and noisy conversations; steps are asked for in rising order."""
        self.disturbed = True
        while self.epoch < 0 or step - self.offset >= len(self.plan):
            self.offset += len(self.plan)
            self.epoch += 1
            plan = self._plan(self.epoch)
            self.plan = [batch for batch in plan if len(batch) == self.rows] or plan
        return self._tensors(self.plan[step - self.offset])

    def _disturb(self, index, ids, marks):
        """The ids of one conversation, for a part of those about notes with other names, topics or wording.

        Names and topics are swapped for random tokens, the same throughout the conversation. Otherwise a small model
        learns the words of the lists by heart and copies badly what it has not met. Wording is replaced here and there,
        so that no single word is relied upon: people write what no template says.
        """
        rng = np.random.default_rng((SEED, self.epoch, index))
        if not self.about_notes[index]:
            return ids
        if rng.random() < NOISY:
            noisy = (
                (marks == 0)
                & self.is_wording[ids]
                & ~np.isin(ids, ids[marks == 1])
                & (rng.random(len(ids)) < NOISE)
            )
            ids = np.where(noisy, rng.choice(self.wording, len(ids)), ids)
        if rng.random() < SHUFFLED:
            mapping = self.identity.copy()
            for kind in self.content:
                mapping[kind] = rng.permutation(kind)
            ids = mapping[ids]
        return ids

    def _tensors(self, batch):
        """A `Batch` of some rows of conversations. Marks are 1 on answers, 0 on prompts, -1 on padding."""
        shape = (self.rows, ROW)
        ids, position, sequence, branch, about_notes = (np.zeros(shape, np.int64) for _ in range(5))
        marks = np.full(shape, -1)
        for number, row in enumerate(batch):
            place = 0
            for count, index in enumerate(row, 1):
                source = slice(self.starts[index], self.starts[index + 1])
                target = number, slice(place, place + source.stop - source.start)
                words = self.ids[source].astype(np.int64)
                ids[target] = (
                    self._disturb(index, words, self.marks[source]) if self.disturbed else words
                )
                marks[target], position[target], branch[target] = (
                    self.marks[source],
                    self.position[source],
                    self.branch[source],
                )
                sequence[target], about_notes[target] = count, self.about_notes[index]
                place = target[1].stop
        return Batch(*map(torch.from_numpy, (ids, marks, position, sequence, branch, about_notes)))


def copying_batch(step):
    """Random tokens whose second half repeats pieces of the first: nothing can be predicted but by copying."""
    rng = np.random.default_rng((SEED, step))
    rows, length = COPY_SHAPE
    half = length // 2
    ids = rng.integers(FIRST_WORD_ID, VOCABULARY, (rows, length))
    marks = np.full((rows, length), -1)
    for row in range(rows):
        place = half
        while place < length - 2:
            size = min(int(rng.integers(2, 8)), length - place)
            source = int(rng.integers(0, half - size))
            ids[row, place : place + size] = ids[row, source : source + size]
            marks[row, place + 1 : place + size] = 1  # the first token of a piece cannot be known
            place += size
    position = np.tile(np.arange(length), (rows, 1))
    return Batch(
        *map(
            torch.from_numpy,
            (ids, marks, position, np.ones_like(ids), np.zeros_like(ids), np.zeros_like(ids)),
        )
    )


def losses(network, batch, prompt_weight, run=None):
    """(loss to minimise, mean loss of an answer token); `run` is the network or its compiled form."""
    kinds = batch.marks[:, 1:]
    answers = kinds == 1
    prompts = (
        (kinds == 0) & (torch.rand(kinds.shape) < PROMPT_SHARE)
        if prompt_weight
        else torch.zeros_like(answers)
    )
    chosen = answers | prompts
    states = (network if run is None else run)(
        batch.ids, batch.position, batch.sequence, batch.branch
    )
    logits = network.logits(states[:, :-1][chosen])
    flat = functional.cross_entropy(logits, batch.ids[:, 1:][chosen], reduction="none")
    of_answers = answers[chosen]
    answer_loss = flat[of_answers].mean()
    if not prompt_weight:
        return answer_loss, answer_loss.item()
    return answer_loss + prompt_weight / PROMPT_SHARE * flat[
        ~of_answers
    ].sum() / answers.sum(), answer_loss.item()


def schedule(step, steps, decay_from):
    """Warm up, stay until the part `decay_from` of the steps, then fall to zero."""
    return min(1.0, (step + 1) / WARM_UP) * min(1.0, (1 - step / steps) / (1 - decay_from))


class Muon(torch.optim.Optimizer):
    """Momentum whose step, a matrix, has all its singular values brought near 1 (K. Jordan and others, 2024).

    torch.optim.Muon does that in bfloat16 whatever the processor: without such units its step of the largest size took 37 s, all
    the rest 4 s. This one takes `NUMBERS`.
    """

    def __init__(self, matrices, lr):
        super().__init__(matrices, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for matrix in group["params"]:
                momentum = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
                momentum.lerp_(matrix.grad, 1 - MOMENTUM)
                direction = _orthogonal(matrix.grad.lerp(momentum, MOMENTUM))
                matrix.mul_(1 - group["lr"] * WEIGHT_DECAY)
                matrix.add_(
                    direction,
                    alpha=-group["lr"] * math.sqrt(max(1, matrix.shape[0] / matrix.shape[1])),
                )


def _orthogonal(matrix):
    """The matrix (rows, columns) with singular values of about 1, by five Newton-Schulz steps."""
    if matrix.shape[0] > matrix.shape[1]:
        return _orthogonal(matrix.T).T
    first, second, third = NEWTON_SCHULZ
    x = (matrix / (matrix.norm() + 1e-7)).to(NUMBERS)
    for _ in range(5):
        square = x @ x.T
        x = first * x + (second * square + third * square @ square) @ x
    return x.float()


def optimizers(network, model):
    """Muon for the matrices inside the layers, AdamW for everything else."""
    inside = [p for n, p in network.named_parameters() if p.ndim == 2 and "layers" in n]
    others = [p for n, p in network.named_parameters() if not (p.ndim == 2 and "layers" in n)]
    return [
        Muon(inside, lr=model.rate),
        torch.optim.AdamW(others, lr=model.rate_vectors, betas=(0.9, 0.95), weight_decay=0.0),
    ]


@torch.no_grad()
def validate(network, batches, run):
    """(mean loss of an answer token, share of answers about notes that come out letter for letter) on the validation split.

    An answer comes out whole at temperature 0 exactly if, behind the right words, the right next one is always the likeliest.
    """
    total = count = whole = asked = 0
    for batch in batches:
        answers = batch.marks[:, 1:] == 1
        scores = network.logits(
            run(batch.ids, batch.position, batch.sequence, batch.branch)[:, :-1][answers]
        )
        target = batch.ids[:, 1:][answers]
        total += functional.cross_entropy(scores, target, reduction="sum").item()
        count += len(target)
        row = torch.arange(len(answers))[:, None] * ROW
        number = ((row + batch.sequence[:, 1:]) * batch.about_notes[:, 1:])[answers]
        wrong = torch.bincount(number, scores.argmax(-1) != target)
        present = torch.bincount(number) > 0
        present[0] = False  # not about notes
        whole += int((present & (wrong == 0)).sum())
        asked += int(present.sum())
    return total / count, whole / max(1, asked)


def _save(path, network, optimizing, step, spent):
    """Writes beside the old checkpoint first: being stopped here never loses both."""
    state = {
        "network": network.state_dict(),
        "step": step,
        "spent": spent,
        "optimizers": [optimizer.state_dict() for optimizer in optimizing],
    }
    torch.save(state, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


class _Clock:
    """Seconds by the clock, and seconds of processor time, both with those before the last stop.

    Only the second kind leaves out what other programs took, and how long the process was paused.
    """

    def __init__(self, spent):
        self.began, self.cpu_began, self.before = time.perf_counter(), time.process_time(), spent

    def read(self):
        return [
            self.before[0] + time.perf_counter() - self.began,
            self.before[1] + time.process_time() - self.cpu_began,
        ]


def train(model, work, scale=1.0):
    """Trains to the model's number of steps, times `scale`, and returns the network.

    A size that grows from another begins with that one's weights, which must be there.
    """
    torch.manual_seed(SEED)
    steps = max(10, math.ceil(model.steps * scale))
    copy_steps = 0 if model.grows_from else max(5, math.ceil(COPY_STEPS * min(1.0, 10 * scale)))
    path = work / model.alias / "checkpoint.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    network = Network(model)
    if model.grows_from and not path.exists():
        grow(restore(MODELS[model.grows_from], work), network)
    optimizing = optimizers(network, model)
    step, spent = _resume(path, network, optimizing)
    if step >= copy_steps + steps:
        return network.eval()
    # A smoke run is over before compiling would have paid, and compiling needs a C++ compiler.
    compiled = scale == 1 and any(map(shutil.which, ("g++", "clang++", "cl")))
    fast = torch.compile(network, dynamic=False) if compiled else network
    batches = Batches(work / "tokens" / "train.npz", model.batch_tokens)
    held_out = Batches(work / "tokens" / "validation.npz", VALIDATION_TOKENS).all()
    clock = _Clock(spent)
    asked_to_stop = []
    before = signal.signal(signal.SIGTERM, lambda *_: asked_to_stop.append(True))
    try:
        while step < copy_steps + steps:
            if asked_to_stop:
                raise KeyboardInterrupt
            reading = step - copy_steps
            if reading < 0:
                loss = _step(
                    network, network, optimizing, model, copying_batch(step), step, copy_steps
                )
            else:
                loss = _step(
                    network,
                    fast,
                    optimizing,
                    model,
                    batches.at(model.skip + reading),
                    reading,
                    steps,
                )
            step += 1
            if step % VALIDATE_EVERY == 0 or step == copy_steps + steps:
                _log(path.parent, step, loss, validate(network, held_out, fast), clock.read())
            if step % CHECKPOINT_EVERY == 0 or step == copy_steps + steps:
                _save(path, network, optimizing, step, clock.read())
    except KeyboardInterrupt:
        _save(path, network, optimizing, step, clock.read())
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
    return network.eval()


def _resume(path, network, optimizing):
    """(steps done, [seconds by the clock, processor seconds]), all zero when there is no checkpoint."""
    if not path.exists():
        return 0, [0.0, 0.0]
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    for optimizer, saved in zip(optimizing, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    print(f"{path.parent.name}: goes on at step {state['step']}", flush=True)
    return state["step"], state["spent"]


def _step(network, fast, optimizing, model, batch, step, steps):
    factor = schedule(step, steps, model.decay_from)
    for optimizer, rate in zip(optimizing, (model.rate, model.rate_vectors), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
    prompt_weight = 0 if model.grows_from else PROMPT_WEIGHT * max(0.0, 1 - 2 * step / steps)
    loss, answer_loss = losses(network, batch, prompt_weight, fast)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    for optimizer in optimizing:
        optimizer.step()
        optimizer.zero_grad()
    return answer_loss


def _log(folder, step, loss, validation, spent):
    row = {
        "step": step,
        "train_loss": round(loss, 4),
        "validation_loss": round(validation[0], 4),
        "validation_exact": round(validation[1], 3),
    }
    row |= {"seconds": round(spent[0]), "cpu_seconds": round(spent[1])}
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(f"{folder.name}: {row}", flush=True)


def restore(model, work):
    """The network of the newest checkpoint."""
    network = Network(model)
    network.load_state_dict(
        torch.load(work / model.alias / "checkpoint.pt", weights_only=True)["network"]
    )
    return network.eval()


def history(model, work):
    """How the newest checkpoint came about: steps, time, text read and the curve of the validation split."""
    path = work / "tokens" / "train.npz"
    rows = [
        json.loads(row)
        for row in (work / model.alias / "log.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    curve = {
        row["step"]: row for row in rows
    }  # after a hard stop the steps since the last checkpoint are done again
    copying = 0 if model.grows_from else COPY_STEPS
    batches = Batches(path, model.batch_tokens)
    per_step = model.batch_tokens * batches.filled()
    return {
        "steps": rows[-1]["step"] - copying,
        "copy_steps": copying,
        "seconds": rows[-1]["seconds"],
        "cpu_seconds": rows[-1]["cpu_seconds"],
        "conversations": len(batches.starts) - 1,
        "tokens": len(batches.ids),
        "curve": [
            row | {"tokens_read": round(max(0, row["step"] - copying) * per_step)}
            for row in curve.values()
        ],
    }


def load(model, work):
    """The newest checkpoint as a transformers model in 32 bits, for export and to compare answers with."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    network = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=VOCABULARY,
            hidden_size=model.hidden,
            intermediate_size=model.intermediate,
            num_hidden_layers=model.layers,
            num_attention_heads=model.heads,
            num_key_value_heads=model.heads // 2,
            max_position_embeddings=CONTEXT,
            rms_norm_eps=EPSILON,
            rope_parameters={"rope_type": "default", "rope_theta": THETA},
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=END_ID,
            pad_token_id=PAD_ID,
        )
    )
    network.load_state_dict(
        restore(model, work).state_dict(), strict=False
    )  # the tied output matrix has no entry
    return network.eval()


@torch.no_grad()
def answer(network, tokenizer, user, max_new_tokens=200):
    """The text that torch gives at temperature 0."""
    ids = torch.tensor([tokenizer(tokens.prompt_text(user), add_special_tokens=False)["input_ids"]])
    out = network.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=END_ID,
        pad_token_id=PAD_ID,
    )
    return tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
