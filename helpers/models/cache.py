"""Keep models on disk: which model a folder holds, the hash of every file, and what is damaged.

Foundry Local verifies nothing, so the kit keeps `workshop.json` beside the files of each model.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated

import filelock
from pydantic import AfterValidator, BaseModel, Field, ValidationError, field_validator

from ..common.errors import KitError, UnsafePackage
from ..common.files import FULL, now, replace, write_text
from ..common.validation import Strict, explain

RECORD = "workshop.json"
USED = ".workshop-used"
ORIGIN = "conversion.json"  # which bytes a converted model was made from, beside its files
MAX_FILES = 1000
PUBLISHERS = {"gguf": "Own", "package-index": "Workshop"}  # of converted models, by source
CONVERTER = 1  # counts the changes of what is written from GGUF, so that it is made again
OURS = {RECORD, USED}
# Foundry Local and the kit keep files with these endings beside a download that is under way.
UNFINISHED = (".dlstate", "download.tmp", ".download.lock", ".download.progress", ".tmp")
PART = re.compile(r"[A-Za-z0-9._+@=,()-][A-Za-z0-9._+@=,() -]*")
RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)

Progress = Callable[[float], None]
Note = Callable[[str], None]
Stamp = tuple[int, int]


def ignore(_done: object) -> None:
    """Do nothing with a report of progress."""


def safe_name(name: str) -> str:
    """Return a name from outside. Raises ValueError unless it stays in its folder everywhere."""
    parts = name.split("/")
    safe = len(name) <= 200 and all(
        PART.fullmatch(part) and part[-1] not in ". " and not RESERVED.fullmatch(part)
        for part in parts
    )
    if not safe or parts[-1] in OURS:
        raise ValueError(f"{name[:60]!r} is not a plain file name")
    return name


def _safe_part(name: str) -> str:
    if "/" in safe_name(name) or name.startswith("."):
        raise ValueError(f"{name[:60]!r} is not a plain folder name")
    return name


FolderName = Annotated[str, Field(max_length=120), AfterValidator(_safe_part)]
FileName = Annotated[str, AfterValidator(safe_name)]
Words = Annotated[str, Field(max_length=200)]


class File(Strict, strict=True):
    """Hold the size and the SHA-256 of one file."""

    bytes: Annotated[int, Field(ge=0, lt=2**50)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Package(Strict):
    """Describe one model and its files. Names are checked because a mirror may send anything."""

    alias: FolderName
    name: FolderName
    version: Annotated[int, Field(ge=0, lt=10**6)]
    publisher: FolderName
    files: Annotated[dict[FileName, File], Field(min_length=1, max_length=MAX_FILES)]
    license: Words | None = None
    task: Words = "chat-completion"
    device: Words = "CPU"
    execution_provider: Words = "CPUExecutionProvider"
    uri: Words | None = None
    parent: Words | None = None
    context: Annotated[int, Field(gt=0)] | None = None
    max_output_tokens: Annotated[int, Field(gt=0)] | None = None
    capabilities: Annotated[tuple[Words, ...], Field(max_length=50, fail_fast=True)] = ()

    @field_validator("files")
    @classmethod
    def _fall_apart(cls, files: dict[str, File]) -> dict[str, File]:
        # Windows and macOS ignore case; a name cannot be a file and a folder.
        names = {name.lower() for name in files}
        folders = {parent for name in names for parent in map(str, PurePosixPath(name).parents)}
        if len(names) < len(files) or names & folders:
            raise ValueError("two files fall together on some systems")
        return files

    @property
    def id(self) -> str:
        """Return the id under which Foundry Local serves the model."""
        return f"{self.name}:{self.version}"

    @property
    def bytes(self) -> int:
        """Return the size of all files together."""
        return sum(file.bytes for file in self.files.values())

    @property
    def digest(self) -> str:
        """Return one SHA-256 of the names and hashes of all files."""
        hashes = {name: file.sha256 for name, file in sorted(self.files.items())}
        return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()

    def folder(self, cache: Path) -> Path:
        """Return the folder in which Foundry Local keeps the model."""
        return cache / self.publisher / f"{self.name}-{self.version}"


class Record(BaseModel, frozen=True):
    """Hold what the kit knows of a model, and each file's stamp when its hash was last right."""

    package: Package
    source: str
    verified_at: str
    seen: dict[str, Stamp]


@dataclass(frozen=True)
class Problem:
    """Name one damaged file and say what is wrong with it."""

    file: str
    reason: str

    def __str__(self) -> str:
        return f"{self.file} ({self.reason})"


def converted_id(alias: str) -> str:
    """Return the id under which Foundry Local serves a model that was converted from GGUF."""
    return f"{alias}-generic-cpu:{CONVERTER}"


def read_record(folder: Path) -> Record | None:
    """Return the record of a model's folder, or None when it has no readable one."""
    try:
        return Record.model_validate_json((folder / RECORD).read_bytes())
    except (OSError, ValueError):
        return None


def records(cache: Path) -> Iterator[tuple[Path, Record]]:
    """Yield folder and record of every model in the cache that has a record."""
    for path in sorted(cache.glob(f"*/*/{RECORD}")):
        record = read_record(path.parent)
        if record and record.package.folder(cache) == path.parent:
            yield path.parent, record


def write_record(folder: Path, package: Package, source: str) -> Record:
    """Record files whose hashes have just been found right."""
    seen = {name: _stamp(folder / name) for name in package.files}
    record = Record(package=package, source=source, verified_at=now(), seen=seen)
    write_text(folder / RECORD, record.model_dump_json(indent=1))
    return record


def adopt(folder: Path, facts: dict, source: str) -> Record:
    """Hash and record the files that a download has left. Raises UnsafePackage for a bad name."""
    files = {
        path.relative_to(folder).as_posix(): File(bytes=path.stat().st_size, sha256=sha256(path))
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in OURS and not path.name.endswith(UNFINISHED)
    }
    try:
        return write_record(folder, Package(files=files, **facts), source)
    except ValidationError as error:
        raise UnsafePackage(f"{folder}: {explain(error)}.") from None


def problems(
    folder: Path,
    package: Package,
    seen: dict[str, Stamp] | None = None,
    progress: Progress = ignore,
) -> list[Problem]:
    """Return what is wrong with a model's files; with `seen`, only changed ones are hashed."""
    wrong, done = [], 0
    for name, expected in package.files.items():
        if reason := _damage(folder / name, expected, (seen or {}).get(name)):
            wrong.append(Problem(name, reason))
        done += expected.bytes
        progress(done)
    return wrong


def verify(
    folder: Path, record: Record, *, full: bool = False, progress: Progress = ignore
) -> list[Problem]:
    """Return what is wrong with a recorded model; `full` hashes all. If nothing, record that."""
    package = record.package
    wrong = problems(folder, package, None if full else record.seen, progress)
    if not wrong:
        with contextlib.suppress(OSError):  # a cache that cannot be written can still be read
            if full or any(_stamp(folder / n) != record.seen.get(n) for n in package.files):
                write_record(folder, package, record.source)
    return wrong


def _damage(path: Path, expected: File, seen: Stamp | None) -> str | None:
    if path.is_symlink():
        return "a link in place of the file"
    if not path.is_file():
        return "missing"
    size = path.stat().st_size
    if size != expected.bytes:
        kind = "truncated" if size < expected.bytes else "too long"
        return f"{kind}: {size:,} of {expected.bytes:,} bytes"
    if _stamp(path) != seen and sha256(path) != expected.sha256:
        return "changed: its SHA-256 does not match"
    return None


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb", buffering=0) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def copy_in(source: Path, target: Path) -> None:
    """Put a file in place at once or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.{os.getpid()}.tmp")
    shutil.copyfile(source, fresh)
    replace(fresh, target)


def download_lock(
    home: Path, package_id: str, note: Note = ignore, doing: str = "fetching"
) -> contextlib.AbstractContextManager:
    """Let one process at a time fetch or repair a model; note it before having to wait."""
    (home / "locks").mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(home / "locks" / f"{package_id.replace(':', '-')}.lock")
    try:
        return lock.acquire(timeout=0)
    except filelock.Timeout:
        note(f"another process is {doing} it; waiting for that")
        return lock.acquire()


@contextlib.contextmanager
def work_folder(folder: Path) -> Iterator[Path]:
    """Make an empty folder, which is gone afterwards, also after Ctrl-C."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def mark_used(folder: Path) -> None:
    """Note that a model was loaded now."""
    with contextlib.suppress(OSError):
        (folder / USED).touch()


def last_used(folder: Path) -> str | None:
    """Return when a model was last loaded (UTC, ISO 8601), or None."""
    with contextlib.suppress(OSError):
        return now((folder / USED).stat().st_mtime)
    return None


def bytes_on_disk(folder: Path) -> int:
    """Return the bytes of a folder's files; of one that is not filled yet, what is there of it."""
    total = 0
    with contextlib.suppress(OSError):  # files may be moved while they are counted
        for path in folder.rglob("*"):
            if path.is_file() and not path.is_symlink():
                file = path.stat()  # only some systems say how much of it is filled
                total += min(file.st_size, 512 * getattr(file, "st_blocks", file.st_size))
    return total


def disk_error(error: OSError, folder: Path, kept: str = "") -> KitError:
    """Return the sentence for an error of the file system while a model is being stored."""
    if error.errno in FULL:
        return KitError(
            f"The disk is full: {folder} takes no more.{kept} "
            "Free some space, or name another disk in WORKSHOP_HOME, and run it again."
        )
    return KitError(
        f"The model cache {folder} cannot be written ({error.strerror or error}); "
        "make it writable, or name another place in WORKSHOP_HOME."
    )


def _stamp(path: Path) -> Stamp:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns


def kv_cache_mb(folder: Path) -> float | None:
    """Return the size of a full context's key-value cache in MB; None when it is not known.

    2 (keys and values) x layers x key-value heads x head size x positions x 2 bytes, from
    `genai_config.json`; a CPU model may keep 4 bytes each.
    """
    try:
        config = json.loads((folder / "genai_config.json").read_text(encoding="utf-8"))
        decoder = config["model"]["decoder"]
        positions = config["search"].get("max_length") or config["model"]["context_length"]
        heads = decoder["num_hidden_layers"] * decoder["num_key_value_heads"]
        return 2 * heads * decoder["head_size"] * positions * 2 / 1e6
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
