"""Simulate a room: thirty machines post over HTTP, and strangers try what they can.

    python bench/room.py [--picture FILE.png]

The mirror is the real one, in a process of its own; the machines are drawn: up to twenty times
slower than the fastest, with ratios that differ by a tenth. It prints how long a post and a page of
the board take, what was refused, the server's memory, and the verdicts. With `--picture` it takes
a picture of the board with Chromium, if playwright is installed.
"""

import argparse
import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import numpy as np
import psutil
import shared

from helpers.measure.record import Run
from helpers.room.findings import report_room
from helpers.room.join import make_post
from helpers.room.posts import RoomFolder

MACHINES, HOSTILE = 30, 200
MODELS = {"pocket-mini": 1.0, "pocket-midi": 2.4, "smollm2-135m": 9.5, "smollm2-135m-notes": 9.7}
PLAN = f'models = {json.dumps(list(MODELS))}\nprompts = "meeting-notes"\nrounds = 3\n'
NAMES = [
    "Ada",
    "Grace",
    "Alan",
    "Edsger",
    "Barbara",
    "Donald",
    "Frances",
    "Tony",
    "Radia",
    "Ken",
    "Margaret",
    "Dennis",
    "Anita",
    "Leslie",
    "Shafi",
    "Niklaus",
    "Jean",
    "Robin",
    "Adele",
    "John",
    "Karen",
    "Butler",
    "Mary",
    "Ole",
    "Kathleen",
    "Tim",
    "Lynn",
    "Vint",
    "Sophie",
    "Linus",
]


def bodies(code: str) -> list[bytes]:
    """Draw the posts of the room, from the shape of a real one."""
    draw = np.random.default_rng(7)
    post = make_post(Run(shared.PROJECT / "data" / "sample_run"), "x").model_dump()
    result, facts = (
        json.loads(post["files"][f"{name}.json"]) for name in ("result", "environment")
    )
    row = next(row for row in result["results"] if row["n_ok"])
    posts = []
    for name in NAMES[:MACHINES]:
        slower = float(np.exp(draw.uniform(0, np.log(20))))
        rows = []
        for model, ratio in MODELS.items():
            factor = slower * ratio * float(np.exp(draw.normal(0, 0.1)))
            figures = {"latency_p50_s": 0.02 * factor, "ttft_p50_s": 0.004 * factor}
            figures |= {"latency_p95_s": None, "output_tokens_per_s_p50": 2500 / factor}
            rows.append({**row, "model": model, **figures})
        cores = int(draw.choice([2, 4, 6, 8, 8, 10, 12, 16]))
        machine = {"cores": cores, "memory_mb": 1024 * int(draw.choice([8, 16, 16, 32]))}
        machine |= {"architecture": str(draw.choice(["x86_64", "AMD64", "arm64"]))}
        machine |= {"on_mains_power": [True, False, None][int(draw.integers(0, 3))]}
        files = {
            **post["files"],
            "result.json": json.dumps(result | {"results": rows}),
            "environment.json": json.dumps(facts | {"machine": facts["machine"] | machine}),
        }
        passed, guesses = int(draw.integers(2, 22)), int(draw.integers(3, 13))
        course = {"passed": passed, "exercises": 21, "right": guesses // 3, "guesses": guesses}
        body = {**post, "name": name, "code": code, "course": course, "files": files}
        posts.append(json.dumps(body).encode())
    return posts


def client(address: str) -> httpx2.Client:
    """Return a client that asks from an address of its own; all of 127.0.0.0/8 is this machine."""
    return httpx2.Client(
        transport=httpx2.HTTPTransport(local_address=address), trust_env=False, timeout=60
    )


def timed_posts(url: str, posts: list[bytes]) -> list[float]:
    """Post for all machines at once; return the seconds that each took."""

    def send(place: int) -> float:
        with client(f"127.0.1.{place + 1}") as machine:
            machine.get(f"{url}/plan.json", headers={"Workshop-Name": NAMES[place]})
            begun = time.perf_counter()
            answer = machine.post(f"{url}/results", content=posts[place])
            assert answer.status_code == 200, answer.text
            return time.perf_counter() - begun

    with ThreadPoolExecutor(MACHINES) as pool:
        return list(pool.map(send, range(MACHINES)))


def hostile(url: str, posts: list[bytes]) -> dict[str, int]:
    """Try what a stranger would; return how often each was answered with which status."""
    known = json.loads(posts[0])
    tries = {
        "a replay": posts[0],
        "another machine's name": json.dumps(known | {"slept_s": 1}).encode(),
        "a wrong code": json.dumps(known | {"name": "Eve", "code": "AAAAAA"}).encode(),
        "a script as a name": json.dumps(known | {"name": "<script>alert(1)</script>"}).encode(),
        "an unknown field": json.dumps(known | {"name": "Eve", "run": "rm"}).encode(),
        "another file": json.dumps(known | {"name": "Eve", "files": {"run.sh": "rm"}}).encode(),
        "too large": b"x" * 100_000,
        "no JSON": b"[" * 60_000,
    }
    counts: dict[str, int] = {}
    for place, (what, body) in enumerate(tries.items()):
        with client(f"127.0.2.{place + 1}") as stranger:
            for _ in range(HOSTILE // len(tries)):
                status = stranger.post(f"{url}/results", content=body).status_code
                key = f"{what}: {status}"
                counts[key] = counts.get(key, 0) + 1
    return counts


def hold_connections(url: str) -> list[socket.socket]:
    """Open 200 connections from one address, and send nothing."""
    host, port = url.removeprefix("http://").split(":")
    return [
        socket.create_connection((host, int(port)), 30, source_address=("127.0.3.1", 0))
        for _ in range(HOSTILE)
    ]


def main(folder: Path, picture: str | None) -> None:
    """Run the room and print."""
    (folder / "monday.toml").write_text(PLAN, encoding="utf-8")
    command = [sys.executable, "-m", "helpers", "mirror", "--port", "0", "--plan"]
    places = {"WORKSHOP_HOME": str(folder / "home"), "WORKSHOP_RESULTS": str(folder / "results")}
    server = subprocess.Popen(
        [*command, str(folder / "monday.toml")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **places},
    )
    said = ""
    assert server.stdout is not None
    while "The room's progress" not in said:
        said += server.stdout.readline()
    url, code = re.search(r"join (\S+)", said)[1], re.search(r"room code: (\w+)", said)[1]  # type: ignore[index]
    try:
        posts = bodies(code)
        seconds = timed_posts(url, posts)
        counts = hostile(url, posts)
        held = hold_connections(url)
        with client("127.0.4.1") as projector:
            projector.get(f"{url}/plan.json", headers={"Workshop-Name": "Zeno"})
            begun = time.perf_counter()
            page = projector.get(f"{url}/board").text
            board_s = time.perf_counter() - begun
        memory = psutil.Process(server.pid).memory_info().rss / 2**20
        if picture:
            shoot(url, picture)
        for connection in held:
            connection.close()
        (path,) = (folder / "results").glob("room-*")
        tell(posts, seconds, counts, page, board_s, memory, RoomFolder(path))
    finally:
        server.send_signal(signal.SIGINT)
        server.wait()


def tell(posts, seconds, counts, page, board_s, memory, room) -> None:
    """Print the figures."""
    sizes = f"{min(map(len, posts)) / 1000:.1f} to {max(map(len, posts)) / 1000:.1f} kB"
    print(f"{MACHINES} machines posted at once, {sizes} each")
    print(f"  a post: median {statistics.median(seconds):.2f} s, slowest {max(seconds):.2f} s")
    print(f"  the board with all of them, while {HOSTILE} connections are held: {board_s:.2f} s")
    print(f"  the server's memory: {memory:.0f} MB")
    print("\nhostile posts and their answers")
    for what, number in counts.items():
        print(f"  {number:>4}  {what}")
    (refused,) = re.findall(r"Refused: (.+)\.</p>", page)
    print(f"  counted on the board: {refused}")
    print(f"  machines in the room afterwards: {len(room.machines)}")
    print(f"\n{report_room(room)}")


def shoot(url: str, picture: str) -> None:
    """Take a picture of the board, as a projector of 1280 x 800 shows it."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = next(p for p in ("/usr/bin/chromium", "/usr/bin/google-chrome") if Path(p).exists())
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(f"{url}/board")
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Simulate a room of thirty machines.")
    parser.add_argument("--picture", help="where to put a picture of the board (needs Chromium)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        main(Path(work), options.picture)
