"""A run that was killed, interrupted or cut off goes on where it was: nothing lost, nothing measured twice."""

import json
import subprocess
import sys
import time
from collections import Counter

import filelock
import pytest

from helpers import benchmark as full_benchmark
from helpers import connect, load_run, write_report
from helpers.common.errors import UsageError
from helpers.measure.resumption import resume
from support.loopback import DONE, delta, error_answer, event, serving, streamed, usage
from support.records import edit_info

PROMPTS = ["Hello", "List 3 privacy benefits of local inference.", "Who are you?"]
GOOD = streamed([event(delta("Hello")), 0.01, event(delta(" world")), event(usage(5, 2)), DONE])


def benchmark(*arguments, **settings):
    return full_benchmark(*arguments, **{"warmup": 2, "cold": 0, "resources": False, **settings})


def killed_run(folder, rows: int, rounds: int):
    """The folder of a real run whose process was killed with SIGKILL after at least `rows` rows."""
    prompts = folder / "prompts.json"
    prompts.write_text(json.dumps(PROMPTS), encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "helpers",
        "benchmark",
        "--quiet",
        "--rounds",
        str(rounds),
        "--prompts",
        str(prompts),
        "--output",
        str(folder),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        while (
            not (found := list(folder.glob("*/requests.jsonl")))
            or found[0].read_bytes().count(b"\n") < rows
        ):
            assert process.poll() is None
            time.sleep(0.005)
        process.kill()
    return found[0].parent


def interrupted(run, keep: int):
    """Make a finished run look as a kill leaves it: only `keep` rows, the next one half-written, status running."""
    lines = (run.folder / "requests.jsonl").read_bytes().splitlines(keepends=True)
    (run.folder / "requests.jsonl").write_bytes(
        b"".join(lines[:keep]) + lines[keep][: len(lines[keep]) // 2]
    )
    return edit_info(run, status="running", finished_at=None)


def in_order(run) -> list[tuple]:
    rows = run.headline
    return list(zip(rows["model"], rows["prompt_id"], rows["round"], strict=True))


def measured(run) -> Counter:
    return Counter(in_order(run))


def whole_plan(run) -> Counter:
    return Counter(
        (model, prompt, number)
        for model in run.info.plan.models
        for prompt in run.prompts
        for number in range(1, run.info.plan.rounds + 1)
    )


@pytest.mark.parametrize(("rows", "rounds"), [(1, 4), (25, 8), (60, 14)])
def test_after_kill_9_the_plan_is_finished_without_a_lost_or_repeated_row(
    server, tmp_path, rows, rounds
):
    folder = killed_run(tmp_path, rows, rounds)
    before = (folder / "requests.jsonl").read_bytes().rpartition(b"\n")[0]
    run = resume(server, folder, progress=False)
    assert run.status == "finished"
    assert measured(run) == whole_plan(run)
    assert (folder / "requests.jsonl").read_bytes().startswith(before)


def test_a_half_written_last_line_is_cut_off_and_measured_again(server, tmp_path):
    run = interrupted(
        benchmark(server, ["pocket-nano"], PROMPTS, rounds=4, progress=False, output=tmp_path),
        keep=7,
    )
    assert len(run.rows) == 7
    again = resume(server, run.folder, progress=False)
    assert measured(again) == whole_plan(again)
    assert all(
        json.loads(line)
        for line in (run.folder / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    )


def test_the_order_of_what_is_left_is_that_of_the_plan(server, tmp_path):
    whole = benchmark(
        server,
        ["pocket-nano", "pocket-mini"],
        PROMPTS,
        rounds=4,
        seed=3,
        progress=False,
        output=tmp_path,
    )
    order = in_order(whole)
    again = resume(server, interrupted(whole, keep=10).folder, progress=False)
    assert in_order(again) == order


def test_what_was_resumed_is_on_record_and_in_the_report(server, tmp_path):
    run = interrupted(
        benchmark(server, ["pocket-nano"], PROMPTS, rounds=2, progress=False, output=tmp_path),
        keep=4,
    )
    again = resume(server, run.folder, progress=False)
    (note,) = again.info.resumed
    assert (note.rows_before, note.changes) == (2, [])
    assert again.info.models["pocket-nano"].load_s == run.info.models["pocket-nano"].load_s
    assert "resumed on" in write_report(again).read_text(encoding="utf-8")
    assert not (run.folder / "run.lock").exists()


def test_the_command_line_resumes_the_latest_run(server, helpers_command, command_here, tmp_path):
    folder = killed_run(tmp_path, 10, rounds=5)
    done = helpers_command("benchmark", "--resume", str(folder), "--quiet")
    assert done.returncode == 0, done.stderr
    assert "resumed after" in done.stderr
    assert measured(load_run(folder)) == whole_plan(load_run(folder))
    again = command_here("benchmark", "--resume", str(folder))
    assert again.returncode == 2
    assert "is finished: there is nothing to resume" in again.stderr


CHANGES = [
    (
        lambda info: info["environment"]["packages"].update(openai="1.0.0"),
        r"openai was 1\.0\.0, is \d",
    ),
    (
        lambda info: info["models"]["pocket-nano"].update(files_sha256="0" * 64),
        "files_sha256 of pocket-nano was 0000",
    ),
    (
        lambda info: info["models"]["pocket-nano"].update(model_id="pocket-nano-generic-cpu:9"),
        "model_id of pocket-nano was pocket-nano-generic-cpu:9, is",
    ),
    (
        lambda info: info["server"].update(kind="Foundry Local 9.9"),
        r"runtime was Foundry Local 9\.9",
    ),
]


@pytest.mark.parametrize(("change", "said"), CHANGES)
def test_what_has_changed_is_named_and_refused_and_recorded_when_forced(
    server, tmp_path, change, said
):
    run = interrupted(
        benchmark(server, ["pocket-nano"], PROMPTS, rounds=1, progress=False, output=tmp_path),
        keep=3,
    )
    info = json.loads((run.folder / "run.json").read_text(encoding="utf-8"))
    change(info)
    (run.folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        resume(server, run.folder, progress=False)
    forced = resume(server, run.folder, force=True, progress=False)
    assert measured(forced) == whole_plan(forced)
    assert len(forced.info.resumed[0].changes) == 1


def test_another_plan_is_refused_with_the_difference(server, tmp_path):
    run = interrupted(
        benchmark(server, ["pocket-nano"], PROMPTS, rounds=2, progress=False, output=tmp_path),
        keep=3,
    )
    with pytest.raises(UsageError, match="rounds was 2, asked is 5"):
        resume(server, run.folder, rounds=5, progress=False)
    assert (
        resume(server, run.folder, rounds="2", models="pocket-nano", progress=False).status
        == "finished"
    )


def test_a_run_that_is_being_measured_is_left_alone(server, tmp_path):
    run = interrupted(
        benchmark(server, ["pocket-nano"], PROMPTS, rounds=1, progress=False, output=tmp_path),
        keep=3,
    )
    before = (run.folder / "requests.jsonl").read_bytes()
    with (
        filelock.FileLock(run.folder / "run.lock"),
        pytest.raises(UsageError, match="Another process is measuring"),
    ):
        resume(server, run.folder, progress=False)
    assert (run.folder / "requests.jsonl").read_bytes() == before


def test_a_model_that_had_been_given_up_is_not_asked_again_for_rows_on_record(tmp_path):
    gone = error_answer(404, "no such model")
    with (
        serving(["tiny"], lambda r: gone if r.json["model"] == "gone" else GOOD) as endpoint,
        connect(endpoint.base_url) as remote,
    ):
        run = interrupted(
            benchmark(
                remote,
                ["tiny", "gone"],
                PROMPTS,
                rounds=2,
                warmup=0,
                progress=False,
                output=tmp_path,
            ),
            keep=9,
        )
        again = resume(remote, run.folder, progress=False)
    assert measured(again) == whole_plan(again)
    assert [row["n_ok"] for row in again.summary] == [6, 0]
