"""Scores by hand, how stable the ranking is, and the change that flips it."""

import numpy as np
import pytest

from helpers.common.errors import UsageError
from helpers.decision.scoring import Contest, license_score, stability
from helpers.decision.selection import decide
from support.records import EIGHT, PROMPTS, about, answer, record, run_of


def option(decision, model):
    return next(o for o in decision.options if o.model == model)


def test_scores_and_totals_by_hand(tmp_path):
    run = run_of(
        tmp_path,
        {
            "fast": {"latency_s": 2.0, "right": 0.5, "memory_mb": 400.0, "disk_mb": 200.0},
            "good": {
                "latency_s": 4.0,
                "right": 1.0,
                "memory_mb": 100.0,
                "disk_mb": 400.0,
                "license": "gemma",
            },
        },
    )
    decision = decide(run, good_enough={})
    fast, good = option(decision, "fast"), option(decision, "good")
    assert fast.scores == pytest.approx(
        {"latency": 1, "throughput": 1, "memory": 0.25, "quality": 0.5, "disk": 1, "license": 1}
    )
    assert good.scores == pytest.approx(
        {"latency": 0.5, "throughput": 0.5, "memory": 1, "quality": 1, "disk": 0.5, "license": 0.5}
    )
    assert fast.total == pytest.approx(0.2 + 0.1 + 0.1 * 0.25 + 0.4 * 0.5 + 0.1 + 0.1)
    assert good.total == pytest.approx(0.2 * 0.5 + 0.1 * 0.5 + 0.1 + 0.4 + 0.1 * 0.5 + 0.1 * 0.5)
    assert decision.why_not == ["fast loses most to good in quality (0.50 against 1.00)."]
    # Geometric mean over the prompts' factors 1, 1.1 ... 1.7.
    assert fast.values["latency"] == pytest.approx(2 * np.exp(np.log(1 + np.arange(8) / 10).mean()))


def test_what_is_good_enough_needs_to_be_no_better(tmp_path):
    run = run_of(
        tmp_path, {"a": {"latency_s": 0.01}, "b": {"latency_s": 0.5}, "c": {"latency_s": 4.0}}
    )
    by_default = {o.model: o.scores["latency"] for o in decide(run).options}
    assert (by_default["a"], by_default["b"]) == (1, 1)
    assert by_default["c"] == pytest.approx(1 / option(decide(run), "c").values["latency"])
    assert option(decide(run, good_enough={}), "b").scores["latency"] == pytest.approx(0.02)


def test_a_dimension_that_was_not_measured_gives_its_weight_away_and_says_so(tmp_path):
    run = run_of(tmp_path, {"a": {"memory_mb": 10.0}, "b": {}})
    decision = decide(run)
    assert "memory" not in decision.weights
    assert sum(decision.weights.values()) == pytest.approx(1)
    assert decision.weights["quality"] == pytest.approx(0.4 / 0.9)
    assert (
        "Memory was not measured for every model: its weight of 10 % is shared out among the others."
        in decision.notes
    )
    with pytest.raises(UsageError, match="memory got all the weight and was not measured"):
        decide(run, weights={"memory": 1})


def test_the_change_that_flips_the_winner_is_exact(tmp_path):
    run = run_of(
        tmp_path,
        {
            "a": {"latency_s": 2.0, "right": 0.5, "disk_mb": 10.0},
            "b": {"latency_s": 3.0, "right": 0.75, "disk_mb": 30.0},
            "c": {"latency_s": 9.0, "right": 1.0, "disk_mb": 90.0},
        },
    )
    decision = decide(run, good_enough={})
    flip = decision.flip
    rest = {d: w for d, w in decision.weights.items() if d != flip.dimension}

    def winner_at(share):
        scaled = {d: w * (1 - share) / sum(rest.values()) for d, w in rest.items()}
        return decide(run, weights={**scaled, flip.dimension: share}, good_enough={}).winner.model

    step = 1e-6 if flip.to > flip.share else -1e-6
    assert winner_at(flip.to - step) == decision.winner.model
    assert winner_at(flip.to + step) == flip.winner
    # No single weight can be changed by less and flip it.
    for dimension, share in decision.weights.items():
        others = {d: w for d, w in decision.weights.items() if d != dimension}
        for to in (
            share + 0.98 * abs(flip.to - flip.share),
            share - 0.98 * abs(flip.to - flip.share),
        ):
            if 0 < to < 1:
                scaled = {d: w * (1 - to) / sum(others.values()) for d, w in others.items()}
                assert (
                    decide(run, weights={**scaled, dimension: to}, good_enough={}).winner.model
                    == decision.winner.model
                )


def test_a_winner_in_everything_cannot_be_flipped(tmp_path):
    decision = decide(
        run_of(
            tmp_path,
            {
                "best": {"latency_s": 1.5},
                "worst": {"latency_s": 9.0, "right": 0.25, "size_mb": 99.0},
            },
        )
    )
    assert decision.flip is None
    assert decision.change == "No change of a single weight puts another model first."
    assert decision.answer == "best is the default."
    assert decision.stability.both == 1
    assert "in all of 100" in decision.confidence


def test_two_models_that_differ_by_chance_only_are_not_told_apart(tmp_path):
    noise = np.random.default_rng(1).normal(0, 0.2, (2, 8))
    models = {
        f"m{k}": {"latency_s": 3.0, "spread": lambda i, n, k=k: float(np.exp(noise[k, i]))}
        for k in (0, 1)
    }
    decision = decide(run_of(tmp_path, models), weights={"latency": 1}, good_enough={})
    assert decision.tied_with == (decision.options[1].model,)
    assert "is the first choice, but these prompts cannot tell it apart from" in decision.answer
    assert 0.5 < decision.stability.prompts < 0.95


def test_equal_models_are_rarely_told_apart_and_different_ones_are():
    """Hold the promise of the words: about 5 of 100 such pairs are told apart (seen: 3 to 8)."""
    rng, apart = np.random.default_rng(2), 0
    weights = {"latency": 0.3, "quality": 0.7}

    def close(better: float, seed: int) -> tuple[str, ...]:
        quality = np.clip(
            rng.normal(0.5, 0.15, (8, 1)) + rng.normal(0, 0.15, (8, 2)), 0, 1
        ) + np.array([better, 0])
        matrix = {
            "latency": np.exp(rng.normal(1, 0.3, (8, 1)) + rng.normal(0, 0.2, (8, 2))),
            "quality": quality,
        }
        contest = Contest(["a", "b"], matrix, weights, {})
        return stability(contest, seed=seed)[0].tied_with

    apart = sum(not close(0.0, seed) for seed in range(200))
    assert apart <= 24
    assert sum(not close(0.5, seed) for seed in range(20)) >= 18


def test_below_five_prompts_nothing_is_told_apart(tmp_path):
    run = run_of(tmp_path, {"a": {"latency_s": 2.0}, "b": {"latency_s": 8.0}}, prompts=EIGHT[:4])
    decision = decide(run)
    assert decision.tied_with == ("b",)
    assert "below 5, no two models are told apart" in decision.confidence


def test_what_does_not_vary_by_prompt_is_told_apart_by_itself(tmp_path):
    run = run_of(
        tmp_path,
        {"small": {"disk_mb": 10.0}, "large": {"disk_mb": 20.0}, "twin": {"disk_mb": 10.0}},
        prompts=EIGHT[:2],
    )
    decision = decide(run, weights={"disk": 1})
    assert (decision.winner.model, decision.tied_with) == ("small", ("twin",))
    assert (
        decision.confidence
        == "It does not depend on the prompts, and stays first in all of 100 draws of other weights."
    )


def test_prompts_that_only_some_models_answered_are_left_out_and_said(tmp_path):
    rows = [
        answer(m, p, n, 1.0)
        for m in ("a", "b")
        for p in PROMPTS
        for n in (1, 2, 3)
        if (m, p) != ("b", "long")
    ]
    run = record(tmp_path, {"a": about(), "b": about()}, rows)
    assert any(
        "on the 2 of 3 prompts for which all models have them" in note for note in decide(run).notes
    )


@pytest.mark.parametrize(
    ("licence", "score"),
    [("MIT", 1), ("apache-2.0", 1), ("BSD-3-Clause", 1), ("gemma", 0.5), (None, 0), ("", 0)],
)
def test_licences(licence, score):
    assert license_score(licence) == score
