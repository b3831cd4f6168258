"""Tell if a server kept prompts: the first use of a prompt against its repeats."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from ..measure.record import Run
from ..timing.intervals import Estimate, interval_of_mean

PROMPTS_NEEDED = 5
CACHED_FROM = 1.10  # a first use this much slower than repeats is worth a sentence


@dataclass(frozen=True, kw_only=True)
class FirstUse(Estimate):
    """Compare the TTFT of the first use of a prompt with that of its repeats.

    The value is their ratio, a geometric mean over `n` prompts; the medians are seconds.
    """

    model: str
    first_s: float | None = None
    repeat_s: float | None = None

    @property
    def cached(self) -> bool:
        """Return whether repeats are certainly faster by a tenth, as from a prompt cache."""
        return self.low is not None and self.low > CACHED_FROM


def first_use(
    model: str,
    prompts: ArrayLike,
    rounds: ArrayLike,
    ttft_s: ArrayLike,
    *,
    warmed: ArrayLike = (),
) -> FirstUse:
    """Compare round 1 with rounds 2 and 3 prompt by prompt; later rounds would add drift.

    Prompts of the warm-up (`warmed`) are left out. The interval is Student's t over the logarithms,
    and needs 5 prompts.
    """
    rows = pd.DataFrame({"prompt": np.asarray(prompts), "round": rounds, "ttft_s": ttft_s})
    rows = rows[~rows["prompt"].isin(np.asarray(warmed)) & rows["round"].isin((1, 2, 3))]
    medians = rows["ttft_s"].groupby([rows["prompt"], rows["round"] == 1]).median()
    pairs = medians.unstack().reindex(columns=[True, False]).dropna()
    if len(pairs) < PROMPTS_NEEDED:
        return FirstUse(model=model, n=len(pairs))
    logs = np.log(pairs[True] / pairs[False])
    ratio, low, high = (float(np.exp(x)) for x in (logs.mean(), *interval_of_mean(logs)))
    first_s, repeat_s = float(pairs[True].median()), float(pairs[False].median())
    return FirstUse(ratio, low, high, n=len(pairs), model=model, first_s=first_s, repeat_s=repeat_s)


def first_uses(run: Run) -> Iterator[FirstUse]:
    """Tell for each model of a run if the first use of a prompt was slower than its repeats."""
    warmed = run.frame.loc[(run.frame["phase"] != "measure").to_numpy(), "prompt_id"].unique()
    for model in run.models:
        rows = run.sample(model, "ttft_s")
        yield first_use(model, rows["prompt_id"], rows["round"], rows["ttft_s"], warmed=warmed)
