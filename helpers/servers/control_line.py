"""Agree on how the runtime's process and its callers find and understand each other.

A message is JSON over an authenticated loopback `multiprocessing.connection`. A request is
`{"do": NAME, "with": {argument: value}}`. The answer is any number of
`{"progress": percent, "note": text}`, then `{"ok": value}` or `{"error": text}`.
"""

import hashlib
import json
import os
from multiprocessing.connection import Connection
from pathlib import Path

import psutil

from ..common.paths import BUILT_IN_MODELS, model_cache
from ..models import cache

# What a caller may ask for: methods of `service.SdkRuntime`.
ACTIONS = {"hello", "list", "providers", "load", "unload", "download", "record", "register"}
ACTIONS |= {"arrived", "remove"}
STATE_FILE, LOCK_FILE, LOG_FILE = "service.json", "service.lock", "service.log"
SERVED_CODE = ("control_line.py", "service.py", "catalog.py", "fetch.py", "templates/*")


def send(connection: Connection, message: dict) -> None:
    """Send one message. Raises OSError when the other side has gone."""
    connection.send_bytes(json.dumps(message).encode())


def receive(connection: Connection) -> dict:
    """Wait for one message. Raises EOFError or OSError when the other side has gone."""
    return json.loads(connection.recv_bytes())


def write_state(folder: Path, address: tuple[str, int], key: bytes) -> None:
    """Write where the service of a folder listens, readable by this user only: the key is in it."""
    state = {
        "pid": os.getpid(),
        "create_time": psutil.Process().create_time(),
        "address": list(address),
        "key": key.hex(),
        "fingerprint": fingerprint(),
    }
    fresh = folder / f"{STATE_FILE}.tmp"
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(json.dumps(state).encode())
    fresh.replace(folder / STATE_FILE)


def read_state(folder: Path) -> dict:
    """Read what `write_state` wrote. Raises OSError or ValueError when there is nothing to read."""
    return json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))


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
