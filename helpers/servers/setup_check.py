"""Check the set-up (notebook 00) and that each model answers (notebook 02)."""

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from ..common import machine
from ..common.errors import KitError
from ..common.paths import PROJECT, free_disk_gb, results_folder
from ..common.show import Shown, Table, count
from ..models import lineup
from .connect import connect
from .server import Server

DISK_GB = 15
PYTHON_MINIMUM, PYTHON_BELOW = (3, 11), (3, 15)


@dataclass(frozen=True)
class Check:
    """Hold one result. `status` is OK, NOTE (works, but know this) or FAIL."""

    what: str
    status: str
    detail: str


class Checks(Shown, list[Check]):
    """List check results; shows itself as a table with a verdict."""

    @property
    def ok(self) -> bool:
        """Tell whether nothing failed."""
        return all(check.status != "FAIL" for check in self)

    def table(self) -> Table:
        """Return the checks with a verdict below."""
        failed = [check.what for check in self if check.status == "FAIL"]
        verdict = f"Not ready: {', '.join(failed)}." if failed else "Ready."
        rows = [[check.what, f"[{check.status}]", check.detail] for check in self]
        return Table(("check", "status", "detail"), rows, note=verdict)


def check_setup(endpoint: str | None = None) -> Checks:
    """Check Python, packages, disk, memory, data, results folder and a server. Never raises."""
    results = Checks([_python(), _packages(), _disk(), _memory()])
    results.append(_try("data files", _data_files))
    results.append(_try("results folder", lambda: _relative(results_folder())))
    results.append(_try("server", lambda: _server(endpoint)))
    return results


def validate(server: Server, models: Iterable[str], prompt: str = "Say hello.") -> Checks:
    """Check that each model is cached, loaded, listed by `/v1/models`, and answers a test chat."""
    results = Checks()
    try:
        listed = server.listed_ids()
    except KitError as error:
        return Checks([Check("/v1/models", "FAIL", str(error))])
    for alias in models:
        try:
            reply = server.chat(alias, prompt, max_tokens=40)
            model = server.resolve(alias)
        except KitError as error:
            results.append(Check(alias, "FAIL", str(error)))
            continue
        facts = {
            "cached": model.cached,
            "loaded": model.loaded,
            "listed": model.id in listed,
            "answered": bool(reply.text),
        }
        wrong = [name for name, value in facts.items() if value is False]
        unknown = [name for name, value in facts.items() if value is None]
        detail = ", ".join(name for name, value in facts.items() if value)
        detail += f"; not {', not '.join(wrong)}" if wrong else ""
        detail += f"; the endpoint does not say whether {' or '.join(unknown)}" if unknown else ""
        results.append(Check(alias, "FAIL" if wrong else "OK", f"{detail}: {reply.text[:60]!r}"))
    return results


def _python() -> Check:
    version = ".".join(map(str, sys.version_info[:3]))
    if PYTHON_MINIMUM <= sys.version_info[:2] < PYTHON_BELOW:
        return Check("Python", "OK", version)
    return Check("Python", "FAIL", f"{version} found; Foundry Local 2.2.1 needs 3.11 to 3.14")


def _packages() -> Check:
    requirements = (PROJECT / "requirements.txt").read_text(encoding="utf-8")
    pinned = pinned_versions(requirements.splitlines())
    installed = {name: machine.installed(name) for name in pinned}
    if missing := ", ".join(name for name in pinned if installed[name] is None):
        advice = f"missing: {missing}; install with: python -m pip install -r requirements.txt"
        return Check("packages", "FAIL", advice)
    other = [
        f"{name} {installed[name]} instead of {version}"
        for name, version in pinned.items()
        if installed[name] != version
    ]
    if other:
        return Check("packages", "NOTE", ", ".join(other))
    sdk = installed["foundry-local-sdk"]
    return Check("packages", "OK", f"all {len(pinned)} as pinned, foundry-local-sdk {sdk}")


def pinned_versions(lines: Sequence[str]) -> dict[str, str]:
    """Return name to version of the `name==version` lines of a requirements file."""
    plain = (line.split("#")[0].split(";")[0].strip() for line in lines)
    return dict(line.split("==") for line in plain if "==" in line)


def _disk() -> Check:
    free_gb = free_disk_gb()
    detail = f"{free_gb:.0f} GB free where models are kept"
    if free_gb < 1:
        advice = "free at least 1 GB, or name another place in WORKSHOP_HOME"
        return Check("disk", "FAIL", f"{detail}; {advice}")
    if free_gb < DISK_GB:
        enough = "enough for the built-in models; the session's catalog models want"
        return Check("disk", "NOTE", f"{detail}: {enough} {DISK_GB} GB")
    return Check("disk", "OK", detail)


def _memory() -> Check:
    free_gb = psutil.virtual_memory().available / 1e9
    status = "OK" if free_gb > 1 else "NOTE"
    return Check("memory", status, f"{free_gb:.1f} GB free, {machine.cpu_name()}")


def _data_files() -> str:
    models, prompts = count(len(lineup.load_models()), "model"), len(lineup.load_prompts())
    return f"{models} in the line-up, {count(prompts, 'meeting-notes prompt')}"


def _server(endpoint: str | None) -> str:
    with connect(endpoint) as server:
        models = server.models()
        note = f"; {models.note.rstrip('.')}" if models.note else ""
        return f"{server.kind} at {server.where} offers {count(len(models), 'model')}{note}"


def _relative(path: Path) -> str:
    if path.is_relative_to(PROJECT):
        return str(path.relative_to(PROJECT))
    return "outside the project, as configured"


def _try(what: str, look: Callable[[], str]) -> Check:
    try:
        return Check(what, "OK", look())
    except KitError as error:
        return Check(what, "FAIL", str(error))
