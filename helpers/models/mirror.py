"""The classroom mirror, from an attendee's side: what it has, and bringing that here, verified and resumable.

The instructor's side is `helpers.models.classroom`. Everything that comes from a mirror is checked before it touches the cache: names, sizes,
links, and the SHA-256 of each file. A mirror is asked directly, never through a proxy: it stands in the same room.
"""

import hashlib
import http.client
import json
import os
import queue
import re
import shutil
import threading
import time
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..common.errors import KitError, MirrorError, UnsafePackage, UsageError
from ..common.show import one_line
from . import cache
from .cache import File, Package

VARIABLE = "WORKSHOP_MIRROR"
NAME_VARIABLE = "WORKSHOP_NAME"
NAME_HEADER = "Workshop-Name"
PORT = 8321
KIT = "foundry-local-workshop"
CHUNK = 2**18  # one read from the network; what a killed client may have to fetch again
PIECES = 4
MAX_LIST_BYTES = 8 * 2**20
LISTED_FOR_S = 10.0
CONNECT_S = 3.0
STALL_S = 20.0
RETRY_S = 0.5
MAX_RETRY_S = 10.0
MAX_FAILURES = 6

Progress = Callable[[int], None]
Note = Callable[[str], None]


class Listing(BaseModel):
    """What a mirror says that it has."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    mirror: Literal["foundry-local-workshop"]
    version: Literal[1] = 1
    models: tuple[Package, ...] = Field(max_length=1000)


class Mirror:
    """A mirror at an address. Asking is cheap: what it has is remembered for some seconds."""

    def __init__(self, address: str, *, stall_s: float = STALL_S):
        self.url = parse_mirror_url(address)
        self._host = urllib.parse.urlsplit(self.url)
        self._stall_s = stall_s
        self._listed: tuple[float, list[Package] | MirrorError] | None = None

    def packages(self) -> list[Package]:
        """The models that it offers. Raises MirrorError when none answers, or what answers is no mirror or unsafe."""
        if self._listed is None or time.monotonic() - self._listed[0] > LISTED_FOR_S:
            try:
                found = self._listing()
            except MirrorError as error:
                found = error
            self._listed = (time.monotonic(), found)
        if isinstance(self._listed[1], MirrorError):
            raise self._listed[1]
        return self._listed[1]

    def fetch(
        self,
        package: Package,
        home: Path,
        target: Path,
        progress: Progress = lambda done: None,
        note: Note = lambda text: None,
    ) -> Path:
        """Bring a model into the cache `target`; returns its folder. What arrived of it earlier is not fetched again.

        Raises MirrorError when the mirror fails or serves something else than `package` says, KitError when the disk does.
        """
        folder, incoming = (
            package.folder(target),
            home / "incoming" / f"{package.name}-{package.version}",
        )
        try:
            with cache.download_lock(
                home, package.id, lambda: note("another process is fetching it; waiting for that")
            ):
                record = cache.read_record(folder)
                if (
                    record is None
                    or record.package.digest != package.digest
                    or cache.verify(folder, record)
                ):
                    _refuse_unwritable(folder.parent)
                    self._fetch_all(package, incoming, progress, note)
                    cache.write_record(incoming, package, "mirror")
                    shutil.rmtree(folder, ignore_errors=True)
                    incoming.replace(folder)
        except OSError as error:
            raise cache.disk_error(error, target, _kept(incoming, package)) from None
        progress(package.bytes)
        self._say_that_it_is_here(package)
        return folder

    def fetch_again(
        self,
        package: Package,
        name: str,
        home: Path,
        folder: Path,
        progress: Progress = lambda done: None,
        note: Note = lambda text: None,
    ) -> None:
        """Put one file of a model in place of a damaged one, and leave the others alone. Raises as `fetch`."""
        part = home / "incoming" / folder.name / f"{name}.part"
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            self._fetch_file(package, name, part, progress, note)
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            part.replace(folder / name)
            shutil.rmtree(home / "incoming" / folder.name, ignore_errors=True)
            self._say_that_it_is_here(package)
        except OSError as error:
            raise cache.disk_error(error, folder) from None

    def _fetch_all(self, package: Package, incoming: Path, progress: Progress, note: Note) -> None:
        _refuse_too_large(package, incoming)
        done = 0
        for name, expected in package.files.items():
            path = incoming / name
            if (
                not path.is_file()
                or path.stat().st_size != expected.bytes
                or cache.sha256(path) != expected.sha256
            ):
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_name(f"{path.name}.part")
                self._fetch_file(
                    package, name, part, lambda n, before=done: progress(before + n), note
                )
                part.replace(path)
            done += expected.bytes
        _refuse_false_name(package, incoming)

    def _fetch_file(
        self, package: Package, name: str, part: Path, progress: Progress, note: Note
    ) -> None:
        """Fetch one file into `part`, going on where an earlier attempt ended. Only what has the right hash stays."""
        expected = package.files[name]
        for kept in (True, False):
            resumed = kept and part.exists() and 0 < part.stat().st_size <= expected.bytes
            try:
                with (
                    part.open("r+b" if resumed else "w+b", buffering=0) as file,
                    _Hashing(_digest_of(file, progress)) as hashing,
                ):
                    self._receive_all(
                        f"/files/{package.id}/{name}", expected, file, hashing, progress, note
                    )
            finally:
                if part.stat().st_size == 0 < expected.bytes:
                    part.unlink()
            if hashing.digest.hexdigest() == expected.sha256:
                return
            part.unlink()
            if (
                not resumed
            ):  # else what was kept may be of another version: once more, from the start
                break
        raise MirrorError(
            f"The mirror at {self.url} serves other bytes of {name} ({package.alias}) than its hash says: refused, nothing of it is kept. "
            "Tell whoever runs it to try: python -m helpers verify"
        )

    def _receive_all(
        self, path: str, expected: File, file, hashing: "_Hashing", progress: Progress, note: Note
    ) -> None:
        failures = 0
        while (before := file.tell()) < expected.bytes:
            try:
                self._receive(path, expected, file, hashing, progress)
                continue
            except _Again as error:
                why = str(error)
            failures = 1 if file.tell() > before else failures + 1
            if failures >= MAX_FAILURES:
                raise MirrorError(
                    f"The mirror at {self.url} does not deliver ({why}). What has arrived is kept; the same command goes on from there."
                )
            wait_s = min(RETRY_S * 2 ** (failures - 1), MAX_RETRY_S)
            note(f"{why}: trying again in {wait_s:.1f} s")
            time.sleep(wait_s)
            note("")

    def _receive(
        self, path: str, expected: File, file, hashing: "_Hashing", progress: Progress
    ) -> None:
        """One request for the rest of a file. Raises _Again for what may pass by itself."""
        start = file.tell()
        with self._asked("GET", path, {"Range": f"bytes={start}-"} if start else {}) as answer:
            self._refuse_other_length(answer, path, start, expected)
            while (done := file.tell()) < expected.bytes:
                piece = hashing.piece()
                try:
                    count = answer.readinto(piece[: expected.bytes - done])
                except TimeoutError:
                    hashing.add(piece, 0)
                    raise _Again(f"nothing has come for {self._stall_s:.0f} s") from None
                except (OSError, http.client.HTTPException):
                    count = 0
                if count:
                    _write(file, piece[:count])
                hashing.add(piece, count)
                if not count:
                    raise _Again("the connection was cut")
                progress(done + count)

    def _refuse_other_length(
        self, answer: http.client.HTTPResponse, path: str, start: int, expected: File
    ) -> None:
        if answer.status in (429, 500, 502, 503, 504):
            raise _Again(f"it is busy (HTTP {answer.status})")
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.headers.get("Content-Range", ""))
        if (
            answer.status == 206
            and span
            and int(span[1]) == start
            and int(span[2]) == expected.bytes
        ):
            return
        if answer.status == 200 and start == 0 and answer.length == expected.bytes:
            return
        name = path.rpartition("/")[2]
        if answer.status == 404:
            raise MirrorError(
                f"The mirror at {self.url} does not have {name} any more; list what it has with: python -m helpers models"
            )
        raise MirrorError(
            f"The mirror at {self.url} answers with another size of {name} than its list says (HTTP {answer.status}): refused. "
            "Tell whoever runs it to try: python -m helpers verify"
        )

    def _listing(self) -> list[Package]:
        try:
            with self._asked("GET", "/manifest.json", {}) as answer:
                status, body = answer.status, answer.read(MAX_LIST_BYTES + 1)
        except (_Again, OSError, http.client.HTTPException) as error:
            raise MirrorError(
                f"No mirror answers at {self.url} ({error}); is it running there (python -m helpers mirror --host 0.0.0.0), and are you in its network?"
            ) from None
        if len(body) > MAX_LIST_BYTES:
            raise MirrorError(
                f"The list of the mirror at {self.url} is larger than {MAX_LIST_BYTES // 2**20} MB: refused."
            )
        try:
            content = json.loads(body)
            ours = status == 200 and content["mirror"] == KIT
        except (ValueError, TypeError, KeyError, RecursionError):
            ours = False
        if not ours:
            raise MirrorError(
                f"Something answers at {self.url}, but it is no mirror of this kit (HTTP {status}); check the address."
            )
        try:
            found = list(Listing.model_validate(content).models)
        except ValidationError as error:
            item = error.errors(include_url=False, include_context=False)[0]
            where = one_line(".".join(str(part) for part in item["loc"] if part != "[key]"), 120)
            raise MirrorError(
                f"The mirror at {self.url} offers what cannot be trusted, {where}: {one_line(item['msg'], 200)}. Nothing was fetched."
            ) from None
        if len({package.id for package in found}) < len(found) or len(
            {str(package.folder(Path()).as_posix()).lower() for package in found}
        ) < len(found):
            raise MirrorError(f"The mirror at {self.url} lists a model twice: refused.")
        return found

    def _asked(
        self, method: str, path: str, headers: dict[str, str], body: bytes | None = None
    ) -> "_Response":
        name = urllib.parse.quote(os.environ.get(NAME_VARIABLE, ""))[:200]
        connection = http.client.HTTPConnection(
            self._host.hostname, self._host.port or 80, timeout=CONNECT_S
        )
        try:
            connection.connect()
            connection.sock.settimeout(self._stall_s)
            connection.request(
                method,
                urllib.parse.quote(path),
                body,
                {**headers, **({NAME_HEADER: name} if name else {})},
            )
            return _Response(connection)
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise _Again(
                f"no answer from {self._host.netloc}: {getattr(error, 'strerror', None) or error or type(error).__name__}"
            ) from None

    def _say_that_it_is_here(self, package: Package) -> None:
        """For the live page of the room; whether anybody listens does not matter."""
        try:
            with self._asked(
                "POST",
                "/have",
                {"Content-Type": "application/json"},
                json.dumps({"model": package.id}).encode(),
            ):
                pass
        except (_Again, OSError, http.client.HTTPException):
            pass


class _Hashing:
    """SHA-256 in a thread, beside receiving and writing, over a few pieces of memory that go round."""

    def __init__(self, digest):
        self.digest = digest
        self._free: queue.SimpleQueue[memoryview] = queue.SimpleQueue()
        self._filled: queue.SimpleQueue[tuple[memoryview, int] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        for _ in range(PIECES):
            self._free.put(memoryview(bytearray(CHUNK)))

    def piece(self) -> memoryview:
        """Memory to fill; give it back with `add`."""
        return self._free.get()

    def add(self, piece: memoryview, count: int) -> None:
        """Take the first `count` bytes of a piece into the hash."""
        self._filled.put((piece, count))

    def _work(self) -> None:
        while (filled := self._filled.get()) is not None:
            piece, count = filled
            self.digest.update(piece[:count])
            self._free.put(piece)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._filled.put(None)
        self._thread.join()


class _Again(Exception):
    """Something that may pass when it is tried again."""


class _Response:
    """The answer on a connection of its own, which ends with it."""

    def __init__(self, connection: http.client.HTTPConnection):
        self._connection = connection

    def __enter__(self) -> http.client.HTTPResponse:
        try:
            return self._connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise _Again(f"no answer: {error or type(error).__name__}") from None

    def __exit__(self, *_):
        self._connection.close()


def mirror_from_env(address: str | None) -> Mirror | None:
    """The mirror at `address`, else at the one in `WORKSHOP_MIRROR`, else None."""
    address = address or os.environ.get(VARIABLE)
    return Mirror(address) if address else None


def parse_mirror_url(address: str) -> str:
    """An address as `http://host:port`. Raises UsageError for what is none."""
    text = address.strip()
    parts = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
    try:
        valid = (
            parts.scheme == "http"
            and parts.hostname
            and parts.path in ("", "/")
            and not parts.query
            and "@" not in parts.netloc
            and (parts.port or True)
        )
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(
            f"'{address}' is no address of a mirror; expected something like http://192.168.1.20:{PORT}"
        )
    return f"http://{parts.netloc}"


def _write(file, piece: memoryview) -> None:
    while piece:
        piece = piece[file.write(piece) :]


def _digest_of(file, progress: Progress):
    """SHA-256 of what a file holds, leaving its position at the end."""
    digest, piece = hashlib.sha256(), memoryview(bytearray(CHUNK))
    while count := file.readinto(piece):
        digest.update(piece[:count])
        progress(file.tell())
    return digest


def _refuse_unwritable(folder: Path) -> None:
    """Raises OSError for a folder into which nothing can be put: better now than after gigabytes."""
    folder.mkdir(parents=True, exist_ok=True)
    probe = folder / f".write-test-{os.getpid()}"
    probe.touch()
    probe.unlink()


def _refuse_too_large(package: Package, incoming: Path) -> None:
    incoming.mkdir(parents=True, exist_ok=True)
    missing, free = package.bytes - _arrived(incoming), shutil.disk_usage(incoming).free
    if missing > free:
        raise KitError(
            f"{package.alias} needs {missing / 1e6:,.0f} MB more and {free / 1e6:,.0f} MB are free in {incoming.parent.parent}; "
            "free some space, or name another disk in WORKSHOP_HOME."
        )


def _refuse_false_name(package: Package, incoming: Path) -> None:
    """Foundry Local believes `inference_model.json` about which model a folder holds; it must not take another one's place."""
    try:
        name = json.loads((incoming / "inference_model.json").read_text(encoding="utf-8"))["Name"]
    except (OSError, ValueError, KeyError, TypeError):
        name = None
    if name != package.id:
        shutil.rmtree(incoming)
        raise UnsafePackage(
            f"{package.alias}: its inference_model.json does not say that it is {package.id}; refused, nothing of it is kept."
        )


def _arrived(incoming: Path) -> int:
    return (
        sum(path.stat().st_size for path in incoming.rglob("*") if path.is_file())
        if incoming.is_dir()
        else 0
    )


def _kept(incoming: Path, package: Package) -> str:
    return f" {_arrived(incoming) / 1e6:,.1f} of {package.bytes / 1e6:,.1f} MB of {package.alias} are kept and will not be fetched again."
