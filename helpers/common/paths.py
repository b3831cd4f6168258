"""Where things are: found from the package, never from the working folder."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

import platformdirs

from .errors import KitError

PROJECT = Path(__file__).resolve().parents[2]
DATA = PROJECT / "data"
BUILT_IN_MODELS = DATA / "models"


def home() -> Path:
    """The kit's own folder for model cache and logs: `WORKSHOP_HOME`, else the user's cache folder.

    It is shared by every checkout, so that gigabytes of models are downloaded once.
    """
    configured = os.environ.get("WORKSHOP_HOME")
    return (
        Path(configured).expanduser()
        if configured
        else platformdirs.user_cache_path("foundry-local-workshop", appauthor=False)
    )


def model_cache() -> Path:
    """Foundry Local's model cache (`<publisher>/<name>-<version>/` inside)."""
    return home() / "models"


def free_disk_gb() -> float:
    """Free space in GB (10^9 bytes) where models are kept."""
    folder = model_cache()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 1e9


def service_folder() -> Path:
    """State and logs of this checkout's runtime: two checkouts, or two Pythons, never share a process."""
    key = hashlib.sha256(f"{PROJECT}\n{sys.prefix}".encode()).hexdigest()[:12]
    return home() / "service" / key


def results_folder(chosen: str | os.PathLike | None = None) -> Path:
    """A folder for results that exists and can be written: the argument, `WORKSHOP_RESULTS`, else `results/`.

    Raises KitError when it cannot be made or written.
    """
    folder = Path(chosen or os.environ.get("WORKSHOP_RESULTS") or PROJECT / "results").expanduser()
    probe = folder / f".write-test-{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise KitError(
            f"The results folder {folder} cannot be written ({error.strerror}); choose another with --output DIR or the variable WORKSHOP_RESULTS."
        ) from error
    return folder
