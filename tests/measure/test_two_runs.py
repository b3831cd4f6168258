"""Two run folders written through the record's own classes, then compared, as a function and as the command does it."""

import json
import math
from functools import partial

import numpy as np
import pytest

from helpers.common.errors import UsageError
from helpers.measure import two_runs
from helpers.measure.record import Run
from helpers.measure.two_runs import (
    compare_runs,
    parse_gate,
)
from helpers.timing.ratios import DRIFT, Comparison, compare_rounds
from support.records import about, answer, edit_info, failure, record

ratio_of_sittings = partial(compare_rounds, drift=DRIFT)
PROMPTS = {
    "short": "Say short.",
    "middle": "Say middle.",
    "long": "Say long.",
    "longest": "Say longest.",
}
BASE_S = dict(zip(PROMPTS, (0.1, 0.2, 0.4, 0.8), strict=True))
ROUNDS = 5
SIZES = {
    "small": about(model_id="small:1", size_mb=2.7),
    "large": about(model_id="large:1", size_mb=27.0),
}


def rows(
    model: str = "small",
    factor: float = 1.0,
    seed: int = 1,
    spread: float = 0.02,
    rounds: int = ROUNDS,
    **fields,
) -> list:
    """Answers of one model, all times `factor` times as long; round and answer vary by `spread` (a share)."""
    rng = np.random.default_rng(seed)
    slow = [answer(model, "short", 0, 99.0, phase="warmup", text="warm-up")]
    for number in range(1, rounds + 1):
        of_round = rng.normal(0, spread)
        slow += [
            answer(
                model, p, number, factor * s * math.exp(of_round + rng.normal(0, spread)), **fields
            )
            for p, s in BASE_S.items()
        ]
    return slow


def made(
    folder, answers, models=None, prompts=PROMPTS, environment=None, status="finished", **plan
) -> Run:
    """A run folder; `environment` replaces parts of what the run says of its machine."""
    models = models or {name: SIZES[name] for name in dict.fromkeys(row.model for row in answers)}
    chosen = {
        "name": "mine",
        "title": "",
        "prompts": [
            {"id": p, "text": text, "facets": [], "format": None} for p, text in prompts.items()
        ],
    }
    run = record(folder, models, answers, status=status, prompts=chosen, rounds=ROUNDS, **plan)
    if environment:
        about_it = run.info.to_dict()["environment"]
        changed = {
            **about_it,
            **environment,
            "machine": {**about_it["machine"], **environment.get("machine", {})},
        }
        changed["packages"] = {**about_it["packages"], **environment.get("packages", {})}
        run = edit_info(run, environment=changed)
    return run


@pytest.fixture
def before(tmp_path):
    return made(tmp_path, rows())


def changes_of(found) -> dict[str, Comparison]:
    return {change.metric: change for change in found.changes}


# Ratios ------------------------------------------------------------------------------------------------------------


def test_a_clear_slowdown_is_told_with_its_interval(tmp_path, before):
    found = compare_runs(before, made(tmp_path, rows(factor=1.5, seed=2)))
    changes = changes_of(found)
    assert set(changes) == {"ttft_s", "latency_s", "output_tokens_per_s"}
    for metric, true in (("ttft_s", 1.5), ("latency_s", 1.5), ("output_tokens_per_s", 1 / 1.5)):
        change = changes[metric]
        assert change.low < true < change.high
        assert change.ratio == pytest.approx(true, rel=0.05)
        assert change.after / change.before == pytest.approx(change.ratio)
        assert change.apart
        assert (change.prompts, change.rounds, change.confidence) == (
            4,
            (5, 5),
            pytest.approx(1 - 0.05 / 3),
        )
    slower = f"after takes {changes['latency_s'].ratio:.2g} times as long as before"
    assert f"Latency of small: {slower} (joint 95 % interval 1." in str(found)
    faster = f"before is {1 / changes['output_tokens_per_s'].ratio:.2g} times as fast as after"
    assert f"Output tokens/s of small: {faster}" in str(found)


def test_a_speedup_is_told_the_right_way_round(tmp_path, before):
    change = changes_of(compare_runs(before, made(tmp_path, rows(factor=0.5, seed=2))))["ttft_s"]
    assert change.verdict == "faster"
    assert change.high < 1
    words = str(change)
    assert f"before takes {1 / change.ratio:.2g} times as long as after" in words
    assert f"interval {1 / change.high:.2g} to {1 / change.low:.2g}" in words


def test_equal_runs_cannot_be_told_apart(tmp_path, before):
    found = compare_runs(before, made(tmp_path, rows(seed=2)))
    assert [change.verdict for change in found.changes] == ["cannot tell"] * 3
    ratio = changes_of(found)["ttft_s"].ratio
    sentence = f"TTFT of small: cannot tell the runs apart (ratio {ratio:.3g}, joint 95 % interval "
    assert sentence in str(found)


def test_a_run_compared_with_itself_says_so(before):
    found = compare_runs(before.folder, before)
    assert [change.ratio for change in found.changes] == [1, 1, 1]
    assert "Both are the same run" in str(found)
    assert not found.differences or {d.what for d in found.differences} == {
        "files beside the git revision (may differ)"
    }


def test_fewer_than_three_rounds_give_a_ratio_and_no_verdict(tmp_path, before):
    found = compare_runs(before, made(tmp_path, rows(factor=3, rounds=2)))
    change = changes_of(found)["latency_s"]
    assert (change.low, change.high, change.apart) == (None, None, False)
    assert change.ratio == pytest.approx(3, rel=0.1)
    assert "an interval needs 3 rounds in each (5 and 2 rounds, 4 prompts)" in str(change)


def test_what_was_not_measured_is_not_compared(tmp_path, before):
    found = compare_runs(before, made(tmp_path, rows(tokens=None)))
    changes = changes_of(found)
    assert changes["output_tokens_per_s"].verdict == "not measured in both"
    assert "Output tokens/s of small: not measured in both runs" in str(found)
    assert changes["ttft_s"].confidence == pytest.approx(
        1 - 0.05 / 2
    )  # two comparisons were made, not three


def test_a_missing_answer_does_not_move_the_ratio():
    """Prompts differ tenfold, so a plain mean over what is left would: the pairing holds without the lost answer."""
    full = {p: [(n, s) for n in range(1, 6)] for p, s in BASE_S.items()}
    holed = {p: some[1:] if p == "longest" else some for p, some in full.items()}
    change = ratio_of_sittings("m", "ttft_s", full, holed)
    assert change.ratio == pytest.approx(1)
    assert change.low == pytest.approx(1 / change.high)


def test_the_interval_is_that_of_welch_over_the_rounds():
    """Nothing missing, one prompt, no allowance: scipy's own interval of two means of logs."""
    from scipy import stats

    rng = np.random.default_rng(3)
    old, new = rng.normal(0, 0.1, 6), rng.normal(0.2, 0.3, 4)
    change = ratio_of_sittings(
        "m",
        "ttft_s",
        {"p": list(enumerate(np.exp(old)))},
        {"p": list(enumerate(np.exp(new)))},
        drift=0,
    )
    truth = stats.ttest_ind(new, old, equal_var=False).confidence_interval(0.95)
    assert (math.log(change.low), math.log(change.high)) == (
        pytest.approx(truth.low),
        pytest.approx(truth.high),
    )


def test_answers_of_one_round_do_not_count_as_independent():
    """Forty prompts that move together in each round say as much as one."""
    levels = [(1, 1.0), (2, 1.3), (3, 0.8), (4, 1.1)], [(1, 1.4), (2, 1.0), (3, 1.2), (4, 1.6)]
    one = ratio_of_sittings("m", "ttft_s", {"p0": levels[0]}, {"p0": levels[1]}, drift=0)
    many = ratio_of_sittings(
        "m",
        "ttft_s",
        {f"p{i}": levels[0] for i in range(40)},
        {f"p{i}": levels[1] for i in range(40)},
        drift=0,
    )
    assert (many.low, many.high) == (pytest.approx(one.low), pytest.approx(one.high))


def test_an_allowance_widens_and_never_narrows():
    rng = np.random.default_rng(4)
    sides = [{"p": list(enumerate(np.exp(rng.normal(0, 0.05, 3))))} for _ in range(2)]
    widths = [
        math.log(c.high / c.low)
        for c in (
            ratio_of_sittings("m", "ttft_s", *sides, comparisons=6, drift=d)
            for d in (0, 0.01, 0.05, 0.2)
        )
    ]
    assert widths == sorted(widths)
    assert widths[3] > 2 * 2.63 * math.sqrt(2) * 0.2


def test_wild_rounds_still_give_figures_that_json_can_hold():
    change = ratio_of_sittings(
        "m",
        "ttft_s",
        {"p": [(1, 1e-200), (2, 1.0), (3, 1e200)]},
        {"p": [(1, 1.0), (2, 1e200), (3, 1e-200)]},
        comparisons=99,
    )
    assert 0 < change.low < 1 < change.high < math.inf
    assert not change.apart


@pytest.mark.parametrize(
    ("drift", "allowed", "least", "most"),
    [(0, 0, 0.0, 0.09), (0.05, 0.05, 0.0, 0.06), (0.10, 0.05, 0.08, 0.45), (0.05, 0, 0.15, 0.6)],
)
def test_how_often_equal_runs_are_told_apart(drift, allowed, least, most):
    """docs/method.md gives 4.2, 2.5, 23.3 and 33.6 %; the last two say what an allowance that is too small costs."""
    rng = np.random.default_rng(18)

    def sitting() -> list[dict]:
        logs = rng.normal(0, drift) + rng.normal(0, 0.05, (3, 1, 5)) + rng.normal(0, 0.1, (3, 8, 5))
        return [
            {f"p{p}": list(enumerate(np.exp(values))) for p, values in enumerate(metric)}
            for metric in logs
        ]

    def alarm() -> bool:
        pairs = zip(sitting(), sitting(), strict=True)
        return any(
            ratio_of_sittings("m", "ttft_s", b, a, comparisons=3, drift=allowed).apart
            for b, a in pairs
        )

    assert least <= np.mean([alarm() for _ in range(300)]) <= most


# What else changed -------------------------------------------------------------------------------------------------


def with_text(answers: list, prompt: str, text: str, rounds=range(1, ROUNDS + 1)) -> list:
    return [
        type(r)(**{**r.__dict__, "text": text})
        if r.prompt_id == prompt and r.round in rounds and r.phase == "measure"
        else r
        for r in answers
    ]


def test_changed_answers_are_counted_and_named(tmp_path, before):
    after = with_text(
        with_text(rows(seed=2), "long", "Another answer."), "short", "Once another.", rounds=[3]
    )
    found = compare_runs(before, made(tmp_path, after))
    (answers,) = found.answers
    assert (answers.prompts, answers.changed, answers.unsteady_before, answers.unsteady_after) == (
        4,
        ("short", "long"),
        (),
        ("short",),
    )
    assert (
        "2 of 4 prompts differ between the runs; within a run the text varies for 0 before and 1 after. "
        "Changed, so that times compare different texts: short, long."
    ) in str(found)


def test_the_same_answers_are_said_to_be_the_same(tmp_path, before):
    assert "Answers of small: the same texts for all 4 prompts." in str(
        compare_runs(before, made(tmp_path, rows(seed=2)))
    )


def test_answers_above_temperature_0_are_not_compared(tmp_path, before):
    found = compare_runs(
        before, made(tmp_path, with_text(rows(seed=2), "long", "Another."), temperature=0.7)
    )
    assert found.answers == ()
    assert "Answers: not compared, as they may differ at a temperature above 0." in str(found)
    assert "plan temperature: 0.0 before, 0.7 after." in str(found)


def test_what_differs_around_the_runs_is_told_line_by_line(tmp_path):
    old = {
        "git_revision": "aaa",
        "packages": {"onnxruntime": "1.0"},
        "machine": {"cpu": "One", "memory_mb": 1000, "python": "3.11.1", "system": "L 1"},
    }
    new = {
        "git_revision": "bbb",
        "packages": {"onnxruntime": "2.0"},
        "machine": {"cpu": "Two", "memory_mb": 2000, "python": "3.12.1", "system": "L 2"},
    }
    before = made(
        tmp_path,
        rows(),
        environment=old,
        models={"small": {**SIZES["small"], "execution_provider": "CPU"}},
    )
    after = made(
        tmp_path,
        rows(seed=2),
        environment=new,
        models={
            "small": {
                **SIZES["small"],
                "model_id": "small:2",
                "size_mb": 2.700001,
                "execution_provider": "CUDA",
                "files_sha256": "f00",
            }
        },
        max_tokens=65,
        status="interrupted",
    )
    edit_info(after, server={"kind": "another runtime"})
    found = compare_runs(before, after.folder)
    assert {d.what: (d.before, d.after) for d in found.differences} == {
        "run status": ("finished", "interrupted"),
        "runtime": ("test server", "another runtime"),
        "git revision": ("aaa", "bbb"),
        "system": ("L 1", "L 2"),
        "python": ("3.11.1", "3.12.1"),
        "cpu": ("One", "Two"),
        "memory_mb": (1000, 2000),
        "package onnxruntime": ("1.0", "2.0"),
        "plan max_tokens": (64, 65),
        "model_id of small": ("small:1", "small:2"),
        "size_mb of small": (2.7, 2.700001),
        "execution_provider of small": ("CPU", "CUDA"),
        "files_sha256 of small": (None, "f00"),
    }
    assert "Different: size_mb of small: 2.7 before, 2.700001 after." in str(found).splitlines()


def test_a_resumed_run_is_more_than_one_sitting(tmp_path, before):
    after = made(tmp_path, rows(seed=2))
    edit_info(after, resumed=[{"rows_before": 3}])
    assert (
        "The run after was resumed 1 time: it is 2 sittings and not one."
        in str(compare_runs(before, after.folder)).splitlines()
    )


def test_a_run_without_a_plan_is_told(tmp_path, before):
    after = made(tmp_path, rows())
    (after.folder / "run.json").write_text('{"schema": 1, "status": "finished"}', encoding="utf-8")
    with pytest.raises(
        UsageError, match=r"run\.json is damaged \(plan: field required; models: field required\)"
    ):
        compare_runs(before, after.folder)


def test_a_run_that_lost_its_rows_is_told(tmp_path, before):
    after = made(tmp_path, rows())
    (after.folder / "requests.jsonl").unlink()
    with pytest.raises(UsageError, match=r"requests\.jsonl cannot be read"):
        compare_runs(before, after.folder)


def test_no_difference_is_said_too_unless_files_were_changed(tmp_path):
    clean, dirty = (
        [made(tmp_path, rows(), environment={"git_revision": r}) for _ in range(2)]
        for r in ("abc", "abc+changes")
    )
    assert "no difference found" in str(compare_runs(*clean))
    assert "files beside the git revision (may differ): abc+changes before" in str(
        compare_runs(*dirty)
    )


def test_a_prompt_with_another_text_is_left_out_and_named(tmp_path, before):
    """It would have made the run look slower: the prompt became harder, not the model."""
    after = [
        r if r.prompt_id != "long" else answer("small", "long", r.round, 40.0) for r in rows(seed=2)
    ]
    found = compare_runs(
        before, made(tmp_path, after, prompts={**PROMPTS, "long": "Say it at length."})
    )
    assert all(change.prompts == 3 and 0.8 < change.ratio < 1.2 for change in found.changes)
    assert "Prompts whose text is not the same, left out: long." in str(found).splitlines()
    assert found.answers[0].prompts == 3


def test_prompts_and_models_of_one_run_only_are_named(tmp_path):
    fewer = {p: text for p, text in PROMPTS.items() if p != "longest"}
    before = made(tmp_path, rows() + rows("large"))
    after = made(tmp_path, [r for r in rows(seed=2) if r.prompt_id != "longest"], prompts=fewer)
    found = compare_runs(before, after)
    assert {change.model for change in found.changes} == {"small"}
    assert {change.prompts for change in found.changes} == {3}
    assert "Models only before: large." in str(found)
    assert "Prompts only before, left out: longest." in str(found)
    back = str(compare_runs(after, before))
    assert "Models only after: large." in back
    assert "Prompts only after, left out: longest." in back


def test_failures_are_counted_on_both_sides(tmp_path, before):
    after = rows(seed=2)
    after[-1], after[-2] = failure("small", "longest", 5), failure("small", "long", 5)
    found = compare_runs(before, made(tmp_path, after))
    (failures,) = found.failures
    assert (
        failures.before.requests,
        failures.before.failed,
        failures.after.requests,
        failures.after.failed,
    ) == (20, 0, 20, 2)
    assert "Failures of small: 0 failed of 20 before, 2 failed of 20 after." in str(found)
    assert (
        found.answers[0].changed == found.answers[0].unsteady_after == ()
    )  # a failure has no answer that could differ
    assert [change.verdict for change in found.changes] == ["cannot tell"] * 3


def test_nothing_in_common_is_a_sentence(tmp_path, before):
    with pytest.raises(UsageError, match="no model in common: before has small; after has large"):
        compare_runs(before, made(tmp_path, rows("large")))
    with pytest.raises(UsageError, match="no prompt in common"):
        compare_runs(
            before,
            made(tmp_path, rows(), prompts={p: text + " Now." for p, text in PROMPTS.items()}),
        )
    with pytest.raises(UsageError, match="An empty name"):
        compare_runs(before, "")


@pytest.mark.parametrize("drift", [-0.1, 0.6, float("nan")])
def test_an_absurd_drift_is_refused(before, drift):
    with pytest.raises(UsageError, match=r"drift must be between 0 and 0\.5"):
        compare_runs(before, before, drift=drift)


# How it shows itself -----------------------------------------------------------------------------------------------


def test_it_shows_itself_in_a_notebook_and_as_json(tmp_path, before):
    nasty = "<script>alert(1)</script>"
    after = made(tmp_path, rows(seed=2), environment={"machine": {"cpu": f"{nasty}\x1b[31m"}})
    found = compare_runs(before, after)
    shown = found._repr_html_()
    assert "<table>" in shown and "<script" not in shown
    assert shown.count("<li>") == len(found.sentences())
    assert "\x1b" not in str(found)
    data = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert [c["metric"] for c in data["changes"]] == ["ttft_s", "latency_s", "output_tokens_per_s"]
    assert (data["before"], data["after"], data["drift"]) == (
        before.folder.name,
        after.folder.name,
        0.05,
    )
    assert {"ratio", "low", "high", "apart", "verdict"} <= set(data["changes"][0])
    assert data["failures"][0]["after"] == {"requests": 20, "failed": 0, "skipped": 0}


@pytest.mark.parametrize(
    ("drift", "words"), [(0.05, "allow for 5 % of drift"), (0, "hold for these two sittings only")]
)
def test_it_says_that_sittings_are_part_of_the_comparison(before, drift, words):
    text = str(compare_runs(before, before, drift=drift))
    assert (
        "differences between sittings (heat, other load, a new process) are part of what is compared"
        in text
    )
    assert words in text
    assert "with interleaved models" in text


# Bounds ------------------------------------------------------------------------------------------------------------


def outcome(text: str, ratio: float | None, low: float | None, high: float | None) -> str:
    bound = parse_gate(text)
    found = two_runs.Regression(
        "a", "b", 0.05, (Comparison("small", bound.metric, ratio=ratio, low=low, high=high),)
    )
    return found.judge([bound])[0].outcome


@pytest.mark.parametrize(
    ("text", "figures", "expected"),
    [
        ("ttft>1.10", (1.5, 1.2, 1.8), "failed"),
        ("ttft>1.10", (1.5, 1.1, 1.8), "not certain"),
        ("ttft>1.10", (1.05, 0.9, 1.2), "not certain"),
        ("ttft>1.10", (0.5, 0.4, 0.6), "held"),
        ("latency<0.9", (0.5, 0.4, 0.6), "failed"),
        ("latency<0.9", (0.8, 0.7, 0.9), "not certain"),
        ("output_tokens_per_s<0.9", (0.8, 0.7, 0.89), "failed"),
        ("output_tokens_per_s<0.9", (1.2, 1.1, 1.3), "held"),
        ("ttft > 1.10", (9.0, None, None), "not certain"),
    ],
)
def test_a_bound_is_broken_only_by_the_whole_interval(text, figures, expected):
    assert outcome(text, *figures) == expected


def test_a_bound_on_what_nobody_measured_is_refused():
    with pytest.raises(UsageError, match=r"--fail-if ttft>1\.1 cannot be judged"):
        outcome("ttft>1.1", None, None, None)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "ttft>nan",
            "ttft>-1",
            "ttft>0",
            "ttft>0.009",
            "ttft>101",
            "ttft>inf",
            "ttft>1e1",
            "ttft>",
            "ttft>.",
            "ttft>" + "9" * 5000,
            "ttft>\u0661",
        ),
        *("ttft=1", "ttft>=1", "ttft", "itl>1", ">1", "", "ttft>1;latency>1"),
    ],
)
def test_a_bound_of_another_form_is_refused_with_the_allowed_one(text):
    with pytest.raises(
        UsageError,
        match=r"expected one of ttft, latency, output_tokens_per_s, then > or <.*from 0\.01 to 100",
    ) as refused:
        parse_gate(text)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("text", ["ttft>0.01", "latency<100", " output_tokens_per_s < .9 "])
def test_bounds_at_the_edge_are_taken(text):
    assert parse_gate(text).ratio in (0.01, 100, 0.9)


# The command -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folders: a run, an equal one, one that is 1.5x slower, one so noisy that nothing is certain, and one of another model."""
    folder = tmp_path_factory.mktemp("runs")
    answers = {
        "before": rows() + rows("large", seed=5),
        "equal": rows(seed=2) + rows("large", seed=6),
        "slow": rows(factor=1.5, seed=3) + rows("large", seed=6),
        "noisy": rows(factor=1.5, seed=4, spread=0.6) + rows("large", seed=6),
        "other": rows("other"),
    }
    models = {"other": {"other": SIZES["small"]}}
    return {
        name: str(made(folder, some, models=models.get(name)).folder)
        for name, some in answers.items()
    }


@pytest.mark.parametrize(
    ("after", "bounds", "code", "said"),
    [
        ("slow", [], 0, "after takes"),
        ("slow", ["ttft>1.10"], 1, "ttft>1.10: FAILED for small"),
        (
            "slow",
            ["latency<0.9", "output_tokens_per_s<0.9"],
            1,
            "output_tokens_per_s<0.9: FAILED for small",
        ),
        ("slow", ["output_tokens_per_s>1.1", "ttft<0.9", "ttft>2"], 0, "ttft<0.9: held by small"),
        ("equal", ["ttft>1.10", "latency<0.5"], 0, "latency<0.5: held by small"),
        ("noisy", ["ttft>1.10"], 0, "ttft>1.10: not certain for small"),
    ],
)
def test_exit_codes_for_ci(runs, command_here, after, bounds, code, said):
    done = command_here(
        "compare",
        runs["before"],
        runs[after],
        *(word for bound in bounds for word in ("--fail-if", bound)),
    )
    assert done.stderr == ""
    assert done.returncode == code
    assert said in done.stdout
    assert "FAILED for large" not in done.stdout


def test_json_says_the_same_and_nothing_else(runs, helpers_command):
    done = helpers_command(
        "compare", runs["before"], runs["slow"], "--json", "--fail-if", "ttft>1.10"
    )
    assert done.returncode == 1
    printed = json.loads(done.stdout)
    assert printed["drift"] == 0.05
    assert [(j["model"], j["outcome"] == "failed") for j in printed["fail_if"]] == [
        ("small", True),
        ("large", False),
    ]
    assert done.stderr.startswith("ttft>1.10: FAILED for small")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["before", "slow", "--fail-if", "ttft>nan"], "from 0.01 to 100, for instance 'ttft>1.10'"),
        (["before", "other"], "no model in common: before has small, large; after has other"),
        (["before", "no-such-run"], "holds no run"),
        (["no-such-run", "slow"], "holds no run"),
        (["before"], "AFTER"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_2(runs, command_here, arguments, said):
    done = command_here("compare", *(runs.get(word, word) for word in arguments))
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
