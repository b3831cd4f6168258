"""The runtime's own process: Foundry Local, the catalog of the built-in models, and a control line.

Started by `helpers.foundry` as `python -m helpers.service FOLDER`. It lives in a process of its own so that a native
crash or an out-of-memory kill ends this process and not a notebook, and so that its memory can be measured alone.
With `helpers.foundry` this is the only importer of `foundry_local_sdk`.

Control line: JSON messages over an authenticated loopback `multiprocessing.connection`. A request is
`{"do": NAME, ...}`; the answer is any number of `{"progress": percent}`, then `{"ok": value}` or `{"error": text}`.
An open connection is also a lease: with none left for LINGER_S seconds the process ends by itself.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from multiprocessing.connection import Connection, Listener
from pathlib import Path

import filelock
import psutil

from .errors import KitError, plain
from .paths import BUILT_IN_MODELS, model_cache

AZURE_CATALOG = "https://api.catalog.azureml.ms/asset-gallery/v1.0/models"
LINGER_S = 300.0
UNLOAD_LIMIT_S = 5.0
PUBLISHER = "Workshop"


def main(folder: Path) -> int:
    """Run the service of a folder until it is told to stop or left alone; returns the exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder / "service.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return 0  # another process of this folder is starting or running; whoever started us will find it
    with lock:
        (folder / "service.log").write_bytes(b"")  # the log is of this service, from its start
        runtime = Runtime(folder)
        try:
            Control(runtime).run(folder / "service.json")
        finally:
            runtime.close()
    return 0


class Runtime:
    """The SDK's manager with its web service, and the calls that the control line offers."""

    def __init__(self, folder: Path):
        install_built_in(BUILT_IN_MODELS, model_cache())
        catalogs = [(serve_catalog(built_in_catalog(BUILT_IN_MODELS)), None)]
        self.azure = azure_catalog()
        if self.azure["url"]:
            catalogs.append((self.azure["url"], None))
        from foundry_local_sdk import Configuration, FoundryLocalManager  # here: settings above must come first

        FoundryLocalManager.initialize(
            Configuration(
                app_name="foundry-local-workshop",
                app_data_dir=str(folder / "app"),
                model_cache_dir=str(model_cache()),
                logs_dir=str(folder / "logs"),
                web=Configuration.WebService(urls=f"http://127.0.0.1:{os.environ.get('WORKSHOP_PORT') or 0}"),
                catalog_urls=catalogs,
                disable_nonessential_telemetry=True,
            )
        )
        self._manager = FoundryLocalManager.instance
        try:
            self._manager.start_web_service()
        except Exception as error:
            port = os.environ.get("WORKSHOP_PORT")
            advice = f"; port {port} may be taken: choose another in WORKSHOP_PORT, or leave it out" if port else ""
            raise KitError(f"the web service did not start ({plain(str(error))}){advice}.") from None
        self._manager.catalog.list_models()  # reads the catalog now, so that the first caller does not wait for it

    def close(self) -> None:
        """Unload everything and end the web service."""
        self._manager.close()

    def hello(self) -> dict:
        """Address, version and process id."""
        return {
            "base_url": self._manager.urls[0],
            "pid": os.getpid(),
            "runtime": f"Foundry Local {version('foundry-local-sdk')}",
            "azure": self.azure,
        }

    def list(self) -> list[dict]:
        """Every model of the catalogs, one row a model, in the catalogs' own words; `variants` has a row for each device that it was built for."""
        hashes = {alias: files_digest(package["files"]) for alias, package in read_manifest(BUILT_IN_MODELS).items()}
        rows = []
        for model in self._manager.catalog.list_models():
            variants = model.variants
            devices = [_row(variant) for variant in variants] if len(variants) > 1 else []
            rows.append({**_row(model), "files_sha256": hashes.get(model.alias), "variants": devices})
        return rows

    def providers(self) -> dict[str, bool]:
        """Execution providers for GPU or NPU that this machine could use, and whether each is ready; what is missing is fetched first."""
        if any(not provider.is_registered for provider in self._manager.discover_eps()):
            self._manager.download_and_register_eps()
        return {provider.name: provider.is_registered for provider in self._manager.discover_eps()}

    def load(self, alias: str) -> float:
        """Load a model that is in the cache; seconds, measured around the runtime's own call."""
        model = self._model(alias)
        start = time.perf_counter()
        model.load()
        return time.perf_counter() - start

    def unload(self, alias: str) -> None:
        """Free a model's memory; nothing happens when it is not loaded.

        The web service lets go of a request a moment after its client has read the last byte; until then the SDK refuses.
        """
        model, deadline = self._model(alias), time.monotonic() + UNLOAD_LIMIT_S
        while model.is_loaded:
            try:
                model.unload()
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def download(self, alias: str, connection: Connection) -> str:
        """Fetch a model into the cache, reporting percent; ends early when the client cancels or goes away."""
        model, cancel = self._model(alias), threading.Event()

        def report(percent: float) -> None:
            try:
                if connection.poll():
                    cancel.set()
                connection.send_bytes(_encode({"progress": percent}))
            except (OSError, EOFError):
                cancel.set()

        model.download(report, cancel)
        return str(model.get_path())

    def register(self, model_id: str, folder: str) -> None:
        """Put an ONNX GenAI folder into the local catalog, which keeps it over restarts; the same id registered before gives way."""
        from foundry_local_sdk import CatalogType, ModelInfoBuilder

        catalog = self._manager.get_catalog(CatalogType.LOCAL)
        if any(model.id == model_id for model in catalog.list_models()):
            with contextlib.suppress(Exception):  # not loaded is as good
                catalog.get_model_variant(model_id).unload()
            catalog.unregister_model(model_id)
        with ModelInfoBuilder() as about:
            about.set_string_property("task", "chat-completion")
            catalog.register_model(folder, model_id, about)

    def _model(self, alias: str):
        """The model with this alias, as the runtime would choose its device; or the variant with this id."""
        models = {m.alias: m for m in self._manager.catalog.list_models()}
        models |= {variant.id: variant for m in models.values() for variant in m.variants if alias not in models}
        if alias and alias not in models:
            raise KitError(f"The runtime's catalog has no model '{alias}'.")
        return models.get(alias)


class Control:
    """Accepts clients, one thread each, until told to stop or left alone."""

    def __init__(self, runtime: Runtime):
        self._runtime = runtime
        self._key = secrets.token_bytes(32)
        self._listener = Listener(("127.0.0.1", 0), authkey=self._key)
        self._stop = threading.Event()
        self._clients, self._left_alone_since = 0, time.monotonic()
        self._lock = threading.Lock()
        self._linger_s = float(os.environ.get("WORKSHOP_LINGER_S") or LINGER_S)

    def run(self, state_file: Path) -> None:
        """Write the state file, serve, and remove the state file at the end."""
        for name in ("SIGTERM", "SIGHUP"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: self._stop.set())
        threading.Thread(target=self._accept, daemon=True).start()
        _write_state(state_file, self._listener.address, self._key)
        try:
            while not self._stop.wait(0.5):
                if not self._clients and time.monotonic() - self._left_alone_since > self._linger_s:
                    break
        finally:
            state_file.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except Exception:  # a wrong key or a broken client must not end the service
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        self._count(+1)
        try:
            while True:
                connection.send_bytes(_encode(self._answer(json.loads(connection.recv_bytes()), connection)))
        except (EOFError, OSError):
            pass  # the client has gone: that ends its lease
        finally:
            connection.close()
            self._count(-1)

    def _answer(self, request: dict, connection: Connection) -> dict:
        action, alias = request.pop("do"), request.get("alias")
        try:
            if action == "stop":
                self._stop.set()
                return {"ok": None}
            if action == "cancel":
                return {"ok": None}  # arrived after the download had ended
            if action == "download":
                return {"ok": self._runtime.download(alias, connection)}
            if action == "register":
                return {"ok": self._runtime.register(alias, request["folder"])}
            return {"ok": getattr(self._runtime, action)(*([alias] if alias else []))}
        except Exception as error:  # whatever the native runtime raises, the client hears it in words
            return {"error": f"{error}"}

    def _count(self, change: int) -> None:
        with self._lock:
            self._clients += change
            self._left_alone_since = time.monotonic()


def read_manifest(folder: Path) -> dict[str, dict]:
    """Alias to package description of the built-in models in `folder`."""
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["models"]


def file_problems(folder: Path, files: dict[str, dict]) -> list[str]:
    """Names of files that are missing or differ from their SHA-256."""
    return [name for name, expected in files.items() if _sha256(folder / name) != expected["sha256"]]


def files_digest(files: dict[str, dict]) -> str:
    """One SHA-256 for all files of a package: of their names and hashes."""
    return hashlib.sha256(json.dumps({name: file["sha256"] for name, file in sorted(files.items())}).encode()).hexdigest()


def install_built_in(source: Path, cache: Path) -> None:
    """Copy the built-in models into the runtime's cache, verified; a copy that is already right is left alone.

    Raises KitError when a shipped file does not match the manifest.
    """
    for alias, package in read_manifest(source).items():
        target = cache / PUBLISHER / f"{package['name']}-{package['version']}"
        if not file_problems(target, package["files"]):
            continue
        if wrong := file_problems(source / alias, package["files"]):
            raise KitError(f"{source / alias}: {', '.join(wrong)} missing or changed; restore with: git checkout -- data/models")
        fresh = target.with_name(f"{target.name}.{os.getpid()}.tmp")
        shutil.copytree(source / alias, fresh)
        shutil.rmtree(target, ignore_errors=True)
        fresh.replace(target)


def built_in_catalog(source: Path) -> list[dict]:
    """The built-in models in the form in which Foundry Local reads catalog entries."""
    return [_catalog_entry(alias, package) for alias, package in read_manifest(source).items()]


def _catalog_entry(alias: str, package: dict) -> dict:
    registry = "azureml://registries/workshop/models"
    return {
        "assetId": f"{registry}/{package['name']}/versions/{package['version']}",
        "entityId": alias,
        "name": package["name"],
        "version": str(package["version"]),
        "displayName": alias,
        "publisher": PUBLISHER,
        "license": package["license"],
        "createdTime": "2026-11-01T00:00:00Z",
        "inferenceTasks": ["chat-completion"],
        "modelCapabilities": ["chat"],
        "deploymentOptions": ["Foundry Local on Devices"],
        "modelLimits": {
            "supportedInputModalities": ["text"],
            "supportedOutputModalities": ["text"],
            "textLimits": {"inputContextWindow": package["context_length"], "maxOutputTokens": package["max_output_tokens"]},
        },
        "annotations": {"tags": {"alias": alias}},
        "variantInformation": {
            "parents": [{"assetId": f"{registry}/{alias}/versions/{package['version']}"}],
            "variantMetadata": {
                "modelType": "ONNX",
                "device": "cpu",
                "executionProvider": "CPUExecutionProvider",
                "fileSizeBytes": sum(file["bytes"] for file in package["files"].values()),
            },
        },
    }


def serve_catalog(entries: list[dict]) -> str:
    """Serve catalog entries on loopback for this process's own SDK; returns the address."""
    page = _encode({"totalCount": len(entries), "continuationToken": "", "summaries": entries})

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/asset-gallery/v1.0/models"


def azure_catalog(wait_s: float = 1.5) -> dict:
    """`{url, note}`: the Azure catalog when something answers there; with no network the SDK would wait 4 s in vain.

    `WORKSHOP_CATALOG` names another catalog, or `off`.
    """
    url = os.environ.get("WORKSHOP_CATALOG") or AZURE_CATALOG
    if url == "off":
        return {"url": None, "note": "switched off by WORKSHOP_CATALOG"}
    host = urllib.parse.urlsplit(_proxy_for(url) or url)
    answered = threading.Event()

    def knock() -> None:
        try:
            socket.create_connection((host.hostname, host.port or (443 if host.scheme == "https" else 80)), timeout=wait_s).close()
            answered.set()
        except OSError:
            pass

    # A thread, because a name look-up has no time limit of its own.
    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(wait_s)
    if answered.is_set():
        return {"url": url, "note": "reachable"}
    return {"url": None, "note": f"not reachable ({host.hostname})"}


def _proxy_for(url: str) -> str | None:
    parts = urllib.parse.urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _row(model) -> dict:
    info = model.info
    return {
        "alias": info.alias,
        "id": info.id,
        "publisher": info.publisher,
        "license": info.license,
        "size_mb": info.file_size_mb,
        "device": info.runtime.device_type.value if info.runtime and info.runtime.device_type else None,
        "execution_provider": info.runtime.execution_provider if info.runtime else None,
        "task": info.task,
        "context": info.context_length,
        "cached": model.is_cached,
        "loaded": model.is_loaded,
    }


def _write_state(path: Path, address: tuple[str, int], key: bytes) -> None:
    state = {
        "pid": os.getpid(),
        "create_time": psutil.Process().create_time(),
        "address": list(address),
        "key": key.hex(),
        "fingerprint": fingerprint(),
    }
    fresh = path.with_suffix(".tmp")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # the key is for this user only
        file.write(_encode(state))
    fresh.replace(path)


def fingerprint() -> str:
    """Identifies what a running service serves: this code, the built-in models, and its settings."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    digest.update((BUILT_IN_MODELS / "manifest.json").read_bytes())
    digest.update(f"{model_cache()} {os.environ.get('WORKSHOP_CATALOG')} {os.environ.get('WORKSHOP_PORT')}".encode())
    return digest.hexdigest()


def _sha256(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _encode(value) -> bytes:
    return json.dumps(value).encode()


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except KitError as problem:
        sys.exit(f"error: {problem}")
