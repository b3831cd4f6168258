"""Offer the models of the cache to Foundry Local as a catalog, and see whether Azure's answers."""

import json
import os
import ssl
import threading
import urllib.parse
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ..common.templates import environment
from ..common.web import Background
from ..models import cache
from ..models.cache import Package
from ..timing.connection import proxy_for, tls_context
from ..timing.framing import Failure

CATALOG_PATH = "/asset-gallery/v1.0/models"
AZURE_CATALOG = f"https://api.catalog.azureml.ms{CATALOG_PATH}"
UNTRUSTED = (
    "reachable, but its certificate is not trusted here ({}): a proxy may read TLS; "
    "name that proxy's certificate in SSL_CERT_FILE"
)
MAX_BYTES = 2**20  # of a request
PROBE_S = 2.0
PROBE_READ_S = 0.2  # once connected, a slow answer is as good as any


def catalog_entry(package: Package) -> dict:
    """Describe one model in the form in which Foundry Local reads catalog entries."""
    template = environment("servers").get_template("catalog_entry.json.jinja")
    return json.loads(template.render(package=package))


def serve_catalog(folder: Path) -> str:
    """Serve on loopback a catalog of the models recorded in a cache now; return the address."""

    def answer(_: Request) -> JSONResponse:
        found = [catalog_entry(record.package) for _, record in cache.records(folder)]
        page = {"totalCount": len(found), "continuationToken": "", "summaries": found}
        return JSONResponse(page, headers={"Connection": "close"})

    app = Starlette(routes=[Route(CATALOG_PATH, answer, methods=["POST"])])
    return f"http://127.0.0.1:{Background(app, MAX_BYTES).port}{CATALOG_PATH}"


def azure_catalog(wait_s: float = PROBE_S) -> dict[str, str | None]:
    """Return `url` of the Azure catalog (None when nothing answers there) and a `note` about it.

    Without a network the SDK would wait 4 s in vain. `WORKSHOP_CATALOG` names another catalog, or
    `off`. The note names a certificate that is not trusted; the SDK may try all the same.
    """
    url = os.environ.get("WORKSHOP_CATALOG") or AZURE_CATALOG
    if url == "off":
        return {"url": None, "note": "switched off by WORKSHOP_CATALOG"}
    try:
        proxy, trust = proxy_for(url), tls_context()
    except Failure as error:
        return {"url": None, "note": f"not reachable ({error})"}
    notes: list[str] = []
    # A thread, because looking up a name has no time limit of its own.
    probe = threading.Thread(
        target=lambda: notes.extend(_probe(url, wait_s, proxy=proxy, verify=trust)), daemon=True
    )
    probe.start()
    probe.join(wait_s)
    if notes:
        return {"url": url, "note": notes[0]}
    advice = "" if proxy or url != AZURE_CATALOG else "; behind a proxy set HTTPS_PROXY"
    host = urllib.parse.urlsplit(proxy or url).hostname
    return {"url": None, "note": f"not reachable ({host}){advice}"}


def _probe(url: str, wait_s: float, **settings: Any) -> list[str]:
    """Return one note on a catalog that answers, whatever it answers; none when nothing does."""
    import httpx2  # slow to import, and not needed when the catalog is switched off

    try:
        wait = httpx2.Timeout(wait_s, read=PROBE_READ_S)
        httpx2.head(url, timeout=wait, trust_env=False, **settings)
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
