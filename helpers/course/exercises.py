"""Check what a learner tries alone: `check`, `hint`, `solution`, and an overview of what is done.

The exercises live in notebooks/exercises/, one file for each notebook, and what to say about the
mistakes that any of them may get in general.py beside them. A check has three outcomes
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
from typing import Any

from ..common.errors import KitError
from ..common.files import append_json, now
from ..common.paths import PROJECT, results_folder
from ..common.show import Table

FOLDER = PROJECT / "notebooks" / "exercises"
RESTORE = "restore them with: git checkout -- notebooks/exercises"
TODO, PASSED, NOT_YET = "todo", "passed", "not yet"
EDGES = {TODO: "#767676", PASSED: "#0072B2", NOT_YET: "#D55E00"}


class Todo(Exception):
    """Say that the answer is still the placeholder, or a function that returns it."""


class Mistake(Exception):
    """Say what is wrong with a result, whatever the exercise asks for."""


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

    def judge(self, answer: object) -> str | None:
        """Return None for a right answer, else what is wrong. Raises Todo for a placeholder."""
        general = load_general()
        if is_blank(answer):
            raise Todo
        if wrong := general["wrong_kind"](answer, bool(self.find_mistake or self.cases[0][0])):
            return wrong
        if self.find_mistake is not None:
            return self.find_mistake(functools.partial(self._call, answer))
        results, expected = self._results(answer), [result for _, result in self.cases]
        if all(map(is_blank, results)):
            raise Todo
        if all(map(same, results, expected)):
            return None
        if all(result is None for result in results):
            return general["NOTHING"]
        for slip, words in self.slips:
            if all(map(same, results, self._results(slip))):
                return words
        pairs = [*zip(results, expected, strict=True)]
        if unit := general["other_unit"](pairs):
            return unit
        # Code that stopped comes first: the other results may have the same reason.
        wrong = [n for n, pair in enumerate(pairs) if not same(*pair)]
        place = next((n for n in wrong if isinstance(results[n], BaseException)), wrong[0])
        return general["explain"](*self.cases[place], results[place])

    def _results(self, answer: object) -> list:
        """Return the result of each case, or the error that stopped it."""
        results: list[object] = []
        for arguments, _ in self.cases:
            try:
                results.append(plain(answer(*arguments) if callable(answer) else answer))
            except (Exception, SystemExit) as error:  # whatever a learner's code may do
                results.append(error)
        return results

    def _call(self, answer: Any, *arguments: object) -> object:
        """Return what a function returns. Raises Todo for `...`, and Mistake for a wrong kind."""
        general, result = load_general(), plain(answer(*arguments))
        if result is ...:
            raise Todo
        if result is None:
            raise Mistake(general["NOTHING"])
        if self.example is not None and (odd := general["oddity"](result, self.example)):
            raise Mistake(odd)
        return result


def is_blank(answer: object) -> bool:
    """Return True for a placeholder: `...`, or a text without words."""
    return answer is ... or (isinstance(answer, str) and not answer.strip(" ."))


def plain(answer: object) -> object:
    """Return a scalar of numpy as Python's own number."""
    return answer.item() if getattr(answer, "shape", None) == () else answer  # type: ignore


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
        return f"{self.exercise}: {self.outcome}. {self.words}"

    def _repr_html_(self) -> str:
        folds = "".join(
            f"<details><summary>{html.escape(title)}</summary>"
            f'<pre style="white-space: pre-wrap">{html.escape(text)}</pre></details>'
            for title, text in self.folds
        )
        return (
            f'<div style="border-left: 6px solid {EDGES[self.outcome]}; padding: 0.3em 0.8em">'
            f"<strong>{html.escape(self.exercise)}: {self.outcome}.</strong> "
            f"{html.escape(self.words)}{folds}</div>"
        )


class Code(str):
    """Show source text as a code block."""

    def _repr_markdown_(self) -> str:
        return f"```python\n{self}\n```"

    def __repr__(self) -> str:
        return str(self)


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
        mistake = exercise.judge(answer)
    except Todo:
        return Outcome(name, TODO, f'Replace the dots. Stuck? hint("{name}")', folds)
    except Mistake as error:
        mistake = str(error)
    except (Exception, SystemExit) as error:  # whatever a learner's code may do
        mistake = general["stopped"](error)
    outcome = Outcome(name, PASSED, f"{exercise.title}: right. {exercise.why}".strip(), [last])
    if mistake is not None:
        words = f'{mistake[0].upper()}{mistake[1:]} For help: hint("{name}")'
        outcome = Outcome(name, NOT_YET, words, folds)
    _record(outcome)
    return outcome


def use_yours(name: str, function: Callable, *data: object) -> Outcome | Table:
    """Use a learner's function on a run of his own, once it passes its check; never raises."""
    outcome = check(name, function)
    if outcome.outcome != PASSED:
        return replace(outcome, words="This cell uses your own function: write it above.", folds=())
    try:
        return find(name).use(function, *data)  # type: ignore[misc]
    except Exception as error:
        return replace(
            outcome,
            outcome=NOT_YET,
            words=f"On your run, {load_general()['stopped'](error)}",
            folds=(),
        )


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
