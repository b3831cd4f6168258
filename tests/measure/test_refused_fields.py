"""Servers that refuse a field of the request, or answer unusually: measured all the same, recorded, said once."""

import json

import pytest

from helpers import benchmark, connect, write_report
from helpers.measure.resumption import resume
from helpers.report.sentences import limits
from support.loopback import (
    DONE,
    delta,
    error_answer,
    event,
    json_answer,
    serving,
    streamed,
    usage,
)

GOOD = streamed(
    [event(delta("Hello")), 0.01, event(delta(" world", "stop")), event(usage(5, 3)), DONE]
)
NEWER = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
FIXED = "Unsupported value: 'temperature' does not support 0.0 with this model. Only the default (1) value is supported."
WHOLE = {"choices": [{"message": {"content": "Hello"}, "finish_reason": "length"}], "usage": {}}


def newer(request):
    """As the newer OpenAI models: a refusal for each field, one after the other."""
    if "max_tokens" in request.json:
        return error_answer(400, NEWER)
    if "temperature" in request.json:
        return error_answer(400, FIXED)
    return GOOD if request.json.get("stream") else json_answer(WHOLE)


def strict(request):
    """As a server that knows no extra fields."""
    extra = [name for name in ("seed", "stream_options") if name in request.json]
    detail = [{"loc": ["body", name], "msg": "Extra inputs are not permitted"} for name in extra]
    return json_answer({"detail": detail}, status=422) if extra else GOOD


def measure(remote, folder, models=("m",), **settings):
    settings = {"rounds": 2, "warmup": 0, "resources": False, **settings}
    return benchmark(
        remote, list(models), ["One", "Two"], progress=False, output=folder, **settings
    )


def asked(endpoint) -> list[dict]:
    return [request.json for request in endpoint.requests if request.method == "POST"]


@pytest.mark.parametrize(
    "how", [{}, {"warmup": 2}, {"concurrency": 4, "rounds": 8}, {"rate": 100.0}]
)
@pytest.mark.parametrize(
    ("chat", "left_out"),
    [
        (newer, {"max_tokens": "max_completion_tokens", "temperature": ""}),
        (strict, {"seed": "", "stream_options": ""}),
    ],
)
def test_a_refused_field_is_left_out_from_then_on_and_every_row_is_an_answer(
    tmp_path, capsys, how, chat, left_out
):
    with serving(["m"], chat) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, tmp_path, **how)
    assert [row["status"] for row in run.rows] == ["ok"] * (
        4 + how.get("warmup", 16 if "concurrency" in how else 0)
    )
    assert run.info.models["m"].left_out == left_out
    last = asked(endpoint)[-1]
    assert not left_out.keys() & last.keys()
    assert last.keys() >= set(filter(None, left_out.values()))
    said = capsys.readouterr().err
    assert said.count("as the server refuses it") <= len(left_out)
    assert "is left out" in said
    assert any("m: the server refused" in line and "is left out" in line for line in limits(run))


def test_each_model_keeps_the_fields_that_it_takes_and_a_resumed_run_remembers(tmp_path):
    def chat(request):
        return newer(request) if request.json["model"] == "new" else GOOD

    with serving(["new", "old"], chat) as endpoint:
        with connect(endpoint.base_url) as remote:
            run = measure(remote, tmp_path, ["new", "old"])
        assert {body["model"] for body in asked(endpoint) if "temperature" in body} == {
            "new",
            "old",
        }
        assert "temperature" in [body for body in asked(endpoint) if body["model"] == "old"][-1]
        info = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
        (run.folder / "run.json").write_text(json.dumps({**info, "status": "running"}))
        rows = (run.folder / "requests.jsonl").read_text(encoding="utf-8").splitlines(True)
        (run.folder / "requests.jsonl").write_text("".join(rows[:-3]), encoding="utf-8")
        before = len(asked(endpoint))
        with connect(endpoint.base_url) as remote:
            again = resume(remote, run.folder, progress=False)
        assert len(asked(endpoint)) - before == 3  # none of them was refused
    assert [row["n_ok"] for row in again.summary] == [4, 4]


def test_a_refusal_that_leaving_out_does_not_help_ends_as_a_failure(tmp_path):
    with (
        serving(["m"], error_answer(400, "Unsupported parameter: 'seed'")) as endpoint,
        connect(endpoint.base_url) as remote,
    ):
        run = measure(remote, tmp_path)
    assert len(asked(endpoint)) == 4  # once with seed, then three failures in a row
    assert run.summary[0]["error"].endswith("HTTP 400: Unsupported parameter: 'seed'")


def test_names_of_the_length_that_are_refused_in_turn_end_without_one(tmp_path):
    def chat(request):
        for name in ("max_tokens", "max_completion_tokens"):
            if name in request.json:
                other = "max_completion_tokens" if name == "max_tokens" else "max_tokens"
                return error_answer(400, f"Unsupported parameter: '{name}'. Use '{other}' instead.")
        return GOOD

    with serving(["m"], chat) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, tmp_path)
        assert remote.chat("m", "Hi").text == "Hello world"
    assert run.info.models["m"].left_out == {"max_tokens": ""}
    assert run.summary[0]["n_ok"] == 4


def test_chat_judges_and_streams_for_people_leave_refused_fields_out_as_well():
    with serving(["m"], newer) as endpoint, connect(endpoint.base_url) as remote:
        assert "".join(remote.stream("m", "Hi")) == "Hello world"
        assert len(asked(endpoint)) == 3
        found = remote.request(remote.resolve("m"), "Hi", stream=False)
    assert (found.status, found.text, len(asked(endpoint))) == ("ok", "Hello", 4)


@pytest.mark.parametrize("end", ["close", "keep"])
def test_a_stream_for_people_reads_what_servers_send(end):
    parts = [
        b"\xef\xbb\xbf" + event(delta("Hello\u2028")),
        event(delta([{"type": "text", "text": "world"}])),
    ]
    with (
        serving(["m"], streamed([*parts, DONE], end=end)) as endpoint,
        connect(endpoint.base_url) as remote,
    ):
        assert "".join(remote.stream("m", "Hi", timeout_s=20)) == "Hello\u2028world"
    with serving(["m"], json_answer(WHOLE)) as endpoint, connect(endpoint.base_url) as remote:
        assert "".join(remote.stream("m", "Hi")) == "Hello"
    failing = streamed([event(delta("Hello")), b"event: error\ndata: No slot\n\n"])
    with (
        serving(["m"], failing) as endpoint,
        connect(endpoint.base_url) as remote,
        pytest.raises(Exception, match=r"m did not answer: No slot\."),
    ):
        list(remote.stream("m", "Hi"))


def test_the_report_counts_answers_that_ended_or_came_in_an_unusual_way(tmp_path):
    def ends(text: str, reason: str, **fields):
        return streamed([event(delta(text, reason)), event({**usage(5, 2), **fields}), DONE])

    answers = [
        json_answer(WHOLE),
        ends("cut", "length"),
        ends("x", "content_filter"),
        ends("x\ufffd", "stop", usage={"completion_tokens": -1}),
    ]
    with serving(["m"], answers) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, tmp_path, rounds=3)
    found = "\n".join(limits(run))
    assert "m: 2 of 6 requests ended at the limit of 150 tokens (finish_reason length)" in found
    assert "m: 1 of 6 requests ended by a content filter" in found
    assert "m: 1 of 6 requests came in one piece although a stream was asked for" in found
    assert "m: 3 of 6 requests brought text that is not valid Unicode" in found
    assert "m: 3 of 6 requests have no token count: the server counted -1 tokens." in found


def test_a_server_that_never_streams_is_measured_without_ttft(tmp_path):
    with serving(["m"], json_answer(WHOLE)) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, tmp_path, rounds=3)
    assert (run.summary[0]["n_ok"] == 6, run.summary[0]["ttft_p50_s"]) == (True, None)
    write_report(run)
