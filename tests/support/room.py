"""A room on loopback: the real mirror in a process of its own, and posts of machines that were drawn."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys

import httpx2

from helpers.room.posts import Machine, RoomFolder

PLAN = 'models = ["pocket-nano", "pocket-mini"]\nprompts = "deterministic"\nrounds = 3\n'


@contextlib.contextmanager
def mirroring(folder, *arguments: str):
    """`python -m helpers mirror` on a free port with home and results in `folder`; yields what it printed and the process."""
    child = subprocess.Popen(
        [sys.executable, "-m", "helpers", "mirror", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={
            **os.environ,
            "WORKSHOP_HOME": str(folder / "home"),
            "WORKSHOP_RESULTS": str(folder / "results"),
        },
    )
    try:
        lines = []
        while not (lines and lines[-1].startswith("The room's progress")):
            lines.append(child.stdout.readline())
            assert lines[-1], f"the mirror ended: {lines}"
        yield "".join(lines), child
    finally:
        if child.poll() is None:
            child.send_signal(signal.SIGINT)
        child.communicate(timeout=30)


class Door:
    """Ask a room as a stranger would: with bytes."""

    def __init__(self, said: str):
        self.url = re.search(r"join (\S+)", said)[1]
        self.code = re.search(r"room code: (\w{6})", said)[1]
        self._client = httpx2.Client(trust_env=False, timeout=30)

    def post(self, body, **changes) -> httpx2.Response:
        if isinstance(body, dict):
            body = json.dumps({**body, "code": self.code, **changes}).encode()
        return self._client.post(f"{self.url}/results", content=body)

    def get(self, path: str, **headers: str) -> str:
        return self._client.get(self.url + path, headers=headers).text

    def refusal(self, body, **changes) -> tuple[int, str]:
        answer = self.post(body, **changes)
        return answer.status_code, answer.json()["error"]["message"]


def machines(folder) -> dict[str, Machine]:
    """What a room in `folder` has taken, by name, read from the disk."""
    (path,) = (folder / "results").glob("room-*")
    return {machine.name: machine for machine in RoomFolder(path).machines}


def drawn(post: dict, name: str, slower: float, ratio: float, **machine) -> dict:
    """The post of another machine: its latencies are `slower`, and the second model takes `ratio` times as long."""
    result = json.loads(post["files"]["result.json"])
    for row in result["results"]:
        factor = slower * (ratio if row["model"] == "pocket-mini" else 1.0)
        row.update(latency_p50_s=0.1 * factor, ttft_p50_s=0.01 * factor)
        row["output_tokens_per_s_p50"] = 100 / factor
    environment = json.loads(post["files"]["environment.json"])
    environment["machine"].update(machine)
    files = {
        "result.json": json.dumps(result),
        "environment.json": json.dumps(environment),
    }
    return {**post, "name": name, "files": {**post["files"], **files}}
