"""From figures to a decision: scores by hand, limits, what is missing, how stable it is, and the change that flips it."""

import json

import numpy as np
import pytest

from helpers.common.errors import UsageError
from helpers.course.widgets import weigh
from helpers.decision.cost import make_prices
from helpers.decision.dimensions import DIMENSIONS, WEIGHTS
from helpers.decision.scorecard import Scorecard
from helpers.decision.scoring import Contest, license_score, stability
from helpers.decision.selection import decide
from helpers.report.report import make_report, write_report
from support.records import PROMPTS, about, answer, failure, record

EIGHT = [f"p{i}" for i in range(8)]


def run_of(folder, models: dict[str, dict], prompts=EIGHT, rounds=3):
    """A run in which each model answers every prompt: `latency_s` (times a prompt's own factor), `right` (share of prompts), other facts."""
    rows, facts = [], {}
    for model, given in models.items():
        right = round(given.pop("right", 1.0) * len(prompts))
        latency_s, tokens = given.pop("latency_s", 1.0), given.pop("tokens", 11)
        spread = given.pop("spread", lambda i, number: 1.0)
        for i, prompt in enumerate(prompts):
            text = "It is right." if i < right else "No."
            rows += [
                answer(
                    model,
                    prompt,
                    n,
                    latency_s * (1 + i / 10) * spread(i, n),
                    tokens=tokens,
                    text=text,
                    prompt_tokens=100,
                )
                for n in range(1, rounds + 1)
            ]
        facts[model] = about(**{"license": "MIT", "size_mb": 10.0, **given})
    facets = [{"id": "word", "any_of": ["right"]}]
    plan = {
        "prompts": {
            "name": "mine",
            "title": "",
            "prompts": [
                {"id": p, "text": f"Say {p}.", "facets": facets, "format": None} for p in prompts
            ],
        }
    }
    return record(folder, facts, rows, **plan)


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


def test_weights_have_no_scale(tmp_path):
    run = run_of(tmp_path, {"a": {"latency_s": 1.0, "right": 0.5}, "b": {"latency_s": 3.0}})
    one, two = (
        decide(run, weights={"quality": 3, "latency": 1}),
        decide(run, weights={"quality": 0.75, "latency": 0.25}),
    )
    assert [(o.model, o.total) for o in one.options] == [
        (o.model, pytest.approx(o.total)) for o in two.options
    ]
    assert set(one.weights) == {"quality", "latency"}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (dict.fromkeys(WEIGHTS, 0), "All weights are 0"),
        ({"quality": -1}, "weight quality: expected a number of at least 0, found -1"),
        ({"quality": float("nan")}, "weight quality"),
        ({"quality": "much"}, "weight quality: expected a number of at least 0, found 'much'"),
        (
            {"speed": 1},
            "weight speed: unknown dimension, expected one of latency, throughput, memory, quality, disk, license",
        ),
    ],
)
def test_weights_that_make_no_sense_are_told(tmp_path, weights, message):
    with pytest.raises(UsageError, match=message):
        decide(run_of(tmp_path, {"a": {}}), weights=weights)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_ram": 1}, "limit max_ram: unknown field, expected one of max_p95_s"),
        ({"min_quality": 2}, "limit min_quality: must be"),
        ({"max_p95_s": -1}, "max_p95_s"),
    ],
)
def test_limits_that_make_no_sense_are_told(tmp_path, limits, message):
    with pytest.raises(UsageError, match=message):
        decide(run_of(tmp_path, {"a": {}}), limits)


def test_a_model_that_breaks_a_limit_is_out_with_its_reason(tmp_path):
    run = run_of(
        tmp_path,
        {
            "slow": {"latency_s": 10.0, "memory_mb": 50.0},
            "big": {"memory_mb": 900.0},
            "wrong": {"right": 0.25, "memory_mb": 50.0},
            "closed": {"license": "other", "memory_mb": 50.0},
            "unknown": {"memory_mb": None},
            "fit": {"memory_mb": 50.0},
        },
    )
    decision = decide(
        run, {"max_p95_s": 3, "max_memory_mb": 600, "min_quality": 0.5, "licenses": ["mit"]}
    )
    assert decision.winner.model == "fit"
    assert decision.answer == "fit is the default: it is the only model left to choose from."
    assert (
        option(decision, "slow").out.startswith("p95 latency ")
        and "times the limit of 3 s" in option(decision, "slow").out
    )
    assert option(decision, "big").out == "memory 900 MB is 50 % over the limit of 600 MB"
    assert option(decision, "wrong").out == "quality 0.25 is 50 % under the limit of 0.5"
    assert option(decision, "closed").out == "license other is not on the list"
    assert (
        option(decision, "unknown").out == "memory at most 600 MB cannot be checked: not measured"
    )


def test_nobody_meets_the_limits_names_the_tightest_and_by_how_much(tmp_path):
    run = run_of(
        tmp_path,
        {"a": {"memory_mb": 120.0, "disk_mb": 500.0}, "b": {"memory_mb": 110.0, "disk_mb": 900.0}},
    )
    decision = decide(run, {"max_memory_mb": 100, "max_disk_mb": 600})
    assert decision.winner is None
    assert decision.answer == (
        "No model can be the default. The binding limit is memory. "
        "The nearest model is b: memory 110 MB is 10 % over the limit of 100 MB."
    )
    each = decide(run, {"max_memory_mb": 115, "max_disk_mb": 600})
    assert (
        "Some model meets each limit, but no model meets all of them. "
        "The nearest is a: memory 120 MB is 4.35 % over" in each.answer
    )
    report = write_report(run, limits={"max_memory_mb": 100})
    assert "No model can be the default." in report.read_text(encoding="utf-8")
    assert "# Decision: no model" in (run.folder / "decision.md").read_text(encoding="utf-8")


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
    """The promise of the words: two models that differ by chance only are told apart in about 5 of 100 runs (seen: 3 to 8)."""
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


def test_the_same_seed_decides_the_same(tmp_path):
    run = run_of(tmp_path, {"a": {"latency_s": 2.0, "right": 0.5}, "b": {"latency_s": 3.0}})
    assert decide(run).as_dict() == decide(run).as_dict()
    assert decide(run, seed=1).stability != decide(run).stability
    json.dumps(decide(run).as_dict(), allow_nan=False)


def test_one_model_and_no_answer_at_all(tmp_path):
    one = decide(run_of(tmp_path / "one", {"only": {}}))
    assert one.answer == "only is the default: it is the only model left to choose from."
    (tmp_path / "none").mkdir()
    none = record(tmp_path / "none", {"dead": about()}, [failure("dead", p, 1) for p in PROMPTS])
    decision = decide(none)
    assert decision.answer == "No model can be the default. No model answered."
    assert option(decision, "dead").out == "it did not answer (HTTP 500: Out of memory)"


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


@pytest.mark.parametrize(
    ("licence", "score"),
    [("MIT", 1), ("apache-2.0", 1), ("BSD-3-Clause", 1), ("gemma", 0.5), (None, 0), ("", 0)],
)
def test_licences(licence, score):
    assert license_score(licence) == score


def test_the_panel_says_what_the_cell_says(tmp_path):
    run = run_of(tmp_path, {"a": {"latency_s": 2.0, "right": 0.5}, "b": {"latency_s": 8.0}})
    card = Scorecard(run)
    panel = weigh(card)
    sliders, shown = panel.children[0].children[0].children, panel.children[1]
    assert [slider.description for slider in sliders] == list(DIMENSIONS)
    assert shown.value == decide(card)._repr_html_()
    for slider in sliders:
        slider.value = 100 if slider.description == "latency" else 0
    assert shown.value == decide(card, weights={"latency": 100})._repr_html_()
    panel.children[0].children[1].value = 0.75  # least quality
    assert shown.value == decide(card, {"min_quality": 0.75}, {"latency": 100})._repr_html_()
    for slider in sliders:
        slider.value = 0
    assert "All weights are 0" in shown.value


def test_cost_by_hand(tmp_path):
    """3.6 J a request are a millionth of a kWh; the machine's second costs price / (years x seconds x share)."""
    models = {
        "here": {"latency_s": 1.0, "energy_j_per_request": 3.6, "energy_source": "RAPL"},
        "guessed": {"energy_j_per_request": 7.2, "energy_source": "estimate"},
        "dark": {"not_measured": {"energy_j_per_request": "no counter"}},
        "far": {"source": "endpoint"},
    }
    prices = make_prices(per_kwh="0.5", cloud_input=2, cloud_output=4)
    rows = Scorecard(run_of(tmp_path, models), prices).by_model
    assert rows["here"]["cost_per_1000"] == pytest.approx(0.0005)
    assert rows["here"]["cost_source"] == "energy measured (RAPL)"
    assert (rows["guessed"]["cost_per_1000"], rows["guessed"]["cost_source"]) == (
        pytest.approx(0.001),
        "energy estimated",
    )
    assert (rows["dark"]["cost_per_1000"], rows["dark"]["cost_source"]) == (
        None,
        "energy not measured: no counter",
    )
    assert rows["far"]["cost_per_1000"] is None and "another machine" in rows["far"]["cost_source"]
    assert rows["far"]["cloud_per_1000"] == pytest.approx(1000 * (100 * 2 + 11 * 4) / 1e6)


def test_the_machine_is_spread_over_the_time_of_a_request(tmp_path):
    prices = make_prices(hardware=31557.6, years=1, use=0.5)  # a second that answers costs 0.002
    rows = Scorecard(run_of(tmp_path, {"a": {"latency_s": 1.0}}), prices).rows
    assert rows[0]["cost_per_1000"] == pytest.approx(1000 * 0.002 * rows[0]["latency_mean_s"])
    assert rows[0]["cost_source"] == "machine estimated"


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_kwh": -1},
        {"per_kwh": "cheap"},
        {"years": 0},
        {"use": 2},
        {"per_kwh": float("inf")},
        {"currency": "<b>"},
    ],
)
def test_prices_that_make_no_sense_are_told(wrong):
    with pytest.raises(UsageError, match=f"price {next(iter(wrong))}: "):
        make_prices(**wrong)


def test_prices_are_in_every_form_of_the_report(tmp_path):
    run = run_of(
        tmp_path,
        {"a": {"energy_j_per_request": 3600.0, "energy_source": "NVML"}, "b": {"right": 0.5}},
    )
    report = make_report(
        run, prices=make_prices(per_kwh=0.5, cloud_input=1, cloud_output=1, currency="USD")
    )
    assert "1,000 requests cost about 0.5 USD here (energy measured (NVML))" in report.price
    assert report.as_dict()["prices"]["per_kwh"] == 0.5
    text = write_report(run, prices=make_prices(per_kwh=0.5)).read_text(encoding="utf-8")
    assert "1,000 here, EUR" in text
    assert "Prices given: 0.5 EUR/kWh" in text
