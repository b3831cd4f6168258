"""Measure how fast, fair and small the classroom mirror is: the figures of docs/downloading.md.

    python bench/mirror.py [--short] [FOLDER]

It makes models of random bytes in FOLDER (default: the temporary folder; it needs 8 GB there) and
serves them on loopback. It prints one client beside `cp`, the memory at two file sizes, thirty
clients at once, and what is fetched again after a client was killed. `--short` prints the first
alone, with a smaller file.
"""

import argparse
import hashlib
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from helpers.common.machine import cpu_name
from helpers.models import cache
from helpers.models.mirror import CHUNK, Mirror

MIB = 2**20
SIZES_MB = {"small": 64, "medium": 256, "large": 1024}
SHORT_MB = {"large": 512}
CLIENTS = 30
TURNS = 5


def main(folder: Path, short: bool) -> None:
    """Measure and print."""
    date = time.strftime("%d %B %Y")
    python = f"Python {platform.python_version()}"
    print(f"{platform.system()}, {cpu_name()}, {os.cpu_count()} cores, {python}, {date}")
    sizes_mb = SHORT_MB if short else SIZES_MB
    stock(folder / "instructor" / "models", sizes_mb)
    server = subprocess.Popen(
        [sys.executable, "-m", "helpers", "mirror", "--port", "0", *sizes_mb],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "WORKSHOP_HOME": str(folder / "instructor")},
    )
    assert server.stdout is not None
    try:
        address = next(line.split()[-1] for line in server.stdout if "--mirror" in line)
        memory = Peak(server.pid)
        one_client(address, folder)
        if not short:
            flat_memory(address, folder, memory)
            room(address, folder, memory)
            killed(address, folder)
    finally:
        server.terminate()
        server.wait()


def stock(models: Path, sizes_mb: dict[str, int]) -> None:
    """Make models of random bytes, each with one large file."""
    for alias, size_mb in sizes_mb.items():
        name = f"{alias}-generic-cpu"
        target = models / "Bench" / f"{name}-1"
        target.mkdir(parents=True)
        (target / "inference_model.json").write_text(
            json.dumps({"Name": f"{name}:1"}), encoding="utf-8"
        )
        with (target / "model.onnx.data").open("wb") as file:
            for _ in range(size_mb):
                file.write(os.urandom(MIB))
        facts = {"alias": alias, "name": name, "version": 1, "publisher": "Bench"}
        cache.adopt(target, facts, "catalog")


def one_client(address: str, folder: Path) -> None:
    """Print the median rates of one client and of `cp`, measured in turns."""
    source = folder / "instructor" / "models" / "Bench" / "large-generic-cpu-1" / "model.onnx.data"
    size, target = source.stat().st_size, folder / "copy"

    def copy(then: Callable[[Path], object] = lambda path: None) -> float:
        return timed(lambda: (subprocess.run(["cp", source, target], check=True), then(target)))

    def fetch(*how: str) -> float:
        return fetched(address, "large", folder / "one", *how)["seconds"]

    cases: dict[str, Callable[[], float]] = {
        "cp": copy,
        "cp, to the disk": lambda: copy(flush),
        "cp, then SHA-256": lambda: copy(cache.sha256),
        "mirror, hashed": fetch,
        "mirror, hashed, to the disk": lambda: fetch("flush"),
    }
    rates: dict[str, list[float]] = {case: [] for case in cases}
    for _ in range(TURNS):
        target.unlink(missing_ok=True)
        for case, seconds in cases.items():
            rates[case].append(size / seconds())
    piece = os.urandom(256 * MIB)  # zeros would all be one page, and hash 1.6 times as fast
    hashing = len(piece) / timed(lambda: hashlib.sha256(piece))
    turns = f"medians of {TURNS} turns; SHA-256 alone: {hashing / 1e6:,.0f} MB/s"
    print(f"\none client, {size / 1e6:,.0f} MB, {turns}")
    medians = {case: statistics.median(found) for case, found in rates.items()}
    for case, rate in medians.items():
        against = "cp, to the disk" if "to the disk" in case else "cp"
        percent = 100 * rate / medians[against]
        print(f"  {case:<28}{rate / 1e6:>8,.0f} MB/s  {percent:>4.0f} % of {against}")


def flat_memory(address: str, folder: Path, server: "Peak") -> None:
    """Print the peak memory of client and server for a small and a large file."""
    print("\nmemory above idle, MB")
    for alias in ("small", "large"):
        server.reset()
        client_mb = fetched(address, alias, folder / "memory")["above_idle_mb"]
        print(
            f"  {SIZES_MB[alias]:>5} MB file: client {client_mb:.0f}, server {server.above_mb:.0f}"
        )


def room(address: str, folder: Path, server: "Peak") -> None:
    """Print how thirty clients fare at once: slowest against median, and the server's memory."""
    server.reset()
    gate = folder / "gate"
    children = [
        start(address, "small", folder / f"client{n}", f"gate={gate}") for n in range(CLIENTS)
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()
    gate.touch()
    results = [json.loads(child.communicate()[0]) for child in children]
    seconds = sorted(result["seconds"] for result in results)
    right = sum(result["right"] for result in results)
    median, slowest = statistics.median(seconds), seconds[-1]
    total_mb = CLIENTS * SIZES_MB["small"] * MIB / 1e6
    print(f"\n{CLIENTS} clients at once, {SIZES_MB['small']} MB each")
    print(f"  right hashes: {right} of {CLIENTS}")
    print(f"  seconds: fastest {seconds[0]:.2f}, median {median:.2f}, slowest {slowest:.2f}")
    print(
        f"  slowest: {slowest / median:.2f} of the median; together {total_mb / slowest:,.0f} MB/s"
    )
    print(f"  server: {server.peak_mb:.0f} MB in all, {server.above_mb:.0f} above idle")


def killed(address: str, folder: Path) -> None:
    """Print how much of what had arrived is fetched again after a client was killed."""
    package = next(p for p in Mirror(address).packages() if p.alias == "medium")
    again = []
    for turn in range(TURNS):
        home = folder / f"killed{turn}"
        part = home / "incoming" / "medium-generic-cpu-1" / "model.onnx.data.part"
        child = start(address, "medium", home, "slow")
        assert child.stdout is not None
        reported = 0
        while reported < (turn + 1) * 40e6:
            reported = int(child.stdout.readline())
        child.kill()
        reported = max([reported, *(int(line) for line in child.communicate()[0].split("\n")[:-1])])
        again.append(reported - sum(file.stat().st_size for file in part.parent.iterdir()))
        Mirror(address).fetch(package, home, home / "models")
        shutil.rmtree(home)
    most = f"{max(0, *again) / MIB:.2f} MiB at most are fetched again"
    print(f"\nkilled {TURNS} times: of what had arrived, {most} (one chunk is {CHUNK / MIB:g} MiB)")


def start(address: str, alias: str, home: Path, *how: str) -> subprocess.Popen[str]:
    """Start a client in its own process."""
    command = [sys.executable, __file__, "--client", address, alias, str(home), *how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def fetched(address: str, alias: str, home: Path, *how: str) -> dict[str, float]:
    """Return what a client in its own process reports of one fetch, and delete its files."""
    result = json.loads(start(address, alias, home, *how).communicate()[0].splitlines()[-1])
    shutil.rmtree(home)
    assert result["right"], result
    return result


def client(address: str, alias: str, home: Path, how: list[str]) -> None:
    """Fetch one model, and print how long it took and how much memory."""
    mirror = Mirror(address)
    package = next(p for p in mirror.packages() if p.alias == alias)
    idle = peak_kb()
    for gate in (Path(word.removeprefix("gate=")) for word in how if word.startswith("gate=")):
        print("ready", flush=True)
        while not gate.exists():
            time.sleep(0.005)
    begun = time.perf_counter()
    progress = slowly if "slow" in how else cache.ignore
    folder = mirror.fetch(package, home, home / "models", progress)
    if "flush" in how:
        flush(folder / "model.onnx.data")
    result = {
        "seconds": time.perf_counter() - begun,
        "above_idle_mb": (peak_kb() - idle) / 1024,
        "right": cache.problems(folder, package) == [],
    }
    print(json.dumps(result))


def slowly(done: int) -> None:
    """Print how many bytes have arrived, and leave time to act on it."""
    print(done, flush=True)
    time.sleep(0.001)


def peak_kb() -> int:
    """Return the highest memory of this process so far, in KiB (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def flush(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


class Peak:
    """Watch the highest memory of another process, every 10 ms."""

    def __init__(self, pid: int):
        self._process = psutil.Process(pid)
        self.reset()
        threading.Thread(target=self._watch, daemon=True).start()

    def reset(self) -> None:
        """Begin anew, from what the process needs now."""
        self._idle = self._peak = self._process.memory_info().rss

    def _watch(self) -> None:
        while self._process.is_running():
            try:
                self._peak = max(self._peak, self._process.memory_info().rss)
            except psutil.Error:
                return
            time.sleep(0.01)

    @property
    def peak_mb(self) -> float:
        """Return the peak in MiB."""
        return self._peak / MIB

    @property
    def above_mb(self) -> float:
        """Return the peak above the memory at the last reset, in MiB."""
        return (self._peak - self._idle) / MIB


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        client(sys.argv[2], sys.argv[3], Path(sys.argv[4]), sys.argv[5:])
        sys.exit()
    parser = argparse.ArgumentParser(description="Measure the classroom mirror on loopback.")
    parser.add_argument("--short", action="store_true", help="one client beside cp alone")
    parser.add_argument("folder", nargs="?", help="where models may be made (8 GB)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as work:
        main(Path(work), options.short)
