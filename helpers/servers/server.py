"""Ask a server for one answer with its figures, and define what all servers share."""

import contextlib
import ssl
import urllib.parse
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import httpx2

from ..common import machine
from ..common.errors import EndpointError, KitError, RuntimeStopped, UsageError
from ..common.foreign import KEY_VARIABLE, clean, mask, masked, visible
from ..common.show import lines
from ..common.templates import paragraph
from ..models import lineup
from ..timing.connection import by_proxy, proxy_for, tls_context
from ..timing.framing import Failure
from ..timing.metrics import METRICS, measure
from ..timing.refusals import explain_refusal, refused_fields, without
from ..timing.stream import Timeline, read_text, send
from ..timing.transport import Exchange
from .keep_warm import EVERY_S, Pings, Traffic
from .model_table import ModelInfo, ModelTable

Messages = str | Sequence[dict]  # one question, or a conversation
MAX_TOKENS = 150
TIMEOUT_S = 120.0
LIST_LIMIT_S = 10.0
PING: dict = {"max_tokens": 1, "stream": False, "timeout_s": 30.0}
NOT_FROM_HERE = (
    "not measurable from here: the server's process is on another machine, or not known to the kit"
)


class Unlisted(EndpointError):
    """Report that a server gives no list of models, or none at the moment."""


@dataclass(frozen=True)
class Reply:
    """Hold one answer with its timing; shows itself as text with a line of figures.

    Every figure of `helpers.timing.metrics` is an attribute: `reply.ttft_s`, `reply.latency_s`.
    """

    model: str
    prompt: str
    timeline: Timeline = field(repr=False)

    @property
    def text(self) -> str:
        """Return the answer without reasoning."""
        return self.timeline.text

    @cached_property
    def metrics(self) -> dict[str, float | None]:
        """Return every figure of this answer by name; None where the stream does not show it."""
        return measure(self.timeline)

    def __getattr__(self, name: str) -> float | None:
        if name in METRICS:
            return self.metrics[name]
        raise AttributeError(f"a Reply has no '{name}'; its figures are {', '.join(METRICS)}")

    def figures(self) -> str:
        """Return one line: TTFT, latency, tokens, rate."""
        tokens, rate = self.timeline.completion_tokens, self.output_tokens_per_s
        return paragraph("servers/figures.jinja", reply=self, tokens=tokens, rate=rate)

    def __str__(self) -> str:
        return "\n".join([*lines(self.text), "", f"[{self.figures()}]"])

    def _repr_markdown_(self) -> str:
        quoted = "\n".join(f"    {line}" for line in lines(self.text))
        return f"{quoted}\n\n*{self.figures()}*"


class Server:
    """Answer chats. Made by `connect()`; `close()` it, or use it as a context manager."""

    kind = ""

    def __init__(self, base_url: str, models: lineup.Lineup | None = None, key: str | None = None):
        self._base_url = base_url
        self._lineup = lineup.load_models() if models is None else models
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._traffic = Traffic()
        self.left_out: dict[str, dict[str, str]] = {}  # by model id: what it refused, see `adapt`

    @property
    def base_url(self) -> str:
        """Return the OpenAI base URL, ending in `/v1` for Foundry Local."""
        return self._base_url

    @property
    def where(self) -> str:
        """Return the address for records: without user name, password, query or key."""
        parts = urllib.parse.urlsplit(self.base_url)
        host = parts.netloc.rpartition("@")[2]
        return mask(urllib.parse.urlunsplit((parts.scheme, host, parts.path, "", "")))

    def models(self) -> ModelTable:
        """Return every model that this server offers."""
        raise NotImplementedError

    def default_models(self, *, missing: bool = False) -> list[str]:
        """Return the course's models that are here, or `missing`, else others; or UsageError."""
        table = self.models()
        if chosen := self._lineup.among(table, missing):
            return chosen
        offered = sorted({model.alias for model in table})[:5]
        about = {"where": self.where, "offered": offered, "note": table.note}
        raise UsageError(paragraph("servers/which_models.jinja", **about))

    def model_names(self, chosen: str | Iterable[str] | None, missing: bool = False) -> list[str]:
        """Return the names of a list or of a text with commas; without any, the default models."""
        return lineup.model_list(chosen) or self.default_models(missing=missing)

    def resolve(self, name: str) -> ModelInfo:
        """Return the model with this alias or id. Raises UnknownModel with near misses."""
        offered = self.models()
        if model := offered.find(name):
            return model
        raise lineup.unknown(name, (m.alias for m in offered), self._lineup, offered.note)

    def variants(self, names: Sequence[str]) -> ModelTable:
        """Return these models for each device that they were built for; `note` says what lacks."""
        offered, aliases = self.models(), [self.resolve(name).alias for name in names]
        table = ModelTable(m for alias in aliases for m in offered if m.alias == alias)
        table.note = self._provider_note()
        if single := [m.alias for m in table if m.alias in table.names()]:
            nothing = "Built for one device only, so there is nothing to compare"
            table.note = f"{table.note} {nothing}: {', '.join(single)}.".lstrip()
        return table

    def _provider_note(self) -> str:
        return ""

    def load(self, name: str, *, unload_others: bool = False) -> float | None:
        """Load a model and return the seconds; None when this server loads models by itself."""
        raise NotImplementedError

    def unload(self, name: str) -> None:
        """Free a model's memory, where this server offers that."""

    def prepare(
        self,
        model: ModelInfo,
        prompt: Messages,
        *,
        max_tokens: int = MAX_TOKENS,
        temperature: float = 0.0,
        seed: int | None = None,
        stream: bool = True,
        timeout_s: float = TIMEOUT_S,
    ) -> Exchange:
        """Return a request to a loaded model. Raises KitError where a dead runtime stays dead."""
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else [*prompt]
        body: dict[str, object] = {"model": model.id, "messages": messages}
        body |= {"max_tokens": max_tokens, "temperature": temperature, "stream": stream}
        body |= {} if seed is None else {"seed": seed}
        body |= {"stream_options": {"include_usage": True}} if stream else {}
        body = without(body, self.left_out.get(model.id, {}))
        return Exchange(f"{self.base_url}/chat/completions", body, timeout_s, self._headers)

    def adapt(self, model: ModelInfo, refused: Mapping[str, str]) -> bool:
        """Send no field again that a model refused; return whether there is one.

        `refused` maps fields to the name to use instead, or "". An other name that is refused too
        is left out.
        """
        known = self.left_out.setdefault(model.id, {})
        for name, other in refused.items():
            renamed = next((first for first, second in known.items() if second == name), None)
            known.update({name: other} if renamed is None else {renamed: ""})
        return bool(refused)

    def request(self, model: ModelInfo, prompt: Messages, **options) -> Timeline:
        """Time one request, with the options of `prepare`; the timeline says what went wrong."""
        while True:
            try:
                request = self.prepare(model, prompt, **options)
            except KitError as error:  # the runtime had died and did not start again
                return Timeline(error=str(error))
            with self.timed():
                timeline = send(request)
            if not self.adapt(model, timeline.refused):
                return timeline

    def timed(self) -> contextlib.AbstractContextManager:
        """Hold back the pings that keep models warm while requests are timed."""
        return self._traffic.timed()

    def chat(self, name: str, prompt: Messages, **options) -> Reply:
        """Return one answer with its timing, loading the model first; options as for `prepare`.

        Raises UnknownModel, or EndpointError when no answer came.
        """
        model = self._loaded_model(name)
        timeline = self.request(model, prompt, **options)
        if timeline.ok:
            asked = prompt if isinstance(prompt, str) else prompt[-1]["content"]
            return Reply(model.alias, asked, timeline)
        if ended := self.died():
            raise RuntimeStopped(f"{model.alias} did not answer: {ended}")
        reason = (timeline.error or "no reason given").rstrip(".")
        if "context length" in reason:
            reason += ". Shorten the prompt, or ask for fewer tokens"
        raise EndpointError(f"{model.alias} did not answer: {reason}.")

    def stream(self, name: str, prompt: Messages, **options) -> Generator[str]:
        """Yield the answer in pieces as they come, for a person to read; for figures use `chat`.

        Closing the iterator stops the model. Raises UnknownModel, or EndpointError when the answer
        breaks off.
        """
        model = self._loaded_model(name)
        with contextlib.closing(self._pieces(model, prompt, options)) as raw:
            yield from masked(raw)

    def _pieces(self, model: ModelInfo, prompt: Messages, options: dict) -> Generator[str]:
        request = self.prepare(model, prompt, **options)
        try:
            settings = self._http(request.timeout_s)
            with httpx2.stream("POST", request.url, json=request.body, **settings) as answer:
                if answer.is_success:
                    yield from read_text(answer.iter_bytes())
                    return
                status, body = answer.status_code, answer.read()
            if not self.adapt(model, refused_fields(status, body, request.body)):
                raise Failure(explain_refusal(status, answer.headers, body))
        except (httpx2.HTTPError, Failure) as error:
            reason = clean(error).rstrip(".")
            raise EndpointError(f"{model.alias} did not answer: {reason}.") from None
        yield from self._pieces(model, prompt, options)

    def _loaded_model(self, name: str) -> ModelInfo:
        model = self.resolve(name)
        if not model.loaded:
            self.load(name)
        return model

    def keep_warm(
        self, name: str, every_s: float = EVERY_S
    ) -> contextlib.AbstractContextManager[Pings]:
        """Load a model and ask it for one token whenever it has had no request for `every_s`.

        A ping never starts during a timed request, and a timed request that comes during a ping
        waits for its end before its clock starts. Yields the count of pings.
        """
        model = self._loaded_model(name)

        def ping() -> None:
            with contextlib.suppress(KitError):  # whether the token comes does not matter
                send(self.prepare(model, "Hi", **PING))

        return self._traffic.pings(ping, every_s)

    def listed_ids(self) -> list[str]:
        """Return the ids that `GET /v1/models` names.

        Raises Unlisted when the server offers no list now, EndpointError when it is no such server.
        """
        try:
            answer = self._get(f"{self.base_url}/models", LIST_LIMIT_S)
            ids = ids_in(answer.json()) if answer.status_code == 200 else []
        except httpx2.HTTPError as error:
            raise EndpointError(
                f"Cannot reach {self.where}{by_proxy(self.base_url)} ({clean(error)}); "
                "is the service running, and the address right?"
            ) from None
        except (httpx2.InvalidURL, ValueError, RecursionError):
            ids = None
        if ids is None:
            other = "does not answer like an OpenAI-compatible server; check the address."
            raise EndpointError(f"{self.where} {other}")
        if answer.status_code == 200:
            return ids
        about = {"where": self.where, "status": answer.status_code, "key_variable": KEY_VARIABLE}
        refused = answer.status_code in (401, 403)
        words = paragraph("servers/refused.jinja", **about)
        raise (EndpointError if refused else Unlisted)(words)

    def _get(self, url: str, timeout_s: float) -> httpx2.Response:
        return httpx2.get(url, **self._http(timeout_s))

    def _http(self, timeout_s: float) -> dict:
        """Return the settings of a request that is not timed; proxy and trust as for timed ones."""
        try:
            proxy, verify = proxy_for(self.base_url), self._trust
        except Failure as error:
            raise EndpointError(f"{self.where} cannot be asked: {error}.") from None
        settings = {"headers": self._headers, "timeout": timeout_s, "follow_redirects": True}
        return {**settings, "trust_env": False, "proxy": proxy, "verify": verify}

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        return tls_context()  # it takes 30 ms

    @property
    def pid(self) -> int | None:
        """Return the process id of the kit's own runtime; None for another server."""
        return None

    def died(self) -> str | None:
        """Say how the kit's own runtime ended without being asked to; None while it lives."""
        return None

    def footprint(self, name: str, prompt: str, max_tokens: int = MAX_TOKENS) -> machine.PeakMemory:
        """Measure a model's memory for one answer; raise KitError where that cannot be done."""
        raise KitError(NOT_FROM_HERE)

    def restore(self, names: Sequence[str]) -> dict[str, str]:
        """Load again what a server lost when it died; return name to reason for what failed."""
        return {}

    def close(self) -> None:
        """Let go of the server."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _info(self, row: Mapping) -> ModelInfo:
        known = {name: row[name] for name in row if name in ModelInfo.__dataclass_fields__}
        known["capabilities"] = tuple(row.get("capabilities", ()))
        if entry := self._lineup.get(row["alias"]):
            for name in ("size_mb", "license", "context"):
                known[name] = known.get(name) or getattr(entry, name)
            known["capabilities"] = entry.capabilities
            if entry.source == "built-in":
                known["size_mb"] = entry.size_mb
        return ModelInfo(**known)


def ids_in(listed: object) -> list[str] | None:
    """Return the ids of a model list that can be shown as they are; None for what is no list."""
    if isinstance(listed, dict):
        if not listed.keys() & {"data", "models"}:
            return None
        listed = listed.get("data", listed.get("models"))
    if listed is None:
        return []
    if not isinstance(listed, list):
        return None
    ids = (entry.get("id") if isinstance(entry, dict) else entry for entry in listed)
    usable = (i for i in ids if isinstance(i, str) and i.strip() and visible(mask(i)) == i)
    return list(dict.fromkeys(usable))
