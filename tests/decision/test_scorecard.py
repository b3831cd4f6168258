"""Everything that is known of a model, in one row."""

import pytest

from helpers.decision.cost import make_prices
from helpers.decision.scorecard import Scorecard
from support.records import PROMPTS, about, answer, record


def test_a_sweep_stands_for_its_first_level_and_an_old_record_for_one_stream(tmp_path):
    rows = [
        answer(m, p, n, 1.0 * level, concurrency=level)
        for m in ("a", "b")
        for p in PROMPTS
        for n in (1, 2)
        for level in (2, 8)
    ]
    sweep = Scorecard(
        record(tmp_path, {"a": about(), "b": about()}, rows),
        make_prices(hardware=31557.6, years=1, use=0.5),
    )
    assert sweep.rows[0]["request_tokens_per_s_p50"] == pytest.approx(11 / 2)
    assert sweep.rows[0]["cost_per_1000"] == pytest.approx(
        1000 * 0.002 * sweep.rows[0]["latency_mean_s"] / 2
    )
    old = Scorecard(record(tmp_path, {"a": about()}, [answer("a", p, 1, 1.0) for p in PROMPTS]))
    assert old.rows[0]["request_tokens_per_s_p50"] == pytest.approx(11)
