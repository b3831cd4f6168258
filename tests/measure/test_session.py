"""A benchmark on the real runtime: order, record, failures, interruption."""

import json
import os
import re
import signal
import subprocess
import sys

import psutil
import pytest

from helpers import benchmark, connect, load_run, write_report
from helpers.common.errors import UsageError
from helpers.measure.plan import make_plan
from helpers.measure.rows import Row
from helpers.timing.metrics import METRICS
from support.loopback import DONE, Answer, delta, error_answer, event, serving, streamed, usage

PROMPTS = ["Hello", "List 3 privacy benefits of local inference."]
ROW_FIELDS = [
    "model",
    "model_id",
    "prompt_id",
    "round",
    "phase",
    "status",
    "error",
    "started_at",
    "prompt_tokens",
    "completion_tokens",
    "token_source",
    "finish_reason",
    "token_problem",
    "chunk_times_s",
    "text",
    "concurrency",
    "scheduled_s",
    "sent_s",
    "ended_s",
    "connect_s",
    *METRICS,
]
GOOD = streamed([event(delta("Hello")), 0.01, event(delta(" world")), event(usage(5, 2)), DONE])


def measure(server, models=("pocket-nano", "pocket-mini"), prompts=PROMPTS, **settings):
    """The measured part alone, with two warm-up requests, unless a test asks for more."""
    return benchmark(
        server,
        list(models),
        prompts,
        progress=False,
        **{"warmup": 2, "cold": 0, "resources": False, **settings},
    )


def test_the_record_has_a_row_for_every_request(server, tmp_path):
    run = measure(server, rounds=3, output=tmp_path)
    lines = (run.folder / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == 2 * (2 + 3 * 2)
    assert all(list(row) == ROW_FIELDS for row in rows)
    assert {row["status"] for row in rows} == {"ok"}
    assert sorted(
        {(r["model"], r["prompt_id"], r["round"]) for r in rows if r["phase"] == "measure"}
    ) == [
        (model, prompt, number)
        for model in ("pocket-mini", "pocket-nano")
        for prompt in ("p1", "p2")
        for number in (1, 2, 3)
    ]
    for row in rows:
        assert 0 < row["ttft_s"] <= row["latency_s"]
        assert row["ttft_s"] == pytest.approx(row["chunk_times_s"][0], abs=1e-6)
        assert row["latency_s"] == pytest.approx(row["chunk_times_s"][-1], abs=1e-6)
        assert row["token_source"] == "usage"


def test_the_run_file_says_what_where_and_on_what(server, tmp_path):
    run = measure(server, rounds=1, output=tmp_path)
    info = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    assert info["status"] == "finished"
    assert info["started_at"] < info["finished_at"]
    assert info["server"]["kind"] == "Foundry Local 2.2.1"
    assert info["environment"]["packages"]["foundry-local-sdk"] == "2.2.1"
    assert info["environment"]["machine"]["cores"] == os.cpu_count()
    assert info["models"]["pocket-nano"]["load_s"] > 0
    assert info["models"]["pocket-nano"]["model_id"] == "pocket-nano-generic-cpu:5"
    assert info["plan"]["prompts"]["prompts"][0]["text"] == PROMPTS[0]
    assert os.path.expanduser("~") not in json.dumps(info)


def test_the_warm_up_is_kept_and_left_out_of_the_figures(server, tmp_path):
    run = measure(server, rounds=1, warmup=3, output=tmp_path)
    assert sum(row["phase"] == "warmup" for row in run.rows) == 6
    assert [row["n_ok"] for row in run.summary] == [2, 2]
    assert [row["phase"] for row in run.rows][:6] == ["warmup"] * 6


def test_rounds_are_interleaved_and_the_seed_fixes_the_order(server, tmp_path):
    def order(seed):
        run = measure(server, rounds=6, seed=seed, warmup=0, output=tmp_path)
        return [(row["round"], row["model"], row["prompt_id"]) for row in run.rows]

    first = order(1)
    assert first == order(1)
    assert first != order(2)
    assert [number for number, _, _ in first] == [
        number for number in range(1, 7) for _ in range(4)
    ]
    assert len({model for number, model, _ in first if number == 1}) == 2


def test_answers_at_temperature_0_are_the_same_in_every_round(server, tmp_path):
    run = measure(server, rounds=3, output=tmp_path)
    assert run.frame.groupby(["model", "prompt_id"]).text.nunique().eq(1).all()


def test_several_requests_at_once(server, tmp_path):
    run = measure(server, rounds=4, concurrency=3, prompts=["Hello", *PROMPTS], output=tmp_path)
    assert [row["n_ok"] for row in run.summary] == [12, 12]


def test_without_streaming_there_is_no_ttft(server, tmp_path):
    run = measure(server, rounds=1, stream=False, output=tmp_path)
    assert [(row["n_ok"], row["ttft_p50_s"]) for row in run.summary] == [(2, None), (2, None)]
    assert all(row["latency_p50_s"] > 0 for row in run.summary)


def test_a_model_that_does_not_exist_is_skipped_with_the_reason_and_stays_in_the_table(
    server, tmp_path
):
    run = measure(server, models=["pocket-nano", "no-such-model"], rounds=2, output=tmp_path)
    missing = run.summary[1]
    assert (missing["model"], missing["status"], missing["n_ok"], missing["n_skipped"]) == (
        "no-such-model",
        "skipped",
        0,
        4,
    )
    assert "No model is called 'no-such-model'" in missing["error"]
    assert run.summary[0]["n_ok"] == 4


def test_a_failing_model_is_given_up_after_three_failures_and_the_other_goes_on(tmp_path):
    def chat(request):
        return error_answer(500, "broken inside") if request.json["model"] == "bad" else GOOD

    with serving(["good", "bad"], chat) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, models=["bad", "good"], rounds=4, warmup=0, output=tmp_path)
    bad, good = run.summary
    assert (bad["status"], bad["n_ok"], bad["n_failed"], bad["n_skipped"]) == ("failed", 0, 3, 5)
    assert "HTTP 500: broken inside" in bad["error"]
    assert (good["status"], good["n_ok"]) == ("ok", 8)
    assert (
        sum(
            request.path.endswith("completions") and request.json["model"] == "bad"
            for request in endpoint.requests
        )
        == 3
    )


def test_single_failures_are_counted_and_do_not_end_a_model(tmp_path):
    cut = Answer(GOOD.script[:2], "close")
    with serving(["tiny"], [GOOD, cut, GOOD]) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, models=["tiny"], rounds=3, warmup=0, output=tmp_path)
    row = run.summary[0]
    assert (row["status"], row["n_ok"], row["n_failed"]) == ("partial", 5, 1)
    assert [r["error"] for r in run.rows if r["status"] == "failed"] == [row["error"]]
    assert "cut off" in row["error"]


def test_a_killed_runtime_costs_rows_and_not_the_run(own_home, tmp_path, monkeypatch):
    with connect() as server:
        first_pid, original, sent = server.runtime.pid, server.prepare, []

        def prepare(*arguments, **options):
            sent.append(1)
            if len(sent) == 6:
                psutil.Process(first_pid).kill()
                psutil.Process(first_pid).wait()
            return original(*arguments, **options)

        monkeypatch.setattr(server, "prepare", prepare)
        run = measure(server, rounds=4, warmup=0, output=tmp_path)
        assert server.runtime.pid != first_pid
    assert run.status == "finished"
    assert sum(row["n_failed"] for row in run.summary) == 1
    assert sum(row["n_ok"] for row in run.summary) == 15


def test_ctrl_c_keeps_what_was_measured(own_home, tmp_path):
    command = [
        sys.executable,
        "-m",
        "helpers",
        "benchmark",
        "--rounds",
        "5000",
        "--warmup",
        "2",
        "--quiet",
        "--output",
        str(tmp_path),
        "--models",
        "pocket-nano",
        "--prompt",
        "Hello",
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while (
            not (found := list(tmp_path.glob("*/requests.jsonl"))) or found[0].stat().st_size < 5000
        ):
            assert process.poll() is None, process.stderr.read()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    run = load_run(found[0].parent)
    assert process.returncode == 130
    assert "interrupted; what was measured is in" in errors
    assert "Traceback" not in errors
    assert run.status == "interrupted"
    assert run.summary[0]["n_ok"] >= 2
    assert "pocket-nano" in output
    assert "interrupted" in (run.folder / "benchmark_report.md").read_text(encoding="utf-8")


def test_kill_9_loses_no_row_that_was_written(own_home, tmp_path):
    command = [
        sys.executable,
        "-m",
        "helpers",
        "benchmark",
        "--rounds",
        "5000",
        "--warmup",
        "2",
        "--quiet",
        "--output",
        str(tmp_path),
        "--models",
        "pocket-nano",
        "--prompt",
        "Hello",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while (
            not (found := list(tmp_path.glob("*/requests.jsonl"))) or found[0].stat().st_size < 5000
        ):
            assert process.poll() is None
        process.kill()
    run = load_run(found[0].parent)
    assert run.status == "running"
    assert run.summary[0]["n_ok"] >= 2
    assert len(run.rows) >= (found[0].read_text(encoding="utf-8").count("\n"))


def test_an_argument_beats_a_variable_beats_a_default(server, monkeypatch):
    monkeypatch.setenv("BENCH_ROUNDS", "7")
    monkeypatch.setenv("BENCH_MODELS", "pocket-nano, pocket-mini")
    monkeypatch.setenv("BENCH_PROMPT", "From the variable")
    monkeypatch.setenv("BENCH_STREAM", "0")
    plan, origin = make_plan(server)
    assert (plan.rounds, plan.models, plan.stream) == (7, ("pocket-nano", "pocket-mini"), False)
    assert [prompt.text for prompt in plan.prompts.prompts] == ["From the variable"]
    assert {origin[name] for name in ("rounds", "models", "prompts", "stream")} == {
        "BENCH_ROUNDS",
        "BENCH_MODELS",
        "BENCH_PROMPT",
        "BENCH_STREAM",
    }
    plan, origin = make_plan(
        server, rounds=2, models=["pocket-mini"], prompts="session", stream=True
    )
    assert (plan.rounds, plan.models, plan.prompts.name, plan.stream) == (
        2,
        ("pocket-mini",),
        "session",
        True,
    )
    assert {origin[name] for name in ("rounds", "models", "prompts", "stream")} == {"argument"}
    assert origin["max_tokens"] == "default"


def test_by_default_the_courses_models_that_are_here_get_the_meeting_notes(server):
    plan, origin = make_plan(server)
    assert list(plan.models) == ["pocket-mini", "pocket-midi"]  # the others are not in the cache
    assert (plan.prompts.name, plan.rounds, plan.temperature, plan.concurrency) == (
        "meeting-notes",
        3,
        0.0,
        1,
    )
    assert set(origin.values()) == {"default"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rounds": 0}, "rounds: must be greater than or equal to 1, found 0"),
        ({"rounds": -1}, "rounds: must be greater than or equal to 1, found -1"),
        ({"rounds": "many"}, "rounds: must be a valid integer.*found 'many'"),
        ({"temperature": float("nan")}, "temperature: "),
        ({"temperature": 9}, "temperature: must be less than or equal to 2"),
        ({"max_tokens": 0}, "max_tokens: must be greater than or equal to 1"),
        ({"concurrency": 0}, "concurrency: must be greater than or equal to 1"),
        ({"timeout_s": 0}, "timeout_s: must be greater than 0"),
        ({"prompt": "x", "prompts": "session"}, "either a prompt or a prompt set"),
        ({"prompts": []}, "empty"),
        ({"models": " , "}, "Which models"),
    ],
)
def test_a_wrong_setting_is_named_with_what_was_expected(server, settings, said):
    with pytest.raises(UsageError, match=said):
        make_plan(server, **settings)


def test_a_wrong_variable_is_named(server, monkeypatch):
    monkeypatch.setenv("BENCH_ROUNDS", "0")
    with pytest.raises(UsageError, match=r"rounds \(from BENCH_ROUNDS\)"):
        make_plan(server)
    monkeypatch.delenv("BENCH_ROUNDS")
    monkeypatch.setenv("BENCH_STREAM", "perhaps")
    with pytest.raises(
        UsageError, match=r"stream \(from BENCH_STREAM\): must be a valid boolean.*found 'perhaps'"
    ):
        make_plan(server)


def test_a_results_folder_that_cannot_be_written_is_said_before_anything_is_asked(server, tmp_path):
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(Exception, match=r"cannot be written.*--output DIR"):
        measure(server, rounds=1, output=tmp_path / "file" / "results")


def test_two_runs_never_share_a_folder(server, tmp_path):
    runs = [
        measure(
            server, models=["pocket-nano"], prompts=["Hello"], rounds=1, warmup=0, output=tmp_path
        )
        for _ in range(2)
    ]
    assert runs[0].folder != runs[1].folder
    assert load_run(tmp_path).folder == runs[1].folder


def test_row_fields_are_the_documented_ones():
    row = Row("m", None, "p", 1, "measure", "ok")
    assert list(row.to_dict()) == ROW_FIELDS


def test_a_cold_start_is_measured_apart_from_what_is_warm(server, tmp_path):
    run = measure(server, ["pocket-nano"], rounds=2, cold=3, output=tmp_path)
    cold = run.frame[run.frame["phase"] == "cold"]
    about = run.info.models["pocket-nano"]
    assert list(cold["round"]) == [1, 2, 3]
    assert about.cold_ttft_s == pytest.approx(cold["ttft_s"].median())
    assert run.summary[0]["n_ok"] == 4
    assert run.summary[0]["load_s"] > 0


def test_warm_up_goes_on_until_the_latency_has_settled(tmp_path):
    slow = [
        streamed([0.2 - 0.03 * i, event(delta("Hello")), event(usage(5, 2)), DONE])
        for i in range(6)
    ]
    # So long that what a busy machine adds is a small part of it.
    steady = streamed([0.1, event(delta("Hello")), event(usage(5, 2)), DONE])
    with serving(["tiny"], [*slow, steady]) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, ["tiny"], rounds=1, warmup="auto", output=tmp_path)
    warmup = run.info.models["tiny"].warmup
    assert warmup.settled is True
    assert 6 < warmup.requests < 20
    assert sum(run.frame["phase"] == "warmup") == warmup.requests


def test_a_latency_that_never_settles_ends_the_warm_up_and_is_said(tmp_path):
    growing = [
        streamed([0.02 * 1.15**i, event(delta("Hello")), event(usage(5, 2)), DONE])
        for i in range(20)
    ]
    with (
        serving(["tiny"], [*growing, *[GOOD] * 10]) as endpoint,
        connect(endpoint.base_url) as remote,
    ):
        run = measure(remote, ["tiny"], rounds=1, warmup="auto", output=tmp_path)
    warmup = run.info.models["tiny"].warmup
    assert (warmup.requests, warmup.settled) == (20, False)
    assert "tiny had not settled after 20 warm-up requests" in write_report(run).read_text(
        encoding="utf-8"
    )


def test_what_a_model_needs_is_measured_or_its_absence_explained(server, tmp_path):
    run = measure(server, rounds=2, resources=True, output=tmp_path)
    nano, mini = (run.info.models[alias] for alias in ("pocket-nano", "pocket-mini"))
    assert 5 < nano.memory_mb < mini.memory_mb < 200
    assert (nano.disk_mb, mini.disk_mb) == tuple(
        server.resolve(alias).size_mb for alias in ("pocket-nano", "pocket-mini")
    )
    assert nano.energy_source in ("estimate", "RAPL")
    assert nano.energy_j_per_request >= 0
    assert [row["memory_mb"] for row in run.summary] == [nano.memory_mb, mini.memory_mb]


def test_of_a_server_elsewhere_nothing_is_measured_that_cannot_be(tmp_path):
    with serving(["tiny"], GOOD) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, ["tiny"], rounds=1, resources=True, cold=1, output=tmp_path)
    about = run.info.models["tiny"]
    assert [
        getattr(about, name)
        for name in ("memory_mb", "gpu_memory_mb", "energy_j_per_request", "disk_mb", "cold_ttft_s")
    ] == [None] * 5
    assert about.not_measured["memory_mb"].startswith("not measurable from here")
    assert about.not_measured["energy_j_per_request"].startswith("not measurable from here")
    assert "not measurable from here" in write_report(run).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"warmup": -1}, "warmup"),
        ({"warmup": "often"}, "warmup"),
        ({"cold": 21}, "cold: must be less than or equal to 20"),
    ],
)
def test_wrong_settings_of_warm_up_and_cold_starts_are_told(server, settings, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        make_plan(server, **settings)
