"""Ask an OpenAI-compatible server at an address; one of Foundry Local also loads and unloads."""

import contextlib
import re

import httpx2

from ..common.errors import KitError
from ..models import lineup
from .foundry_rest import find_foundry
from .listing import aliases_of
from .model_table import ModelInfo, ModelTable
from .server import TIMEOUT_S, Server, Unlisted

NOT_LISTED = "endpoint, not in its list"
REFUSED_NAME = (
    "(?i)(invalid|unknown|not a valid|no such) model"
    r"|model\b.{0,80}\b(not exist|not found|is invalid|unknown|not available)"
)


class Remote(Server):
    """Answer chats from an OpenAI-compatible server at a given address."""

    kind = "OpenAI-compatible endpoint"

    def __init__(self, base_url: str, models: lineup.Lineup | None = None, key: str | None = None):
        super().__init__(base_url, models, key)
        self._ids: list[str] | None = None  # the last list that came
        self._no_list = ""  # why there is none
        self._accepted: dict[str, ModelInfo] = {}  # names that the list does not have
        self.listed_ids()  # a wrong address is better told now than at the first request
        self._foundry = find_foundry(self._get_below_root, self.where)

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
            aliases = dict.fromkeys(model.alias for model in table)
            raise lineup.unknown(name, aliases, self._lineup, table.note)
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
