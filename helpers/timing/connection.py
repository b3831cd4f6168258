"""Open the connection for one POST: by the proxy that applies, with the system's certificates."""

import base64
import http.client
import ipaddress
import re
import socket
import ssl
import urllib.parse
import urllib.request
from collections.abc import Mapping

import truststore

from .framing import Failure

AGENT = "foundry-local-workshop"


def connect(
    url: str, headers: Mapping[str, str], payload: bytes, timeout_s: float
) -> tuple[socket.socket, bytes]:
    """Return an open connection and the bytes of the request to write on it.

    Raises OSError when it cannot be opened, ValueError for an invalid address, Failure for a proxy
    that cannot be used or a header that cannot be sent.
    """
    parts = urllib.parse.urlsplit(url)
    secure, host = parts.scheme == "https", (parts.hostname or "").encode("idna").decode()
    if not host:
        raise ValueError("it names no host")
    name = f"[{host}]" if ":" in host else host
    proxy = urllib.parse.urlsplit(proxy_for(url) or "")
    if proxy.hostname and proxy.scheme != "http":
        raise Failure(
            f"a proxy of the kind {proxy.scheme}:// cannot be used for {parts.scheme}://{name}; "
            "name an http:// proxy"
        )
    target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    headers = {"Host": name + (f":{parts.port}" if parts.port else ""), **headers}
    headers |= _credentials("Authorization", parts)
    if proxy.hostname and not secure:
        target = f"http://{headers['Host']}{target}"
        headers |= _credentials("Proxy-Authorization", proxy)
    request = _request(target, headers, payload)
    port = parts.port or (443 if secure else 80)
    address = (proxy.hostname, proxy.port or 80) if proxy.hostname else (host, port)
    opener: http.client.HTTPConnection
    if secure:
        context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["http/1.1"])
        opener = http.client.HTTPSConnection(*address, timeout=timeout_s, context=context)
    else:
        opener = http.client.HTTPConnection(*address, timeout=timeout_s)
    if proxy.hostname and secure:
        through = {"Host": f"{name}:{port}", **_credentials("Proxy-Authorization", proxy)}
        opener.set_tunnel(host, port, through)
    try:
        opener.connect()
    except http.client.HTTPException:
        opener.close()
        raise OSError("the proxy gave no answer that could be read") from None
    return opener.sock, request


def _request(target: str, headers: Mapping[str, str], payload: bytes) -> bytes:
    if not re.fullmatch(r"[\x21-\x7e]+", target):
        raise ValueError("it has a character that no request can name")
    headers = {
        **headers,
        "User-Agent": AGENT,
        "Content-Type": "application/json",
        "Content-Length": str(len(payload)),
        "Connection": "close",
        "Accept-Encoding": "identity",
    }
    for name, value in headers.items():
        if not re.fullmatch(r"[\x20-\x7e]*", value):
            raise Failure(f"the header {name} has a character that HTTP cannot carry")
    lines = [f"POST {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + payload


def _credentials(header: str, parts: urllib.parse.SplitResult) -> dict[str, str]:
    """Return the header for the user name and password of an address; none without them."""
    if not parts.username:
        return {}
    words = ":".join(urllib.parse.unquote(word or "") for word in (parts.username, parts.password))
    return {header: f"Basic {base64.b64encode(words.encode()).decode()}"}


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for an address; None for loopback."""
    parts = urllib.parse.urlsplit(url)
    if is_loopback(url) or urllib.request.proxy_bypass(parts.hostname or ""):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def is_loopback(url: str) -> bool:
    """Return whether an address names this machine."""
    host = urllib.parse.urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(url: str) -> str:
    """Return host and port of an address, without a user name or password; takes any text."""
    return re.split("[/?#]", url.partition("//")[2])[0].rpartition("@")[2] or url
