"""What a learner tries alone: `check`, `hint`, `solution`, and an overview of what is done.

A check has three outcomes (todo, passed, not yet), says them in words and never raises, so that Run All reaches the end of a notebook
whatever stands in the exercise cells. Outcomes are appended to `progress.jsonl` in the results folder, one line each time one changes.
"""

import difflib
import html
import json
import re
from dataclasses import dataclass
from pathlib import Path

from ..common.errors import KitError
from ..common.files import now
from ..common.paths import PROJECT, results_folder
from ..common.show import Table
from .lessons import EXERCISES, Todo

SOLUTIONS = PROJECT / "notebooks" / "solutions"
TODO, PASSED, NOT_YET = "todo", "passed", "not yet"
EDGES = {TODO: "#767676", PASSED: "#0072B2", NOT_YET: "#D55E00"}


@dataclass(frozen=True)
class Outcome:
    """What a check says: `outcome` is todo, passed or not yet. Shows itself in words, with a coloured edge in a notebook."""

    exercise: str
    outcome: str
    words: str

    def __str__(self) -> str:
        return f"{self.exercise}: {self.outcome}. {self.words}"

    def _repr_html_(self) -> str:
        words = html.escape(self.words)
        return (
            f'<div style="border-left: 6px solid {EDGES[self.outcome]}; padding: 0.3em 0.8em">'
            f"<strong>{html.escape(self.exercise)}: {self.outcome}.</strong> {words}</div>"
        )


class Code(str):
    """Source text that shows itself as a code block."""

    def _repr_markdown_(self) -> str:
        return f"```python\n{self}\n```"

    def __repr__(self) -> str:
        return str(self)


def check(name: str, answer=...) -> Outcome:
    """Judge an answer to an exercise; never raises. A function is called with recorded cases."""
    if name not in EXERCISES:
        return Outcome(name, NOT_YET, _unknown(name))
    try:
        wrong = EXERCISES[name].judge(answer)
    except Todo:
        return Outcome(name, TODO, f'Replace the dots. Stuck? hint("{name}")')
    except (Exception, SystemExit) as error:  # whatever a learner's code may do
        wrong = f"it stopped with {type(error).__name__}: {error}."
    outcome = (
        Outcome(name, PASSED, f"{EXERCISES[name].title}: right.")
        if wrong is None
        else Outcome(name, NOT_YET, _sentence(wrong, name))
    )
    _note(outcome)
    return outcome


def hint(name: str) -> str:
    """A push in the right direction; never raises."""
    return EXERCISES[name].hint if name in EXERCISES else _unknown(name)


def solution(name: str) -> Code:
    """The code that passes, from notebooks/solutions/; never raises."""
    if name not in EXERCISES:
        return Code(f"# {_unknown(name)}")
    try:
        return Code(solutions(EXERCISES[name].notebook)[name])
    except (OSError, KeyError):
        return Code(
            f"# The solution of {name} is not here; restore notebooks/solutions with: git checkout -- notebooks/solutions"
        )


def solutions(notebook: str) -> dict[str, str]:
    """Exercise to the source of its solved cell, for one notebook: the parts of its file in notebooks/solutions/."""
    parts = re.split(
        r"^# %% \[(.+)\]\n",
        (SOLUTIONS / f"{notebook}.py").read_text(encoding="utf-8"),
        flags=re.MULTILINE,
    )
    return {name: source.strip("\n") for name, source in zip(parts[1::2], parts[2::2], strict=True)}


def overview() -> Table:
    """All exercises of the course with where they stand; never raises."""
    latest = _latest()
    rows = [[e.notebook, name, e.title, latest.get(name, TODO)] for name, e in EXERCISES.items()]
    passed = sum(row[-1] == PASSED for row in rows)
    following = next((row for row in rows if row[-1] != PASSED), None)
    note = f"{passed} of {len(rows)} passed." + (
        f" Next: {following[1]} in {following[0]}." if following else " All done."
    )
    return Table(("notebook", "exercise", "about", "outcome"), rows, note=note)


def _note(outcome: Outcome) -> None:
    """Put a changed outcome on record; where nothing can be written, learning goes on without."""
    try:
        if _latest().get(outcome.exercise) != outcome.outcome:
            with _file().open("a", encoding="utf-8", newline="\n") as file:
                file.write(
                    json.dumps(
                        {"at": now(), "exercise": outcome.exercise, "outcome": outcome.outcome}
                    )
                    + "\n"
                )
    except (OSError, KitError):
        pass


def _latest() -> dict[str, str]:
    """Exercise to its last outcome on record. A damaged line is passed over."""
    found = {}
    try:
        lines = _file().read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, KitError):
        return {}
    for line in lines:
        try:
            row = json.loads(line)
            found[row["exercise"]] = row["outcome"]
        except (ValueError, KeyError, TypeError):
            continue
    return found


def _file() -> Path:
    return results_folder() / "progress.jsonl"


def _sentence(wrong: str, name: str) -> str:
    wrong = wrong[0].upper() + wrong[1:]
    return f'{wrong} More: hint("{name}")'


def _unknown(name) -> str:
    near = difflib.get_close_matches(str(name), EXERCISES, n=1)
    return f"There is no exercise '{name}'; " + (
        f"did you mean {near[0]}?" if near else f"there are {', '.join(EXERCISES)}."
    )
