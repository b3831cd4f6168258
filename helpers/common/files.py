"""Write files so that no reader and no kill ever sees half of one, and stamp the time."""

import datetime
import json
import os
import time
import tomllib
from pathlib import Path
from typing import Any


def write_json(path: Path, value: object) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of it."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text so that a reader sees the old file or the new one, never half of it."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    fresh.write_text(text, encoding="utf-8", newline="\n")
    fresh.replace(path)


def make_writable(folder: Path) -> None:
    """Make a folder, and raise OSError when nothing can be written into it."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".write-test-{os.getpid()}"
    probe.touch()
    probe.unlink()


def now(at: float | None = None) -> str:
    """Return the UTC time now, or at `at` (seconds since 1970): ISO 8601 with milliseconds."""
    seconds = time.time() if at is None else at
    utc = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return utc.isoformat(timespec="milliseconds")


def cut_half_line(path: Path) -> None:
    """Drop what a killed process left of its last line, so that the next line starts on its own."""
    if path.exists():
        whole = path.read_bytes().rpartition(b"\n")
        os.truncate(path, len(whole[0]) + len(whole[1]))


def append_json(path: Path, value: object) -> None:
    """Append one value as a line of JSON that is on the disk when this returns."""
    cut_half_line(path)
    with path.open("a", encoding="utf-8", errors="replace", newline="\n") as file:
        file.write(json.dumps(value, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file that ships with the kit."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def read_json_lines(path: Path) -> list[Any]:
    """Return the whole lines of a file of JSON lines; an empty list when there is no file.

    Raises ValueError naming the line that is damaged.
    """
    if not path.exists():
        return []
    lines = path.read_bytes().rpartition(b"\n")[0].splitlines()
    values = []
    for number, line in enumerate(lines, 1):
        try:
            values.append(json.loads(line.decode("utf-8", "replace")))
        except ValueError as error:
            raise ValueError(f"line {number} is not JSON ({error})") from None
    return values
