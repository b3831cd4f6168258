"""Check what a learner tries alone: `check`, `hint`, `solution`, and an overview of what is done.

The exercises live in notebooks/exercises/, one file for each notebook. A check has three outcomes
(todo, passed, not yet) and never raises, so that Run All reaches the end of a notebook whatever
stands in the exercise cells. Each change of an outcome is a line in `progress.jsonl` in the
results folder.
"""

import difflib
import functools
import html
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

FOLDER = PROJECT / "notebooks" / "exercises"
RESTORE = "restore them with: git checkout -- notebooks/exercises"
TODO, PASSED, NOT_YET = "todo", "passed", "not yet"
EDGES = {TODO: "#767676", PASSED: "#0072B2", NOT_YET: "#D55E00"}


class Todo(Exception):
    """Say that the answer is still the placeholder, or a function that returns nothing yet."""


@dataclass(frozen=True)
class Exercise:
    """Hold one exercise: what it expects, how to help, and the code that passes.

    The answer is a value or a function. Either `cases` lists pairs of arguments and expected result
    (no arguments for a value), and `slips` pairs a common wrong answer with what to say about it;
    or `find_mistake` looks at the answer and returns None, or a sentence about what is wrong.
    """

    name: str
    title: str
    hint: str
    solution: str = field(repr=False)
    cases: Sequence[tuple[tuple, object]] = ()
    slips: Sequence[tuple[object, str]] = ()
    find_mistake: Callable | None = None
    notebook: str = ""  # filled in when the file is loaded

    def judge(self, answer: object) -> str | None:
        """Return None for a right answer, else what is wrong. Raises Todo for a placeholder."""
        if is_blank(answer):
            raise Todo
        if self.find_mistake is not None:
            return self.find_mistake(answer)
        expected = [result for _, result in self.cases]
        results = self._results(answer)
        if all(map(is_blank, results)) and any(result is not None for result in expected):
            raise Todo
        if all(map(same, results, expected)):
            return None
        for slip, words in self.slips:
            if all(map(same, results, self._results(slip))):
                return words
        pairs = zip(self.cases, results, strict=True)
        arguments, result = next(
            (arguments, result) for (arguments, right), result in pairs if not same(result, right)
        )
        given = ", ".join(f"{argument!r:.70}" for argument in arguments)
        if not given:
            return f"{result!r:.60} is not the answer."
        return f"for {given} your answer is {result!r:.60}."

    def _results(self, answer: object) -> list:
        return [answer(*arguments) if callable(answer) else answer for arguments, _ in self.cases]


def is_blank(answer: object) -> bool:
    """Return True for a placeholder: `...`, None or an empty text."""
    return answer is ... or answer is None or (isinstance(answer, str) and not answer.strip())


def same(answer: object, expected: object) -> bool:
    """Compare numbers to one part in a thousand, and texts without case and outer spaces."""
    if getattr(answer, "shape", None) == ():  # a scalar of numpy
        answer = answer.item()  # type: ignore[attr-defined]
    if isinstance(answer, bool) or isinstance(expected, bool):
        return answer is expected
    if isinstance(answer, numbers.Real) and isinstance(expected, numbers.Real):
        return math.isclose(answer, expected, rel_tol=1e-3, abs_tol=1e-9)
    if isinstance(answer, str) and isinstance(expected, str):
        return answer.strip().casefold() == expected.casefold()
    return answer == expected


@dataclass(frozen=True)
class Outcome:
    """Say what a check found; in a notebook the colored edge repeats the word."""

    exercise: str
    outcome: str
    words: str

    def __str__(self) -> str:
        return f"{self.exercise}: {self.outcome}. {self.words}"

    def _repr_html_(self) -> str:
        return (
            f'<div style="border-left: 6px solid {EDGES[self.outcome]}; padding: 0.3em 0.8em">'
            f"<strong>{html.escape(self.exercise)}: {self.outcome}.</strong> "
            f"{html.escape(self.words)}</div>"
        )


class Code(str):
    """Show source text as a code block."""

    def _repr_markdown_(self) -> str:
        return f"```python\n{self}\n```"

    def __repr__(self) -> str:
        return str(self)


@functools.cache
def load_exercises() -> dict[str, Exercise]:
    """Return the exercises by name, in teaching order. Raises KitError naming a broken file."""
    exercises = {}
    for path in sorted(FOLDER.glob("[0-9][0-9]_*.py")):
        try:
            values = runpy.run_path(str(path)).values()
        except Exception as error:  # a learner may have edited the file
            reason = f"{path.name}: {type(error).__name__}: {error}"
            raise KitError(f"The exercises cannot be loaded ({reason}); {RESTORE}") from None
        for value in values:
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
        exercise = find(name)
    except KitError as error:
        return Outcome(str(name), NOT_YET, str(error))
    try:
        mistake = exercise.judge(answer)
    except Todo:
        return Outcome(name, TODO, f'Replace the dots. Stuck? hint("{name}")')
    except (Exception, SystemExit) as error:  # whatever a learner's code may do
        mistake = f"your code stopped with {type(error).__name__}: {error}."
    outcome = Outcome(name, PASSED, f"{exercise.title}: right.")
    if mistake is not None:
        words = f'{mistake[0].upper()}{mistake[1:]} For help: hint("{name}")'
        outcome = Outcome(name, NOT_YET, words)
    _record(outcome)
    return outcome


def hint(name: str) -> str:
    """Return a push in the right direction; never raises."""
    try:
        return find(name).hint
    except KitError as error:
        return str(error)


def solution(name: str) -> Code:
    """Return the code that passes; never raises."""
    try:
        return Code(find(name).solution.strip())
    except KitError as error:
        return Code(f"# {error}")


def overview() -> Table:
    """Return all exercises with their latest outcomes. Raises KitError where none can be loaded."""
    latest = _latest()
    rows = [
        [exercise.notebook, name, exercise.title, latest.get(name, TODO)]
        for name, exercise in load_exercises().items()
    ]
    left = [row for row in rows if row[-1] != PASSED]
    following = f"Next: {left[0][1]} in {left[0][0]}." if left else "All done."
    note = f"{len(rows) - len(left)} of {len(rows)} passed. {following}"
    return Table(("notebook", "exercise", "about", "outcome"), rows, note=note)


def _record(outcome: Outcome) -> None:
    """Record a changed outcome; where nothing can be written, learning goes on without."""
    with suppress(OSError, KitError):
        if _latest().get(outcome.exercise) != outcome.outcome:
            line = {"at": now(), "exercise": outcome.exercise, "outcome": outcome.outcome}
            append_json(_file(), line)


def _latest() -> dict[str, str]:
    """Return each exercise's last recorded outcome; damaged lines are skipped."""
    latest: dict[str, str] = {}
    with suppress(OSError, KitError):
        for line in _file().read_text(encoding="utf-8", errors="replace").splitlines():
            with suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                latest[row["exercise"]] = row["outcome"]
    return latest


def _file() -> Path:
    return results_folder() / "progress.jsonl"
