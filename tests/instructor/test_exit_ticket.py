"""The exit ticket: right answers pass, and each usual wrong one gets a sentence about what is wrong."""

import re
import subprocess
import sys

import exit_ticket
import pytest

from helpers import load_models
from helpers.common.paths import DATA, PROJECT
from helpers.measure.record import SAMPLE
from support.records import TWO, record, rows_of

SCRIPT = PROJECT / "docs" / "instructor" / "exit_ticket.py"
SOLVED = """\
def generate(prompt, **params):
    notes = prompt.split(": ", 1)[1]
    return notes.split(". ")[0].rstrip(".") + "."
"""


def right_aliases() -> str:
    return ", ".join(
        alias
        for alias, model in load_models().items()
        if model.source == "built-in" and model.license == "MIT" and model.size_mb <= 20
    )


@pytest.fixture(scope="module")
def answers(tmp_path_factory) -> dict[str, str]:
    """Right answers to all five: a run of two models in which the second takes twice as long."""
    folder = tmp_path_factory.mktemp("ticket")
    run = record(folder / "run", TWO, rows_of("small") + rows_of("large"))
    (folder / "my_model.py").write_text(SOLVED, encoding="utf-8")
    return {
        "discover": right_aliases(),
        "run": "16.1 ms, 27.6 ms, 11.5 ms",
        "benchmark": str(run.folder),
        "compare": "slower, 2.0 times",
        "extend": str(folder / "my_model.py"),
    }


def said(answers: dict, **changed: str) -> str:
    """What is said about one wrong answer, with the right run beside it."""
    (goal,) = changed
    only = {"benchmark": answers["benchmark"]} if goal == "compare" else {}
    (mark,) = (mark for mark in exit_ticket.mark({**only, **changed}) if mark.goal == goal)
    assert not mark.right
    return mark.words


def test_five_right_answers_are_right(answers):
    assert {mark.goal: mark.right for mark in exit_ticket.mark(answers)} == dict.fromkeys(
        ("discover", "run", "benchmark", "compare", "extend"), True
    )


def test_nothing_answered_is_five_times_not_yet():
    marks = exit_ticket.mark({})
    assert len(marks) == 5
    assert not any(mark.right for mark in marks)


@pytest.mark.parametrize(
    ("goal", "answer", "words"),
    [
        ("discover", "pocket-maxi", "pocket-maxi is not an alias"),
        (
            "discover",
            f"{right_aliases()}, smollm2-135m",
            "smollm2-135m may not ship: .*apache-2.0, 156 MB",
        ),
        ("discover", f"{right_aliases()} qwen2.5-0.5b", "qwen2.5-0.5b may not ship: .* 822 MB"),
        ("discover", right_aliases().split(", ")[0], "more that keep both limits"),
        ("run", "27.6", "three numbers"),
        ("run", "27.6, 16.1, 11.5", "swapped"),
        ("run", "16.1, 27.6, 27.6", "whole latency"),
        ("run", "16.1, 27.6, 43.7", "not 43.7 ms"),
        ("benchmark", "no-such-run", "no-such-run"),
        ("benchmark", str(DATA / SAMPLE), "sample run"),
        ("compare", "large", "faster, slower or not tell"),
        ("compare", "faster or slower", "only one"),
        ("compare", "faster, 2.0", "other way round"),
        ("compare", "cannot tell", "you can tell"),
        ("compare", "slower", "how many times"),
        ("compare", "slower, 3.1", "not the factor"),
        ("extend", "no_such_file.py", "no file"),
    ],
)
def test_a_wrong_answer_is_told_what_is_wrong(answers, goal, answer, words):
    assert re.search(words, said(answers, **{goal: answer}))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("answer = 1", "no function called generate"),
        ("def generate(prompt, **params):\n    print(prompt)", "print is not return"),
        ("def generate(prompt, **params):\n    return [prompt]", "returns list"),
        ("def generate(prompt, **params):\n    return prompt", "request is still in front"),
        (
            "def generate(prompt, **params):\n    return prompt.split(': ', 1)[1]",
            "more than the first",
        ),
        (
            "def generate(prompt, **params):\n    return 'We moved the fair to May.'",
            "lift stays shut",
        ),
        ("def generate(prompt):\n    return prompt", "TypeError"),
        ("def generate(prompt, **params)\n    return", "SyntaxError"),
        ("import sys\nsys.exit('off')", "SystemExit: off"),
    ],
)
def test_a_wrong_file_is_told_what_is_wrong(answers, tmp_path, code, words):
    (tmp_path / "mine.py").write_text(code, encoding="utf-8")
    assert words.lower() in said(answers, extend=str(tmp_path / "mine.py")).lower()


def test_a_run_that_has_too_few_answers_or_models_or_an_end_is_not_enough(answers, tmp_path):
    few = record(tmp_path / "few", TWO, rows_of("small", range(1, 7)) + rows_of("large"))
    assert "small has 18 answers" in said(answers, benchmark=str(few.folder))
    one = record(tmp_path / "one", {"small": TWO["small"]}, rows_of("small"))
    assert "1 model answered" in said(answers, benchmark=str(one.folder))
    stopped = record(tmp_path / "off", TWO, rows_of("small") + rows_of("large"), "interrupted")
    assert "did not finish" in said(answers, benchmark=str(stopped.folder))


def test_where_the_run_cannot_tell_a_verdict_is_wrong_and_cannot_tell_is_right(answers, tmp_path):
    twins = {"small": TWO["small"], "twin": TWO["small"]}
    run = record(tmp_path / "twins", twins, rows_of("small") + rows_of("twin"))
    same = {**answers, "benchmark": str(run.folder)}
    assert "nobody can tell" in said(same, compare="slower, 1.0")
    assert all(mark.right for mark in exit_ticket.mark({**same, "compare": "I cannot tell."}))


def written(answers: dict, folder, encoding: str):
    """A file of answers, of which one is wrong."""
    file = folder / "answers.txt"
    lines = [f"{goal}: {answer}" for goal, answer in {**answers, "run": "1, 2, 3"}.items()]
    file.write_text("name: Ana\n" + "\n".join(lines), encoding=encoding)
    return file


def test_a_file_as_powershell_writes_it_ends_with_the_line_that_is_handed_in(
    answers, tmp_path, capsys
):
    assert exit_ticket.main([str(written(answers, tmp_path, "utf-16"))]) == 1
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1] == "Exit ticket: 4 of 5; not yet: run."
    assert len(shown) == 6


def test_the_script_runs_in_any_folder(tmp_path):
    file = written({}, tmp_path, "utf-8")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), file.name], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[-1].startswith("Exit ticket: 0 of 5; not yet: discover,")


def test_a_file_that_is_missing_is_told_in_a_sentence(tmp_path, capsys):
    assert exit_ticket.main([str(tmp_path / "none.txt")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
