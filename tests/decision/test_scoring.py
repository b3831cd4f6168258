"""Scores by hand, how stable the ranking is, and the change that flips it."""

import numpy as np
import pytest

from helpers.common.errors import UsageError
from helpers.decision.scoring import (
    Contest,
    license_score,
    settle_ties,
    stability,
    tipping_point,
)
from helpers.decision.selection import decide
from support.records import EIGHT, about, answer, record, run_of


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


def test_an_unknown_value_counts_against_its_own_model_and_no_other(tmp_path):
    models = {"a": {"memory_mb": 10.0}, "b": {"memory_mb": 20.0}}
    two = decide(run_of(tmp_path, {**models}), good_enough={})
    three = decide(run_of(tmp_path, {"c": {}, **models}), good_enough={})
    assert two.weights == three.weights
    for model in models:
        assert option(two, model).scores == option(three, model).scores
    assert option(three, "c").scores["memory"] == 0
    assert option(three, "c").values["memory"] is None
    assert "Memory is unknown for c, which counts as 0 there." in three.notes


def test_a_dimension_that_is_unknown_for_all_gives_its_weight_away_and_says_so(tmp_path):
    run = run_of(tmp_path, {"a": {}, "b": {"latency_s": 2.0}})
    decision = decide(run)
    assert "memory" not in decision.weights
    assert sum(decision.weights.values()) == pytest.approx(1)
    assert decision.weights["quality"] == pytest.approx(0.4 / 0.9)
    assert (
        "Memory was not measured for any model: its weight of 10 % is shared out among the others."
        in decision.notes
    )
    with pytest.raises(UsageError, match="memory got all the weight and was not measured"):
        decide(run, weights={"memory": 1})


def test_the_change_that_flips_the_winner_is_exact():
    matrix = {
        "latency": np.array([[2.0, 3.0, 9.0]]),
        "quality": np.array([[0.5, 0.75, 1.0]]),
        "disk": np.array([[10.0, 30.0, 90.0]]),
    }
    weights = {"latency": 0.3, "quality": 0.5, "disk": 0.2}

    def first_at(dimension: str, share: float) -> str:
        rest = 1 - weights[dimension]
        scaled = {d: w * (1 - share) / rest for d, w in weights.items()}
        contest = Contest(["a", "b", "c"], matrix, {**scaled, dimension: share}, {})
        return contest.models[contest.order[0]]

    flip = tipping_point(Contest(["a", "b", "c"], matrix, weights, {}))
    before = first_at(flip.dimension, flip.share)
    step = 1e-6 if flip.to > flip.share else -1e-6
    assert first_at(flip.dimension, flip.to - step) == before
    assert first_at(flip.dimension, flip.to + step) == flip.winner != before
    # No single weight can be changed by less and flip it.
    nearly = 0.98 * abs(flip.to - flip.share)
    for dimension, share in weights.items():
        for to in (share + nearly, share - nearly):
            if 0 < to < 1:
                assert first_at(dimension, to) == before


def test_a_winner_in_everything_cannot_be_flipped(tmp_path):
    decision = decide(
        run_of(
            tmp_path,
            {
                "best": {"latency_s": 1.5},
                "worst": {"latency_s": 9.0, "right": 0.75, "size_mb": 9999.0},
            },
        )
    )
    assert decision.flip is None
    assert decision.change == "No change of a single weight puts another model first."
    assert decision.answer == "best is the default."
    assert decision.stability.prompts == 1
    assert "It stays first in all of 100 resamples of the 8 prompts." in decision.confidence


def test_two_models_that_differ_by_chance_only_are_not_told_apart(tmp_path):
    noise = np.random.default_rng(1).normal(0, 0.2, (2, 8))
    models = {
        f"m{k}": {"latency_s": 3.0, "spread": lambda i, n, k=k: float(np.exp(noise[k, i]))}
        for k in (0, 1)
    }
    decision = decide(run_of(tmp_path, models), weights={"latency": 1}, good_enough={})
    assert decision.tied_with == (decision.options[1].model,)
    assert "are tied on 8 prompts; " in decision.answer
    assert "by the rule for ties: lower latency (" in decision.answer
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
        return stability(contest, seed=seed).tied_with

    apart = sum(not close(0.0, seed) for seed in range(200))
    assert apart <= 24
    assert sum(not close(0.5, seed) for seed in range(20)) >= 18


def test_what_does_not_vary_by_prompt_is_told_apart_by_itself(tmp_path):
    models = {"small": {"disk_mb": 10.0}, "large": {"disk_mb": 20.0}, "twin": {"disk_mb": 10.0}}
    decision = decide(run_of(tmp_path, models), weights={"disk": 1}, good_enough={})
    assert (decision.winner.model, decision.tied_with) == ("small", ("twin",))
    two = decide(
        run_of(tmp_path, {m: models[m] for m in ("small", "large")}),
        weights={"disk": 1},
        good_enough={},
    )
    assert two.confidence == (
        "The next is large, behind by 0.50; this does not depend on the prompts."
    )


@pytest.mark.parametrize(
    ("quality", "memory", "disk", "order", "words"),
    [
        ([0.5, 0.9], [1, 9], [1, 9], "ba", "higher quality (0.90 against 0.50)"),
        ([0.895, 0.9], [1, 9], [1, 9], "ab", "less memory (1 MB against 9 MB)"),
        ([0.9, 0.9], [np.nan, 9], [1, 9], "ba", "less memory (9 MB against unknown)"),
        ([0.9, 0.9], [5, 5], [9, 1], "ba", "less disk (1 MB against 9 MB)"),
        ([0.9, 0.9], [5, 5], [1, 1], "ab", "the first by name"),
        (
            [0.9, 0.9, 0.5],
            [5, 3, 1],
            [1, 1, 1],
            "bac",
            "higher quality (0.90 against 0.50), then less memory (3 MB against 5 MB)",
        ),
    ],
)
def test_a_rule_settles_ties(quality, memory, disk, order, words):
    matrix = {"quality": np.array([quality]), "memory": np.array([memory], dtype=float)}
    models = list("abc")[: len(quality)]
    contest = Contest(models, {**matrix, "disk": np.array([disk], dtype=float)}, {"quality": 1}, {})
    assert settle_ties(contest, models[::-1]) == (list(order), words)


def test_prompts_that_only_some_models_answered_are_left_out_and_said(tmp_path):
    facets = [{"id": "word", "any_of": ["answer"]}]
    prompts = {"name": "mine", "prompts": [{"id": p, "text": p, "facets": facets} for p in EIGHT]}
    rows = [
        answer(m, p, n, 1.0)
        for m in ("a", "b")
        for p in EIGHT
        for n in (1, 2, 3)
        if (m, p) != ("b", "p7")
    ]
    run = record(tmp_path, {"a": about(), "b": about()}, rows, prompts=prompts)
    assert any(
        "on the 7 of 8 prompts for which all models have them" in note for note in decide(run).notes
    )


@pytest.mark.parametrize(
    ("licence", "score"),
    [("MIT", 1), ("apache-2.0", 1), ("BSD-3-Clause", 1), ("gemma", 0.5), (None, 0), ("", 0)],
)
def test_licences(licence, score):
    assert license_score(licence) == score
