"""Exercises: three outcomes in words, never raising; the right answer passes and the usual mistakes are told what is wrong."""

import json
import re
import runpy
import statistics

import numpy as np
import pytest

from helpers.common.errors import KitError
from helpers.course.exercises import EXERCISES, check, hint, overview, solution, solutions
from helpers.course.lessons import STREAM
from helpers.course.notebooks import exercises, notebooks

# What people write at first, and words of what they must be told. Written apart from the slips in helpers/course/lessons.py.
WRONG = {
    "alias": [
        ("pocket-mini", "belongs to the alias"),
        ("pocket-mini-int4-generic-cpu", "device is still in it"),
        ("qwen", "is not it"),
    ],
    "renamed": [("gemma-2-2b", "old name"), ("mistral-7b", "is not it")],
    "fits": [
        (lambda licence, size_mb: size_mb <= 3000 and licence == "MIT", "TypeError"),
        (
            lambda licence, size_mb: (
                licence in {"MIT", "apache-2.0"} and (not size_mb or size_mb <= 3000)
            ),
            "Unknown is not small",
        ),
        (
            lambda licence, size_mb: licence == "MIT" and bool(size_mb) and size_mb <= 3000,
            "apache-2.0 is refused",
        ),
        (lambda licence, size_mb: True, "for 'MIT', 6600.0 it gives True"),
    ],
    "room": [
        (7.622, "15 GB must still be free"),
        (22.4434, "1000 MB"),
        (7637, "adds megabytes and gigabytes"),
        ("22 GB", "is not it"),
    ],
    "ttft": [
        (lambda chunks: next(iter(chunks))[0], "it is empty"),
        (lambda chunks: max(seconds for seconds, _ in chunks), "end of the stream"),
        (lambda chunks: chunks[1][0], "not always the first with text"),
        (lambda chunks: chunks[1], "it gives"),
    ],
    "rate": [
        (lambda chunks, tokens: tokens / chunks[-1][0], "whole time"),
        (lambda chunks, tokens: tokens / max(s for s, text in chunks if text), "request tokens/s"),
        (
            lambda chunks, tokens: (tokens - 1) / (chunks[-1][0] - chunks[0][0]),
            "empty chunks carry no token",
        ),
        (lambda chunks, tokens: len(chunks), "it gives 6"),
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
        (lambda values: statistics.quantiles(values, n=20)[-1], "guesses beyond what was seen"),
        (lambda values: float(np.percentile(values, 95)), "Below 20"),
        (lambda values: sorted(values)[-1], "p100"),
        (
            lambda values: float(np.percentile(values, 95)) if len(values) > 20 else None,
            "it gives None",
        ),
    ],
    "failures": [
        (lambda rows: [row["status"] for row in rows].count("failed") / len(rows), "it gives"),
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
        (lambda rows, quality, memory: "large", "it gives 'large'"),
    ],
    "cost": [
        (lambda joules, price: joules / 3_600_000 * price, "asked were a thousand"),
        (lambda joules, price: 1000 * joules / 3600 * price, "watt hour"),
        (lambda joules, price: 1000 * joules * price, "is no money"),
    ],
    "facets": [(1, "the date again"), (3, "the share is 0 to 1"), (0.5, "open question is there")],
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
            "2 bullets",
        ),
        (lambda prompt, **params: "- We met late.\n- Lunch was good.", "the decision"),
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
            "small letters",
        ),
        (
            lambda answer, expected: sum(phrase.lower() in answer.lower() for phrase in expected),
            "Give the share",
        ),
        (lambda answer, expected: 1.0, "it gives"),
    ],
    "line-up": [
        (lambda path, capability: list(json.loads(path.read_text(encoding="utf-8"))), "Keep those"),
        (lambda path, capability: [], "it gives []"),
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


def test_every_exercise_has_wrong_answers_here_a_solution_a_cell_and_a_question():
    assert set(WRONG) == set(EXERCISES)
    for name, exercise in EXERCISES.items():
        cells = {
            cell["id"]: "".join(cell["source"])
            for cell in json.loads(
                (notebooks.NOTEBOOKS / f"{exercise.notebook}.ipynb").read_text("utf-8")
            )["cells"]
        }
        assert f'check("{name}"' in cells[f"exercise-{name}"]
        assert any(
            re.search(rf"\*\*Exercise {name}[.:]", source, re.IGNORECASE)
            for source in cells.values()
        ), name
        assert name in solutions(exercise.notebook)
        assert f'check("{name}"' in solution(name)


def test_each_notebook_has_at_least_two_exercises():
    counts = {
        path.stem: sum(e.notebook == path.stem for e in EXERCISES.values())
        for path in notebooks.notebooks()
    }
    assert {name: count for name, count in counts.items() if count < 2} == {}


@pytest.mark.parametrize("name", EXERCISES)
def test_a_usual_mistake_is_told_what_is_wrong_with_it(name):
    for answer, words in WRONG[name]:
        said = check(name, answer)
        assert (said.outcome, words.casefold() in said.words.casefold()) == ("not yet", True), said
        assert f'hint("{name}")' in said.words


@pytest.mark.parametrize("name", EXERCISES)
def test_what_is_not_begun_is_to_do(name):
    exercise = EXERCISES[name]
    for answer in (..., None, ""):
        assert check(name, answer).outcome == "todo"
    if exercise.verdict or exercise.cases[0][0]:
        if name == "p95":
            return  # None is one of its right results: see below
        assert check(name, lambda *_, **__: ...).outcome == "todo"
        assert check(name, lambda *_, **__: None).outcome == "todo"


def test_a_function_that_rightly_gives_none_sometimes_is_not_to_do_for_ever():
    assert check("p95", lambda values: ...).outcome == "todo"


@pytest.mark.parametrize(
    "name", [name for name, exercise in EXERCISES.items() if exercise.notebook < "07"]
)
def test_the_solution_passes(name):
    said = []
    scope = {
        "np": np,
        "re": re,
        "random": __import__("random"),
        "DISK_GB": 15,
        "load_models": __import__("helpers").load_models,
    }
    exec(solution(name), scope | {"check": lambda *given: said.append(check(*given))})
    assert [outcome.outcome for outcome in said] == ["passed"], said


def test_the_finished_starter_project_passes():
    finished = runpy.run_path(str(exercises.SOLUTIONS / "starter_project.py"))
    for name, function in (
        ("csv", "to_csv"),
        ("markdown", "to_markdown"),
        ("score", "score"),
        ("line-up", "read_models"),
    ):
        assert check(name, finished[function]).outcome == "passed"


def test_the_starter_project_as_shipped_is_to_do():
    shipped = runpy.run_path(str(notebooks.NOTEBOOKS / "starter_project.py"))
    for name, function in (
        ("csv", "to_csv"),
        ("markdown", "to_markdown"),
        ("score", "score"),
        ("line-up", "read_models"),
    ):
        assert check(name, shipped[function]).outcome == "todo"


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


def test_unknown_names_are_told_near_ones_and_never_raise():
    assert "did you mean ttft?" in check("tttf", 1).words
    assert "did you mean ttft?" in hint("tttf")
    assert "did you mean ttft?" in solution("tttf")
    assert "there are alias" in check(None).words


def test_outcomes_are_told_in_words_and_not_only_by_colour():
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


def test_where_results_cannot_be_written_checks_still_answer(tmp_path, monkeypatch):
    (tmp_path / "a file").write_text("")
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path / "a file" / "results"))
    assert check("alias", "pocket-mini-int4").outcome == "passed"
    assert overview().note.startswith("0 of")


def test_the_recorded_streams_are_what_the_questions_show():
    cells = json.loads((notebooks.NOTEBOOKS / "02_smoke_test.ipynb").read_text("utf-8"))["cells"]
    question = next("".join(cell["source"]) for cell in cells if cell["id"] == "exercise-ttft-idea")
    shown = eval(re.search(r"`(\[\(.*\)\])`", question)[1])
    assert tuple(shown) == STREAM


def test_a_solution_without_a_cell_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(exercises, "SOLUTIONS", tmp_path)
    (tmp_path / "00_check.py").write_text("# %% [nowhere]\npass\n")
    with pytest.raises(KitError, match=r"00_check\.ipynb has no cell for the solution of nowhere"):
        notebooks.with_solutions(notebooks.NOTEBOOKS / "00_check.ipynb")
    assert "git checkout" in solution("ttft")
