"""Ask an OpenAI-compatible server at an address; one of Foundry Local also loads and unloads."""

import contextlib
import re
import time
import urllib.parse
from collections.abc import Callable, Iterable

import httpx2

from ..common.errors import EndpointError, KitError
from ..common.foreign import clean
from ..models import lineup
from .model_table import ModelInfo, ModelTable
from .server import TIMEOUT_S, Server, Unlisted

UNLOAD_LIMIT_S, UNLOAD_AGAIN_S = 3.0, 0.05
NOT_LISTED = "endpoint, not in its list"
REFUSED_NAME = (
    "(?i)(invalid|unknown|not a valid|no such) model"
    r"|model\b.{0,80}\b(not exist|not found|is invalid|unknown|not available)"
)
LOADED, LOADED_0 = "/models/loaded", "/openai/loadedmodels"
ROUTES = {
    LOADED: {"load": "/models/load/{}", "unload": "/models/unload/{}"},
    LOADED_0: {"load": "/openai/load/{}?ttl=3600", "unload": "/openai/unload/{}?force=true"},
}
# The endings of an id: provider and device (`-generic-cpu`), then the version (`:4`).
_PROVIDER = "generic|cuda|trtrtx|tensorrt(-rtx)?|openvino|qnn|vitis(ai)?|webgpu|migraphx|dml"
ID_ENDING = rf"(-({_PROVIDER})?-?(cpu|gpu|npu))?(:\d+)?$"
# What Foundry Local's aliases leave out of a name, and how they write a version.
SHORTER = {
    r"^(\w*ai|meta|microsoft|google|nvidia|ibm)-": "",
    r"-distill-(qwen|llama)": "",
    r"v(\d+)-(\d+)": r"v\1.\2",
    r"-(instruct|chat|it)(?=-|$)": "",
}


class Remote(Server):
    """Answer chats from an OpenAI-compatible server at a given address."""

    kind = "OpenAI-compatible endpoint"

    def __init__(self, base_url: str, models: lineup.Lineup | None = None, key: str | None = None):
        super().__init__(base_url, models, key)
        self._ids: list[str] | None = None  # the last list that came
        self._no_list = ""  # why there is none
        self._accepted: dict[str, ModelInfo] = {}  # names that the list does not have
        self.listed_ids()  # a wrong address is better told now than at the first request
        self._foundry = _find_foundry(self._get_below_root, self.where)

    def listed_ids(self) -> list[str]:
        """Return the ids that are listed now, or else the last ones. Raises EndpointError."""
        try:
            self._ids = super().listed_ids()
        except Unlisted as error:
            self._no_list = str(error)
        return self._ids or []

    def models(self) -> ModelTable:
        """Return the models of `/v1/models`; a Foundry Local service also says which are loaded."""
        self.listed_ids()
        return self._table()

    def _table(self) -> ModelTable:
        loaded = self._foundry.loaded() if self._foundry else None
        table = ModelTable()
        for model_id in self._ids or []:
            is_loaded = None if loaded is None else model_id in loaded
            row = {"id": model_id, "source": "endpoint", "loaded": is_loaded}
            table.append(self._info(row | {"alias": aliases_of(model_id, self._lineup)[0]}))
        table.note = self._no_list if self._ids is None else ""
        return table

    def default_models(self, *, missing: bool = False) -> list[str]:
        """Return the line-up's models offered here, else the only model; else raise UsageError."""
        table = self.models()
        return table.names() if len(table) == 1 else super().default_models(missing=missing)

    def resolve(self, name: str) -> ModelInfo:
        """Return the model with this alias or id, also one that the server does not list.

        The list is asked again only for a name that is not in the last one. Raises UnknownModel
        with near misses for a name that the server refuses.
        """
        for look in (self._table, self.models):
            if found := self._match(name, look()):
                return found
        table = self._table()
        if self._foundry and (model_id := self._foundry.chosen(name)):
            return self._info({"id": model_id, "alias": name, "source": "endpoint", "loaded": True})
        if self._foundry or not (self._ids is None or self._answers(name)):
            raise lineup.unknown(name, (m.alias for m in table), self._lineup, table.note)
        row = {"id": name, "alias": lineup.last_part(name), "source": NOT_LISTED}
        self._accepted[name] = self._info(row)
        return self._accepted[name]

    def _match(self, name: str, table: ModelTable) -> ModelInfo | None:
        accepted = self._accepted.values()
        found = [m for m in (*table, *accepted) if m.id == name]
        found = found or [m for m in (*table, *accepted) if m.alias == name]
        found = found or [m for m in table if name in aliases_of(m.id, self._lineup)]
        if len(found) > 1 and self._foundry and not any(model.loaded for model in found):
            # Only the service knows which of the devices its alias means.
            chosen = self._foundry.chosen(name)
            found = [m for m in self._table() if m.id == chosen] or found
        return next((m for m in found if m.loaded), found[0] if found else None)

    def _answers(self, name: str) -> bool:
        """Tell whether a model that is not listed answers, as a deployment of Azure does."""
        body = {"model": name, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
        with contextlib.suppress(httpx2.HTTPError):  # the first request will say what is wrong
            url, settings = f"{self.base_url}/chat/completions", self._http(TIMEOUT_S)
            with httpx2.stream("POST", url, json=body, **settings) as answer:
                refused = answer.status_code == 404
                if answer.status_code in (400, 422):
                    words = answer.read().decode("utf-8", "replace")
                    refused = re.search(REFUSED_NAME, words) is not None
                return not refused
        return True

    def load(self, name: str, *, unload_others: bool = False) -> float | None:
        """Load a model and return the seconds, where the server is Foundry Local; else None."""
        model = self.resolve(name)
        if not self._foundry:
            return None
        for other in self._table() if unload_others else []:
            if other.loaded and other.id != model.id:
                self._foundry.unload(other.id, aliases_of(other.id, self._lineup))
        return self._foundry.load(model.id, self._aliases(name, model))

    def unload(self, name: str) -> None:
        """Free a model's memory where the server offers that."""
        if self._foundry:
            model = self.resolve(name)
            self._foundry.unload(model.id, self._aliases(name, model))

    def download(self, name: str) -> ModelInfo:
        """Raise KitError: only who is at that machine can."""
        raise KitError(f"{self.where} cannot download '{name}' for you; do it on that machine.")

    def _get_below_root(self, path: str) -> httpx2.Response:
        # Loading a model takes longer than listing.
        return self._get(self.base_url.removesuffix("/v1") + path, TIMEOUT_S)

    def _aliases(self, name: str, model: ModelInfo) -> list[str]:
        aliases = aliases_of(model.id, self._lineup)
        return list(dict.fromkeys([*([name] if name != model.id else []), *aliases]))


class FoundryRest:
    """Ask a Foundry Local service what is loaded, and to load and unload, by its own routes.

    Version 2 loads by alias, which it lists nowhere and of which it chooses the device; version 0
    loads by id. So an alias is tried, and then it is asked what is loaded.
    """

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
        # The service refuses while it still holds a request whose client has it all.
        deadline = time.monotonic() + UNLOAD_LIMIT_S
        while model_id in self.loaded():
            try:
                any(self._ask("unload", name) for name in self._names(model_id, aliases))
                return
            except EndpointError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(UNLOAD_AGAIN_S)

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

    def _names(self, model_id: str, aliases: Iterable[str]) -> Iterable[str]:
        known = model_id if self._loaded == LOADED_0 else self._alias.get(model_id)
        return [known] if known else aliases

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


def _find_foundry(get: Callable[[str], httpx2.Response], where: str) -> FoundryRest | None:
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


def aliases_of(model_id: str, models: lineup.Lineup) -> list[str]:
    """Return the aliases that an id may have, the most likely first.

    It is without version, device and folder, and as the line-up calls it:
    `qwen2.5-0.5b-instruct-generic-cpu:4` is `qwen2.5-0.5b`. An id without such endings is an alias.
    """
    whole = lineup.last_part(model_id)
    name = re.sub(ID_ENDING, "", whole)
    plain = re.sub(r"-(instruct|chat|it)$", "", name, flags=re.IGNORECASE)
    names = [name, plain, plain.lower()]
    known = [alias for alias in names if alias in models]
    shorter = [name.lower()]
    for pattern, new in SHORTER.items():
        shorter.insert(0, re.sub(pattern, new, shorter[0]))
    first = known or ([name] if name == whole else shorter[:1])
    return list(dict.fromkeys([*first, *shorter, plain, name]))
