"""Kill a benchmark at random moments, resume it, and count what was lost or measured twice.

`python bench/kills.py [N]` prints one line a kill and a sum; N is 20. The kill is a signal that no
process can catch.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROUNDS, PROMPTS = 150, 3
PLAN = ["--models", "pocket-nano", "--prompts", "deterministic", "--rounds", str(ROUNDS)]
QUIET = ["--quiet", "--no-resources", "--cold", "0", "--warmup", "1"]


def command(*arguments: str) -> list[str]:
    """Return the command line of a quiet benchmark."""
    return [sys.executable, "-m", "helpers", "benchmark", *arguments, *QUIET]


def killed(chance: random.Random, folder: Path) -> tuple[int, int, int]:
    """Return rows on record at the kill, and rows lost and repeated after the resume."""
    process = subprocess.Popen(
        command(*PLAN, "--output", str(folder)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (found := list(folder.glob("*/requests.jsonl"))):
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 3))
    process.kill()
    process.wait()
    before = rows(found[0])
    resumed = subprocess.run(
        command("--resume", str(found[0].parent)), capture_output=True, text=True, encoding="utf-8"
    )
    assert resumed.returncode == 0 or "is finished" in resumed.stderr, resumed.stderr
    after = Counter(rows(found[0]))
    lost = len(set(before) - after.keys()) + ROUNDS * PROMPTS - len(after)
    return len(before), lost, sum(after.values()) - len(after)


def rows(path: Path) -> list[tuple]:
    """Return model, prompt and round of each measured request on record."""
    whole = path.read_bytes().rpartition(b"\n")[0].splitlines()
    measured = [row for row in map(json.loads, whole) if row["phase"] == "measure"]
    return [(row["model"], row["prompt_id"], row["round"]) for row in measured]


def main() -> None:
    """Kill and resume as often as asked, and print what became of it."""
    chance, totals = random.Random(0), [0, 0]
    number = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for turn in range(1, number + 1):
        with tempfile.TemporaryDirectory() as folder:
            before, lost, repeated = killed(chance, Path(folder))
        totals = [totals[0] + lost, totals[1] + repeated]
        print(f"{turn}: killed after {before} rows: {lost} lost, {repeated} repeated", flush=True)
    print(f"{number} kills: {totals[0]} rows lost, {totals[1]} repeated")


if __name__ == "__main__":
    main()
