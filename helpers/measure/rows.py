"""Define one line of requests.jsonl, and read a million of them into columns in a few seconds.

Every request is one line, texts and chunk times included, because a kill can then lose at most one
line. Reading skips the chunk times: they are most of the bytes, and no figure needs them again.
`Run.each_row` reads requests whole.
"""

import itertools
import json
from collections.abc import Iterator
from dataclasses import MISSING, asdict, dataclass, field, fields
from datetime import datetime
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np

from ..common import show
from ..common.errors import UsageError
from ..timing.metrics import METRICS

if TYPE_CHECKING:
    import pandas as pd

BLOCK = 10_000  # rows that are held as objects at once


@dataclass(frozen=True)
class Row:
    """One request. Times are seconds; `chunk_times_s` count from just before it was written.

    `figures` has the metrics of `METRICS` by name; on disk they stand beside the other fields. In
    an open loop TTFT, TTFO and latency count from when the request was due. `scheduled_s`, `sent_s`
    and `ended_s` are on the clock of the measurement, which stands still between blocks of
    requests.
    """

    model: str
    model_id: str | None
    prompt_id: str
    round: int
    phase: str  # cold, warmup, measure
    status: str  # ok, failed, skipped
    error: str | None = None
    started_at: str | None = None
    figures: dict[str, float | None] = field(default_factory=dict)
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    token_source: str = "none"
    finish_reason: str | None = None
    token_problem: str | None = None  # why a count of the server is not used
    chunk_times_s: tuple[float, ...] = ()
    text: str = ""
    concurrency: int = 1  # requests kept under way at once; 1 in an open loop too
    scheduled_s: float | None = None  # open loop: when it was due
    sent_s: float | None = None
    ended_s: float | None = None  # also of a request that failed
    connect_s: float | None = None  # to open the connection, before the clock of the figures starts

    def to_dict(self) -> dict[str, Any]:
        """Return the line of requests.jsonl: every metric has its field, None where not known."""
        values = asdict(self)
        figures = values.pop("figures")
        return {**values, **{name: figures.get(name) for name in METRICS}}


# What a damaged or edited file may hold and no request can have.
Time = Annotated[float, msgspec.Meta(ge=0)] | None
RANGES: dict[str, Any] = {
    "started_at": Annotated[datetime, msgspec.Meta(tz=True)] | None,
    "phase": Literal["cold", "warmup", "measure"],
    "status": Literal["ok", "failed", "skipped"],
    "round": Annotated[int, msgspec.Meta(ge=0, le=10**9)],
    "concurrency": Annotated[int, msgspec.Meta(ge=1, le=10**9)],
    **dict.fromkeys(("scheduled_s", "sent_s", "ended_s", "connect_s"), Time),
}
KEY = ["model", "prompt_id", "round", "concurrency"]  # of a measured request


# A line as far as figures need it. A record of an older kit lacks some fields with a default.
RowRecord = msgspec.defstruct(
    "RowRecord",
    [
        (
            part.name,
            RANGES.get(part.name, part.type),
            msgspec.NODEFAULT if part.default is MISSING else part.default,
        )
        for part in fields(Row)
        if part.name not in ("figures", "chunk_times_s")
    ]
    + [(name, Time if METRICS[name].unit == "s" else float | None, None) for name in METRICS],
    gc=False,
)
# What a summary gives of a metric besides its median.
STATISTICS = {"ttft_s": ("p50", "p95"), "latency_s": ("mean", "p50", "p95")}


def summary_columns(metric: str) -> dict[str, str]:
    """Map the columns that a summary has of a metric to their statistics: `ttft_p95_s` to p95."""
    stem, unit = (metric[:-2], "_s") if METRICS[metric].unit == "s" else (metric, "")
    return {f"{stem}_{name}{unit}": name for name in STATISTICS.get(metric, ("p50",))}


WORDS = {part.name for part in fields(Row) if part.type in (str, str | None)} - {"started_at"}
COUNTS = {part.name for part in fields(Row) if part.type is int}


def read_rows(path: Path) -> "pd.DataFrame":
    """Return a data frame of all rows: row n is line n of the file, from 0.

    Words are categories, times of day `datetime64[ms]` in UTC, and numbers that may be missing
    floats with nan. A last line that a kill left half-written is passed over. Raises UsageError
    naming file and line for any other damage, OSError when the file cannot be read.
    """
    import pandas as pd  # slow to import, and needed only here

    tables: dict[str, dict] = {name: {None: -1} for name in WORDS}
    pieces: dict[str, list[np.ndarray]] = {
        name: [_column(name, [], tables)] for name in RowRecord.__struct_fields__
    }
    records = _records(path)
    while rows := list(itertools.islice(records, BLOCK)):
        for name in pieces:
            pieces[name].append(_column(name, list(map(attrgetter(name), rows)), tables))
    columns: dict[str, Any] = {name: np.concatenate(parts) for name, parts in pieces.items()}
    for name in WORDS:
        columns[name] = pd.Categorical.from_codes(
            columns[name], categories=pd.Index(list(tables[name])[1:])
        )
    # The first release did not record this figure.
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = columns["completion_tokens"] / columns["latency_s"]
    known = columns["request_tokens_per_s"]
    columns["request_tokens_per_s"] = np.where(np.isnan(known) & (rate > 0), rate, known)
    frame = pd.DataFrame(columns, copy=False)
    _refuse_repeats(frame, path)
    return frame


def _refuse_repeats(frame: "pd.DataFrame", path: Path) -> None:
    """Raise UsageError when a request was measured twice: pasted in, or by two processes."""
    places = np.flatnonzero(frame["phase"] == "measure")
    measured = frame[KEY].iloc[places]
    if (again := measured.duplicated().to_numpy()).any():
        place = places[again.argmax()]
        model, prompt, number, _ = frame[KEY].iloc[place]
        raise damage(path, place, f"{model} has answered {prompt} in round {number} before")


def damage(path: Path, place: int, reason: object) -> UsageError:
    """Return the error for line `place` of a file, from 0, with what is wrong with it."""
    return UsageError(
        f"{path} is damaged in line {place + 1} ({show.one_line(str(reason), 100)}); "
        "delete that line, or measure again."
    )


def whole_row(line: str, path: Path, place: int) -> dict[str, Any]:
    """Return a line of requests.jsonl with its chunk times. Raises UsageError when damaged."""
    try:
        row = json.loads(line)
        return row | {"chunk_times_s": msgspec.convert(row.get("chunk_times_s", []), list[float])}
    except (ValueError, RecursionError) as error:
        raise damage(path, place, error) from None


def _column(name: str, values: list, tables: dict[str, dict]) -> np.ndarray:
    if name in WORDS:
        table = tables[name]
        codes = list(map(table.get, values))
        if None in codes:  # words that are new
            codes = [table.setdefault(value, len(table) - 1) for value in values]
        return np.array(codes, dtype=np.int32)
    if name == "started_at":
        # By way of numbers, in a tenth of the time that numpy takes for objects.
        seconds = np.array([value and value.timestamp() for value in values], dtype=float)
        return np.rint(1e3 * seconds).astype("datetime64[ms]")
    return np.array(values, dtype=np.int64 if name in COUNTS else float)


def _records(path: Path) -> Iterator[Any]:
    decoder = msgspec.json.Decoder(RowRecord)
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        for place, line in enumerate(lines):
            try:
                record = decoder.decode(line)
            except (ValueError, RecursionError) as error:
                if not line.endswith("\n"):
                    return  # a kill left it half-written
                raise damage(path, place, error) from None
            yield record
