"""Write files so that no reader and no kill ever sees half of one, and stamp the time."""

import contextlib
import datetime
import errno
import json
import os
import shutil
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from .errors import FileError

FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
MAX_PATH = 259  # characters, on Windows without long paths
# On Windows a virus scanner or an indexer may hold a file that has just been written.
WAITS_S = (0.05, 0.1, 0.2, 0.4, 0.8) if sys.platform == "win32" else ()
MAKE_ROOM = "Make room, close it in other programs, or choose another place."


def write_json(path: Path, value: object) -> None:
    """Write JSON so that a reader sees the old file or the new one, never half of it."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text as `write_bytes` does; half a surrogate pair becomes a question mark."""
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old file or the new one, never half of it.

    It is on the disk when this returns. Raises FileError when it cannot be written.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with writing(path):
        try:
            with fresh.open("wb") as file:
                file.write(content)
                sync(file)
            replace(fresh, path)
        except BaseException:
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise


def sync(file: IO) -> None:
    """Wait until what was written to an open file is on the disk, where the system can tell."""
    file.flush()
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise


def replace(fresh: Path, path: Path) -> None:
    """Put a file or folder at `path` in one step, in the place of a file that may be there.

    Raises OSError when another program keeps that file open, which only Windows forbids.
    """
    for wait_s in WAITS_S:
        try:
            fresh.replace(path)
            return
        except PermissionError:
            time.sleep(wait_s)
    fresh.replace(path)


def replace_folder(folder: Path, fresh: Path | None = None) -> None:
    """Put a fresh folder in the place of an older one, or only delete the older one.

    The older one goes whole or stays whole: it is renamed first, and Windows renames no folder in
    which a file is open. Raises OSError when it stays.
    """
    old = folder.with_name(f".{folder.name}.{os.getpid()}.old")
    if folder.exists():
        replace(folder, old)
    try:
        if fresh:
            replace(fresh, folder)
    except OSError:
        if old.exists():
            replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


@contextlib.contextmanager
def writing(path: Path, advice: str = MAKE_ROOM) -> Iterator[None]:
    """Raise FileError, a sentence with reason and advice, for an OSError in the block."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if WAITS_S and len(str(path)) > MAX_PATH:
            reason += f"; Windows allows {MAX_PATH} characters, and this path is longer"
        told = FileError(f"{path} cannot be written ({reason}). {advice}")
        told.errno, told.strerror = error.errno, reason
        raise told from None


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
    """Append one value as a line of JSON that is on the disk when this returns.

    Raises FileError when it cannot be written.
    """
    with writing(path):
        cut_half_line(path)
        with path.open("a", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(json.dumps(value, ensure_ascii=False) + "\n")
            sync(file)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file that ships with the kit."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def read_json_lines(path: Path) -> list[Any]:
    """Return the whole lines of a file of JSON lines; an empty list when there is no file.

    Raises ValueError naming the line that is damaged.
    """
    if not path.is_file():  # a pipe of that name would never end
        return []
    lines = path.read_bytes().rpartition(b"\n")[0].splitlines()
    values = []
    for number, line in enumerate(lines, 1):
        try:
            values.append(json.loads(line.decode("utf-8", "replace")))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"line {number} is not JSON ({error})") from None
    return values
