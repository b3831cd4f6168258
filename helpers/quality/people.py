"""Collect scores that people give: 1 to 5 for one exact answer, entered blind, in a CSV file.

Each line is a score: model, prompt, answer (h and the first 16 digits of its SHA-256), rater,
score, note. The file only grows: a later line of the same rater for the same answer counts, and
the earlier one stays. `model` may be empty, as the hash names the answer. A line without a score
is still to be done.
"""

import csv
import io
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path

from ..common.errors import UsageError
from ..common.files import ELSEWHERE, read_text, separator, sheet_rows, write_text, writing
from ..common.paths import DATA, results_folder
from ..common.show import Shown, Table, one_line, sanitize_for_csv
from ..common.templates import render
from ..measure.record import Run
from .answers import Answer, Key, distinct

FILE = DATA / "annotations.csv"  # for scores that a team keeps in git; nothing here writes to it
COLUMNS = ("model", "prompt", "answer", "rater", "score", "note")
SCALE = {1: "useless", 2: "poor", 3: "usable after editing", 4: "good", 5: "nothing to improve"}
HASH = "h"  # before a hash in a file: a spreadsheet takes 5326786376725692 for a number
MARK = "\ufeff"  # by it, Excel knows UTF-8
MAX_NOTE, MAX_PROMPT, MAX_ANSWER = 300, 2000, 4000  # characters in a file


@dataclass(frozen=True)
class Annotation:
    """Hold one score of one rater. `answer` is the hash of the exact text that was scored."""

    model: str
    prompt: str
    answer: str
    rater: str
    score: int
    note: str = ""

    @property
    def key(self) -> Key:
        """Return prompt id and hash, which name the answer."""
        return self.prompt, self.answer


def read_annotations(*files: Path) -> list[Annotation]:
    """Return the scores of the files that exist. Raises UsageError naming file and line."""
    return [annotation for file in files if file.is_file() for annotation in _read(file)]


def for_run(run: Run, *files: Path) -> list[Annotation]:
    """Return the scores of `annotations.csv` in data/ and in the results, the run's and `files`."""
    own = sorted(run.folder.glob("annotations*.csv"))
    return read_annotations(*dict.fromkeys([FILE, scores_file(), *own, *files]))


def scores_file() -> Path:
    """Return where scores go; a score names an exact answer, so it counts for every run."""
    return results_folder() / FILE.name


def _read(file: Path) -> Iterator[Annotation]:
    text = read_text(file, ELSEWHERE)
    header, rows = sheet_rows(text, file)
    if text.strip() and (missing := [name for name in COLUMNS if name not in header]):
        raise UsageError(
            f"{file}: the first line lacks {', '.join(missing)}; expected {','.join(COLUMNS)}."
        )
    for line, row in rows:
        if (row.get("score") or "").strip():  # without a score, it is still to be done
            try:
                yield _annotation(row)
            except UsageError as error:
                raise UsageError(f"{file} line {line}: {error}") from None


def _annotation(row: dict) -> Annotation:
    if None in row or None in row.values():
        raise UsageError(
            f"expected {len(COLUMNS)} cells ({', '.join(COLUMNS)}); "
            "put a note that contains a comma in quotes."
        )
    cells = {name: row[name].strip().removeprefix("'") for name in COLUMNS}
    if (score := score_of(cells["score"])) is None:
        raise UsageError(
            f"score {one_line(cells['score'], 20)!r} is not on the scale; "
            "expected a whole number from 1 (useless) to 5 (nothing to improve)."
        )
    answer = cells["answer"].lower().removeprefix(HASH)
    if not cells["rater"] or not answer:
        raise UsageError("a score needs a rater and the answer's hash.")
    return Annotation(**{**cells, "answer": answer, "score": score})


def score_of(value: object) -> int | None:
    """Return a score on the scale, also from "4" or 4.0; None for anything else."""
    try:
        number = float(str(value).replace(",", "."))
    except ValueError:
        return None
    return int(number) if number in SCALE else None


def append(annotations: Sequence[Annotation], file: Path) -> None:
    """Add scores to a file; they are on the disk when this returns. Raises FileError otherwise."""
    with writing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        text = read_text(file) if file.exists() else ""
        text = text if text.strip() else _csv([COLUMNS])
        line_end = "" if text.endswith("\n") else "\n"
        rows = []
        for of in annotations:
            cells = {name: sanitize_for_csv(str(value)) for name, value in asdict(of).items()}
            rows.append([*(cells | _key_cells(of.key)).values()])
        write_text(file, MARK + text + line_end + _csv(rows, separator(text)))


def _key_cells(key: Key) -> dict[str, str]:
    """Return the cells of prompt and answer, such that a spreadsheet makes no number of them."""
    prompt = sanitize_for_csv(key[0])
    if re.search(r"\d|(?i:^true$|^false$)", prompt) and not re.match(r"'|p\d+$", prompt):
        prompt = f"'{prompt}"
    return {"prompt": prompt, "answer": HASH + key[1]}


def _csv(rows: Iterable[Sequence], delimiter: str = ",") -> str:
    lines = io.StringIO()
    csv.writer(lines, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return lines.getvalue()


@dataclass
class BlindRating(Shown):
    """Offer a run's answers to one rater, without names and without those already scored.

    `rater` decides the order; `file` is where scores go, by default `annotations.csv` in the
    results folder. A kill loses nothing: a new object goes on where the last one stopped.
    """

    run: Run
    rater: str
    file: Path = field(default_factory=scores_file)

    def __post_init__(self) -> None:
        if not self.rater.strip():
            raise UsageError("Who is scoring? Give a rater, a name or initials.")
        self.file = Path(self.file)
        scored = {a.key for a in for_run(self.run, self.file) if a.rater == self.rater}
        self.todo = [item for item in self.items if item.key not in scored]

    @cached_property
    def items(self) -> list[Answer]:
        """Return every distinct answer of the run, in this rater's order."""
        answers = {answer.key: answer for answer in distinct(self.run)}
        items = [answers[key] for key in sorted(answers)]
        random.Random(self.rater).shuffle(items)
        return items

    @property
    def current(self) -> Answer | None:
        """Return the answer to score now; None when all are done."""
        return self.todo[0] if self.todo else None

    def score(self, score: int, note: str = "") -> None:
        """Score the current answer, and go on. Raises UsageError for a score off the scale."""
        if score not in SCALE:
            raise UsageError(f"A score is a whole number from 1 to 5, found {score!r:.20}.")
        if self.current is None:
            raise UsageError("This rater has scored every answer of this run.")
        key, plain = self.current.key, one_line(note, MAX_NOTE)
        models = [answer.model for answer in distinct(self.run) if answer.key == key]
        append([Annotation(m, *key, self.rater, int(score), plain) for m in models], self.file)
        self.todo.pop(0)

    def skip(self) -> None:
        """Put the current answer at the end."""
        self.todo.append(self.todo.pop(0))

    def sheet(self, path: Path) -> Path:
        """Write the answers that are left, without models, as CSV for a person to fill in."""
        rater, rows = sanitize_for_csv(self.rater), []
        for item in self.todo:
            asked = sanitize_for_csv(self.run.prompts.get(item.prompt, ""), MAX_PROMPT)
            text = sanitize_for_csv(item.text, MAX_ANSWER)
            rows.append(["", *_key_cells(item.key).values(), rater, "", "", asked, text])
        write_text(path, MARK + _csv([[*COLUMNS, "asked", "text"], *rows]))
        return path

    def table(self) -> Table:
        """Return the current answer and how far this rater is, without a model's name."""
        item, done = self.current, len(self.items) - len(self.todo)
        rows = []
        if item:
            asked = self.run.prompts.get(item.prompt, "")
            rows = [["prompt", item.prompt], ["asked", asked], ["answer", item.text]]
        scale = "; ".join(f"{score}: {words}" for score, words in SCALE.items())
        return Table((self.rater, f"{done} of {len(self.items)} answers scored"), rows, note=scale)

    def _repr_html_(self) -> str:
        """Show prompt and answer whole, with the line breaks of the notes."""
        table = self.table()
        head = Table(table.headers, table.rows[:1], note=table.note)
        return render("quality/blind.html.jinja", head=head, texts=table.rows[1:])
