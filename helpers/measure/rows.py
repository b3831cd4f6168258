"""requests.jsonl to columns: a million rows in a few seconds and a few hundred megabytes.

Rows stay one file, one line a request, texts and chunk times included, because a line is what a kill can lose at most.
Reading skips the chunk times, which are most of the bytes and which no figure needs again; `Run.row` reads one request whole.
"""

from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ..common.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 8 * 2**20


class RowRecord(msgspec.Struct, gc=False):
    """One line of requests.jsonl as far as figures need it: the fields of `record.Row` without `chunk_times_s`.

    A record of an older kit lacks some of those that have a default.
    """

    model: str
    model_id: str | None
    prompt_id: str
    round: int
    phase: str
    status: str
    error: str | None = None
    started_at: str | None = None
    ttft_s: float | None = None
    latency_s: float | None = None
    itl_s: float | None = None
    output_tokens_per_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    token_source: str = "none"
    finish_reason: str | None = None
    text: str = ""
    concurrency: int = 1
    scheduled_s: float | None = None
    sent_s: float | None = None
    ended_s: float | None = None
    connect_s: float | None = None
    ttfo_s: float | None = None


WORDS = (
    "model",
    "model_id",
    "prompt_id",
    "phase",
    "status",
    "error",
    "token_source",
    "finish_reason",
    "text",
)
COUNTS = ("round", "concurrency")


def read_rows(path: Path) -> tuple["pd.DataFrame", np.ndarray]:
    """A data frame of all rows, and where each line begins (bytes).

    Words are categories, times of day `datetime64[ms]` in UTC, numbers that may be missing floats with nan. A last line that
    a kill left half-written is passed over. Raises UsageError naming file and line for any other damage, OSError.
    """
    import pandas as pd  # slow to import, and needed only here

    tables: dict[str, dict] = {name: {None: -1} for name in WORDS}
    pieces: dict[str, list[np.ndarray]] = {name: [] for name in RowRecord.__struct_fields__}
    starts: list[np.ndarray] = []
    for offset, lines, rows in _blocks(path):
        starts.append(offset + lines)
        for name in RowRecord.__struct_fields__:
            pieces[name].append(_column(name, list(map(attrgetter(name), rows)), tables))
    joined = {
        name: np.concatenate(parts) if parts else _column(name, [], tables)
        for name, parts in pieces.items()
    }
    for name in WORDS:
        joined[name] = pd.Categorical.from_codes(joined[name], categories=list(tables[name])[1:])
    return pd.DataFrame(joined, copy=False), np.concatenate(starts) if starts else np.zeros(
        0, np.int64
    )


def _column(name: str, values: list, tables: dict[str, dict]) -> np.ndarray:
    if name in WORDS:
        table = tables[name]
        codes = list(map(table.get, values))
        if None in codes:  # words that are new
            codes = [table.setdefault(value, len(table) - 1) for value in values]
        return np.array(codes, dtype=np.int32)
    if name == "started_at":
        return np.array([value and value[:23] for value in values], dtype="datetime64[ms]")
    return np.array(values, dtype=np.int64 if name in COUNTS else float)


def _blocks(path: Path) -> Iterator[tuple[int, np.ndarray, list[RowRecord]]]:
    """(bytes before the block, where its lines begin in it, its lines decoded)"""
    decoder = msgspec.json.Decoder(RowRecord)
    with path.open("rb") as file:
        offset, number, rest, ended = 0, 0, b"", False
        while not ended:
            piece = file.read(BLOCK)
            ended = not piece
            whole, newline, rest = (rest + piece).rpartition(b"\n")
            if ended and rest and _whole(decoder, rest):
                whole, newline, rest = whole + newline + rest, b"\n", b""
            if not newline:
                continue
            ends = np.flatnonzero(np.frombuffer(whole, np.uint8) == ord("\n"))
            rows = _decoded(decoder, whole, len(ends) + 1, path, number)
            yield offset, np.concatenate([[0], ends + 1]), rows
            offset, number = offset + len(whole) + 1, number + len(rows)


def _decoded(
    decoder: msgspec.json.Decoder, whole: bytes, count: int, path: Path, before: int
) -> list[RowRecord]:
    try:
        rows = decoder.decode_lines(whole)
        if len(rows) == count:
            return rows
    except (msgspec.MsgspecError, UnicodeDecodeError):
        pass
    rows = []  # a line is damaged, or holds what is no UTF-8: only one after the other tells which
    for number, line in enumerate(whole.split(b"\n"), before + 1):
        row = _whole(decoder, line)
        if row is None:
            raise UsageError(
                f"{path} is damaged in line {number}; delete that line, or measure again."
            )
        rows.append(row)
    return rows


def _whole(decoder: msgspec.json.Decoder, line: bytes) -> RowRecord | None:
    try:
        return decoder.decode(line.decode("utf-8", "replace"))
    except msgspec.MsgspecError:
        return None
