"""Foundry Local from a caller's side: find the running service of this checkout or start it, and ask it for things.

The service itself is `helpers.service`, a process of its own. A `Runtime` holds one connection to it; as long as any is
open the service lives, and some minutes after the last has closed it ends by itself, so nothing is left behind.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from pathlib import Path

import psutil

from . import service
from .errors import KitError, plain
from .paths import PROJECT, service_folder

START_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0


class RuntimeStopped(KitError):
    """The service process ended while it was needed; the next call starts it again."""


class Runtime:
    """A connection to this checkout's Foundry Local service, started when it is not running."""

    def __init__(self, folder: Path | None = None):
        self._folder = folder or service_folder()
        self._connection: Connection | None = None
        self._hello: dict = {}
        self._connect()

    @property
    def base_url(self) -> str:
        """Address of the web service, without `/v1`. It changes when the service had to be started again."""
        return self._about()["base_url"]

    @property
    def name(self) -> str:
        """Name and version of the runtime, from the installed package."""
        return self._about()["runtime"]

    @property
    def azure_note(self) -> str:
        """Whether the Azure catalog could be reached when the service started."""
        return self._about()["azure"]["note"]

    @property
    def pid(self) -> int:
        """Process id of the service, for measuring its memory."""
        return self._about()["pid"]

    def list(self) -> list[dict]:
        """One row for each model of the catalogs: alias, id, license, size_mb, device, cached, loaded and more."""
        return self._call("list")

    def providers(self) -> dict[str, bool]:
        """Execution providers for GPU or NPU that this machine could use, and whether each is ready. Fetching one takes minutes."""
        return self._call("providers")

    def load(self, alias: str) -> float:
        """Load a cached model; returns the seconds that the runtime's own load call took."""
        return self._call("load", alias)

    def unload(self, alias: str) -> None:
        """Free a model's memory."""
        self._call("unload", alias)

    def download(self, alias: str, progress: Callable[[float], None] = lambda percent: None) -> Path:
        """Fetch a model into the cache, calling `progress` with percent; returns its folder.

        Interrupting it (Ctrl-C) cancels the download and keeps what is there; a later call resumes.
        """
        return Path(self._call("download", alias, progress))

    def register(self, model_id: str, folder: Path) -> None:
        """Put an ONNX GenAI folder into the local catalog under this id (`NAME-generic-cpu:1`); an older registration gives way."""
        self._call("register", model_id, folder=str(folder))

    def stop(self) -> None:
        """End the service and wait until its process is gone."""
        _stop(self._connection, self.pid)
        self.close()

    def close(self) -> None:
        """Give up this connection; the service goes on as long as others hold one."""
        if self._connection:
            self._connection.close()
        self._connection = None

    def _about(self) -> dict:
        if self._connection is None:
            self._connect()
        return self._hello

    def _connect(self) -> None:
        self._connection = find(self._folder) or _start(self._folder)
        self._hello = self._call("hello")

    def _call(self, action: str, alias: str | None = None, progress: Callable[[float], None] | None = None, **more):
        if self._connection is None:
            self._connect()
        try:
            self._connection.send_bytes(json.dumps({"do": action, **({"alias": alias} if alias else {}), **more}).encode())
            answer = self._receive(progress)
        except (OSError, EOFError):
            self.close()
            raise RuntimeStopped(
                f"Foundry Local's process ended during '{action}{f' {alias}' if alias else ''}', most often for want of memory; "
                f"the next call starts it again. Its log: {self._folder / 'service.log'}"
            ) from None
        if "error" in answer:
            raise KitError(f"Foundry Local could not {action} {alias or ''}: {plain(answer['error'])}")
        return answer["ok"]

    def _receive(self, progress: Callable[[float], None] | None) -> dict:
        try:
            while True:
                answer = json.loads(self._connection.recv_bytes())
                if "progress" not in answer:
                    return answer
                if progress:
                    progress(answer["progress"])
        except KeyboardInterrupt:
            self.close()  # the service takes a closed line as a cancel, and the answer under way cannot be mistaken for the next
            raise


@contextlib.contextmanager
def private_service() -> Iterator[Runtime]:
    """A service that nothing else uses, so that what one model needs can be told from what the runtime kept of others."""
    with tempfile.TemporaryDirectory(prefix="workshop-", ignore_cleanup_errors=True) as folder:
        runtime = Runtime(Path(folder) / "service")
        process = psutil.Process(runtime.pid)
        try:
            yield runtime
        finally:
            runtime.close()
            process.kill()  # an orderly end takes two seconds, and nothing is left that it would save
            process.wait(STOP_LIMIT_S)


def find(folder: Path | None = None) -> Connection | None:
    """A connection to the running service of this checkout, or None. One that serves other code is stopped."""
    try:
        state = json.loads(((folder or service_folder()) / "service.json").read_text(encoding="utf-8"))
        if not _alive(state["pid"], state["create_time"]):
            return None
        connection = Client(tuple(state["address"]), authkey=bytes.fromhex(state["key"]))
    except (OSError, EOFError, ValueError, KeyError, AuthenticationError):
        return None
    if state.get("fingerprint") == service.fingerprint():
        return connection
    _stop(connection, state["pid"])
    return None


def stop_service() -> bool:
    """End this checkout's service; False when none was running."""
    if find() is None:
        return False
    Runtime().stop()
    return True


def _start(folder: Path) -> Connection:
    """Start the service and wait for it. If another process starts it at the same moment, that one is found instead."""
    child = _spawn(folder)
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if connection := find(folder):
            return connection
        if child.poll():
            raise KitError(f"Foundry Local did not start: {_last_line(folder / 'service.log')}")
        time.sleep(0.02)
        if child.poll() == 0:  # another service held the folder: it is about to be found, or about to be gone
            child = _spawn(folder)
    raise KitError(f"Foundry Local did not start within {START_LIMIT_S:.0f} s; its log: {folder / 'service.log'}")


def _spawn(folder: Path) -> subprocess.Popen:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        log = (folder / "service.log").open("ab")
    except OSError as error:
        raise KitError(f"The kit's folder {folder} cannot be written ({error.strerror}); name another one in the variable WORKSHOP_HOME.") from None
    flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW if os.name == "nt" else 0
    with log:
        child = subprocess.Popen(
            [sys.executable, "-m", "helpers.service", str(folder)],
            cwd=PROJECT,
            env=_service_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in a terminal is for the caller, not for the service
            creationflags=flags,
        )
    _children.append(child)
    return child


_children: list[subprocess.Popen] = []  # kept so that ended ones are reaped by Popen


def _service_environment() -> dict[str, str]:
    """The caller's environment, with loopback kept away from proxies and optional telemetry off."""
    direct = ",".join(filter(None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1,localhost"]))
    return {**os.environ, "NO_PROXY": direct, "no_proxy": direct, "ORT_TELEMETRY_DISABLED": "1", "PYTHONUTF8": "1"}


def _stop(connection: Connection, pid: int) -> None:
    try:
        process = psutil.Process(pid)
        with connection:
            connection.send_bytes(json.dumps({"do": "stop"}).encode())
        process.wait(STOP_LIMIT_S)
    except (OSError, EOFError, psutil.NoSuchProcess):
        pass
    except psutil.TimeoutExpired:
        process.kill()


def _alive(pid: int, create_time: float) -> bool:
    for child in _children:
        child.poll()
    try:
        process = psutil.Process(pid)
        return abs(process.create_time() - create_time) < 1 and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _last_line(path: Path) -> str:
    lines = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("error: ") if lines else f"it wrote nothing to {path}"
