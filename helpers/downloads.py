"""Bring models into the cache: disk checked first, progress in one line, one failure does not stop the rest."""

from collections.abc import Iterable

from .checks import DISK_GB, free_disk_gb
from .endpoint import ModelInfo, Server
from .errors import KitError
from .progress import Progress
from .tables import Table


class Downloads(list[tuple[str, str, str]]):
    """(alias, status, detail) for each model that was asked for; shows itself as a table."""

    @property
    def ok(self) -> bool:
        """Whether every model that was asked for is there."""
        return bool(self) and all(status != "failed" for _, status, _ in self)

    def table(self) -> Table:
        """One line a model."""
        return Table(("alias", "status", "detail"), self)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def download(server: Server, aliases: Iterable[str], *, progress: bool = True) -> Downloads:
    """Fetch each model that is not in the cache yet. A model that cannot be had is named with the reason, and the rest goes on."""
    done = Downloads()
    for alias in dict.fromkeys(aliases):
        try:
            done.append(_one(server, alias, progress))
        except KitError as error:
            done.append((alias, "failed", str(error)))
    return done


def _one(server: Server, alias: str, progress: bool) -> tuple[str, str, str]:
    model = server.resolve(alias)
    if model.cached:
        origin = "ships with the kit, hashes verified" if model.source == "built-in" else "in the cache"
        return alias, "ready", f"{origin}, {_size(model)}"
    _check_disk(model)
    with Progress(100, "percent", progress) as line:
        model = server.download(alias, lambda percent: line.to(percent, alias))
    return alias, "downloaded", _size(model)


def _check_disk(model: ModelInfo) -> None:
    needed, free = max(DISK_GB, (model.size_mb or 0) / 1000), free_disk_gb()
    if free < needed:
        raise KitError(
            f"{free:.1f} GB are free and {needed:.0f} GB are wanted before a download; free some space, or name another disk in WORKSHOP_HOME."
        )


def _size(model: ModelInfo) -> str:
    return f"{model.size_mb:g} MB" if model.size_mb else "size unknown"
