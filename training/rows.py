"""Lay out text about notes for tuning: the notes are read once, and several requests follow them.

A row is a beginning and branches. Each branch sees the beginning and itself, at the positions that
it would have alone, so five answers about one text cost little more than one.
"""

from collections.abc import Iterator, Sequence
from random import Random
from typing import NamedTuple

import torch
from torch import Tensor

from . import answers, knowledge, written
from .meetings import invent
from .notes import write_notes
from .words import TRAIN

MAX_ROW = 1100  # tokens; what does not fit is left out
SYSTEM = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"  # of its template
HEAD = f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n"
TURN, END = "<|im_end|>\n<|im_start|>assistant\n", "<|im_end|>"
IGNORED = -100
# The written notes are fewer than the recipe's and nearer to what is asked in the end.
WRITTEN_SHARE, SHORT_SHARE = 0.8, 0.05


class Row(NamedTuple):
    """Token ids of a beginning, and (request, answer) of each branch."""

    beginning: list[int]
    branches: list[tuple[list[int], list[int]]]

    def __len__(self) -> int:
        """Return the number of tokens."""
        return len(self.beginning) + sum(len(a) + len(b) for a, b in self.branches)


class Batch(NamedTuple):
    """Tensors of shape (rows, tokens), and the mask of shape (rows, 1, tokens, tokens)."""

    ids: Tensor
    positions: Tensor
    labels: Tensor
    mask: Tensor


class Rows:
    """Draws rows. The same seed gives the same ones."""

    def __init__(
        self, tokenizer, notes: Sequence[written.Note], shared: float = 0.6, varied: bool = False
    ):
        self.tokenizer, self.notes = tokenizer, notes
        self.shared, self.varied = shared, varied

    def batch(self, seed: object, tokens: int, with_written: bool) -> list[Row]:
        """Return rows of similar length, `tokens` together at most and one at least."""
        rng = Random(f"{seed}")
        drawn = sorted((self._draw(rng, with_written) for _ in range(24)), key=len)
        drawn = [row for row in drawn if len(row) <= MAX_ROW]
        begin = rng.randrange(len(drawn))
        chosen: list[Row] = []
        for row in drawn[begin:] + drawn[:begin][::-1]:
            if chosen and max(map(len, [*chosen, row])) * (len(chosen) + 1) > tokens:
                break
            chosen.append(row)
        return chosen

    def of_note(self, rng: Random, note: written.Note, shared: bool) -> Row:
        """Return a row about a written note: all requests behind it, or one that holds it."""
        if shared:
            return self._row(note.notes, written.requests(rng, note, "branch"))
        return self._row("", [rng.choice(written.requests(rng, note, "first"))])

    def _draw(self, rng: Random, with_written: bool) -> Row:
        shared = rng.random() < self.shared
        if with_written and rng.random() < WRITTEN_SHARE:
            note = rng.choice(self.notes)
            return self.of_note(rng, written.vary(rng, note) if self.varied else note, shared)
        if rng.random() < SHORT_SHARE:
            short = knowledge.session_answer(rng, TRAIN)
            return self._row("", [written.Asked(short.task, short.request, short.text)])
        return self._generated(rng, shared)

    def _generated(self, rng: Random, shared: bool) -> Row:
        meeting = invent(rng, TRAIN)
        notes = write_notes(rng, TRAIN, meeting)
        makers = [answers.summary, answers.formatted_summary, answers.actions]
        makers += [answers.question] * 3
        if not shared:
            makers = [rng.choice(makers)]
        place = "branch" if shared else "first"
        made = [make(rng, TRAIN, meeting, place) for make in makers]
        asked = [written.Asked(a.task, a.request.replace("{notes}", notes), a.text) for a in made]
        return self._row(notes if shared else "", asked)

    def _row(self, notes: str, asked: Sequence[written.Asked]) -> Row:
        branches = [
            (self._ids(request + TURN), self._ids(answer + END)) for _, request, answer in asked
        ]
        return Row(self._ids(HEAD + notes), branches)

    def _ids(self, text: str) -> list[int]:
        return self.tokenizer(text, add_special_tokens=False).input_ids


def collate(rows: Sequence[Row]) -> Batch:
    """Return rows of several lengths as one batch; what is added at the end counts for nothing."""
    length = max(map(len, rows))
    shape = (len(rows), length)
    ids, positions = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
    labels = torch.full(shape, IGNORED)
    branch = torch.full(shape, -1)
    for number, row in enumerate(rows):
        for at, part, position, of_branch, is_answer in _parts(row):
            place = slice(at, at + len(part))
            ids[number, place] = torch.tensor(part)
            positions[number, place] = torch.arange(position, position + len(part))
            branch[number, place] = of_branch
            if is_answer:
                labels[number, place] = ids[number, place]
    earlier = torch.ones(length, length, dtype=torch.bool).tril()
    seen = (branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None])
    allowed = earlier & seen
    return Batch(ids, positions, labels, allowed[:, None])


def _parts(row: Row) -> Iterator[tuple[int, list[int], int, int, bool]]:
    """Yield place, ids, first position, branch and whether it is an answer, of each part."""
    first = len(row.beginning)
    yield 0, row.beginning, 0, 0, False
    at = first
    for number, (request, answer) in enumerate(row.branches, 1):
        yield at, request, first, number, False
        yield at + len(request), answer, first + len(request), number, True
        at += len(request) + len(answer)
