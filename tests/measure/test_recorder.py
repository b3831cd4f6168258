"""A record stays whole on a full disk, beside another process, and whatever a server has said."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import load_run
from helpers.common.errors import FileError, UsageError
from helpers.measure.record import Run
from helpers.measure.recorder import Recorder
from helpers.measure.rows import Row
from support.loopback import DONE, delta, event, serving, streamed, usage
from support.records import TWO, answer, info, record, rows_of

LONG = streamed([event(delta("x" * 900)), event(usage(5, 3)), DONE])


def half_full(tmp_path, *arguments: str, blocks: int = 60) -> subprocess.CompletedProcess:
    """`python -m helpers ...` where no file may grow beyond some blocks of 512 bytes."""
    line = f'ulimit -f {blocks}; exec "$0" -m helpers "$@"'
    return subprocess.run(
        ["sh", "-c", line, sys.executable, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "WORKSHOP_RESULTS": str(tmp_path)},
        timeout=100,
    )


@pytest.mark.skipif(os.name == "nt", reason="POSIX limits")
def test_a_full_disk_is_a_sentence_while_recording_resuming_and_reporting(tmp_path):
    with serving(["m"], LONG) as endpoint:
        where = ["--endpoint", endpoint.base_url, "--quiet"]
        plan = ["--models", "m", "--prompt", "hi", "--rounds", "60", "--warmup", "0"]
        rest = ["--cold", "0", "--no-resources"]
        done = half_full(tmp_path, "benchmark", *where, *plan, *rest)
        folder = next(tmp_path.glob("*/run.json")).parent
        kept = (folder / "requests.jsonl").read_bytes()
        again = half_full(tmp_path, "benchmark", "--resume", str(folder), *where)
        for each in (done, again):
            assert each.returncode == 1
            assert each.stderr.startswith(f"error: {folder} cannot be written (File too large).")
            assert f"--resume {folder}" in each.stderr
            assert each.stderr.count("\n") == 1
        assert kept.endswith(b"}\n")
        assert (folder / "requests.jsonl").read_bytes() == kept
        assert 0 < len(Run(folder).frame) < 60
        reported = half_full(tmp_path, "report", str(folder), blocks=20)
        assert reported.returncode == 1
        assert "cannot be written (File too large)" in reported.stderr
        assert reported.stderr.count("\n") == 1
        assert not list(folder.glob("*.tmp"))
        whole = half_full(tmp_path, "benchmark", "--resume", str(folder), *where, blocks=10_000)
    assert whole.returncode == 0, whole.stderr
    assert load_run(folder).summary[0]["n_ok"] == 60


def test_a_folder_that_was_removed_is_a_sentence(tmp_path):
    recorder = Recorder(info(TWO), tmp_path)
    recorder.folder.rename(tmp_path / "moved")
    with pytest.raises(FileError, match=r"cannot be written .* Make room, then go on with"):
        recorder.finish("finished")
    assert Run(tmp_path / "moved").status == "running"


def test_another_process_is_noticed_although_the_lock_was_deleted(tmp_path):
    first = Recorder(info(TWO), tmp_path)
    first.add(answer("small", "short", 1, 0.1))
    (first.folder / "run.lock").unlink()
    second = Recorder(first.info, folder=first.folder)
    first.add(answer("small", "middle", 1, 0.1))
    with pytest.raises(UsageError, match="Another process is measuring into"):
        second.add(answer("small", "middle", 1, 0.1))
    first.finish("finished")
    with contextlib.suppress(UsageError):
        second.finish("interrupted")
    assert Run(first.folder).frame["prompt_id"].tolist() == ["short", "middle"]


def test_rows_are_on_the_disk_after_each_round(server, tmp_path, monkeypatch):
    """What is in the file when `sync` begins is asked of the system then, before the next round."""
    from helpers import benchmark

    seen = []
    sync = Recorder.sync
    monkeypatch.setattr(
        Recorder,
        "sync",
        lambda self: (seen.append(len(Run(self.folder).frame)), sync(self)),
    )
    prompts = ["Hello", "Who are you?"]
    names = ["pocket-nano"]
    small = {"warmup": 0, "cold": 0, "resources": False, "progress": False}
    benchmark(server, names, prompts, rounds=3, output=tmp_path, **small)
    assert seen[:3] == [2, 4, 6]


MADE = info(TWO)  # once: it asks git and the machine
ROW = {"model": "small", "model_id": None, "prompt_id": "short", "round": 1}
ROW |= {"phase": "measure", "status": "ok"}
NUMBERS = st.none() | st.floats()
TEXTS = st.text(st.characters(exclude_categories=[]))


@settings(max_examples=60, deadline=None)
@given(
    text=TEXTS,
    error=st.none() | TEXTS,
    finish=st.none() | TEXTS,
    tokens=st.none() | st.integers(0, 2**40),
    figures=st.fixed_dictionaries({"ttft_s": NUMBERS, "output_tokens_per_s": NUMBERS}),
    times=st.lists(st.floats(0, 1e6), max_size=4),
)
def test_what_a_recorder_wrote_is_always_read_again(text, error, finish, tokens, figures, times):
    figures["ttft_s"] = figures["ttft_s"] and abs(figures["ttft_s"])
    row = Row(
        **dict(ROW, error=error, figures=figures, finish_reason=finish, text=text),
        completion_tokens=tokens,
        chunk_times_s=tuple(times),
    )
    with tempfile.TemporaryDirectory() as folder:
        recorder = Recorder(MADE, folder)
        recorder.add(row)
        run = recorder.finish("finished")
        (whole,) = run.rows
        frame = run.frame
    assert whole["text"] == text.encode("utf-8", "replace").decode()
    assert whole["chunk_times_s"] == times
    assert frame["text"][0] == whole["text"]
    assert (frame["completion_tokens"][0] == tokens) == (tokens is not None)


@settings(max_examples=30, deadline=None)
@given(words=TEXTS, note=TEXTS)
def test_a_run_of_any_words_is_read_and_written_again(words, note):
    with tempfile.TemporaryDirectory() as folder:
        made = MADE.model_copy(deep=True)
        made.models["small"].error, made.joined_notes = words, [note]
        run = Recorder(made, folder).finish("interrupted")
        assert run.info.models["small"].error == words.encode("utf-8", "replace").decode()
        assert Recorder(run.info, folder=run.folder).finish("finished").status == "finished"


def one_round(folder) -> Run:
    recorder = Recorder(MADE, folder)
    for row in rows_of("small", rounds=[1]):
        recorder.add(row)
    return recorder.finish("finished")


DAMAGE = {
    "negative time": ({"latency_s": -1.0}, r"line 9 \(Expected `float` >= 0"),
    "negative clock": ({"sent_s": -1.0}, r"line 9 \(Expected `float` >= 0"),
    "a round below zero": ({"round": -1}, r"line 9 \(Expected `int` >= 0"),
    "a round beyond all": ({"round": 2**70}, r"line 9 \("),
    "another phase": ({"phase": "lunch"}, r"line 9 \(Invalid enum value 'lunch'"),
    "another status": ({"status": True}, r"line 9 \("),
    "no time of day": ({"started_at": "2026-13-45T99:00:00"}, r"line 9 \("),
    "twice": ({"round": 1, "prompt_id": "short"}, r"line 9 \(small has answered short in round 1"),
}


@pytest.mark.parametrize(("change", "said"), DAMAGE.values(), ids=DAMAGE)
def test_a_row_that_cannot_be_is_said_with_its_line(tmp_path, change, said):
    run = record(tmp_path, TWO, rows_of("small"))
    path = run.folder / "requests.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[8] = json.dumps(json.loads(lines[8]) | change)
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    with pytest.raises(UsageError, match=said):
        _ = Run(run.folder).frame


DEEP = "[" * 100_000
DAMAGED = {
    "deep JSON": DEEP,
    "deep JSON that is whole": '{"schema": 1, "models": {}, "plan": {"prompts": {"name": "a", '
    f'"prompts": []}}}}, "more": {"[" * 400}{"]" * 400}}}',
    "not JSON": "{",
    "another start": '{"schema": 1, "started_at": "zzz", "models": {}, "plan": {"prompts": '
    '{"name": "a", "prompts": []}}}',
    "a list": "[]",
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_run_is_named_and_hides_no_other(tmp_path, capsys, content):
    whole = record(tmp_path, TWO, rows_of("small"))
    bad = tmp_path / "9999-bad"
    bad.mkdir()
    (bad / "run.json").write_text(content, encoding="utf-8")
    assert load_run(tmp_path).folder == whole.folder
    assert f"passed over: {bad}" in capsys.readouterr().err
    with pytest.raises(UsageError, match="9999-bad"):
        load_run(bad)
    (whole.folder / "run.json").unlink()
    with pytest.raises(UsageError, match="9999-bad"):
        load_run(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
@pytest.mark.parametrize("name", ["run.json", "requests.jsonl"])
def test_a_pipe_in_place_of_a_file_is_a_sentence_and_not_a_wait(tmp_path, name):
    run = record(tmp_path, TWO, rows_of("small"))
    (run.folder / name).unlink()
    os.mkfifo(run.folder / name)
    with pytest.raises(UsageError, match=r"holds no run|cannot be read"):
        _ = load_run(run.folder).frame


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=300), name=st.sampled_from(["run.json", "requests.jsonl"]))
def test_runs_of_any_bytes_end_in_a_value_or_a_sentence(content, name):
    with tempfile.TemporaryDirectory() as folder:
        run = one_round(folder)
        path = run.folder / name
        path.write_bytes(content)
        with contextlib.suppress(UsageError):
            assert len(Run(run.folder).rows) >= 0


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), value=VALUES)
def test_a_field_of_any_value_ends_in_a_summary_or_a_sentence(data, value):
    with tempfile.TemporaryDirectory() as folder:
        run = one_round(folder)
        for name in ("run.json", "requests.jsonl"):
            path = run.folder / name
            lines = [path.read_text(encoding="utf-8")]
            lines = lines[0].splitlines() if name == "requests.jsonl" else lines
            fields = json.loads(lines[-1])
            fields[data.draw(st.sampled_from(sorted(fields)))] = value
            path.write_text("\n".join([*lines[:-1], json.dumps(fields), ""]), encoding="utf-8")
        with contextlib.suppress(UsageError):
            edited = Run(run.folder)
            assert [row["model"] for row in edited.summary] == edited.models
            assert len(edited.rows) == len(edited.frame)
