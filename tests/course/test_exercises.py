"""Exercises: a check never raises, the right answer passes, and a common mistake gets an answer."""

import json
import re
import runpy
import statistics

import numpy as np
import pytest

import helpers
from helpers.course import exercises, notebooks
from helpers.course.exercises import check, hint, load_exercises, overview, solution

EXERCISES = load_exercises()
# What people write at first, and a part of the answer that they must get. These are written
# independently of the slips in notebooks/exercises.
WRONG = {
    "alias": [
        ("pocket-mini", "belongs to the alias"),
        ("pocket-mini-int4-generic-cpu", "device is still in it"),
        ("qwen", "is not the answer"),
    ],
    "renamed": [("gemma-2-2b", "old name"), ("mistral-7b", "is not the answer")],
    "fits": [
        (lambda license, size_mb: size_mb <= 3000 and license == "MIT", "TypeError"),
        (
            lambda license, size_mb: (
                license in {"MIT", "apache-2.0"} and (not size_mb or size_mb <= 3000)
            ),
            "Unknown does not mean small",
        ),
        (
            lambda license, size_mb: license == "MIT" and bool(size_mb) and size_mb <= 3000,
            "apache-2.0 is refused",
        ),
        (lambda license, size_mb: True, "for 'MIT', 6600.0 your answer is True"),
    ],
    "room": [
        (lambda sizes: sum(size / 1000 for size in sizes), "the models alone"),
        (lambda sizes: 15 + sum(sizes) / 1000, "are not added"),
        (lambda sizes: max(15, sum(sizes) / 1024), "1000 MB"),
        (lambda sizes: max(15, sum(sizes)), "the sizes are in MB"),
        (lambda sizes: 15, "your answer is 15"),
    ],
    "ttft": [
        (lambda chunks: next(iter(chunks))[0], "it is empty"),
        (lambda chunks: max(seconds for seconds, _ in chunks), "end of the stream"),
        (lambda chunks: chunks[1][0], "not always the first with text"),
        (lambda chunks: chunks[1], "your answer is"),
    ],
    "rate": [
        (lambda chunks, tokens: tokens / chunks[-1][0], "whole time"),
        (lambda chunks, tokens: tokens / max(s for s, text in chunks if text), "request tokens/s"),
        (
            lambda chunks, tokens: (tokens - 1) / (chunks[-1][0] - chunks[0][0]),
            "empty chunks carry no token",
        ),
        (lambda chunks, tokens: len(chunks), "your answer is 6"),
    ],
    "generation": [
        (
            lambda prompt, completion, ttft, latency: (prompt + completion) / latency,
            "the prompt's tokens are in it",
        ),
        (
            lambda prompt, completion, ttft, latency: completion / latency,
            "Begin at the first token",
        ),
        (lambda prompt, completion, ttft, latency: completion / (latency - ttft), "n - 1 gaps"),
    ],
    "p95": [
        (lambda values: statistics.quantiles(values, n=20)[-1], "guesses beyond what was measured"),
        (lambda values: float(np.percentile(values, 95)), "With fewer than 20"),
        (lambda values: sorted(values)[-1], "p100"),
        (
            lambda values: float(np.percentile(values, 95)) if len(values) > 20 else None,
            "your answer is None",
        ),
    ],
    "failures": [
        (
            lambda rows: [row["status"] for row in rows].count("failed") / len(rows),
            "your answer is",
        ),
        (
            lambda rows: 1 - [row["status"] for row in rows].count("ok") / len(rows),
            "warm-up requests are counted",
        ),
        (lambda rows: 0.0, "leaves the table"),
    ],
    "order": [
        (
            lambda models, rounds: [model for model in models for _ in range(rounds)],
            "round by round",
        ),
        (lambda models, rounds: models * rounds, "Shuffle each round"),
        (lambda models, rounds: models, "12 requests in all"),
        (
            lambda models, rounds: [
                m for _ in range(rounds) for m in np.random.permutation(models).tolist()
            ],
            "Use a seed",
        ),
    ],
    "verdict": [
        (lambda ratio, low, high: "slower" if ratio > 1 else "faster", "looks at the ratio alone"),
        (
            lambda ratio, low, high: (
                "cannot tell" if low < 1 < high else ("slower" if ratio < 1 else "faster")
            ),
            "means less time",
        ),
    ],
    "default": [
        (
            lambda rows, quality, memory: sorted(rows, key=lambda row: row["latency_s"])[0][
                "model"
            ],
            "breaks the limit on quality",
        ),
        (
            lambda rows, quality, memory: min(
                (row for row in rows if row["quality"] >= quality), key=lambda row: row["latency_s"]
            )["model"],
            "TypeError",
        ),
        (lambda rows, quality, memory: "large", "your answer is 'large'"),
    ],
    "cost": [
        (lambda joules, price: joules / 3_600_000 * price, "the question is about a thousand"),
        (lambda joules, price: 1000 * joules / 3600 * price, "watt hour"),
        (lambda joules, price: 1000 * joules * price, "is not money"),
    ],
    "facets": [
        (1, "the date again"),
        (3, "the share is between 0 and 1"),
        (0.5, "open question is there"),
    ],
    "agreement": [
        (
            lambda ours, theirs: float(
                np.mean([a == b for a, b in zip(ours, theirs, strict=True)])
            ),
            "agree often by chance",
        )
    ],
    "generate": [
        (lambda prompt, **params: prompt, "The request itself"),
        (
            lambda prompt, **params: (
                "The team decided to repair the gate. Ines will do it by Friday."
            ),
            "asks for 2 bullets",
        ),
        (lambda prompt, **params: "- We met late.\n- Lunch was good.", "the decision"),
        (
            lambda prompt, **params: "\n".join(
                f"- {text}" for text in prompt.split(". ") if "gate" in text or "Ines" in text
            ).replace("- Summarize the meeting notes in 2 bullets: We met late", ""),
            "the answer is empty",
        ),
    ],
    "stream": [
        (lambda text: text, "yield"),
        (lambda text: iter(text.split()), "spaces between the words"),
        (lambda text: iter([text]), "word by word"),
        (lambda text: iter(["no"]), "are not the answer"),
    ],
    "csv": [
        (
            lambda rows: "\n".join(
                [",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]
            ),
            "falls apart at its comma",
        ),
        (lambda rows: "tiny;0.3", "name the columns"),
        (
            lambda rows: (
                f'model,latency_s,sample\ntiny,0.3,Yes.\n"odd, name",None,{rows[0]["sample"]}\n'
            ),
            "must stay empty",
        ),
    ],
    "markdown": [
        (lambda rows: "tiny 0.3", "line of dashes"),
        (lambda rows: table(rows, lambda value: str(value)), "line break"),
        (lambda rows: table(rows, lambda value: " ".join(str(value).split())), "opens a new cell"),
        (
            lambda rows: table(
                rows, lambda value: " ".join(str(value).split()).replace("|", "\\|")
            ),
            "reads better as -",
        ),
    ],
    "score": [
        (
            lambda answer, expected: sum(phrase in answer for phrase in expected) / len(expected),
            "lower case",
        ),
        (
            lambda answer, expected: sum(phrase.lower() in answer.lower() for phrase in expected),
            "Return the share",
        ),
        (lambda answer, expected: 1.0, "it returns"),
    ],
    "line-up": [
        (lambda path, capability: list(json.loads(path.read_text(encoding="utf-8"))), "Keep those"),
        (lambda path, capability: [], "it returns []"),
    ],
}


def table(rows, cell) -> str:
    lines = [
        list(rows[0]),
        ["---"] * len(rows[0]),
        *([cell(value) for value in row.values()] for row in rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


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
    exercise, shown = EXERCISES[name], [hint(name), repr(EXERCISES[name])]
    shown += [str(check(name, answer)) for answer, _ in WRONG[name]]
    for line in exercise.solution.strip().splitlines()[1:]:
        code = line.strip()
        if code.startswith("return ") or " = " in code:
            assert not [text for text in shown if code in text]


@pytest.mark.parametrize("name", EXERCISES)
def test_a_common_mistake_gets_a_specific_answer(name):
    for answer, words in WRONG[name]:
        outcome = check(name, answer)
        assert outcome.outcome == "not yet", outcome
        assert words.casefold() in outcome.words.casefold(), outcome
        assert f'hint("{name}")' in outcome.words


@pytest.mark.parametrize("name", EXERCISES)
def test_an_exercise_that_was_not_begun_is_to_do(name):
    exercise = EXERCISES[name]
    for answer in (..., None, ""):
        assert check(name, answer).outcome == "todo"
    if exercise.find_mistake or exercise.cases[0][0]:
        if name == "p95":
            return  # None is one of its right results: see below
        assert check(name, lambda *_, **__: ...).outcome == "todo"
        assert check(name, lambda *_, **__: None).outcome == "todo"


def test_a_function_that_may_return_none_is_to_do_only_at_first():
    assert check("p95", lambda values: ...).outcome == "todo"


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
    yield tmp_path
    load_exercises.cache_clear()


def test_adding_a_file_adds_its_exercises(other_exercises):
    (other_exercises / "00_check.py").write_text(
        "from helpers.course.exercises import Exercise\n"
        "six = Exercise('six', 'Six', 'Count.', 'answer = 6', cases=[((), 6)])\n"
    )
    assert str(check("six", 6)) == "six: passed. Six: right."
    assert (solution("six"), overview().note) == ("answer = 6", "1 of 1 passed. All done.")


def test_missing_or_broken_exercises_say_how_to_restore_them(other_exercises):
    for problem in ("The exercises are missing", r"cannot be loaded (00_check.py: ZeroDivision"):
        for words in (check("ttft", 1).words, hint("ttft"), solution("ttft")):
            assert problem in words
            assert words.endswith("restore them with: git checkout -- notebooks/exercises")
        (other_exercises / "00_check.py").write_text("1 / 0")
