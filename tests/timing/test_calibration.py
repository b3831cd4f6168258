"""The instrument measures itself against the real server process. No bounds on speed."""

import contextlib
import dataclasses
import json
import subprocess
import sys
import threading
import time

import numpy as np
import psutil
import pytest

from helpers import calibrate, load_run
from helpers.common.errors import KitError, UsageError
from helpers.timing import calibration, send, stream
from helpers.timing.calibration import ReferenceServer
from helpers.timing.instrument_error import Calibration
from helpers.timing.metrics import held_back
from support.loopback import serving


def servers_of(process: psutil.Process) -> list[psutil.Process]:
    found = []
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):  # also what a zombie of another test raises
            found += [child] if "reference_server.py" in " ".join(child.cmdline()) else []
    return found


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended, or does so within a while; a zombie that nobody has waited for has ended too."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(autouse=True)
def no_server_stays_behind():
    yield
    assert servers_of(psutil.Process()) == []


@pytest.fixture
def wrapped(monkeypatch):
    """Puts a function around the reading of an answer: it gets the timeline and the name of the request, and returns a timeline."""
    real = send.read

    def wrap(change):
        monkeypatch.setattr(
            send, "read", lambda exchange: change(real(exchange), exchange.body["user"])
        )

    return wrap


def later(timeline, by_s: float, stretch: float = 1.0):
    """The timeline as a client would see it that is late by `by_s`, and whose clock runs faster by `stretch`."""
    first = timeline.chunk_times_s[0]
    times = tuple(first + (t - first) * stretch + by_s for t in timeline.chunk_times_s)
    return dataclasses.replace(
        timeline, chunk_times_s=times, first_answer_s=times[0], latency_s=times[-1]
    )


# The server --------------------------------------------------------------------------------------------------------


def test_the_server_keeps_a_log_of_its_own():
    with ReferenceServer() as server:
        timeline = stream.send(calibration._request(server.url, 12, "one"))
        log = server.log()
    assert (
        timeline.status,
        timeline.completion_tokens,
        len(timeline.chunk_times_s),
        timeline.finish_reason,
    ) == ("ok", 12, 12, "stop")
    assert list(log) == ["one"]
    assert len(log["one"]["sent_at"]) == 12


def test_no_token_is_sent_before_its_time():
    with ReferenceServer() as server:
        stream.send(calibration._request(server.url, 30, "one"))
        entry = server.log()["one"]
    late = [sent - entry["read_at"] - 0.050 - 0.005 * i for i, sent in enumerate(entry["sent_at"])]
    assert min(late) > -0.0001


def test_a_server_that_was_held_up_catches_up_with_its_schedule():
    """An absolute schedule: a delay of one token does not move the ones after it."""
    with ReferenceServer() as server:
        process = psutil.Process(server.pid)
        asking = threading.Thread(
            target=stream.send,
            args=(calibration._request(server.url, 200, "one"),),
        )
        asking.start()
        while not server.log():
            time.sleep(0.01)
        time.sleep(0.1)
        process.suspend()
        time.sleep(0.2)
        process.resume()
        asking.join()
        entry = server.log()["one"]
    late = [sent - entry["read_at"] - 0.050 - 0.005 * i for i, sent in enumerate(entry["sent_at"])]
    assert max(late) > 0.1
    assert late[-1] < max(late) / 2


def test_a_server_that_does_not_start_is_told_with_its_last_word(monkeypatch, tmp_path):
    program = tmp_path / "reference_server.py"
    program.write_text("raise SystemExit('no loopback here')", encoding="utf-8")
    monkeypatch.setattr(calibration, "PROGRAM", program)
    with pytest.raises(KitError, match="did not start: no loopback here"):
        calibrate(progress=False)


# The error ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 4])
def test_errors_are_client_minus_server_request_by_request(wrapped, monkeypatch, concurrency):
    """The same figures, reckoned here from the timelines and the log that went through."""
    seen, logs, real = {}, [], ReferenceServer.log
    wrapped(lambda timeline, name: seen.setdefault(name, later(timeline, 0.002 * len(seen), 1.1)))
    monkeypatch.setattr(ReferenceServer, "log", lambda self: logs.append(real(self)) or logs[0])
    found = calibrate(concurrency, requests=24, tokens=9, progress=False)
    asked = [name for name in seen if name.startswith("measure")]
    true = {name: np.array(logs[0][name]["sent_at"]) - logs[0][name]["read_at"] for name in asked}
    times = {name: np.array(seen[name].chunk_times_s) for name in asked}
    first = [times[name][0] - true[name][0] for name in asked]
    clear = [
        name for name in asked if not held_back(seen[name].chunk_times_s)
    ]  # on a busy machine tokens may arrive in company
    steps = [abs(np.diff(times[name]).mean() - np.diff(true[name]).mean()) for name in clear]
    assert len(asked) == found.n == 24
    assert found.ttft_error_p50_s == pytest.approx(np.median(first))
    assert found.ttft_error_p95_s == pytest.approx(np.percentile(first, 95))
    assert found.itl_error_s == pytest.approx(np.median(steps))
    assert found.latency_error_p50_s == pytest.approx(
        np.median([times[name][-1] - true[name][-1] for name in asked])
    )


def test_a_client_that_is_30_ms_late_is_found_out(wrapped):
    wrapped(lambda timeline, _: later(timeline, 0.030))
    found = calibrate(requests=5, tokens=8, progress=False)
    assert found.ttft_error_p50_s >= 0.025
    assert found.latency_error_p50_s >= 0.025


def test_errors_of_both_signs_do_not_hide_each_other(wrapped):
    """Half of the clocks run fast and half slow: the median ITL would be right, no single one is."""
    wrapped(lambda timeline, name: later(timeline, 0, 2.0 if int(name.split()[1]) % 2 else 0.1))
    assert calibrate(requests=6, tokens=8, progress=False).itl_error_s > 0.003


def test_answers_and_tokens_are_counted_at_four_streams():
    found = calibrate(4, requests=10, tokens=7, progress=False)
    assert (found.concurrency, found.n, found.tokens, found.failures, found.ok) == (
        4,
        10,
        70,
        0,
        True,
    )
    assert found.cpu_s_per_token > 0


def test_as_many_requests_are_under_way_as_were_asked_for(monkeypatch):
    """By the server's log: never more than 4 at once, and 4 at some time."""
    logs, real = [], ReferenceServer.log
    monkeypatch.setattr(ReferenceServer, "log", lambda self: logs.append(real(self)) or logs[0])
    calibrate(4, requests=12, tokens=10, progress=False)
    entries = [entry for name, entry in logs[0].items() if name.startswith("measure")]
    at_once = [
        sum(e["read_at"] <= entry["read_at"] <= e["sent_at"][-1] for e in entries)
        for entry in entries
    ]
    assert max(at_once) == 4


def test_no_p95_below_20_answers():
    assert calibrate(2, requests=19, tokens=2, progress=False).ttft_error_p95_s is None
    assert calibrate(2, requests=20, tokens=2, progress=False).ttft_error_p95_s is not None


def test_the_warm_up_is_not_measured(wrapped):
    """Warm-up requests that are a second late leave the figures alone."""
    names = []
    wrapped(
        lambda timeline, name: (
            names.append(name) or (later(timeline, 1.0) if name.startswith("warmup") else timeline)
        )
    )
    found = calibrate(requests=2, tokens=4, progress=False)
    assert names == ["warmup 0", "warmup 1", "measure 0", "measure 1"]
    assert (found.n, found.tokens) == (2, 8)
    assert found.ttft_error_p50_s < 1.0


# Failures ----------------------------------------------------------------------------------------------------------


def test_a_server_that_dies_midway_leaves_failures_and_no_figure(wrapped):
    def kill_after_three(timeline, name):
        if name == "measure 2":
            for process in servers_of(psutil.Process()):
                process.kill()
                process.wait(10)
        return timeline

    wrapped(kill_after_three)
    found = calibrate(requests=8, tokens=3, progress=False)
    assert (found.n, found.tokens, found.failures, found.ok) == (3, 9, 5, False)
    answered, problem = found.sentences()
    assert answered == "3 answers at 1 stream, 5 failed."
    assert problem.startswith(
        "The client's own error is not known: the server's log could not be read"
    )
    assert found.ttft_error_p50_s is found.itl_error_s is None


def test_a_failed_request_is_counted_and_the_others_measured(wrapped):
    wrapped(
        lambda timeline, name: (
            dataclasses.replace(timeline, status="failed", error="cut")
            if name == "measure 1"
            else timeline
        )
    )
    found = calibrate(requests=4, tokens=3, progress=False)
    assert (found.n, found.tokens, found.failures, found.ok) == (3, 9, 1, True)


def test_when_every_request_fails_the_reason_is_told(wrapped):
    wrapped(lambda timeline, _: dataclasses.replace(timeline, status="failed", error="cut off"))
    found = calibrate(requests=2, tokens=3, progress=False)
    assert (found.n, found.failures, found.ok) == (0, 2, False)
    assert "no request was answered (cut off)" in str(found)
    assert "-" in str(found.table())


@pytest.mark.parametrize("concurrency", [1, 4])
@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_the_server_ends_when_the_caller_raises(wrapped, concurrency, error):
    servers = []

    def fail(timeline, name):
        servers[:] = servers or servers_of(psutil.Process())
        if name == "measure 3":
            raise error
        return timeline

    wrapped(fail)
    with pytest.raises(error):
        calibrate(concurrency, requests=40, tokens=3, progress=False)
    assert len(servers) == 1
    assert gone(servers[0])


def test_the_server_ends_when_the_caller_is_killed():
    """Killed in the middle of its requests, when the server has long said its port."""
    script = """
import os
from helpers.timing import calibration, transport
real = transport.Streams.start
def start(*given, **options):
    os.write(1, b"sent\\n")
    return real(*given, **options)
transport.Streams.start = start
calibration.calibrate(2, requests=2000, progress=False)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as caller:
        assert [caller.stdout.readline() for _ in range(6)] == [b"sent\n"] * 6
        servers = servers_of(psutil.Process(caller.pid))
        caller.kill()
    assert len(servers) == 1
    assert gone(servers[0])


@pytest.mark.parametrize("setting", ["concurrency", "requests", "tokens"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "x", "", float("nan"), float("inf"), True, 10**6])
def test_a_wrong_number_is_refused(setting, value):
    with pytest.raises(
        UsageError, match=f"^{setting}: must be a whole number from [12] to [0-9]+, found "
    ):
        calibrate(**{setting: value})


# The command line --------------------------------------------------------------------------------------------------


def test_the_command_prints_figures_as_json(helpers_command):
    done = helpers_command("calibrate", "--concurrency", "8", "--json")
    assert done.returncode == 0, done.stderr
    found = Calibration(**json.loads(done.stdout))
    assert (found.concurrency, found.n, found.tokens, found.failures) == (8, 80, 80 * 64, 0)


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "many", "", "257"])
def test_a_wrong_concurrency_is_one_sentence(command_here, value):
    done = command_here("calibrate", "--concurrency", value)
    assert (done.returncode, done.stdout) == (2, "")
    assert (
        done.stderr
        == f"error: concurrency: must be a whole number from 1 to 256, found '{value}'.\n"
    )


def test_a_benchmark_takes_its_calibration_along(command_here, tmp_path):
    with serving(["tiny"]) as endpoint:
        arguments = (
            "--endpoint",
            endpoint.base_url,
            "--models",
            "tiny",
            "--prompt",
            "Hello",
            "--rounds",
            "16",
            "--concurrency",
            "4",
        )
        done = command_here("benchmark", *arguments, "--calibrate", "--output", str(tmp_path))
    assert done.returncode == 0, done.stderr
    run = load_run(tmp_path)
    assert (run.info.calibration["concurrency"], run.info.calibration["n"]) == (4, 40)
    assert "own error at 4 streams" in (run.folder / "benchmark_report.md").read_text(
        encoding="utf-8"
    )


def test_a_resumed_run_is_not_calibrated_again(command_here):
    done = command_here("benchmark", "--calibrate", "--resume")
    assert done.returncode == 2
    assert done.stderr.startswith("error: Give either --calibrate or --resume, not both")
