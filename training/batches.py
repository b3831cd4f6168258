"""Pack conversations into batches of rows of equal length, and disturb some of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from .settings import SEED, VOCABULARY

ROW = 512  # tokens
OPEN_ROWS = 24
COPY_SHAPE = (48, 64)
SHUFFLED = 0.4  # share of the conversations about notes with random tokens for names and topics
# Share of the conversations about notes in which some wording is replaced by other wording, and
# share of their wording, apart from what an answer repeats.
NOISY, NOISE = 0.4, 0.12
FIRST_WORD_ID = 259  # special tokens and single bytes come before


@dataclass(frozen=True)
class Batch:
    """Arrays of (rows, length) each; see `Network.forward`.

    Marks are 1 on answers, 0 on prompts, -1 on padding.
    """

    ids: torch.Tensor
    marks: torch.Tensor
    position: torch.Tensor
    sequence: torch.Tensor
    branch: torch.Tensor
    about_notes: torch.Tensor


@dataclass(eq=False)
class _OpenRow:
    length: int = 0
    conversations: list[int] = field(default_factory=list)


class Batches:
    """Batches of rows of equal length, each packed with whole conversations.

    Step n is the same batch in every run.
    """

    def __init__(self, path: Path, batch_tokens: int):
        data = np.load(path)
        self.ids, self.marks, self.starts = data["ids"], data["marks"], data["starts"]
        self.branch, self.position = data["branch"], data["position"]
        self.about_notes = data["about_notes"]
        self.rows, self.disturbed = batch_tokens // ROW, False
        self.content = [np.flatnonzero(data["content"] == kind) for kind in (1, 2, 3)]
        self.wording = np.flatnonzero(data["content"] == 0)
        self.wording = self.wording[self.wording >= FIRST_WORD_ID]
        self.is_wording = np.isin(np.arange(len(data["content"])), self.wording)
        self.identity = np.arange(len(data["content"]))
        self.epoch, self.offset = -1, 0
        self.plan: list[list[list[int]]] = []  # the conversations of each row of each batch

    def _plan(self, epoch: int) -> list[list[list[int]]]:
        """Put each conversation into the first of some open rows that has room.

        Those too long for a row are left out.
        """
        order = np.random.default_rng(SEED + epoch).permutation(len(self.starts) - 1)
        lengths = np.diff(self.starts)
        ready: list[list[int]] = []
        open_rows: list[_OpenRow] = []
        for index in order[lengths[order] <= ROW]:
            row = next((row for row in open_rows if row.length + lengths[index] <= ROW), None)
            if row is None:
                if len(open_rows) == OPEN_ROWS:
                    fullest = max(open_rows, key=lambda row: row.length)
                    open_rows.remove(fullest)
                    ready.append(fullest.conversations)
                row = _OpenRow()
                open_rows.append(row)
            row.length += lengths[index]
            row.conversations.append(index)
        ready += [row.conversations for row in open_rows]
        return [ready[n : n + self.rows] for n in range(0, len(ready), self.rows)]

    def filled(self) -> float:
        """Return the share of a batch that is text and not padding."""
        plan = self._plan(0)
        lengths = np.diff(self.starts)
        text = sum(int(lengths[row].sum()) for batch in plan for row in batch)
        return text / (len(plan) * self.rows * ROW)

    def all(self) -> list[Batch]:
        """Return every conversation once, as it was written."""
        return [self._tensors(batch) for batch in self._plan(0)]

    def at(self, step: int) -> Batch:
        """Return the batch of one step, with swapped and noisy conversations.

        Steps must be asked for in rising order.
        """
        self.disturbed = True
        while self.epoch < 0 or step - self.offset >= len(self.plan):
            self.offset += len(self.plan)
            self.epoch += 1
            plan = self._plan(self.epoch)
            self.plan = [batch for batch in plan if len(batch) == self.rows] or plan
        return self._tensors(self.plan[step - self.offset])

    def _disturb(self, index: int, ids: np.ndarray, marks: np.ndarray) -> np.ndarray:
        """Return the ids of one conversation, in some of those about notes with other words.

        Names and topics are swapped for random tokens, the same throughout the conversation.
        Otherwise a small model learns the words of the lists by heart and copies badly what it has
        not met. Wording is replaced here and there, so that no single word is relied upon: people
        write what no template says.
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

    def _tensors(self, batch: Sequence[Sequence[int]]) -> Batch:
        """Return some rows of conversations as a `Batch`."""
        shape = (self.rows, ROW)
        ids, position, sequence, branch, about_notes = (np.zeros(shape, np.int64) for _ in range(5))
        marks = np.full(shape, -1)
        for number, row in enumerate(batch):
            place = 0
            for count, index in enumerate(row, 1):
                source = slice(self.starts[index], self.starts[index + 1])
                target = number, slice(place, place + source.stop - source.start)
                words = self.ids[source].astype(np.int64)
                if self.disturbed:
                    words = self._disturb(index, words, self.marks[source])
                ids[target], marks[target] = words, self.marks[source]
                position[target], branch[target] = self.position[source], self.branch[source]
                sequence[target], about_notes[target] = count, self.about_notes[index]
                place = target[1].stop
        return Batch(*map(torch.from_numpy, (ids, marks, position, sequence, branch, about_notes)))


def copying_batch(step: int) -> Batch:
    """Return random tokens whose second half repeats pieces of the first.

    Nothing can be predicted but by copying.
    """
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
    one, zero = np.ones_like(ids), np.zeros_like(ids)
    return Batch(*map(torch.from_numpy, (ids, marks, position, one, zero, zero)))
