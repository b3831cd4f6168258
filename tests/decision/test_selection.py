"""The decision: the same for the same seed, for one model, and in the notebook's panel."""

import json

from helpers.course.widgets import weigh
from helpers.decision.limits import DIMENSIONS
from helpers.decision.scorecard import Scorecard
from helpers.decision.selection import decide
from support.records import PROMPTS, about, failure, record, run_of


def option(decision, model):
    return next(o for o in decision.options if o.model == model)


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
