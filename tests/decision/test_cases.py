"""Plain cases, each with the choice that any engineer would make."""

import json

import pytest

from helpers.decision.cost import Prices
from helpers.decision.scorecard import Scorecard
from helpers.decision.selection import decide
from support.records import edit_info, run_of

HERE = {"kind": "Foundry Local 2.2.1", "base_url": "http://127.0.0.1:1/v1"}
CLOUD = {"kind": "OpenAI-compatible endpoint", "base_url": "https://api.example.com/v1"}
PYTHON = {"kind": "Python function", "base_url": "http://127.0.0.1:2/v1"}
SMALL = {"latency_s": 0.04, "memory_mb": 20.0, "disk_mb": 3.0}
MINI = {**SMALL, "right": 0.8, "latency_s": 0.038}
MIDI = {"latency_s": 0.051, "memory_mb": 33.0, "disk_mb": 15.0}
LARGE = {"latency_s": 0.5, "memory_mb": 900.0, "disk_mb": 900.0}
RULES = {"latency_s": 0.001, "server": PYTHON, "license": None, "size_mb": None}
LOCAL = {**SMALL, "right": 0.8, "server": HERE}


def case(title, models, winner, *words, n=40, **given):
    return pytest.param(models, winner, words, n, given, id=title)


CASES = [
    case(
        "one is clearly better and fast enough",
        {"poor": {**SMALL, "right": 0.55}, "good": LARGE},
        "good",
        "good is the default.",
        "It stays first in all of 100 resamples of the 40 prompts.",
    ),
    case(
        "equal quality and one ten times smaller",
        {"large": LARGE, "small": {**LARGE, "memory_mb": 90.0, "disk_mb": 90.0}},
        "small",
        "small and large are tied on 40 prompts; small is the default by the rule for ties: "
        "less memory (90 MB against 900 MB)",
    ),
    case(
        "equal quality and one too large to be good enough",
        {"large": {**LARGE, "memory_mb": 9000.0}, "small": SMALL},
        "small",
        "small is the default.",
        "large loses most to small in memory",
    ),
    case(
        "the best is too slow",
        {"best": {**LARGE, "latency_s": 9.0}, "fair": {**SMALL, "right": 0.8}},
        "fair",
        "best is out: p95 latency 15.3 s is 7.65 times the limit of 2 s",
        limits={"max_p95_s": 2},
    ),
    case(
        "the best is too large",
        {"best": {**LARGE, "memory_mb": 9000.0}, "fair": {**SMALL, "right": 0.8}},
        "fair",
        "best is out: memory 9,000 MB",
        limits={"max_memory_mb": 2000},
    ),
    case(
        "all are bad",
        {"a": {**SMALL, "right": 0.2}, "b": {**LARGE, "right": 0.3}},
        None,
        "None of these models can be the default. The binding limit is quality.",
        "measure a larger model; what this machine can hold: python -m helpers models --fits",
    ),
    case(
        "two are alike",
        {"b": SMALL, "a": SMALL},
        "a",
        "a and b are tied on 40 prompts; a is the default by the rule for ties: the first by name",
    ),
    case(
        "a license forbids the best",
        {"best": {**SMALL, "license": "research-only"}, "fair": MINI},
        "fair",
        "best is out: license research-only is not on the list",
        limits={"licenses": ["MIT"]},
    ),
    case(
        "the cloud is better and cheaper, and the scenario is offline",
        {"cloud": {"latency_s": 0.02, "server": CLOUD}, "here": LOCAL},
        "here",
        "cloud is out: api.example.com serves it, and an offline model is asked for",
    ),
    case(
        "the cloud is better, and the scenario allows it",
        {"cloud": {"latency_s": 0.02, "server": CLOUD}, "here": {**LOCAL, "right": 0.7}},
        "cloud",
        "cloud is the default.",
        limits={"offline": False},
    ),
    case(
        "all are in the cloud",
        {"cloud": {"server": CLOUD}},
        "cloud",
        "api.example.com served all models of this run",
    ),
    case(
        "best on average and wrong on long notes",
        {"fluent": {**MIDI, "contradicted": 0.2}, "sound": {**MINI, "contradicted": 0.0}},
        "sound",
        "fluent is out: share of answers that contradict the notes 0.2 is 2 times the limit of 0.1",
    ),
    case(
        "all contradict the notes",
        {"a": {**MIDI, "contradicted": 0.2}},
        None,
        "None of these models can be the default. The binding limit is share of answers",
        "Use rules such as data/baseline/extractive.py",
    ),
    case(
        "nobody knows about contradictions",
        {"a": MIDI},
        "a",
        "Whether answers contradict the notes is not known for a, so that limit was not checked.",
    ),
    case(
        "too few prompts",
        {"a": MIDI, "b": MINI},
        None,
        "There is no decision, because 4 prompts that all models answered are too few",
        "python -m helpers benchmark --prompts meeting-notes",
        n=4,
    ),
    case(
        "a minimum quality that may not be met",
        {"a": {**SMALL, "right": 0.92}, "b": {**LARGE, "latency_s": 4.0, "right": 0.92}},
        "a",
        "a is the first choice, but 25 prompts cannot tell whether its quality of 0.92 "
        "(0.806 to 1) meets 0.9.",
        "Not certain: 25 prompts",
        n=25,
        limits={"min_quality": 0.9},
    ),
    case(
        "prompts of your own without facets",
        {"worst": SMALL, "best": LARGE},
        None,
        "There is no decision, because quality is unknown: no answer was judged. "
        "worst is the fastest",
        "Judge 12 answers now: python -m helpers annotate",
        "--rater NAME (or notebook 05)",
        source="people",
        scores={},
    ),
    case(
        "people judged one of two, and two answers of a third",
        {"judged": LARGE, "fast": SMALL, "few": SMALL},
        "judged",
        "fast is out: its quality is known for 0 of 40 prompts only",
        "few is out: its quality is known for 2 of 40 prompts only",
        source="people",
        scores={"judged": [0.75] * 40, "few": [1, 1]},
    ),
    case(
        "a little faster and smaller, and worse",
        {"pocket-mini-int4": MINI, "pocket-midi": MIDI},
        "pocket-midi",
        "pocket-midi is the default.",
    ),
    case(
        "the same on few prompts",
        {"pocket-mini-int4": MINI, "pocket-midi": MIDI},
        "pocket-midi",
        "pocket-midi and pocket-mini-int4 are tied on 10 prompts; pocket-midi is the default by "
        "the rule for ties: higher quality (1.00 against 0.80).",
        n=10,
    ),
    case(
        "a baseline whose memory is unknown flips nothing",
        {"mini": MINI, "midi": MIDI, "rules": {**RULES, "right": 0.6}},
        "midi",
        "Memory is unknown for rules, which counts as 0 there.",
    ),
    case(
        "the rules beat all",
        {"mini": MINI, "midi": {**MIDI, "right": 0.9}, "rules": {**RULES, "right": 0.95}},
        None,
        "None of these models: rules comes first, and it is a Python function that needs no model.",
        "midi is out: quality 0.90 is not better than that of rules (0.95), which needs no model",
    ),
    case(
        "a copy of the notes beats one and may beat another",
        {"mini": MINI, "midi": {**MIDI, "right": 0.9}},
        "midi",
        "mini is out: quality 0.80 is not better than that of a copy of the notes (0.82)",
        "midi is the first choice: the other model does not meet the limits, but 40 prompts cannot "
        "tell whether its quality of 0.90 is better than that of a copy of the notes (0.82)",
        references={"a copy of the notes": 0.82},
    ),
    case(
        "a copy of the notes beats all",
        {"mini": MINI},
        None,
        "None of these models can be the default. The binding limit is to be better than what",
        references={"a copy of the notes": 0.9},
    ),
    case(
        "one fails often",
        {"shaky": {**MIDI, "failures": 20}, "sound": MINI},
        "sound",
        "shaky is out: share of failed requests 0.143",
    ),
]


def shares(share, prompts):
    return {p: float(i < round(share * len(prompts))) for i, p in enumerate(prompts)}


@pytest.mark.parametrize(("models", "winner", "words", "n", "given"), CASES)
def test_the_choice_that_any_engineer_would_make(tmp_path, models, winner, words, n, given):
    prompts = [f"p{i:02}" for i in range(n)]
    facts = {name: dict(figures) for name, figures in models.items()}
    extra = {
        name: {key: figures.pop(key) for key in ("contradicted", "failures") if key in figures}
        for name, figures in facts.items()
    }
    # Long notes take up to 1.7 times as long as short ones.
    spread = {"spread": lambda i, _: (1 + i % 8 / 10) / (1 + i / 10)}
    run = run_of(tmp_path, {m: {**spread, **facts[m]} for m in facts}, prompts=prompts)
    edit_info(run, environment={"machine": {"memory_mb": 32_000}})
    run = type(run)(run.folder)
    source, scores = given.get("source", "facets"), given.get("scores", {})
    people = {m: dict(zip(prompts, values, strict=False)) for m, values in scores.items()}
    references = {name: shares(q, prompts) for name, q in given.get("references", {}).items()}
    card = Scorecard(run, Prices(), {source: people}, source, references)
    for name, row in card.by_model.items():
        row["contradicted"] = extra[name].get("contradicted")
        row["n_failed"] = extra[name].get("failures", 0)
    decision = decide(card, given.get("limits"))
    text = str(decision)
    assert (decision.winner and decision.winner.model) == winner, text
    said = " ".join([*decision.sentences(), text])
    assert [part for part in words if part not in said] == [], text
    assert text.startswith(decision.headline) and decision.answer.startswith(decision.headline)
    json.dumps(decision.as_dict(), allow_nan=False)
    if decision.winner and decision.winner.doubts:
        assert "of 100" not in text
