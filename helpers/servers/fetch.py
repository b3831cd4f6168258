"""Download a model through the SDK: watched, resumed, and tried again after a failure."""

import re
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from ..common.errors import KitError, plain
from ..common.paths import model_cache
from ..common.templates import paragraph
from ..models import cache
from .control_line import send

if TYPE_CHECKING:
    from foundry_local_sdk.imodel import IModel
    from foundry_local_sdk.model_info import ModelInfo

HEARTBEAT_S = 0.2
QUIET_S = 5.0
MAX_FAILURES = 4
RETRY_S = 0.5
DISK_WORDS = (
    "(?i)no space|file too large|pre-allocate|disk full|quota|read-only file system"
    "|permission denied"
)


class Fetch:
    """Download one model, report how far it is and since when nothing came, and retry failures.

    The SDK resumes by itself after a cut connection, waits and asks again after a 503, and gives up
    a connection on which nothing came for 60 s. It calls back only when something arrived, so
    another thread does the watching.
    """

    def __init__(self, model: "IModel", connection: Connection):
        self._model, self._connection = model, connection
        self._cancel = threading.Event()
        self._percent, self._moved_at = 0.0, time.monotonic()

    def run(self) -> None:
        """Fetch, hash and record. Raises KitError in words."""
        failures, before = 0, -1.0
        while (error := self._try_once()) is not None:
            if self._cancel.is_set():
                raise KitError(
                    "cancelled; what has arrived is kept, and a later download goes on from there."
                )
            failures = failures + 1 if self._percent <= before else 1
            before = self._percent
            if failures >= MAX_FAILURES or re.search(DISK_WORDS, str(error)):
                raise explain_failure(error, self._model.get_path())
            wait_s = RETRY_S * 2 ** (failures - 1)
            self._say(f"{plain(str(error))[:80]}: trying again in {wait_s:.0f} s")
            time.sleep(wait_s)
        self._say("hashing")
        record_files(self._model)

    def _try_once(self) -> Exception | None:
        """Download until the SDK returns or gives up; return its error."""
        errors = []

        def work() -> None:
            try:
                self._model.download(self._note_progress, self._cancel)
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        while thread.is_alive():
            quiet_s = time.monotonic() - self._moved_at
            quiet = f"nothing has come for {quiet_s:.0f} s; a new connection is made after 60 s"
            self._say(quiet if quiet_s > QUIET_S else "")
            thread.join(HEARTBEAT_S)
        self._say("")
        return errors[0] if errors else None

    def _note_progress(self, percent: float) -> None:
        if percent > self._percent:  # threads of the SDK report in any order
            self._percent, self._moved_at = percent, time.monotonic()

    def _say(self, note: str) -> None:
        """Report to the client; one that has gone, or sent anything, wants the download to end."""
        try:
            if self._connection.poll():
                self._cancel.set()
            send(self._connection, {"progress": self._percent, "note": note})
        except (OSError, EOFError):
            self._cancel.set()
            raise


def record_files(model: "IModel") -> None:
    """Hash the files of a downloaded model and record them beside it."""
    known = {name: value for name, value in describe(model.info).items() if value is not None}
    cache.adopt(Path(model.get_path()), known, "catalog")


def describe(info: "ModelInfo") -> dict:
    """Return what the SDK knows of a model, in the words of `cache.Package`."""
    runtime = info.runtime
    capabilities = (word.strip() for word in (info.capabilities or "").split(","))
    same = ("alias", "name", "version", "uri", "publisher", "license", "task", "max_output_tokens")
    return {name: getattr(info, name) for name in same} | {
        "parent": info.get_string_property("parent_uri"),
        "device": runtime.device_type.value if runtime and runtime.device_type else None,
        "execution_provider": runtime.execution_provider if runtime else None,
        "context": info.context_length,
        "capabilities": list(filter(None, capabilities)),
    }


def explain_failure(error: Exception, folder: str | None) -> KitError:
    """Say what a failed download means and what to do next."""
    reason = plain(str(error)).rstrip(".")
    disk, where = bool(re.search(DISK_WORDS, reason)), folder or model_cache()
    about = {"reason": reason, "disk": disk, "folder": where}
    return KitError(paragraph("servers/not_delivered.jinja", **about))
