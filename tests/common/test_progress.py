"""The one updating line, in a terminal and in a notebook."""

import sys
from types import SimpleNamespace

import pytest

from helpers.common.progress import Progress


def test_in_a_terminal_the_line_counts_and_goes_away(capsys):
    with Progress(2, "requests") as line:
        line.step("small")
        line.more(1)
        line.say("small: memory")
        line.step("large")
        assert (line.n, line.total) == (2, 3)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "requests" in shown.err
    assert shown.err.rstrip(" ").endswith("\r")


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
