"""One server of models: the built-in runtime, or any OpenAI-compatible address. Names to ids, load, one chat."""

import contextlib
import dataclasses
import os
import re
import time
import urllib.parse
from collections.abc import Callable, Generator, Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property

import psutil

from ..common import machine
from ..common.errors import EndpointError, KitError, MirrorError, UsageError
from ..common.paths import free_disk_gb, home, model_cache, service_folder
from ..common.show import Table
from ..models import lineup, mirror
from ..models.cache import Package, download_lock
from ..timing.connection import is_loopback
from ..timing.metrics import measure
from ..timing.stream import Timeline, send
from ..timing.transport import Exchange
from .foundry import Runtime, RuntimeStopped, private_service
from .keep_warm import EVERY_S, Pings, Traffic, ping_every

ENDPOINT_VARIABLE = "FOUNDRY_LOCAL_ENDPOINT"
KEY_VARIABLE = "FOUNDRY_LOCAL_API_KEY"
MAX_TOKENS = 150
TIMEOUT_S = 120.0
NOT_FROM_HERE = (
    "not measurable from here: the server's process is on another machine, or not known to the kit"
)
PING_LIMIT_S = 30.0
MEMORY_FACTOR = 1.2  # weights plus key-value cache and buffers, as a share of the weights


@dataclass(frozen=True)
class ModelInfo:
    """One model that a server offers. None where the server does not say."""

    alias: str
    id: str
    source: str
    size_mb: float | None = None
    license: str | None = None
    device: str | None = None
    execution_provider: str | None = None
    task: str | None = None
    context: int | None = None
    capabilities: tuple[str, ...] = ()
    cached: bool | None = None
    loaded: bool | None = None
    files_sha256: str | None = None
    kv_cache_mb: float | None = None
    package: Package | None = field(default=None, repr=False)

    @property
    def memory_mb(self) -> float | None:
        """About how much memory it takes when loaded, in MB: its weights and a fifth, or the weights and the key-value cache of a full context."""
        return (
            None
            if self.size_mb is None
            else max(MEMORY_FACTOR * self.size_mb, self.size_mb + (self.kv_cache_mb or 0))
        )

    @property
    def fits(self) -> bool | None:
        """Whether it fits in the free memory, and on the free disk if it is not there yet; None when its size is unknown."""
        if self.size_mb is None:
            return None
        return bool(self.loaded or self.memory_mb <= free_memory_mb(self)) and bool(
            self.cached or self.size_mb / 1000 <= free_disk_gb()
        )


class ModelTable(list[ModelInfo]):
    """The models of a server; shows itself as a table."""

    note = ""

    def where(
        self,
        name: str = "",
        *,
        max_mb: float | None = None,
        license: str = "",
        device: str = "",
        task: str = "",
        capability: str = "",
        source: str = "",
        cached: bool | None = None,
        fits: bool | None = None,
    ) -> "ModelTable":
        """The models for which all of it holds: part of the alias (a family, say), size, licence, device, task, capability, source, in the cache.

        `fits=True` asks for room now: in memory, and on the disk for one that is not there yet. A model whose size is unknown passes no limit on it.
        """

        def wanted_is(model: ModelInfo) -> bool:
            texts = (
                (name, model.alias),
                (license, model.license),
                (device, model.device),
                (task, model.task),
            )
            return (
                all(wanted.lower() in (has or "").lower() for wanted, has in texts)
                and (max_mb is None or (model.size_mb is not None and model.size_mb <= max_mb))
                and (not capability or capability in model.capabilities)
                and (not source or source == model.source)
                and (cached is None or model.cached == cached)
                and (fits is None or model.fits is fits)
            )

        found = ModelTable(filter(wanted_is, self))
        found.note = f"{len(found)} of {len(self)} models." + (f" {self.note}" if self.note else "")
        return found

    def names(self) -> list[str]:
        """What to ask for: aliases, and ids where the table holds an alias more than once."""
        aliases = [model.alias for model in self]
        return [model.id if aliases.count(model.alias) > 1 else model.alias for model in self]

    def table(self) -> Table:
        """The models as a table."""
        headers = (
            "alias",
            "size_mb",
            "license",
            "device",
            "cached",
            "loaded",
            "source",
            "capabilities",
            "id",
        )
        return Table(
            headers, [[getattr(model, name) for name in headers] for model in self], note=self.note
        )

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


@dataclass(frozen=True)
class Reply:
    """One answer and its timing; shows itself as text with a line of figures."""

    model: str
    prompt: str
    timeline: Timeline = field(repr=False)

    @property
    def text(self) -> str:
        """The answer, without reasoning."""
        return self.timeline.text

    @property
    def ttft_s(self) -> float | None:
        """Time to first token in seconds; None when it was not streamed."""
        return self.metrics["ttft_s"]

    @property
    def latency_s(self) -> float | None:
        """Seconds to the last text."""
        return self.metrics["latency_s"]

    @property
    def itl_s(self) -> float | None:
        """Mean inter-token latency in seconds; None where the stream does not show it."""
        return self.metrics["itl_s"]

    @property
    def output_tokens_per_s(self) -> float | None:
        """Generated tokens a second; None where the stream does not show it."""
        return self.metrics["output_tokens_per_s"]

    @cached_property
    def metrics(self) -> dict[str, float | None]:
        """All figures of this answer."""
        return measure(self.timeline)

    def figures(self) -> str:
        """One line: TTFT, latency, tokens, rate."""
        parts = [f"{self.model}:"]
        parts += [f"TTFT {1000 * self.ttft_s:.1f} ms,"] if self.ttft_s is not None else []
        parts += [f"latency {1000 * self.latency_s:.1f} ms,"] if self.latency_s is not None else []
        tokens, rate = self.timeline.completion_tokens, self.output_tokens_per_s
        parts += [f"{tokens} tokens" if tokens is not None else "token count unknown"]
        parts += [f"at {rate:,.0f} tokens/s"] if rate else []
        return " ".join(parts)

    def __str__(self) -> str:
        return f"{self.text}\n\n[{self.figures()}]"

    def _repr_markdown_(self) -> str:
        quoted = "\n".join(f"    {line}" for line in self.text.splitlines())
        return f"{quoted}\n\n*{self.figures()}*"


class Server:
    """A place that answers chats. Made by `connect()`; `close()` it, or use it as a context manager."""

    kind = ""

    def __init__(self, base_url: str, models: lineup.Lineup | None = None, key: str | None = None):
        self._base_url = base_url
        self._lineup = lineup.load_models() if models is None else models
        self._key = key
        self._traffic = Traffic()

    @property
    def base_url(self) -> str:
        """The OpenAI base URL, ending in `/v1` for Foundry Local."""
        return self._base_url

    @property
    def where(self) -> str:
        """The address for records: no user name, password, query or key."""
        parts = urllib.parse.urlsplit(self.base_url)
        return urllib.parse.urlunsplit(
            (parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", "")
        )

    def models(self) -> ModelTable:
        """Every model that this server offers."""
        raise NotImplementedError

    def default_models(self) -> list[str]:
        """What to work with when nobody named models: the built-in ones, else those of the line-up that are offered here.

        Raises UsageError when this server offers none of them.
        """
        offered = {model.alias for model in self.models()}
        chosen = [alias for alias in self._lineup.built_in if alias in offered] or [
            alias for alias in self._lineup if alias in offered
        ]
        if not chosen:
            some = ", ".join(sorted(offered)[:5]) or "nothing at all"
            raise UsageError(
                f"Which models? {self.where} offers none of the line-up, but {some}. Name them: --models a,b, BENCH_MODELS, or `models` in a notebook."
            )
        return chosen

    def resolve(self, name: str) -> ModelInfo:
        """The model with this alias or id. Raises UnknownModel with near misses."""
        offered = self.models()
        if found := [m for m in offered if m.id == name] or [m for m in offered if m.alias == name]:
            return next((m for m in found if m.loaded), found[0])
        raise lineup.unknown(
            name, dict.fromkeys(m.alias for m in offered), self._lineup, offered.note
        )

    def variants(self, names: Sequence[str]) -> ModelTable:
        """The same models for each device that they were built for; its `note` says of which there is only one. Name them by their ids."""
        offered, found, single = self.models(), [], []
        for name in names:
            model = self.resolve(name)
            some = [other for other in offered if other.alias == model.alias] or [model]
            found += some
            single += [model.alias] if len(some) == 1 else []
        table = ModelTable(found)
        single = (
            f"Built for one device only, so there is nothing to compare: {', '.join(single)}."
            if single
            else ""
        )
        table.note = " ".join(filter(None, [self._provider_note(), single]))
        return table

    def _provider_note(self) -> str:
        return ""

    def load(self, name: str, *, unload_others: bool = False) -> float | None:
        """Make a model ready to answer; seconds, or None when this server loads models by itself. `unload_others` frees their memory first."""
        raise NotImplementedError

    def unload(self, name: str) -> None:
        """Free a model's memory, where this server offers that."""

    def download(
        self,
        name: str,
        progress: Callable[[float], None] = lambda percent: None,
        note: Callable[[str], None] = lambda text: None,
    ) -> ModelInfo:
        """Bring a model to this server, calling `progress` with percent and `note` with what is worth saying.

        Raises KitError where that cannot be asked for.
        """
        raise KitError(
            f"{self.where} cannot be told to download '{name}'; download it on that machine."
        )

    @contextlib.contextmanager
    def keep_warm(self, name: str, every_s: float = EVERY_S) -> Iterator[Pings]:
        """Loads a model and, until the block ends, asks it for one token whenever nobody has asked anything for `every_s` seconds.

        A ping never runs beside a request that is timed: it does not start during one, and one that comes meanwhile waits for it before its clock
        starts. Yields the count of pings.
        """
        model = self.resolve(name)
        if not model.loaded:
            self.load(name)

        def ping() -> bool:
            with self._traffic.ping(every_s) as free:
                if free:
                    self._send_ping(model)
                return free

        with ping_every(ping, max(0.01, every_s / 4)) as pings:
            yield pings

    def _send_ping(self, model: ModelInfo) -> None:
        """One token, untimed; whether it comes does not matter."""
        with contextlib.suppress(KitError):  # the runtime has died: the next question says so
            send(self.prepare(model, "Hi", max_tokens=1, stream=False, timeout_s=PING_LIMIT_S))

    def died(self) -> str | None:
        """What to say when the process behind this server has ended without being asked to; None otherwise."""
        return None

    def listed_ids(self) -> list[str]:
        """The ids that `GET /v1/models` names, asked through the openai package."""
        import openai

        try:
            with self._client(10) as client:
                return [model.id for model in client.models.list().data]
        except openai.APIConnectionError as error:
            raise EndpointError(
                f"Cannot reach {self.where} ({error.__cause__ or error}); is the service running, and the address right?"
            ) from None
        except openai.AuthenticationError:
            raise EndpointError(
                f"{self.where} refused the key (401); set {KEY_VARIABLE} to the key of that server."
            ) from None
        except openai.NotFoundError:
            raise EndpointError(
                f"{self.where} has no model list (404); the address of an OpenAI-compatible server most often ends in /v1."
            ) from None
        except openai.APIStatusError as error:
            raise EndpointError(
                f"{self.where} answered HTTP {error.status_code} when asked for its models; look at that server's log."
            ) from None
        except (openai.OpenAIError, AttributeError, TypeError, ValueError):
            raise EndpointError(
                f"{self.where} does not answer like an OpenAI-compatible server; check the address."
            ) from None

    def prepare(
        self,
        model: ModelInfo,
        prompt: str | Sequence[dict],
        *,
        max_tokens=MAX_TOKENS,
        temperature=0.0,
        seed=None,
        stream=True,
        timeout_s=TIMEOUT_S,
        stall_s=None,
    ) -> Exchange:
        """A request to a loaded model, ready to be sent. Raises KitError when the runtime has died and does not start again."""
        body = {
            "model": model.id,
            "messages": [{"role": "user", "content": prompt}]
            if isinstance(prompt, str)
            else list(prompt),
            "max_tokens": max_tokens,
            "temperature": temperature,
            "stream": stream,
        }
        body |= {"seed": seed} if seed is not None else {}
        body |= {"stream_options": {"include_usage": True}} if stream else {}
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        return Exchange(f"{self.base_url}/chat/completions", body, timeout_s, headers, stall_s)

    def request(self, model: ModelInfo, prompt: str | Sequence[dict], **options) -> Timeline:
        """One request to a loaded model, timed. Never raises for what the server does: the timeline says it. `options` as for `prepare`."""
        try:
            request = self.prepare(model, prompt, **options)
        except KitError as error:  # the runtime had died and did not start again
            return Timeline(error=str(error))
        with self.timed():
            return send(request)

    def timed(self) -> contextlib.AbstractContextManager:
        """Around timed requests: no ping that keeps a model warm is sent meanwhile."""
        return self._traffic.timed()

    def chat(self, name: str, prompt: str | Sequence[dict], **options) -> Reply:
        """One answer with its timing; loads the model when it is not loaded. `options` as for `prepare`.

        Raises UnknownModel, or EndpointError when no answer came.
        """
        model = self.resolve(name)
        if not model.loaded:
            self.load(name)
        timeline = self.request(model, prompt, **options)
        if not timeline.ok:
            if ended := self.died():
                raise RuntimeStopped(f"{model.alias} did not answer: {ended}")
            advice = (
                " Shorten the prompt, or ask for fewer tokens."
                if "context length" in timeline.error
                else ""
            )
            raise EndpointError(
                f"{model.alias} did not answer: {timeline.error.rstrip('.')}.{advice}"
            )
        return Reply(
            model.alias, prompt if isinstance(prompt, str) else prompt[-1]["content"], timeline
        )

    def stream(
        self, name: str, prompt: str | Sequence[dict], **options
    ) -> Generator[str, None, None]:
        """The answer in pieces as they come, to be read by a person; closing the iterator stops the model. For figures use `chat`.

        Raises UnknownModel, or EndpointError when the answer breaks off.
        """
        import openai

        model = self.resolve(name)
        if not model.loaded:
            self.load(name)
        request = self.prepare(model, prompt, **options)
        try:
            with (
                self._client(request.timeout_s) as client,
                client.chat.completions.create(**request.body) as answer,
            ):
                for chunk in answer:
                    if chunk.choices and (text := chunk.choices[0].delta.content):
                        yield text
        except openai.OpenAIError as error:
            body = getattr(error, "body", None)
            raise EndpointError(
                f"{model.alias} did not answer: {(body.get('message') if isinstance(body, dict) else None) or error}."
            ) from None

    def _client(self, timeout_s: float):
        import openai  # takes a second to import, and most calls never need it

        direct = is_loopback(self.base_url)
        web = openai.DefaultHttpxClient(trust_env=not direct)
        return openai.OpenAI(
            base_url=self.base_url,
            api_key=self._key or "none",
            timeout=timeout_s,
            max_retries=0,
            http_client=web,
        )

    @property
    def pid(self) -> int | None:
        """Process id of the service where it runs on this machine under the kit's eyes; else None."""
        return None

    def footprint(self, name: str, prompt: str, max_tokens: int = MAX_TOKENS) -> machine.PeakMemory:
        """Memory that a model needs for one answer, above that of the idle runtime.

        Raises KitError with the reason where it cannot be measured.
        """
        raise KitError(NOT_FROM_HERE)

    def restore(self, names: Sequence[str]) -> dict[str, str]:
        """Bring back what a server lost when it died; name to reason for what could not be. Only the built-in runtime can be asked."""
        return {}

    def close(self) -> None:
        """Let go of the server; it is stopped only by `python -m helpers stop` or when nobody uses it."""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _info(self, row: dict) -> ModelInfo:
        """A server's row, completed from the line-up."""
        entry = self._lineup.get(row["alias"])
        known = {k: v for k, v in row.items() if k in ModelInfo.__dataclass_fields__}
        known |= {"capabilities": tuple(row.get("capabilities", ()))}
        if entry:
            known |= {
                "size_mb": entry.size_mb
                if entry.source == "built-in"
                else row.get("size_mb") or entry.size_mb
            }
            known |= {
                "capabilities": entry.capabilities,
                "license": row.get("license") or entry.license,
            }
            known |= {"context": row.get("context") or entry.context}
        return ModelInfo(**known)


class BuiltIn(Server):
    """Foundry Local, run by the kit in a process of its own, with the models of the classroom mirror if there is one."""

    def __init__(self, models: lineup.Lineup | None = None, mirror_address: str | None = None):
        super().__init__("", models)
        self.mirror = mirror.mirror_from_env(mirror_address)
        self.runtime = Runtime()
        self.kind = self.runtime.name
        self._traffic = Traffic(service_folder() / "asked")

    @property
    def base_url(self) -> str:
        """The OpenAI base URL; it changes when the service had to be started again."""
        return f"{self.runtime.base_url}/v1"

    def models(self) -> ModelTable:
        """Every model that can be had: built in, from the mirror, from the catalogs that could be read when the service started.

        Where two sources have a model of one alias, the built-in one wins (its hashes ship with the kit), then the mirror (it is nearer than Azure).
        """
        mine = self._runtime_models()
        offered, notes = self._mirror_models(mine)
        elsewhere = {m.id for m in offered}
        rows = [*(m for m in mine if m.id not in elsewhere), *offered]
        order = {"built-in": 0, "mirror": 1, "catalog": 2}
        table = ModelTable(sorted(rows, key=lambda m: (order.get(m.source, 3), m.size_mb or 0)))
        notes.append(f"Azure catalog: {self.runtime.azure_note}.")
        if self.runtime.azure_note.startswith("reachable"):
            notes += [
                f"{alias} of the line-up is not in the catalog now{near}."
                for alias, near in self._gone({m.alias for m in rows})
            ]
        table.note = " ".join(notes)
        return table

    def resolve(self, name: str) -> ModelInfo:
        """The model with this alias or id; one that is in the cache is found without asking the mirror."""
        if found := [m for m in self._runtime_models() if m.cached and name in (m.id, m.alias)]:
            return next((m for m in found if m.id == name or m.loaded), found[0])
        return super().resolve(name)

    def load(self, name: str, *, unload_others: bool = False) -> float:
        """Load a cached model and return the seconds it took.

        Raises KitError when it is not in the cache, its files are damaged, or it is too large for the free memory.
        """
        model = self.resolve(name)
        if not model.cached:
            raise KitError(
                f"'{model.alias}' is not downloaded; fetch it with: python -m helpers download {model.alias}"
            )
        if unload_others:
            for other in self._runtime_models():
                if other.loaded and other.id != model.id:
                    self.runtime.unload(other.id)
        self._check_memory(model)
        return self.runtime.load(model.id)

    def unload(self, name: str) -> None:
        """Free a model's memory."""
        self.runtime.unload(self.resolve(name).id)

    def _provider_note(self) -> str:
        try:
            providers = self.runtime.providers()
        except RuntimeStopped:
            raise
        except KitError as error:
            return f"Execution providers: {error}"
        if not providers:
            return "No execution provider for a GPU or NPU was found on this machine, so models run on its CPU."
        return f"Execution providers: {', '.join(f'{name} ready' if ready else f'{name} not ready' for name, ready in providers.items())}."

    def download(
        self,
        name: str,
        progress: Callable[[float], None] = lambda percent: None,
        note: Callable[[str], None] = lambda text: None,
    ) -> ModelInfo:
        """Fetch a model into the cache, from the mirror where it has it, else from the catalog; returns its row afterwards."""
        model = self.resolve(name)
        if model.cached:
            progress(100.0)
            return model
        if model.package is None:
            return self._from_catalog(model, progress, note)
        try:
            self.mirror.fetch(
                model.package,
                home(),
                model_cache(),
                lambda done: progress(100 * done / max(1, model.package.bytes)),
                note,
            )
        except MirrorError as error:
            other = next((m for m in self._runtime_models() if m.alias == model.alias), None)
            if other is None:
                raise
            note(f"{error} Going on with the Azure catalog.")
            return self._from_catalog(other, progress, note)
        self.runtime.arrived(model.id)
        return self.resolve(model.id)

    def _from_catalog(self, model: ModelInfo, progress, note) -> ModelInfo:
        with download_lock(
            home(), model.id, lambda: note("another process is fetching it; waiting for that")
        ):
            self.runtime.download(model.id, progress, note)
        return self.resolve(model.id)

    @property
    def pid(self) -> int:
        """Process id of the service."""
        return self.runtime.pid

    def footprint(self, name: str, prompt: str, max_tokens: int = MAX_TOKENS) -> machine.PeakMemory:
        """Memory that a model needs for one answer, above that of the idle runtime, in a service of its own.

        The runtime keeps what it frees, so in a service that had other models before, the difference would not be this model's.
        Raises KitError when the model is not there, does not fit or does not answer.
        """
        model = self.resolve(name)
        self._check_memory(dataclasses.replace(model, loaded=False))
        with private_service() as runtime, machine.PeakMemory(runtime.pid) as memory:
            runtime.load(model.id)
            request = self.prepare(model, prompt, max_tokens=max_tokens)
            timeline = send(
                dataclasses.replace(request, url=f"{runtime.base_url}/v1/chat/completions")
            )
        if not timeline.ok:
            raise KitError(f"{model.alias} did not answer: {timeline.error}")
        return memory

    def restore(self, names: Sequence[str]) -> dict[str, str]:
        """Load again what is not loaded any more; when the service had died, this starts it."""
        try:
            loaded = {
                name
                for model in self._runtime_models()
                if model.loaded
                for name in (model.alias, model.id)
            }
        except RuntimeStopped:
            loaded = set()
        failed = {}
        for name in names:
            try:
                if name not in loaded:
                    self.load(name)
            except KitError as error:
                failed[name] = str(error)
        return failed

    def died(self) -> str | None:
        """What to say when the service process has ended without being asked to."""
        return self.runtime.died()

    def close(self) -> None:
        """Let go of the service."""
        self.runtime.close()

    def _runtime_models(self) -> list[ModelInfo]:
        return [self._info(row) for row in self.runtime.list()]

    def _gone(self, offered: Set[str]) -> Iterator[tuple[str, str]]:
        """Aliases of the line-up that no source has, each with what is near it."""
        for alias, entry in self._lineup.items():
            if entry.source == "catalog" and alias not in offered:
                near = lineup.nearest(alias, offered)
                yield alias, f"; near it: {', '.join(near)}" if near else ""

    def _mirror_models(self, mine: Sequence[ModelInfo]) -> tuple[list[ModelInfo], list[str]]:
        """What the mirror adds to the runtime's own models, and what to say about it."""
        if self.mirror is None:
            return [], []
        try:
            packages = self.mirror.packages()
        except MirrorError as error:
            return [], [str(error)]
        built_in, cached = (
            {m.alias: m for m in mine if m.source == "built-in"},
            {m.id for m in mine if m.cached},
        )
        notes = [f"Mirror: {self.mirror.url}."]
        if other := [
            p.alias
            for p in packages
            if p.alias in built_in and p.digest != built_in[p.alias].files_sha256
        ]:
            notes.append(
                f"The mirror's {', '.join(other)} differs from the built-in model of that name; the built-in one is used: its hashes ship with the kit."
            )
        wanted = [p for p in packages if p.id not in cached and p.alias not in built_in]
        if both := sorted({p.alias for p in wanted} & {m.alias for m in mine}):
            notes.append(
                f"On the mirror and in the Azure catalog: {', '.join(both)}; the mirror is used: it is nearer."
            )
        return [self._offered(package) for package in wanted], notes

    def _offered(self, package: Package) -> ModelInfo:
        row = {
            name: getattr(package, name)
            for name in (
                "alias",
                "id",
                "license",
                "device",
                "execution_provider",
                "task",
                "context",
                "capabilities",
            )
        }
        size = {"size_mb": round(package.bytes / 1e6, 1), "cached": False, "loaded": False}
        return replace(self._info({**row, **size, "source": "mirror"}), package=package)

    def _check_memory(self, model: ModelInfo) -> None:
        if model.loaded or model.size_mb is None:
            return
        free_mb = free_memory_mb(model)
        if model.memory_mb <= free_mb:
            return
        where = "GPU memory" if _on_gpu(model) else "memory"
        raise KitError(
            f"'{model.alias}' needs about {model.memory_mb:,.0f} MB of {where} and {free_mb:,.0f} MB are free; {self._smaller(model, free_mb)}."
        )

    def _smaller(self, model: ModelInfo, free_mb: float) -> str:
        """What to do about a model that is too large."""
        rows = self.models()
        others = sum(m.memory_mb or 0 for m in rows if m.loaded and m.id != model.id)
        advice = (
            ["unload the others first (--unload-others, or load(..., unload_others=True))"]
            if others and model.memory_mb <= free_mb + others
            else []
        )
        smaller = [
            m
            for m in rows
            if m.memory_mb is not None and m.memory_mb <= free_mb and m.size_mb < model.size_mb
        ]
        # A variant of the same model first, then one that is here already, then the largest.
        best = max(
            smaller, key=lambda m: (m.alias == model.alias, bool(m.cached), m.size_mb), default=None
        )
        if best and best.alias == model.alias:
            advice.append(f"try its smaller variant {best.id}")
        elif best:
            advice.append(
                f"try the smaller {best.alias}"
                + ("" if best.cached else f" (python -m helpers download {best.alias})")
            )
        return " or ".join(advice) or "close other programs"


class Remote(Server):
    """An OpenAI-compatible server at an address that somebody gave."""

    kind = "OpenAI-compatible endpoint"

    def __init__(self, base_url: str, models: lineup.Lineup | None = None, key: str | None = None):
        super().__init__(base_url, models, key)
        self.listed_ids()  # a wrong address is better told now than at the first request
        self._control = self._foundry_control()

    def models(self) -> ModelTable:
        """The models that `/v1/models` names; a Foundry Local service also says which are loaded."""
        loaded = self._loaded()
        rows = [
            {
                "id": i,
                "alias": alias_of(i, self._lineup),
                "source": "endpoint",
                "loaded": None if loaded is None else i in loaded,
            }
            for i in self.listed_ids()
        ]
        return ModelTable(map(self._info, rows))

    def load(self, name: str, *, unload_others: bool = False) -> float | None:
        """Load a model where the server offers that (Foundry Local does); else None, for it loads by itself."""
        model = self.resolve(name)
        for other in self.models() if unload_others else []:
            if other.loaded and other.id != model.id:
                self._told("unload", other.id)
        return self._told("load", name)

    def unload(self, name: str) -> None:
        """Free a model's memory where the server offers that."""
        self._told("unload", name)

    def _told(self, action: str, name: str) -> float | None:
        """Ask a Foundry Local service to load or unload; other servers do that by themselves."""
        model = self.resolve(name)
        if self._control is None:
            return None
        start = time.perf_counter()
        answer = self._get(
            f"{self._control}/models/{action}/{urllib.parse.quote(model.alias)}", timeout=TIMEOUT_S
        )
        if answer is None or answer.status_code != 200:
            detail = (
                f"HTTP {answer.status_code}: {answer.text[:120]}"
                if answer is not None
                else "no answer"
            )
            raise EndpointError(f"{self.where} could not {action} {model.alias} ({detail}).")
        return time.perf_counter() - start

    def _foundry_control(self) -> str | None:
        root = self.base_url.removesuffix("/v1")
        answer = self._get(f"{root}/models/loaded")
        return (
            root
            if answer is not None
            and answer.status_code == 200
            and answer.text.lstrip().startswith("[")
            else None
        )

    def _loaded(self) -> list[str] | None:
        answer = self._get(f"{self._control}/models/loaded") if self._control else None
        return answer.json() if answer is not None and answer.status_code == 200 else None

    def _get(self, url: str, timeout: float = 10):
        """An HTTP answer, or None when there is none."""
        import httpx2  # slow to import; the built-in runtime never needs it

        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        try:
            return httpx2.get(url, headers=headers, timeout=timeout, trust_env=not is_loopback(url))
        except httpx2.HTTPError:
            return None


def free_memory_mb(model: ModelInfo | None = None) -> float:
    """Free memory in MB where a model would go: that of the GPU for a GPU model if the driver tells it, else the machine's."""
    on_gpu = machine.nvml().free_mb() if model is not None and _on_gpu(model) else None
    return psutil.virtual_memory().available / 1e6 if on_gpu is None else on_gpu


def _on_gpu(model: ModelInfo) -> bool:
    return (model.device or "").upper() == "GPU"


def connect(
    endpoint: str | None = None,
    *,
    models: lineup.Lineup | None = None,
    key: str | None = None,
    key_variable: str = KEY_VARIABLE,
    mirror: str | None = None,
) -> Server:
    """A server to ask: `endpoint`, else the address in `FOUNDRY_LOCAL_ENDPOINT`, else the built-in runtime.

    `key` (else the variable that `key_variable` names) is sent to an endpoint and never stored. `mirror` (else `WORKSHOP_MIRROR`) is the
    address of a classroom mirror for the built-in runtime. Raises UsageError for an address that is none, EndpointError when nothing
    OpenAI-compatible answers there, KitError when the runtime cannot start.
    """
    address = endpoint or os.environ.get(ENDPOINT_VARIABLE)
    if not address:
        return BuiltIn(models, mirror)
    if key_variable != KEY_VARIABLE and not (key or os.environ.get(key_variable)):
        raise UsageError(
            f"The variable {key_variable} is empty or not set; put the key of {parse_base_url(address)} into it."
        )
    return Remote(parse_base_url(address), models, key or os.environ.get(key_variable))


def parse_base_url(address: str) -> str:
    """An address as base URL: scheme checked, `/v1` added when there is no path."""
    parts = urllib.parse.urlsplit(address.strip())
    try:
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        valid = False
    if not valid:
        raise UsageError(
            f"'{address}' is no address of a server; expected something like http://localhost:5273/v1"
        )
    return urllib.parse.urlunsplit(
        (parts.scheme, parts.netloc, parts.path.rstrip("/") or "/v1", "", "")
    )


def alias_of(model_id: str, models: lineup.Lineup) -> str:
    """The alias of an id where only the id is known: without version and device, and as the line-up calls it.

    `qwen2.5-0.5b-instruct-generic-cpu:4` is `qwen2.5-0.5b`; an id without such endings is its own alias.
    """
    name = re.sub(
        r"(-(generic|cuda|trtrtx|tensorrt|openvino|qnn|vitis|webgpu)?-?(cpu|gpu|npu))?(:\d+)?$",
        "",
        model_id,
    )
    plain = re.sub(r"-(instruct|chat|it)$", "", name, flags=re.IGNORECASE)
    return next(
        (candidate for candidate in (name, plain, plain.lower()) if candidate in models), name
    )
