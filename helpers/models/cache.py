"""The model cache on disk: which model a folder holds, the hash of every file, what is wrong with them, when it was used.

Foundry Local keeps a model in `<cache>/<publisher>/<name>-<version>/` and verifies nothing. The kit writes `workshop.json` beside
the model's files: what the model is (so that it can be listed without any network) and the SHA-256 of each file.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import filelock
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from ..common.errors import KitError, UnsafePackage
from ..common.files import now

RECORD = "workshop.json"
USED = ".workshop-used"
CHUNK = 2**20
MAX_FILES = 1000
OURS = {RECORD, USED}
SDK_STATE = (
    ".dlstate",
    "download.tmp",
    ".download.lock",
    ".download.progress",
)  # what Foundry Local keeps beside a download under way
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_name(name: str) -> str:
    """A file name from somebody else that stays inside its folder on every system, or ValueError.

    Parts of letters, digits and a few signs, joined by `/`: no `..`, no absolute path, drive, backslash or name that Windows reserves.
    """
    parts = name.split("/")
    if len(name) > 200 or not all(
        re.fullmatch(r"[A-Za-z0-9._+@=,()-][A-Za-z0-9._+@=,() -]*", part) for part in parts
    ):
        raise ValueError(f"{name[:60]!r} is no plain file name")
    if (
        any(part in (".", "..") or part[-1] in ". " or RESERVED.fullmatch(part) for part in parts)
        or parts[-1] in OURS
    ):
        raise ValueError(f"{name[:60]!r} is no plain file name")
    return name


def _safe_part(name: str) -> str:
    if "/" in safe_name(name) or name.startswith("."):
        raise ValueError(f"{name[:60]!r} is no plain folder name")
    return name


FolderName = Annotated[str, Field(max_length=120), AfterValidator(_safe_part)]
Words = Annotated[str, Field(max_length=200)]


class File(BaseModel):
    """Size and SHA-256 of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    bytes: Annotated[int, Field(ge=0, lt=2**50)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Package(BaseModel):
    """One model: what a catalog says of it, and its files. Names are checked, since a mirror's may be anything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    alias: FolderName
    name: FolderName
    version: Annotated[int, Field(ge=0, lt=10**6)]
    publisher: FolderName
    files: Annotated[
        dict[Annotated[str, AfterValidator(safe_name)], File],
        Field(min_length=1, max_length=MAX_FILES),
    ]
    license: Words | None = None
    task: Words = "chat-completion"
    device: Words = "CPU"
    execution_provider: Words = "CPUExecutionProvider"
    uri: Words | None = None
    parent: Words | None = None
    context: Annotated[int, Field(gt=0)] | None = None
    max_output_tokens: Annotated[int, Field(gt=0)] | None = None
    capabilities: Annotated[tuple[Words, ...], Field(max_length=50)] = ()

    @property
    def id(self) -> str:
        """The id under which Foundry Local serves it."""
        return f"{self.name}:{self.version}"

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(file.bytes for file in self.files.values())

    @property
    def digest(self) -> str:
        """One SHA-256 for all files: of their names and hashes."""
        return hashlib.sha256(
            json.dumps({name: file.sha256 for name, file in sorted(self.files.items())}).encode()
        ).hexdigest()

    def folder(self, cache: Path) -> Path:
        """Where Foundry Local keeps it."""
        return cache / self.publisher / f"{self.name}-{self.version}"


class Record(BaseModel):
    """What the kit knows of a model in the cache. `seen` is size and time of change of each file when its hash was last right."""

    model_config = ConfigDict(frozen=True)

    package: Package
    source: str
    stored_at: str
    verified_at: str
    seen: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Problem:
    """One file that is not what it should be."""

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file} ({self.what})"


def read_record(folder: Path) -> Record | None:
    """The record of a model's folder; None where there is none that can be understood."""
    try:
        return Record.model_validate_json((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return None


def records(cache: Path) -> Iterator[tuple[Path, Record]]:
    """Folder and record of every model in the cache that has one."""
    for path in sorted(cache.glob(f"*/*/{RECORD}")):
        if (found := read_record(path.parent)) and found.package.folder(cache) == path.parent:
            yield path.parent, found


def write_record(
    folder: Path, package: Package, source: str, stored_at: str | None = None
) -> Record:
    """Record files whose hashes have just been found right."""
    at = now()
    record = Record(
        package=package,
        source=source,
        stored_at=stored_at or at,
        verified_at=at,
        seen={n: _stamp(folder / n) for n in package.files},
    )
    fresh = folder / f"{RECORD}.{os.getpid()}.tmp"
    fresh.write_text(record.model_dump_json(indent=1), encoding="utf-8")
    fresh.replace(folder / RECORD)
    return record


def files_in(folder: Path) -> dict[str, Path]:
    """A model's own files by name, those of the kit and of a download under way left out."""
    found = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return {
        name: path
        for name, path in found.items()
        if path.name not in OURS and not name.endswith((*SDK_STATE, ".tmp"))
    }


def adopt(
    folder: Path, facts: dict, source: str, progress: Callable[[int], None] = lambda done: None
) -> Record:
    """Hash the files that a download has left, and record them."""
    done, files = 0, {}
    for name, path in files_in(folder).items():
        files[name] = File(
            bytes=path.stat().st_size,
            sha256=sha256(path, lambda n, before=done: progress(before + n)),
        )
        done += files[name].bytes
    try:
        return write_record(folder, Package(files=files, **facts), source)
    except ValidationError as error:
        raise UnsafePackage(f"{folder}: {error.errors()[0]['msg']}.") from None


def problems(
    folder: Path,
    package: Package,
    seen: dict[str, tuple[int, int]] | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Problem]:
    """What is wrong with a model's files. With `seen`, a file is hashed only when its size or time of change is another than there."""
    found, done = [], 0
    for name, expected in package.files.items():
        before = (seen or {}).get(name)
        if problem := _problem(
            folder / name, name, expected, before, lambda n, start=done: progress(start + n)
        ):
            found.append(problem)
        done += expected.bytes
        progress(done)
    return found


def verify(
    folder: Path,
    record: Record,
    *,
    full: bool = False,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Problem]:
    """What is wrong with a recorded model; `full` hashes every file. What has been hashed and found right is recorded so."""
    found = problems(folder, record.package, None if full else record.seen, progress)
    if not found and (
        full or any(_stamp(folder / name) != record.seen.get(name) for name in record.package.files)
    ):
        with contextlib.suppress(
            OSError
        ):  # a cache that cannot be written is as good as any to read from
            write_record(folder, record.package, record.source, record.stored_at)
    return found


def _problem(
    path: Path, name: str, expected: File, seen: tuple[int, int] | None, progress
) -> Problem | None:
    if path.is_symlink() or not path.is_file():
        return Problem(name, "missing" if not path.is_symlink() else "a link in place of the file")
    size = path.stat().st_size
    if size != expected.bytes:
        return Problem(
            name,
            f"{'truncated' if size < expected.bytes else 'too long'}: {size:,} of {expected.bytes:,} bytes",
        )
    if _stamp(path) != seen and sha256(path, progress) != expected.sha256:
        return Problem(name, "changed: its SHA-256 is another")
    return None


def sha256(path: Path, progress: Callable[[int], None] = lambda done: None) -> str:
    """SHA-256 of a file in little memory, reporting the bytes done."""
    digest, done, piece = hashlib.sha256(), 0, memoryview(bytearray(CHUNK))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(piece):
            digest.update(piece[:count])
            done += count
            progress(done)
    return digest.hexdigest()


def copy_in(source: Path, target: Path) -> None:
    """Put a file in place at once or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    shutil.copyfile(source, fresh)
    fresh.replace(target)


@contextlib.contextmanager
def download_lock(home: Path, package_id: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Only one process at a time fetches or repairs a model; another one calls `waiting` and waits. A dead process holds nothing."""
    (home / "locks").mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(home / "locks" / f"{package_id.replace(':', '-')}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def mark_used(folder: Path) -> None:
    """Note that a model was loaded now."""
    with contextlib.suppress(OSError):
        (folder / USED).touch()


def last_used(folder: Path) -> str | None:
    """When a model was last loaded, or None."""
    try:
        return datetime.fromtimestamp((folder / USED).stat().st_mtime, UTC).isoformat(
            timespec="seconds"
        )
    except OSError:
        return None


def disk_error(error: OSError, folder: Path, kept: str = "") -> KitError:
    """What an error of the file system means for somebody who wanted to store a model."""
    full = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", None)}
    if error.errno in full:
        return KitError(
            f"The disk is full: {folder} takes no more.{kept} Free some space, or name another disk in WORKSHOP_HOME, and run it again."
        )
    return KitError(
        f"The model cache {folder} cannot be written ({error.strerror or error}); make it writable, or name another place in WORKSHOP_HOME."
    )


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns
