"""Run Foundry Local in a process of its own and answer on a control line.

Started by `helpers.servers.foundry` as `python -m helpers.servers.service FOLDER`. A native crash
or an out-of-memory kill ends this process and not a notebook, and its memory is measured alone.
No other module calls `foundry_local_sdk`. `control_line` describes the messages.

An open connection is also a lease: with none left for LINGER_S seconds the process ends by itself.
"""

import contextlib
import os
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
from ..models import cache
from ..models.built_in import built_in_packages, install_built_in
from . import control_line
from .catalog import azure_catalog, serve_catalog
from .control_line import ACTIONS, LOCK_FILE, LOG_FILE, STATE_FILE, receive, send
from .fetch import Fetch, describe, record_files

if TYPE_CHECKING:
    from foundry_local_sdk import FoundryLocalManager
    from foundry_local_sdk.imodel import IModel

LINGER_S = 300.0
UNLOAD_LIMIT_S = 5.0
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
        self._built_in = {package.id for package in built_in_packages(BUILT_IN_MODELS).values()}
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
        record_files(self._model(name))

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
        source = record.source if record else "catalog"
        return describe(info) | {
            "id": info.id,
            "source": "built-in" if model.id in self._built_in else source,
            "size_mb": round(record.package.bytes / 1e6, 1) if record else info.file_size_mb,
            "kv_cache_mb": cache.kv_cache_mb(Path(model.get_path())) if cached else None,
            "cached": cached,
            "loaded": model.is_loaded,
            "files_sha256": record.package.digest if record and cached else None,
        }


def _start_manager(folder: Path, azure_url: str | None) -> "FoundryLocalManager":
    """Start the SDK and its web service on loopback. Raises KitError when the port is taken."""
    from foundry_local_sdk import Configuration, FoundryLocalManager

    local = serve_catalog(model_cache())
    catalogs: list[tuple[str, str | None]] = [(url, None) for url in (local, azure_url) if url]
    port = os.environ.get("WORKSHOP_PORT")
    configuration = Configuration(
        app_name="foundry-local-workshop",
        app_data_dir=str(folder / "app"),
        model_cache_dir=str(model_cache()),
        logs_dir=str(folder / "logs"),
        web=Configuration.WebService(urls=f"http://127.0.0.1:{port or 0}"),
        catalog_urls=catalogs,
        disable_nonessential_telemetry=True,
    )
    FoundryLocalManager.initialize(configuration)
    manager = FoundryLocalManager.instance
    assert manager is not None
    try:
        manager.start_web_service()
    except Exception as error:
        reason = f"the web service did not start ({plain(str(error))})"
        advice = "choose another in WORKSHOP_PORT, or leave it out"
        reason += f"; port {port} may be taken: {advice}" if port else ""
        raise KitError(f"{reason}.") from None
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
                if self._stop.wait(0.5) or self._left_alone():
                    break
        finally:
            (folder / STATE_FILE).unlink(missing_ok=True)

    def _left_alone(self) -> bool:
        return not self._clients and time.monotonic() - self._left_alone_since > self._linger_s

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
            if connection.closed:
                raise
            return {"error": f"{error}"}


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except KitError as problem:
        sys.exit(f"error: {problem}")
