"""Agree on how the runtime's process and its callers find and understand each other.

A message is JSON over an authenticated loopback `multiprocessing.connection`. A request is
`{"do": NAME, "with": {argument: value}}`. The answer is any number of
`{"progress": percent, "note": text}`, then `{"ok": value}` or `{"error": text}`.
"""

import hashlib
import json
import os
import tempfile
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any

import msgspec
import psutil

from ..common.paths import BUILT_IN_MODELS, model_cache
from ..models import cache

# What a caller may ask for: methods of `service.SdkRuntime`.
ACTIONS = {"list", "providers", "load", "unload", "download", "record", "register"}
ACTIONS |= {"arrived", "remove"}
HANDSHAKE_S = 10.0
STATE_FILE, LOCK_FILE, LOG_FILE = "service.json", "service.lock", "service.log"
SERVED_CODE = ("control_line.py", "service.py", "catalog.py", "fetch.py", "templates/*")


def send(connection: Connection, message: dict) -> None:
    """Send one message. Raises OSError when the other side has gone."""
    connection.send_bytes(json.dumps(message).encode())


def receive(connection: Connection) -> dict:
    """Wait for one message. Raises EOFError or OSError when the other side has gone."""
    return json.loads(connection.recv_bytes())


class _InTime:
    """Let the standard library's handshake read a connection, which must not stay silent."""

    def __init__(self, connection: Connection):
        self._connection, self.send_bytes = connection, connection.send_bytes

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        if not self._connection.poll(HANDSHAKE_S):
            raise AuthenticationError("silent")
        return self._connection.recv_bytes(maxlength)


def check_key(connection: Connection, key: bytes) -> None:
    """Prove to each other that both sides have the key, as `Client(address, authkey)` expects it.

    Raises AuthenticationError, also when the other side says nothing for HANDSHAKE_S.
    """
    line: Any = _InTime(connection)
    deliver_challenge(line, key)
    answer_challenge(line, key)


class State(msgspec.Struct, frozen=True):
    """Say where the service of a folder listens and what it is."""

    pid: int
    create_time: float
    address: tuple[str, int]
    key: str  # hexadecimal
    fingerprint: str
    base_url: str = ""  # of the web service, without `/v1`
    name: str = ""  # and version of the runtime
    azure_note: str = ""  # whether the Azure catalog could be reached at the start


def write_state(folder: Path, **about: Any) -> None:
    """Write the state file, which has the key: a temporary file is its owner's alone."""
    created = psutil.Process().create_time()
    state = State(os.getpid(), created, fingerprint=fingerprint(), **about)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(msgspec.json.encode(state))
    Path(file.name).replace(folder / STATE_FILE)


def fingerprint() -> str:
    """Identify what a service serves: this code, the built-in models, and its settings."""
    here = Path(__file__).parent
    files = sorted(path for name in SERVED_CODE for path in here.glob(name))
    digest = hashlib.sha256()
    for path in (*files, Path(cache.__file__), BUILT_IN_MODELS / "manifest.json"):
        digest.update(path.read_bytes())
    settings = [os.environ.get(name) for name in ("WORKSHOP_CATALOG", "WORKSHOP_PORT")]
    digest.update(f"{model_cache()} {settings}".encode())
    return digest.hexdigest()
