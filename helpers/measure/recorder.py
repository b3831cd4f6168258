"""Record a run: a folder of plain files that any later step can start from, today or next year.

run.json         what was planned, where, on what machine, and how it ended
requests.jsonl   one line for each request, appended as it happens
"""

import contextlib
import json
import math
import os
import secrets
from pathlib import Path
from typing import Any

import filelock

from ..common.errors import UsageError
from ..common.files import cut_half_line, now, sync, write_json, writing
from ..common.paths import results_folder
from .info import RunInfo
from .record import Run
from .rows import Row


class Recorder:
    """Write a run folder while the run goes on.

    A row is with the system when `add` returns, so that no kill loses it, and on the disk after
    `sync`. What cannot be written raises FileError; what is on record stays whole.
    """

    def __init__(
        self, info: RunInfo, output: str | os.PathLike | None = None, *, folder: Path | None = None
    ):
        """Begin a run in a new folder under `output`, or go on with the one in `folder`.

        A half-written last line is cut off. Raises UsageError when another process is writing this
        run at the moment.
        """
        self.info = info.model_copy(update={"status": "running", "finished_at": None})
        if folder is None:
            self.info.started_at = now()
            name = f"{self.info.started_at[:19].replace(':', '-')}-{secrets.token_hex(2)}"
            folder = results_folder(output) / name
        self.folder = folder
        # The system frees this lock when the process dies.
        self._lock = filelock.FileLock(folder / "run.lock")
        with self._writing():
            folder.mkdir(exist_ok=True)
            try:
                self._lock.acquire(timeout=0)
            except filelock.Timeout:
                raise self._taken() from None
            path = folder / "requests.jsonl"
            cut_half_line(path)
            self._rows = path.open("ab", buffering=0)
        self._size = self._rows.tell()
        self.save()

    def _writing(self) -> contextlib.AbstractContextManager[None]:
        more = f"go on with: python -m helpers benchmark --resume {self.folder}"
        return writing(self.folder, f"What was measured until then is kept. Make room, then {more}")

    def _taken(self) -> UsageError:
        return UsageError(
            f"Another process is measuring into {self.folder} at the moment; "
            "wait for it, or start a new run."
        )

    def add(self, row: Row) -> None:
        """Append one row."""
        self.add_values(row.to_dict())

    def add_values(self, values: dict[str, Any]) -> None:
        """Append one row as it stands in the file. Figures that are no number become null."""
        line = json.dumps(
            {name: _finite(value) for name, value in values.items()}, ensure_ascii=False
        )
        left = memoryview(f"{line}\n".encode("utf-8", "replace"))
        with self._writing():
            # The lock keeps others away until somebody deletes its file.
            if os.fstat(self._rows.fileno()).st_size != self._size:
                raise self._taken()
            try:
                while left:
                    left = left[self._rows.write(left) :]
            except OSError:
                self._rows.truncate(self._size)
                raise
        self._size = self._rows.tell()

    def sync(self) -> None:
        """Wait until all rows are on the disk; never while a request is under way."""
        with self._writing():
            sync(self._rows)

    def save(self) -> None:
        """Write run.json as it is now."""
        with self._writing():
            write_json(self.folder / "run.json", self.info.to_dict())

    def finish(self, status: str) -> "Run":
        """Close the record with its final status and return it for reading."""
        try:
            self.sync()
            self.info.status, self.info.finished_at = status, now()
            self.save()
        finally:
            self._rows.close()
            # Before the lock is free: afterwards the file may be another process's.
            with contextlib.suppress(OSError):  # Windows deletes no open file, but filelock does
                (self.folder / "run.lock").unlink()
            self._lock.release()
        return Run(self.folder)


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
