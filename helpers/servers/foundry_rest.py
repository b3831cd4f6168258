"""Load and unload on a Foundry Local service at an address, by its own routes.

Version 2 loads by alias, which it lists nowhere and of which it chooses the device; version 0 loads
by id. So an alias is tried, and then it is asked what is loaded.
"""

import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator

import httpx2

from ..common.errors import EndpointError
from ..common.foreign import clean

LOADED, LOADED_0 = "/models/loaded", "/openai/loadedmodels"
ROUTES = {
    LOADED: {"load": "/models/load/{}", "unload": "/models/unload/{}"},
    LOADED_0: {"load": "/openai/load/{}?ttl=3600", "unload": "/openai/unload/{}?force=true"},
}


class FoundryRest:
    """Ask a service for what is loaded, and to load and unload; `get` sends a request to a path."""

    def __init__(self, get: Callable[[str], httpx2.Response], loaded: str, where: str):
        self._get, self._loaded, self._where = get, loaded, where
        self._alias: dict[str, str] = {}  # of an id, once it is known

    def loaded(self) -> list[str]:
        """Return the ids of what is loaded now; an empty list when the service does not say."""
        return _ids(self._get, self._loaded) or []

    def load(self, model_id: str, aliases: Iterable[str]) -> float:
        """Load exactly this model and return the seconds. Raises EndpointError when it cannot."""
        before = self.loaded()
        for name in self._names(model_id, aliases):
            start = time.perf_counter()
            if not self._ask("load", name):
                continue
            seconds, now = time.perf_counter() - start, self.loaded()
            if model_id in now:
                self._alias[model_id] = name
                return seconds
            if other := [each for each in now if each not in before]:
                self._ask("unload", name)
                raise EndpointError(
                    f"{self._where} loads {clean(other[0])} when it is asked for '{name}', and "
                    f"offers no way to choose {model_id}; measure what it loads: --models {name}"
                )
        raise EndpointError(
            f"{self._where} does not load {model_id} under any name that its id suggests; "
            "name the model by its alias, as `foundry model list` shows it."
        )

    def unload(self, model_id: str, aliases: Iterable[str]) -> None:
        """Free a model's memory; do nothing when it is not loaded."""
        if model_id in self.loaded():
            any(self._ask("unload", name) for name in self._names(model_id, aliases))

    def chosen(self, alias: str) -> str | None:
        """Load what the service means by an alias and return its id; None for an unknown alias."""
        if self._loaded == LOADED_0 or not self._ask("unload", alias):
            return None
        before = self.loaded()
        self._ask("load", alias)
        model_id = next((each for each in self.loaded() if each not in before), None)
        if model_id:
            self._alias[model_id] = alias
        return model_id

    def _names(self, model_id: str, aliases: Iterable[str]) -> Iterator[str]:
        if self._loaded == LOADED_0:
            return iter([model_id])
        known = self._alias.get(model_id)
        return iter([known] if known else aliases)

    def _ask(self, action: str, name: str) -> bool:
        """Send one request; return False where the service knows no such name."""
        path = ROUTES[self._loaded][action].format(urllib.parse.quote(name, safe=":"))
        try:
            answer = self._get(path)
        except httpx2.HTTPError as error:
            status, reason = 0, clean(error)
        else:
            status, reason = answer.status_code, f"HTTP {answer.status_code}: {clean(answer.text)}"
        if status == 404:
            return False
        if status != 200:
            raise EndpointError(f"{self._where} could not {action} {name} ({reason}).")
        return True


def find_foundry(get: Callable[[str], httpx2.Response], where: str) -> FoundryRest | None:
    """Return the routes of a Foundry Local service of either version; None for another server."""
    for path in (LOADED, LOADED_0):
        if _ids(get, path) is not None:
            return FoundryRest(get, path, where)
    return None


def _ids(get: Callable[[str], httpx2.Response], path: str) -> list[str] | None:
    try:
        ids = get(path).raise_for_status().json()
    except (httpx2.HTTPError, ValueError, RecursionError):
        return None
    return ids if isinstance(ids, list) and all(isinstance(each, str) for each in ids) else None
