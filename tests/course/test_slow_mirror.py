"""The download of notebook 01 that one watches: interrupted for real, resumed, damaged and repaired, over loopback."""

import json
import re
import signal
import subprocess
import sys
import time

import pytest

from helpers import results_folder
from helpers.common.paths import PROJECT
from support.notebooks import NAMES, notebook

SCRIPT = PROJECT / "notebooks" / "slow_mirror.py"
START = f"""
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
mirror = runpy.run_path({str(SCRIPT)!r})["SlowMirror"]("pocket-nano", SECONDS)
"""


@pytest.fixture(autouse=True)
def own_results(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path))


def python(code: str, seconds: float) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", START.replace("SECONDS", str(seconds)) + code],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        encoding="utf-8",
    )


def arrived() -> int:
    return sum(path.stat().st_size for path in results_folder().rglob("*.part"))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_an_interrupted_download_goes_on_where_it_stopped():
    first = python("mirror.download()", 60)
    while arrived() < 100_000:  # of 2.5 MB, so that a whole percent is there
        assert first.poll() is None
        time.sleep(0.01)
    first.send_signal(signal.SIGINT)
    said = first.communicate()[0]
    (percent,) = re.findall(r"^interrupted at (\d+) %: run this cell again$", said, re.MULTILINE)
    assert 0 < int(percent) < 100
    assert (first.returncode, arrived() > 0) == (0, True)
    second = python("mirror.download(); print(mirror.folder.exists())", 0)
    lines = second.communicate()[0].splitlines()
    assert lines == [f"resumed at {percent} %", "pocket-nano is here", "True"]


def test_a_flipped_byte_is_named_by_its_file_and_repaired():
    code = (
        "import json\nmirror.download()\nmirror.flip_a_byte()\nbad = mirror.verify()\n"
        "mirror.repair()\ngood = mirror.verify()\nprint(json.dumps([bad.rows, good.rows]))"
    )
    lines = python(code, 0).communicate()[0].splitlines()
    (name,) = re.findall(r"^one byte of (.+) is changed$", "\n".join(lines), re.MULTILINE)
    bad, good = map(dict, json.loads(lines[-1]))
    assert [file for file, found in bad.items() if found != "whole"] == [name]
    assert set(good) == set(bad)
    assert set(good.values()) == {"whole"}


def test_a_download_that_is_whole_begins_again():
    lines = python("mirror.download(); mirror.download()", 0).communicate()[0].splitlines()
    assert lines == ["pocket-nano is here"] * 2


def test_a_person_waits_twenty_seconds_and_the_headless_course_one():
    (cell,) = (
        cell
        for cell in json.loads(notebook(NAMES[1]).read_text(encoding="utf-8"))["cells"]
        if cell["id"] == "parameters"
    )
    assert "slow_s = 20  #" in "".join(cell["source"])
