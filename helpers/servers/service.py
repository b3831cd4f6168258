"""The runtime's own process: Foundry Local, the catalog of the built-in models, and a control line.

Started by `helpers.servers.foundry` as `python -m helpers.servers.service FOLDER`. It lives in a process of its own so that a native
crash or an out-of-memory kill ends this process and not a notebook, and so that its memory can be measured alone.
With `helpers.servers.foundry` this is the only importer of `foundry_local_sdk`.

Control line: JSON messages over an authenticated loopback `multiprocessing.connection`. A request is
`{"do": NAME, ...}`; the answer is any number of `{"progress": percent, "note": text}`, then `{"ok": value}` or `{"error": text}`.
An open connection is also a lease: with none left for LINGER_S seconds the process ends by itself.
"""

import contextlib
import hashlib
import http.client
import json
import os
import re
import secrets
import signal
import socket
import ssl
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version
from multiprocessing.connection import Connection, Listener
from pathlib import Path

import filelock
import psutil

from ..common.errors import KitError, plain
from ..common.paths import BUILT_IN_MODELS, model_cache
from ..models import cache
from ..models.built_in import built_in_packages, install_built_in
from ..models.cache import Package

AZURE_CATALOG = "https://api.catalog.azureml.ms/asset-gallery/v1.0/models"
LINGER_S = 300.0
AZURE_HOSTS = ("api.catalog.azureml.ms", "*.api.azureml.ms", "*.blob.core.windows.net")
UNLOAD_LIMIT_S = 5.0
HEARTBEAT_S = 0.2
QUIET_S = 5.0
MAX_FAILURES = 4
RETRY_S = 0.5
ASIDE = ".repair"
DISK_WORDS = r"(?i)no space|file too large|pre-allocate|disk full|quota|read-only file system|permission denied"


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
        runtime = SdkRuntime(folder)
        try:
            Control(runtime).run(folder / "service.json")
        finally:
            runtime.close()
    return 0


class SdkRuntime:
    """The SDK's manager with its web service, and the calls that the control line offers."""

    def __init__(self, folder: Path):
        self._built_in = {package.id for package in built_in_packages(BUILT_IN_MODELS).values()}
        install_built_in(BUILT_IN_MODELS, model_cache())
        _take_back(model_cache())
        catalogs = [(serve_catalog(lambda: local_catalog(model_cache())), None)]
        self.azure = azure_catalog()
        if self.azure["url"]:
            catalogs.append((self.azure["url"], None))
        from foundry_local_sdk import (
            Configuration,
            FoundryLocalManager,
        )  # here: settings above must come first

        FoundryLocalManager.initialize(
            Configuration(
                app_name="foundry-local-workshop",
                app_data_dir=str(folder / "app"),
                model_cache_dir=str(model_cache()),
                logs_dir=str(folder / "logs"),
                web=Configuration.WebService(
                    urls=f"http://127.0.0.1:{os.environ.get('WORKSHOP_PORT') or 0}"
                ),
                catalog_urls=catalogs,
                disable_nonessential_telemetry=True,
            )
        )
        self._manager = FoundryLocalManager.instance
        try:
            self._manager.start_web_service()
        except Exception as error:
            port = os.environ.get("WORKSHOP_PORT")
            advice = (
                f"; port {port} may be taken: choose another in WORKSHOP_PORT, or leave it out"
                if port
                else ""
            )
            raise KitError(
                f"the web service did not start ({plain(str(error))}){advice}."
            ) from None
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
        """Every model of the catalogs, one row for each variant of an alias, the one that the runtime prefers first."""
        known = {record.package.id: record for _, record in cache.records(model_cache())}
        rows = []
        for model in self._manager.catalog.list_models():
            for variant in sorted(model.variants, key=lambda v: v.id != model.id):
                rows.append(
                    _row(
                        variant,
                        known.get(variant.id),
                        "built-in" if variant.id in self._built_in else "catalog",
                    )
                )
        return rows

    def providers(self) -> dict[str, bool]:
        """Execution providers for GPU or NPU that this machine could use, and whether each is ready; what is missing is fetched first."""
        if any(not provider.is_registered for provider in self._manager.discover_eps()):
            self._manager.download_and_register_eps()
        return {provider.name: provider.is_registered for provider in self._manager.discover_eps()}

    def load(self, name: str) -> float:
        """Load a model that is in the cache; seconds, measured around the runtime's own call. Files that have changed are refused."""
        model = self._model(name)
        folder = Path(model.get_path())
        record = cache.read_record(folder)
        if record and (wrong := cache.verify(folder, record)):
            raise KitError(
                f"its files are damaged: {', '.join(map(str, wrong))}; repair them with: python -m helpers verify {model.alias}"
            )
        start = time.perf_counter()
        model.load()
        seconds = time.perf_counter() - start
        cache.mark_used(folder)
        return seconds

    def unload(self, name: str) -> None:
        """Free a model's memory; nothing happens when it is not loaded.

        The web service lets go of a request a moment after its client has read the last byte; until then the SDK refuses.
        """
        model, deadline = self._model(name), time.monotonic() + UNLOAD_LIMIT_S
        while model.is_loaded:
            try:
                model.unload()
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def download(self, name: str, connection: Connection) -> str:
        """Fetch a model into the cache and record its hashes; ends early when the client cancels or goes away."""
        model = self._model(name)
        Fetch(model, connection).run()
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

    def repair(self, name: str, files: Sequence[str], connection: Connection) -> str:
        """Fetch some files of a cached model again, and only those."""
        model = self._model(name)
        self.unload(name)
        folder = Path(model.get_path())
        aside = folder.with_name(folder.name + ASIDE)
        folder.rename(aside)
        try:
            model.remove_from_cache()  # else the SDK takes it for complete until its process ends
        finally:
            _put_back(aside)
        for file in files:
            (folder / file).unlink(missing_ok=True)
        Fetch(model, connection).run(
            record=False
        )  # whether they are right now is for the hashes recorded earlier to say
        return str(folder)

    def record(self, name: str) -> None:
        """Hash the files of a cached model that nobody has hashed yet."""
        model = self._model(name)
        cache.adopt(Path(model.get_path()), _facts(model.info), "catalog")

    def arrived(self, name: str) -> None:
        """Take notice of a model that somebody else has put into the cache, whether a catalog named it at the start or not."""
        model = self._manager.catalog.get_model_variant(
            name
        )  # an unknown id is asked of the catalogs again: ours names it by now
        if model is None:
            raise KitError(
                f"the runtime does not take it up; end it with: python -m helpers stop, and list again ({name})."
            )
        model.download()  # looks at the folder and finds all of it there

    def remove(self, name: str) -> None:
        """Let the SDK delete a model's files and forget them."""
        self.unload(name)
        self._model(name).remove_from_cache()

    def _model(self, name: str):
        """The variant with this id, or the one that the runtime prefers for this alias."""
        models = self._manager.catalog.list_models()
        found = [v for m in models for v in m.variants if v.id == name] or [
            v for m in models if m.alias == name for v in m.variants if v.id == m.id
        ]
        if not found:
            raise KitError(f"The runtime's catalog has no model '{name}'.")
        return found[0]


class Fetch:
    """One download through the SDK, watched: it says how far it is and since when nothing came, and tries again after a failure.

    The SDK resumes by itself after a cut connection, waits and asks again after a 503, and gives up a connection on which nothing
    came for 60 s. It calls back only when something arrived, so the watching is done by another thread.
    """

    def __init__(self, model, connection: Connection):
        self._model, self._connection = model, connection
        self._cancel, self._ended = threading.Event(), threading.Event()
        self._percent, self._moved_at = 0.0, time.monotonic()
        self._error: Exception | None = None

    def run(self, record: bool = True) -> None:
        """Fetch, then hash and record. Raises KitError in words."""
        failures, before = 0, -1.0
        while True:
            self._once()
            if self._error is None:
                break
            if self._cancel.is_set():
                raise KitError(
                    "cancelled; what has arrived is kept, and a later download goes on from there."
                )
            failures = failures + 1 if self._percent <= before else 1
            before = self._percent
            if failures >= MAX_FAILURES or _is_final(self._error):
                raise KitError(
                    explained(self._error, Path(self._model.get_path() or model_cache()))
                )
            self._wait(
                RETRY_S * 2 ** (failures - 1), f"{plain(str(self._error))[:80]}: trying again"
            )
        if record:
            self._say("hashing")
            cache.adopt(Path(self._model.get_path()), _facts(self._model.info), "catalog")

    def _once(self) -> None:
        self._error = None
        self._ended.clear()
        threading.Thread(target=self._native, daemon=True).start()
        while not self._ended.wait(HEARTBEAT_S):
            quiet_s = time.monotonic() - self._moved_at
            self._say(
                f"nothing has come for {quiet_s:.0f} s; a new connection is made after 60 s"
                if quiet_s > QUIET_S
                else ""
            )
        self._say("")

    def _native(self) -> None:
        try:
            self._model.download(self._moved, self._cancel)
        except Exception as error:
            self._error = error
        self._ended.set()

    def _moved(self, percent: float) -> None:
        if percent > self._percent:  # threads of the SDK report in any order
            self._percent, self._moved_at = percent, time.monotonic()

    def _wait(self, seconds: float, note: str) -> None:
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            self._say(f"{note} in {left:.0f} s")
            self._cancel.wait(min(HEARTBEAT_S, left))

    def _say(self, note: str) -> None:
        """Tell the client; one that has gone, or sent anything, wants the download to end."""
        try:
            if self._connection.poll():
                self._cancel.set()
            self._connection.send_bytes(_encode({"progress": self._percent, "note": note}))
        except (OSError, EOFError):
            self._cancel.set()
            raise


def _is_final(error: Exception) -> bool:
    return bool(re.search(DISK_WORDS, str(error)))


def explained(error: Exception, folder: Path) -> str:
    """What a failed download means, with what to do next."""
    text = plain(str(error)).rstrip(".")
    if re.search(DISK_WORDS, text):
        return (
            f"The disk is full, or {folder} cannot be written ({text}). What has arrived is kept: free some space and run it again, "
            "or name another disk in WORKSHOP_HOME."
        )
    return (
        f"Azure did not deliver ({text}). What has arrived is kept, and the same command goes on from there. A firewall must let through "
        f"{', '.join(AZURE_HOSTS)}; behind a proxy set HTTPS_PROXY, and if it reads TLS name its certificate in SSL_CERT_FILE; then stop the runtime "
        "(python -m helpers stop) and try again."
    )


class Control:
    """Accepts clients, one thread each, until told to stop or left alone."""

    def __init__(self, runtime: SdkRuntime):
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
                connection.send_bytes(
                    _encode(self._answer(json.loads(connection.recv_bytes()), connection))
                )
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
            if action == "repair":
                return {"ok": self._runtime.repair(alias, request["files"], connection)}
            return {"ok": getattr(self._runtime, action)(*([alias] if alias else []))}
        except (OSError, EOFError) as error:
            if connection.closed or isinstance(error, EOFError | ConnectionError):
                raise  # the client has gone
            return {"error": f"{error}"}
        except (
            Exception
        ) as error:  # whatever the native runtime raises, the client hears it in words
            return {"error": f"{error}"}

    def _count(self, change: int) -> None:
        with self._lock:
            self._clients += change
            self._left_alone_since = time.monotonic()


def local_catalog(folder: Path) -> list[dict]:
    """Every model in the cache whose files are recorded, in the form in which Foundry Local reads catalog entries."""
    return [catalog_entry(record.package) for _, record in cache.records(folder)]


def catalog_entry(package: Package) -> dict:
    """One model in the form in which Foundry Local reads catalog entries."""
    registry = "azureml://registries/workshop/models"
    return {
        "assetId": package.uri or f"{registry}/{package.name}/versions/{package.version}",
        "entityId": package.name,
        "name": package.name,
        "version": str(package.version),
        "displayName": package.alias,
        "publisher": package.publisher,
        "license": package.license,
        "createdTime": "2026-11-01T00:00:00Z",
        "inferenceTasks": [package.task],
        "modelCapabilities": list(package.capabilities),
        "deploymentOptions": ["Foundry Local on Devices"],
        "modelLimits": {
            "supportedInputModalities": ["text"],
            "supportedOutputModalities": ["text"],
            "textLimits": {
                "inputContextWindow": package.context,
                "maxOutputTokens": package.max_output_tokens,
            },
        },
        "annotations": {"tags": {"alias": package.alias}},
        "variantInformation": {
            "parents": [
                {
                    "assetId": package.parent
                    or f"{registry}/{package.alias}/versions/{package.version}"
                }
            ],
            "variantMetadata": {
                "modelType": "ONNX",
                "device": package.device.lower(),
                "executionProvider": package.execution_provider,
                "fileSizeBytes": package.bytes,
            },
        },
    }


def _put_back(aside: Path) -> None:
    """Give a folder that was set aside for a repair its name back, marked as a download under way."""
    folder = aside.with_name(aside.name.removesuffix(ASIDE))
    if not folder.exists():
        aside.rename(folder)
        (folder / "download.tmp").touch()


def _take_back(folder: Path) -> None:
    """What a repair that was killed has left set aside."""
    for aside in folder.glob(f"*/*{ASIDE}"):
        _put_back(aside)


def serve_catalog(entries: Callable[[], list[dict]]) -> str:
    """Serve catalog entries, as they are when asked for, on loopback for this process's own SDK; returns the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            found = entries()
            page = _encode({"totalCount": len(found), "continuationToken": "", "summaries": found})
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

    `WORKSHOP_CATALOG` names another catalog, or `off`. A certificate that Python does not trust is said, and the SDK may try all the same.
    """
    url = os.environ.get("WORKSHOP_CATALOG") or AZURE_CATALOG
    if url == "off":
        return {"url": None, "note": "switched off by WORKSHOP_CATALOG"}
    target, proxy = urllib.parse.urlsplit(url), urllib.parse.urlsplit(_proxy_for(url) or "")
    first = proxy if proxy.hostname else target
    seen = {}

    def knock() -> None:
        try:
            socket.create_connection(
                (first.hostname, first.port or (443 if first.scheme == "https" else 80)),
                timeout=wait_s,
            ).close()
            seen["answers"] = True
            if target.scheme == "https":
                _greet(target, proxy, wait_s)
        except ssl.SSLCertVerificationError as error:
            seen["distrusted"] = error.verify_message
        except OSError:
            pass

    # A thread, because a name look-up has no time limit of its own.
    thread = threading.Thread(target=knock, daemon=True)
    thread.start()
    thread.join(wait_s)
    if not seen.get("answers"):
        advice = (
            "; behind a proxy set HTTPS_PROXY"
            if url == AZURE_CATALOG and not proxy.hostname
            else ""
        )
        return {"url": None, "note": f"not reachable ({first.hostname}){advice}"}
    if why := seen.get("distrusted"):
        return {
            "url": url,
            "note": f"reachable, but its certificate is not trusted here ({why}): a proxy may read TLS; name that proxy's certificate in SSL_CERT_FILE",
        }
    return {"url": url, "note": "reachable"}


def _greet(
    target: urllib.parse.SplitResult, proxy: urllib.parse.SplitResult, wait_s: float
) -> None:
    """Shake hands with a TLS server, through a proxy if there is one."""
    end = proxy if proxy.hostname else target
    connection = http.client.HTTPConnection(
        end.hostname, end.port or (80 if end is proxy else 443), timeout=wait_s
    )
    if end is proxy:
        connection.set_tunnel(target.hostname, target.port or 443)
    with contextlib.closing(connection):
        connection.connect()
        ssl.create_default_context().wrap_socket(
            connection.sock, server_hostname=target.hostname
        ).close()


def _proxy_for(url: str) -> str | None:
    parts = urllib.parse.urlsplit(url)
    if urllib.request.proxy_bypass(parts.hostname):
        return None
    return urllib.request.getproxies().get(parts.scheme)


def _row(model, record: cache.Record | None, source: str) -> dict:
    info = model.info
    folder = Path(model.get_path()) if model.is_cached else None
    return {
        "alias": info.alias,
        "id": info.id,
        "source": record.source if record and source != "built-in" else source,
        "publisher": info.publisher,
        "license": info.license,
        "size_mb": round(record.package.bytes / 1e6, 1) if record else info.file_size_mb,
        "device": info.runtime.device_type.value
        if info.runtime and info.runtime.device_type
        else None,
        "execution_provider": info.runtime.execution_provider if info.runtime else None,
        "task": info.task,
        "context": info.context_length,
        "capabilities": [
            word.strip() for word in (info.capabilities or "").split(",") if word.strip()
        ],
        "kv_cache_mb": kv_cache_mb(folder) if folder else None,
        "cached": model.is_cached,
        "loaded": model.is_loaded,
        "files_sha256": record.package.digest if record and model.is_cached else None,
    }


def _facts(info) -> dict:
    """A downloaded model in the words of `cache.Package`."""
    return {
        "alias": info.alias,
        "name": info.name,
        "version": info.version,
        "publisher": info.publisher,
        "license": info.license,
        "task": info.task,
        "device": info.runtime.device_type.value
        if info.runtime and info.runtime.device_type
        else "CPU",
        "execution_provider": info.runtime.execution_provider
        if info.runtime
        else "CPUExecutionProvider",
        "context": info.context_length,
        "max_output_tokens": info.max_output_tokens,
        "capabilities": tuple(
            word.strip() for word in (info.capabilities or "").split(",") if word.strip()
        ),
        "uri": info.uri,
        "parent": info.get_string_property("parent_uri"),
    }


def kv_cache_mb(folder: Path) -> float | None:
    """Memory in MB (10^6) that the key-value cache of a full context takes, from `genai_config.json`; None where it does not say.

    2 (keys and values) x layers x key-value heads x head size x positions x 2 bytes; a CPU model may keep 4 bytes each.
    """
    try:
        config = json.loads((folder / "genai_config.json").read_text(encoding="utf-8"))
        decoder, positions = (
            config["model"]["decoder"],
            config["search"].get("max_length") or config["model"]["context_length"],
        )
        return (
            2
            * decoder["num_hidden_layers"]
            * decoder["num_key_value_heads"]
            * decoder["head_size"]
            * positions
            * 2
            / 1e6
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


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
    with os.fdopen(
        os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
    ) as file:  # the key is for this user only
        file.write(_encode(state))
    fresh.replace(path)


def fingerprint() -> str:
    """Identifies what a running service serves: this code, the built-in models, and its settings."""
    digest = hashlib.sha256(Path(__file__).read_bytes() + Path(cache.__file__).read_bytes())
    digest.update((BUILT_IN_MODELS / "manifest.json").read_bytes())
    digest.update(
        f"{model_cache()} {os.environ.get('WORKSHOP_CATALOG')} {os.environ.get('WORKSHOP_PORT')}".encode()
    )
    return digest.hexdigest()


def _encode(value) -> bytes:
    return json.dumps(value).encode()


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except KitError as problem:
        sys.exit(f"error: {problem}")
