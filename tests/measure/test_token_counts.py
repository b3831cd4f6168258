"""A server that counts no tokens in its streams: each count has a source, and none is made up."""

import pytest

from helpers import benchmark, connect, write_report
from support.loopback import delta, event, json_answer, serving, streamed, usage

TEXTS = {"Short": "Hello world", "Long": "a b c d e f g h", "Odd": "One thing"}


def chat(request):
    asked = request.json["messages"][0]["content"]
    text = TEXTS[asked]
    if not request.json["stream"]:
        other = "Another thing" if asked == "Odd" else text
        message = {"index": 0, "message": {"content": other}, "finish_reason": "stop"}
        counts = usage(7, 0 if asked == "Long" else 5)["usage"]
        return json_answer({"choices": [message], "usage": counts})
    half, ending = len(text) // 2, "length" if asked == "Long" else "stop"
    pieces = [event(delta(text[:half])), 0.02, event(delta(text[half:], finish=ending))]
    return streamed([0.02, *pieces, b"data: [DONE]\n\n"])


def measured(folder, handler=chat, prompts=("Short", "Odd", "Long"), **settings):
    settings = {"warmup": 1, "cold": 0, "rounds": 2, "resources": False, "max_tokens": 8} | settings
    with serving(["m"], handler) as endpoint, connect(endpoint.base_url) as remote:
        run = benchmark(remote, ["m"], list(prompts), progress=False, output=folder, **settings)
    return run, [r.json for r in endpoint.requests if r.method == "POST"]


def counts(run) -> dict:
    rows = [row for row in run.rows if row["phase"] == "measure"]
    texts = run.prompts
    return {
        texts[row["prompt_id"]]: (row["token_source"], row["completion_tokens"]) for row in rows
    }


def test_a_server_without_usage_is_asked_once_more_and_every_count_says_its_source(tmp_path):
    run, asked = measured(tmp_path)
    assert counts(run) == {"Short": ("repeat", 5), "Odd": ("none", None), "Long": ("limit", 8)}
    assert [body["stream"] for body in asked] == [True] + [False] * 3 + [True] * 6
    for row in run.rows:
        known = row["phase"] == "measure" and row["completion_tokens"]
        assert (row["output_tokens_per_s"] is not None) == bool(known)
    said = write_report(run).read_text(encoding="utf-8")
    assert "2 of 6 requests ended at the limit, so they have exactly 8 (source: limit)." in said
    assert "The count of 2 of 6 requests is that of the same request once more" in said
    assert "output tokens/s is known for 4 of 6 answers" in said


def test_without_counts_anywhere_it_is_asked_once_and_nothing_is_made_up(tmp_path):
    def never(request):
        answer = {"choices": [{"index": 0, "message": {"content": "Hello world"}}]}
        return chat(request) if request.json["stream"] else json_answer(answer)

    run, asked = measured(tmp_path, never, prompts=["Short", "Odd"])
    assert set(counts(run).values()) == {("none", None)}
    assert [body["stream"] for body in asked].count(False) == 1


@pytest.mark.parametrize("limit", [100, 1])
def test_an_end_at_a_length_that_the_text_cannot_have_is_no_count(tmp_path, limit):
    """As when the context is full: `length`, and fewer tokens than were asked for."""
    run, _ = measured(tmp_path, prompts=["Long"], warmup=0, max_tokens=limit)
    assert counts(run) == {"Long": ("none", None)}


def test_a_model_that_changes_its_answer_between_rounds_is_named_with_the_share(tmp_path):
    seen = []

    def fickle(request):
        asked = request.json["messages"][0]["content"]
        seen.append(asked)
        text = f"{asked} {seen.count('Two') if asked == 'Two' else ''}"
        return streamed([event(delta(text)), event(usage(5, 2)), b"data: [DONE]\n\n"])

    run, _ = measured(tmp_path, fickle, prompts=["One", "Two", "Three", "Four"], warmup=0)
    words = "m: the answer to 1 of 4 prompts (25 %) changed between rounds"
    assert run.changed == [words]
    assert str(run).count(words) == 1
    assert f"{words}, although the temperature is 0" in write_report(run).read_text("utf-8")
    again, _ = measured(tmp_path, fickle, prompts=["One", "Two"], warmup=0, temperature=0.5)
    assert again.changed == []
