"""Check the set-up (notebook 00) and that each model answers (notebook 02)."""

import platform
import re
import sys
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import psutil

from ..common import machine
from ..common.errors import KitError
from ..common.paths import PROJECT, free_disk_gb, results_folder
from ..common.show import Shown, Table, count
from ..models.lineup import load_models, model_list
from ..models.prompts import load_prompts
from .connect import connect
from .server import Server

DISK_GB = 15


class Check(NamedTuple):
    """Hold one result. `status` is OK, NOTE (works, but know this) or FAIL."""

    what: str
    status: str
    detail: str


class Checks(Shown, list[Check]):
    """List check results; shows itself as a table with a verdict."""

    failed = "FAIL"

    @property
    def ok(self) -> bool:
        """Tell whether there was something to do and nothing failed."""
        return bool(self) and all(check.status != self.failed for check in self)

    def look(self, what: str, look: Callable[[], tuple[str, str]]) -> None:
        """Add the status and detail that a function returns, or the reason why it failed."""
        try:
            self.append(Check(what, *look()))
        except (KitError, OSError) as error:
            self.append(Check(what, self.failed, str(error)))

    def table(self) -> Table:
        """Return the checks with a verdict below."""
        failed = ", ".join(check.what for check in self if check.status == self.failed)
        verdict = f"Not ready: {failed}." if failed else "Ready."
        rows = [[check.what, f"[{check.status}]", check.detail] for check in self]
        return Table(("check", "status", "detail"), rows, note=verdict)


def check_setup(endpoint: str | None = None) -> Checks:
    """Check Python, packages, disk, memory, data, results folder and a server. Never raises."""
    results = Checks()
    results.look("Python", _python)
    results.look("packages", _packages)
    results.look("disk", _disk)
    results.look("memory", _memory)
    results.look("data files", _data_files)
    results.look("results folder", _results_folder)
    results.look("server", partial(_server, endpoint))
    return results


def validate(server: Server, models: Iterable[str], prompt: str = "Say hello.") -> Checks:
    """Check that each model is cached, loaded, listed by `/v1/models`, and answers a test chat."""
    results = Checks()
    for alias in model_list(models):
        results.look(alias, partial(_model, server, alias, prompt))
    return results


def _model(server: Server, alias: str, prompt: str) -> tuple[str, str]:
    reply, model = server.chat(alias, prompt, max_tokens=40), server.resolve(alias)
    facts = {
        "cached": model.cached,
        "loaded": model.loaded,
        "listed": model.id in server.listed_ids(),
        "answered": bool(reply.text),
    }
    wrong = [name for name, value in facts.items() if value is False]
    unknown = [name for name, value in facts.items() if value is None]
    detail = ", ".join(name for name, value in facts.items() if value)
    detail += f"; not {', not '.join(wrong)}" if wrong else ""
    detail += f"; the endpoint does not say whether {' or '.join(unknown)}" if unknown else ""
    return "FAIL" if wrong else "OK", f"{detail}: {reply.text[:60]!r}"


def _python() -> tuple[str, str]:
    version = platform.python_version()
    if sys.version_info >= (3, 15):  # the package itself refuses what is older than 3.11
        return "FAIL", f"{version} found; Foundry Local 2.2.1 needs 3.11 to 3.14"
    return "OK", version


def _packages() -> tuple[str, str]:
    text = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
    pinned = dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))
    installed = {name: machine.installed(name) for name in pinned}
    if missing := ", ".join(name for name, version in installed.items() if version is None):
        install = f"missing: {missing}; install with: python -m pip install -r requirements.txt"
        return "FAIL", install
    if other := [name for name in pinned if installed[name] != pinned[name]]:
        differ = (f"{name} {installed[name]} instead of {pinned[name]}" for name in other)
        return "NOTE", ", ".join(differ)
    sdk = installed["foundry-local-sdk"]
    return "OK", f"all {len(pinned)} as pinned, foundry-local-sdk {sdk}"


def _disk() -> tuple[str, str]:
    free_gb = free_disk_gb()
    detail = f"{free_gb:.0f} GB free where models are kept"
    if free_gb < 1:
        return "FAIL", f"{detail}; free at least 1 GB, or name another place in WORKSHOP_HOME"
    if free_gb < DISK_GB:
        enough = "enough for the built-in models; the session's catalog models want"
        return "NOTE", f"{detail}: {enough} {DISK_GB} GB"
    return "OK", detail


def _memory() -> tuple[str, str]:
    free_gb = psutil.virtual_memory().available / 1e9
    return "OK" if free_gb > 1 else "NOTE", f"{free_gb:.1f} GB free, {machine.cpu_name()}"


def _data_files() -> tuple[str, str]:
    models, prompts = count(len(load_models()), "model"), len(load_prompts())
    return "OK", f"{models} in the line-up, {count(prompts, 'meeting-notes prompt')}"


def _results_folder() -> tuple[str, str]:
    path = results_folder()
    inside = path.is_relative_to(PROJECT)
    return "OK", str(path.relative_to(PROJECT)) if inside else "outside the project, as configured"


def _server(endpoint: str | None) -> tuple[str, str]:
    with connect(endpoint) as server:
        models = server.models()
        note = f"; {models.note.rstrip('.')}" if models.note else ""
        return "OK", f"{server.kind} at {server.where} offers {count(len(models), 'model')}{note}"
