"""Files that no kill leaves half written, and JSON lines that name what is damaged."""

import contextlib
import datetime
import errno
import json
import os
import signal
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.common import files
from helpers.common.errors import FileError
from helpers.common.files import (
    append_json,
    cut_half_line,
    make_writable,
    now,
    read_json_lines,
    replace_folder,
    write_json,
    write_text,
)


def test_a_file_is_replaced_whole_and_nothing_else_stays(tmp_path):
    path = tmp_path / "a.txt"
    write_text(path, "old\n")
    write_text(path, "new \u00e9\n")
    assert path.read_bytes() == "new \u00e9\n".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_json_is_readable_text_and_refuses_what_json_does_not_have(tmp_path):
    write_json(tmp_path / "a.json", {"word": "\u00e9", "n": 1})
    text = (tmp_path / "a.json").read_text(encoding="utf-8")
    assert "\u00e9" in text
    assert json.loads(text) == {"word": "\u00e9", "n": 1}
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", float("nan"))
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == text


def test_values_come_back_in_order(tmp_path):
    path = tmp_path / "lines.jsonl"
    values = [{"a": 1}, [None, True], "text\nwith a line break", 2.5]
    for value in values:
        append_json(path, value)
    assert read_json_lines(path) == values
    assert path.read_bytes().count(b"\n") == len(values)


def test_a_file_that_is_not_there_has_no_lines(tmp_path):
    assert read_json_lines(tmp_path / "none.jsonl") == []
    cut_half_line(tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b""),
        (b'{"a": 1}', b""),
        (b'{"a": 1}\n', b'{"a": 1}\n'),
        (b'{"a": 1}\n{"a": 2', b'{"a": 1}\n'),
        (b'{"a": 1}\n\xe2\x82', b'{"a": 1}\n'),
    ],
)
def test_only_a_half_line_is_cut(tmp_path, before, after):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(before)
    cut_half_line(path)
    assert path.read_bytes() == after


def test_a_half_line_is_not_read_and_the_next_value_takes_its_place(tmp_path):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"a": 1}\n{"a": 2, "text": "half')
    assert read_json_lines(path) == [{"a": 1}]
    append_json(path, {"a": 3})
    assert read_json_lines(path) == [{"a": 1}, {"a": 3}]


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_what_was_appended_before_a_kill_is_on_the_disk(tmp_path):
    path = tmp_path / "lines.jsonl"
    code = """
        import sys
        from pathlib import Path
        from helpers.common.files import append_json
        path, n = Path(sys.argv[1]), 0
        while True:
            append_json(path, {"n": n, "text": "x" * 1000})
            print(n, flush=True)
            n += 1
    """
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(path)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    while int(child.stdout.readline()) < 5:
        pass
    child.send_signal(signal.SIGKILL)
    reported = [int(line) for line in child.communicate()[0].splitlines()]
    numbers = [value["n"] for value in read_json_lines(path)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > max([5, *reported])
    append_json(path, {"n": "after"})
    assert read_json_lines(path)[-1] == {"n": "after"}


@pytest.mark.parametrize("damage", [b"not JSON", b'{"a": ', b"", b"\xff\xfe"])
def test_a_damaged_line_is_named_by_its_number(tmp_path, damage):
    path = tmp_path / "lines.jsonl"
    path.write_bytes(b'{"a": 1}\n' + damage + b'\n{"a": 3}\n')
    with pytest.raises(ValueError, match=r"^line 2 is not JSON"):
        read_json_lines(path)


def test_a_folder_is_made_and_left_empty(tmp_path):
    make_writable(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "a").write_text("x")
    with pytest.raises(OSError, match="a"):
        make_writable(tmp_path / "a")


def test_times_are_utc_with_milliseconds():
    assert now(0) == "1970-01-01T00:00:00.000+00:00"
    assert now(1.2345) == "1970-01-01T00:00:01.234+00:00"
    age = datetime.datetime.now(datetime.UTC) - datetime.datetime.fromisoformat(now())
    assert abs(age.total_seconds()) < 10


@pytest.fixture
def held(monkeypatch):
    """A system on which another program holds every file for the first `n` tries, as Windows does."""
    left = [0]
    rename = Path.replace

    def replace(self, target):
        if left[0]:
            left[0] -= 1
            raise PermissionError(errno.EACCES, "used by another process")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(files, "WAITS_S", (0.0, 0.0))
    return left


def test_a_file_that_is_held_for_a_moment_is_replaced_in_the_end(tmp_path, held):
    write_text(tmp_path / "a.txt", "old")
    held[0] = 2
    write_text(tmp_path / "a.txt", "new")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "new"


def test_a_file_that_stays_open_elsewhere_is_a_sentence_and_keeps_its_content(tmp_path, held):
    write_text(tmp_path / "a.txt", "old")
    held[0] = 3
    with pytest.raises(FileError, match=r"a\.txt cannot be written \(used by .* close it in other"):
        write_text(tmp_path / "a.txt", "new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "old"


def some_folder(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "model.onnx").write_text(content, encoding="utf-8")
    return path


def test_a_folder_takes_the_place_of_another_and_nothing_else_stays(tmp_path):
    old, fresh = some_folder(tmp_path / "old", "old"), some_folder(tmp_path / "new", "new")
    replace_folder(old, fresh)
    assert (old / "model.onnx").read_text(encoding="utf-8") == "new"
    assert list(tmp_path.iterdir()) == [old]
    replace_folder(old)
    assert list(tmp_path.iterdir()) == []
    replace_folder(old)  # gone already


def test_a_folder_in_use_stays_whole(tmp_path, held):
    old, fresh = some_folder(tmp_path / "old", "old"), some_folder(tmp_path / "new", "new")
    held[0] = 3
    with pytest.raises(PermissionError):
        replace_folder(old, fresh)
    assert (old / "model.onnx").read_text(encoding="utf-8") == "old"
    assert (fresh / "model.onnx").read_text(encoding="utf-8") == "new"


def test_a_folder_gets_its_name_back_when_the_fresh_one_does_not_come(tmp_path):
    old = some_folder(tmp_path / "old", "old")
    with pytest.raises(FileNotFoundError):
        replace_folder(old, tmp_path / "not there")
    assert (old / "model.onnx").read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [old]


def test_a_path_that_is_too_long_for_windows_is_said_so(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "WAITS_S", (0.0,))
    with pytest.raises(FileError, match="Windows allows 259 characters, and this path is longer"):
        write_text(tmp_path / ("x" * 250) / "a.txt", "text")


@pytest.mark.parametrize("value", [{"a": "\ud800"}, ["\x00"]])
def test_half_a_surrogate_pair_is_written_as_a_question_mark(tmp_path, value):
    for write, read in ((write_json, json.loads), (append_json, json.loads)):
        path = tmp_path / write.__name__
        write(path, value)
        found = read(path.read_text(encoding="utf-8"))
        assert found == json.loads(json.dumps(value).replace("\\ud800", "?"))


@pytest.mark.skipif(os.name == "nt", reason="a POSIX device")
def test_a_pipe_of_json_lines_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "lines.jsonl")
    assert read_json_lines(tmp_path / "lines.jsonl") == []


def test_a_deep_line_is_named(tmp_path):
    (tmp_path / "lines.jsonl").write_text(f"1\n{'[' * 100_000}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"^line 2 is not JSON"):
        read_json_lines(tmp_path / "lines.jsonl")


@settings(max_examples=100, deadline=None)
@given(content=st.binary(max_size=100))
def test_lines_of_any_bytes_end_in_values_or_a_sentence(content):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.jsonl"
        path.write_bytes(content)
        with contextlib.suppress(ValueError):
            assert isinstance(read_json_lines(path), list)
        append_json(path, {"a": 1})
        assert path.read_bytes().endswith(b'{"a": 1}\n')
