"""Put simulated fleets through the report of real ones: time, memory, and how often it claims too much.

    python bench/fleet.py [DEVICES...]

Devices are drawn from four profiles; limits and weights are those of data/limits.toml, with p95 within 3 s.
"""

import sys
import time

import numpy as np
import psutil

from helpers.common.show import Table
from helpers.decision.scenario import load_scenario
from helpers.decision.scoring import Contest, license_score
from helpers.fleet.report import FleetReport, Judged

# Memory in MB, cores, how many times slower than the fastest, share of the fleet.
PROFILES = {
    "gateway": (4_000, 4, 6.0, 0.3),
    "terminal": (8_000, 4, 3.0, 0.4),
    "laptop": (16_000, 8, 1.5, 0.2),
    "workstation": (64_000, 16, 1.0, 0.1),
}
# p95 in s and tokens/s on the fastest, memory and disk in MB, quality.
MODELS = {
    "tiny": (0.05, 400.0, 40.0, 7.0, 0.52),
    "small": (0.25, 90.0, 320.0, 156.0, 0.66),
    "middle": (0.9, 35.0, 1_100.0, 822.0, 0.78),
    "large": (2.2, 16.0, 5_200.0, 4_200.0, 0.86),
}
MAX_P95_S, MAX_SHARE_OF_MEMORY = 3.0, 0.4


def draw(n: int, rng: np.random.Generator, differ: bool = True) -> list[Judged]:
    """Return devices: each as slow as its profile, give or take a third; without `differ` classes mean nothing."""
    scenario = load_scenario()
    names, shares = list(PROFILES), [profile[3] for profile in PROFILES.values()]
    devices = []
    for number, place in enumerate(rng.choice(len(names), n, p=shares)):
        memory, cores, slow, _ = PROFILES[names[place]]
        machine = {
            "memory_mb": memory,
            "cores": cores,
            "architecture": "arm64" if place == 0 else "AMD64",
            "system": "Linux",
        }
        slow = (slow if differ else 2.0) * float(rng.lognormal(0, 0.3))
        met, values = {}, {}
        for model, (p95, speed, needed, disk, quality) in MODELS.items():
            found = p95 * slow * float(rng.lognormal(0, 0.15))
            room = MAX_SHARE_OF_MEMORY * (memory if differ else 16_000)
            met[model] = {
                "answers": needed < room,
                "p95 latency": needed < room and found < MAX_P95_S,
            }
            values[model] = (
                found,
                speed / slow,
                needed,
                quality + rng.normal(0, 0.02),
                disk,
                license_score("MIT"),
            )
        left = [model for model in MODELS if all(met[model].values())]
        scores = {}
        if left:
            rules = scenario.changed(None, None, None, machine)
            order = ("latency", "throughput", "memory", "quality", "disk", "license")
            matrix = {
                name: np.array([[values[m][k] for m in left]])
                for k, name in enumerate(order)
                if name in rules.weights
            }
            weights = {name: rules.weights[name] for name in matrix}
            contest = Contest(left, matrix, weights, rules.good_enough)
            scores = dict(zip(left, contest.totals.tolist(), strict=True))
        devices.append(Judged(f"{names[place]}-{number}", machine, met, scores))
    return devices


def main() -> None:
    """Print the table, the sentences of the largest fleet, and the share of false claims."""
    counts = [int(text) for text in sys.argv[1:]] or [100, 1_000, 10_000, 100_000]
    process, rows, shown = psutil.Process(), [], ""
    for n in counts:
        devices = draw(n, np.random.default_rng(n))
        before, began = process.memory_info().rss, time.process_time()
        report = FleetReport(devices)
        text = str(report)
        took_s = time.process_time() - began
        gain = report.two.gain
        rows.append(
            [
                n,
                took_s,
                (process.memory_info().rss - before) / 1e6,
                before / 1e6,
                report.best,
                gain.value,
                gain.low,
                gain.high,
            ]
        )
        shown = text if n == 10_000 else shown
    headers = (
        "devices",
        "report, s of processor",
        "more memory, MB",
        "memory with the devices, MB",
        "best single default",
        "two defaults gain",
        "from",
        "to",
    )
    print(Table(headers, rows).to_markdown())
    for n in (10, 30, 100):
        claims = sum(
            "Two defaults would gain"
            in str(FleetReport(draw(n, np.random.default_rng(seed), differ=False)))
            for seed in range(200)
        )
        print(
            f"\nOf 200 fleets of {n} devices whose classes mean nothing, {claims} were told that two defaults would gain."
        )
    print(f"\nThe report of 10,000 devices:\n\n{shown[shown.find('limit  ') :]}" if shown else "")


if __name__ == "__main__":
    main()
