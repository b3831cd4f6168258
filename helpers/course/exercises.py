"""Check what a learner tries alone: `check`, `hint`, `solution`, and an overview of what is done.

The exercises live in notebooks/exercises/, one file for each notebook, and what to say about the
mistakes that any of them may get in general.py beside them. A check has three outcomes
(todo, passed, not yet) and never raises, so that Run All reaches the end of a notebook whatever
stands in the exercise cells. Each change of an outcome is a line in `progress.jsonl` in the
results folder.
"""

import difflib
import functools
import json
import math
import numbers
import runpy
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..common.errors import KitError
from ..common.files import append_json, now
from ..common.paths import PROJECT, results_folder
from ..common.show import Table
from ..common.templates import render

FOLDER = PROJECT / "notebooks" / "exercises"
RESTORE = "restore them with: git checkout -- notebooks/exercises"
PROGRESS = "progress.jsonl"
TODO, PASSED, NOT_YET = "todo", "passed", "not yet"
EDGES = {TODO: "#767676", PASSED: "#0072B2", NOT_YET: "#D55E00"}


class Todo(Exception):
    """Say that the answer is still the placeholder, or a function that returns it."""


@dataclass(frozen=True)
class Exercise:
    """Hold one exercise: what it expects, how to help, and the code that passes.

    The answer is a value or a function. Either `cases` lists pairs of arguments and expected result
    (no arguments for a value), and `slips` pairs a common wrong answer with what to say about it;
    or `find_mistake` calls a function and returns None, or a sentence about what is wrong. There,
    `example` is a result of the right kind.
    """

    name: str
    title: str
    hints: Sequence[str]  # from a push to nearly all of it
    solution: str = field(repr=False)
    cases: Sequence[tuple[tuple, object]] = ()
    slips: Sequence[tuple[object, str]] = ()
    find_mistake: Callable | None = None
    example: object = None
    why: str = ""  # a sentence for those who passed
    use: Callable | None = None  # takes a function that passed, and what to use it on
    notebook: str = ""  # filled in when the file is loaded


def is_blank(answer: object) -> bool:
    """Return True for a placeholder: `...`, or a text without words."""
    return answer is ... or (isinstance(answer, str) and not answer.strip(" ."))


def same(answer: object, expected: object) -> bool:
    """Compare numbers to one part in a thousand, and texts without case and outer spaces.

    Where False is expected, None and 0 are as good: `a and b` returns them.
    """
    if expected is False:
        return answer is None or (isinstance(answer, numbers.Real) and not answer)
    if isinstance(answer, bool) or isinstance(expected, bool):
        return answer is expected
    if isinstance(answer, numbers.Real) and isinstance(expected, numbers.Real):
        return math.isclose(answer, expected, rel_tol=1e-3, abs_tol=1e-9)
    if isinstance(answer, str) and isinstance(expected, str):
        return answer.strip().casefold() == expected.strip().casefold()
    return type(answer) is type(expected) and answer == expected


@dataclass(frozen=True)
class Outcome:
    """Say what a check found; in a notebook the colored edge repeats the word.

    `folds` pairs a title with a text that a learner unfolds when he wants it.
    """

    exercise: str
    outcome: str
    words: str
    folds: Sequence[tuple[str, str]] = field(default=(), repr=False)

    def __str__(self) -> str:
        more = f' For help: hint("{self.exercise}")' if len(self.folds) > 1 else ""
        return f"{self.exercise}: {self.outcome}. {self.words}{more}"

    def _repr_html_(self) -> str:
        return render("course/outcome.html.jinja", of=self, edge=EDGES[self.outcome])


class Words(str):
    """Show a text without quotes."""

    def __repr__(self) -> str:
        return str(self)


class Code(Words):
    """Show source text as a code block."""

    def _repr_markdown_(self) -> str:
        return f"```python\n{self}\n```"


def _load(path: Path) -> dict:
    """Return the names that a file of the exercises defines. Raises KitError for a broken one."""
    try:
        return runpy.run_path(str(path))
    except Exception as error:  # a learner may have edited the file
        reason = f"{path.name}: {type(error).__name__}: {error}"
        raise KitError(f"The exercises cannot be loaded ({reason}); {RESTORE}") from None


@functools.cache
def load_general() -> dict:
    """Return the rules for any exercise. Raises KitError when their file is broken."""
    return _load(FOLDER / "general.py")


@functools.cache
def load_exercises() -> dict[str, Exercise]:
    """Return the exercises by name, in teaching order. Raises KitError naming a broken file."""
    exercises = {}
    for path in sorted(FOLDER.glob("[0-9][0-9]_*.py")):
        for value in _load(path).values():
            if isinstance(value, Exercise):
                exercises[value.name] = replace(value, notebook=path.stem)
    if not exercises:
        raise KitError(f"The exercises are missing; {RESTORE}")
    return exercises


def find(name: str) -> Exercise:
    """Return the exercise with this name. Raises KitError when it cannot be found or loaded."""
    exercises = load_exercises()
    if name in exercises:
        return exercises[name]
    near = difflib.get_close_matches(str(name), exercises, n=1)
    advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(exercises)}."
    raise KitError(f"There is no exercise '{name}'; {advice}")


def check(name: str, answer: object = ...) -> Outcome:
    """Judge an answer to an exercise; never raises. A function is called with recorded cases."""
    try:
        exercise, general = find(name), load_general()
    except KitError as error:
        return Outcome(str(name), NOT_YET, str(error))
    last = ("One solution", exercise.solution.strip())
    folds = [*((f"Hint {n}", text) for n, text in enumerate(exercise.hints, 1)), last]
    try:
        mistake = general["judge"](exercise, answer)
    except Todo:
        return Outcome(name, TODO, "Replace the dots.", folds)
    outcome = Outcome(name, PASSED, f"{exercise.title}: right. {exercise.why}".strip(), [last])
    if mistake is not None:
        outcome = Outcome(name, NOT_YET, f"{mistake[0].upper()}{mistake[1:]}", folds)
    if _latest().get(name) != outcome.outcome:
        add_row(PROGRESS, {"exercise": name, "outcome": outcome.outcome})
    return outcome


def use_yours(name: str, function: Callable, *data: object) -> Outcome | Table:
    """Use a learner's function on a run of his own, once it passes its check; never raises."""
    outcome = check(name, function)
    if outcome.outcome != PASSED:
        return Outcome(name, outcome.outcome, "This cell uses your own function: write it above.")
    try:
        return find(name).use(function, *data)  # type: ignore[misc]
    except Exception as error:
        return Outcome(name, NOT_YET, f"On your run, {load_general()['stopped'](error)}")


def hint(name: str, step: int = 1) -> str:
    """Return a push in the right direction, or at steps 2 and 3 a harder one; never raises."""
    try:
        hints = find(name).hints
    except KitError as error:
        return str(error)
    place = step if step in range(1, len(hints)) else len(hints)
    more = f' More: hint("{name}", {place + 1})' if place < len(hints) else ""
    return hints[place - 1] + more


def solution(name: str) -> Code:
    """Return the code that passes; never raises."""
    try:
        return Code(find(name).solution.strip())
    except KitError as error:
        return Code(f"# {error}")


@dataclass(frozen=True)
class Bars(Table):
    """Show shares of what is passed as bars, and the table folded below them."""

    shares: Sequence[tuple[str, int, int]] = ()

    def _repr_html_(self) -> str:
        table = Table(self.headers, self.rows)
        return render("course/bars.html.jinja", of=self, table=table, edge=EDGES[PASSED])


def overview(number: str = "") -> Bars:
    """Return all exercises with their latest outcomes, with bars for the notebook of this number.

    Raises KitError where none can be loaded.
    """
    latest = _latest()
    rows = [
        [exercise.notebook, name, exercise.title, latest.get(name, TODO)]
        for name, exercise in load_exercises().items()
    ]
    left = [row for row in rows if row[-1] != PASSED]
    here = [row for row in rows if number and row[0].startswith(number)]
    following = f"Next: {left[0][1]} in {left[0][0]}." if left else "All done."
    groups = {"here": here, "in all": rows} if here else {"in all": rows}
    shares = [(n, sum(row[-1] == PASSED for row in of), len(of)) for n, of in groups.items()]
    said = ", ".join(f"{part} of {whole} {words}" for words, part, whole in shares)
    note = f"{said if here else f'{len(rows) - len(left)} of {len(rows)} passed'}. {following}"
    return Bars(("notebook", "exercise", "about", "outcome"), rows, note, shares)


def _latest() -> dict[str, str]:
    """Return each exercise's last recorded outcome."""
    rows = read_rows(PROGRESS)
    return {
        row["exercise"]: row["outcome"] for row in rows if {"exercise", "outcome"} <= row.keys()
    }


def add_row(file: str, row: dict) -> None:
    """Add a row to a file of the results folder; where it cannot be written, learning goes on."""
    with suppress(OSError, KitError):
        append_json(results_folder() / file, {"at": now(), **row})


def read_rows(file: str) -> list[dict]:
    """Return the rows of a file of the results folder; damaged lines are skipped."""
    rows = []
    with suppress(OSError, KitError):
        text = (results_folder() / file).read_text(encoding="utf-8", errors="replace")
        for line in text.splitlines():
            with suppress(ValueError):
                rows.append(json.loads(line))
    return [row for row in rows if isinstance(row, dict)]
