"""Loopback stand-ins of the remote side of a download: model catalog, registry and blob store. Our side and the SDK are real.

The SDK asks `https://<region>.api.azureml.ms` where a model's files are. `HTTPS_PROXY` leads it to this server, which ends the TLS tunnel itself
with a certificate that `SSL_CERT_FILE` names. A `Fault` says what goes wrong with a file, and how often.
"""

import contextlib
import json
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import trustme

STAMP = "Thu, 01 Oct 2026 00:00:00 GMT"
BLOB_HEADERS = {  # without the last four the SDK gives up with "map::at"
    "ETag": '"0x1"',
    "Last-Modified": STAMP,
    "Accept-Ranges": "bytes",
    "x-ms-blob-type": "BlockBlob",
    "x-ms-creation-time": STAMP,
    "x-ms-server-encrypted": "true",
    "x-ms-lease-status": "unlocked",
    "x-ms-lease-state": "available",
}


@dataclass
class Fault:
    """What goes wrong with the next `times` requests for a file: after `after` bytes of the body the server does `what`.

    `cut` closes the connection, `hold` waits until `released` and then goes on, `short` promises and sends `after` bytes too few,
    a number is an HTTP status in place of an answer.
    """

    what: str | int
    after: int = 0
    times: int = 1
    held: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)


@dataclass
class Azure:
    """The remote side: files of each model, faults by `alias/file`, and what was sent: (`alias/file`, first byte, bytes of the body)."""

    models: dict[str, dict[str, bytes]]
    tls: ssl.SSLContext
    variables: dict[str, str] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    sent: list[tuple[str, int, int]] = field(default_factory=list)

    def take_fault(self, what: str) -> Fault | None:
        fault = self.faults.get(what)
        if fault is None or fault.times <= 0:
            return None
        fault.times -= 1
        return fault

    def parts(self, alias: str, since: int = 0) -> list[tuple[str, int, int]]:
        """What was sent of one model: (file, first byte, bytes)."""
        return [
            (what.partition("/")[2], first, count)
            for what, first, count in self.sent[since:]
            if what.startswith(f"{alias}/")
        ]


@contextlib.contextmanager
def azure(models: dict[str, dict[str, bytes]], folder: Path) -> Iterator[Azure]:
    """A catalog with some models, and their files; `variables` lead the runtime to it."""
    authority = trustme.CA()
    certificate = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("*.api.azureml.ms", "127.0.0.1").configure_cert(tls)
    remote = Azure(models, tls=tls)

    class Handler(_Remote):
        azure = remote

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    remote.variables = {
        "WORKSHOP_CATALOG": f"{address}/asset-gallery/v1.0/models",
        "HTTPS_PROXY": address,
        "SSL_CERT_FILE": str(certificate),
    }
    try:
        yield remote
    finally:
        for fault in remote.faults.values():
            fault.released.set()
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def catalog_of(entries: list[dict]) -> Iterator[str]:
    """A catalog with these entries and nothing to download; yields its address."""
    page = json.dumps(
        {"totalCount": len(entries), "continuationToken": "", "summaries": entries}
    ).encode()

    class Handler(_Remote):
        def do_POST(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer(200, page, "application/json")

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/asset-gallery/v1.0/models"
    finally:
        server.shutdown()
        server.server_close()


def catalog_entry(alias: str, size: int) -> dict:
    name = f"{alias}-generic-cpu"
    return {
        "assetId": f"azureml://registries/azureml/models/{name}/versions/3",
        "entityId": name,
        "name": name,
        "version": "3",
        "displayName": alias,
        "publisher": "Somebody",
        "license": "apache-2.0",
        "createdTime": "2026-10-01T00:00:00Z",
        "inferenceTasks": ["chat-completion"],
        "deploymentOptions": ["Foundry Local on Devices"],
        "modelLimits": {
            "supportedInputModalities": ["text"],
            "supportedOutputModalities": ["text"],
            "textLimits": {"inputContextWindow": 1024, "maxOutputTokens": 512},
        },
        "annotations": {"tags": {"alias": alias}},
        "variantInformation": {
            "parents": [{"assetId": f"azureml://registries/azureml/models/{alias}/versions/3"}],
            "variantMetadata": {
                "modelType": "ONNX",
                "device": "cpu",
                "executionProvider": "CPUExecutionProvider",
                "fileSizeBytes": size,
            },
        },
    }


class _Remote(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    azure: Azure

    def log_message(self, *_):
        pass

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        self.connection = self.azure.tls.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = (
            self.connection.makefile("rb"),
            self.connection.makefile("wb", buffering=0),
        )

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        entries = [
            catalog_entry(alias, sum(map(len, files.values())))
            for alias, files in self.azure.models.items()
        ]
        self._answer(
            200,
            json.dumps(
                {"totalCount": len(entries), "continuationToken": "", "summaries": entries}
            ).encode(),
            "application/json",
        )

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if "/modelregistry/" in url.path:
            alias = next(
                alias
                for alias in self.azure.models
                if f"{alias}-generic-cpu" in urllib.parse.unquote(url.path + url.query)
            )
            if self._failed(f"registry:{alias}"):
                return None
            where = {"blobSasUri": f"http://127.0.0.1:{self.server.server_port}/{alias}?sv=x&sig=y"}
            return self._answer(200, json.dumps(where).encode(), "application/json")
        alias, _, name = urllib.parse.unquote(url.path.lstrip("/")).partition("/")
        files = self.azure.models.get(alias, {})
        if "comp=list" in url.query:
            return (
                None
                if self._failed(f"listing:{alias}")
                else self._answer(200, _listing(files), "application/xml")
            )
        if name not in files:
            return self._answer(404, b"{}", "application/json")
        data, span = files[name], self.headers.get("x-ms-range") or self.headers.get("Range")
        if not span or self.command == "HEAD":
            return self._answer(200, data, "application/octet-stream", **BLOB_HEADERS)
        first, last = span.removeprefix("bytes=").split("-")
        first, last = int(first), min(int(last or len(data) - 1), len(data) - 1)
        span = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
        self._part(
            f"{alias}/{name}",
            first,
            data[first : last + 1],
            {**BLOB_HEADERS, **span, "Content-Type": "application/octet-stream"},
        )

    def _part(self, name: str, first: int, part: bytes, headers: dict) -> None:
        """One range of a file, with whatever is to go wrong with it."""
        fault = self.azure.take_fault(name)
        if fault and isinstance(fault.what, int):
            return self._answer(fault.what, b"{}", "application/json")
        promised = len(part) - (fault.after if fault and fault.what == "short" else 0)
        now = part[: fault.after] if fault and fault.what != "short" else part[:promised]
        self.send_response(206)
        for key, value in {**headers, "Content-Length": str(promised)}.items():
            self.send_header(key, value)
        self.end_headers()
        self._send(name, first, now)
        if fault and fault.what == "hold":
            fault.held.set()
            fault.released.wait()
            self._send(name, first + len(now), part[len(now) :])
        self.close_connection = fault is not None

    def _send(self, name: str, first: int, body: bytes) -> None:
        self.azure.sent.append((name, first, len(body)))
        with contextlib.suppress(OSError):  # a client that gave up is no error of ours
            self.wfile.write(body)
            self.wfile.flush()

    def _failed(self, what: str) -> bool:
        fault = self.azure.take_fault(what)
        if fault:
            self._answer(fault.what, b"{}", "application/json")
        return fault is not None

    def _answer(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _listing(files: dict[str, bytes]) -> bytes:
    blobs = "".join(
        f"<Blob><Name>{name}</Name><Properties><Creation-Time>{STAMP}</Creation-Time><Last-Modified>{STAMP}</Last-Modified><Etag>0x1</Etag>"
        f"<Content-Length>{len(data)}</Content-Length><Content-Type>application/octet-stream</Content-Type><BlobType>BlockBlob</BlobType>"
        "<AccessTier>Hot</AccessTier><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted>"
        "</Properties></Blob>"
        for name, data in files.items()
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://127.0.0.1/" ContainerName="container">'
        f"<Blobs>{blobs}</Blobs><NextMarker /></EnumerationResults>"
    ).encode()
