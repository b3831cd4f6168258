"""The one updating line, in a terminal and in a notebook."""

import contextlib
import os
import sys
from types import SimpleNamespace

import pytest

from helpers.common.progress import Progress


def test_in_a_terminal_the_line_counts_and_goes_away(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with Progress(3, "requests") as line:
        line.step("small")
        line.say("small: memory")
        line.step("large")
        assert (line.n, line.total) == (2, 3)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "requests" in shown.err
    assert shown.err.rstrip(" ").endswith("\r")


def test_in_a_log_each_state_is_a_line_of_plain_text(capsys, monkeypatch):
    monkeypatch.setattr("helpers.common.progress.LINE_EVERY_S", 0)
    with Progress(2, "requests") as line:
        line.step("small")
        line.step("la\x1b[31mr\u202ege\n")
    first, *steps, last = capsys.readouterr().err.split("\n")[:-1]
    assert first == "0/2 requests [00:00]"
    assert steps == ["1/2 requests [00:00] small", "2/2 requests [00:00] large"]
    assert last.startswith("2 of 2 requests in ")


def test_a_log_is_not_flooded(capsys):
    with Progress(1000, "requests") as line:
        for _ in range(1000):
            line.step("small")
    assert capsys.readouterr().err.count("\n") == 2


@pytest.mark.parametrize("closed", [True, False], ids=["its reader has gone", "there is none"])
def test_without_a_standard_error_the_work_goes_on(monkeypatch, closed):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", encoding="utf-8") as broken:
        monkeypatch.setattr(sys, "stderr", broken if closed else None)
        monkeypatch.setattr("helpers.common.progress.LINE_EVERY_S", 0)
        with Progress(2, "requests") as line:
            line.step("small")
            line.step("large")
            assert line.n == 2
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            broken.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), writer)


def test_a_line_that_is_not_shown_prints_nothing(capsys):
    with Progress(2, "requests", shown=False) as line:
        line.step()
        line.to(2, "x")
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def notebook(monkeypatch):
    """Pretends to be a notebook; gives what is displayed, the first text first."""
    texts = []

    class Display:
        def update(self, data, raw):
            texts.append(data["text/plain"])

    def display(data, raw, display_id):
        texts.append(data["text/plain"])
        return Display()

    shell = type("ZMQInteractiveShell", (), {})()
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return texts


def test_in_a_notebook_one_display_is_updated_and_says_at_last_what_was_done(notebook, monkeypatch):
    monkeypatch.setattr("helpers.common.progress.REFRESH_S", 0)
    with Progress(3, "requests") as line:
        line.step("small")
    assert "0/3" in notebook[1]
    assert "small" in notebook[2]
    assert "1/3" in notebook[2]
    assert notebook[-1].startswith("1 of 3 requests in ")
