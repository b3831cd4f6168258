"""Write files so that no reader and no kill ever sees half of one, and read what people wrote."""

import contextlib
import csv
import datetime
import errno
import io
import json
import os
import re
import shutil
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from .errors import FileError, UsageError

FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
MAX_PATH = 259  # characters, on Windows without long paths
# On Windows a virus scanner or an indexer may hold a file that has just been written.
WAITS_S = (0.05, 0.1, 0.2, 0.4, 0.8) if sys.platform == "win32" else ()
MAKE_ROOM = "Make room, close it in other programs, or choose another place."

MAX_TEXT = 64_000_000  # bytes of a file that a person made
NOT_TEXT = re.compile(r"[\0-\x08\x0e-\x19\x1c-\x1f]")  # also UTF-16 of Persian, without its mark
SHIPPED = ", or leave it out to use the one that ships with the kit"
ELSEWHERE = " and the folder"  # of what has no other
TEXTS = (".txt", ".md", ".text", "")  # the files of a folder that are read, by their ending


def write_json(path: Path, value: object) -> None:
    """Write JSON as `write_text` does."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text as `write_bytes` does; half a surrogate pair becomes a question mark."""
    write_bytes(path, text.encode("utf-8", "replace"))


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file, whole or not at all, and onto the disk. Raises FileError when it cannot be."""
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
    """Put a file or folder at `path` in one step. Raises OSError when that file is held open."""
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
    """Append one value as a line of JSON, onto the disk. Raises FileError when it cannot be."""
    with writing(path):
        cut_half_line(path)
        with path.open("a", encoding="utf-8", errors="replace", newline="\n") as file:
            file.write(json.dumps(value, ensure_ascii=False) + "\n")
            sync(file)


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file that ships with the kit."""
    return tomllib.loads(path.read_text(encoding="utf-8"))


def read_json_lines(path: Path) -> list[Any]:
    """Return the whole lines of JSON; none without a file. Raises ValueError for a damaged one."""
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


def read_text(path: Path, otherwise: str = SHIPPED) -> str:
    """Return the text of a file that a person made, in UTF-8 or UTF-16, with or without a mark.

    Lines end in `\\n`. Raises UsageError when the file cannot be read or is not text; `otherwise`
    is what to do about a missing one, besides its name.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise UsageError(f"{path} cannot be read: it is not a file.")  # a pipe may never end
        with path.open("rb") as file:
            data = file.read(MAX_TEXT + 1)
    except FileNotFoundError:
        raise UsageError(f"There is no file {path}; check the name{otherwise}.") from None
    except (OSError, ValueError) as error:  # ValueError: a name that no file can have
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{str(path)[:200]!r} cannot be read: {reason}.") from None
    if len(data) > MAX_TEXT:
        raise UsageError(f"{path} is larger than {MAX_TEXT // 10**6} MB; split it.")
    try:
        text = data.decode(json.detect_encoding(data))
        wrong = NOT_TEXT.search(text)
        wrong_at = wrong.start() if wrong else -1
    except UnicodeDecodeError as error:
        text, wrong_at = "", error.start
    if wrong_at >= 0:
        line = (text or data.decode("latin-1")).count("\n", 0, wrong_at) + 1
        raise UsageError(
            f"{path} cannot be read as UTF-8 or UTF-16 text (line {line}); save it as UTF-8."
        )
    return text.replace("\r\n", "\n").replace("\r", "\n")


def read_folder(folder: Path) -> dict[str, str]:
    """Return the texts of a folder by file name: what ends in .txt or .md, or has no ending.

    Raises UsageError when there are none, or when one is empty or not text.
    """
    try:
        paths = sorted(path for path in folder.iterdir() if path.is_file())
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {error}.") from None
    visible = [path for path in paths if not path.name.startswith(".")]
    texts = {path.name: read_text(path) for path in visible if path.suffix.lower() in TEXTS}
    if not texts:
        raise UsageError(f"{folder} holds no text; put files that end in .txt or .md into it.")
    if empty := [name for name, text in texts.items() if not text.strip()]:
        raise UsageError(f"{folder / empty[0]} is empty; write something into it, or remove it.")
    return texts


def separator(sheet: str) -> str:
    """Return what parts the cells of a sheet: what `sep=` says, or what the first line has most."""
    first = sheet.partition("\n")[0]
    stated = re.fullmatch(r"sep=([,;|\t])", first, re.IGNORECASE)
    return stated[1] if stated else max(",;\t", key=first.count)


def sheet_rows(sheet: str, path: Path) -> tuple[list[str], list[tuple[int, dict]]]:
    """Return the first line's names, and each row by name with the number of its last line.

    Raises UsageError naming the file when the cells cannot be told apart.
    """
    lines = io.StringIO(sheet, newline="")
    skipped = int(sheet[:4].lower() == "sep=")
    if skipped:
        next(lines)
    try:
        rows = csv.DictReader(lines, delimiter=separator(sheet), strict=True)
        return list(rows.fieldnames or ()), [(rows.line_num + skipped, row) for row in rows]
    except csv.Error as error:
        raise UsageError(
            f"{path}: its cells cannot be told apart ({error}); save it as CSV in UTF-8."
        ) from None
