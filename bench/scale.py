"""Time large records: read, summary, comparison, report, and two runs compared.

python bench/scale.py [ROWS...]     prints a table, by default for 10,000 to 1,000,000 rows

The records are made here: answers of 16 tokens, as the kit writes them.
"""

import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from helpers.common import machine
from helpers.measure.info import RunInfo
from helpers.measure.plan import Plan
from helpers.measure.recorder import Recorder
from helpers.measure.rows import Row
from helpers.models.prompts import load_prompts

MAX_ROUNDS = 10_000  # of a plan
MODELS = ("pocket-nano", "pocket-mini", "pocket-mini-int4", "pocket-midi")
STEPS = ("read", "summary", "models compared", "report", "two runs compared")
CHILD = """
import sys, time
from helpers import compare_models, write_report
from helpers.measure.two_runs import compare_runs
from helpers.measure.record import Run
began = time.perf_counter()
def step():
    global began
    print(time.perf_counter() - began, flush=True)
    began = time.perf_counter()
run = Run(sys.argv[1]); run.frame; step()
run.summary, run.intervals; step()
str(compare_models(run)); step()
write_report(run); step()
compare_runs(run, Run(sys.argv[1])); step()
"""


def make(folder: Path, rows: int) -> Path:
    """Make a finished run of `rows` requests: 4 models, the 8 shipped prompts, enough rounds."""
    prompts = load_prompts()
    rounds = -(-rows // (len(MODELS) * len(prompts)))
    planned = min(rounds, MAX_ROUNDS)  # the rows go on beyond it
    plan = Plan(models=MODELS, prompts=prompts).model_dump(mode="json") | {"rounds": planned}
    info = {
        "plan": plan,
        "server": {"kind": "made", "base_url": "http://127.0.0.1"},
        "models": {model: {"status": "ok", "size_mb": 5.0, "memory_mb": 30.0} for model in MODELS},
        "environment": machine.environment(),
    }
    recorder = Recorder(RunInfo.model_validate(info), folder)
    for number, row in enumerate(_rows(prompts, rounds)):
        if number == rows:
            break
        recorder.add(row)
    return recorder.finish("finished").folder


def _rows(prompts, rounds: int):
    rng = random.Random(7)
    for number in range(1, rounds + 1):
        for place, model in enumerate(MODELS, 1):
            for prompt in prompts.prompts:
                first, step = (
                    0.005 * place * rng.lognormvariate(0, 0.1),
                    0.0005 * place * rng.lognormvariate(0, 0.1),
                )
                times = tuple(round(first + step * i, 6) for i in range(16))
                text = f"The team decided to repair the gate. {rng.choice(('Ana', 'Noor', 'Ben', 'Mia'))} owns it and it is due by 14 March."
                figures = {
                    "ttft_s": first,
                    "ttfo_s": first,
                    "latency_s": times[-1],
                    "itl_s": step,
                    "output_tokens_per_s": 1 / step,
                }
                yield Row(
                    model=model,
                    model_id=f"{model}-generic-cpu:1",
                    prompt_id=prompt.id,
                    round=number,
                    phase="measure",
                    status="ok",
                    started_at="2026-11-24T12:00:00.000+00:00",
                    figures=figures,
                    prompt_tokens=120,
                    completion_tokens=16,
                    token_source="usage",
                    finish_reason="stop",
                    chunk_times_s=times,
                    text=text,
                    connect_s=0.0001,
                )


def measure(run: Path) -> tuple[list[float], float]:
    """Seconds of each step, and the peak memory of the whole process in MB."""
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(run)], stdout=subprocess.PIPE, text=True
    )
    with child, machine.PeakMemory(child.pid) as memory:
        seconds = [float(line) for line in child.stdout]
    if child.returncode:
        raise SystemExit(f"The measurement ended with {child.returncode}.")
    return seconds, memory.peak_mb


def main() -> None:
    """Make, measure, print."""
    print(
        f"| rows | file, MB | {', s | '.join(STEPS)}, s | all, s | peak memory, MB |\n|{'---|' * (len(STEPS) + 4)}"
    )
    for rows in [int(text) for text in sys.argv[1:]] or [10_000, 100_000, 1_000_000]:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            run = make(Path(folder), rows)
            print(
                f"made {rows:,} rows in {time.perf_counter() - began:.0f} s",
                file=sys.stderr,
                flush=True,
            )
            size_mb = (run / "requests.jsonl").stat().st_size / 1e6
            seconds, peak_mb = measure(run)
        print(
            f"| {rows:,} | {size_mb:,.0f} | {' | '.join(f'{s:.2f}' for s in seconds)} | {sum(seconds):.1f} | {peak_mb:,.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
