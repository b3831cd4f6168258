"""Requests side by side, in a sweep and at a rate: what is sent when, what is counted from when, and what a report says of it."""

import signal
import statistics
import subprocess
import sys
import threading
import time
from itertools import pairwise

import pytest

from helpers import benchmark, connect, load_run, write_report
from helpers.common.errors import UsageError
from helpers.measure.plan import Slo, make_plan
from helpers.measure.resumption import resume
from helpers.report import load_test
from helpers.timing import send
from helpers.timing.send import arrivals
from support.loopback import DONE, Answer, delta, error_answer, event, serving, streamed, usage
from support.records import TWO, answer, edit_info, failure, record

PROMPTS = ["One", "Two", "Three", "Four"]
GOOD = [event(delta("Hello")), 0.02, event(delta(" world")), event(usage(5, 2)), DONE]


def measure(remote, folder, models=("tiny",), prompts=PROMPTS, **settings):
    return benchmark(
        remote, list(models), prompts, progress=False, output=folder, warmup=0, **settings
    )


def spans(endpoint) -> list[tuple[float, float]]:
    """When each request was read and when its last text was sent, by the server's clock."""
    return [(r.read_at, r.sent_at[2]) for r in endpoint.requests if r.path.endswith("completions")]


def most_at_once(found) -> int:
    return max(sum(start <= at < end for start, end in found) for at, _ in found)


def keys(run) -> list[tuple]:
    return [
        (row["model"], row["prompt_id"], row["round"], row["concurrency"])
        for row in run.rows
        if row["phase"] == "measure"
    ]


# Closed loop -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 3])
def test_as_many_requests_are_under_way_as_were_asked_for(tmp_path, concurrency):
    with (
        serving(
            ["tiny"], streamed([event(delta("Hello")), 0.1, event(delta(" world")), DONE])
        ) as endpoint,
        connect(endpoint.base_url) as remote,
    ):
        run = measure(remote, tmp_path, rounds=3, concurrency=concurrency)
        assert most_at_once(spans(endpoint)) == concurrency
    assert run.summary[0]["n_ok"] == 12
    assert {row["concurrency"] for row in run.rows} == {concurrency}


@pytest.mark.parametrize(
    ("settings", "before"),
    [
        ({"concurrency": 4}, 0),
        ({"concurrency": [1, 4]}, 16),
    ],
)
def test_what_was_in_flight_is_what_the_server_counted(tmp_path, settings, before):
    """One prompt: the level is kept over the rounds, or never reached."""
    slow = streamed([event(delta("Hello")), 0.1, event(delta(" world")), event(usage(5, 2)), DONE])
    with serving(["tiny"], slow) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, tmp_path, prompts=["One"], rounds=16, **settings)
        asked = [r for r in endpoint.requests if r.path.endswith("completions")][before:]
    filling, measured = asked[:4], asked[4:]
    assert len(measured) == 16
    # To `[DONE]`, by which the client ends: it may have sent its next request before the server notes the rest.
    assert most_at_once([(r.read_at, r.sent_at[-2]) for r in asked]) == 4
    first, last = measured[0].read_at, measured[-1].read_at
    within = [min(r.ended_at, last) - max(r.read_at, first) for r in [*filling, *measured]]
    counted = sum(max(seconds, 0) for seconds in within) / (last - first)
    level = load_test.levels(run)[-1]
    assert level.concurrency == 4
    # The client sees each request a little longer than the server: the way there and back.
    assert 1.5 < counted * 0.95 <= level.in_flight <= 4
    if not before:
        assert run.summary[0]["in_flight"] == level.in_flight
        assert "in flight" in run.table().headers
    assert [row["phase"] for row in run.rows if row["concurrency"] == 4][:4] == ["warmup"] * 4
    words = "mean number of requests under way" if before else "in flight on average"
    assert words in write_report(run).read_text(encoding="utf-8")


def test_a_record_in_which_each_round_waited_says_that_one_was_in_flight(tmp_path):
    """As older kits measured: two prompts one by one in 32 rounds, labeled 16."""
    rows = [
        at(float(i), 1.0, i // 2, prompt=("short", "long")[i % 2], concurrency=16)
        for i in range(64)
    ]
    run = record(tmp_path, {"small": TWO["small"]}, rows, concurrency=16)
    assert load_test.levels(run)[0].in_flight == pytest.approx(1.0)
    assert load_test.findings(run)[-1] == (
        "small: 16 at once were asked for, and 1 in flight on average is what happened."
    )
    assert "concurrency 16 (1 in flight on average)" in write_report(run).read_text("utf-8")


def test_a_plan_too_short_for_its_concurrency_is_refused_with_the_numbers(remote):
    with pytest.raises(UsageError) as error:
        make_plan(remote, models=["tiny"], prompt="One", rounds=16, concurrency="1,16")
    assert str(error.value) == (
        "concurrency 16: it takes 64 requests for each model to keep it, and the plan has 16; "
        "ask for 64 rounds, or for less."
    )
    make_plan(remote, models=["tiny"], prompt="One", rounds=64, concurrency="1,16")


def test_alone_a_request_is_on_record_before_the_next_is_made(tmp_path, monkeypatch):
    seen = []
    with serving(["tiny"], streamed(GOOD)) as endpoint, connect(endpoint.base_url) as remote:
        original = remote.prepare

        def prepare(*arguments, **options):
            seen.append(
                sum(path.read_bytes().count(b"\n") for path in tmp_path.glob("*/requests.jsonl"))
            )
            return original(*arguments, **options)

        monkeypatch.setattr(remote, "prepare", prepare)
        measure(remote, tmp_path, rounds=2)
    assert seen == list(range(8))


def test_times_of_a_row_follow_one_clock_over_all_blocks(tmp_path):
    with serving(["a", "b"], streamed(GOOD)) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, tmp_path, models=["a", "b"], rounds=3)
    for row in run.rows:
        assert row["scheduled_s"] is None
        assert row["connect_s"] > 0
        assert row["sent_s"] + row["latency_s"] <= row["ended_s"] + 1e-6
    assert all(one["ended_s"] <= two["sent_s"] for one, two in pairwise(run.rows))


# Sweep -------------------------------------------------------------------------------------------------------------


def test_a_sweep_asks_every_prompt_at_every_level(tmp_path):
    with serving(["a", "b"], streamed(GOOD)) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, tmp_path, models=["a", "b"], rounds=4, concurrency="1,2,4")
        assert most_at_once(spans(endpoint)) == 4
    assert sorted(keys(run)) == sorted(
        (m, f"p{p}", r, c)
        for m in "ab"
        for p in (1, 2, 3, 4)
        for r in (1, 2, 3, 4)
        for c in (1, 2, 4)
    )
    assert (run.info.plan.concurrency, run.info.plan.sweep) == (1, (1, 2, 4))
    assert [(level.model, level.concurrency, level.n_ok) for level in load_test.levels(run)] == [
        (m, c, 16) for m in "ab" for c in (1, 2, 4)
    ]


def test_headline_figures_of_a_sweep_are_those_of_its_first_level(tmp_path):
    rows = [
        answer("small", p, n, s, concurrency=c)
        for c, s in ((2, 0.1), (4, 9.0))
        for p in ("short", "long")
        for n in (1, 2, 3)
    ]
    run = record(tmp_path, {"small": TWO["small"]}, rows, concurrency=2, sweep=[2, 4])
    assert (run.summary[0]["n_ok"], run.summary[0]["latency_p50_s"]) == (6, pytest.approx(0.1))
    assert set(run.values("small", "latency_s")["short"]) == {0.1}


@pytest.mark.parametrize("settings", [{"concurrency": [1, 3]}, {"rate": 200}])
def test_a_run_under_load_is_resumed_without_a_lost_or_repeated_row(tmp_path, settings):
    with serving(["a", "b"], streamed(GOOD)) as endpoint, connect(endpoint.base_url) as remote:
        whole = measure(remote, tmp_path, models=["a", "b"], rounds=3, **settings)
        lines = (whole.folder / "requests.jsonl").read_bytes().splitlines(keepends=True)
        (whole.folder / "requests.jsonl").write_bytes(b"".join(lines[:11]) + lines[11][:20])
        edit_info(whole, status="running")
        again = resume(remote, whole.folder, progress=False)
    assert sorted(keys(again)) == sorted(keys(whole))
    assert min(row["sent_s"] for row in again.rows[11:]) >= max(
        row["ended_s"] for row in again.rows[:11]
    )


def test_a_resumed_sweep_must_be_the_same_sweep(tmp_path):
    with serving(["tiny"], streamed(GOOD)) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, tmp_path, rounds=4, concurrency=[1, 2])
        edit_info(run, status="running")
        with pytest.raises(UsageError, match=r"sweep was 1, 2, asked is 1, 4"):
            resume(remote, run.folder, concurrency="1,4", progress=False)


# Open loop ---------------------------------------------------------------------------------------------------------


def test_arrivals_are_a_seeded_poisson_process():
    due = arrivals(50, 20_001, "a")
    gaps = [later - at for at, later in pairwise(due)]
    assert due[0] == 0
    assert due == arrivals(50, 20_001, "a") != arrivals(50, 20_001, "b")
    assert statistics.mean(gaps) == pytest.approx(0.02, rel=0.03)
    assert statistics.stdev(gaps) == pytest.approx(
        0.02, rel=0.05
    )  # exponential: spread and mean are the same


def test_what_is_due_is_sent_even_when_others_hang(tmp_path):
    """The first three never answer. All others are asked and answered while those hang."""
    release, lock, count = threading.Event(), threading.Lock(), []

    def chat(request):
        with lock:
            count.append(1)
            number = len(count)
        if number <= 3:
            release.wait(20)
            return Answer([], "reset")
        if number == 12:
            release.set()
        return streamed(GOOD)

    with serving(["tiny"], chat) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, tmp_path, rounds=3, rate=100)
    assert [row["status"] for row in run.rows].count("failed") == 3
    assert run.summary[0]["n_ok"] == 9


def test_requests_are_sent_at_their_times_and_never_before(tmp_path):
    with serving(["tiny"], streamed(GOOD)) as endpoint, connect(endpoint.base_url) as remote:
        run = measure(remote, tmp_path, rounds=3, rate=40, seed=7)
    rows = sorted(run.rows, key=lambda row: row["scheduled_s"])
    assert all(row["sent_s"] >= row["scheduled_s"] for row in rows)
    due = arrivals(40, 12, "7 tiny")
    assert [row["scheduled_s"] - rows[0]["scheduled_s"] for row in rows] == pytest.approx(due)


def test_everything_counts_from_when_a_request_was_due(tmp_path, monkeypatch):
    """Two connections for requests that come faster than they are answered: the wait for a connection is part of the figures."""
    monkeypatch.setattr(send, "MAX_OPEN", 2)
    with serving(
        ["tiny"],
        streamed([event(delta("Hello")), 0.1, event(delta(" world")), event(usage(5, 2)), DONE]),
    ) as endpoint:
        with connect(endpoint.base_url) as remote:
            run = measure(remote, tmp_path, rounds=2, rate=1000)
        assert most_at_once(spans(endpoint)) == 2
    for row in run.rows:
        waited = row["sent_s"] - row["scheduled_s"]
        assert row["ttft_s"] == pytest.approx(waited + row["chunk_times_s"][0], abs=1e-5)
        assert row["latency_s"] == pytest.approx(waited + row["chunk_times_s"][-1], abs=1e-5)
        assert row["ttfo_s"] == row["ttft_s"]
        assert row["itl_s"] == pytest.approx(
            row["chunk_times_s"][1] - row["chunk_times_s"][0], abs=1e-5
        )
    assert max(row["latency_s"] for row in run.rows) > 0.29  # four pairs, one after the other


def test_ctrl_c_at_a_rate_keeps_what_was_measured(tmp_path):
    with serving(["tiny"], streamed(GOOD)) as endpoint:
        options = [
            "--endpoint",
            endpoint.base_url,
            "--models",
            "tiny",
            "--prompt",
            "Hello",
            "--rounds",
            "5000",
            "--warmup",
            "2",
            "--rate",
            "100",
        ]
        command = [
            sys.executable,
            "-m",
            "helpers",
            "benchmark",
            "--quiet",
            "--output",
            str(tmp_path),
            *options,
        ]
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            while (
                not (found := list(tmp_path.glob("*/requests.jsonl")))
                or found[0].read_bytes().count(b"\n") < 20
            ):
                assert process.poll() is None, process.stderr.read()
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
    run = load_run(found[0].parent)
    assert (process.returncode, run.status) == (130, "interrupted")
    assert "Traceback" not in errors
    assert run.summary[0]["n_ok"] == int((run.frame["phase"] == "measure").sum()) > 0
    assert len(run.frame) >= 20


# Goodput and throughput --------------------------------------------------------------------------------------------


def at(start: float, latency_s: float, number: int = 1, **fields):
    return answer(
        "small",
        fields.pop("prompt", f"{start} and {latency_s}"),
        number,
        latency_s,
        sent_s=start,
        ended_s=start + latency_s,
        **fields,
    )


def level_of(folder, rows, **plan):
    return load_test.levels(record(folder, {"small": TWO["small"]}, rows, **plan))[0]


def test_throughput_counts_whole_blocks_and_overlapping_rounds_once(tmp_path):
    rows = [at(0.0, 1.0), at(0.5, 1.0), at(1.2, 0.8, 2), at(1.6, 0.4, 2), at(5.0, 1.0, 3)]
    level = level_of(tmp_path, rows)
    assert level.seconds == pytest.approx(3.0)  # 0 to 2 and 5 to 6
    assert level.requests_per_s == pytest.approx(5 / 3)
    assert level.tokens_per_s == pytest.approx(5 * 11 / 3)


def test_several_streams_count_from_full_to_the_last_one_sent(tmp_path):
    """Five waves of four, a second each: the first fills the level up, the last runs out."""
    waves = [
        at(float(n), 1.0, n, prompt=f"p{i}", concurrency=4, phase="measure" if n else "warmup")
        for n in range(5)
        for i in range(4)
    ]
    level = level_of(tmp_path, waves, concurrency=4, slo={"latency_s": 2.0})
    assert (level.n_ok, level.seconds, level.in_flight) == (16, 3.0, 4.0)
    assert (level.requests_per_s, level.goodput_per_s, level.tokens_per_s) == (4.0, 4.0, 44.0)


def test_a_failed_request_takes_time_and_keeps_no_limit(tmp_path):
    failed = failure("small", "long", 1)
    rows = [at(0.0, 1.0), type(failed)(**{**failed.__dict__, "sent_s": 0.0, "ended_s": 4.0})]
    level = level_of(tmp_path, rows, slo={"latency_s": 2.0})
    assert (level.n_ok, level.n_failed, level.seconds) == (1, 1, 4.0)
    assert level.goodput_per_s == level.requests_per_s == 0.25


def test_without_all_token_counts_there_is_no_token_throughput(tmp_path):
    assert level_of(tmp_path, [at(0.0, 1.0), at(1.0, 1.0, tokens=None)]).tokens_per_s is None


@pytest.mark.parametrize(
    ("slo", "good"),
    [
        (
            {"ttft_s": 0.1},
            2,
        ),  # of answers with a latency of 0.5, 1 and 2 s, a tenth of it TTFT, 0.09 of it ITL
        ({"ttft_s": 0.09}, 1),
        ({"itl_s": 0.09}, 2),
        ({"latency_s": 2.0}, 3),
        ({"ttft_s": 0.2, "latency_s": 0.6}, 1),
        ({"latency_s": 0.4}, 0),
    ],
)
def test_goodput_is_of_requests_that_keep_all_limits(tmp_path, slo, good):
    rows = [at(0.0, 0.5), at(0.5, 1.0), at(1.5, 2.0)]
    assert level_of(tmp_path, rows, slo=slo).goodput_per_s == pytest.approx(good / 3.5)


def test_an_unknown_itl_keeps_a_limit_only_when_it_must(tmp_path):
    """Held back on the way: latency / (tokens - 1) is the longest that it can be. Without a token count nothing is known."""
    hidden = {"itl_s": None, "output_tokens_per_s": None}
    rows = [at(0.0, 1.0, **hidden), at(1.0, 2.0, **hidden), at(3.0, 1.0, tokens=None, **hidden)]
    assert level_of(tmp_path, rows, slo={"itl_s": 0.1}).goodput_per_s == pytest.approx(1 / 4)


# What is shown -----------------------------------------------------------------------------------------------------


def sweep_run(folder):
    """Two models; `small` gains until 4 streams, `large` nothing."""
    rows = []
    for model, times in (
        ("small", {1: 0.1, 2: 0.1, 4: 0.12, 8: 0.24}),
        ("large", {1: 0.2, 2: 0.4, 4: 0.8, 8: 1.6}),
    ):
        for level, latency_s in times.items():
            rows += [
                answer(
                    model,
                    "short",
                    n,
                    latency_s,
                    concurrency=level,
                    sent_s=n // level * latency_s,
                    ended_s=(n // level + 1) * latency_s,
                )
                for n in range(24)
            ]
    return record(folder, TWO, rows, sweep=[1, 2, 4, 8], slo={"latency_s": 0.13})


def test_the_report_of_a_sweep_says_where_throughput_ends(tmp_path):
    run = sweep_run(tmp_path)
    assert load_test.findings(run) == [
        "small: from 1 stream to 4, throughput grows 3.3 times, to 367 output tokens/s, and the median latency 1.2 times, to 120 ms. More streams than that add little.",
        "large: more than 1 stream only adds waiting; throughput stays at 55 output tokens/s.",
        "small: 33.3 requests/s met latency 0.13 s at 4 streams.",
        "large: no request met latency 0.13 s.",
    ]
    text = write_report(run).read_text(encoding="utf-8")
    assert "## Load" in text
    assert "![Median latency against throughput" in text
    assert (run.folder / "load.svg").stat().st_size > 5000
    assert "All other figures of this report are for 1 stream" in text


@pytest.mark.parametrize(("last", "said"), [(0.5, "A queue formed"), (0.1, "No queue formed")])
def test_the_report_of_an_open_loop_says_whether_a_queue_formed(tmp_path, last, said):
    rows = [
        answer(
            "small",
            "short",
            n,
            0.1 + (last - 0.1) * n / 40,
            scheduled_s=n / 10,
            sent_s=n / 10 + 0.001,
            ended_s=n / 10 + 0.6,
        )
        for n in range(40)
    ]
    run = record(tmp_path, {"small": TWO["small"]}, rows, rate=10.0)
    (sentence,) = load_test.findings(run)
    assert sentence.startswith("small at 10 requests/s: the median latency is 1")
    assert said in sentence
    assert load_test.levels(run)[0].late_p95_s == pytest.approx(0.001)
    assert "count from when a request was due" in write_report(run).read_text(encoding="utf-8")


def test_a_run_without_load_has_no_such_section_and_a_curve_that_says_so(tmp_path):
    run = record(tmp_path, {"small": TWO["small"]}, [at(0.0, 1.0)])
    assert "## Load" not in write_report(run).read_text(encoding="utf-8")
    assert load_test.curve(run).finding.startswith("This run has one level of load")
    assert (
        load_test.levels(
            record(tmp_path, {"small": TWO["small"]}, [answer("small", "short", 1, 0.1)])
        )
        == []
    )  # an older record


# Settings ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def remote():
    with serving(["tiny"], streamed(GOOD)) as endpoint, connect(endpoint.base_url) as found:
        yield found


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"rate": float("nan")}, r"^rate: .*found nan; allowed is above 0, up to 1,000\.$"),
        ({"rate": "nan"}, "allowed is above 0, up to 1,000"),
        ({"rate": 0}, "allowed is above 0, up to 1,000"),
        ({"rate": -1}, "allowed is above 0, up to 1,000"),
        ({"rate": 1e9}, "allowed is above 0, up to 1,000"),
        ({"rate": "fast"}, "allowed is above 0, up to 1,000"),
        ({"timeout_s": float("nan")}, r"^timeout_s: .*allowed is above 0, up to 86,400"),
        ({"timeout_s": 0}, "allowed is above 0, up to 86,400"),
        ({"concurrency": "1,x"}, "^concurrency: .*found 'x'; allowed is 1 to 256"),
        ({"concurrency": [1, 257]}, "^concurrency: .*found 257; allowed is 1 to 256"),
        ({"concurrency": "1,,2"}, "allowed is 1 to 256"),
        ({"concurrency": []}, "found none"),
        ({"rate": 5, "concurrency": 2}, "either a rate or a concurrency"),
        ({"rate": 5, "concurrency": "1,2"}, "either a rate or a concurrency"),
        ({"slo": "ttft=1", "stream": False}, "when answers are streamed"),
        *(({"slo": text}, "^slo: expected limits like ttft=0.5,itl=0.05,latency=5, in seconds, each above 0 and up to 86,400; found ") for text in (
            "ttft=nan", "ttft=inf", "ttft=-1", "ttft=0", "ttft=1e9", "ttft", "ttft=", "=1", "speed=1", "ttft=1,ttft=2", "ttft=1,,", "",
        )),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_the_allowed_range(remote, settings, said):
    with pytest.raises(UsageError, match=said):
        make_plan(remote, models=["tiny"], prompts=PROMPTS, **settings)


def test_limits_are_read_in_any_order_and_come_back_from_the_record(remote):
    plan, _ = make_plan(remote, models=["tiny"], prompts=PROMPTS, slo=" latency=5, ttft=0.5")
    assert plan.slo == Slo(ttft_s=0.5, latency_s=5)
    assert type(plan).model_validate(plan.model_dump(mode="json")) == plan


# Bad servers -------------------------------------------------------------------------------------------------------


def test_a_refusal_for_a_while_is_a_failed_row_and_nothing_is_sent_twice(tmp_path):
    refusal = error_answer(429, "Rate limit reached")
    refusal = Answer([refusal.script[0].replace(b"\r\n\r\n", b"\r\nRetry-After: 7\r\n\r\n", 1)])
    with (
        serving(["tiny"], [refusal, streamed(GOOD)]) as endpoint,
        connect(endpoint.base_url) as remote,
    ):
        run = measure(remote, tmp_path, rounds=1)
        asked = sum(request.path.endswith("completions") for request in endpoint.requests)
    assert (run.summary[0]["n_ok"], run.summary[0]["n_failed"], asked) == (3, 1, 4)
    assert (
        run.summary[0]["error"]
        == "HTTP 429: Rate limit reached (the server asks to wait: Retry-After 7)"
    )


def test_a_wrong_key_is_a_reason_and_shown_nowhere(tmp_path):
    key = "sk-wrong-key-987"

    def chat(request):
        return error_answer(401, f"Incorrect API key: {request.headers['Authorization']}")

    with serving(["tiny"], chat) as endpoint, connect(endpoint.base_url, key=key) as remote:
        run = measure(remote, tmp_path, rounds=2, concurrency=2)
    write_report(run)
    assert run.summary[0]["error"].startswith(
        "skipped after 3 failures in a row; the last: HTTP 401: Incorrect API key"
    )
    assert not [path for path in run.folder.iterdir() if key.encode() in path.read_bytes()]
