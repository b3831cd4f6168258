"""A lab on loopback: real processes, real TLS, and devices that are killed, put to sleep, or not what they should be."""

import contextlib
import json
import os
import pickle
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from helpers import load_run
from helpers.cli.app import main
from helpers.common.paths import PROJECT
from helpers.fleet import device
from helpers.fleet.certificates import make_certificates
from support.services import end_service

pytest.importorskip("distributed")
ROUNDS, PROMPTS, LIMIT_S = 25, 3, 600
PLAN = {"models": ["pocket-nano", "mistral-7b-v0.2"], "prompts": "deterministic", "rounds": ROUNDS}
PLAN["max_tokens"] = 8
NAMES = ["edge-1", "edge-2", "edge-3", "edge-4"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


def wait_for(what, process: subprocess.Popen | None = None):
    """Return the first true answer of `what()`; fail when the process ends before, or nothing comes."""
    deadline = time.monotonic() + LIMIT_S
    while not (answer := what()):
        assert process is None or process.poll() is None, "it ended early"
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return answer


def is_over(process: psutil.Process) -> bool:
    """Whether a process has ended; one that nobody has waited for has ended too."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Lab:
    """The processes of a lab, each with a log; a device has a home and a results folder of its own."""

    def __init__(self, folder: Path, tls: bool):
        self.folder, self.running = folder, {}
        self.address = f"{'tls' if tls else 'tcp'}://127.0.0.1:{free_port()}"
        self.certificates = folder / "certificates" if tls else None
        if tls:
            make_certificates(self.certificates, ["lab", *NAMES])

    def own(self, name: str) -> list[str]:
        return ["--certificates", str(self.certificates / name)] if self.certificates else []

    def start(self, name: str, *arguments: str, **environment: str) -> subprocess.Popen:
        log = (self.folder / f"{name}.log").open("ab")
        environment = {**os.environ, **environment, "PYTHONUNBUFFERED": "1"}
        with log:
            process = subprocess.Popen(
                [sys.executable, *arguments], stdout=log, stderr=log, env=environment, cwd=PROJECT
            )
        self.running[name] = process
        return process

    def said(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(encoding="utf-8")

    def scheduler(self) -> None:
        port = self.address.rpartition(":")[2]
        started = ["-m", "helpers", "fleet", "scheduler", "--port", port, "--lost-after", "8"]
        process = self.start("scheduler", *started, *self.own("lab"))
        wait_for(lambda: "listens" in self.said("scheduler"), process)

    def worker(self, name: str):
        """Start a worker; return what tells if it has joined."""
        joined = self.said(name).count("is in the lab") if name in self.running else 0
        started = ["-m", "helpers", "fleet", "worker", "--scheduler", self.address, "--name", name]
        process = self.start(name, *started, *self.own(name), **self.places(name))
        return lambda: process.poll() is None and self.said(name).count("is in the lab") > joined

    def places(self, name: str) -> dict[str, str]:
        folders = {"WORKSHOP_HOME": "home", "WORKSHOP_RESULTS": "results"}
        return {key: str(self.folder / name / folder) for key, folder in folders.items()}

    def rows(self, name: str) -> list[bytes]:
        """The measured rows that are on a device's own disk."""
        for path in (self.folder / name / "results").glob("*/*/requests.jsonl"):
            return [
                line for line in path.read_bytes().split(b"\n") if b'"phase": "measure"' in line
            ]
        return []

    def close(self) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()
        for name in self.running:
            if (self.folder / name / "home").exists():
                with pytest.MonkeyPatch.context() as patch:
                    patch.setenv("WORKSHOP_HOME", self.places(name)["WORKSHOP_HOME"])
                    end_service()


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = Lab(tmp_path_factory.mktemp("lab"), tls=True)
    try:
        made.scheduler()
        for joined in [made.worker(name) for name in NAMES]:
            wait_for(joined)
        yield made
    finally:
        made.close()


@pytest.fixture
def plan(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(PLAN), encoding="utf-8")
    return str(path)


@pytest.mark.timeout(900)
@pytest.mark.skipif(sys.platform == "win32", reason="Windows can neither stop nor kill like this")
def test_nothing_is_lost_or_repeated_when_a_device_is_killed_and_another_sleeps(
    lab, plan, tmp_path
):
    running = ["-m", "helpers", "fleet", "run", plan, "--scheduler", lab.address, *lab.own("lab")]
    run = lab.start("run", *running, WORKSHOP_RESULTS=str(tmp_path))
    begun = wait_for(lambda: len(lab.rows("edge-1")) > 5 and lab.rows("edge-1"), run)
    measuring = psutil.Process(lab.running["edge-1"].pid).children()
    lab.running["edge-1"].kill()
    sleeper = wait_for(lambda: len(lab.rows("edge-2")) > 5 and lab.running["edge-2"], run)
    sleeper.send_signal(signal.SIGSTOP)
    wait_for(lambda: "edge-1: lost" in lab.said("run"), run)
    wait_for(lambda: all(map(is_over, measuring)), run)  # its measuring process ends a moment later
    kept = lab.rows("edge-1")
    wait_for(lab.worker("edge-1"))
    wait_for(lambda: "edge-2: lost" in lab.said("run"), run)
    sleeper.send_signal(signal.SIGCONT)
    assert run.wait(LIMIT_S) == 0, lab.said("run")

    said = lab.said("run")
    for name in ("edge-1", "edge-2"):
        assert re.search(f"{name}: lost; the rest goes on.*{name}: back after", said, re.DOTALL)
    (experiment,) = tmp_path.glob("fleet-*")
    for name in NAMES:
        assert f"{name}: done, {2 * ROUNDS * PROMPTS} requests." in said
        assert said.count(f"{name}: mistral-7b-v0.2 was not measured: ") == 1
        measured = load_run(experiment / name)
        assert measured.status == "finished"
        asked = [row for row in measured.rows if row["phase"] == "measure"]
        counted = Counter((row["model"], row["prompt_id"], row["round"]) for row in asked)
        assert set(counted.values()) == {1} and len(counted) == 2 * ROUNDS * PROMPTS, name
        assert measured.summary[0]["n_ok"] == ROUNDS * PROMPTS
    assert len(begun) <= len(kept) < ROUNDS * PROMPTS  # it was killed in the middle
    lines = (experiment / "edge-1" / "requests.jsonl").read_bytes().split(b"\n")
    assert [line for line in lines if b'"phase": "measure"' in line][: len(kept)] == kept
    assert load_run(experiment / "edge-1").info.resumed[0].rows_before == len(kept)
    record = json.loads((experiment / "fleet.json").read_text(encoding="utf-8"))
    lost = {one["name"]: one["lost"] for one in record["devices"]}
    assert set(lost) == set(NAMES) and min(lost["edge-1"], lost["edge-2"]) >= 1

    again = ["fleet", "run", "--resume", str(experiment), "--scheduler", lab.address]
    assert main([*again, *lab.own("lab")]) == 0  # all is there, so nothing is asked for
    assert main(["fleet", "report", str(experiment)]) == 0
    assert "on any of the 4 devices" in (experiment / "fleet.md").read_text(encoding="utf-8")


def test_a_lab_listens_on_the_asked_address_only_and_shows_no_page(lab):
    for name in ("scheduler", *NAMES):
        process = psutil.Process(lab.running[name].pid)
        listening = {c.laddr for c in process.net_connections() if c.status == psutil.CONN_LISTEN}
        assert listening and {place.ip for place in listening} == {"127.0.0.1"}
        for place in listening:
            with contextlib.closing(socket.create_connection(place, 10)) as sock:
                sock.sendall(b"GET /info/main/workers.html HTTP/1.0\r\n\r\n")
                sock.settimeout(10)
                answer = b""
                with contextlib.suppress(OSError):
                    answer = sock.recv(1000)
            assert not answer.startswith(b"HTTP") or b" 404 " in answer


def test_a_certificate_of_another_lab_is_refused_on_both_sides(lab, plan, tmp_path, capsys):
    (theirs,) = make_certificates(tmp_path / "other", ["edge-9"])
    here = ["--scheduler", lab.address, "--certificates", str(theirs)]
    assert main(["fleet", "run", plan, *here]) == 1
    assert "certificate is of another lab" in capsys.readouterr().err
    # One that trusts the lab, and that the lab does not trust.
    (theirs / "authority.pem").write_bytes((lab.certificates / "authority.pem").read_bytes())
    assert main(["fleet", "worker", "--name", "edge-9", *here]) == 1
    assert "refuses the certificate of this machine" in capsys.readouterr().err
    assert "edge-9" not in lab.said("scheduler")


def test_a_name_is_one_device(lab, helpers_command):
    ours = ["--scheduler", lab.address, *lab.own("edge-3")]
    done = helpers_command("fleet", "worker", "--name", "edge-3", *ours)
    assert done.returncode == 1
    assert re.fullmatch(
        r"error: edge-3 cannot join .*another machine has this name.*\n", done.stderr
    )


@pytest.mark.parametrize(
    ("scheduler", "certificates", "code", "words"),
    [
        ("tls://127.0.0.1:1", "lab", 1, "No scheduler answers at tls://127.0.0.1:1"),
        ("tcp://192.0.2.7:8786", None, 2, "is not encrypted and reaches beyond this machine"),
        ("tcp://0.0.0.0:8786", None, 2, "is not encrypted and reaches beyond this machine"),
        ("tls://127.0.0.1:8786", None, 2, "tls:// and --certificates FOLDER go together"),
        ("tls://127.0.0.1:8786", "nobody", 2, "There is no "),
        ("http://127.0.0.1:8786", None, 2, "expected a scheduler such as tls://HOST:8786"),
    ],
)
def test_an_address_that_cannot_be_used_is_told_in_a_sentence(
    lab, plan, capsys, scheduler, certificates, code, words
):
    own = lab.own(certificates) if certificates else []
    assert main(["fleet", "run", plan, "--scheduler", scheduler, *own]) == code
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_a_scheduler_without_tls_is_told_from_one_that_is_not_there(lab, plan, capsys):
    with socket.create_server(("127.0.0.1", 0)) as plain:
        at = f"tls://127.0.0.1:{plain.getsockname()[1]}"
        child = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); c, _ = s.accept(); c.recv(10); c.sendall(b'no tls here'); c.recv(10)",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        with child:
            at = f"tls://127.0.0.1:{child.stdout.readline().strip()}"
            assert main(["fleet", "run", plan, "--scheduler", at, *lab.own("lab")]) == 1
            child.kill()
    assert "does not speak TLS" in capsys.readouterr().err


# A worker that runs, and says another version and another time of day than this machine's.
OLDER = """
import sys, time
from helpers.fleet import device, lab
lab.kit_version = lambda: "0.0.9+00000000"
class Clock:
    sleep, time = time.sleep, staticmethod(lambda: time.time() - 3 * 3600)
device.time = Clock
lab.serve_worker(lab.find_lab(sys.argv[1], None), "old-1")
"""
FOREIGN = """
import asyncio, sys
from distributed import Worker
async def serve():
    async with Worker(sys.argv[1], name="stranger", dashboard_address="127.0.0.1:0") as worker:
        print("is in the lab", flush=True)
        await worker.finished()
asyncio.run(serve())
"""


def test_devices_that_do_not_fit_are_left_out_each_with_a_sentence(tmp_path, plan, capsys):
    lab = Lab(tmp_path, tls=False)
    try:
        lab.scheduler()
        run = ["fleet", "run", plan, "--scheduler", lab.address]
        assert main(run) == 1
        assert "No device is in the lab" in capsys.readouterr().err
        for name, script in (("old-1", OLDER), ("stranger", FOREIGN)):
            process = lab.start(name, "-c", script, lab.address, **lab.places(name))
            wait_for(lambda name=name: "is in the lab" in lab.said(name), process)
        assert main(run) == 1
    finally:
        lab.close()
    said = capsys.readouterr().err
    assert re.search(
        r"old-1: it is left out until it is updated: kit is 0\.0\.9\S+ here it is 0\.", said
    )
    assert "old-1: its clock is 3.0 h behind this one: durations are right, dates are not." in said
    assert "stranger: it is left out, because it was not started by `fleet worker`." in said
    assert not lab.rows("old-1")


def test_only_a_name_and_json_go_over_the_wire():
    sent = pickle.dumps(device.measure)
    assert b"helpers.fleet.device" in sent and len(sent) < 100
    order = device.Order(id="fleet-2026-11-27T10-00-00-ab12", plan={**PLAN})
    assert json.loads(order.model_dump_json())["plan"]["models"] == PLAN["models"]
    with pytest.raises(ValueError):
        device.Order(id="../../fleet", plan={**PLAN})


def test_certificates_are_made_once_and_their_keys_are_the_users_alone(tmp_path, capsys):
    folder = tmp_path / "lab"
    assert main(["fleet", "certificates", str(folder), "edge-1"]) == 0
    authority = (folder / "authority.pem").read_bytes()
    assert main(["fleet", "certificates", str(folder), "edge-2"]) == 0
    assert (folder / "edge-2" / "authority.pem").read_bytes() == authority
    if sys.platform != "win32":
        for key in folder.rglob("*.key"):
            assert stat.S_IMODE(key.stat().st_mode) == 0o600
    own = (folder / "edge-1" / "own.key").read_bytes()
    capsys.readouterr()
    assert main(["fleet", "certificates", str(folder), "edge-1"]) == 2
    assert "exists and stays as it is" in capsys.readouterr().err
    assert (folder / "edge-1" / "own.key").read_bytes() == own
    for name in ("../edge", "con", "Edge", "-x", "a" * 41):
        assert main(["fleet", "certificates", str(folder), "--", name]) == 2
        assert "cannot name a device" in capsys.readouterr().err
