"""Fetch models from the classroom mirror: list what it has, bring it here, verified and resumable.

It is checked before it touches the cache. A mirror in the room is never asked through a proxy.
"""

import contextlib
import http.client
import json
import os
import shutil
import time
import urllib.parse
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from io import FileIO
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator

from ..common.errors import MirrorError, UnsafePackage, UsageError
from ..common.files import make_writable, replace, replace_folder
from ..common.foreign import clean, remember_address
from ..common.validation import Strict, explain
from . import cache
from .cache import Note, Package, Progress, ignore

VARIABLE = "WORKSHOP_MIRROR"
NAME_VARIABLE = "WORKSHOP_NAME"
NAME_HEADER = "Workshop-Name"
PORT = 8321
KIT = "foundry-local-workshop"
CHUNK = 2**18  # one read from the network; what a killed client may have to fetch again
MAX_LIST_BYTES = 2**20  # what is longer is cut off, and so no list
LISTED_FOR_S = 10.0
CONNECT_S = 3.0
STALL_S = 20.0
RETRY_S = 0.5
MAX_RETRY_S = 10.0
MAX_FAILURES = 6
MIN_BYTES = 2**16  # fewer than these count as nothing when an attempt fails
TRY_VERIFY = "Tell whoever runs it to try: python -m helpers verify"


class Listing(Strict):
    """Describe what a mirror says that it has."""

    mirror: Literal["foundry-local-workshop"]
    version: Literal[1] = 1
    models: tuple[Package, ...] = Field(max_length=1000, fail_fast=True)

    @field_validator("models")
    @classmethod
    def _differ(cls, models: tuple[Package, ...]) -> tuple[Package, ...]:
        # Names that differ in case alone share a folder on some systems. Ids are file names too.
        for kind in (lambda p: p.folder(Path()).as_posix(), lambda p: p.id):
            if len({kind(package).lower() for package in models}) < len(models):
                raise ValueError("a model is listed twice")
        return models


class Mirror:
    """Talk to the mirror at an address. Its list is remembered for some seconds."""

    def __init__(self, address: str, *, stall_s: float = STALL_S):
        self.url = parse_mirror_url(address)
        self._host = urllib.parse.urlsplit(self.url)
        self._stall_s = stall_s
        self._listed_at = float("-inf")
        self._listed: list[Package] | MirrorError = []

    def packages(self) -> list[Package]:
        """Return what the mirror offers. Raises MirrorError without a list that can be trusted."""
        if time.monotonic() - self._listed_at > LISTED_FOR_S:
            try:
                self._listed = self._list()
            except MirrorError as error:
                self._listed = error
            self._listed_at = time.monotonic()
        if isinstance(self._listed, MirrorError):
            raise self._listed
        return self._listed

    def fetch(
        self,
        package: Package,
        home: Path,
        target: Path,
        progress: Progress = ignore,
        note: Note = ignore,
    ) -> Path:
        """Bring a model into the cache `target`, on from what has arrived; return its folder.

        Raises MirrorError when the mirror fails or breaks its word, KitError when the disk fails.
        """
        folder = package.folder(target)
        incoming = home / "incoming" / folder.name
        try:
            with cache.download_lock(home, package.id, note):
                if not _is_here(package, folder):
                    make_writable(folder.parent)  # fail now, not after gigabytes
                    self._fetch_all(package, incoming, progress, note)
                    cache.write_record(incoming, package, "mirror")
                    replace_folder(folder, incoming)
        except OSError as error:
            raise cache.disk_error(error, target, _kept(incoming, package)) from None
        progress(package.bytes)
        self._report_arrival(package)
        return folder

    def _fetch_all(self, package: Package, incoming: Path, progress: Progress, note: Note) -> None:
        incoming.mkdir(parents=True, exist_ok=True)
        missing = {problem.file for problem in cache.problems(incoming, package)}
        done = 0
        for name, expected in package.files.items():
            if name in missing:
                part = incoming / f"{name}.part"
                part.parent.mkdir(parents=True, exist_ok=True)
                self._fetch_file(package, name, part, _after(done, progress), note)
                replace(part, incoming / name)
            done += expected.bytes
        _refuse_false_name(package, incoming)

    def _fetch_file(
        self, package: Package, name: str, part: Path, progress: Progress, note: Note
    ) -> None:
        """Fetch one file into `part`, on from what is there. Keep it only if its hash is right."""
        expected = package.files[name]
        resumed = part.exists() and 0 < part.stat().st_size <= expected.bytes
        with FileIO(part, "a" if resumed else "w") as file:
            path = f"/files/{package.id}/{name}"
            self._receive_all(path, expected.bytes, file, progress, note)
        if cache.sha256(part) == expected.sha256:
            return
        part.unlink()
        if resumed:  # the start may belong to another version: once more, from the beginning
            return self._fetch_file(package, name, part, progress, note)
        raise MirrorError(
            f"The mirror at {self.url} serves other bytes of {name} ({package.alias}) than its "
            f"hash says: refused, nothing of it is kept. {TRY_VERIFY}"
        )

    def _receive_all(
        self, path: str, size: int, file: FileIO, progress: Progress, note: Note
    ) -> None:
        failures = 0
        while (before := file.tell()) < size:
            try:
                self._receive(path, size, file, progress)
            except _TryAgain as error:
                failures = 1 if file.tell() > before + MIN_BYTES else failures + 1
                if failures >= MAX_FAILURES:
                    raise MirrorError(
                        f"The mirror at {self.url} does not deliver ({error}). "
                        "What has arrived is kept; the same command goes on from there."
                    ) from None
                wait_s = min(RETRY_S * 2 ** (failures - 1), MAX_RETRY_S)
                note(f"{error}: trying again in {wait_s:.1f} s")
                time.sleep(wait_s)
                note("")

    def _receive(self, path: str, size: int, file: FileIO, progress: Progress) -> None:
        """Ask once for the rest of a file. Raises _TryAgain for what may pass by itself."""
        start = file.tell()
        with self._request("GET", path, f"bytes={start}-") as answer:
            self._check_range(answer, path, f"bytes {start}-{size - 1}/{size}")
            while missing := size - file.tell():
                try:
                    piece = answer.read1(min(missing, CHUNK))
                except TimeoutError:
                    raise _TryAgain(f"nothing has come for {self._stall_s:.0f} s") from None
                except (OSError, HTTPException):
                    piece = b""
                if not piece:
                    raise _TryAgain("the connection was cut")
                while piece:
                    piece = piece[file.write(piece) :]
                progress(file.tell())

    def _check_range(self, answer: HTTPResponse, path: str, span: str) -> None:
        """Raise MirrorError, or _TryAgain, unless the answer is the rest of the file."""
        if answer.status == 206 and answer.headers["Content-Range"] == span:
            return
        if answer.status in (429, 500, 502, 503, 504):
            raise _TryAgain(f"it is busy (HTTP {answer.status})")
        name = path.rpartition("/")[2]
        if answer.status == 404:
            raise MirrorError(
                f"The mirror at {self.url} does not have {name} any more; "
                "list what it has with: python -m helpers models"
            )
        raise MirrorError(
            f"The mirror at {self.url} answers with another size of {name} than its list says "
            f"(HTTP {answer.status}): refused. {TRY_VERIFY}"
        )

    def _list(self) -> list[Package]:
        try:
            with self._request("GET", "/manifest.json") as answer:
                status, body = answer.status, answer.read(MAX_LIST_BYTES)
        except (_TryAgain, OSError, HTTPException) as error:
            raise MirrorError(
                f"No mirror answers at {self.url} ({error}); is it running there "
                "(python -m helpers mirror --host 0.0.0.0), and are you in its network?"
            ) from None
        if status != 200 or KIT.encode() not in body:
            raise MirrorError(
                f"Something answers at {self.url}, but it is not a mirror of this kit "
                f"(HTTP {status}); check the address."
            )
        try:
            return list(Listing.model_validate_json(body).models)
        except ValidationError as error:
            raise MirrorError(
                f"The mirror at {self.url} offers what cannot be trusted, "
                f"{clean(explain(error))}. Nothing was fetched."
            ) from None

    @contextlib.contextmanager
    def _request(self, method: str, path: str, span: str = "") -> Iterator[HTTPResponse]:
        """Send one request, by raw reads: httpx2 reached six tenths of their speed."""
        name = urllib.parse.quote(os.environ.get(NAME_VARIABLE, ""))
        headers = {"Range": span, NAME_HEADER: name}
        connection = http.client.HTTPConnection(self._host.netloc, timeout=CONNECT_S)
        with contextlib.closing(connection):
            try:
                connection.connect()
                connection.sock.settimeout(self._stall_s)
                connection.request(method, urllib.parse.quote(path), headers=headers)
                answer = connection.getresponse()
            except (OSError, HTTPException) as error:
                raise _TryAgain(f"no answer from {self._host.netloc}: {clean(error)}") from None
            yield answer

    def _report_arrival(self, package: Package) -> None:
        """Tell the live page of the room. It does not matter whether the mirror hears it."""
        with (
            contextlib.suppress(_TryAgain, OSError, HTTPException),
            self._request("POST", f"/have/{package.id}"),
        ):
            pass


class _TryAgain(Exception):
    """Report a failure that may pass when the request is sent again."""


def mirror_from_env(address: str | None) -> Mirror | None:
    """Return the mirror at `address`, else the one in `WORKSHOP_MIRROR`, else None."""
    address = address or os.environ.get(VARIABLE)
    return Mirror(address) if address else None


def parse_mirror_url(address: str) -> str:
    """Return an address as `http://host:port`. Raises UsageError when it is not one."""
    remember_address(address)
    text = address.strip()
    with contextlib.suppress(ValueError):  # a port that is not a number, for instance
        parts = urllib.parse.urlsplit(text if "://" in text else f"http://{text}")
        plain = parts.path in ("", "/") and not parts.query and "@" not in parts.netloc
        if parts.scheme == "http" and parts.hostname and parts.port != 0 and plain:
            return f"http://{parts.netloc}"
    raise UsageError(
        f"'{clean(address, 100)}' is not the address of a mirror; "
        f"expected something like http://192.168.1.20:{PORT}"
    )


def _after(done: int, progress: Progress) -> Progress:
    return lambda more: progress(done + more)


def _is_here(package: Package, folder: Path) -> bool:
    record = cache.read_record(folder)
    if record is None or record.package.digest != package.digest:
        return False
    return not cache.verify(folder, record)


def _refuse_false_name(package: Package, incoming: Path) -> None:
    """Refuse a model that Foundry Local would take for another: it believes that file."""
    try:
        name = json.loads((incoming / "inference_model.json").read_text(encoding="utf-8"))["Name"]
    except (OSError, ValueError, KeyError, TypeError):
        name = None
    if name != package.id:
        shutil.rmtree(incoming)
        raise UnsafePackage(
            f"{package.alias}: its inference_model.json does not say that it is {package.id}; "
            "refused, nothing of it is kept."
        )


def _kept(incoming: Path, package: Package) -> str:
    arrived = sum(path.stat().st_size for path in incoming.rglob("*") if path.is_file())
    kept = f"{arrived / 1e6:,.1f} of {package.bytes / 1e6:,.1f} MB of {package.alias}"
    return f" {kept} are kept and will not be fetched again."
