"""Consoles as they are: a reader that has gone, no streams at all, code pages, and escapes in what a model says."""

import os
import subprocess
import sys

import pytest

from support.loopback import DONE, delta, event, serving, streamed, usage

FULL = "/dev/full"  # every write fails: no space left on device
WILD = "\x1b[31mred\x1b[0m \x1b]0;title\x07\u202eback\u202c \u0645\u06cc\u200c\u0631\u0648\u0645\nline\tend\r\x08"


def command(*arguments: str, **options) -> subprocess.CompletedProcess:
    """`python -m helpers ...` with bytes in and out."""
    variables = options.pop("variables", {})
    return subprocess.run(
        [sys.executable, "-m", "helpers", *arguments],
        stderr=options.pop("stderr", subprocess.PIPE),
        env={**os.environ, **variables},
        timeout=100,
        **options,
    )


@pytest.fixture
def no_reader():
    """The writing end of a pipe whose reader has gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("arguments", [["cache"], ["--help"], ["progress"]], ids=" ".join)
def test_a_reader_that_has_gone_ends_a_command_without_a_word(no_reader, arguments, unbuffered):
    done = command(*arguments, stdout=no_reader, variables={"PYTHONUNBUFFERED": unbuffered})
    # The library that prints the help ends by itself, with 1.
    assert (done.returncode, done.stderr) == (1 if "--help" in arguments else 141, b"")


def test_an_error_that_nobody_reads_is_no_second_error(no_reader):
    done = command("no-such-command", stdout=no_reader, stderr=no_reader)
    assert done.returncode == 141


def test_a_benchmark_whose_reader_has_gone_is_measured_to_its_end(no_reader, tmp_path):
    with serving(["tiny"]) as endpoint:
        arguments = ["--models", "tiny", "--prompt", "Hello", "--output", str(tmp_path)]
        done = command(
            *("benchmark", "--endpoint", endpoint.base_url, *arguments),
            stdout=no_reader,
            stderr=no_reader,
        )
    assert done.returncode == 141
    assert list(tmp_path.glob("*/benchmark_report.md"))


@pytest.mark.skipif(not os.path.exists(FULL), reason="no device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_for_which_there_is_no_room_is_said_in_a_sentence(unbuffered):
    with open(FULL, "wb") as full:
        done = command("cache", stdout=full, variables={"PYTHONUNBUFFERED": unbuffered})
    assert done.returncode == 1
    assert done.stderr == b"error: The output cannot be written (No space left on device).\n"


@pytest.mark.skipif(os.name == "nt", reason="a POSIX shell closes streams")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_streams_that_are_not_there_are_done_without(closed):
    line = f'"{sys.executable}" -m helpers cache {closed}'
    done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=100)
    assert (done.returncode, done.stderr) == (0, b"")


QUESTION = "\u0633\u0644\u0627\u0645 \u0641\u0627\u0631\u0633\u06cc \u00fc\u20ac"


@pytest.mark.parametrize("page", ["cp1252", "cp850", "ascii"])
@pytest.mark.parametrize("written", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_piped_question_reaches_the_model_whatever_the_code_page(page, written):
    with serving(["tiny"]) as endpoint:
        done = command(
            *("chat", "tiny", "--endpoint", endpoint.base_url),
            stdout=subprocess.PIPE,
            input=f"{QUESTION}\r\n\r\n".encode(written),
            variables={"PYTHONIOENCODING": page},
        )
        assert done.returncode == 0, done.stderr
        asked = [r.json["messages"][-1]["content"] for r in endpoint.requests if r.body]
    assert asked == [QUESTION]


def test_escapes_and_bidi_controls_of_a_model_do_not_reach_the_terminal():
    wild = streamed([event(delta(WILD)), event(usage(5, 2)), DONE])
    with serving(["tiny"], wild) as endpoint:
        done = command(
            *("chat", "tiny", "--prompt", "Hello", "--endpoint", endpoint.base_url),
            stdout=subprocess.PIPE,
        )
    shown = done.stdout.decode("utf-8")
    assert not set("\x1b\x07\x08\u202e\u202c") & set(shown)
    assert "red back" in shown
    assert "\u0645\u06cc\u200c\u0631\u0648\u0645\nline" in shown.replace("\r\n", "\n")


def test_escapes_in_an_argument_do_not_come_back_in_the_error():
    done = command("report", "no\x1b[31m-such\u202erun", stdout=subprocess.PIPE)
    assert done.returncode == 2
    assert b"\x1b" not in done.stderr
    assert "no-suchrun" in done.stderr.decode("utf-8")
