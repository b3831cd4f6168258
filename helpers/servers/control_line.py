"""Agree on how the runtime's process and its callers find and understand each other.

A message is JSON over a loopback `multiprocessing.connection`, after `shake_hands`. A request is
`{"do": NAME, "with": {argument: value}}`. The answer is any number of
`{"progress": percent, "note": text}`, then `{"ok": value}` or `{"error": text}`.
"""

import hashlib
import hmac
import json
import os
import secrets
import socket
import tempfile
from multiprocessing.connection import Connection
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
HANDSHAKE_S, DIGEST_BYTES = 5.0, 32
SERVED_CODE = ("control_line.py", "service.py", "catalog.py", "templates/*")


def send(connection: Connection, message: dict) -> None:
    """Send one message. Raises OSError when the other side has gone."""
    connection.send_bytes(json.dumps(message).encode())


def receive(connection: Connection) -> dict:
    """Wait for one message. Raises EOFError or OSError when the other side has gone."""
    return json.loads(connection.recv_bytes())


def shake_hands(sock: socket.socket, key: bytes, me: str, other: str) -> Connection:
    """Return the connection of a socket when both sides have proved that they know the key.

    Only the service that wrote the state file knows it: clock, port and process number may change.
    Raises OSError for another key, for no answer in time, or for anything else that answers.
    """
    sock.settimeout(HANDSHAKE_S)
    question = secrets.token_bytes(DIGEST_BYTES)
    sock.sendall(question)
    sock.sendall(_proof(key, me, _receive_digest(sock)))
    if not hmac.compare_digest(_receive_digest(sock), _proof(key, other, question)):
        raise OSError("the other side does not have the key")
    sock.settimeout(None)
    return Connection(sock.detach())


def _receive_digest(sock: socket.socket) -> bytes:
    content = b""
    while len(content) < DIGEST_BYTES:
        piece = sock.recv(DIGEST_BYTES - len(content))
        if not piece:
            raise OSError("the other side has gone")
        content += piece
    return content


def _proof(key: bytes, who: str, question: bytes) -> bytes:
    return hmac.digest(key, who.encode() + question, "sha256")


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
    digest.update(f"{model_cache()} {os.environ.get('WORKSHOP_CATALOG')}".encode())
    return digest.hexdigest()
