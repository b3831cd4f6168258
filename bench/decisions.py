"""Count how often a decision or an agreement sees something where there is only chance.

python bench/decisions.py

The figures are in docs/deciding.md and docs/quality.md. Two models get scores and latencies that
differ by chance only, on 5 to 24 prompts; "told apart" should be about 5 in 100. Beside it stands the
simpler rule that was not taken: to be first in 95 of 100 resamples. Then two raters score by dice.
"""

import numpy as np

from helpers.common.show import Table
from helpers.decision.scoring import Contest, stability
from helpers.quality.agreement import agreement

RUNS = 400
WEIGHTS = {"latency": 0.3, "quality": 0.7}


def told_apart(prompts: int, rng: np.random.Generator) -> tuple[float, float]:
    """Return how often two equal models are told apart: by the kit, and by 95 of 100 resamples."""
    ours = simple = 0
    for seed in range(RUNS):
        quality = np.clip(
            rng.normal(0.6, 0.15, (prompts, 1)) + rng.normal(0, 0.2, (prompts, 2)), 0, 1
        )
        matrix = {
            "latency": np.exp(rng.normal(1, 0.3, (prompts, 1)) + rng.normal(0, 0.3, (prompts, 2))),
            "quality": quality,
        }
        found = stability(Contest(["a", "b"], matrix, WEIGHTS, {}), seed=seed)
        if found:
            ours += not found.tied_with
            simple += found.prompts >= 0.95
    return ours / RUNS, simple / RUNS


def agreed(answers: int, rng: np.random.Generator) -> float:
    """Share of pairs of raters with dice that are shown to agree."""
    keys = [("p", f"{i:03}") for i in range(answers)]
    rolls = (
        (dict(zip(keys, rng.integers(1, 6, answers).astype(float), strict=True)) for _ in range(2))
        for _ in range(RUNS)
    )
    return sum(agreement("a", "b", *pair).shown for pair in rolls) / RUNS


def main() -> None:
    """Print both tables."""
    rng = np.random.default_rng(1)
    print(
        Table(
            ("prompts", "told apart", "first in 95 of 100 resamples"),
            [[n, *told_apart(n, rng)] for n in (5, 8, 12, 24)],
        )
    )
    print(Table(("answers", "dice shown to agree"), [[n, agreed(n, rng)] for n in (10, 15, 30)]))


if __name__ == "__main__":
    main()
