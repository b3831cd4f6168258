"""`compare A B` and `report A B` ask one question, so they must give one answer."""

import json
import math

import numpy as np
import pytest

from helpers import merge_runs
from helpers.common.paths import DATA
from helpers.measure.record import SAMPLE, Run
from helpers.measure.two_runs import compare_runs
from helpers.report.comparison import compare_models
from helpers.report.sentences import highlights
from helpers.timing.metrics import COMPARED, METRICS
from helpers.timing.ratios import compare_rounds

MODEL = "pocket-mini"
SAMPLE_ROWS = [
    row
    for row in map(
        json.loads, (DATA / SAMPLE / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    )
    if row["model"] == MODEL
]
SAMPLE_INFO = json.loads((DATA / SAMPLE / "run.json").read_text(encoding="utf-8"))


def noisy_copy(folder, rng: np.random.Generator, factor: float = 1.0) -> Run:
    """Copy one model of the sample run, its times `factor` times as long, each round 5 % noisy."""
    folder.mkdir()
    models = {MODEL: SAMPLE_INFO["models"][MODEL]}
    (folder / "run.json").write_text(json.dumps({**SAMPLE_INFO, "models": models}), "utf-8")
    of_round = {number: factor * math.exp(rng.normal(0, 0.05)) for number in range(6)}
    lines = []
    for row in SAMPLE_ROWS:
        scale = of_round[row["round"]] * math.exp(rng.normal(0, 0.05))
        changed = dict(row)
        for metric in set(METRICS) & set(row):
            if row[metric] is not None:
                less = METRICS[metric].more_is_better
                changed[metric] = row[metric] / scale if less else row[metric] * scale
        lines.append(json.dumps(changed) + "\n")
    (folder / "requests.jsonl").write_text("".join(lines), encoding="utf-8")
    return Run(folder)


def test_forty_pairs_through_both_commands_never_contradict(tmp_path):
    rng = np.random.default_rng(40)
    outcomes = set()
    for number in range(40):
        before = noisy_copy(tmp_path / f"a{number}", rng)
        after = noisy_copy(tmp_path / f"b{number}", rng, factor=rng.uniform(1.20, 1.28))
        regression = compare_runs(before, after)
        merged = compare_models(merge_runs([before, after], tmp_path))
        by_metric = {item.metric: item for item in merged}
        for change in regression.changes:
            same = by_metric[change.metric]
            assert (change.ratio, change.low, change.high, change.comparisons) == (
                pytest.approx(same.ratio),
                pytest.approx(same.low),
                pytest.approx(same.high),
                same.comparisons,
            )
            outcomes.add(change.verdict.partition("x ")[2] or change.verdict)
    assert outcomes == {"cannot tell", "slower"}


def test_both_say_for_how_many_comparisons_their_intervals_hold(tmp_path):
    rng = np.random.default_rng(1)
    before, after = noisy_copy(tmp_path / "a", rng), noisy_copy(tmp_path / "b", rng)
    family = "3 comparisons: their intervals hold together at 95 %."
    assert family in compare_runs(before, after).sentences()
    merged = merge_runs([before, after], tmp_path)
    assert family in str(compare_models(merged)).splitlines()
    assert family in highlights(merged)


def some_known(rng, factor: float, rounds: int, known: float, shared) -> dict:
    """Rates of 8 prompts, of which a share is known; a slow round hits both models."""
    logs = np.log(factor) + shared + rng.normal(0, 0.05, rounds) + rng.normal(0, 0.1, (8, rounds))
    seen = rng.random(logs.shape) < known
    return {
        f"p{p}": [(n, math.exp(logs[p, n])) for n in range(rounds) if seen[p, n]] for p in range(8)
    }


def share_apart(factor: float, rounds: int, known: float) -> float:
    rng, apart = np.random.default_rng(18), []
    for _ in range(300):
        shared = rng.normal(0, 0.05, rounds)
        pair = [some_known(rng, f, rounds, known, shared) for f in (1.0, factor)]
        apart.append(compare_rounds("a", "output_tokens_per_s", *pair, baseline="b").apart)
    return float(np.mean(apart))


@pytest.mark.parametrize(("rounds", "known"), [(3, 0.4), (5, 0.4), (12, 0.4), (12, 0.15)])
def test_equal_models_are_seldom_told_apart_where_a_rate_is_known_of_some_answers(rounds, known):
    """5 % are promised; 300 pairs scatter by 1.3 points around that."""
    assert share_apart(1.0, rounds, known) <= 0.08


def test_a_difference_shows_although_few_answers_of_a_round_are_known_of_both_models():
    """Paired by prompt and round, 16 % of all answers would count, and half of the pairs be told."""
    assert share_apart(1.2, 6, 0.4) >= 0.65


@pytest.mark.parametrize(("rounds", "own"), [(3, 0.0), (5, 0.05), (12, 0.0)])
def test_how_often_equal_models_of_one_run_are_told_apart(rounds, own):
    """5 % are promised; a slow round hits both models, and each has a share of its own."""
    rng = np.random.default_rng(18)

    def alarm() -> bool:
        shared = rng.normal(0, 0.05, (3, 1, rounds))

        def model() -> list[dict]:
            logs = shared + rng.normal(0, own, (3, 1, rounds)) + rng.normal(0, 0.1, (3, 8, rounds))
            return [{f"p{p}": list(enumerate(np.exp(v))) for p, v in enumerate(m)} for m in logs]

        return any(
            compare_rounds("a", metric, b, a, baseline="b", comparisons=3).apart
            for metric, b, a in zip(COMPARED, model(), model(), strict=True)
        )

    assert np.mean([alarm() for _ in range(400)]) <= 0.08


def test_fewer_than_three_shared_rounds_cannot_tell():
    values = {"p": [(1, 1.0), (2, 1.1)]}
    slow = {"p": [(1, 3.0), (2, 3.3), (3, 3.1)]}
    comparison = compare_rounds("a", "latency_s", values, slow, baseline="b")
    assert (comparison.low, comparison.apart) == (None, False)
    assert str(comparison) == (
        "Latency: cannot tell a and b apart; an interval needs 3 rounds in each "
        "(2 rounds, 1 prompt)."
    )


def test_a_slow_minute_that_hits_both_models_cancels_out():
    """Rounds differ threefold, the models by 10 %: the rounds pair up."""
    speed = [1.0, 3.0, 1.5, 2.0, 1.2]
    before = {"p": [(n, s) for n, s in enumerate(speed)]}
    after = {"p": [(n, 1.1 * s * (1 + 0.01 * (n % 2))) for n, s in enumerate(speed)]}
    assert compare_rounds("a", "latency_s", before, after, baseline="b").apart
    assert not compare_rounds("a", "latency_s", before, after, drift=0.05).apart
