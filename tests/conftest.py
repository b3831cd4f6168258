"""One runtime for the whole session, in a home folder of its own, with no settings left over from the person who runs this."""

import io
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

SETTINGS = (
    "BENCH_MODELS",
    "BENCH_ROUNDS",
    "BENCH_PROMPT",
    "BENCH_STREAM",
    "FOUNDRY_LOCAL_ENDPOINT",
    "FOUNDRY_LOCAL_API_KEY",
    "WORKSHOP_LINGER_S",
)


# Hundreds of processes start here: none has to compile the kit anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_xdist_auto_num_workers() -> int:
    """Two workers more than there are cores, because many tests wait: for a server, a download, a limit."""
    return min((os.cpu_count() or 1) + 2, 4)


# They take longest, so they begin first: no worker is left alone with one of them at the end.
LONGEST = (
    "course/test_browser.py",
    "course/test_notebooks.py",
    "course/test_notebooks_alone.py",
    "room/test_wheels.py",
    "servers/test_downloads.py",
    "fleet/test_lab.py",
    "measure/test_resume.py",
    "models/test_package_index.py",
    "servers/test_foundry.py",
    "room/test_room.py",
    "measure/test_session.py",
    "test_console.py",
    "timing/test_calibration.py",
    "test_cli.py",
    "docs/test_site.py",
    "training/test_main.py",
    "measure/test_recorder.py",
    "timing/test_send.py",
)


def pytest_collection_modifyitems(items):
    """Put the longest files first; a file's own order stays, and each goes to one worker as a whole."""
    place = {f"tests/{name}": number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.nodeid.partition("::")[0], len(place)))


@pytest.fixture(scope="session", autouse=True)
def clean_environment(tmp_path_factory):
    """A fresh home and results folder, no reach for the Azure catalog, and no process left behind at the end."""
    from support.services import end_service

    # Started in the background of a shell, this process and all that it starts would ignore the Ctrl-C that some tests press.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        patch.setenv("WORKSHOP_HOME", str(tmp_path_factory.mktemp("home")))
        patch.setenv("WORKSHOP_RESULTS", str(tmp_path_factory.mktemp("results")))
        patch.setenv("WORKSHOP_CATALOG", "off")
        patch.setenv("CI", "true")  # with it the SDK sends no usage events
        yield
        end_service()
    left = [
        p
        for p in psutil.Process().children()
        if p.status() != psutil.STATUS_ZOMBIE and "helpers.servers.service" in " ".join(p.cmdline())
    ]
    # One that was told to stop may need a moment; one that nobody stopped stays for five minutes.
    _, left = psutil.wait_procs(left, timeout=60)
    assert not left, (
        f"service processes left behind: {[p.environ()['WORKSHOP_HOME'] for p in left]}"
    )


@pytest.fixture(scope="session")
def server():
    """The built-in runtime."""
    from helpers import connect

    with connect() as built_in:
        yield built_in


@pytest.fixture
def own_home(tmp_path, monkeypatch):
    """A home folder for one test, so that it can start, break and stop a service of its own."""
    from support.services import end_service

    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    end_service()


@pytest.fixture(scope="session")
def stalling(tmp_path_factory):
    """A download on which nothing comes after 1,000 bytes, in a home of its own: its outcome, what was said, the remote side, the folder.

    The SDK gives up such a connection after 60 s. It is begun early and looked at late, so that nobody waits for that.
    """
    from helpers import connect
    from support.azure import Fault, azure

    folder, said = tmp_path_factory.mktemp("stalling"), []
    files = {
        "genai_config.json": b"{}",
        "extra.bin": bytes(range(256)) * 2**15,
    }  # four of the SDK's chunks of 2 MiB
    with azure({"stalled": files}, folder) as remote:
        remote.faults["stalled/extra.bin"] = Fault("hold", after=1000)
        with pytest.MonkeyPatch.context() as patch:
            for name, value in {**remote.variables, "WORKSHOP_HOME": str(folder)}.items():
                patch.setenv(name, value)
            server = connect()
        with ThreadPoolExecutor(1) as pool:
            yield (
                pool.submit(lambda: server.download("stalled", note=said.append)),
                said,
                remote,
                folder,
            )
            psutil.Process(
                server.runtime.pid
            ).kill()  # a download that nobody waited for would hold a polite stop up


@pytest.fixture
def helpers_command():
    """Runs `python -m helpers ...` as a person would; returns the finished process."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "helpers", *arguments],
            capture_output=True,
            text=True,
            encoding="utf-8",
            env={**os.environ, **environment},
            timeout=300,
        )

    return run


@pytest.fixture
def command_here(capsys):
    """Runs a command as `helpers_command` does, but in this process: for what it does and says, where another process is not the point."""
    from helpers.cli.app import main

    def run(*arguments: str, typed: str = "", **environment: str) -> subprocess.CompletedProcess:
        capsys.readouterr()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(typed.encode())))
            for name, value in environment.items():
                patch.setenv(name, value)
            code = main(arguments)
        said = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, code, said.out, said.err)

    return run
