"""Exercises: a check never raises, the right answer passes, and a common mistake gets an answer."""

import csv
import html
import io
import json
import random
import re
import runpy
import shutil
import statistics
import tomllib
from pathlib import Path

import numpy as np
import pytest

import helpers
from helpers.common.paths import DATA
from helpers.course import exercises, notebooks
from helpers.course.exercises import (
    check,
    hint,
    load_exercises,
    load_general,
    overview,
    solution,
    use_yours,
)
from helpers.measure.record import SAMPLE, Run

EXERCISES = load_exercises()
WRONG = tomllib.loads(
    (Path(__file__).parent / "data" / "wrong_answers.toml").read_text(encoding="utf-8")
)


def table(rows, cell) -> str:
    lines = [
        list(rows[0]),
        ["---"] * len(rows[0]),
        *([cell(value) for value in row.values()] for row in rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def answer_of(code: str) -> object:
    """Return what a learner hands to `check`: the value of an expression, or the function defined."""
    scope = {"np": np, "re": re, "random": random, "statistics": statistics, "json": json}
    scope |= {"csv": csv, "io": io, "table": table, "load_models": helpers.load_models}
    if not code.startswith("\ndef ") and not code.startswith("def "):
        return eval(code.strip(), scope)
    exec(code, scope)
    return [*scope.values()][-1]


@pytest.fixture(autouse=True)
def own_results(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path / "results"))
    return tmp_path / "results"


def cells_of(notebook: str) -> dict[str, str]:
    content = json.loads((notebooks.NOTEBOOKS / f"{notebook}.ipynb").read_text("utf-8"))
    return {cell["id"]: "".join(cell["source"]) for cell in content["cells"]}


@pytest.mark.parametrize("name", EXERCISES)
def test_every_exercise_has_a_question_a_cell_and_a_solution(name):
    cells = cells_of(EXERCISES[name].notebook)
    assert f'check("{name}"' in cells[f"exercise-{name}"]
    question = re.compile(rf"\*\*Exercise {name}[.:]", re.IGNORECASE)
    assert [source for source in cells.values() if question.search(source)]
    assert f'check("{name}"' in solution(name)


def test_every_exercise_has_wrong_answers_here():
    assert set(WRONG) == set(EXERCISES)


def test_each_notebook_has_at_least_two_exercises():
    counts = {
        path.stem: sum(e.notebook == path.stem for e in EXERCISES.values())
        for path in notebooks.notebook_files()
    }
    assert {name: count for name, count in counts.items() if count < 2} == {}


@pytest.mark.parametrize("name", EXERCISES)
def test_only_solution_shows_the_solution(name):
    exercise, shown = EXERCISES[name], [*EXERCISES[name].hints, repr(EXERCISES[name])]
    shown += [str(check(name, answer_of(wrong["code"]))) for wrong in WRONG[name]]
    for line in exercise.solution.strip().splitlines()[1:]:
        code = line.strip()
        if code.startswith("return ") or " = " in code:
            assert not [text for text in shown if code in text]


@pytest.mark.parametrize("name", EXERCISES)
def test_a_wrong_answer_gets_the_hint_that_it_needs(name):
    unhelped = []
    for wrong in WRONG[name]:
        outcome = check(name, answer_of(wrong["code"]))
        helped = wrong["says"].casefold() in outcome.words.casefold()
        if outcome.outcome != "not yet" or not helped or f'hint("{name}")' not in str(outcome):
            unhelped.append(f"{wrong['code']} -> {outcome}, and not: {wrong['says']}")
    assert unhelped == []


def test_the_list_of_wrong_answers_is_long():
    assert sum(map(len, WRONG.values())) >= 100
    assert min(map(len, WRONG.values())) >= 6


@pytest.mark.parametrize("name", EXERCISES)
def test_help_is_folded_under_the_cell(name):
    """Three hints, each a step further, and then a solution; a pass says why it matters."""
    exercise = EXERCISES[name]
    assert len(set(exercise.hints)) == 3
    assert exercise.why.endswith(".")
    wrong = check(name, answer_of(WRONG[name][0]["code"]))
    titles = re.findall(r"<details><summary>(.*?)</summary>", wrong._repr_html_())
    assert titles == ["Hint 1", "Hint 2", "Hint 3", "One solution"]
    assert exercise.solution.strip() in html.unescape(wrong._repr_html_())
    assert exercise.solution.strip() not in str(wrong)


def test_hint_goes_on_step_by_step_and_never_raises():
    first, second, third = EXERCISES["ttft"].hints
    assert hint("ttft") == f'{first} More: hint("ttft", 2)'
    assert hint("ttft", 2).startswith(second)
    assert [hint("ttft", step) for step in (3, 4, 0, "x", None)] == [third] * 5


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_that_was_not_begun_is_to_do(name):
    exercise = EXERCISES[name]
    for answer in (..., "", "..."):
        assert check(name, answer).outcome == "todo"
    if exercise.find_mistake or exercise.cases[0][0]:
        assert check(name, lambda *_, **__: ...).outcome == "todo"


@pytest.mark.parametrize("name", EXERCISES)
def test_an_answer_of_nothing_is_told_from_one_not_begun(name):
    function = EXERCISES[name].find_mistake or EXERCISES[name].cases[0][0]
    outcome = check(name, (lambda *_, **__: None) if function else None)
    assert (outcome.outcome, "`print`" in outcome.words) == ("not yet", True)


def test_false_none_and_zero_are_alike_where_false_is_meant():
    allowed = ("MIT", "apache-2.0")
    assert check("fits", lambda name, mb: name in allowed and mb and mb <= 3000).outcome == "passed"


@pytest.mark.parametrize("name", EXERCISES)
def test_the_solution_passes(name):
    outcomes = []
    scope = {"np": np, "re": re, "DISK_GB": helpers.DISK_GB, "load_models": helpers.load_models}
    exec(solution(name), scope | {"check": lambda *given: outcomes.append(check(*given))})
    assert [outcome.outcome for outcome in outcomes] == ["passed"], outcomes


STEPS = {"csv": "to_csv", "markdown": "to_markdown", "score": "score", "line-up": "read_models"}


def test_the_finished_starter_project_passes():
    finished = runpy.run_path(str(exercises.FOLDER / "starter_project.py"))
    outcomes = [check(name, finished[function]).outcome for name, function in STEPS.items()]
    assert outcomes == ["passed"] * 4


def test_the_starter_project_uses_what_works_and_names_what_is_missing(server, tmp_path, capsys):
    finished = runpy.run_path(str(exercises.FOLDER / "starter_project.py"))
    starter = runpy.run_path(str(notebooks.NOTEBOOKS / "starter_project.py"))
    options = ["--models", "pocket-mini", "--rounds", "1", "--output", str(tmp_path / "out")]
    broken = {"score": lambda answer, expected: 1 / 0, "read_models": lambda path, tag: 7}
    starter["main"](options, to_csv=finished["to_csv"], **broken)
    said = capsys.readouterr().out
    assert "Still to do: to_markdown" in said
    assert "score stopped with ZeroDivisionError" in said
    assert "read_models returned 7, which cannot be used here" in said
    (written,) = (tmp_path / "out").iterdir()
    assert written.name == "benchmark_report.csv"
    assert written.read_text("utf-8").startswith("model,latency_s,ttft_s,sample\npocket-mini,")


def test_the_starter_project_as_shipped_is_to_do():
    shipped = runpy.run_path(str(notebooks.NOTEBOOKS / "starter_project.py"))
    outcomes = [check(name, shipped[function]).outcome for name, function in STEPS.items()]
    assert outcomes == ["todo"] * 4


@pytest.mark.parametrize(
    "answer",
    [
        lambda chunks: 1 / 0,
        lambda chunks: exit(),
        lambda: 1,
        lambda chunks: chunks["x"],
        object(),
        [],
        float("nan"),
    ],
)
def test_nothing_that_an_answer_does_is_raised(answer):
    assert check("ttft", answer).outcome == "not yet"


def own_function(name: str) -> object:
    scope: dict = {"np": np, "check": lambda *given: None}
    exec(EXERCISES[name].solution, scope)
    return scope[name]


def test_a_learners_own_functions_are_used_on_a_run():
    run = Run(DATA / SAMPLE)
    card = helpers.Scorecard(run, helpers.make_prices(per_kwh=0.3))
    for name, data in (("p95", run), ("cost", card)):
        rows = use_yours(name, own_function(name), data).rows
        assert [row[-2] for row in rows] == pytest.approx([row[-1] for row in rows])
    rows = use_yours("order", own_function("order"), run.models, 5).rows
    assert [sorted(row[1].split(", ")) for row in rows] == [sorted(run.models)] * 5


def test_a_function_that_does_not_pass_is_not_used_on_a_run():
    todo = use_yours("p95", lambda values: ..., None)
    assert str(todo) == "p95: todo. This cell uses your own function: write it above."
    assert use_yours("p95", max, None).outcome == "not yet"
    stopped = use_yours("order", own_function("order"), ["a"], None)
    assert (stopped.outcome, "your code stopped" in stopped.words) == ("not yet", True)


def test_an_unknown_name_gets_the_nearest_one_and_never_raises():
    assert "did you mean ttft?" in check("tttf", 1).words
    assert "did you mean ttft?" in hint("tttf")
    assert "did you mean ttft?" in solution("tttf")
    assert "there are alias" in check(None).words


def test_outcomes_are_in_words_and_not_only_in_color():
    for answer, outcome in (
        (..., "todo"),
        (0.1, "not yet"),
        (lambda chunks: next(s for s, text in chunks if text), "passed"),
    ):
        assert outcome in str(check("ttft", answer))
        assert f"ttft: {outcome}." in check("ttft", answer)._repr_html_()


def test_an_answer_cannot_become_markup():
    assert "<script>" not in check("alias", "<script>alert(1)</script>")._repr_html_()


def test_the_overview_keeps_what_was_passed_and_says_what_comes_next(own_results):
    assert "0 of" in overview().note
    check("alias", "pocket-mini-int4")
    check("alias", "pocket-mini-int4")
    check("ttft", 1.0)
    assert (
        len((own_results / "progress.jsonl").read_text("utf-8").splitlines()) == 2
    )  # a line only when something changes
    rows = {row[1]: row[-1] for row in overview().rows}
    assert (rows["alias"], rows["ttft"], rows["rate"]) == ("passed", "not yet", "todo")
    assert overview().note == f"1 of {len(EXERCISES)} passed. Next: renamed in 00_check."


def test_the_progress_of_a_notebook_is_a_bar_with_what_is_passed_here_and_in_all(own_results):
    whole = len(EXERCISES)
    assert overview("00").note.startswith(f"0 of 2 here, 0 of {whole} in all. Next: alias")
    check("alias", "pocket-mini-int4")
    assert overview("00").note.startswith(f"1 of 2 here, 1 of {whole} in all. Next: renamed")
    shown = overview("00")._repr_html_()
    assert re.findall(r"width: (\d+)%", shown) == ["50", f"{100 / whole:.0f}"]
    assert "<details>" in shown.partition("1 of 2 here")[2]
    assert overview("02").note.startswith(f"0 of 2 here, 1 of {whole} in all.")


def test_the_course_ends_with_five_goals_each_with_a_tick_or_a_count_and_a_figure(own_results):
    without = helpers.goals()
    assert [row[1].partition(":")[0] for row in without.rows] == [
        *("discover", "run", "benchmark", "compare", "extend"),
    ]
    assert [row[0] for row in without.rows] == [
        *("0 of 4", "0 of 2", "0 of 4", "0 of 5", "0 of 6"),
    ]
    assert [row[2] for row in without.rows[1:]] == [None] * 4
    shutil.copytree(DATA / SAMPLE, own_results / "mine")
    shutil.copytree(DATA / SAMPLE, own_results / "custom" / "joined")
    for name in ("ttft", "rate"):
        check(name, own_function(name))
    with_run = helpers.goals().rows
    assert with_run[1][0] == "\N{CHECK MARK}"
    assert re.search(r" reacts after [\d.]+ m?s \(median TTFT\)", with_run[1][2])
    assert re.match(r"\d+ answers of \d models, in \d+ rounds?$", with_run[2][2])
    assert re.match(r"Latency: \S+ takes [\d.]+ times as long as", with_run[3][2])
    assert re.match(r"one table with \d models", with_run[4][2])


def test_a_damaged_record_of_progress_loses_only_its_damaged_lines(own_results):
    check("alias", "pocket-mini-int4")
    with (own_results / "progress.jsonl").open("ab") as file:
        file.write(b'\xff\xfe{"exercise": \n[1]\n{"at": 1}\n')
    check("renamed", "gemma-4-e2b-it")
    assert overview().note.startswith("2 of")


def test_checks_still_answer_where_results_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path / "a file" / "results"))
    assert check("alias", "pocket-mini-int4").outcome == "passed"
    assert overview().note.startswith("0 of")


def test_the_question_shows_the_recorded_stream():
    question = cells_of("02_smoke_test")["exercise-ttft-idea"]
    shown = eval(re.search(r"`(\[\(.*\)\])`", question)[1])
    ((stream,), _), *_ = EXERCISES["ttft"].cases
    assert tuple(shown) == stream


@pytest.fixture
def other_exercises(tmp_path, monkeypatch):
    """An empty folder in place of notebooks/exercises."""
    monkeypatch.setattr(exercises, "FOLDER", tmp_path)
    load_exercises.cache_clear()
    load_general.cache_clear()
    yield tmp_path
    load_exercises.cache_clear()
    load_general.cache_clear()


def test_adding_a_file_adds_its_exercises(other_exercises):
    (other_exercises / "00_check.py").write_text(
        "from helpers.course.exercises import Exercise\n"
        "six = Exercise('six', 'Six', ['Count.'], 'answer = 6', cases=[((), 6)])\n"
    )
    shutil.copy(notebooks.NOTEBOOKS / "exercises" / "general.py", other_exercises)
    assert str(check("six", 6)) == "six: passed. Six: right."
    assert (solution("six"), overview().note) == ("answer = 6", "1 of 1 passed. All done.")


def test_missing_or_broken_exercises_say_how_to_restore_them(other_exercises):
    for problem in ("The exercises are missing", r"cannot be loaded (00_check.py: ZeroDivision"):
        for words in (check("ttft", 1).words, hint("ttft"), solution("ttft")):
            assert problem in words
            assert words.endswith("restore them with: git checkout -- notebooks/exercises")
        (other_exercises / "00_check.py").write_text("1 / 0")
