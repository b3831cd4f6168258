"""Choose the server to ask: an address, or the built-in runtime."""

import os
import urllib.parse

from ..common.errors import UsageError
from ..models import lineup
from .local import BuiltIn
from .remote import Remote
from .server import KEY_VARIABLE, Server

ENDPOINT_VARIABLE = "FOUNDRY_LOCAL_ENDPOINT"


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
    base_url, key = parse_base_url(address), key or os.environ.get(key_variable)
    if key_variable != KEY_VARIABLE and not key:
        raise UsageError(
            f"The variable {key_variable} is empty or not set; put the key of {base_url} into it."
        )
    return Remote(base_url, models, key)


def parse_base_url(address: str) -> str:
    """Return an http(s) address as base URL, with `/v1` added when there is no path."""
    try:
        parts = urllib.parse.urlsplit(address.strip())
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
            raise ValueError
    except ValueError:
        raise UsageError(
            f"'{address}' is not the address of a server; "
            "expected something like http://localhost:5273/v1"
        ) from None
    path = parts.path.rstrip("/") or "/v1"
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc, path, "", ""))
