"""Ask an OpenAI-compatible server at an address; one of Foundry Local also loads and unloads."""

import contextlib
import re
import time
import urllib.parse

import httpx2

from ..common.errors import EndpointError
from ..models import lineup
from .model_table import ModelTable
from .server import TIMEOUT_S, Server

# The endings of an id: provider and device (`-generic-cpu`), then the version (`:4`).
ID_ENDING = r"(-(generic|cuda|trtrtx|tensorrt|openvino|qnn|vitis|webgpu)?-?(cpu|gpu|npu))?(:\d+)?$"


class Remote(Server):
    """Answer chats from an OpenAI-compatible server at a given address."""

    kind = "OpenAI-compatible endpoint"

    def __init__(self, base_url: str, models: lineup.Lineup | None = None, key: str | None = None):
        super().__init__(base_url, models, key)
        self.listed_ids()  # a wrong address is better told now than at the first request
        self._is_foundry = self._loaded() is not None

    def models(self) -> ModelTable:
        """Return the models of `/v1/models`; a Foundry Local service also says which are loaded."""
        loaded = self._loaded() if self._is_foundry else None
        table = ModelTable()
        for model_id in self.listed_ids():
            is_loaded = None if loaded is None else model_id in loaded
            row = {"id": model_id, "source": "endpoint", "loaded": is_loaded}
            table.append(self._info(row | {"alias": alias_of(model_id, self._lineup)}))
        return table

    def load(self, name: str, *, unload_others: bool = False) -> float | None:
        """Load a model and return the seconds, where the server is Foundry Local; else None."""
        model = self.resolve(name)
        for other in self.models() if unload_others else []:
            if other.loaded and other.id != model.id:
                self._control("unload", other.alias)
        return self._control("load", model.alias)

    def unload(self, name: str) -> None:
        """Free a model's memory where the server offers that."""
        self._control("unload", self.resolve(name).alias)

    def _control(self, action: str, alias: str) -> float | None:
        """Ask a Foundry Local service to load or unload; other servers do that by themselves."""
        if not self._is_foundry:
            return None
        start = time.perf_counter()
        url, failure = f"{self._root()}/models/{action}/{urllib.parse.quote(alias)}", "no answer"
        with contextlib.suppress(httpx2.HTTPError):
            answer = self._get(url, TIMEOUT_S)
            if answer.status_code == 200:
                return time.perf_counter() - start
            failure = f"HTTP {answer.status_code}: {answer.text[:120]}"
        raise EndpointError(f"{self.where} could not {action} {alias} ({failure}).")

    def _loaded(self) -> list[str] | None:
        """Return the ids that a Foundry Local service has loaded; None where it is not one."""
        try:
            loaded = self._get(f"{self._root()}/models/loaded").raise_for_status().json()
        except (httpx2.HTTPError, ValueError):
            return None
        return loaded if isinstance(loaded, list) else None

    def _root(self) -> str:
        return self.base_url.removesuffix("/v1")


def alias_of(model_id: str, models: lineup.Lineup) -> str:
    """Return the alias of an id: without version and device, and as the line-up calls it.

    `qwen2.5-0.5b-instruct-generic-cpu:4` is `qwen2.5-0.5b`; an id without such endings is an alias.
    """
    name = re.sub(ID_ENDING, "", model_id)
    plain = re.sub(r"-(instruct|chat|it)$", "", name, flags=re.IGNORECASE)
    return next((alias for alias in (name, plain, plain.lower()) if alias in models), name)
