"""Open the connection for one POST: by the proxy that applies, with the system's certificates."""

import base64
import contextlib
import fnmatch
import http.client
import ipaddress
import os
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
    target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
    headers = {"Host": name + (f":{parts.port}" if parts.port else ""), **headers}
    headers |= _credentials("Authorization", parts)
    if proxy.hostname and not secure:
        target = f"http://{headers['Host']}{target}"
        headers |= _credentials("Proxy-Authorization", proxy)
    request = _request(target, headers, payload)
    port = parts.port or (443 if secure else 80)
    address = (proxy.hostname, proxy.port or 80) if proxy.hostname else (host, port)
    opener = http.client.HTTPConnection(*address, timeout=timeout_s)
    if secure:
        opener = http.client.HTTPSConnection(*address, timeout=timeout_s, context=tls_context())
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


def tls_context() -> ssl.SSLContext:
    """Trust the system's certificates and `SSL_CERT_FILE`. Raises Failure if that has none."""
    context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["http/1.1"])
    if path := os.environ.get("SSL_CERT_FILE"):
        try:
            context.load_verify_locations(path)
        except OSError as error:  # an SSLError is one too
            reason = error.strerror or "it holds no certificate"
            raise Failure(f"SSL_CERT_FILE names {path}, which cannot be used ({reason})") from None
    return context


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for an address; None for loopback.

    This one rule holds for all requests of the kit. Raises Failure for a kind that cannot be used.
    """
    parts = urllib.parse.urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    if is_loopback(url) or _goes_direct(host, port) or urllib.request.proxy_bypass(host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return None
    kind, separator, _ = proxy.partition("://")
    if separator and kind.lower() != "http":
        raise Failure(
            f"a proxy of the kind {kind}:// cannot be used for {parts.scheme}://{host}; "
            "name an http:// proxy"
        )
    return proxy if separator else f"http://{proxy}"


def by_proxy(url: str) -> str:
    """Return ` through the proxy HOST:PORT` where a request goes through one, else nothing."""
    try:
        proxy = proxy_for(url)
    except (Failure, ValueError):
        return ""
    return f" through the proxy {host_of(proxy)}" if proxy else ""


def _goes_direct(host: str, port: int) -> bool:
    """Tell whether `NO_PROXY` names a host: by name, domain, pattern, range, with or without port.

    `example.org`, `.example.org` and `*.example.org` all hold for the domain and what is below it.
    """
    entries = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
    for entry in re.split(r"[,;\s]+", entries.lower()):
        match = re.fullmatch(r"(\[[^]]*\]|[^:]*):(\d+)", entry)
        name, only_port = (match[1], int(match[2])) if match else (entry, port)
        name = name.strip("[]")
        if not name or only_port != port:
            continue
        domain = name.removeprefix("*").removeprefix(".")
        if name == "*" or host == domain or host.endswith(f".{domain}"):
            return True
        if fnmatch.fnmatchcase(host, name) or (name == "<local>" and "." not in host):
            return True
        with contextlib.suppress(ValueError):  # one of them is a name
            if ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False):
                return True
    return False


def is_loopback(url: str) -> bool:
    """Return whether an address names this machine."""
    host = (urllib.parse.urlsplit(url).hostname or "").rstrip(".")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def host_of(url: str) -> str:
    """Return host and port of an address, without a user name or password; takes any text."""
    return re.split("[/?#]", url.partition("//")[2])[0].rpartition("@")[2] or url
