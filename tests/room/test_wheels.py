"""The folder of wheels: what is in it, and a fresh environment that installs from the mirror alone."""

import hashlib
import os
import re
import subprocess
import sys
import tomllib
import urllib.request
import venv
import zipfile
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from helpers.common.errors import UsageError
from helpers.common.paths import PROJECT
from helpers.room import wheels
from support.room import mirroring

THIS = {"win32": "windows", "darwin": "macos"}.get(sys.platform, "linux")
MARKERS = {
    "windows": ("win32", "nt", "Windows"),
    "macos": ("darwin", "posix", "Darwin"),
    "linux": ("linux", "posix", "Linux"),
}


def needed(system: str, version: str) -> set[str]:
    """The packages of all that requirements.txt brings to a system, by the markers of what is installed here."""
    names = ("sys_platform", "os_name", "platform_system")
    asked = dict(zip(names, MARKERS[system], strict=True)) | {
        "python_version": version,
        "extra": "",
    }
    lines = (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    waiting = [line.split("#")[0] for line in lines if line.split("#")[0].strip()]
    found: set[str] = set()
    while waiting:
        name = Requirement(waiting.pop()).name
        if name in found:
            continue
        found.add(name)
        try:
            texts = metadata.requires(name) or ()
        except metadata.PackageNotFoundError:
            continue
        waiting += [t for t in texts if not (m := Requirement(t).marker) or m.evaluate(asked)]
    return found


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("system", MARKERS)
def test_what_a_system_needs_beside_this_one_is_asked_for(system, version):
    here = needed(THIS, f"{sys.version_info[0]}.{sys.version_info[1]}")
    asked = {*wheels.SYSTEMS[system]["beside"], *wheels.BESIDE.get(version, [])}
    assert needed(system, version) - here <= asked


def test_a_system_that_is_none_is_named(own_home):
    with pytest.raises(UsageError, match="--for amiga: expected some of windows, macos, linux"):
        wheels.fill("amiga", "")
    assert not wheels.wheels_folder().exists()


def test_the_kits_own_wheel_holds_what_an_installed_kit_needs_and_says_so_truly(tmp_path):
    wheels.pack_kit(tmp_path)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as package:
        names = set(package.namelist())
        (info,) = {name.split("/")[0] for name in names if ".dist-info/" in name}
        recorded = re.findall(
            r"^(.+),sha256=(.+),(\d+)$", package.read(f"{info}/RECORD").decode(), re.M
        )
        assert {name for name, _, _ in recorded} | {f"{info}/RECORD"} == names
        assert all(len(package.read(name)) == int(size) for name, _, size in recorded)
        stated = package.read(f"{info}/METADATA").decode()
    assert {"helpers/__init__.pyi", "helpers/room/templates/board.html.jinja"} <= names
    assert {
        f"foundry_local_workshop/{n}" for n in ("data/models.json", "requirements.txt")
    } <= names
    assert not [name for name in names if "tests/" in name or "__pycache__" in name]
    for line in (PROJECT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if "==" in line:
            assert f"Requires-Dist: {line.split('#')[0].strip()}\n" in stated
    about = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert f"Requires-Python: {about['requires-python']}\n" in stated
    with zipfile.ZipFile(tmp_path / "kit.zip") as archive:
        assert "foundry-local-workshop/notebooks/00_check.ipynb" in archive.namelist()


def test_the_page_of_links_has_a_hash_for_each_whole_wheel_and_nothing_else_is_served(tmp_path):
    folder = tmp_path / "home" / "wheels"
    folder.mkdir(parents=True)
    with zipfile.ZipFile(folder / "whole-1-py3-none-any.whl", "w") as package:
        package.writestr("whole.py", "")
    (folder / "half-1-py3-none-any.whl").write_bytes(b"PK\x03\x04 and then the laptop slept")
    (tmp_path / "home" / "secret.txt").write_text("not for the room", encoding="utf-8")
    with mirroring(tmp_path) as (said, _):
        (url,) = re.findall(r"--find-links (\S+) --trusted-host 127\.0\.0\.1", said)
        page = urllib.request.urlopen(url).read().decode()
        digest = hashlib.sha256((folder / "whole-1-py3-none-any.whl").read_bytes()).hexdigest()
        assert re.findall(r'href="([^"]+)"', page) == [f"whole-1-py3-none-any.whl#sha256={digest}"]
        for path in ("../secret.txt", "%2e%2e/secret.txt", "..%2fsecret.txt", "nothing.whl"):
            with pytest.raises(urllib.error.HTTPError, match="404"):
                urllib.request.urlopen(url + path)


@pytest.mark.timeout(2400)
def test_a_fresh_environment_installs_the_kit_from_the_mirror_alone_and_checks_itself(tmp_path):
    variables = {"WORKSHOP_HOME": str(tmp_path / "home"), "WORKSHOP_CATALOG": "off"}
    command = [sys.executable, "-m", "helpers", "wheels", "--for", THIS]
    environment = {**os.environ, **variables}
    filled = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=PROJECT)
    if filled.returncode:
        pytest.skip(f"the package index does not deliver here: {filled.stdout[-300:]}")
    fresh = tmp_path / "fresh"
    venv.create(fresh, with_pip=True)
    python = fresh / ("Scripts" if os.name == "nt" else "bin") / "python"
    alone = {name: value for name, value in environment.items() if not name.startswith("PIP_")}
    alone |= {"PIP_CONFIG_FILE": os.devnull, "WORKSHOP_HOME": str(tmp_path / "learner")}
    alone |= {"WORKSHOP_RESULTS": str(tmp_path / "results")}
    alone.pop("PYTHONPATH", None)
    with mirroring(tmp_path) as (said, _):
        (line,) = re.findall(r"python -m pip (install --no-index .*)", said)
        install = [python, "-m", "pip", *line.split(), "--no-compile", "--quiet"]
        done = subprocess.run(install, env=alone, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, done.stderr[-2000:]
    check = [python, "-m", "helpers", "check"]
    done = subprocess.run(check, env=alone, capture_output=True, text=True, cwd=tmp_path)
    subprocess.run([python, "-m", "helpers", "stop"], env=alone, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("Ready.")
    assert "all 2" in done.stdout  # packages, as pinned
    print(done.stdout)
