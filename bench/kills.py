"""What kills at random moments cost: rows lost, rows measured twice, and what a round's fsync takes.

python bench/kills.py [KILLS] [SEED]

Each run is killed (SIGKILL) and resumed again and again, also while it is resumed, until no kill
is left or it has ended by itself; then it is finished and held against its plan.
"""

import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import shared

from helpers import load_run
from helpers.measure.recorder import Recorder
from helpers.measure.rows import Row

ROUNDS, PROMPTS = 500, 3
LONGEST_S = 6.0  # from the start of a process to its kill; a start takes about two
MAX_ROUNDS = 200  # synced for the second figure


def command(folder: Path, *arguments: str) -> subprocess.Popen:
    """Start `python -m helpers benchmark`."""
    return subprocess.Popen(
        [sys.executable, "-m", "helpers", "benchmark", "--quiet", *arguments],
        cwd=shared.PROJECT,
        env=os.environ | {"WORKSHOP_RESULTS": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def whole_lines(folder: Path) -> bytes:
    """Return what is on record of the latest run in a folder: its whole lines."""
    paths = sorted(folder.glob("*/requests.jsonl"))
    return paths[-1].read_bytes().rpartition(b"\n")[0] if paths else b""


def killed_run(folder: Path, kills: int, dice: random.Random) -> tuple[int, int, int]:
    """Return kills, rows lost and rows measured twice of one run that was killed and finished."""
    prompts = folder / "prompts.json"
    prompts.write_text(json.dumps([f"Hello {n}" for n in range(PROMPTS)]), encoding="utf-8")
    begin = ["--models", "pocket-nano", "--prompts", str(prompts), "--rounds", str(ROUNDS)]
    begin += ["--warmup", "1", "--cold", "0", "--no-resources"]
    done, before, lost = 0, b"", 0
    while done < kills:
        process = command(folder, *(["--resume"] if before else begin))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(dice.uniform(0.5, LONGEST_S))
        if process.poll() is not None:
            break
        process.kill()
        process.wait()
        done += 1
        after = whole_lines(folder)
        lost += not after.startswith(before)
        before = after
    if command(folder, "--resume").wait() and not before:
        command(folder, *begin).wait()
    run = load_run(folder)
    rows = run.headline
    keys = Counter(zip(rows["prompt_id"], rows["round"], strict=True))
    wanted = ROUNDS * PROMPTS
    return done, lost + wanted - len(keys), keys.total() - len(keys)


def sync_ms(folder: Path) -> float:
    """Return the median milliseconds that the fsync after a round of three rows takes."""
    run = load_run(folder)
    recorder = Recorder(run.info, folder)
    took = []
    for number in range(MAX_ROUNDS):
        for prompt in run.prompts:
            recorder.add(Row("pocket-nano", None, prompt, number, "measure", "ok", text="x" * 900))
        start = time.perf_counter()
        recorder.sync()
        took.append(time.perf_counter() - start)
    return 1000 * sorted(took)[len(took) // 2]


def main() -> None:
    """Print both figures as a table."""
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    dice = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    total: Counter[str] = Counter()
    while total["kills"] < kills:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
            done, lost, twice = killed_run(Path(name), kills - total["kills"], dice)
            total.update(runs=1, kills=done, lost=lost, twice=twice)
            sync = sync_ms(Path(name))
    print("| runs | kills | rows lost | rows measured twice | fsync after a round, ms |")
    print("|---|---|---|---|---|")
    counts = " | ".join(str(total[name]) for name in ("runs", "kills", "lost", "twice"))
    print(f"| {counts} | {sync:.2g} |")


if __name__ == "__main__":
    main()
