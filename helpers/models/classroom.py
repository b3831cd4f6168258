"""Run the classroom mirror: serve one cache's models to a room, and show how far everybody is.

The server only reads: a request names a model and a file of the list, and anything else is not
found. `helpers.models.mirror` is the attendee's side.
"""

import contextlib
import json
import socket
import time
import urllib.parse
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import psutil
import uvicorn
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

from ..common.errors import KitError, UsageError
from ..common.paths import BUILT_IN_MODELS, model_cache
from ..common.show import count, size
from . import cache
from .built_in import install_built_in
from .cache import CHUNK, Package
from .mirror import KIT, NAME_HEADER, PORT

MAX_CONNECTIONS = 200
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
        self._recent: deque[tuple[float, int]] = deque(maxlen=20_000)  # time and bytes

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
        self._recent.append((time.monotonic(), end - start))

    @property
    def bytes_per_s(self) -> float:
        """Return the rate of the last seconds."""
        since = time.monotonic() - RATE_OVER_S
        return sum(n_bytes for at, n_bytes in self._recent if at > since) / RATE_OVER_S


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
        tag = {"ETag": f'"{package.files[name].sha256}"'}
        response = FileResponse(path, headers=tag, media_type="application/octet-stream")
        sent = lambda start, end: self.progress.sent(attendee, package, name, start, end)  # noqa: E731
        return _Counted(response, sent)

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


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    only: Iterable[str] = (),
    say: Callable[[str], object] = print,
) -> None:
    """Serve the models in this machine's cache, the built-in ones among them, until Ctrl-C.

    Raises UsageError for an address that is wrong or taken, KitError when there is no model.
    """
    folder = model_cache()
    install_built_in(BUILT_IN_MODELS, folder)
    catalog = SharedCatalog(folder, only)
    progress = ClassProgress()
    packages = catalog.packages()
    if missing := sorted(set(only) - {package.alias for package in packages}):
        raise UsageError(
            f"The cache has no whole {', '.join(missing)}; see it with: python -m helpers cache"
        )
    if not packages:
        raise KitError(
            f"There is nothing to serve in {folder}; "
            "bring models into it with: python -m helpers download ALIAS..."
        )
    with _listen(host, port) as listener:
        port = listener.getsockname()[1]
        names = addresses_of(host)
        addresses = [f"http://{f'[{name}]' if ':' in name else name}:{port}" for name in names]
        say(f"Serving {offer(packages)} from {folder}")
        _explain_how_to_join(host, addresses, say)
        config = uvicorn.Config(
            make_app(catalog, progress, addresses),
            http="h11",
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=2,
        )
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
    served = sum(bool(attendee.reached) for attendee in progress.attendees.values())
    say(f"Served {size(progress.bytes_sent)} to {count(served, 'attendee')}.")


def _explain_how_to_join(host: str, addresses: list[str], say: Callable[[str], object]) -> None:
    say("Attendees type:")
    for address in addresses:
        say(f"  python -m helpers download --mirror {address}")
    say(f"The room's progress: {addresses[0]}/   Ctrl-C ends it.")
    if host in ("127.0.0.1", "::1", "localhost"):
        say("Only this machine can reach it; serve the room with: --host 0.0.0.0")


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"The mirror cannot listen on {host} port {port} ({reason}); "
            "choose another with --port, or an address of this machine with --host."
        ) from None


def addresses_of(host: str) -> list[str]:
    """Return the addresses under which others reach a host that was listened on.

    For `0.0.0.0` and `::` these are the addresses of all network cards.
    """
    if host not in ("0.0.0.0", "::"):
        return [host]
    family = socket.AF_INET6 if host == "::" else socket.AF_INET
    cards = psutil.net_if_addrs().values()
    names = [a.address.split("%")[0] for card in cards for a in card if a.family == family]
    local = ("127.", "169.254.", "fe80")
    reachable = [name for name in names if not name.startswith(local) and name != "::1"]
    return reachable or [socket.gethostname()]
