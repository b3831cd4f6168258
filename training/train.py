"""Train one size on the CPU. It may be stopped at any time and goes on from the checkpoint."""

import json
import math
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from . import tokens
from .batches import ROW, Batch, Batches, copying_batch
from .network import EPSILON, NUMBERS, THETA, Network, grow
from .settings import CONTEXT, MODELS, SEED, VOCABULARY, Model

CHECKPOINT_EVERY = 200  # steps
VALIDATE_EVERY = 250  # steps
VALIDATION_TOKENS = 8192  # a batch
WARM_UP = 50  # steps
COPY_STEPS = 200  # the smallest size first learns to copy, from random tokens
# How much the notes themselves count at the start (this falls to zero), and the share of their
# tokens that is looked at: predicting all of them costs a third of the time.
PROMPT_WEIGHT, PROMPT_SHARE = 0.1, 0.25
MOMENTUM, WEIGHT_DECAY = 0.95, 0.01
NEWTON_SCHULZ = 3.4445, -4.7750, 2.0315
END_ID = 2
PAD_ID = 0

Run = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]  # a network, or its compiled form


def losses(
    network: Network, batch: Batch, prompt_weight: float, run: Run | None = None
) -> tuple[Tensor, float]:
    """Return the loss to minimize, and the mean loss of an answer token."""
    kinds = batch.marks[:, 1:]
    answers = kinds == 1
    prompts = torch.zeros_like(answers)
    if prompt_weight:
        prompts = (kinds == 0) & (torch.rand(kinds.shape) < PROMPT_SHARE)
    chosen = answers | prompts
    states = (run or network)(batch.ids, batch.position, batch.sequence, batch.branch)
    logits = network.logits(states[:, :-1][chosen])
    flat = functional.cross_entropy(logits, batch.ids[:, 1:][chosen], reduction="none")
    of_answers = answers[chosen]
    answer_loss = flat[of_answers].mean()
    if not prompt_weight:
        return answer_loss, answer_loss.item()
    prompt_loss = prompt_weight / PROMPT_SHARE * flat[~of_answers].sum() / answers.sum()
    return answer_loss + prompt_loss, answer_loss.item()


def schedule(step: int, steps: int, decay_from: float) -> float:
    """Return a factor that warms up, stays until `decay_from` of the steps, then falls to zero."""
    return min(1.0, (step + 1) / WARM_UP) * min(1.0, (1 - step / steps) / (1 - decay_from))


class Muon(torch.optim.Optimizer):
    """Momentum whose step, a matrix, has all its singular values brought near 1.

    (K. Jordan and others, 2024.) torch.optim.Muon does that in bfloat16 whatever the processor:
    without such units its step of the largest size took 37 s, all the rest 4 s. This one takes
    `NUMBERS`.
    """

    def __init__(self, matrices: Sequence[Tensor], lr: float):
        super().__init__(matrices, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Update the matrices from their gradients."""
        for group in self.param_groups:
            for matrix in group["params"]:
                momentum = self.state[matrix].setdefault("momentum", torch.zeros_like(matrix))
                momentum.lerp_(matrix.grad, 1 - MOMENTUM)
                direction = _orthogonal(matrix.grad.lerp(momentum, MOMENTUM))
                matrix.mul_(1 - group["lr"] * WEIGHT_DECAY)
                taller = math.sqrt(max(1, matrix.shape[0] / matrix.shape[1]))
                matrix.add_(direction, alpha=-group["lr"] * taller)


def _orthogonal(matrix: Tensor) -> Tensor:
    """Return the matrix with singular values of about 1, by five Newton-Schulz steps."""
    if matrix.shape[0] > matrix.shape[1]:
        return _orthogonal(matrix.T).T
    first, second, third = NEWTON_SCHULZ
    x = (matrix / (matrix.norm() + 1e-7)).to(NUMBERS)
    for _ in range(5):
        square = x @ x.T
        x = first * x + (second * square + third * square @ square) @ x
    return x.float()


def optimizers(network: Network, model: Model) -> list[torch.optim.Optimizer]:
    """Return Muon for the matrices inside the layers, and AdamW for everything else."""
    inside = [p for n, p in network.named_parameters() if p.ndim == 2 and "layers" in n]
    others = [p for n, p in network.named_parameters() if not (p.ndim == 2 and "layers" in n)]
    return [
        Muon(inside, lr=model.rate),
        torch.optim.AdamW(others, lr=model.rate_vectors, betas=(0.9, 0.95), weight_decay=0.0),
    ]


@torch.no_grad()
def validate(network: Network, batches: Sequence[Batch], run: Run) -> tuple[float, float]:
    """Return the mean loss of an answer token, and the share of answers that are exact.

    Exact answers about notes come out letter for letter. At temperature 0 an answer does so if,
    behind the right words, the right next one is always the likeliest.
    """
    total = 0.0
    count = whole = asked = 0
    for batch in batches:
        answers = batch.marks[:, 1:] == 1
        states = run(batch.ids, batch.position, batch.sequence, batch.branch)
        scores = network.logits(states[:, :-1][answers])
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


class _Clock:
    """Seconds by the clock, and seconds of processor time, both with those before the last stop.

    Only the second kind leaves out what other programs took, and how long the process was paused.
    """

    def __init__(self, spent: Sequence[float]):
        self.began, self.cpu_began, self.before = time.perf_counter(), time.process_time(), spent

    def read(self) -> list[float]:
        return [
            self.before[0] + time.perf_counter() - self.began,
            self.before[1] + time.process_time() - self.cpu_began,
        ]


class Trainer:
    """The training of one size, from its checkpoint or from the start."""

    def __init__(self, model: Model, work: Path, scale: float):
        self.model, self.path = model, work / model.alias / "checkpoint.pt"
        self.copy_steps = 0
        if model.grows_from is None:
            self.copy_steps = max(5, math.ceil(COPY_STEPS * min(1.0, 10 * scale)))
        self.steps = max(10, math.ceil(model.steps * scale))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.network = Network(model)
        if model.grows_from and not self.path.exists():
            grow(restore(MODELS[model.grows_from], work), self.network)
        self.optimizers = optimizers(self.network, model)
        self.step, spent = self._resume()
        self.clock = _Clock(spent)

    @property
    def done(self) -> bool:
        """Return True after the last step."""
        return self.step >= self.copy_steps + self.steps

    def run(self, batches: Batches, held_out: Sequence[Batch], fast: Run) -> None:
        """Train to the last step. A KeyboardInterrupt saves the state and is raised again."""
        self.clock = _Clock(self.clock.before)
        with _stop_asked() as asked_to_stop:
            try:
                while not self.done:
                    if asked_to_stop:
                        raise KeyboardInterrupt
                    loss = self._learn(batches, fast)
                    self.step += 1
                    if self.step % VALIDATE_EVERY == 0 or self.done:
                        validation = validate(self.network, held_out, fast)
                        _log(self.path.parent, self.step, loss, validation, self.clock.read())
                    if self.step % CHECKPOINT_EVERY == 0 or self.done:
                        self._save()
            except KeyboardInterrupt:
                self._save()
                raise

    def _learn(self, batches: Batches, fast: Run) -> float:
        """Take the next step; return the mean loss of an answer token."""
        reading = self.step - self.copy_steps
        run: Run
        if reading < 0:
            batch, run = copying_batch(self.step), self.network
            step, steps = self.step, self.copy_steps
        else:
            batch, run = batches.at(self.model.skip + reading), fast
            step, steps = reading, self.steps
        factor = schedule(step, steps, self.model.decay_from)
        rates = (self.model.rate, self.model.rate_vectors)
        for optimizer, rate in zip(self.optimizers, rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * factor
        prompt_weight = 0.0
        if self.model.grows_from is None:
            prompt_weight = PROMPT_WEIGHT * max(0.0, 1 - 2 * step / steps)
        loss, answer_loss = losses(self.network, batch, prompt_weight, run)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        for optimizer in self.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        return answer_loss

    def _resume(self) -> tuple[int, list[float]]:
        """Return the steps done and the seconds spent (see `_Clock`), zero without a checkpoint."""
        if not self.path.exists():
            return 0, [0.0, 0.0]
        state = torch.load(self.path, weights_only=True)
        self.network.load_state_dict(state["network"])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        print(f"{self.model.alias}: goes on at step {state['step']}", flush=True)
        return state["step"], state["spent"]

    def _save(self) -> None:
        """Write beside the old checkpoint first: being stopped here never loses both."""
        state = {
            "network": self.network.state_dict(),
            "step": self.step,
            "spent": self.clock.read(),
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }
        fresh = self.path.with_suffix(".new")
        torch.save(state, fresh)
        os.replace(fresh, self.path)


@contextmanager
def _stop_asked() -> Iterator[list[int]]:
    """Collect requests to stop (SIGTERM) instead of ending at once."""
    asked: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    try:
        yield asked
    finally:
        signal.signal(signal.SIGTERM, before)


def train(model: Model, work: Path, scale: float = 1.0) -> None:
    """Train to the model's number of steps, times `scale`.

    A size that grows from another begins with that one's weights, which must be there.
    """
    torch.manual_seed(SEED)
    trainer = Trainer(model, work, scale)
    if trainer.done:
        return
    # A smoke run is over before compiling would have paid, and compiling needs a C++ compiler.
    compiled = scale == 1 and any(map(shutil.which, ("g++", "clang++", "cl")))
    fast: Run = torch.compile(trainer.network, dynamic=False) if compiled else trainer.network
    batches = Batches(work / "tokens" / "train.npz", model.batch_tokens)
    held_out = Batches(work / "tokens" / "validation.npz", VALIDATION_TOKENS).all()
    trainer.run(batches, held_out, fast)


def _log(
    folder: Path, step: int, loss: float, validation: tuple[float, float], spent: Sequence[float]
) -> None:
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


def restore(model: Model, work: Path) -> Network:
    """Return the network of the newest checkpoint."""
    network = Network(model)
    state = torch.load(work / model.alias / "checkpoint.pt", weights_only=True)
    network.load_state_dict(state["network"])
    return network.eval()


def history(model: Model, work: Path) -> dict[str, Any]:
    """Return how the newest checkpoint came about.

    That is its steps, time, the text read, and the curve of the validation split.
    """
    log = (work / model.alias / "log.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(row) for row in log.splitlines()]
    # After a hard stop the steps since the last checkpoint are done again.
    curve = {row["step"]: row for row in rows}
    copying = 0 if model.grows_from else COPY_STEPS
    batches = Batches(work / "tokens" / "train.npz", model.batch_tokens)
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


def load(model: Model, work: Path) -> Any:
    """Return the newest checkpoint as a transformers model in 32 bits.

    It is what is exported, and what answers are compared with.
    """
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
    # Not strict: the tied output matrix has no entry.
    network.load_state_dict(restore(model, work).state_dict(), strict=False)
    return network.eval()


@torch.no_grad()
def answer(network: Any, tokenizer: Any, user: str, max_new_tokens: int = 200) -> str:
    """Return the text that torch gives at temperature 0."""
    prompt = tokenizer(tokens.prompt_text(user), add_special_tokens=False)
    ids = torch.tensor([prompt["input_ids"]])
    out = network.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=max_new_tokens,
        do_sample=False,
        eos_token_id=END_ID,
        pad_token_id=PAD_ID,
    )
    return tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True)
