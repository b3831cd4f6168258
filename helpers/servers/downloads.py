"""Keep the models of this machine: fetch, check, repair, list and remove them.

One model's failure does not stop the rest.
"""

import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ..common.errors import KitError, MirrorError, UsageError
from ..common.files import write_text
from ..common.paths import BUILT_IN_MODELS, free_disk_gb, home, model_cache
from ..common.progress import Progress
from ..common.show import Shown, Table, count, size
from ..models import cache
from ..models.built_in import built_in_packages, install_built_in
from ..models.cache import Package, Record
from .local import BuiltIn
from .model_table import ModelInfo
from .server import Server
from .setup_check import DISK_GB


class Outcomes(Shown, list[tuple[str, str, str]]):
    """List (alias, status, detail) for each model that was asked for; shows itself as a table."""

    @property
    def ok(self) -> bool:
        """Tell whether there was something to do and nothing failed."""
        return bool(self) and all(status != "failed" for _, status, _ in self)

    def table(self) -> Table:
        """Return a line for each model."""
        return Table(("alias", "status", "detail"), self)


def download(
    server: Server, aliases: Iterable[str] | None = None, *, progress: bool = True
) -> Outcomes:
    """Fetch each model that is not in the cache yet; without aliases, all that the mirror has.

    A model that cannot be had is listed with the reason, and the rest goes on. Raises UsageError
    when neither aliases nor a mirror are given, MirrorError when that mirror does not answer.
    """
    names = list(dict.fromkeys(_on_the_mirror(server) if aliases is None else aliases))
    outcomes, asked = Outcomes(), {}
    for name in names:
        try:
            asked[name] = server.resolve(name)
        except KitError as error:
            outcomes.append((name, "failed", str(error)))
    missing = [model for model in asked.values() if model.cached is False]
    refusal = _lack_of_room(missing)
    for name, model in asked.items():
        if refusal and model in missing:
            outcomes.append((name, "failed", refusal))
            continue
        try:
            outcomes.append((name, *_download_one(server, model, progress)))
        except KitError as error:
            outcomes.append((name, "failed", str(error)))
    return Outcomes(sorted(outcomes, key=lambda outcome: names.index(outcome[0])))


def prefetch(
    connect: Callable[[], Server],
    aliases: Sequence[str] | None,
    at: str | None = None,
    *,
    progress: bool = True,
) -> Outcomes:
    """Wait until a time of day (`HH:MM`, this machine's clock), then connect and `download`.

    Raises UsageError for anything but a time of day.
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
    """Return the next moment at which a clock shows `HH:MM` or `HH:MM:SS`."""
    for form in ("%H:%M", "%H:%M:%S"):
        with suppress(ValueError):
            at = datetime.combine(now.date(), datetime.strptime(text.strip(), form).time())
            return at if at >= now else at + timedelta(days=1)
    raise UsageError(f"'{text}' is not a time of day; expected something like 02:00.")


def verify(
    server: Server, aliases: Iterable[str] | None = None, *, progress: bool = True
) -> Outcomes:
    """Hash every file of cached models, and fetch a model again that has a damaged file.

    Without aliases, all models in the cache. The files of a server elsewhere are skipped.
    """
    if not isinstance(server, BuiltIn):
        skipped = f"its files are not on this machine, but at {server.where}"
        return Outcomes((alias, "skipped", skipped) for alias in aliases or ())
    for model in server.models():
        if model.cached and model.files_sha256 is None:
            with suppress(KitError):
                server.runtime.record(model.id)
    known: dict[str, list[tuple[Path, Record]]] = {}
    for folder, record in cache.records(model_cache()):
        known.setdefault(record.package.alias, []).append((folder, record))
    names = list(known if aliases is None else dict.fromkeys(aliases))
    total = sum(record.package.bytes for name in names for _, record in known.get(name, []))
    outcomes, before = Outcomes(), 0
    with Progress(round(total / 1e6, 1), "MB", progress) as bar:
        line = _Line(bar, "verify")
        for alias in names:
            if alias not in known:
                held = f"is not in the cache; it holds {', '.join(known)}."
                outcomes.append((alias, "failed", held))
            for folder, record in known.get(alias, []):
                hashed = lambda done, start=before: line.move((start + done) / 1e6)  # noqa: E731
                try:
                    outcomes.append(
                        (alias, *_verify_one(server, folder, record, hashed, line.note))
                    )
                except (KitError, OSError) as error:
                    outcomes.append((alias, "failed", str(error)))
                before += record.package.bytes
    return outcomes


@dataclass(frozen=True)
class StoredModel:
    """Describe one model folder in the cache: its size in bytes, and the record of its files."""

    alias: str
    folder: Path
    state: str
    bytes: int
    record: Record | None = None

    @property
    def used_at(self) -> str | None:
        """Return when it was last loaded, in UTC; None where that is not known."""
        return cache.last_used(self.folder)


class Contents(Shown, list[StoredModel]):
    """List what the cache holds; shows itself as a table."""

    def table(self) -> Table:
        """Return a line for each model, with the sum and the free space below."""
        headers = ("alias", "size_mb", "source", "state", "last_used", "verified", "folder")
        rows = []
        for stored in self:
            source, verified_at = None, None
            if stored.record:
                source, verified_at = stored.record.source, stored.record.verified_at
            megabytes, name = round(stored.bytes / 1e6, 1), stored.folder.name
            times = (stored.used_at, verified_at)
            rows.append([stored.alias, megabytes, source, stored.state, *times, name])
        total = size(sum(stored.bytes for stored in self))
        note = (
            f"{total} in {model_cache()}, {free_disk_gb():.0f} GB free. Times are UTC. "
            "Every project with the kit shares this folder; WORKSHOP_HOME moves it."
        )
        return Table(headers, rows, note=note)


def cache_contents() -> Contents:
    """Return every model folder in the cache, whole or not, the largest first.

    Models that are still being fetched are listed with what has arrived of them.
    """
    contents = [_stored(path) for path in model_cache().glob("*/*") if path.is_dir()]
    for path in (home() / "incoming").glob("*"):
        if path.is_dir():
            contents.append(StoredModel(path.name, path, "partial", _bytes_in(path)))
    return Contents(sorted(contents, key=lambda stored: -stored.bytes))


def remove(server: BuiltIn, stored: StoredModel) -> None:
    """Delete a model's files.

    Raises UsageError for a built-in model, KitError when files cannot be deleted.
    """
    if stored.record and stored.record.source == "built-in":
        raise UsageError(
            f"'{stored.alias}' ships with the kit and would be back at the next start; "
            f"its {size(stored.bytes)} stay."
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
                f"{stored.folder} cannot be deleted ({error.strerror}); "
                "stop the runtime (python -m helpers stop) and try again."
            ) from None


def find_stored(alias: str) -> StoredModel:
    """Return the cached model with this alias, id or folder name.

    Raises UsageError with those that there are.
    """
    contents = cache_contents()
    for stored in contents:
        if alias in (stored.alias, stored.folder.name, stored.record and stored.record.package.id):
            return stored
    held = ", ".join(stored.alias for stored in contents) or "nothing"
    raise UsageError(f"The cache has no '{alias}'; it holds {held}.")


def _on_the_mirror(server: Server) -> list[str]:
    mirror = server.mirror if isinstance(server, BuiltIn) else None
    if mirror is None:
        raise UsageError(
            "Which models? Name their aliases, or a classroom mirror "
            "(--mirror http://host:port) to get all that it has."
        )
    return [package.alias for package in mirror.packages()]


def _lack_of_room(models: Sequence[ModelInfo]) -> str | None:
    """Say why nothing is fetched: too little disk for the models, or for the catalog's 15 GB."""
    asked_gb = sum(model.size_mb or 0 for model in models) / 1000
    rule_gb = DISK_GB if any(model.source != "mirror" for model in models) else 0
    needed_gb, free_gb = max(asked_gb, rule_gb), free_disk_gb()
    if not models or free_gb >= needed_gb:
        return None
    return (
        f"{free_gb:.1f} GB are free and {needed_gb:.3g} GB are wanted before a download "
        f"({asked_gb:.3g} GB to fetch); free some space, or name another disk in WORKSHOP_HOME."
    )


def _download_one(server: Server, model: ModelInfo, progress: bool) -> tuple[str, str]:
    if model.cached is None:
        return "ready", f"{server.where} offers it"
    if model.cached:
        if model.files_sha256 is None and isinstance(server, BuiltIn):
            server.runtime.record(model.id)  # an interrupted download ended in the background
        if model.source == "built-in":
            return "ready", f"ships with the kit, hashes verified, {_size(model)}"
        return "ready", f"in the cache, from the {model.source}, {_size(model)}"
    started, total = time.monotonic(), model.size_mb or 100
    with Progress(round(total, 1), "MB" if model.size_mb else "percent", progress) as bar:
        line = _Line(bar, model.alias)
        model = server.download(
            model.id, lambda percent: line.move(percent / 100 * total), line.note
        )
    seconds = time.monotonic() - started
    origin = f"{_size(model)} from the {model.source} in {seconds:.1f} s"
    return "downloaded", f"{origin}, hashes recorded"


def _size(model: ModelInfo) -> str:
    return f"{model.size_mb:g} MB" if model.size_mb else "size unknown"


class _Line:
    """Show one updating line: how far, and what there is to say."""

    def __init__(self, line: Progress, label: str):
        self._line, self._plain, self._text = line, label, label

    def move(self, done: float) -> None:
        self._line.to(done, self._text)

    def note(self, remark: str) -> None:
        self._text = f"{self._plain} ({remark})" if remark else self._plain
        self._line.say(self._text)


def _verify_one(
    server: BuiltIn,
    folder: Path,
    record: Record,
    hashed: Callable[[int], None],
    note: Callable[[str], None],
) -> tuple[str, str]:
    package = record.package
    busy = f"another process is busy with {package.alias}; waiting for that"
    with cache.download_lock(home(), package.id, lambda: note(busy)):
        wrong = cache.verify(folder, record, full=True, progress=hashed)
    if not wrong:
        return "whole", f"{count(len(package.files), 'file')}, {size(package.bytes)}"
    damage = ", ".join(map(str, wrong))
    source = _fetch_again(server, package, damage, note)
    if left := cache.problems(folder, package):
        # The hashes of the first download stay in force, so that the runtime refuses these files.
        write_text(folder / cache.RECORD, record.model_dump_json(indent=1))
        other = ", ".join(map(str, left))
        raise KitError(
            f"damaged: {damage}. What came in its place from {source} is not right either: "
            f"{other}. {_start_over(package)}"
        )
    return "repaired", f"{damage}; fetched again from {source}"


def _fetch_again(
    server: BuiltIn, package: Package, damage: str, note: Callable[[str], None]
) -> str:
    """Remove a damaged model and fetch it anew; return where it came from.

    Raises KitError when no source has it, and then nothing is removed, or when fetching failed.
    """
    if package in built_in_packages(BUILT_IN_MODELS).values():
        with suppress(KitError):  # a runtime that does not know it has not loaded it
            server.runtime.unload(package.id)
        install_built_in(BUILT_IN_MODELS, model_cache())
        return "the kit"
    if reason := _why_not_offered(server, package):
        raise KitError(
            f"damaged: {damage}. It cannot be repaired now ({reason}). {_start_over(package)}"
        )
    server.runtime.remove(package.id)
    try:
        return f"the {server.download(package.id, note=note).source}"
    except KitError as error:
        raise KitError(
            f"damaged: {damage}. It was removed to be fetched again, and that failed: {error} "
            f"Try again with: python -m helpers download {package.alias}"
        ) from None


def _why_not_offered(server: BuiltIn, package: Package) -> str | None:
    """Say why no source can deliver a model again; None when one can."""
    if package.uri and server.runtime.azure_note.startswith("reachable"):
        return None
    reasons = [f"the Azure catalog is {server.runtime.azure_note}"] if package.uri else []
    try:
        if server.mirror:
            if any(
                (p.id, p.files) == (package.id, package.files) for p in server.mirror.packages()
            ):
                return None
            reasons.append("the mirror has other files or none")
    except MirrorError as error:
        reasons.append(str(error))
    return "; ".join(reasons) or "no mirror is given"


def _start_over(package: Package) -> str:
    command = f"python -m helpers cache --remove {package.alias}"
    return f"Start over with: {command}, then download it."


def _stored(folder: Path) -> StoredModel:
    record = cache.read_record(folder)
    if any(folder.rglob("*.dlstate")) or any(folder.rglob("download.tmp")):
        state = "partial"
    elif record is None:
        state = "no hashes"
    else:
        files = {folder / name: file.bytes for name, file in record.package.files.items()}
        whole = all(p.is_file() and p.stat().st_size == bytes for p, bytes in files.items())
        state = "whole" if whole else "damaged"
    alias = record.package.alias if record else folder.name
    return StoredModel(alias, folder, state, _bytes_in(folder), record)


def _bytes_in(folder: Path) -> int:
    """Return the bytes on the disk.

    A file that is reserved but not filled counts for what is there, where the system says.
    """
    files = [path.stat() for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return sum(min(file.st_size, 512 * getattr(file, "st_blocks", file.st_size)) for file in files)
