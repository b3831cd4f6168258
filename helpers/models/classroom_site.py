"""Answer a room's requests: the live page, the list of models, the files, and "I have it".

The server only reads: a request names a model and a file of the list, and anything else is not
found.
"""

import json
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
)
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..common.show import size
from . import cache
from .cache import CHUNK, Package
from .mirror import KIT, NAME_HEADER

MAX_CLIENTS = 300
MAX_PROGRESS_BYTES = 2048
CATALOG_FOR_S = 2.0
RATE_OVER_S = 5.0
REFRESH_S = 2
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
TEMPLATE = Path(__file__).with_name("templates") / "classroom.html.jinja"


@dataclass
class Attendee:
    """Follow one client: how far into each file it is, and which models it says it has verified."""

    name: str
    reached: dict[str, dict[str, int]] = field(default_factory=dict)
    verified: set[str] = field(default_factory=set)

    def share(self, package: Package) -> float:
        """Return how much of a model has been sent to this client, 0 to 1."""
        return min(1.0, sum(self.reached.get(package.id, {}).values()) / max(1, package.bytes))

    @property
    def done(self) -> bool:
        """Return whether the client has verified all models that it asked for."""
        return bool(self.verified) and self.verified >= set(self.reached)


class ClassProgress:
    """Follow who has what, and how fast bytes go out."""

    def __init__(self) -> None:
        self.attendees: dict[tuple[str, str], Attendee] = {}
        self.bytes_sent = 0
        self._recent: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def attendee(self, scope: Scope) -> Attendee:
        """Return the client of a request, known by its address and the name that it may give."""
        address = (scope.get("client") or ("unknown", 0))[0]
        header = dict(scope["headers"]).get(NAME_HEADER.lower().encode(), b"").decode("latin-1")
        name = urllib.parse.unquote(header, errors="replace")
        name = "".join(c for c in name if c.isprintable())[:40].strip()
        key = (address, name)
        if key not in self.attendees and len(self.attendees) >= MAX_CLIENTS:
            key, name = ("", ""), "others"
        return self.attendees.setdefault(key, Attendee(name or address))

    def sent(self, attendee: Attendee, package: Package, file: str, start: int, end: int) -> None:
        """Count bytes of a file that have gone to an attendee."""
        files = attendee.reached.setdefault(package.id, {})
        files[file] = max(files.get(file, 0), end)
        self.bytes_sent += end - start
        now = time.monotonic()
        if now - self._recent[-1][0] > 0.1:
            self._recent.append((now, self.bytes_sent))
        while len(self._recent) > 2 and now - self._recent[1][0] > RATE_OVER_S:
            self._recent.popleft()

    @property
    def bytes_per_s(self) -> float:
        """Return the rate of the last seconds."""
        then, before = self._recent[0]
        now = time.monotonic()
        if now - self._recent[-1][0] >= RATE_OVER_S:
            return 0.0
        return (self.bytes_sent - before) / max(now - then, 1.0)


class SharedCatalog:
    """Offer the models of a cache that are recorded, whole and asked for."""

    def __init__(self, folder: Path, only: Iterable[str] = ()):
        self._folder, self._only = folder, set(only)
        self._models: dict[str, tuple[Package, Path]] = {}
        self._looked_at = float("-inf")

    def models(self) -> dict[str, tuple[Package, Path]]:
        """Return package and folder by id, as the cache is now."""
        if time.monotonic() - self._looked_at > CATALOG_FOR_S:
            self._models = {
                record.package.id: (record.package, folder)
                for folder, record in cache.records(self._folder)
                if not self._only or record.package.alias in self._only
                if not cache.verify(folder, record)
            }
            self._looked_at = time.monotonic()
        return self._models

    def packages(self) -> list[Package]:
        """Return the packages alone."""
        return [package for package, _ in self.models().values()]

    def file(self, model: str, name: str) -> tuple[Package, Path] | None:
        """Return a file of the list. A stranger's text never becomes a path."""
        if model not in self.models():
            return None
        package, folder = self.models()[model]
        path = folder / name
        if name not in package.files or path.is_symlink() or not path.is_file():
            return None
        return package, path


@dataclass(frozen=True)
class Site:
    """Hold what the pages of a room share, and answer its requests."""

    catalog: SharedCatalog
    progress: ClassProgress
    addresses: list[str]

    async def page(self, _request: Request) -> Response:
        """Answer with the live page."""
        html = page_of(self.progress, self.catalog.packages(), self.addresses)
        return HTMLResponse(html, headers={"Content-Security-Policy": POLICY})

    async def listing(self, _request: Request) -> Response:
        """Answer with the list of models."""
        models = [package.model_dump(mode="json") for package in self.catalog.packages()]
        return JSONResponse({"mirror": KIT, "version": 1, "models": models})

    async def file(self, request: Request) -> ASGIApp:
        """Answer with a file, or with one range of it."""
        model, name = request.path_params["model"], request.path_params["name"]
        offered = self.catalog.file(model, name)
        if offered is None or "," in request.headers.get("range", ""):
            return PlainTextResponse("not found\n", status_code=404)
        package, path = offered
        attendee = self.progress.attendee(request.scope)
        return _Counted(
            FileResponse(
                path,
                headers={"ETag": f'"{package.files[name].sha256}"'},
                media_type="application/octet-stream",
            ),
            lambda start, end: self.progress.sent(attendee, package, name, start, end),
        )

    async def have(self, request: Request) -> Response:
        """Note that a client has verified a model."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_PROGRESS_BYTES:
                return PlainTextResponse("too long\n", status_code=413)
        try:
            model = json.loads(body)["model"]
        except (ValueError, KeyError, TypeError):
            return PlainTextResponse("not understood\n", status_code=400)
        if isinstance(model, str) and model in self.catalog.models():
            self.progress.attendee(request.scope).verified.add(model)
        return PlainTextResponse("noted\n")


class _Counted:
    """Send a file and call `sent(start, end)` for each piece that has gone out."""

    def __init__(self, response: FileResponse, sent: Callable[[int, int], None]):
        response.chunk_size = CHUNK
        self._response, self._sent, self._position = response, sent, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                span = dict(message["headers"]).get(b"content-range", b"bytes 0-").decode()
                first = span.removeprefix("bytes ").split("-")[0]
                self._position = int(first) if first.isdigit() else 0
            await send(message)
            if n_bytes := len(message.get("body", b"")):
                self._sent(self._position, self._position + n_bytes)
                self._position += n_bytes

        await self._response(scope, receive, count)


def make_app(catalog: SharedCatalog, progress: ClassProgress, addresses: list[str]) -> Starlette:
    """Return the ASGI application."""
    site = Site(catalog, progress, addresses)
    return Starlette(
        routes=[
            Route("/", site.page),
            Route("/manifest.json", site.listing),
            Route("/files/{model}/{name:path}", site.file),
            Route("/have", site.have, methods=["POST"]),
        ]
    )


def page_of(progress: ClassProgress, packages: list[Package], addresses: list[str]) -> str:
    """Return the live page for a projector: it loads nothing else and refreshes itself."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["size"] = size
    people = sorted(progress.attendees.values(), key=lambda person: person.name.lower())
    started = [person for person in people if person.reached or person.verified]
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        progress=progress,
        packages=sorted(packages, key=lambda package: package.alias),
        addresses=addresses,
        offered=offer(packages),
        started=started,
        n_done=sum(person.done for person in started),
        refresh_s=REFRESH_S,
    )


def offer(packages: Iterable[Package]) -> str:
    """Return the packages with their sizes, as a sentence lists them."""
    return ", ".join(f"{p.alias} ({p.bytes / 1e6:,.0f} MB)" for p in packages)
