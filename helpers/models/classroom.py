"""Run the classroom mirror: serve the models of this machine's cache to a room over HTTP.

`classroom_site` holds the pages; `helpers.models.mirror` is the attendee's side.
"""

import contextlib
import socket
from collections.abc import Callable, Iterable

import psutil

from ..common.errors import KitError, UsageError
from ..common.paths import BUILT_IN_MODELS, model_cache
from ..common.show import count, size
from .built_in import install_built_in
from .mirror import PORT

MAX_CONNECTIONS = 200


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
    import uvicorn  # here and below: attendees never need a server

    from . import classroom_site

    folder = model_cache()
    install_built_in(BUILT_IN_MODELS, folder)
    catalog = classroom_site.SharedCatalog(folder, only)
    progress = classroom_site.ClassProgress()
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
        addresses = _urls(host, listener.getsockname()[1])
        say(f"Serving {classroom_site.offer(packages)} from {folder}")
        _explain_how_to_join(host, addresses, say)
        config = uvicorn.Config(
            classroom_site.make_app(catalog, progress, addresses),
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


def _urls(host: str, port: int) -> list[str]:
    names = addresses_of(host)
    return [f"http://{f'[{name}]' if ':' in name else name}:{port}" for name in names]


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
