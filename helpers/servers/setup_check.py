"""Does it work? The set-up check of notebook 00, and the validation checklist of notebook 02."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import psutil

from ..common import machine
from ..common.errors import KitError
from ..common.paths import PROJECT, free_disk_gb, results_folder
from ..common.show import Table
from ..models import lineup
from .server import Server, connect

DISK_GB = 15
PYTHON_MINIMUM, PYTHON_BELOW = (3, 11), (3, 15)


@dataclass(frozen=True)
class Check:
    """One thing looked at. `status` is OK, NOTE (works, but know this) or FAIL."""

    what: str
    status: str
    detail: str


class Checks(list[Check]):
    """Check results; shows itself as a table with a verdict."""

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return all(check.status != "FAIL" for check in self)

    def table(self) -> Table:
        """The checks with a verdict below."""
        failed = [check.what for check in self if check.status == "FAIL"]
        verdict = f"Not ready: {', '.join(failed)}." if failed else "Ready."
        return Table(
            ("check", "status", "detail"),
            [[c.what, f"[{c.status}]", c.detail] for c in self],
            note=verdict,
        )

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def check_setup(endpoint: str | None = None) -> Checks:
    """Python, packages, disk, memory, data files, results folder, and a server that lists models. Never raises."""
    results = Checks([_python(), _packages(), _disk(), _memory()])
    results.append(
        _try(
            "data files",
            lambda: (
                f"{len(lineup.load_models())} models in the line-up, {len(lineup.load_prompts())} meeting-notes prompts"
            ),
        )
    )
    results.append(_try("results folder", lambda: _relative(results_folder())))
    results.append(_try("server", lambda: _server(endpoint)))
    return results


def validate(server: Server, models: Iterable[str], prompt: str = "Say hello.") -> Checks:
    """The session's checklist for each model: cached, loaded, listed by `/v1/models`, and answers a test chat."""
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
    found = ".".join(map(str, sys.version_info[:3]))
    fits = PYTHON_MINIMUM <= sys.version_info[:2] < PYTHON_BELOW
    return Check(
        "Python",
        "OK" if fits else "FAIL",
        found if fits else f"{found} found; Foundry Local 2.2.1 needs 3.11 to 3.14",
    )


def _packages() -> Check:
    pinned = pinned_versions(
        (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    )
    found = {name: machine.installed(name) for name in pinned}
    missing = [name for name, version in found.items() if version is None]
    other = [
        f"{name} {found[name]} instead of {version}"
        for name, version in pinned.items()
        if found[name] not in (None, version)
    ]
    if missing:
        return Check(
            "packages",
            "FAIL",
            f"missing: {', '.join(missing)}; install with: python -m pip install -r requirements.txt",
        )
    return Check(
        "packages",
        "NOTE" if other else "OK",
        ", ".join(other)
        or f"all {len(pinned)} as pinned, foundry-local-sdk {found['foundry-local-sdk']}",
    )


def pinned_versions(lines: Sequence[str]) -> dict[str, str]:
    """`name==version` lines of a requirements file."""
    plain = (line.split("#")[0].split(";")[0].strip() for line in lines)
    return dict(line.split("==") for line in plain if "==" in line)


def _disk() -> Check:
    free = free_disk_gb()
    detail = f"{free:.0f} GB free where models are kept"
    if free < 1:
        return Check(
            "disk", "FAIL", f"{detail}; free at least 1 GB, or name another place in WORKSHOP_HOME"
        )
    if free < DISK_GB:
        return Check(
            "disk",
            "NOTE",
            f"{detail}: enough for the built-in models; the session's catalog models want {DISK_GB} GB",
        )
    return Check("disk", "OK", detail)


def _memory() -> Check:
    free = psutil.virtual_memory().available / 1e9
    return Check(
        "memory", "OK" if free > 1 else "NOTE", f"{free:.1f} GB free, {machine.cpu_name()}"
    )


def _server(endpoint: str | None) -> str:
    with connect(endpoint) as server:
        models = server.models()
        note = f"; {models.note.rstrip('.')}" if models.note else ""
        return f"{server.kind} at {server.where} offers {len(models)} models{note}"


def _relative(path) -> str:
    return (
        str(path.relative_to(PROJECT))
        if path.is_relative_to(PROJECT)
        else "outside the project, as configured"
    )


def _try(what: str, look) -> Check:
    try:
        return Check(what, "OK", look())
    except KitError as error:
        return Check(what, "FAIL", str(error))
