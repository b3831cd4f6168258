"""The one statistic that relates two models, or two runs: rounds are its unit."""

from dataclasses import replace

import numpy as np
import pytest

from helpers.timing.ratios import Comparison, Values, compare_rounds, describe_family


def measured(
    random, prompts: int, rounds: int, factor: float = 1.0, noise: float = 0.1, levels=None
) -> Values:
    """Latencies by prompt: prompts differ a lot, rounds of one a little."""
    levels = np.linspace(1, 5, prompts) if levels is None else levels
    return {
        f"p{i}": list(enumerate(factor * level * random.lognormal(sigma=noise, size=rounds), 1))
        for i, level in enumerate(levels)
    }


def by_round(**values) -> Values:
    return {prompt: list(enumerate(some, 1)) for prompt, some in values.items()}


def compared(ours, theirs, comparisons: int = 1, drift: float | None = None) -> Comparison:
    return compare_rounds(
        "new", "latency_s", theirs, ours, baseline="old", comparisons=comparisons, drift=drift
    )


@pytest.mark.parametrize("drift", [None, 0.0])
@pytest.mark.parametrize(("prompts", "rounds"), [(1, 7), (2, 7), (4, 7), (8, 4), (12, 4)])
def test_a_true_factor_of_two_is_told(prompts, rounds, drift):
    random = np.random.default_rng(5)
    ours, theirs = measured(random, prompts, rounds, 2.0), measured(random, prompts, rounds)
    result = compared(ours, theirs, drift=drift)
    assert result.apart
    assert 1.0 < result.low <= result.ratio <= result.high < 4.0
    assert result.low < 2.0 < result.high
    assert (result.prompts, result.rounds) == (prompts, (rounds, rounds))


def test_ratio_by_hand_is_the_geometric_mean_over_prompts():
    """Ratios 2, 2 and 16: their geometric mean is 4, whatever the number of rounds of a prompt."""
    ours = by_round(a=[2.0, 1.0, 8.0], b=[2.0], c=[16.0, 16.0])
    theirs = by_round(a=[1.0, 0.5, 4.0], b=[1.0], c=[1.0, 1.0])
    assert compared(ours, theirs).ratio == pytest.approx(4.0)


def test_pairing_by_prompt_beats_the_difference_between_prompts():
    """Prompts differ a hundredfold, the models by 20 %; unpaired, that would drown."""
    random = np.random.default_rng(6)
    levels = np.geomspace(0.1, 10, 8)
    slower = measured(random, 8, 4, 1.2, 0.02, levels)
    result = compared(slower, measured(random, 8, 4, 1.0, 0.02, levels))
    assert result.apart
    assert result.ratio == pytest.approx(1.2, rel=0.05)


def test_equal_models_cannot_be_told_apart():
    random = np.random.default_rng(7)
    result = compared(measured(random, 8, 3), measured(random, 8, 3))
    assert not result.apart
    assert str(result).startswith("Latency: cannot tell new and old apart (ratio ")
    more = result.more_rounds
    assert more and str(result).endswith(
        f", 3 rounds, 8 prompts; to settle it: about {more} more rounds)."
    )


def test_the_same_figures_cannot_be_told_apart():
    same = measured(np.random.default_rng(8), 6, 3)
    result = compared(same, same)
    assert (result.ratio, result.apart) == (pytest.approx(1.0), False)


def test_more_comparisons_widen_the_interval():
    random = np.random.default_rng(9)
    for prompts in (3, 10):
        ours, theirs = measured(random, prompts, 7), measured(random, prompts, 7)
        one, six = compared(ours, theirs), compared(ours, theirs, comparisons=6)
        assert six.low < one.low < one.high < six.high
        assert six.ratio == one.ratio
        assert six.confidence == pytest.approx(1 - 0.05 / 6)


def test_an_allowance_for_drift_widens_the_interval_and_moves_nothing():
    random = np.random.default_rng(9)
    ours, theirs = measured(random, 8, 7), measured(random, 8, 7)
    none, some, more = (compared(ours, theirs, drift=drift) for drift in (0.0, 0.05, 0.1))
    assert more.low < some.low < none.low < none.high < some.high < more.high
    assert none.ratio == some.ratio == more.ratio


def test_the_interval_comes_from_the_rounds_and_not_from_the_prompts():
    """Two prompts with ratios 1 and 4: their rounds agree well, so the interval is narrow."""
    steady = [0.99, 1.0, 1.01, 1.0, 1.0, 0.99, 1.01]
    ours = by_round(a=steady[::-1], b=[4 * value for value in steady])
    result = compared(ours, by_round(a=steady, b=steady))
    assert result.ratio == pytest.approx(2.0)
    assert 1.9 < result.low <= 2.0 <= result.high < 2.1


@pytest.mark.parametrize("drift", [None, 0.05])
@pytest.mark.parametrize("rounds", [1, 2])
def test_few_rounds_give_a_ratio_and_no_verdict(rounds, drift):
    """One value a prompt has no spread, and two have too little: that must not pass for certainty."""
    random = np.random.default_rng(13)
    result = compared(measured(random, 4, rounds, 2.0), measured(random, 4, rounds), drift=drift)
    assert result.ratio == pytest.approx(2.0, rel=0.3)
    assert (result.low, result.high, result.apart) == (None, None, False)
    assert "an interval needs 3 rounds in each" in str(result)


def test_only_shared_prompts_count():
    random = np.random.default_rng(10)
    ours, theirs = measured(random, 6, 3, 2.0), measured(random, 6, 3)
    extra = [(number, 1e6) for number in (1, 2, 3)]
    more = compared({**ours, "extra": extra, "none": []}, {**theirs, "other": extra})
    assert more == compared(ours, theirs)


def test_rounds_that_one_side_lacks_are_left_out_of_both():
    """A rate is missing where a stream hides it: then other rounds of other prompts are missing."""
    ours = {"a": [(1, 2.0), (2, 2.0)], "b": [(1, 4.0), (2, 4.0), (3, 4.0)]}
    theirs = {"a": [(2, 1.0), (3, 1.0)], "b": [(1, 2.0), (3, 2.0), (4, 9.0)], "c": [(5, 9.0)]}
    result = compared(ours, theirs)
    assert result.ratio == pytest.approx(2.0)
    assert (result.prompts, result.rounds) == (2, (3, 3))


def test_a_round_on_which_everything_rests_leaves_the_interval_without_end():
    """Without round 1 no prompt has an answer of both: that must not pass for certainty."""
    ours = {"a": [(1, 2.0)], "b": [(2, 4.0), (3, 4.0)]}
    theirs = {"a": [(2, 1.0), (3, 1.0)], "b": [(1, 2.0)]}
    result = compared(ours, theirs)
    assert (result.ratio, result.rounds, result.apart) == (pytest.approx(2.0), (3, 3), False)
    assert result.low < 1e-100 < 1e100 < result.high


def test_no_shared_prompt_is_no_verdict():
    result = compared(by_round(a=[1.0]), by_round(b=[1.0]))
    assert (result.prompts, result.ratio, result.apart) == (0, None, False)
    assert (
        str(result) == "Latency: not measured in the same round for new and old, so not compared."
    )


@pytest.mark.parametrize(("prompts", "rounds"), [(1, 7), (3, 7), (5, 3), (8, 3), (12, 3)])
def test_a_model_compared_with_itself_seldom_raises_an_alarm(prompts, rounds):
    """5 % is what a 95 % interval promises; 200 seeded runs scatter by 1.5 points around that."""
    random = np.random.default_rng(11)
    alarms = [
        compared(measured(random, prompts, rounds), measured(random, prompts, rounds)).apart
        for _ in range(200)
    ]
    assert np.mean(alarms) <= 0.10


def test_how_often_the_interval_holds_the_true_ratio_with_many_rounds():
    random = np.random.default_rng(5)
    hits = []
    for _ in range(200):
        result = compared(measured(random, 1, 300, 1.1, 0.2), measured(random, 1, 300, 1.0, 0.2))
        hits.append(result.low <= 1.1 <= result.high)
    assert 0.91 <= np.mean(hits) <= 0.99


# Words -------------------------------------------------------------------------------------------


def verdict(ratio, low, high, *, metric="ttft_s", baseline="old", **fields) -> Comparison:
    return Comparison(
        "new", metric, baseline, 1.0, ratio, ratio, low, high, prompts=4, rounds=(3, 3), **fields
    )


@pytest.mark.parametrize(
    ("metric", "ratio", "low", "high", "sentence", "word"),
    [
        ("latency_s", 2.0, 1.6, 2.5, "Latency: new takes 2 times as long as old", "slower"),
        ("latency_s", 0.5, 0.4, 0.625, "Latency: old takes 2 times as long as new", "faster"),
        (
            "output_tokens_per_s",
            2.0,
            1.6,
            2.5,
            "Output tokens/s: new is 2 times as fast as old",
            "faster",
        ),
        (
            "output_tokens_per_s",
            0.5,
            0.4,
            0.625,
            "Output tokens/s: old is 2 times as fast as new",
            "slower",
        ),
    ],
)
def test_verdict_in_words(metric, ratio, low, high, sentence, word):
    result = verdict(ratio, low, high, metric=metric)
    assert str(result) == f"{sentence} (95 % interval 1.6 to 2.5, 3 rounds, 4 prompts)."
    assert result.verdict == word


def test_two_runs_are_called_before_and_after():
    said = "TTFT of new: after takes 2 times as long as before (95 % interval 1.6 to 2.5, "
    assert str(verdict(2.0, 1.6, 2.5, baseline=None)).startswith(said)


def test_the_confidence_after_correction_is_said():
    result = verdict(2.0, 1.6, 2.5, confidence=1 - 0.05 / 6, comparisons=6)
    assert "(joint 95 % interval 1.6 to 2.5, " in str(result)
    assert describe_family([result]) == "6 comparisons: their intervals hold together at 95 %."
    assert describe_family([verdict(2.0, 1.6, 2.5)]) == ""


@pytest.mark.parametrize(
    ("low", "high", "apart"),
    [(1.01, 2, True), (0.5, 0.99, True), (0.9, 1.1, False), (1.0, 2.0, False), (None, None, False)],
)
def test_apart_means_that_one_is_outside(low, high, apart):
    assert verdict(1.5, low, high).apart is apart


def test_a_pair_that_is_not_apart_says_how_many_rounds_would_settle_it():
    unclear = Comparison(
        "new", "latency_s", "old", ratio=1.1, low=0.9, high=1.1**2 / 0.9, rounds=(4, 4)
    )
    half, effect = np.log(1.1 / 0.9), np.log(1.1)
    assert unclear.more_rounds == int(np.ceil(4 * ((half / effect) ** 2 - 1)))
    assert f"to settle it: about {unclear.more_rounds} more rounds" in str(unclear)
    alike = replace(unclear, ratio=1.0)
    assert alike.more_rounds is None
    assert "settle" not in str(alike)
    assert replace(unclear, drift=0.05).more_rounds is None  # no round narrows two sittings
    assert replace(unclear, low=1.05, high=1.15).more_rounds is None  # they are apart
