"""Which model answers a prompt."""

import json

import pytest

from helpers.common.errors import UsageError
from helpers.decision.routing import route
from helpers.models import lineup
from support.records import PROMPTS, about, answer, record


@pytest.fixture
def models(tmp_path):
    path = tmp_path / "models.json"
    entry = {"size_mb": 2.0, "context": 100}
    tags = {
        "fast": ["chat"],
        "good": ["chat", "summarise"],
        "small": ["chat", "summarise"],
        "never-measured": ["summarise"],
    }
    path.write_text(
        json.dumps({name: {**entry, "capabilities": some} for name, some in tags.items()}),
        encoding="utf-8",
    )
    return lineup.load_models(path)


@pytest.fixture
def measured(tmp_path):
    facets = [{"id": "word", "any_of": ["right"]}]
    prompts = {
        "name": "mine",
        "title": "",
        "prompts": [{"id": p, "text": p, "facets": facets, "format": None} for p in PROMPTS],
    }
    rows = [
        answer(m, p, n, s, text=text)
        for m, s, text in (
            ("fast", 0.1, "No."),
            ("good", 3.0, "It is right."),
            ("small", 0.5, "No."),
        )
        for p in PROMPTS
        for n in range(1, 8)
    ]
    return record(
        tmp_path,
        {m: about(size_mb=2.0, license="MIT") for m in ("fast", "good", "small")},
        rows,
        prompts=prompts,
    )


def test_a_prompt_goes_where_tags_limits_and_rank_send_it(measured, models):
    found = route("Summarize this.", {"summarise"}, run=measured, models=models)
    assert found.choices == ["good", "small"]
    assert found.why["fast"] == "is not tagged summarise"
    assert found.why["good"].startswith("has summarise; total ")
    assert found.why["never-measured"].startswith("not in this run")
    limited = route("Summarize this.", {"summarise"}, {"max_p95_s": 1}, run=measured, models=models)
    assert limited.model == "small"
    assert "p95 latency 3 s is 3 times the limit of 1 s" in limited.why["good"]


def test_a_prompt_that_fits_no_context_and_a_tag_that_nobody_has(measured, models):
    found = route("word " * 100, {"chat"}, run=measured, models=models)
    assert found.choices == []
    assert found.why["good"] == "the prompt is about 166 tokens long and its context holds 100"
    with pytest.raises(UsageError, match=r"No model can answer this: .*context holds 100"):
        _ = found.model
    with pytest.raises(
        UsageError, match="No model of the line-up is tagged 'vision'; the tags are chat, summarise"
    ):
        route("Hi", {"vision"}, run=measured, models=models)


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        ("会" * 200, 200),
        ("ประชุม" * 40, 240),
        ("می‌خواهم " * 20, 120),
        ("привет " * 30, 130),
        ("\U0001f468\u200d\U0001f469 " * 30, 120),
        ("0123456789" * 20, 200),
        ("\ud800" * 200, 200),  # half a character, from a broken command line
    ],
)
def test_a_prompt_in_any_script_is_not_taken_for_shorter_than_it_is(
    measured, models, prompt, tokens
):
    found = route(prompt, {"chat"}, run=measured, models=models)
    assert found.choices == []
    assert f"about {tokens} tokens long and its context holds 100" in found.why["good"]


def test_route_from_the_command_line(server, command_here, tmp_path):
    run = record(
        tmp_path,
        {"pocket-nano": about(size_mb=2.5)},
        [answer("pocket-nano", p, 1, 0.1) for p in PROMPTS],
    )
    done = command_here("route", "Say OK.", "--run", str(run.folder))
    assert done.returncode == 0, done.stderr
    assert "pocket-nano         has chat" in done.stdout
    none = command_here("route", "Say OK.", "--run", str(run.folder), "--max-disk-mb", "1")
    assert none.returncode == 1
    assert "disk 2.5 MB is 2.5 times the limit of 1 MB" in none.stdout
