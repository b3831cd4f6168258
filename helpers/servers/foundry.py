"""Find the Foundry Local service of this checkout, start it, and ask it for things.

The service itself is `helpers.servers.service`, a process of its own. A `Runtime` holds one
connection to it. The service lives as long as any connection is open and ends by itself some
minutes after the last has closed, so nothing is left behind.
"""

import contextlib
import functools
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import psutil

from ..common.errors import KitError, RuntimeStopped, plain
from ..common.foreign import mask
from ..common.paths import PROJECT, home, service_folder
from ..common.templates import paragraph
from ..models.cache import Note, Progress, ignore
from . import control_line
from .control_line import ACTIONS, LOG_FILE, STATE_FILE, State, fingerprint, receive, send

START_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0
DEATH_S = 0.5
SECRET = "(?i)(key|token|secret|password)$|^FOUNDRY_LOCAL_ENDPOINT$"  # names of variables
NO_WINDOW = 0
if sys.platform == "win32":
    NO_WINDOW = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW

_children: dict[int, subprocess.Popen] = {}  # kept for their exit codes


class Runtime:
    """Hold a connection to this checkout's Foundry Local service, which it starts if need be.

    Its `ACTIONS` are methods here, as `service.SdkRuntime` describes them: `runtime.load(name)`.
    They raise KitError with the service's reason. `download` also takes `progress` and `note`,
    called with percent and remarks; Ctrl-C cancels it, and a later call resumes.
    """

    # As `State` describes them; they change when the service restarts.
    base_url: str
    pid: int
    name: str
    azure_note: str

    def __init__(self, folder: Path | None = None):
        self._folder = folder or service_folder()
        self._connection: Connection | None = None
        self._state: State
        self._lock = threading.RLock()
        self._connected()

    def __getattr__(self, name: str) -> Any:
        if name in ACTIONS:
            return functools.partial(self._call, name)
        if name in Runtime.__annotations__:
            self._connected()
            return getattr(self._state, name)
        raise AttributeError(f"the runtime has no '{name}', only {', '.join(sorted(ACTIONS))}")

    def died(self) -> str | None:
        """Say what happened when the process ended without being asked to; None while it lives."""
        if not self._lock.acquire(timeout=DEATH_S):
            return None  # another thread waits for an answer, so it would have heard of the end
        try:
            # No answer is due, so all that can be read is the end.
            if self._connection and not self._connection.poll(DEATH_S):
                return None
            self.close()
            return self._obituary()
        finally:
            self._lock.release()

    def stop(self) -> None:
        """End the service and wait until its process is gone."""
        _stop(self._connected(), self._state)
        self.close()

    def close(self) -> None:
        """Give up this connection; the service goes on as long as others hold one."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def _connected(self) -> Connection:
        if self._connection is None:  # else nobody waits for a long download to end
            with self._lock:
                if self._connection is None:
                    self._connection, self._state = find(self._folder) or _start(self._folder)
        return self._connection

    def _call(
        self,
        action: str,
        name: str | None = None,
        progress: Progress = ignore,
        note: Note = ignore,
        **more: str,
    ) -> Any:
        arguments = {"name": name, **more} if name else more
        with self._lock:  # one question at a time: a notebook may ask from several threads
            connection = self._connected()
            try:
                send(connection, {"do": action, "with": arguments})
                while "progress" in (answer := receive(connection)):
                    progress(answer["progress"])
                    note(answer["note"])
            except KeyboardInterrupt:
                # The service takes a closed line as a cancel, and its answer under way cannot be
                # mistaken for the next one.
                self.close()
                raise
            except (OSError, EOFError):
                self.close()
                during = f"during '{action}{f' {name}' if name else ''}'"
                raise RuntimeStopped(self._obituary(during)) from None
        if "error" in answer:
            reason = plain(answer["error"])
            raise KitError(f"Foundry Local could not {action} {name or ''}: {reason}")
        return answer["ok"]

    def _obituary(self, during: str = "") -> str:
        code = None
        if child := _children.get(self._state.pid):
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = child.wait(DEATH_S)
        return paragraph(
            "servers/ended.jinja", code=code, during=during, log=self._folder / LOG_FILE
        )


@contextlib.contextmanager
def private_service() -> Iterator[Runtime]:
    """Run a service that nothing else uses, so that its memory is that of one model."""
    with tempfile.TemporaryDirectory(prefix="workshop-", ignore_cleanup_errors=True) as folder:
        runtime = Runtime(Path(folder) / "service")
        process = psutil.Process(runtime.pid)
        try:
            yield runtime
        finally:
            runtime.close()
            process.kill()  # an orderly end takes two seconds and would save nothing
            process.wait(STOP_LIMIT_S)


def find(folder: Path | None = None) -> tuple[Connection, State] | None:
    """Return a connection to the running service and its state; stop one of other code."""
    if not (state := _read_state(folder or service_folder())):
        return None
    try:
        with socket.create_connection(state.address, control_line.HANDSHAKE_S) as sock:
            # Another program may have the port by now.
            key = bytes.fromhex(state.key)
            connection = control_line.shake_hands(sock, key, "client", "service")
    except (OSError, ValueError):
        return None
    if state.fingerprint == fingerprint():
        return connection, state
    _stop(connection, state)
    return None


def stop_service() -> bool:
    """End this checkout's service, also one that does not answer; False when none was running."""
    if found := find():
        _stop(*found)
        return True
    state = _read_state(service_folder())
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(state.pid) if state else None
        if process and str(service_folder()) in process.cmdline():  # else the number is another's
            process.kill()
            return True
    return False


def _read_state(folder: Path) -> State | None:
    try:
        return msgspec.json.decode((folder / STATE_FILE).read_bytes(), type=State)
    except (OSError, ValueError):
        return None


def _start(folder: Path) -> tuple[Connection, State]:
    child = _spawn(folder)
    pause_s, deadline = 0.02, time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if found := find(folder):  # ours, or that of a process which started one meanwhile
            return found
        if child.poll():
            raise KitError(f"Foundry Local did not start: {_last_line(folder / LOG_FILE)}")
        time.sleep(pause_s)
        if child.poll() == 0:
            # Another service held the folder: it is about to be found, or about to be gone.
            child, pause_s = _spawn(folder), min(2 * pause_s, 5.0)
    raise KitError(
        f"Foundry Local did not start within {START_LIMIT_S:.0f} s; end what is left of it with: "
        f"python -m helpers stop. Its log: {folder / LOG_FILE}"
    )


def _spawn(folder: Path) -> subprocess.Popen:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        log = (folder / LOG_FILE).open("ab")
    except OSError as error:
        raise KitError(
            f"The kit's folder {folder} cannot be written ({error.strerror}); "
            "name another one in the variable WORKSHOP_HOME."
        ) from None
    with log:
        child = subprocess.Popen(
            [sys.executable, "-m", "helpers.servers.service", str(folder)],
            cwd=PROJECT,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal is for the caller, not for the service
            creationflags=NO_WINDOW,
        )
    _children[child.pid] = child
    return child


def _environment() -> dict[str, str]:
    """Return the service's environment: no keys, loopback direct, no telemetry, the same home."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not (re.search(SECRET, name) or mask(value) != value) or name.lower().endswith("_proxy")
    }
    configured = os.environ.get("NO_PROXY") or os.environ.get("no_proxy")
    direct = ",".join(filter(None, [configured, "127.0.0.1,localhost"]))
    settings = {"NO_PROXY": direct, "no_proxy": direct, "WORKSHOP_HOME": str(home())}
    return inherited | settings | {"ORT_TELEMETRY_DISABLED": "1", "PYTHONUTF8": "1"}


def _stop(connection: Connection, state: State) -> None:
    try:
        process = psutil.Process(state.pid)
        with connection:
            send(connection, {"do": "stop"})
        process.wait(STOP_LIMIT_S)
    except (OSError, EOFError, psutil.NoSuchProcess):
        pass
    except psutil.TimeoutExpired:
        process.kill()


def _last_line(path: Path) -> str:
    text = path.read_text(encoding="utf-8", errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else f"it wrote nothing to {path}"
