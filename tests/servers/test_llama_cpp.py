"""The same GGUF file behind two runtimes, in one table; skipped where llama.cpp's server is not installed."""

import importlib.util
import json
import os
import subprocess
import sys

import psutil
import pytest

from helpers import from_gguf, load_run
from support.gguf_files import write_gguf

NEEDED = ("llama_cpp", "fastapi", "starlette_context")
pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in NEEDED),
    reason="llama-cpp-python[server] is not installed (it compiles for minutes)",
)
START_LIMIT_S = 60


@pytest.fixture
def llama(tmp_path):
    """The address of llama.cpp's Python server with a small file, and that file."""
    path = write_gguf(tmp_path / "tiny.gguf", kind="F16")
    command = [sys.executable, "-m", "llama_cpp.server", "--model", path, "--port", "0"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)
    try:
        yield f"http://127.0.0.1:{listening_port(process)}/v1", path
    finally:
        process.kill()
        process.wait()


def listening_port(process: subprocess.Popen) -> int:
    """Waits until the server listens; it took a free port."""
    for _ in range(START_LIMIT_S * 10):
        for connection in psutil.Process(process.pid).net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN:
                return connection.laddr.port
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
        break
    raise AssertionError("llama.cpp's server does not listen")


def test_the_same_file_behind_two_runtimes_is_one_table(server, llama, helpers_command, tmp_path):
    address, path = llama
    alias = from_gguf(path, "same-weights")
    done = helpers_command(
        *("benchmark", "--models", alias, "--against", address, "--prompt", "the 123"),
        *("--rounds", "1", "--max-tokens", "8", "--no-resources", "--cold", "0", "--quiet"),
        *("--output", str(tmp_path), "--json"),
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    assert [row["n_ok"] for row in printed["models"]] == [1, 1]
    assert len(load_run(printed["run"]).summary) == 2
