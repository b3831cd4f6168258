"""Run the classroom mirror: serve one cache's models to a room, and show how far everybody is.

A request names a model and a file of the list; anything else is not found.
"""

import contextlib
import socket
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import psutil
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.templating import Jinja2Templates
from starlette.types import Message, Receive, Scope, Send

from ..common.errors import UsageError
from ..common.foreign import clean
from ..common.paths import BUILT_IN_MODELS, model_cache
from ..common.show import count, size
from ..common.web import configure, is_in_the_room
from . import cache
from .built_in import install_built_in
from .cache import Package
from .mirror import KIT, NAME_HEADER, PORT

MAX_CONNECTIONS = 200
MAX_CLIENTS = 300
MAX_BODY_BYTES = 2**16  # what a machine posts to a room is a third of it
CHUNK = 2**19  # of a file; thirty clients hold some of these each
CATALOG_FOR_S = 2.0
REFRESH_S = 2
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
LOADER = jinja2.FileSystemLoader(Path(__file__).with_name("templates"))
# Everything is escaped, since attendees choose their names.
TEMPLATES = Jinja2Templates(env=jinja2.Environment(loader=LOADER, autoescape=True))


@dataclass
class Attendee:
    """Follow one client: how much of each model was sent to it, and what it has verified."""

    name: str
    sent: Counter[str] = field(default_factory=Counter)
    verified: set[str] = field(default_factory=set)

    def share(self, package: Package) -> float:
        """Return how much of a model this client has, 0 to 1."""
        verified = package.id in self.verified
        return 1.0 if verified else min(1.0, self.sent[package.id] / package.bytes)

    @property
    def done(self) -> bool:
        """Return whether the client has verified all models that it asked for."""
        return self.verified >= set(self.sent)


class SharedCatalog:
    """Offer the models of a cache that are recorded, whole and asked for."""

    def __init__(self, folder: Path, only: Iterable[str] = ()):
        self.folder, self._only = folder, set(only)
        self._packages: dict[str, Package] = {}
        self._looked_at = float("-inf")

    def packages(self) -> dict[str, Package]:
        """Return the models by id, as the cache is now."""
        if time.monotonic() - self._looked_at > CATALOG_FOR_S:
            self._packages = {
                record.package.id: record.package
                for folder, record in cache.records(self.folder)
                if not self._only or record.package.alias in self._only
                if not cache.verify(folder, record)
            }
            self._looked_at = time.monotonic()
        return self._packages

    def __str__(self) -> str:
        packages = self.packages().values()
        return ", ".join(f"{p.alias} ({p.bytes / 1e6:,.0f} MB)" for p in packages)


class Classroom:
    """Answer the requests of a room."""

    def __init__(
        self, catalog: SharedCatalog, addresses: list[str], more: Sequence[BaseRoute] = ()
    ):
        self._catalog, self._addresses = catalog, addresses
        self._attendees: dict[tuple[str, str], Attendee] = {}
        self.bytes_sent = 0
        self.app = Starlette(
            routes=[
                Route("/", self.page),
                Route("/manifest.json", self.listing),
                Route("/files/{model}/{name:path}", self.file),
                Route("/have/{model}", self.have, methods=["POST"]),
                *more,
            ]
        )

    async def page(self, request: Request) -> Response:
        """Answer with the live page for a projector: it loads nothing else and refreshes itself."""
        values = {
            "catalog": self._catalog,
            "attendees": self.attendees(),
            "served": size(self.bytes_sent),
            "addresses": self._addresses,
            "refresh_s": REFRESH_S,
        }
        policy = {"Content-Security-Policy": POLICY}
        return TEMPLATES.TemplateResponse(request, "classroom.html.jinja", values, headers=policy)

    async def listing(self, _request: Request) -> Response:
        """Answer with the list of models."""
        packages = self._catalog.packages().values()
        models = [package.model_dump(mode="json") for package in packages]
        return JSONResponse({"mirror": KIT, "version": 1, "models": models})

    async def file(self, request: Request) -> Response:
        """Answer with a file, or with one range of it. A stranger's text never becomes a path."""
        model, name = request.path_params["model"], request.path_params["name"]
        package = self._catalog.packages().get(model)
        if package is None or name not in package.files:
            raise HTTPException(404)
        path = package.folder(self._catalog.folder) / name
        if path.is_symlink() or not path.is_file():
            raise HTTPException(404)
        attendee = self._attendee(request)

        def sent(n_bytes: int) -> None:
            attendee.sent[model] += n_bytes
            self.bytes_sent += n_bytes

        return _CountedFile(path, sent)

    async def have(self, request: Request) -> Response:
        """Note that a client has verified a model."""
        model = request.path_params["model"]
        if model not in self._catalog.packages():
            raise HTTPException(404)
        self._attendee(request).verified.add(model)
        return Response(status_code=204)

    def attendees(self) -> list[Attendee]:
        """Return the clients that have asked for a model, by name."""
        return sorted(self._attendees.values(), key=lambda attendee: attendee.name.lower())

    def _attendee(self, request: Request) -> Attendee:
        """Return the client of a request, known by its address and the name that it may give."""
        address = request.client.host if request.client else "unknown"
        name = urllib.parse.unquote(request.headers.get(NAME_HEADER, ""), errors="replace")
        name = clean(name, 40)
        key = (address, name)
        if key not in self._attendees and len(self._attendees) >= MAX_CLIENTS:
            key, name = ("", ""), "others"
        return self._attendees.setdefault(key, Attendee(name or address))


class _CountedFile(FileResponse):
    """Send a file and call `sent` with the size of each piece that has gone out."""

    chunk_size = CHUNK

    def __init__(self, path: Path, sent: Callable[[int], None]):
        super().__init__(path, media_type="application/octet-stream")
        self._sent = sent

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def count(message: Message) -> None:
            await send(message)
            self._sent(len(message.get("body", b"")))

        await super().__call__(scope, receive, count)


def serve(
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    only: Iterable[str] = (),
    say: Callable[[str], object] = print,
    more: Sequence[BaseRoute] = (),
    opened: Callable[[list[str]], object] = len,
) -> None:
    """Serve this machine's models until Ctrl-C. Raises UsageError for an address or a model.

    `more` are routes of others; `opened` is told the addresses.
    """
    catalog = SharedCatalog(model_cache(), only)
    install_built_in(BUILT_IN_MODELS, catalog.folder)
    packages = catalog.packages().values()
    if missing := sorted(set(only) - {package.alias for package in packages}):
        raise UsageError(
            f"The cache has no whole {', '.join(missing)}; see it with: python -m helpers cache"
        )
    with _listen(host, port) as listener:
        port = listener.getsockname()[1]
        names = addresses_of(host)
        addresses = [f"http://{f'[{name}]' if ':' in name else name}:{port}" for name in names]
        say(f"Serving {catalog} from {catalog.folder}")
        opened(addresses)
        _explain_how_to_join(host, addresses, say)
        classroom = Classroom(catalog, addresses, more)
        config = configure(
            classroom.app,
            is_in_the_room,
            max_bytes=MAX_BODY_BYTES,
            log_level="error",
            limit_concurrency=MAX_CONNECTIONS,
            timeout_graceful_shutdown=2,
        )
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
    n_attendees = count(len(classroom.attendees()), "attendee")
    say(f"Served {size(classroom.bytes_sent)} to {n_attendees}.")


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
