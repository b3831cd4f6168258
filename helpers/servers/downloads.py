"""Models on this machine: bring them here, check and repair them, see and free what they take. One failure does not stop the rest."""

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ..common.errors import KitError, MirrorError, UsageError
from ..common.paths import BUILT_IN_MODELS, free_disk_gb, home, model_cache
from ..common.progress import Progress
from ..common.show import Table
from ..models import cache
from ..models.cache import Package, Problem, Record
from .server import BuiltIn, ModelInfo, Server
from .setup_check import DISK_GB


class Outcomes(list[tuple[str, str, str]]):
    """(alias, status, detail) for each model that was asked for; shows itself as a table."""

    @property
    def ok(self) -> bool:
        """Whether nothing failed, and there was something."""
        return bool(self) and all(status != "failed" for _, status, _ in self)

    def table(self) -> Table:
        """One line a model."""
        return Table(("alias", "status", "detail"), self)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def download(
    server: Server, aliases: Iterable[str] | None = None, *, progress: bool = True
) -> Outcomes:
    """Fetch each model that is not in the cache yet; without aliases, all that the classroom mirror has.

    A model that cannot be had is named with the reason, and the rest goes on. Raises UsageError when neither aliases nor a mirror are given,
    MirrorError when that mirror does not answer.
    """
    names = list(dict.fromkeys(_on_the_mirror(server) if aliases is None else aliases))
    asked = {name: _resolved(server, name) for name in names}
    missing = [
        model for model in asked.values() if isinstance(model, ModelInfo) and model.cached is False
    ]
    refusal = _no_room(missing)
    done = Outcomes()
    for name, model in asked.items():
        try:
            if isinstance(model, KitError):
                raise model
            if refusal and model in missing:
                raise KitError(refusal)
            done.append((name, *_one(server, model, progress)))
        except KitError as error:
            done.append((name, "failed", str(error)))
    return done


def prefetch(
    connect: Callable[[], Server],
    aliases: Sequence[str] | None,
    at: str | None = None,
    *,
    progress: bool = True,
) -> Outcomes:
    """Wait until a time of day (`HH:MM`, this machine's clock), then `download` through a server that is connected only then.

    Raises UsageError for what is no time of day.
    """
    begin = next_time(at, datetime.now()) if at else datetime.now()
    total_s = max(1.0, (begin - datetime.now()).total_seconds())
    with Progress(total_s, "s", progress and at is not None) as line:
        while (left := (begin - datetime.now()).total_seconds()) > 0:
            line.to(total_s - left, f"download at {begin:%H:%M:%S}")
            time.sleep(min(1.0, left))
    with connect() as server:
        return download(server, aliases, progress=progress)


def next_time(text: str, now: datetime) -> datetime:
    """The next moment at which a clock shows `HH:MM` or `HH:MM:SS`."""
    for form in ("%H:%M", "%H:%M:%S"):
        with suppress(ValueError):
            found = datetime.combine(now.date(), datetime.strptime(text.strip(), form).time())
            return found if found >= now else found + timedelta(days=1)
    raise UsageError(f"'{text}' is no time of day; expected something like 02:00.")


def verify(
    server: Server, aliases: Iterable[str] | None = None, *, progress: bool = True
) -> Outcomes:
    """Hash every file of cached models, and fetch again, alone, what is truncated, changed or missing.

    Without aliases, all models in the cache. A server elsewhere has its cache there: nothing is looked at.
    """
    if not isinstance(server, BuiltIn):
        return Outcomes(
            (alias, "skipped", f"its files are not on this machine, but at {server.where}")
            for alias in aliases or ()
        )
    for model in server.models():
        if (
            model.cached
            and model.files_sha256 is None
            and cache.read_record(_folder_of(server, model) or Path()) is None
        ):
            with suppress(KitError):
                server.runtime.record(model.id)
    known: dict[str, list[tuple[Path, Record]]] = {}
    for folder, record in cache.records(model_cache()):
        known.setdefault(record.package.alias, []).append((folder, record))
    done = Outcomes()
    names = list(known if aliases is None else dict.fromkeys(aliases))
    total = sum(record.package.bytes for name in names for _, record in known.get(name, []))
    with _Line("verify", total / 1e6, progress) as line:
        before = 0
        for alias in names:
            if alias not in known:
                done.append((alias, "failed", f"is not in the cache; it holds {', '.join(known)}."))
            for folder, record in known.get(alias, []):
                try:
                    hashed = lambda n, start=before: line.percent(100 * (start + n) / max(1, total))  # noqa: E731
                    done.append((alias, *_verified(server, folder, record, hashed, line.note)))
                except (KitError, OSError) as error:
                    done.append((alias, "failed", str(error)))
                before += record.package.bytes
    return done


@dataclass(frozen=True)
class StoredModel:
    """One model folder in the cache. Sizes in bytes; times in UTC, None where unknown."""

    alias: str
    folder: Path
    state: str
    bytes: int
    record: Record | None = None

    @property
    def used_at(self) -> str | None:
        """When it was last loaded."""
        return cache.last_used(self.folder)


class Contents(list[StoredModel]):
    """What the cache holds; shows itself as a table."""

    def table(self) -> Table:
        """One line a model, with the sum and the free space below."""
        rows = [
            [
                s.alias,
                round(s.bytes / 1e6, 1),
                s.record and s.record.source,
                s.state,
                s.used_at,
                s.record and s.record.verified_at,
                s.folder.name,
            ]
            for s in self
        ]
        headers = ("alias", "size_mb", "source", "state", "last_used", "verified", "folder")
        total = sum(s.bytes for s in self) / 1e9
        note = f"{total:.2f} GB in {model_cache()}, {free_disk_gb():.0f} GB free. Times are UTC. Every project with the kit shares this folder; WORKSHOP_HOME moves it."
        return Table(headers, rows, note=note)

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def cache_contents() -> Contents:
    """Every model folder in the cache, whole or not, the largest first; also what has arrived of models that are still being fetched."""
    folders = [path for path in model_cache().glob("*/*") if path.is_dir()]
    found = [_stored(folder) for folder in folders]
    found += [
        StoredModel(p.name, p, "partial", _bytes_in(p))
        for p in (home() / "incoming").glob("*")
        if p.is_dir()
    ]
    return Contents(sorted(found, key=lambda stored: -stored.bytes))


def remove(server: BuiltIn, stored: StoredModel) -> None:
    """Delete a model's files. Raises UsageError for a built-in model, KitError when files cannot be deleted."""
    if stored.record and stored.record.source == "built-in":
        raise UsageError(
            f"'{stored.alias}' ships with the kit and would be back at the next start; its {stored.bytes / 1e6:,.1f} MB stay."
        )
    name = stored.record.package.id if stored.record else stored.alias
    with cache.download_lock(home(), name, lambda: None):
        if stored.record and any(model.id == name and model.cached for model in server.models()):
            server.runtime.remove(name)
        try:
            if stored.folder.exists():
                shutil.rmtree(stored.folder)
        except OSError as error:
            raise KitError(
                f"{stored.folder} cannot be deleted ({error.strerror}); stop the runtime (python -m helpers stop) and try again."
            ) from None


def find_stored(alias: str) -> StoredModel:
    """The cached model with this alias, id or folder name. Raises UsageError with those that there are."""
    contents = cache_contents()
    for stored in contents:
        if alias in (stored.alias, stored.folder.name, stored.record and stored.record.package.id):
            return stored
    raise UsageError(
        f"The cache has no '{alias}'; it holds {', '.join(s.alias for s in contents) or 'nothing'}."
    )


def _resolved(server: Server, name: str) -> ModelInfo | KitError:
    try:
        return server.resolve(name)
    except KitError as error:
        return error


def _on_the_mirror(server: Server) -> list[str]:
    mirror = getattr(server, "mirror", None)
    if mirror is None:
        raise UsageError(
            "Which models? Name their aliases, or a classroom mirror (--mirror http://host:port) to get all that it has."
        )
    return [package.alias for package in mirror.packages()]


def _no_room(models: Sequence[ModelInfo]) -> str | None:
    """Why nothing is fetched: less free than the models need, or than the catalog's rule of 15 GB."""
    asked = sum(model.size_mb or 0 for model in models) / 1000
    needed, free = (
        max(asked, DISK_GB if any(m.source != "mirror" for m in models) else 0),
        free_disk_gb(),
    )
    if not models or free >= needed:
        return None
    return (
        f"{free:.1f} GB are free and {needed:.3g} GB are wanted before a download ({asked:.3g} GB to fetch); "
        "free some space, or name another disk in WORKSHOP_HOME."
    )


def _one(server: Server, model: ModelInfo, progress: bool) -> tuple[str, str]:
    if model.cached is None:
        return "ready", f"{server.where} offers it"
    if model.cached:
        if model.files_sha256 is None and isinstance(server, BuiltIn):
            server.runtime.record(
                model.id
            )  # it ended in the background after somebody had given it up
        origin = (
            "ships with the kit, hashes verified"
            if model.source == "built-in"
            else f"in the cache, from the {model.source}"
        )
        return "ready", f"{origin}, {_size(model)}"
    started = time.monotonic()
    with _Line(model.alias, model.size_mb, progress) as line:
        model = server.download(model.id, line.percent, line.note)
    seconds = time.monotonic() - started
    return (
        "downloaded",
        f"{_size(model)} from the {model.source} in {seconds:.1f} s, hashes recorded",
    )


def _size(model: ModelInfo) -> str:
    return f"{model.size_mb:g} MB" if model.size_mb else "size unknown"


class _Line:
    """One updating line of a download: how far, how fast, how long still, and what there is to say."""

    def __init__(self, alias: str, size_mb: float | None, shown: bool):
        self._alias, self._note, self._share = alias, "", 0.0
        self._total = round(size_mb, 1) if size_mb else 100
        self._line = Progress(self._total, "MB" if size_mb else "percent", shown)

    def percent(self, percent: float) -> None:
        self._share = percent / 100
        self._draw()

    def note(self, text: str) -> None:
        self._note = text
        self._draw()

    def _draw(self) -> None:
        self._line.to(
            self._share * self._total,
            f"{self._alias} ({self._note})" if self._note else self._alias,
        )

    def __enter__(self):
        self._line.__enter__()
        return self

    def __exit__(self, *error):
        self._line.__exit__(*error)


def _folder_of(server: BuiltIn, model: ModelInfo) -> Path | None:
    name, _, version = model.id.partition(":")
    return next(iter(model_cache().glob(f"*/{name}-{version}")), None)


def _verified(
    server: BuiltIn,
    folder: Path,
    record: Record,
    hashed: Callable[[int], None],
    note: Callable[[str], None],
) -> tuple[str, str]:
    package = record.package
    with cache.download_lock(
        home(),
        package.id,
        lambda: note(f"another process is busy with {package.alias}; waiting for that"),
    ):
        wrong = cache.verify(folder, record, full=True, progress=hashed)
        if not wrong:
            return "whole", f"{len(package.files)} files, {package.bytes / 1e6:,.1f} MB"
        named = ", ".join(map(str, wrong))
        with suppress(KitError):  # a runtime that does not know it has not loaded it
            server.runtime.unload(package.id)
        source = _repair(server, folder, record, wrong, note)
        if left := cache.verify(folder, record, full=True):
            return (
                "failed",
                f"damaged: {named}. What came in its place is not right either: {', '.join(map(str, left))}. {_start_over(package.alias)}",
            )
        return "repaired", f"{named}; fetched again from {source}"


def _repair(
    server: BuiltIn,
    folder: Path,
    record: Record,
    wrong: Sequence[Problem],
    note: Callable[[str], None],
) -> str:
    """Put the right files in place of the wrong ones; returns where they came from. Raises KitError when nobody has them."""
    package, names = record.package, [problem.file for problem in wrong]
    if record.source == "built-in" and _repaired_from_kit(package, names, folder):
        return "the kit"
    reasons = []
    if server.mirror:
        try:
            if any(
                p.id == package.id and all(p.files.get(n) == package.files[n] for n in names)
                for p in server.mirror.packages()
            ):
                for name in names:
                    server.mirror.fetch_again(package, name, home(), folder, note=note)
                return "the mirror"
            reasons.append("the mirror has other files or none")
        except MirrorError as error:
            reasons.append(str(error))
    if package.uri and server.runtime.azure_note.startswith("reachable"):
        server.runtime.repair(package.id, names, note=note)
        return "the catalog"
    reasons.append(f"the Azure catalog is {server.runtime.azure_note}" if package.uri else "")
    named = ", ".join(map(str, wrong))
    raise KitError(
        f"damaged: {named}. It cannot be repaired now ({'; '.join(filter(None, reasons)) or 'no mirror is given'}). {_start_over(package.alias)}"
    )


def _repaired_from_kit(package: Package, names: Sequence[str], folder: Path) -> bool:
    shipped = {name: BUILT_IN_MODELS / package.alias / name for name in names}
    if not all(
        path.is_file() and cache.sha256(path) == package.files[name].sha256
        for name, path in shipped.items()
    ):
        return False
    try:
        for name, path in shipped.items():
            cache.copy_in(path, folder / name)
    except OSError as error:
        raise cache.disk_error(error, folder) from None
    return True


def _start_over(alias: str) -> str:
    return f"Start over with: python -m helpers cache --remove {alias}, then download it."


def _stored(folder: Path) -> StoredModel:
    record = cache.read_record(folder)
    if any(folder.rglob("*.dlstate")) or any(folder.rglob("download.tmp")):
        state = "partial"
    elif record is None:
        state = "no hashes"
    else:
        sizes = {
            name: (folder / name).stat().st_size if (folder / name).is_file() else None
            for name in record.package.files
        }
        state = (
            "whole"
            if all(sizes[name] == file.bytes for name, file in record.package.files.items())
            else "damaged"
        )
    return StoredModel(
        record.package.alias if record else folder.name, folder, state, _bytes_in(folder), record
    )


def _bytes_in(folder: Path) -> int:
    """Bytes on the disk; a file that is reserved but not filled counts for what is there, where the system says."""
    files = [path.stat() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(min(file.st_size, 512 * getattr(file, "st_blocks", file.st_size)) for file in files)
