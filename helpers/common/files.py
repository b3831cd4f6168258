"""Write files whole, and stamp the time."""

import datetime
import json
import os
import time
from pathlib import Path


def write_json(path: Path, value: object) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of it."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text so that a reader sees the old file or the new one, never half of it."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    fresh.write_text(text, encoding="utf-8", newline="\n")
    fresh.replace(path)


def now(at: float | None = None) -> str:
    """Wall-clock time in UTC (or that of `at`, seconds since 1970), ISO 8601 with milliseconds."""
    return datetime.datetime.fromtimestamp(
        time.time() if at is None else at, datetime.UTC
    ).isoformat(timespec="milliseconds")
