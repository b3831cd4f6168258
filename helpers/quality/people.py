"""Scores that people give: 1 to 5 for one exact answer, entered blind, kept in a plain CSV file that only grows.

One line a score: model, prompt, answer (the first 16 digits of its SHA-256), rater, score, note. A later line of the same rater for the
same answer counts, the earlier one stays. `model` may be empty: the hash names the answer. A line without a score is still to be done.
"""

import csv
import io
import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path

from ..common.errors import KitError, UsageError
from ..common.files import write_text
from ..common.paths import DATA
from ..common.show import Table, one_line, sanitize_for_csv
from ..measure.record import Run
from .answers import distinct, prompt_texts

FILE = DATA / "annotations.csv"
COLUMNS = ("model", "prompt", "answer", "rater", "score", "note")
SCALE = {1: "useless", 2: "poor", 3: "usable after editing", 4: "good", 5: "nothing to improve"}


@dataclass(frozen=True)
class Annotation:
    """One score of one rater. `answer` is the hash of the exact text that was scored."""

    model: str
    prompt: str
    answer: str
    rater: str
    score: int
    note: str = ""


def read_annotations(*files: Path) -> list[Annotation]:
    """The scores of some files, in order; a file that is not there has none, and a last line that a kill cut off is passed over.

    Raises UsageError naming file, line and what was expected.
    """
    return [annotation for file in files if file.is_file() for annotation in _read(file)]


def for_run(run: Run, *files: Path) -> list[Annotation]:
    """The scores that may speak of a run: of `data/annotations.csv`, of its own `annotations*.csv`, and of files that are named."""
    return read_annotations(
        *dict.fromkeys([FILE, *sorted(run.folder.glob("annotations*.csv")), *files])
    )


def _read(file: Path) -> Iterable[Annotation]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{file} cannot be read as UTF-8 text ({error}); save it as CSV in UTF-8."
        ) from None
    whole, end, last = text.rpartition("\n")
    separator = _separator(text)
    if not _is_whole(last, separator):
        text = whole + end
    reader = csv.DictReader(io.StringIO(text), delimiter=separator, strict=True)
    try:
        if reader.fieldnames and (
            missing := [name for name in COLUMNS if name not in reader.fieldnames]
        ):
            raise UsageError(
                f"{file}: the first line lacks {', '.join(missing)}; expected {','.join(COLUMNS)}."
            )
        for row in reader:
            yield from _checked(row, f"{file} line {reader.line_num}")
    except csv.Error as error:
        raise UsageError(f"{file} line {reader.line_num} is no CSV ({error}).") from None


def _checked(row: dict, where: str) -> Iterable[Annotation]:
    if (
        not any(isinstance(value, str) and value.strip() for value in row.values())
        or not (row["score"] or "").strip()
    ):
        return
    if None in row or None in row.values():
        raise UsageError(
            f"{where}: expected {len(COLUMNS)} cells ({', '.join(COLUMNS)}); put a note that holds a comma in quotes."
        )
    score = row["score"].strip()
    if score not in map(str, SCALE):
        raise UsageError(
            f"{where}: score {one_line(score, 20)!r} is not on the scale; expected a whole number from 1 (useless) to 5 (nothing to improve)."
        )
    if not row["rater"].strip() or not row["answer"].strip():
        raise UsageError(f"{where}: a score needs a rater and the answer's hash.")
    plain = {name: row[name].strip().removeprefix("'") for name in COLUMNS}
    yield Annotation(**{**plain, "answer": plain["answer"].lower(), "score": int(score)})


def append(annotations: Sequence[Annotation], file: Path = FILE) -> None:
    """Add scores to a file, on disk before this returns. A half line that a kill left behind is cut off first.

    Raises KitError when the file cannot be written.
    """
    lines = [
        [sanitize_for_csv(cell) if isinstance(cell, str) else cell for cell in astuple(one)]
        for one in annotations
    ]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a+b") as target:
            target.seek(0)
            data = target.read()
            text, last = (
                data.decode("utf-8", "replace"),
                data.rpartition(b"\n")[2].decode("utf-8", "replace"),
            )
            keep = _is_whole(last, _separator(text))  # an editor that ends no last line
            if last and not keep:
                target.truncate(data.rfind(b"\n") + 1)
            out = io.StringIO("\n" if last and keep else "")
            out.seek(0, os.SEEK_END)
            csv.writer(out, delimiter=_separator(text), lineterminator="\n").writerows(
                lines if text else [COLUMNS, *lines]
            )
            target.write(out.getvalue().encode())
            target.flush()
            os.fsync(target.fileno())
    except OSError as error:
        raise KitError(
            f"{file} cannot be written ({error.strerror}); close it elsewhere, or name another file."
        ) from None


def _separator(text: str) -> str:
    """Half of Europe's spreadsheets write semicolons."""
    return ";" if text.partition("\n")[0].count(";") >= len(COLUMNS) - 1 else ","


def _is_whole(line: str, separator: str) -> bool:
    return bool(line.strip()) and len(next(csv.reader([line], delimiter=separator))) >= len(COLUMNS)


@dataclass(frozen=True)
class AnswerToRate:
    """One answer to score: what was asked, what came, and whose it is (not shown). Models that agree to the letter share it."""

    prompt: str
    asked: str
    answer: str
    text: str
    models: tuple[str, ...]


@dataclass
class BlindRating:
    """The answers of a run for one rater: no names, an order shuffled from the seed, what is scored already left out.

    `file` is where scores go. Killing it loses nothing: a new one goes on where the last one stopped.
    """

    run: Run
    rater: str
    seed: int = 0
    file: Path = FILE

    def __post_init__(self):
        if not self.rater.strip():
            raise UsageError("Who is scoring? Give a rater, a name or initials.")
        self.file = Path(self.file)
        known = {
            (a.prompt, a.answer) for a in for_run(self.run, self.file) if a.rater == self.rater
        }
        self.todo = [item for item in self.items if (item.prompt, item.answer) not in known]

    @cached_property
    def items(self) -> list[AnswerToRate]:
        """Every distinct answer of the run, in this rater's order."""
        asked, found = prompt_texts(self.run), {}
        for row in distinct(self.run).itertuples():
            found.setdefault((row.prompt_id, row.answer), (row.text, []))[1].append(row.model)
        items = [
            AnswerToRate(prompt, asked.get(prompt, ""), answer, text, tuple(models))
            for (prompt, answer), (text, models) in sorted(found.items())
        ]
        random.Random(f"{self.seed} {self.rater}").shuffle(items)
        return items

    @property
    def current(self) -> AnswerToRate | None:
        """The answer to score now; None when all are done."""
        return self.todo[0] if self.todo else None

    def score(self, score: int, note: str = "") -> None:
        """Score the current answer and go to the next. Raises UsageError for a score that is not on the scale."""
        if score not in SCALE:
            raise UsageError(f"A score is a whole number from 1 to 5, found {score!r:.20}.")
        if self.current is None:
            raise UsageError("Every answer of this run has been scored by this rater.")
        item = self.todo[0]
        append(
            [
                Annotation(
                    model, item.prompt, item.answer, self.rater, int(score), one_line(note, 300)
                )
                for model in item.models
            ],
            self.file,
        )
        self.todo.pop(0)

    def skip(self) -> None:
        """Put the current answer at the end."""
        self.todo.append(self.todo.pop(0))

    def sheet(self, path: Path) -> Path:
        """The answers that are left as a CSV file for a spreadsheet: fill in the scores. The model stays empty, so it is blind too."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([*COLUMNS, "asked", "text"])
        writer.writerows(
            [
                [
                    "",
                    i.prompt,
                    i.answer,
                    sanitize_for_csv(self.rater),
                    "",
                    "",
                    sanitize_for_csv(i.asked, 2000),
                    sanitize_for_csv(i.text, 4000),
                ]
                for i in self.todo
            ]
        )
        write_text(path, out.getvalue())
        return path

    def table(self) -> Table:
        """How far this rater is, without a name of a model."""
        item, done = self.current, len(self.items) - len(self.todo)
        rows = (
            [["prompt", item.prompt], ["asked", item.asked], ["answer", item.text]] if item else []
        )
        return Table(
            (f"{self.rater}", f"{done} of {len(self.items)} answers scored"),
            rows,
            note="; ".join(f"{k}: {v}" for k, v in SCALE.items()),
        )

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()
