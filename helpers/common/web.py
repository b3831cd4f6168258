"""Run a small web server that a stranger may reach: who may ask, how much is read, how long.

A page that is open in a browser can send requests to this machine too. It gives itself away by its
`Origin`, or, when its own name leads here, by the `Host` that it asks for.
"""

import asyncio
import ipaddress
import socket
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable
from typing import Any

import uvicorn
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

READ_S = 10.0
GRACE_S = 1  # for answers under way when a server in the background is closed
refused: Counter[int] = Counter()  # by HTTP status, in this process


def is_this_machine(host: str) -> bool:
    """Tell whether a name is that of loopback."""
    return host in ("127.0.0.1", "localhost", "::1")


def is_in_the_room(host: str) -> bool:
    """Tell whether a name is an address, or one that no stranger's DNS can lead here."""
    try:
        return bool(ipaddress.ip_address(host))
    except ValueError:
        own = {socket.gethostname().lower(), socket.getfqdn().lower()}
        return (host != "" and "." not in host) or host.endswith((".local", ".lan")) or host in own


def configure(
    app: ASGIApp, may_ask: Callable[[str], bool], *, max_bytes: int, **settings: Any
) -> uvicorn.Config:
    """Return a guarded server's settings: `may_ask` knows our names, `max_bytes` bounds a body."""
    guarded = Guard(app, may_ask, max_bytes)
    common: dict[str, Any] = {"ws": "none", "lifespan": "off", "proxy_headers": False}
    return uvicorn.Config(guarded, http=_InTime, **common, **settings)


class Background:
    """Serve an app for this machine only, from a thread of this process; `port` says where."""

    def __init__(self, app: ASGIApp, max_bytes: int):
        listener = socket.create_server(("127.0.0.1", 0))
        self.port = listener.getsockname()[1]
        config = configure(
            app,
            is_this_machine,
            max_bytes=max_bytes,
            log_level="critical",  # a caller that hangs up prints nothing in a notebook
            timeout_graceful_shutdown=GRACE_S,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the server; wait no longer for an answer that does not come."""
        self._server.should_exit = True
        self._thread.join(2 * GRACE_S)


class Guard:
    """Answer for an app what it should not see: strangers, and bodies that are large or slow."""

    def __init__(self, app: ASGIApp, may_ask: Callable[[str], bool], max_bytes: int):
        self._app, self._may_ask, self._max_bytes = app, may_ask, max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read the body, then let the app answer, or say why not."""
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        host, origin = headers.get(b"host", ""), headers.get(b"origin")
        size = headers.get(b"content-length", "0")
        body: bytes | None = b""
        if not self._may_ask(_hostname(f"//{host}")):
            status, reason = 421, "This server does not have that name; ask it by its address."
        elif origin is not None and origin.partition("://")[2] != host:
            status, reason = 403, "A page of another site may not ask this server."
        elif not size.isdecimal() or int(size[:18]) > self._max_bytes:
            status, reason = 413, f"A request may have {self._max_bytes:,} bytes."
        else:
            status, reason = 408, f"The request was not whole, or too long, after {READ_S:.0f} s."
            body = await self._read(receive)
            if body is not None:
                await self._app(scope, _replay(body, receive), send)
                return
        refused[status] += 1
        error = {"message": reason, "type": "refused", "param": None, "code": None}
        await JSONResponse({"error": error}, status)(scope, receive, send)

    async def _read(self, receive: Receive) -> bytes | None:
        body, more = b"", True
        try:
            async with asyncio.timeout(READ_S):
                while more and len(body) <= self._max_bytes:
                    message = await receive()
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
        except TimeoutError:
            return None
        return body if len(body) <= self._max_bytes else None


class _InTime(H11Protocol):
    """Close a connection on which no request has come, and serve none too many of an address.

    One address has a third of the connections that a server allows; others are answered with 503.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        peers = [getattr(other, "client", None) for other in self.connections]
        of_address = [peer for peer in peers if peer and self.client and peer[0] == self.client[0]]
        if self.limit_concurrency and len(of_address) > self.limit_concurrency / 3:
            refused[503] += 1
            self.limit_concurrency = 0
            self.connections.discard(self)
        self.loop.call_later(READ_S, self._look, transport)

    def _look(self, transport: asyncio.Transport) -> None:
        if self.cycle is None:
            transport.close()


def _replay(body: bytes, receive: Receive) -> Receive:
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def next_message() -> Message:
        return waiting.pop() if waiting else await receive()

    return next_message


def _hostname(url: str) -> str:
    try:
        return (urllib.parse.urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""
