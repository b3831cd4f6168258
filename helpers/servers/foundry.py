"""Foundry Local from a caller's side: find the running service of this checkout or start it, and ask it for things.

The service itself is `helpers.servers.service`, a process of its own. A `Runtime` holds one connection to it; as long as any is
open the service lives, and some minutes after the last has closed it ends by itself, so nothing is left behind.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection
from pathlib import Path

import psutil

from ..common.errors import KitError, plain
from ..common.paths import PROJECT, service_folder
from . import service

START_LIMIT_S = 60.0
STOP_LIMIT_S = 15.0
DEATH_S = 0.5


class RuntimeStopped(KitError):
    """The service process ended while it was needed; the next call starts it again."""


Progress = Callable[[float], None]
Note = Callable[[str], None]


def _ignore(_) -> None:
    """Nobody wants to know."""


class Runtime:
    """A connection to this checkout's Foundry Local service, started when it is not running."""

    def __init__(self, folder: Path | None = None):
        self._folder = folder or service_folder()
        self._connection: Connection | None = None
        self._hello: dict = {}
        self._created = 0.0
        self._lock = threading.RLock()
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

    def load(self, name: str) -> float:
        """Load a cached model, by alias or id; returns the seconds that the runtime's own load call took."""
        return self._call("load", name)

    def unload(self, name: str) -> None:
        """Free a model's memory."""
        self._call("unload", name)

    def download(self, name: str, progress: Progress = _ignore, note: Note = _ignore) -> Path:
        """Fetch a model into the cache, calling `progress` with percent, and `note` with what is worth saying; returns its folder.

        Interrupting it (Ctrl-C) cancels the download and keeps what is there; a later call resumes.
        """
        return Path(self._call("download", name, progress, note))

    def repair(
        self, name: str, files: Sequence[str], progress: Progress = _ignore, note: Note = _ignore
    ) -> Path:
        """Fetch some files of a cached model again from the catalog that it came from; returns its folder."""
        return Path(self._call("repair", name, progress, note, files=list(files)))

    def arrived(self, model_id: str) -> None:
        """Tell the runtime of a model that was put into its cache."""
        self._call("arrived", model_id)

    def remove(self, name: str) -> None:
        """Delete a model's files from the cache."""
        self._call("remove", name)

    def record(self, name: str) -> None:
        """Hash the files of a cached model that has no hashes yet."""
        self._call("record", name)

    def died(self) -> str | None:
        """What to say when the service process has ended without being asked to; None while it lives."""
        deadline = (
            time.monotonic() + DEATH_S
        )  # the system closes a dying process's connections a moment before it is gone
        while _alive(self._hello["pid"], self._created):
            if time.monotonic() > deadline:
                return None
            time.sleep(0.02)
        self.close()
        return self._obituary()

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
            with self._lock:
                if self._connection is None:
                    self._connect()
        return self._hello

    def _connect(self) -> None:
        self._connection = find(self._folder) or _start(self._folder)
        self._hello = self._call("hello")
        with contextlib.suppress(psutil.Error):
            self._created = psutil.Process(self._hello["pid"]).create_time()

    def _call(
        self,
        action: str,
        name: str | None = None,
        progress: Progress = _ignore,
        note: Note = _ignore,
        **more,
    ):
        request = {"do": action, **({"alias": name} if name else {}), **more}
        with self._lock:  # one question at a time: a notebook may ask from several threads
            if self._connection is None:
                self._connect()
            try:
                self._connection.send_bytes(json.dumps(request).encode())
                answer = self._receive(progress, note)
            except (OSError, EOFError):
                self.close()
                raise RuntimeStopped(
                    self._obituary(f" during '{action}{f' {name}' if name else ''}'")
                ) from None
        if "error" in answer:
            raise KitError(
                f"Foundry Local could not {action} {name or ''}: {plain(answer['error'])}"
            )
        return answer["ok"]

    def _obituary(self, during: str = "") -> str:
        code = None
        for child in _children:
            if child.pid == self._hello.get("pid"):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    code = child.wait(DEATH_S)
        if code == 0:
            return f"Foundry Local's process was stopped{during}; the next call starts it again."
        how = f" (killed by signal {-code})" if code and code < 0 else ""
        return (
            f"Foundry Local's process ended{during}{how}, most often for want of memory: try a smaller model, or unload others; "
            f"the next call starts it again. Its log: {self._folder / 'service.log'}"
        )

    def _receive(self, progress: Progress, note: Note) -> dict:
        try:
            while True:
                answer = json.loads(self._connection.recv_bytes())
                if "progress" not in answer:
                    return answer
                progress(answer["progress"])
                note(answer["note"])
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
        state = json.loads(
            ((folder or service_folder()) / "service.json").read_text(encoding="utf-8")
        )
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
        if (
            child.poll() == 0
        ):  # another service held the folder: it is about to be found, or about to be gone
            child = _spawn(folder)
    raise KitError(
        f"Foundry Local did not start within {START_LIMIT_S:.0f} s; its log: {folder / 'service.log'}"
    )


def _spawn(folder: Path) -> subprocess.Popen:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        log = (folder / "service.log").open("ab")
    except OSError as error:
        raise KitError(
            f"The kit's folder {folder} cannot be written ({error.strerror}); name another one in the variable WORKSHOP_HOME."
        ) from None
    flags = (
        subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW if os.name == "nt" else 0
    )
    with log:
        child = subprocess.Popen(
            [sys.executable, "-m", "helpers.servers.service", str(folder)],
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
    direct = ",".join(
        filter(
            None, [os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), "127.0.0.1,localhost"]
        )
    )
    return {
        **os.environ,
        "NO_PROXY": direct,
        "no_proxy": direct,
        "ORT_TELEMETRY_DISABLED": "1",
        "PYTHONUTF8": "1",
    }


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
        return (
            abs(process.create_time() - create_time) < 1
            and process.status() != psutil.STATUS_ZOMBIE
        )
    except psutil.Error:
        return False


def _last_line(path: Path) -> str:
    lines = [
        line
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.strip()
    ]
    return lines[-1].removeprefix("error: ") if lines else f"it wrote nothing to {path}"
