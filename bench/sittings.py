"""How often two runs of the same thing are told apart: the figures on two runs in docs/method.md.

python bench/sittings.py [FOLDER]

Without an argument it simulates; with a folder of runs of one plan it compares each with each.
"""

import itertools
import sys
from pathlib import Path

import numpy as np

from helpers.measure.two_runs import compare_runs
from helpers.timing.ratios import compare_rounds

PAIRS = 1000
ROUNDS, PROMPTS, METRICS = 5, 8, 3
ROUND_SD, ANSWER_SD = 0.05, 0.10
ALLOWED = (0, 0.05, 0.10)


def sitting(rng: np.random.Generator, drift: float) -> list[dict[str, list[tuple[int, float]]]]:
    """Make a run of one model: metric to prompt id to (round, value), varied in log."""
    logs = (
        rng.normal(0, drift)
        + rng.normal(0, ROUND_SD, size=(METRICS, 1, ROUNDS))
        + rng.normal(0, ANSWER_SD, size=(METRICS, PROMPTS, ROUNDS))
        + np.linspace(0, 2, PROMPTS)[None, :, None]
    )
    return [
        {f"p{p}": list(enumerate(np.exp(values))) for p, values in enumerate(metric)}
        for metric in logs
    ]


def alarms(before, after) -> list[bool]:
    """Tell if any metric is told apart: rounds paired as within one run, then with each allowance.

    The last value tells if `>1.10` fails.
    """
    paired = any(
        compare_rounds("m", "ttft_s", b, a, comparisons=METRICS).apart
        for b, a in zip(before, after, strict=True)
    )
    by_round = [
        any(
            compare_rounds("m", "ttft_s", b, a, comparisons=METRICS, drift=drift).apart
            for b, a in zip(before, after, strict=True)
        )
        for drift in ALLOWED
    ]
    gate = any(
        compare_rounds("m", "ttft_s", b, a, comparisons=METRICS, drift=0.05).low > 1.10
        for b, a in zip(before, after, strict=True)
    )
    return [paired, *by_round, gate]


def simulate() -> None:
    """Print the share of pairs of equal runs in which something was told apart."""
    print(
        f"{PAIRS} pairs of equal runs, {METRICS} metrics, {ROUNDS} rounds of {PROMPTS} prompts; any verdict but 'cannot tell', %"
    )
    print(
        "| drift of a sitting | rounds paired | rounds, no allowance | allowance 5 % | allowance 10 % | fails '>1.10' |\n|---|---|---|---|---|---|"
    )
    for drift in (0, 0.05, 0.10):
        rng = np.random.default_rng(18)
        share = np.mean(
            [alarms(sitting(rng, drift), sitting(rng, drift)) for _ in range(PAIRS)], axis=0
        )
        print(f"| {drift:.0%} | {' | '.join(f'{100 * s:.1f}' for s in share)} |")


def measured(folder: str) -> None:
    """Print the share of all pairs of recorded runs in which something was told apart."""
    pairs = list(
        itertools.combinations(sorted(path.parent for path in Path(folder).glob("*/run.json")), 2)
    )
    for drift in ALLOWED:
        found = [compare_runs(a, b, drift=drift).changes for a, b in pairs]
        some, every = (
            np.mean([any(c.apart for c in cs) for cs in found]),
            np.mean([c.apart for cs in found for c in cs]),
        )
        print(
            f"allowance {drift:.0%}: something told apart in {some:.1%} of {len(pairs)} pairs; {every:.1%} of all verdicts"
        )


if __name__ == "__main__":
    measured(sys.argv[1]) if len(sys.argv) > 1 else simulate()
