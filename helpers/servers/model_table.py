"""List what a server offers, and say which models fit into this machine's memory."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psutil

from ..common import machine
from ..common.paths import free_disk_gb
from ..common.show import Shown, Table

if TYPE_CHECKING:
    from ..models.cache import Package

MEMORY_FACTOR = 1.2  # weights plus key-value cache and buffers, as a share of the weights


@dataclass(frozen=True)
class ModelInfo:
    """Describe one model that a server offers; None where the server does not say."""

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
    package: "Package | None" = field(default=None, repr=False)

    @property
    def on_gpu(self) -> bool:
        """Tell whether it runs on a GPU."""
        return (self.device or "").upper() == "GPU"

    @property
    def memory_mb(self) -> float | None:
        """Estimate what it takes when loaded, in MB: its weights and a fifth, or a full context."""
        if self.size_mb is None:
            return None
        return max(MEMORY_FACTOR * self.size_mb, self.size_mb + (self.kv_cache_mb or 0))

    @property
    def fits(self) -> bool | None:
        """Tell whether memory has room for it, and the disk if it is not there yet."""
        if self.size_mb is None or self.memory_mb is None:
            return None
        in_memory = self.loaded or self.memory_mb <= free_memory_mb(self)
        return bool(in_memory and (self.cached or self.size_mb / 1000 <= free_disk_gb()))


class ModelTable(Shown, list[ModelInfo]):
    """List the models of a server; shows itself as a table."""

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
        """Return the models that match every argument given; `name` is a part of the alias.

        `fits=True` asks for room now. A model whose size is unknown passes no limit on it.
        """
        parts = {"alias": name, "license": license, "device": device, "task": task}
        exact = {"source": source or None, "cached": cached, "fits": fits}
        rows = list(self)
        for field_name, part in parts.items():
            rows = [m for m in rows if part.lower() in (getattr(m, field_name) or "").lower()]
        for field_name, value in exact.items():
            rows = [m for m in rows if value is None or getattr(m, field_name) == value]
        if max_mb is not None:
            rows = [m for m in rows if m.size_mb is not None and m.size_mb <= max_mb]
        table = ModelTable(m for m in rows if not capability or capability in m.capabilities)
        table.note = f"{len(table)} of {len(self)} models. {self.note}".rstrip()
        return table

    def find(self, name: str) -> ModelInfo | None:
        """Return the model with this id, else with this alias; one that is loaded comes first."""
        found = [m for m in self if m.id == name] or [m for m in self if m.alias == name]
        return next((m for m in found if m.loaded), found[0] if found else None)

    def names(self) -> list[str]:
        """Return what to ask for: aliases, or ids where the table holds an alias twice."""
        aliases = [model.alias for model in self]
        return [model.id if aliases.count(model.alias) > 1 else model.alias for model in self]

    def table(self) -> Table:
        """Return the models as a table."""
        headers = ["alias", "size_mb", "license", "device", "cached", "loaded", "source"]
        headers += ["capabilities", "id"]
        rows = [[getattr(model, name) for name in headers] for model in self]
        return Table(headers, rows, note=self.note)


def free_memory_mb(model: ModelInfo | None = None) -> float:
    """Return the free memory in MB where a model would go: the GPU's for a GPU model, if known."""
    on_gpu = machine.nvml().free_mb() if model and model.on_gpu else None
    return psutil.virtual_memory().available / 1e6 if on_gpu is None else on_gpu
