"""Loopback stand-ins of the remote side of a download: model catalog, registry and blob store. Our side and the SDK are real.

The SDK asks `https://<region>.api.azureml.ms` where a model's files are. `HTTPS_PROXY` leads it to this server, which ends the TLS tunnel itself
with a certificate that `SSL_CERT_FILE` names.
"""

import contextlib
import json
import ssl
import threading
import urllib.parse
from collections.abc import Iterator
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


@contextlib.contextmanager
def azure(alias: str, files: dict[str, bytes], folder: Path) -> Iterator[dict[str, str]]:
    """A catalog with one model, and its files; yields the variables that lead the runtime to it."""
    authority = trustme.CA()
    certificate = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(certificate))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("*.api.azureml.ms").configure_cert(tls)

    class Handler(_Remote):
        context, entry, blobs = tls, catalog_entry(alias, sum(map(len, files.values()))), files

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    try:
        yield {"WORKSHOP_CATALOG": f"{address}/asset-gallery/v1.0/models", "HTTPS_PROXY": address, "SSL_CERT_FILE": str(certificate)}
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def catalog_of(entries: list[dict]) -> Iterator[str]:
    """A catalog with these entries and nothing to download; yields its address."""
    page = json.dumps({"totalCount": len(entries), "continuationToken": "", "summaries": entries}).encode()

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
            "variantMetadata": {"modelType": "ONNX", "device": "cpu", "executionProvider": "CPUExecutionProvider", "fileSizeBytes": size},
        },
    }


class _Remote(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    context: ssl.SSLContext
    entry: dict
    blobs: dict[str, bytes]

    def log_message(self, *_):
        pass

    def do_CONNECT(self):
        self.send_response(200)
        self.end_headers()
        self.connection = self.context.wrap_socket(self.connection, server_side=True)
        self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb", buffering=0)

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self._answer(200, json.dumps({"totalCount": 1, "continuationToken": "", "summaries": [self.entry]}).encode(), "application/json")

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urllib.parse.urlsplit(self.path)
        if "/modelregistry/" in url.path:
            where = {"blobSasUri": f"http://127.0.0.1:{self.server.server_port}/container?sv=x&sig=y"}
            return self._answer(200, json.dumps(where).encode(), "application/json")
        if "comp=list" in url.query:
            return self._answer(200, self._listing(), "application/xml")
        data = self.blobs.get(urllib.parse.unquote(url.path.removeprefix("/container/")))
        if data is None:
            return self._answer(404, b"{}", "application/json")
        span = self.headers.get("x-ms-range") or self.headers.get("Range")
        if not span or self.command == "HEAD":
            return self._answer(200, data, "application/octet-stream", **BLOB_HEADERS)
        first, last = span.removeprefix("bytes=").split("-")
        last = min(int(last or len(data) - 1), len(data) - 1)
        part = data[int(first) : last + 1]
        self._answer(206, part, "application/octet-stream", **BLOB_HEADERS, **{"Content-Range": f"bytes {first}-{last}/{len(data)}"})

    def _listing(self) -> bytes:
        blobs = "".join(
            f"<Blob><Name>{name}</Name><Properties><Creation-Time>{STAMP}</Creation-Time><Last-Modified>{STAMP}</Last-Modified><Etag>0x1</Etag>"
            f"<Content-Length>{len(data)}</Content-Length><Content-Type>application/octet-stream</Content-Type><BlobType>BlockBlob</BlobType>"
            "<AccessTier>Hot</AccessTier><LeaseStatus>unlocked</LeaseStatus><LeaseState>available</LeaseState><ServerEncrypted>true</ServerEncrypted>"
            "</Properties></Blob>"
            for name, data in self.blobs.items()
        )
        return (
            '<?xml version="1.0" encoding="utf-8"?><EnumerationResults ServiceEndpoint="http://127.0.0.1/" ContainerName="container">'
            f"<Blobs>{blobs}</Blobs><NextMarker /></EnumerationResults>"
        ).encode()

    def _answer(self, status: int, body: bytes, kind: str, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
