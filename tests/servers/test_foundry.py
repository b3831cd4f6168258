"""The service process: found again, stopped cleanly, survived when killed. All on the real Foundry Local."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import filelock
import psutil
import pytest

from helpers.common import web
from helpers.common.errors import KitError
from helpers.common.paths import BUILT_IN_MODELS, model_cache, service_folder
from helpers.models import built_in, cache
from helpers.servers import catalog, control_line, foundry
from helpers.servers.foundry import Runtime, RuntimeStopped, find
from support.azure import azure
from support.loopback import Answer, Loopback

GONE_LIMIT_S = 60  # a guard against hanging, not an expectation


def test_a_second_connection_finds_the_same_process(server):
    other = Runtime()
    assert other.pid == server.runtime.pid
    assert other.base_url == server.runtime.base_url
    other.close()


def test_the_service_is_not_this_process_and_listens_on_loopback(server):
    assert server.runtime.pid != os.getpid()
    listening = {
        c.laddr.ip
        for c in psutil.Process(server.runtime.pid).net_connections("tcp")
        if c.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}


def test_built_in_models_are_listed_cached_with_licence_and_device(server):
    rows = {row["alias"]: row for row in server.runtime.list()}
    assert {"pocket-nano", "pocket-mini"} <= set(rows)
    for alias, package in built_in.read_manifest(BUILT_IN_MODELS).items():
        assert rows[alias]["id"] == f"{package['name']}:{package['version']}"
        assert (rows[alias]["cached"], rows[alias]["license"], rows[alias]["device"]) == (
            True,
            "MIT",
            "CPU",
        )
        assert rows[alias]["context"] == package["context_length"]


def test_load_and_unload_are_seen_in_the_list(server):
    def loaded():
        return {row["alias"] for row in server.runtime.list() if row["loaded"]}

    assert server.runtime.load("pocket-nano") > 0
    assert "pocket-nano" in loaded()
    server.runtime.unload("pocket-nano")
    assert "pocket-nano" not in loaded()


def test_a_model_can_be_unloaded_right_after_its_answer(server):
    """The web service lets go of a request a moment after its client has the last byte; the SDK refuses until then."""
    for _ in range(10):
        assert server.chat("pocket-nano", "List 3 privacy benefits of local inference.").text
        server.unload("pocket-nano")
        assert server.resolve("pocket-nano").loaded is False


def test_stopping_leaves_no_process_and_no_state(own_home):
    runtime = Runtime()
    process = psutil.Process(runtime.pid)
    runtime.stop()
    assert not process.is_running()
    assert not (service_folder() / "service.json").exists()
    assert find() is None
    assert foundry.stop_service() is False


def test_a_killed_service_is_one_sentence_and_the_next_call_starts_it_again(own_home):
    runtime = Runtime()
    before = runtime.pid
    psutil.Process(before).kill()
    with pytest.raises(RuntimeStopped, match=r"ended during 'list'.*starts it again.*service\.log"):
        runtime.list()
    assert {row["alias"] for row in runtime.list()} >= {"pocket-nano", "pocket-mini"}
    assert runtime.pid != before


def test_a_state_file_left_by_a_dead_process_is_passed_over(own_home):
    runtime = Runtime()
    psutil.Process(runtime.pid).kill()
    runtime.close()
    assert (service_folder() / "service.json").exists()
    again = Runtime()
    assert psutil.pid_exists(again.pid)
    again.close()


def test_the_service_ends_by_itself_when_its_last_user_is_killed(own_home):
    script = "from helpers.servers.foundry import Runtime; r = Runtime(); print(r.pid, flush=True); input()"
    user = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "WORKSHOP_LINGER_S": "0.2"},
    )
    running = psutil.Process(int(user.stdout.readline()))
    assert running.is_running()
    user.kill()
    user.communicate()
    running.wait(GONE_LIMIT_S)
    assert not (service_folder() / "service.json").exists()


def test_four_processes_that_start_at_once_share_one_service(own_home):
    script = "from helpers.servers.foundry import Runtime; r = Runtime(); print(r.pid, flush=True); input()"
    users = [
        subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    pids = {user.stdout.readline() for user in users}
    for user in users:
        user.communicate("\n")
    assert len(pids) == 1
    assert pids.pop().strip().isdigit()


def test_a_start_while_the_last_service_is_still_closing_is_tried_again(own_home):
    service_folder().mkdir(parents=True)
    before = len(foundry._children)
    with ThreadPoolExecutor(1) as pool:
        with filelock.FileLock(
            service_folder() / "service.lock"
        ):  # as a service holds it until its process is gone
            starting = pool.submit(Runtime)
            while len(foundry._children) < before + 2:
                assert not starting.done(), starting.exception()
        runtime = starting.result()
    assert runtime.list()
    runtime.close()


def test_a_caller_without_the_key_is_refused_and_the_service_goes_on(server):
    address = tuple(json.loads(_state_file().read_text(encoding="utf-8"))["address"])
    with socket.create_connection(address) as sock, pytest.raises(OSError, match=r"gone|key"):
        control_line.shake_hands(sock, b"not the key", "client", "service")
    assert server.runtime.list()


@pytest.mark.parametrize("moved_s", [3600, -3600, 1.5])
def test_the_service_is_found_and_stopped_after_the_clock_was_set(own_home, monkeypatch, moved_s):
    """The system counts a process's start from its boot, which moves with the clock."""
    runtime = Runtime()
    process = psutil.Process(runtime.pid)
    runtime.close()
    created = psutil.Process.create_time
    with monkeypatch.context() as patch:
        patch.setattr(psutil.Process, "create_time", lambda self: created(self) + moved_s)
        again = Runtime()
        assert again.pid == process.pid
        again.close()
        assert foundry.stop_service() is True
    assert not process.is_running()


def test_silent_and_babbling_connections_shut_nobody_out(server):
    address = tuple(json.loads(_state_file().read_text(encoding="utf-8"))["address"])
    with contextlib.ExitStack() as stack:
        for said in (b"", b"", b"GET / HTTP/1.1\r\n\r\n", b"half", b"x" * 32, b"\xff" * 300):
            stack.enter_context(socket.create_connection(address)).sendall(said)
        other = Runtime()
        assert other.pid == server.runtime.pid
        assert other.list()
        other.close()


def test_a_service_whose_state_file_was_deleted_is_found_again(own_home):
    runtime = Runtime()
    _state_file().unlink()
    other = Runtime()
    assert other.pid == runtime.pid
    for each in (other, runtime):
        each.close()


def test_another_program_on_the_port_is_not_taken_for_the_service(own_home, monkeypatch):
    monkeypatch.setattr(control_line, "HANDSHAKE_S", 0.1)
    runtime = Runtime()
    state = _state_file().read_bytes()
    runtime.stop()
    with socket.create_server(("127.0.0.1", 0)) as other, ThreadPoolExecutor(1) as pool:
        address = json.dumps(other.getsockname())
        old = json.dumps(json.loads(state)["address"])
        _state_file().write_bytes(state.replace(old.replace(" ", "").encode(), address.encode()))
        for said in (b"", b"SSH-2.0-OpenSSH_9.6\r\n", b"x" * 32, b"x" * 70):
            answered = pool.submit(lambda said=said: _send(other.accept()[0], said))
            assert find() is None, said
            answered.result().close()


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_service_that_does_not_answer_can_be_stopped(own_home, monkeypatch):
    monkeypatch.setattr(control_line, "HANDSHAKE_S", 0.1)
    runtime = Runtime()
    process = psutil.Process(runtime.pid)
    runtime.close()
    process.suspend()
    assert foundry.stop_service() is True
    process.wait(GONE_LIMIT_S)
    assert foundry.stop_service() is False


def test_a_caller_that_does_not_prove_its_key_in_time_is_refused(monkeypatch):
    monkeypatch.setattr(control_line, "HANDSHAKE_S", 0.05)
    here, there = socket.socketpair()
    with here, there, pytest.raises(TimeoutError):
        control_line.shake_hands(here, b"key", "service", "client")


def test_the_service_inherits_no_key_and_the_same_home(own_home, monkeypatch):
    monkeypatch.setenv("FOUNDRY_LOCAL_API_KEY", "sk-very-secret-1234")
    monkeypatch.setenv("COPY_UNDER_ANOTHER_NAME", "x sk-very-secret-1234 y")
    monkeypatch.setenv("OTHER_API_KEY", "of-another-server")
    monkeypatch.setenv("FOUNDRY_LOCAL_ENDPOINT", "http://ana:hunter22@gpu.example/v1")
    monkeypatch.chdir(own_home.parent)
    monkeypatch.setenv("WORKSHOP_HOME", "home")
    runtime = Runtime()
    environment = psutil.Process(runtime.pid).environ()
    runtime.close()
    everything = " ".join(environment.values())
    for secret in ("very-secret", "of-another-server", "hunter22"):
        assert secret not in everything
    assert environment["WORKSHOP_HOME"] == str(own_home)


def ask_catalog(url: str, *headers: str, body: bytes = b"{}", length: int | None = None) -> bytes:
    parts = urllib.parse.urlsplit(url)
    size = len(body) if length is None else length
    lines = [f"POST {parts.path} HTTP/1.1", *headers, "Connection: close"]
    lines += [f"Content-Length: {size}", "", ""]
    with socket.create_connection((parts.hostname, parts.port), timeout=20) as caller:
        caller.sendall("\r\n".join(lines).encode() + body)
        answer = b""
        while piece := caller.recv(65536):
            answer += piece
        return answer


def test_the_catalog_answers_no_page_of_a_browser_and_reads_only_so_much(tmp_path, monkeypatch):
    url = catalog.serve_catalog(tmp_path)
    assert b" 200 " in ask_catalog(url, "Host: 127.0.0.1")
    assert b" 421 " in ask_catalog(url, "Host: rebound.example")
    assert b" 403 " in ask_catalog(url, "Host: localhost", "Origin: http://evil.example")
    assert b" 413 " in ask_catalog(url, "Host: localhost", length=10**12)
    monkeypatch.setattr(web, "READ_S", 0.1)
    assert b" 408 " in ask_catalog(url, "Host: localhost", length=1000)


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_the_key_can_be_read_by_its_owner_only(server):
    assert (service_folder() / "service.json").stat().st_mode & 0o077 == 0


def test_an_unreachable_catalog_is_named_and_the_built_in_models_are_there(own_home, monkeypatch):
    monkeypatch.setenv(
        "WORKSHOP_CATALOG", f"http://127.0.0.1:{_closed_port()}/asset-gallery/v1.0/models"
    )
    runtime = Runtime()
    assert runtime.azure_note == "not reachable (127.0.0.1)"
    assert len(runtime.list()) == len(built_in.read_manifest(BUILT_IN_MODELS))
    runtime.close()


@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "through a proxy"])
def test_a_certificate_that_nobody_here_trusts_is_said_with_the_way_out(
    proxied, tmp_path, monkeypatch
):
    with (
        azure({}, tmp_path) as remote,
        Loopback(lambda request: Answer([]), tls=remote.tls) as direct,
    ):
        url = "https://eastus.api.azureml.ms/models" if proxied else f"{direct.url}/models"
        monkeypatch.setenv("WORKSHOP_CATALOG", url)
        if proxied:
            monkeypatch.setenv("HTTPS_PROXY", remote.variables["HTTPS_PROXY"])
        found = catalog.azure_catalog(wait_s=10)
        assert found["url"] == url
        assert re.search(
            r"reachable, but its certificate is not trusted here \(.+\): .* SSL_CERT_FILE",
            found["note"],
        )
        monkeypatch.setenv("SSL_CERT_FILE", remote.variables["SSL_CERT_FILE"])
        assert catalog.azure_catalog(wait_s=10) == {"url": url, "note": "reachable"}


def test_a_home_that_cannot_be_written_is_said_in_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(KitError, match="WORKSHOP_HOME"):
        Runtime()


def test_an_unknown_alias_is_refused_by_the_runtime(server):
    with pytest.raises(KitError, match="could not load nothing-like-it"):
        server.runtime.load("nothing-like-it")


def test_a_changed_file_in_the_cache_is_repaired_alone_at_the_next_start(tmp_path):
    target = tmp_path / "cache"
    built_in.install_built_in(BUILT_IN_MODELS, target)
    package = built_in.built_in_packages(BUILT_IN_MODELS)["pocket-nano"]
    folder = package.folder(target)
    original, untouched = (
        (folder / "model.onnx").read_bytes(),
        (folder / "tokenizer.json").stat().st_mtime_ns,
    )
    (folder / "model.onnx").write_bytes(original[:-1])
    assert [problem.file for problem in cache.problems(folder, package)] == ["model.onnx"]
    built_in.install_built_in(BUILT_IN_MODELS, target)
    assert (folder / "model.onnx").read_bytes() == original
    assert (folder / "tokenizer.json").stat().st_mtime_ns == untouched


def test_a_changed_file_in_the_kit_is_refused_by_name(tmp_path):
    source = tmp_path / "models"
    source.mkdir()
    shutil.copy(BUILT_IN_MODELS / "manifest.json", source)
    for alias in built_in.read_manifest(BUILT_IN_MODELS):
        shutil.copytree(BUILT_IN_MODELS / alias, source / alias)
    (source / "pocket-mini" / "tokenizer.json").write_text("{}", encoding="utf-8")
    with pytest.raises(KitError, match=r"pocket-mini: tokenizer\.json missing or changed"):
        built_in.install_built_in(source, tmp_path / "cache")


def test_two_checkouts_and_two_pythons_have_services_of_their_own(monkeypatch):
    here = service_folder()
    monkeypatch.setattr("helpers.common.paths.PROJECT", model_cache())
    elsewhere = service_folder()
    monkeypatch.setattr("sys.prefix", "another python")
    assert len({here, elsewhere, service_folder()}) == 3


def _state_file():
    return service_folder() / "service.json"


def _send(connection: socket.socket, said: bytes) -> socket.socket:
    connection.sendall(said)
    return connection


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
