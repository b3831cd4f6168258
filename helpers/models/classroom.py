"""The classroom mirror, from the instructor's side: the models of one cache for a room, over HTTP, with a page that shows how far everybody is.

It only ever reads: a request names a model and a file of the list, and anything else is not found. `helpers.models.mirror` is the other side.
"""

import html
import json
import socket
import time
import urllib.parse
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from ..common.errors import KitError, UsageError
from ..common.paths import BUILT_IN_MODELS, model_cache
from ..models.built_in import install_built_in
from . import cache
from .cache import CHUNK, Package
from .mirror import KIT, NAME_HEADER, PORT

MAX_CONNECTIONS = 200
MAX_CLIENTS = 300
LOOKED_FOR_S = 2.0
RATE_OVER_S = 5.0
REFRESH_S = 2
MAX_PROGRESS_BYTES = 2048


@dataclass
class Attendee:
    """One client: how far into each file it has come, and which models it says that it has verified."""

    name: str
    reached: dict[str, dict[str, int]] = field(default_factory=dict)
    verified: set[str] = field(default_factory=set)

    def share(self, package: Package) -> float:
        """How much of a model has been sent to it, 0 to 1."""
        return min(1.0, sum(self.reached.get(package.id, {}).values()) / max(1, package.bytes))


class ClassProgress:
    """Who has what."""

    def __init__(self):
        self.attendees: dict[tuple[str, str], Attendee] = {}
        self.bytes_sent = 0
        self._recent: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    def attendee(self, scope: dict) -> Attendee:
        """The client of a request, by its address and the name that it may give."""
        address = (scope.get("client") or ("unknown", 0))[0]
        headers = dict(scope["headers"])
        name = urllib.parse.unquote(
            headers.get(NAME_HEADER.lower().encode(), b"").decode("latin-1"), errors="replace"
        )
        name = "".join(c for c in name if c.isprintable())[:40].strip()
        key = (address, name)
        if key not in self.attendees and len(self.attendees) >= MAX_CLIENTS:
            key, name = ("", ""), "others"
        return self.attendees.setdefault(key, Attendee(name or address))

    def sent(self, attendee: Attendee, package: Package, file: str, start: int, end: int) -> None:
        """Bytes of a file have gone to somebody."""
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
        """What went out lately."""
        then, before = self._recent[0]
        now = time.monotonic()
        return (
            (self.bytes_sent - before) / max(now - then, 1.0)
            if now - self._recent[-1][0] < RATE_OVER_S
            else 0.0
        )


class SharedCatalog:
    """The models of a cache that can be given away: recorded, whole, and asked for."""

    def __init__(self, folder: Path, only: Iterable[str] = ()):
        self._folder, self._only = folder, set(only)
        self._found: dict[str, tuple[Package, Path]] = {}
        self._looked_at = float("-inf")

    def models(self) -> dict[str, tuple[Package, Path]]:
        """Id to package and folder, as the cache is now."""
        if time.monotonic() - self._looked_at > LOOKED_FOR_S:
            known = (
                (folder, record)
                for folder, record in cache.records(self._folder)
                if not self._only or record.package.alias in self._only
            )
            self._found = {
                r.package.id: (r.package, folder)
                for folder, r in known
                if not cache.verify(folder, r)
            }
            self._looked_at = time.monotonic()
        return self._found

    def file(self, model: str, name: str) -> tuple[Package, Path] | None:
        """A file that the list names, looked up and never put together from what a stranger wrote."""
        package, folder = self.models().get(model, (None, None))
        if package is None or name not in package.files:
            return None
        path = folder / name
        return (package, path) if path.is_file() and not path.is_symlink() else None


def make_app(shelf: SharedCatalog, room: ClassProgress, addresses: list[str]):
    """The ASGI application: the page, the list, the files, and a way to say "I have it"."""
    from starlette.applications import Starlette  # here: attendees never need them
    from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse
    from starlette.routing import Route

    class Counted(FileResponse):
        """A file, or a range of one, that says how much of it has gone out."""

        chunk_size = CHUNK

        async def __call__(self, scope, receive, send):
            where, attendee = 0, room.attendee(scope)
            package, name = scope["path_params"]["package"], scope["path_params"]["name"]

            async def counting(message):
                nonlocal where
                if message["type"] == "http.response.start":
                    span = dict(message["headers"]).get(b"content-range", b"bytes 0-").decode()
                    where = (
                        int(span.removeprefix("bytes ").split("-")[0]) if span[6:7].isdigit() else 0
                    )
                await send(message)
                if count := len(message.get("body", b"")):
                    room.sent(attendee, package, name, where, where + count)
                    where += count

            await super().__call__(scope, receive, counting)

    async def page(_request):
        packages = [package for package, _ in shelf.models().values()]
        return HTMLResponse(
            page_of(room, packages, addresses),
            headers={"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"},
        )

    async def listing(_request):
        models = [package.model_dump(mode="json") for package, _ in shelf.models().values()]
        return JSONResponse({"mirror": KIT, "version": 1, "models": models})

    async def file(request):
        model, name = request.path_params["model"], request.path_params["name"]
        found = shelf.file(model, name)
        if found is None or request.headers.get("range", "").count(",") > 0:
            return PlainTextResponse("not found\n", status_code=404)
        request.path_params["package"] = found[0]
        return Counted(
            found[1],
            headers={"ETag": f'"{found[0].files[name].sha256}"'},
            media_type="application/octet-stream",
        )

    async def have(request):
        said = b""
        async for part in request.stream():
            said += part
            if len(said) > MAX_PROGRESS_BYTES:
                return PlainTextResponse("too long\n", status_code=413)
        try:
            model = json.loads(said)["model"]
        except (ValueError, KeyError, TypeError):
            return PlainTextResponse("not understood\n", status_code=400)
        if isinstance(model, str) and model in shelf.models():
            room.attendee(request.scope).verified.add(model)
        return PlainTextResponse("noted\n")

    return Starlette(
        routes=[
            Route("/", page),
            Route("/manifest.json", listing),
            Route("/files/{model}/{name:path}", file),
            Route("/have", have, methods=["POST"]),
        ]
    )


def page_of(room: ClassProgress, packages: list[Package], addresses: list[str]) -> str:
    """The live page, for a projector: it loads nothing else and refreshes itself."""
    by_id = {package.id: package for package in packages}
    people = sorted(room.attendees.values(), key=lambda a: a.name.lower())
    begun = [a for a in people if a.reached or a.verified]
    done = [a for a in begun if a.verified and all(i in a.verified for i in a.reached)]
    cards = "".join(_card(a, by_id) for a in begun) or "<p>Nobody has asked for a model yet.</p>"
    offered = (
        ", ".join(f"{html.escape(p.alias)} ({p.bytes / 1e6:,.0f} MB)" for p in packages)
        or "nothing: download a model first"
    )
    joins = "".join(
        f"<code>python -m helpers download --mirror {html.escape(a)}</code>" for a in addresses
    )
    return PAGE.format(
        refresh=REFRESH_S,
        joins=joins,
        offered=offered,
        done=len(done),
        begun=len(begun),
        served=_size(room.bytes_sent),
        rate=_size(room.bytes_per_s),
        cards=cards,
    )


def _card(attendee: Attendee, packages: dict[str, Package]) -> str:
    lines = []
    for model in sorted(
        {*attendee.reached, *attendee.verified} & set(packages), key=lambda i: packages[i].alias
    ):
        package, verified = packages[model], model in attendee.verified
        share = 1.0 if verified else attendee.share(package)
        said = "verified" if verified else f"{100 * share:.0f} %"
        state = "has" if verified else "gets"
        lines.append(
            f'<div class="{state}"><span>{html.escape(package.alias)}</span><b>{said}</b><i><u style="width:{100 * share:.1f}%"></u></i></div>'
        )
    return f"<section><h2>{html.escape(attendee.name)}</h2>{''.join(lines)}</section>"


def _size(count: float) -> str:
    return f"{count / 1e9:,.2f} GB" if count >= 1e9 else f"{count / 1e6:,.1f} MB"


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="{refresh}"><title>Classroom mirror</title>
<style>
body {{ margin: 1.5rem 2rem; font: 20px/1.35 system-ui, sans-serif; color: #111; background: #fff; }}
h1 {{ font-size: 1.3rem; margin: 0 0 .5rem; }}
code {{ display: block; font: 600 1.35rem/1.5 ui-monospace, monospace; background: #eef3f8; padding: .35rem .7rem; margin: .3rem 0; }}
header p {{ margin: .3rem 0; }}
.figures {{ display: flex; gap: 3rem; margin: 1rem 0; }}
.figures div {{ font-size: 1rem; color: #444; }}
.figures b {{ display: block; font-size: 2.2rem; line-height: 1.1; color: #111; }}
main {{ display: grid; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); gap: .8rem; }}
section {{ border: 1px solid #bbb; border-radius: 6px; padding: .4rem .7rem .6rem; }}
h2 {{ font-size: 1.1rem; margin: 0 0 .2rem; overflow-wrap: anywhere; }}
section div {{ display: flex; flex-wrap: wrap; justify-content: space-between; font-size: .9rem; }}
i {{ flex: 0 0 100%; height: .5rem; background: #e3e3e3; }}
u {{ display: block; height: 100%; background: #e69f00; }}
.has u {{ background: #0072b2; }}
.has b {{ color: #0072b2; }}
</style></head><body>
<header><h1>Get the models</h1>{joins}<p>Offered: {offered}</p></header>
<div class="figures"><div><b>{done} of {begun}</b>have all that they asked for</div><div><b>{served}</b>served</div>
<div><b>{rate}/s</b>now</div></div>
<main>{cards}</main>
</body></html>
"""


def serve(
    *, host: str = "127.0.0.1", port: int = PORT, only: Iterable[str] = (), say=print
) -> None:
    """Serve the models in this machine's cache, the built-in ones among them, until Ctrl-C. Raises UsageError for an address that is none or taken, KitError when there is nothing to serve."""
    import uvicorn  # here: attendees never need it

    folder = model_cache()
    install_built_in(BUILT_IN_MODELS, folder)
    shelf, room = SharedCatalog(folder, only), ClassProgress()
    models = [package for package, _ in shelf.models().values()]
    if missing := sorted(set(only) - {package.alias for package in models}):
        raise UsageError(
            f"The cache has no whole {', '.join(missing)}; see it with: python -m helpers cache"
        )
    if not models:
        raise KitError(
            f"There is nothing to serve in {folder}; bring models into it with: python -m helpers download ALIAS..."
        )
    listener = _listen(host, port)
    port = listener.getsockname()[1]
    addresses = [f"http://{f'[{a}]' if ':' in a else a}:{port}" for a in addresses_of(host)]
    say(
        f"Serving {', '.join(f'{p.alias} ({p.bytes / 1e6:,.0f} MB)' for p in models)} from {folder}"
    )
    say("Attendees type:")
    for address in addresses:
        say(f"  python -m helpers download --mirror {address}")
    say(f"The room's progress: {addresses[0]}/   Ctrl-C ends it.")
    if host in ("127.0.0.1", "::1", "localhost"):
        say("Only this machine can reach it; serve the room with: --host 0.0.0.0")
    config = uvicorn.Config(
        make_app(shelf, room, addresses),
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
    try:
        uvicorn.Server(config).run(sockets=[listener])
    except KeyboardInterrupt:
        pass
    finally:
        listener.close()
    say(
        f"Served {_size(room.bytes_sent)} to {sum(bool(a.reached) for a in room.attendees.values())} attendees."
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(
            f"The mirror cannot listen on {host} port {port} ({reason}); choose another with --port, or an address of this machine with --host."
        ) from None


def addresses_of(host: str) -> list[str]:
    """The addresses under which others reach a host name that was listened on: for `0.0.0.0` those of every network card."""
    if host not in ("0.0.0.0", "::"):
        return [host]
    family = socket.AF_INET6 if host == "::" else socket.AF_INET
    found = [
        a.address.split("%")[0]
        for cards in psutil.net_if_addrs().values()
        for a in cards
        if a.family == family
    ]
    return [a for a in found if not a.startswith(("127.", "169.254.", "fe80")) and a != "::1"] or [
        socket.gethostname()
    ]
