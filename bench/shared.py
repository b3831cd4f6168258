"""Share what the scripts need: the peers' environment, samples, the memory of processes."""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

PROJECT = Path(__file__).parents[1]
PEERS = PROJECT / ".venv-bench" / ("Scripts" if os.name == "nt" else "bin")  # `make bench` makes it


def peer(program: str) -> str | None:
    """Return a program of the peers' environment, or None when it is not installed."""
    found = PEERS / (f"{program}.exe" if os.name == "nt" else program)
    return str(found) if found.exists() else None


class Samples:
    """Keep figures of each turn, by case; a file lets a long sitting be cut in pieces."""

    def __init__(self, path: str | None):
        self._path, self.found = path and Path(path), {}
        if self._path and self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                case, figures = json.loads(line)
                self.found.setdefault(tuple(case), []).append(figures)

    def add(self, case: tuple, figures: dict) -> None:
        """Keep the figures of one turn of one case."""
        self.found.setdefault(case, []).append(figures)
        if self._path:
            with self._path.open("a", encoding="utf-8") as out:
                out.write(json.dumps([case, figures]) + "\n")

    def range(self, case: tuple, figure: str, digits: int = 2) -> str:
        """Lowest to highest over the turns, or a dash."""
        values = [turn[figure] for turn in self.found.get(case, []) if turn.get(figure) is not None]
        if not values:
            return "-"
        low, high = (f"{pick(values):.{digits}f}" for pick in (min, max))
        return low if low == high else f"{low} to {high}"

    def middle(self, case: tuple, figure: str) -> float | None:
        """Return the median over the turns."""
        values = [turn[figure] for turn in self.found.get(case, []) if turn.get(figure) is not None]
        return statistics.median(values) if values else None


@dataclass(frozen=True)
class Cost:
    """Hold what a command took: processor seconds, peak memory (shared pages once), processes."""

    cpu_s: float
    memory_mb: float
    processes: int
    output: str


def run(command: Iterable[str], folder: Path, environment: dict[str, str] | None = None) -> Cost:
    """Run a command to its end in `folder`, watching its processes twice a second.

    Raises RuntimeError when it fails.
    """
    settings = {**os.environ, **(environment or {})}
    with subprocess.Popen(
        list(command),
        cwd=folder,
        env=settings,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        before, most = os.times(), [0.0, 0]
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(psutil.Process(process.pid), most, ended))
        watcher.start()
        output = process.stdout.read()
        process.wait()
        ended.set()
        watcher.join()
    after = os.times()
    if process.returncode:
        raise RuntimeError(
            f"{' '.join(map(str, command))[:80]} ended with {process.returncode}: {output[-2000:]}"
        )
    used = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return Cost(used, most[0], most[1], output)


def _watch(root: psutil.Process, most: list, ended: threading.Event) -> None:
    while not ended.wait(0.5):
        sizes = []
        with contextlib.suppress(psutil.Error):
            for process in [root, *root.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    about = process.memory_full_info()
                    sizes.append(getattr(about, "pss", about.uss))
        most[:] = max(most[0], sum(sizes) / 2**20), max(most[1], len(sizes))


def note(text: str) -> None:
    """Say where a long script is; standard output is for the table alone."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def table(
    headers: Iterable[str], rows: Iterable[Iterable[object]], show: Callable[[object], str] = str
) -> str:
    """Return a Markdown table."""
    headers = list(headers)
    lines = [headers, ["---"] * len(headers), *([show(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
