"""Agree on how the runtime's process and its callers find and understand each other.

A message is JSON over an authenticated loopback `multiprocessing.connection`. A request is
`{"do": NAME, "with": {argument: value}}`. The answer is any number of
`{"progress": percent, "note": text}`, then `{"ok": value}` or `{"error": text}`.
"""

import hashlib
import json
import os
import tempfile
from multiprocessing.connection import Connection, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any

import msgspec

from ..common.files import replace
from ..common.paths import BUILT_IN_MODELS, model_cache
from ..models import cache

# What a caller may ask for: methods of `service.SdkRuntime`.
ACTIONS = {"list", "providers", "load", "unload", "download", "record", "register"}
ACTIONS |= {"arrived", "remove"}
STATE_FILE, LOCK_FILE, LOG_FILE = "service.json", "service.lock", "service.log"
HANDSHAKE_S = 5.0
SERVED_CODE = ("control_line.py", "service.py", "catalog.py", "fetch.py", "templates/*")


def send(connection: Connection, message: dict) -> None:
    """Send one message. Raises OSError when the other side has gone."""
    connection.send_bytes(json.dumps(message).encode())


def receive(connection: Connection) -> dict:
    """Wait for one message. Raises EOFError or OSError when the other side has gone."""
    return json.loads(connection.recv_bytes())


def shake_hands(connection: Connection, key: bytes, *, service: bool) -> None:
    """Prove to each other that both sides know the key; neither waits long for a silent one.

    Only the service that wrote the state file knows it: clock, port and process number may change.
    Raises OSError, EOFError, AssertionError or AuthenticationError when the other side does not.
    """
    prompt: Any = _Prompt(connection)
    steps = [deliver_challenge, answer_challenge]
    for step in steps if service else reversed(steps):
        step(prompt, key)


class _Prompt:
    """Give a connection whose answers have to come soon."""

    def __init__(self, connection: Connection):
        self.send_bytes, self._connection = connection.send_bytes, connection

    def recv_bytes(self, limit: int) -> bytes:
        if not self._connection.poll(HANDSHAKE_S):
            raise EOFError
        return self._connection.recv_bytes(limit)


class State(msgspec.Struct, frozen=True):
    """Say where the service of a folder listens and what it is."""

    pid: int
    address: tuple[str, int]
    key: str  # hexadecimal
    fingerprint: str
    base_url: str = ""  # of the web service, without `/v1`
    name: str = ""  # and version of the runtime
    azure_note: str = ""  # whether the Azure catalog could be reached at the start


def write_state(folder: Path, **about: Any) -> None:
    """Write the state file, which has the key: a temporary file is its owner's alone."""
    state = State(os.getpid(), fingerprint=fingerprint(), **about)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(msgspec.json.encode(state))
    replace(Path(file.name), folder / STATE_FILE)


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
