"""How fast, how fair and how small the classroom mirror is: the figures of docs/downloading.md.

    python bench/mirror.py [FOLDER]

It makes models of random bytes in FOLDER (default: the temporary folder; it wants 8 GB free there), serves them on loopback, and prints: one
client beside `cp`, memory at two file sizes, thirty clients at once, and what is fetched again after a client was killed.
"""

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
from pathlib import Path

import psutil

from helpers.common.machine import cpu_name
from helpers.models import cache
from helpers.models.mirror import CHUNK, Mirror

MIB = 2**20
SIZES_MB = {"small": 64, "medium": 256, "large": 1024}
CLIENTS = 30
TURNS = 5


def main(folder: Path) -> None:
    """Measure and print."""
    print(
        f"{platform.system()}, {cpu_name()}, {os.cpu_count()} cores, Python {platform.python_version()}, {time.strftime('%d %B %Y')}"
    )
    stock(folder / "instructor" / "models")
    server = subprocess.Popen(
        [sys.executable, "-m", "helpers", "mirror", "--port", "0", *SIZES_MB],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "WORKSHOP_HOME": str(folder / "instructor")},
    )
    try:
        address = next(line.split()[-1] for line in server.stdout if "--mirror" in line)
        memory = Peak(server.pid)
        one_client(address, folder)
        flat_memory(address, folder, memory)
        room(address, folder, memory)
        killed(address, folder)
    finally:
        server.terminate()
        server.wait()


def stock(models: Path) -> None:
    """Models of random bytes, one file each besides the small ones."""
    for alias, size_mb in SIZES_MB.items():
        target = models / "Bench" / f"{alias}-generic-cpu-1"
        target.mkdir(parents=True)
        (target / "inference_model.json").write_text(
            json.dumps({"Name": f"{alias}-generic-cpu:1"}), encoding="utf-8"
        )
        with (target / "model.onnx.data").open("wb") as file:
            for _ in range(size_mb):
                file.write(os.urandom(MIB))
        cache.adopt(
            target,
            {"alias": alias, "name": f"{alias}-generic-cpu", "version": 1, "publisher": "Bench"},
            "catalog",
        )


def one_client(address: str, folder: Path) -> None:
    """One client and `cp`, in turns; medians of bytes per second."""
    source = folder / "instructor" / "models" / "Bench" / "large-generic-cpu-1" / "model.onnx.data"
    size, copy = source.stat().st_size, folder / "copy"
    rates = {
        "cp": [],
        "cp, then SHA-256": [],
        "cp, to the disk": [],
        "mirror, hashed": [],
        "mirror, hashed, to the disk": [],
    }
    for _ in range(TURNS):
        rates["cp"].append(size / timed(lambda: subprocess.run(["cp", source, copy], check=True)))
        rates["cp, to the disk"].append(
            size / timed(lambda: (subprocess.run(["cp", source, copy], check=True), flush(copy)))
        )
        rates["cp, then SHA-256"].append(
            size
            / timed(lambda: (subprocess.run(["cp", source, copy], check=True), cache.sha256(copy)))
        )
        copy.unlink()
        rates["mirror, hashed"].append(size / fetched(address, "large", folder / "one")["seconds"])
        rates["mirror, hashed, to the disk"].append(
            size / fetched(address, "large", folder / "one", "flush")["seconds"]
        )
    digest, piece = hashlib.sha256(), bytes(MIB)
    hashing = 256 * MIB / timed(lambda: [digest.update(piece) for _ in range(256)])
    print(
        f"\none client, {size / 1e6:,.0f} MB, medians of {TURNS} turns; SHA-256 alone: {hashing / 1e6:,.0f} MB/s"
    )
    base = {name: statistics.median(found) for name, found in rates.items()}
    for name, rate in base.items():
        against = "cp, to the disk" if "to the disk" in name else "cp"
        print(
            f"  {name:<28}{rate / 1e6:>8,.0f} MB/s  {100 * rate / base[against]:>4.0f} % of {against}"
        )


def flat_memory(address: str, folder: Path, server: "Peak") -> None:
    """Peak memory of client and server for a small and a large file."""
    print("\nmemory above idle, MB")
    for alias in ("small", "large"):
        server.reset()
        found = fetched(address, alias, folder / "memory")
        print(
            f"  {SIZES_MB[alias]:>5} MB file: client {found['above_idle_mb']:.0f}, server {server.above_mb:.0f}"
        )


def room(address: str, folder: Path, server: "Peak") -> None:
    """Thirty clients at once: slowest against median, and the server's memory."""
    server.reset()
    gate = folder / "gate"
    children = [
        start(address, "small", folder / f"client{n}", f"gate={gate}") for n in range(CLIENTS)
    ]
    for child in children:
        child.stdout.readline()
    gate.touch()
    found = [json.loads(child.communicate()[0]) for child in children]
    seconds = sorted(row["seconds"] for row in found)
    total = CLIENTS * SIZES_MB["small"] * MIB
    print(
        f"\n{CLIENTS} clients at once, {SIZES_MB['small']} MB each: right hashes {sum(row['right'] for row in found)} of {CLIENTS}"
    )
    print(
        f"  seconds: fastest {seconds[0]:.2f}, median {statistics.median(seconds):.2f}, slowest {seconds[-1]:.2f}",
        end="",
    )
    print(
        f" ({seconds[-1] / statistics.median(seconds):.2f} of the median); {total / seconds[-1] / 1e6:,.0f} MB/s together"
    )
    print(f"  server: {server.peak_mb:.0f} MB in all, {server.above_mb:.0f} above idle")


def killed(address: str, folder: Path) -> None:
    """What goes out in all when a client is killed on the way and started again, beyond the model itself."""
    package = next(p for p in Mirror(address).packages() if p.alias == "medium")
    again = []
    for turn in range(TURNS):
        home = folder / f"killed{turn}"
        part = home / "incoming" / "medium-generic-cpu-1" / "model.onnx.data.part"
        child = start(address, "medium", home, "slow")
        reported = 0
        while reported < (turn + 1) * 40e6:
            reported = int(child.stdout.readline())
        child.kill()
        reported = max([reported, *(int(line) for line in child.communicate()[0].split("\n")[:-1])])
        again.append(reported - sum(file.stat().st_size for file in part.parent.iterdir()))
        Mirror(address).fetch(package, home, home / "models")
        shutil.rmtree(home)
    print(
        f"\nkilled on the way, {TURNS} times: of what had arrived, {max(0, *again) / MIB:.2f} MiB at most are fetched again (one chunk is {CHUNK / MIB:g} MiB)"
    )


def start(address: str, alias: str, home: Path, *how: str) -> subprocess.Popen:
    """A client in a process of its own."""
    return subprocess.Popen(
        [sys.executable, __file__, "--client", address, alias, str(home), *how],
        stdout=subprocess.PIPE,
        text=True,
    )


def fetched(address: str, alias: str, home: Path, *how: str) -> dict:
    """What a client in a process of its own tells of one fetch; its files are deleted."""
    found = json.loads(start(address, alias, home, *how).communicate()[0].splitlines()[-1])
    shutil.rmtree(home)
    assert found["right"], found
    return found


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
    folder = mirror.fetch(
        package, home, home / "models", slowly if "slow" in how else lambda done: None
    )
    if "flush" in how:
        flush(folder / "model.onnx.data")
    seconds = time.perf_counter() - begun
    above = (peak_kb() - idle) / 1024
    print(
        json.dumps(
            {
                "seconds": seconds,
                "above_idle_mb": above,
                "right": cache.problems(folder, package) == [],
            }
        )
    )


def slowly(done: int) -> None:
    """Say how many bytes have arrived, and leave somebody time to act on it."""
    print(done, flush=True)
    time.sleep(0.001)


def peak_kb() -> int:
    """The most memory that this process has had, in KiB (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def flush(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def timed(work) -> float:
    """Seconds that a call takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


class Peak:
    """The most memory that another process takes, looked at every 10 ms."""

    def __init__(self, pid: int):
        self._process = psutil.Process(pid)
        self.reset()
        threading.Thread(target=self._watch, daemon=True).start()

    def reset(self) -> None:
        """Begin anew, from what it takes now."""
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
        """The most, in MiB."""
        return self._peak / MIB

    @property
    def above_mb(self) -> float:
        """The most above what it took at first, in MiB."""
        return (self._peak - self._idle) / MIB


if __name__ == "__main__":
    if sys.argv[1:2] == ["--client"]:
        client(sys.argv[2], sys.argv[3], Path(sys.argv[4]), sys.argv[5:])
    else:
        with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as work:
            main(Path(work))
