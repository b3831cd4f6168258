"""Run Foundry Local in a process of its own and answer on a control line.

Started by `helpers.servers.foundry` as `python -m helpers.servers.service FOLDER`. A native crash
or an out-of-memory kill ends this process and not a notebook, and its memory is measured alone.
No other module calls `foundry_local_sdk`. `control_line` describes the messages.

An open connection is also a lease: with none left for LINGER_S seconds the process ends by itself.
"""

import contextlib
import os
import re
import secrets
import signal
import socketserver
import sys
import threading
import time
from importlib.metadata import version
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import filelock

from ..common.errors import KitError, plain
from ..common.paths import BUILT_IN_MODELS, model_cache
from ..common.templates import paragraph
from ..models import cache
from ..models.built_in import install_built_in
from . import control_line
from .catalog import azure_catalog, serve_catalog
from .control_line import ACTIONS, LOCK_FILE, LOG_FILE, STATE_FILE, receive, send

if TYPE_CHECKING:
    from foundry_local_sdk import FoundryLocalManager
    from foundry_local_sdk.imodel import IModel
    from foundry_local_sdk.model_info import ModelInfo

LINGER_S = 300.0
UNLOAD_LIMIT_S = 5.0
HEARTBEAT_S = 0.2
QUIET_S = 5.0
MAX_FAILURES = 4
RETRY_S = 0.5
DISK_WORDS = (
    "(?i)no space|file too large|pre-allocate|disk full|quota|read-only file system"
    "|permission denied"
)
OWN_URI = "azureml://registries/workshop/"  # of models that only this cache has


def main(folder: Path) -> None:
    """Run the service of a folder until it is stopped or left alone."""
    folder.mkdir(parents=True, exist_ok=True)
    # Where another process serves this folder, whoever started us will find that one.
    with contextlib.suppress(filelock.Timeout), filelock.FileLock(folder / LOCK_FILE, timeout=0):
        (folder / LOG_FILE).write_bytes(b"")  # the log is of this service, from its start
        with contextlib.closing(SdkRuntime(folder)) as runtime:
            Control(runtime).run(folder)


class SdkRuntime:
    """Hold the SDK's manager with its web service, and do what the control line asks."""

    def __init__(self, folder: Path):
        install_built_in(BUILT_IN_MODELS, model_cache())
        azure = azure_catalog()
        self._manager = _start_manager(folder, azure["url"])
        self.about = {
            "base_url": (self._manager.urls or [""])[0],
            "name": f"Foundry Local {version('foundry-local-sdk')}",
            "azure_note": azure["note"],
        }
        self._manager.catalog.list_models()  # read now, so that the first caller does not wait

    def close(self) -> None:
        """Unload everything and end the web service."""
        self._manager.close()

    def list(self) -> list[dict]:
        """Return every model of the catalogs, each alias with its preferred variant first."""
        records = {record.package.id: record for _, record in cache.records(model_cache())}
        for folder, record in cache.records(model_cache()):
            known = self._manager.catalog.get_model_variant(record.package.id)
            # What another process has put into the cache, such as a converted model.
            if not (known and known.is_cached) and not cache.verify(folder, record):
                self.arrived(record.package.id)
        return [
            self._row(variant, records.get(variant.id))
            for model in self._manager.catalog.list_models()
            for variant in sorted(model.variants, key=lambda v: v.id != model.id)
            if variant.id in records or not (variant.info.uri or "").startswith(OWN_URI)
        ]

    def providers(self) -> dict[str, bool]:
        """Fetch what is missing of execution providers for GPU and NPU; return which are ready."""
        if any(not provider.is_registered for provider in self._manager.discover_eps()):
            self._manager.download_and_register_eps()
        return {provider.name: provider.is_registered for provider in self._manager.discover_eps()}

    def load(self, name: str) -> float:
        """Load a cached model, if its files are whole; return the seconds of the runtime's call."""
        model = self._model(name)
        folder = Path(model.get_path())
        record = cache.read_record(folder)
        if record and (wrong := cache.verify(folder, record)):
            repair = f"repair them with: python -m helpers verify {model.alias}"
            raise KitError(f"its files are damaged: {', '.join(map(str, wrong))}; {repair}")
        start = time.perf_counter()
        model.load()
        seconds = time.perf_counter() - start
        cache.mark_used(folder)
        return seconds

    def unload(self, name: str) -> None:
        """Free a model's memory; do nothing when it is not loaded."""
        # The SDK refuses while the web service still holds a request whose client has it all.
        model, deadline = self._model(name), time.monotonic() + UNLOAD_LIMIT_S
        while model.is_loaded:
            try:
                model.unload()
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def download(self, name: str, connection: Connection) -> None:
        """Fetch a model into the cache; stop early when the client cancels or goes away."""
        Fetch(self._model(name), connection).run()

    def record(self, name: str) -> None:
        """Hash the files of a cached model that have not been hashed yet."""
        _record_files(self._model(name))

    def register(self, name: str, folder: str) -> None:
        """Put an ONNX GenAI folder into the local catalog for good; replace an older one."""
        from foundry_local_sdk import CatalogType, ModelInfoBuilder

        catalog = self._manager.get_catalog(CatalogType.LOCAL)
        if older := catalog.get_model_variant(name):
            with contextlib.suppress(Exception):  # not loaded is as good
                older.unload()
            catalog.unregister_model(name)
        with ModelInfoBuilder() as about:
            about.set_string_property("task", "chat-completion")
            catalog.register_model(folder, name, about)

    def arrived(self, name: str) -> None:
        """Take notice of a model that the kit has put into the cache."""
        # An unknown id is asked of the catalogs again, and ours names it by now.
        model = self._manager.catalog.get_model_variant(name)
        if model is None:
            advice = f"end it with: python -m helpers stop, and list again ({name})."
            raise KitError(f"the runtime does not take it up; {advice}")
        model.download()  # looks at the folder and finds all of it there

    def remove(self, name: str) -> None:
        """Delete a model's files and forget them."""
        self.unload(name)
        self._model(name).remove_from_cache()

    def _model(self, name: str) -> "IModel":
        """Return the variant with this id, or the one that the runtime prefers for this alias."""
        catalog = self._manager.catalog
        if model := catalog.get_model_variant(name) or catalog.get_model(name):
            return model
        raise KitError(f"The runtime's catalog has no model '{name}'.")

    def _row(self, model: "IModel", record: cache.Record | None) -> dict:
        info, cached = model.info, model.is_cached
        return _describe(info) | {
            "id": info.id,
            "source": record.source if record else "catalog",
            "size_mb": round(record.package.bytes / 1e6, 1) if record else info.file_size_mb,
            "kv_cache_mb": cache.kv_cache_mb(Path(model.get_path())) if cached else None,
            "cached": cached,
            "loaded": model.is_loaded,
            "files_sha256": record.package.digest if record and cached else None,
        }


class Fetch:
    """Download one model, report how far it is and since when nothing came, and retry failures.

    The SDK resumes by itself after a cut connection, waits and asks again after a 503, and gives up
    a connection on which nothing came for 60 s. It calls back only when something arrived, so
    another thread does the watching.
    """

    def __init__(self, model: "IModel", connection: Connection):
        self._model, self._connection = model, connection
        self._cancel = threading.Event()
        self._percent, self._moved_at = 0.0, time.monotonic()

    def run(self) -> None:
        """Fetch, hash and record. Raises KitError in words, EOFError when the client has gone."""
        failures, before = 0, -1.0
        while (error := self._try_once()) is not None:
            if self._cancel.is_set():
                raise EOFError  # the client has gone; a later download goes on from what arrived
            failures = failures + 1 if self._percent <= before else 1
            before = self._percent
            reason = plain(str(error))
            disk = re.search(DISK_WORDS, reason)
            if failures >= MAX_FAILURES or disk:
                where = self._model.get_path() or model_cache()
                about = {"reason": reason.rstrip("."), "disk": disk, "folder": where}
                raise KitError(paragraph("servers/not_delivered.jinja", **about))
            wait_s = RETRY_S * 2 ** (failures - 1)
            self._say(f"{reason[:80]}: trying again in {wait_s:.0f} s")
            time.sleep(wait_s)
        self._say("hashing")
        _record_files(self._model)

    def _try_once(self) -> Exception | None:
        """Download until the SDK returns or gives up; return its error."""
        errors = []

        def work() -> None:
            try:
                self._model.download(self._note_progress, self._cancel)
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        while thread.is_alive():
            quiet_s = time.monotonic() - self._moved_at
            quiet = f"nothing has come for {quiet_s:.0f} s; a new connection is made after 60 s"
            self._say(quiet if quiet_s > QUIET_S else "")
            thread.join(HEARTBEAT_S)
        self._say("")
        return errors[0] if errors else None

    def _note_progress(self, percent: float) -> None:
        if percent > self._percent:  # threads of the SDK report in any order
            self._percent, self._moved_at = percent, time.monotonic()

    def _say(self, note: str) -> None:
        """Report to the client; one that has gone, or sent anything, wants the download to end."""
        try:
            if self._connection.poll():
                self._cancel.set()
            send(self._connection, {"progress": self._percent, "note": note})
        except (OSError, EOFError):
            self._cancel.set()
            raise


def _record_files(model: "IModel") -> None:
    """Hash the files of a downloaded model and record them beside it."""
    known = {name: value for name, value in _describe(model.info).items() if value is not None}
    cache.adopt(Path(model.get_path()), known, "catalog")


def _describe(info: "ModelInfo") -> dict:
    """Return what the SDK knows of a model, in the words of `cache.Package`."""
    runtime = info.runtime
    capabilities = (word.strip() for word in (info.capabilities or "").split(","))
    same = ("alias", "name", "version", "uri", "publisher", "license", "task", "max_output_tokens")
    return {name: getattr(info, name) for name in same} | {
        "parent": info.get_string_property("parent_uri"),
        "device": runtime.device_type.value if runtime and runtime.device_type else None,
        "execution_provider": runtime.execution_provider if runtime else None,
        "context": info.context_length,
        "capabilities": list(filter(None, capabilities)),
    }


def _start_manager(folder: Path, azure_url: str | None) -> "FoundryLocalManager":
    """Start the SDK and its web service on loopback. Raises KitError when it does not start."""
    from foundry_local_sdk import Configuration, FoundryLocalManager

    local = serve_catalog(model_cache())
    catalogs: list[tuple[str, str | None]] = [(url, None) for url in (local, azure_url) if url]
    configuration = Configuration(
        app_name="foundry-local-workshop",
        app_data_dir=str(folder / "app"),
        model_cache_dir=str(model_cache()),
        logs_dir=str(folder / "logs"),
        web=Configuration.WebService(urls="http://127.0.0.1:0"),
        catalog_urls=catalogs,
        disable_nonessential_telemetry=True,
    )
    FoundryLocalManager.initialize(configuration)
    manager = FoundryLocalManager.instance
    assert manager is not None
    try:
        manager.start_web_service()
    except Exception as error:
        raise KitError(f"the web service did not start ({plain(str(error))}).") from None
    return manager


class Control(socketserver.ThreadingTCPServer):
    """Accept clients, one thread each, until told to stop or left alone."""

    daemon_threads, request_queue_size = True, 64

    def __init__(self, runtime: SdkRuntime):
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self._runtime = runtime
        self._key = secrets.token_bytes(32)
        self._stop = threading.Event()
        self._clients: set[Connection] = set()
        self._left_alone_since = time.monotonic()
        self._linger_s = float(os.environ.get("WORKSHOP_LINGER_S") or LINGER_S)

    def run(self, folder: Path) -> None:
        """Write the state file, serve, and remove the state file at the end."""
        (folder / STATE_FILE).unlink(missing_ok=True)  # of one that was killed
        signal.signal(signal.SIGTERM, lambda *_: self._stop.set())
        threading.Thread(target=self.serve_forever, daemon=True).start()
        line = {"address": self.server_address, "key": self._key.hex()}
        try:
            while True:
                if not (folder / STATE_FILE).exists():  # also when somebody has cleaned up
                    control_line.write_state(folder, **line, **self._runtime.about)
                stopped = self._stop.wait(0.5)
                alone_s = 0 if self._clients else time.monotonic() - self._left_alone_since
                if stopped or alone_s > self._linger_s:
                    break
        finally:
            (folder / STATE_FILE).unlink(missing_ok=True)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer a client until it goes."""
        with contextlib.suppress(EOFError, OSError):  # it has gone: that ends its lease
            connection = control_line.shake_hands(request, self._key, "service", "client")
            self._clients.add(connection)
            try:
                while True:
                    send(connection, self._answer(receive(connection), connection))
            finally:
                connection.close()
                self._left_alone_since = time.monotonic()
                self._clients.discard(connection)

    def _answer(self, request: dict, connection: Connection) -> dict:
        action, arguments = request["do"], request.get("with", {})
        if action == "stop":
            self._stop.set()
            return {"ok": None}
        if action not in ACTIONS:
            return {"error": f"there is no action '{action}'"}
        if action == "download":
            arguments["connection"] = connection
        try:
            return {"ok": getattr(self._runtime, action)(**arguments)}
        except (EOFError, ConnectionError):
            raise  # the client has gone
        except Exception as error:  # whatever the native runtime raises, the client hears of it
            return {"error": f"{error}"}


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except KitError as problem:
        sys.exit(f"error: {problem}")
