"""Bring the kit's packages to a room: a folder of wheels for each system, which the mirror serves.

pip downloads them with its own settings. The kit's own wheel holds what an installed kit needs to
check, measure and join: `helpers`, and `data` and `notebooks` in a folder beside it.
"""

import base64
import functools
import hashlib
import html
import io
import itertools
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from ..common.errors import KitError, UsageError
from ..common.files import read_toml, write_bytes
from ..common.paths import INSTALLED, PROJECT, home
from ..common.show import count, one_line, size
from ..common.templates import environment
from ..models import package_index
from ..models.cache import sha256
from ..models.lineup import load_models, model_list

SYSTEMS = read_toml(Path(__file__).with_name("systems.toml"))
BESIDE = SYSTEMS.pop("python")
PARTS = ("data", "notebooks", "jupyter", "requirements.txt", "constraints.txt")
PIP = [word for word in package_index.PIP if word != "--no-deps"]
WHEEL = "Wheel-Version: 1.0\nGenerator: kit\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def fill(systems: str, pythons: str) -> bool:
    """Fill the folder of wheels; return whether all came. Raises UsageError for a wrong system."""
    wanted = model_list(systems) or [*SYSTEMS]
    versions = model_list(pythons) or [f"{sys.version_info[0]}.{sys.version_info[1]}"]
    if unknown := [name for name in wanted if name not in SYSTEMS]:
        raise UsageError(f"--for {unknown[0]:.40}: expected some of {', '.join(SYSTEMS)}.")
    folder = wheels_folder()
    folder.mkdir(parents=True, exist_ok=True)
    pack_kit(folder)
    packages = {entry.package for _, entry in load_models().items() if entry.package}
    models = sorted({f"{package.name}=={package.version}" for package in packages})
    done = [_download(folder, " ".join(models), ["--no-deps", *models])]
    for system, version in itertools.product(wanted, versions):
        # pip takes 3.11 for 3.11.0, which is too old for some.
        arguments = ["--implementation=cp", f"--python-version={version}.99"]
        arguments += [f"--platform={name}" for name in SYSTEMS[system]["platforms"]]
        arguments += ["-r", str(PROJECT / PARTS[3]), "-c", str(PROJECT / PARTS[4])]
        arguments += SYSTEMS[system]["beside"] + BESIDE.get(version, [])
        done.append(_download(folder, f"{system}, Python {version}", arguments))
    sizes = [path.stat().st_size for path in folder.glob("*.whl")]
    print(f"{count(len(sizes), 'wheel')}, {size(sum(sizes))}, in {folder}")
    return all(done)


def wheels_folder() -> Path:
    """Return the folder that is filled and served: `wheels` below WORKSHOP_HOME or the cache."""
    return home() / "wheels"


def _requirements() -> list[str]:
    lines = (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return list(filter(None, (line.split("#")[0].strip() for line in lines)))


def _download(folder: Path, what: str, arguments: list[str]) -> bool:
    print(f"pip download: {what}")
    command = [*PIP, str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = one_line((errors or [f"pip ended with {done.returncode}"])[-1], 300)
        print(f"{what}: not all of it came ({reason}); the rest goes on.")
    return not done.returncode


def pack_kit(folder: Path) -> None:
    """Write the kit's wheel, and `kit.zip` with all files of the project for its notebooks."""
    listed = ["git", "ls-files", "-z"]
    done = subprocess.run(listed, cwd=PROJECT, capture_output=True, text=True, encoding="utf-8")
    if INSTALLED or done.returncode:
        raise KitError(f"{PROJECT} is not a git checkout of the kit, so it cannot be packed.")
    names = [name for name in done.stdout.split("\0") if name and (PROJECT / name).is_file()]
    files = {name: (PROJECT / name).read_bytes() for name in names}
    about = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    write_bytes(folder / "kit.zip", _zip({f"{about['name']}/{n}": files[n] for n in files}))
    package = about["name"].replace("-", "_")
    inside = {name: files[name] for name in files if name.startswith("helpers/")}
    inside |= {f"{package}/{n}": files[n] for n in files if n.split("/")[0] in PARTS}
    facts = {"name": about["name"], "version": about["version"], "needed": _requirements()}
    template = environment("room").get_template("METADATA.jinja")
    info = f"{package}-{about['version']}.dist-info"
    inside[f"{info}/METADATA"] = template.render(**facts, python=about["requires-python"]).encode()
    inside[f"{info}/WHEEL"] = WHEEL.encode()
    hashed = {name: hashlib.sha256(data).digest() for name, data in inside.items()}
    coded = {n: base64.urlsafe_b64encode(d).decode().rstrip("=") for n, d in hashed.items()}
    rows = [f"{name},sha256={coded[name]},{len(data)}\n" for name, data in inside.items()]
    inside[f"{info}/RECORD"] = "".join([*rows, f"{info}/RECORD,,\n"]).encode()
    write_bytes(folder / f"{package}-{about['version']}-py3-none-any.whl", _zip(inside))


def _zip(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return packed.getvalue()


def _index(_request: Request) -> Response:
    """Answer with one page of links, as pip reads it, with a hash in each."""
    whole = [path for path in sorted(wheels_folder().glob("*.whl")) if zipfile.is_zipfile(path)]
    hashed = [(html.escape(path.name), _hash(path, path.stat().st_mtime_ns)) for path in whole]
    links = [f'<a href="{name}#sha256={digest}">{name}</a><br>' for name, digest in hashed]
    return HTMLResponse("\n".join(["<!doctype html><title>wheels</title>", *links]))


@functools.lru_cache(maxsize=2000)
def _hash(path: Path, _changed: int) -> str:
    return sha256(path)


def routes() -> list[BaseRoute]:
    """Return what answers for the folder: the page of links, and its files."""
    files = StaticFiles(directory=wheels_folder(), check_dir=False)
    return [Route("/wheels/", _index), Mount("/wheels", files)]
