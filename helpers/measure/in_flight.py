"""Say how many requests were in flight: what happened, not what was asked."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from .plan import FEWEST

if TYPE_CHECKING:
    import pandas as pd


class Window(NamedTuple):
    """Hold the requests of a model at one level, how much of each counts (0 to 1), and the time.

    `in_flight` is the time of all that counts over the `seconds` (Little's law).
    """

    rows: "pd.DataFrame"
    shares: np.ndarray
    seconds: float
    in_flight: float | None


def window(frame: "pd.DataFrame", model: str, level: int) -> Window | None:
    """Return the time that counts; None where nothing was measured.

    It is that of each round, overlaps counted once. With several streams it ends when the last
    request is sent, since then they run out. In an open loop a pause is part of the load.
    """
    filling = (frame["phase"] == "warmup") & (level > 1)
    chosen = (frame["status"] != "skipped") & ((frame["phase"] == "measure") | filling)
    chosen &= (frame["model"] == model) & (frame["concurrency"] == level)
    rows = frame[(chosen & frame["ended_s"].notna()).to_numpy()]
    measured = rows["phase"] == "measure"
    if not measured.any():
        return None
    sent, ended = rows["sent_s"].fillna(rows["ended_s"]), rows["ended_s"]
    due = rows["scheduled_s"].fillna(sent)
    rounds = rows["round"].where(rows["scheduled_s"].isna(), 0)
    firsts = due[measured].groupby(rounds).min().sort_values()
    lasts = ended[measured].groupby(rounds).max()[firsts.index]
    if level > 1 and measured.sum() >= FEWEST * level:
        lasts = lasts.clip(upper=sent[measured].max())
    reached = np.maximum.accumulate(lasts.to_numpy())
    seconds = float(np.sum(reached - np.maximum(firsts, np.r_[-np.inf, reached[:-1]])))
    inside = (ended.clip(upper=reached[-1]) - sent.clip(lower=firsts.iloc[0])).clip(lower=0)
    shares = (inside / (ended - sent)).fillna(1.0)  # 0 / 0: it failed before it was sent
    return Window(rows, shares.to_numpy(), seconds, inside.sum() / seconds if seconds else None)
