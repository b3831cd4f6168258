"""Say where things are, starting from the package and never from the working folder."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

import platformdirs

from .errors import KitError, UsageError
from .files import make_writable

PROJECT = Path(__file__).resolve().parents[2]
# An installed kit has its data in a folder of its own beside `helpers`.
INSTALLED = (PROJECT / "foundry_local_workshop").is_dir()
PROJECT = PROJECT / "foundry_local_workshop" if INSTALLED else PROJECT
DATA = PROJECT / "data"
BUILT_IN_MODELS = DATA / "models"
ASIDE = "custom"


def home() -> Path:
    """Return the folder that all checkouts share: `WORKSHOP_HOME`, else the user's cache folder."""
    return _from_variable("WORKSHOP_HOME") or platformdirs.user_cache_path(
        "foundry-local-workshop", appauthor=False
    )


def user_path(text: str | os.PathLike[str]) -> Path:
    """Return a path that a person wrote as an absolute one; `~` is the person's home folder."""
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:  # ~nobody
        raise UsageError(f"{text}: {error}.") from None


def _from_variable(name: str) -> Path | None:
    """Return the folder in a variable; a relative one is made absolute for whoever starts here."""
    text = os.environ.get(name, "").strip()
    if not text:
        return None
    path = user_path(text)
    os.environ[name] = str(path)
    return path


def model_cache() -> Path:
    """Return Foundry Local's model cache (`<publisher>/<name>-<version>/` inside)."""
    return home() / "models"


def free_disk_gb() -> float:
    """Return the free space in GB (10^9 bytes) where models are kept."""
    folder = model_cache()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e9


def refuse_full_disk(what: str, needed_bytes: float) -> None:
    """Raise KitError unless so many bytes are free where models are kept."""
    if needed_bytes > 1e9 * free_disk_gb():
        raise KitError(
            f"{what} needs {needed_bytes / 1e6:,.1f} MB, and {1e3 * free_disk_gb():,.1f} MB are "
            "free where models are kept; free some space, or name another disk in WORKSHOP_HOME."
        )


def service_folder() -> Path:
    """Return the folder of the runtime, which belongs to one checkout and one Python."""
    key = hashlib.sha256(f"{PROJECT}\n{sys.prefix}".encode()).hexdigest()[:12]
    return home() / "service" / key


def results_folder(chosen: str | os.PathLike[str] | None = None) -> Path:
    """Make and return the chosen folder, else the one of `WORKSHOP_RESULTS`, else `results/`.

    An installed kit keeps its results in `foundry-local-workshop/` in the person's home folder.
    """
    folder = user_path(chosen) if chosen else _from_variable("WORKSHOP_RESULTS")
    where = Path.home() / "foundry-local-workshop" if INSTALLED else PROJECT
    folder = folder or where / "results"
    try:
        make_writable(folder)
    except OSError as error:
        raise KitError(
            f"The results folder {folder} cannot be written ({error.strerror}); "
            "choose another with --output DIR or the variable WORKSHOP_RESULTS."
        ) from error
    return folder


def is_aside(run: Path) -> bool:
    """Tell if a run is read only when it is named: of notebook 06, or of one device of a lab."""
    return any(part == ASIDE or part.startswith("fleet-") for part in run.parts)
