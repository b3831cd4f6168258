"""Choose the server to ask: an address, or the built-in runtime."""

import ipaddress
import os
import re
import urllib.parse

from ..common.errors import UsageError
from ..common.foreign import KEY_VARIABLE, clean, read_key, remember_address, without_user
from ..models import lineup
from .local import BuiltIn
from .remote import Remote
from .server import Server

ENDPOINT_VARIABLE = "FOUNDRY_LOCAL_ENDPOINT"
HOST = re.compile(r"[\w.-]+|[0-9a-f:.%]+")


def connect(
    endpoint: str | None = None,
    *,
    models: lineup.Lineup | None = None,
    key: str | None = None,
    key_variable: str = KEY_VARIABLE,
    mirror: str | None = None,
) -> Server:
    """Return the server at `endpoint`, else in `FOUNDRY_LOCAL_ENDPOINT`, else the built-in runtime.

    `key` (else the variable that `key_variable` names) is sent to an endpoint and never stored.
    `mirror` (else `WORKSHOP_MIRROR`) is for the built-in runtime. Raises UsageError for a malformed
    address, EndpointError when no such server answers, KitError when the runtime cannot start.
    """
    address = endpoint or os.environ.get(ENDPOINT_VARIABLE)
    if not address:
        return BuiltIn(models, mirror)
    base_url, key = parse_base_url(address), read_key(key) or read_key(os.environ.get(key_variable))
    if key_variable != KEY_VARIABLE and not key:
        raise UsageError(
            f"The variable {key_variable} is empty or not set; "
            f"put the key of {without_user(base_url)} into it."
        )
    return Remote(base_url, models, key)


def parse_base_url(address: str) -> str:
    """Return an http(s) address as base URL, with `/v1` added when there is no path.

    Without a scheme it is http:// in a network of one's own, and https:// elsewhere. `0.0.0.0` and
    `::`, on which a server listens, become this machine's address.
    """
    remember_address(address)
    text = address.strip()
    try:
        if "://" not in text:
            text = f"//{text.lstrip('/')}"
        parts = urllib.parse.urlsplit(text)
        host = parts.hostname or ""
        scheme = parts.scheme or ("http" if _is_near(host) else "https")
        if scheme not in ("http", "https") or not HOST.fullmatch(host) or parts.port == 0:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"'{clean(address, 100)}' is not the address of a server; "
            "expected something like http://localhost:5273/v1"
        ) from None
    path = parts.path.rstrip("/") or "/v1"
    netloc = parts.netloc
    for listening, own in (("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]")):
        if host == listening.strip("[]"):
            netloc = netloc.replace(listening, own)
    return urllib.parse.urlunsplit((scheme, netloc, path, "", ""))


def _is_near(host: str) -> bool:
    """Tell whether a host is in a network of one's own, where servers seldom speak TLS."""
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return "." not in host or host.endswith((".local", ".lan", ".internal", ".localhost"))
