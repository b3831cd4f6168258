"""Keep the models of this machine: fetch, check, repair, list and remove them.

One model's failure does not stop the rest.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

from ..common.errors import KitError, UsageError
from ..common.files import replace_folder, write_text
from ..common.paths import BUILT_IN_MODELS, free_disk_gb, home, model_cache, refuse_full_disk
from ..common.progress import Progress
from ..common.show import Shown, Table, count, size
from ..models import cache
from ..models.built_in import built_in_packages, install_built_in
from ..models.cache import Note, Record
from ..models.lineup import model_list
from .foundry import Runtime
from .local import BuiltIn
from .model_table import ModelInfo
from .server import Server
from .setup_check import DISK_GB, Check, Checks


class Outcomes(Checks):
    """List alias, status and detail of each model that was asked for; shows itself as a table."""

    failed = "failed"

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
    if aliases is None:
        mirror = server.mirror if isinstance(server, BuiltIn) else None
        if mirror is None:
            raise UsageError(
                "Which models? Name their aliases, or a classroom mirror "
                "(--mirror http://host:port) to get all that it has."
            )
        aliases = [package.alias for package in mirror.packages()]
    outcomes = Outcomes()
    for name in model_list(aliases):
        outcomes.look(name, partial(_download_one, server, name, progress))
    return outcomes


def prefetch(
    connect: Callable[[], Server],
    aliases: Sequence[str] | None,
    at: str | None = None,
    *,
    progress: bool = True,
) -> Outcomes:
    """Wait until `HH:MM` by this machine's clock, then connect and `download`."""
    begin = next_time(at, datetime.now()) if at else datetime.now()
    total_s = max(1, round((begin - datetime.now()).total_seconds()))
    with Progress(total_s, "s", progress and at is not None) as line:
        while (left := (begin - datetime.now()).total_seconds()) > 0:
            line.to(max(0, total_s - round(left)), waiting(begin, left))
            time.sleep(min(1.0, left))
    with connect() as server:
        return download(server, aliases, progress=progress)


def waiting(begin: datetime, left_s: float) -> str:
    """Say until when a download waits, and how long that is."""
    hours, minutes = divmod(math.ceil(left_s / 60), 60)
    return f"waiting until {begin:%H:%M} ({hours} h {minutes} min)"


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
        return Outcomes(Check(alias, "skipped", skipped) for alias in model_list(aliases))
    for model in server.models():
        if model.cached and model.files_sha256 is None:
            with suppress(KitError):
                server.runtime.record(model.id)
    records = list(cache.records(model_cache()))
    held = dict.fromkeys(record.package.alias for _, record in records)
    names = [*held] if aliases is None else model_list(aliases)
    missing = f"is not in the cache; it holds {', '.join(held)}."
    outcomes = Outcomes(Check(name, "failed", missing) for name in names if name not in held)
    for folder, record in records:
        if (alias := record.package.alias) in names:
            outcomes.look(alias, partial(_verify_one, server, folder, record, progress))
    return outcomes


@dataclass(frozen=True)
class StoredModel:
    """Describe one model folder in the cache: its size in bytes, and the record of its files."""

    alias: str
    id: str
    folder: Path
    state: str
    bytes: int
    record: Record | None = None


class Contents(Shown, list[StoredModel]):
    """List what the cache holds; shows itself as a table."""

    def table(self) -> Table:
        """Return a line for each model, with the sum and the free space below."""
        headers = ("alias", "size_mb", "source", "state", "last_used", "verified", "folder")
        rows = []
        for stored in self:
            source = stored.record and stored.record.source
            verified_at = stored.record and stored.record.verified_at
            megabytes, name = round(stored.bytes / 1e6, 1), stored.folder.name
            times = (cache.last_used(stored.folder), verified_at)
            rows.append([stored.alias, megabytes, source, stored.state, *times, name])
        total = size(sum(stored.bytes for stored in self))
        note = (
            f"{total} in {model_cache()}, {free_disk_gb():.0f} GB free. Times are UTC. "
            "Every project with the kit shares this folder; WORKSHOP_HOME moves it."
        )
        return Table(headers, rows, note=note)


def cache_contents() -> Contents:
    """Return every model folder, whole or not or still being fetched, the largest first."""
    contents = [_stored(path) for path in model_cache().glob("*/*") if path.is_dir()]
    for state, folder in (("partial", "incoming"), ("package", "packages")):
        contents += [_stored(path, state) for path in (home() / folder).glob("*") if path.is_dir()]
    return Contents(sorted(contents, key=lambda stored: -stored.bytes))


def remove(stored: StoredModel) -> None:
    """Delete a model's files, and let the runtime forget them.

    Raises UsageError for a built-in model, KitError when files cannot be deleted.
    """
    if stored.record and stored.record.source == "built-in":
        raise UsageError(
            f"'{stored.alias}' ships with the kit and would be back at the next start; "
            f"its {size(stored.bytes)} stay."
        )
    with cache.download_lock(home(), stored.id):
        if stored.record:
            with closing(Runtime()) as runtime, suppress(KitError):  # it may not know of it
                runtime.remove(stored.id)
        try:
            replace_folder(stored.folder)
        except OSError as error:
            raise KitError(
                f"{stored.folder} cannot be deleted ({error.strerror}); "
                "stop the runtime (python -m helpers stop) and try again."
            ) from None


def find_stored(alias: str) -> StoredModel:
    """Return the model with this alias, id or folder. Raises UsageError naming what is there."""
    contents = cache_contents()
    for stored in contents:
        if alias in (stored.alias, stored.id, stored.folder.name):
            return stored
    held = ", ".join(stored.alias for stored in contents) or "nothing"
    raise UsageError(f"The cache has no '{alias}'; it holds {held}.")


def _download_one(server: Server, name: str, progress: bool) -> tuple[str, str]:
    model = server.resolve(name)
    if not isinstance(server, BuiltIn):
        return "ready", f"{server.where} offers it"
    if model.cached:
        if model.files_sha256 is None:
            server.runtime.record(model.id)  # an interrupted download ended in the background
        if model.source == "built-in":
            return "ready", f"ships with the kit, hashes verified, {_size(model)}"
        return "ready", f"in the cache, from the {model.source}, {_size(model)}"
    rule_mb = 1000 * DISK_GB if model.source == "catalog" else 0
    room_mb = max(model.size_mb or 0, rule_mb)
    refuse_full_disk(f"{name} from the {model.source}", 1e6 * room_mb)
    started, alias, total = time.monotonic(), model.alias, model.size_mb or 100
    with Progress(round(total, 1), "MB" if model.size_mb else "percent", progress) as line:
        model = server.download(
            model.id,
            lambda percent: line.to(percent / 100 * total),
            lambda remark: line.say(f"{alias} ({remark})" if remark else alias),
        )
    origin = f"{_size(model)} from the {model.source} in {time.monotonic() - started:.1f} s"
    return "downloaded", f"{origin}, hashes recorded"


def _size(model: ModelInfo) -> str:
    return f"{model.size_mb:g} MB" if model.size_mb else "size unknown"


def _verify_one(server: BuiltIn, folder: Path, record: Record, progress: bool) -> tuple[str, str]:
    package = record.package
    with Progress(round(package.bytes / 1e6, 1), "MB", progress) as line:
        line.say(f"verify {package.alias}")
        with cache.download_lock(home(), package.id, line.say, "busy with"):
            wrong = cache.verify(folder, record, full=True, progress=lambda n: line.to(n / 1e6))
        if not wrong:
            return "whole", f"{count(len(package.files), 'file')}, {size(package.bytes)}"
        damage = ", ".join(map(str, wrong))
        try:
            source = _repair(server, folder, record, line.say)
        except KitError as error:
            raise KitError(f"damaged: {damage}. {error}") from None
    return "repaired", f"{damage}; fetched again from {source}"


def _repair(server: BuiltIn, folder: Path, record: Record, note: Note) -> str:
    """Remove a damaged model and fetch it anew; return where it came from.

    Raises KitError when there is no source, and then nothing is removed, when fetching failed, or
    when other files came.
    """
    package = record.package
    if package in built_in_packages(BUILT_IN_MODELS).values():
        with suppress(KitError):  # a runtime that does not know it has not loaded it
            server.runtime.unload(package.id)
        install_built_in(BUILT_IN_MODELS, model_cache())
        return "the kit"
    start_over = f"Start over with: python -m helpers cache --remove {package.alias}"
    if record.source == "gguf":
        raise KitError(f"It cannot be repaired. {start_over}, then convert it again.")
    azure = server.runtime.azure_note
    reachable = server.mirror or azure.startswith("reachable")
    if record.source != "package-index" and not reachable:
        reason = f"the Azure catalog is {azure}"
        raise KitError(f"It cannot be repaired now ({reason}). {start_over}, then download it.")
    server.runtime.remove(package.id)
    try:
        source = server.download(package.id, note=note).source
    except KitError as error:
        raise KitError(
            f"It was removed to be fetched again, and that failed: {error} "
            f"Try again with: python -m helpers download {package.alias}"
        ) from None
    if left := ", ".join(map(str, cache.problems(folder, package))):
        # The hashes of the first download stay in force, so that the runtime refuses these files.
        write_text(folder / cache.RECORD, record.model_dump_json(indent=1))
        raise KitError(
            f"What came in its place from the {source} is not right either: {left}. "
            f"{start_over}, then download it."
        )
    return f"the {source}"


def _stored(folder: Path, state: str = "no hashes") -> StoredModel:
    record = cache.read_record(folder)
    alias = model_id = folder.name
    if record:
        alias, model_id = record.package.alias, record.package.id
        state = "damaged" if cache.verify(folder, record) else "whole"
    if any(folder.rglob("*.dlstate")) or any(folder.rglob("download.tmp")):
        state = "partial"
    return StoredModel(alias, model_id, folder, state, cache.bytes_on_disk(folder), record)
