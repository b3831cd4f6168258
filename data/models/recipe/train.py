"""Trains one size from scratch on the CPU. Stopping is safe at any time; the next start goes on from the checkpoint."""

import json
import math
import os
import time

import generate
import numpy as np
import tokens
import torch
from settings import CONTEXT, SEED, VOCABULARY
from torch.nn import functional
from transformers import Qwen2Config, Qwen2ForCausalLM

CHECKPOINT_EVERY = 100  # steps
VALIDATE_EVERY = 200  # steps
VALIDATION_SHARE = 3  # one batch in three is enough to see the curve
WARM_UP = 50  # steps
PROMPT_WEIGHT = 0.1  # how much the notes themselves count at the start; falls to zero
SHUFFLED = 0.4  # part of the conversations about notes whose names and topics are swapped for random tokens ...
SHUFFLED_FROM = 0.3  # ... after this part of the steps: with it from the start, copying was not learned at all
END_ID = 2
PAD_ID = 0


def build(model):
    """An untrained Qwen2 with tied embeddings; half as many key and value heads as query heads."""
    network = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=VOCABULARY,
            hidden_size=model.hidden,
            intermediate_size=model.intermediate,
            num_hidden_layers=model.layers,
            num_attention_heads=model.heads,
            num_key_value_heads=model.heads // 2,
            max_position_embeddings=CONTEXT,
            tie_word_embeddings=True,
            bos_token_id=None,
            eos_token_id=END_ID,
            pad_token_id=PAD_ID,
        )
    )
    # For short texts on a CPU plain matrix products were a third faster than the fused kernel.
    network.set_attn_implementation("eager")
    return network


class Batches:
    """Batches of whole conversations of similar length; step n is the same batch in every run."""

    def __init__(self, path, batch_tokens):
        data = np.load(path)
        self.ids, self.marks, self.starts = data["ids"], data["marks"], data["starts"]
        self.about_notes, self.batch_tokens, self.shuffled = data["about_notes"], batch_tokens, 0.0
        self.content = [np.flatnonzero(data["content"] == kind) for kind in (1, 2, 3)]
        self.identity = np.arange(len(data["content"]))
        self.epoch, self.plan, self.offset = -1, [], 0

    def _plan(self, epoch):
        """Sorting inside chunks only keeps padding low and the order random."""
        rng = np.random.default_rng(SEED + epoch)
        order = rng.permutation(len(self.starts) - 1)
        lengths = np.diff(self.starts)
        batches = []
        for chunk in np.array_split(order, max(1, len(order) // 1000)):
            batches += self._cut(chunk[np.argsort(lengths[chunk], kind="stable")], lengths)
        return [batches[index] for index in rng.permutation(len(batches))]

    def _cut(self, ordered, lengths):
        batch, batches = [], []
        for index in ordered:
            if batch and (len(batch) + 1) * min(lengths[index], CONTEXT) > self.batch_tokens:
                batches.append(batch)
                batch = []
            batch.append(index)
        return [*batches, batch]

    def all(self):
        """Every conversation once, as it was written."""
        return [self._tensors(batch) for batch in self._plan(0)]

    def at(self, step, shuffled):
        """The batch of one step; steps are asked for in rising order."""
        self.shuffled = shuffled
        while self.epoch < 0 or step - self.offset >= len(self.plan):
            self.offset += len(self.plan)
            self.epoch += 1
            self.plan = self._plan(self.epoch)
        return self._tensors(self.plan[step - self.offset])

    def _mapping(self, index):
        """Token to token. For a part of the conversations about notes, names and topics are swapped for random ones.

        The swap is the same throughout a conversation. Otherwise a small model learns the few hundred words of the
        lists by heart and never learns to copy one that it has not met.
        """
        rng = np.random.default_rng((SEED, max(self.epoch, 0), index))
        if not self.about_notes[index] or rng.random() >= self.shuffled:
            return self.identity
        mapping = self.identity.copy()
        for ids in self.content:
            mapping[ids] = rng.permutation(ids)
        return mapping

    def _tensors(self, batch):
        """(ids, marks): marks are 1 on answers, 0 on prompts, -1 on padding."""
        rows = [slice(self.starts[i], min(self.starts[i + 1], self.starts[i] + CONTEXT)) for i in batch]
        width = max(row.stop - row.start for row in rows)
        ids = torch.full((len(rows), width), PAD_ID, dtype=torch.long)
        marks = torch.full((len(rows), width), -1, dtype=torch.long)
        for number, row in enumerate(rows):
            length = row.stop - row.start
            ids[number, :length] = torch.from_numpy(self._mapping(batch[number])[self.ids[row]])
            marks[number, :length] = torch.from_numpy(self.marks[row].astype(np.int64))
        return ids, marks


def losses(network, ids, marks):
    """Per-token loss and the marks of the tokens that are predicted. Padding comes last, so causality hides it."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(input_ids=ids[:, :-1], use_cache=False).logits
    flat = functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    return flat, marks[:, 1:].flatten()


def schedule(step, steps):
    """Warm up, then stay, then fall to zero over the second half."""
    return min(1.0, (step + 1) / WARM_UP) * min(1.0, 2 * (1 - step / steps))


def optimizers(network, model):
    """Muon for the matrices inside the layers, AdamW for everything else."""
    inside = [p for n, p in network.named_parameters() if p.ndim == 2 and "layers" in n]
    others = [p for n, p in network.named_parameters() if not (p.ndim == 2 and "layers" in n)]
    return [
        torch.optim.Muon(inside, lr=model.rate, weight_decay=0.01, momentum=0.95),
        torch.optim.AdamW(others, lr=model.rate_vectors, betas=(0.9, 0.95), weight_decay=0.0),
    ]


@torch.no_grad()
def validate(network, batches):
    """Mean loss of an answer token on the validation split."""
    network.eval()
    total = count = 0
    for ids, marks in batches:
        flat, kinds = losses(network, ids, marks)
        total += flat[kinds == 1].sum().item()
        count += (kinds == 1).sum().item()
    network.train()
    return total / count


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


def _save(path, network, optimizing, step, seconds):
    """Writes beside the old checkpoint first: being stopped here never loses both."""
    state = {
        "network": network.state_dict(),
        "step": step,
        "seconds": seconds,
        "optimizers": [optimizer.state_dict() for optimizer in optimizing],
    }
    torch.save(state, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)


def train(model, work, steps=None):
    """Trains to `steps` (the model's own number by default) and returns the network."""
    torch.manual_seed(SEED)
    steps = steps or model.steps
    network = build(model)
    optimizing = optimizers(network, model)
    path = work / model.alias / "checkpoint.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    step, seconds = _resume(path, network, optimizing)
    batches = Batches(work / "tokens" / "train.npz", model.batch_tokens)
    held_out = Batches(work / "tokens" / "validation.npz", 8192).all()[::VALIDATION_SHARE]
    began = time.perf_counter() - seconds
    try:
        while step < steps:
            batch = batches.at(step, SHUFFLED if step >= SHUFFLED_FROM * steps else 0.0)
            loss = _step(network, optimizing, model, batch, step, steps)
            step += 1
            if step % VALIDATE_EVERY == 0 or step == steps:
                _log(path.parent, step, loss, validate(network, held_out), time.perf_counter() - began)
            if step % CHECKPOINT_EVERY == 0 or step == steps:
                _save(path, network, optimizing, step, time.perf_counter() - began)
    except KeyboardInterrupt:
        _save(path, network, optimizing, step, time.perf_counter() - began)
        raise
    return network.eval()


def _resume(path, network, optimizing):
    """(steps done, seconds spent), both zero when there is no checkpoint."""
    if not path.exists():
        return 0, 0.0
    state = torch.load(path, weights_only=True)
    network.load_state_dict(state["network"])
    for optimizer, saved in zip(optimizing, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    print(f"{path.parent.name}: goes on at step {state['step']}", flush=True)
    return state["step"], state["seconds"]


def _step(network, optimizing, model, batch, step, steps):
    factor = schedule(step, steps)
    for optimizer, rate in zip(optimizing, (model.rate, model.rate_vectors), strict=True):
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
    flat, kinds = losses(network, *batch)
    prompt_weight = PROMPT_WEIGHT * max(0.0, 1 - 1.5 * step / steps)
    weights = (kinds == 1).float() + prompt_weight * (kinds == 0).float()
    loss = (flat * weights).sum() / (kinds == 1).sum()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
    for optimizer in optimizing:
        optimizer.step()
        optimizer.zero_grad()
    return flat[kinds == 1].mean().item()


def _log(folder, step, loss, validation, seconds):
    row = {"step": step, "train_loss": round(loss, 4), "validation_loss": round(validation, 4), "seconds": round(seconds)}
    with (folder / "log.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(f"{folder.name}: {row}", flush=True)


def load(model, work):
    """The network of the newest checkpoint, ready to answer."""
    network = build(model)
    network.load_state_dict(torch.load(work / model.alias / "checkpoint.pt", weights_only=True)["network"])
    return network.eval()


def show(model, work, count=8):
    """Prints answers to validation prompts next to what was expected."""
    network, tokenizer = load(model, work), tokens.load(work / "tokens")
    for number, turns in enumerate(generate.read(work / "text" / "validation.jsonl")):
        if number == count:
            break
        turn = turns[0]
        print(
            f"[{turn['task']}] {turn['user']}\n  expected: {turn['assistant']}\n  answered: {answer(network, tokenizer, turn['user'])}\n", flush=True
        )


def curve_length(steps, fraction):
    """Steps of a shortened run; at least a handful so that every part is exercised."""
    return max(10, math.ceil(steps * fraction))
