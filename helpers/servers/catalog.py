"""Offer the models of the cache to Foundry Local as a catalog, and see whether Azure's answers."""

import json
import os
import socket
import ssl
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import jinja2

from ..models import cache
from ..models.cache import Package
from ..timing.connection import proxy_for, tls_context
from ..timing.framing import Failure

AZURE_CATALOG = "https://api.catalog.azureml.ms/asset-gallery/v1.0/models"
ENTRY = jinja2.Template(
    (Path(__file__).parent / "templates" / "catalog_entry.json.jinja").read_text(encoding="utf-8"),
    undefined=jinja2.StrictUndefined,
)
UNTRUSTED = (
    "reachable, but its certificate is not trusted here ({}): a proxy may read TLS; "
    "name that proxy's certificate in SSL_CERT_FILE"
)
LOOPBACK = ("127.0.0.1", "localhost")
MAX_BYTES, READ_S = 2**20, 10.0  # of a request
PROBE_S = 2.0
PROBE_READ_S = 0.2  # once connected, a slow answer is as good as any


def catalog_entry(package: Package) -> dict:
    """Describe one model in the form in which Foundry Local reads catalog entries."""
    return json.loads(ENTRY.render(package=package))


def serve_catalog(folder: Path) -> str:
    """Serve on loopback a catalog of the models in a cache whose files are recorded.

    It is read anew for each request. Returns the address.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = READ_S

        def setup(self) -> None:
            super().setup()
            # What drips is never silent for long.
            self._alarm = threading.Timer(READ_S, self.connection.shutdown, [socket.SHUT_RD])
            self._alarm.daemon = True
            self._alarm.start()

        def finish(self) -> None:
            self._alarm.cancel()
            super().finish()

        def do_POST(self) -> None:
            size, host = self.headers.get("Content-Length", "0"), self.headers.get("Host", "")
            # A page in a browser sends its Origin, and may have a name that leads here.
            if "Origin" in self.headers or host.partition(":")[0] not in LOOPBACK:
                return self.send_error(403)
            if not size.isdecimal() or int(size[:18]) > MAX_BYTES:
                return self.send_error(413)
            if len(self.rfile.read(int(size))) < int(size):
                return self.send_error(408)
            found = [catalog_entry(record.package) for _, record in cache.records(folder)]
            page = {"totalCount": len(found), "continuationToken": "", "summaries": found}
            body = json.dumps(page).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return None

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/asset-gallery/v1.0/models"


def azure_catalog(wait_s: float = PROBE_S) -> dict[str, str | None]:
    """Return `url` of the Azure catalog (None when nothing answers there) and a `note` about it.

    Without a network the SDK would wait 4 s in vain. `WORKSHOP_CATALOG` names another catalog, or
    `off`. The note names a certificate that is not trusted; the SDK may try all the same.
    """
    url = os.environ.get("WORKSHOP_CATALOG") or AZURE_CATALOG
    if url == "off":
        return {"url": None, "note": "switched off by WORKSHOP_CATALOG"}
    notes: list[str] = []
    # A thread, because looking up a name has no time limit of its own.
    thread = threading.Thread(target=lambda: notes.extend(_probe(url, wait_s)), daemon=True)
    thread.start()
    thread.join(wait_s)
    if notes:
        return {"url": url, "note": notes[0]}
    try:
        proxy = proxy_for(url)
    except Failure as error:
        return {"url": None, "note": f"not reachable ({error})"}
    advice = "" if proxy or url != AZURE_CATALOG else "; behind a proxy set HTTPS_PROXY"
    host = urllib.parse.urlsplit(proxy or url).hostname
    return {"url": None, "note": f"not reachable ({host}){advice}"}


def _probe(url: str, wait_s: float) -> list[str]:
    """Return one note on a catalog that answers, whatever it answers; none when nothing does."""
    import httpx2  # slow to import, and not needed when the catalog is switched off

    try:
        wait = httpx2.Timeout(wait_s, read=PROBE_READ_S)
        proxy, trust = proxy_for(url), tls_context()
        httpx2.head(url, timeout=wait, trust_env=False, proxy=proxy, verify=trust)
    except Failure:
        return []
    except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
        reason: BaseException | None = error
        while reason:
            if isinstance(reason, ssl.SSLCertVerificationError):
                return [UNTRUSTED.format(reason.verify_message)]
            reason = reason.__cause__ or reason.__context__
        return []
    except httpx2.HTTPError:
        pass  # it is there, and that is all to know
    return ["reachable"]
