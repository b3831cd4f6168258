"""Read what a run asks, in any usual form, and what a good answer contains."""

import calendar
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    BeforeValidator,
    Field,
    field_validator,
    model_validator,
)

from ..common.errors import UsageError
from ..common.files import TEXTS, read_folder, read_text, sheet_rows
from ..common.paths import DATA
from ..common.show import Shown, Table, count, join_words, one_line
from .lineup import Entry, Identifier, Positive, Text, first_repeated, parse_entry, parse_json

DEFAULT_PROMPT_SET = "meeting-notes"
COURSE, ALL = "course", ":all"
MAX_NAME = 80  # characters
JSON_LINES, SHEETS = (".jsonl", ".ndjson"), (".csv", ".tsv")
MONTHS = tuple(calendar.month_name)[1:]
Day = Annotated[str, Field(pattern=rf"^([1-9]|[12]\d|3[01]) ({'|'.join(MONTHS)})$")]


def _check_name(name: str) -> str:
    if not name or name != one_line(name, MAX_NAME):
        raise ValueError(f"must be one line of 1 to {MAX_NAME} characters, found {name[:90]!r}")
    return name


Name = Annotated[str, Field(coerce_numbers_to_str=True), AfterValidator(_check_name)]


class Facet(Entry):
    """Describe something that an answer must (or must not) contain.

    It is any one of some phrases, a number, a day ("14 March") or a regular expression.
    `instead_of` lists what contradicts it when an answer says that: other people, other days, a
    plan that was dropped. `about` has words of the task that an owner or a day belongs to.
    """

    id: Identifier
    any_of: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    number: Annotated[float, Field(allow_inf_nan=False)] | None = None
    date: Day | None = None
    regex: Text | None = None
    instead_of: tuple[Text, ...] = ()
    about: tuple[Text, ...] = ()
    kind: Literal["required", "optional", "forbidden"] = "required"

    @model_validator(mode="after")
    def _one_way_to_match(self) -> "Facet":
        ways = ("any_of", "number", "date", "regex")
        given = [way for way in ways if getattr(self, way) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a facet has one of any_of, number, date and regex, found {join_words(given)}"
            )
        if self.regex is not None:
            try:
                re.compile(self.regex)
            except (re.error, OverflowError, RecursionError) as error:
                raise ValueError(f"regex is not a regular expression ({error})") from None
        return self


class AnswerFormat(Entry):
    """Describe the form that a prompt asks for."""

    sentences: Positive | None = None
    bullets: Positive | None = None
    max_words: Positive | None = None

    def __str__(self) -> str:
        sentences = count(self.sentences, "sentence") if self.sentences else ""
        bullets = count(self.bullets, "bullet") if self.bullets else ""
        words = f"at most {self.max_words} words" if self.max_words else ""
        return ", ".join(filter(None, (sentences, bullets, words)))


def _join_lines(text: object) -> object:
    lines = isinstance(text, list) and all(isinstance(line, str) for line in text)
    return "\n".join(text) if isinstance(text, list) and lines else text


class Prompt(Entry):
    """Hold one prompt, with what its answer is expected to contain.

    The text may be a list of lines. `tags` say what kind of prompt it is; those tagged "course"
    are the part of their set that is used unless all are asked for.
    """

    id: Name
    text: Annotated[
        Text,
        Field(validation_alias=AliasChoices("text", "prompt")),
        BeforeValidator(_join_lines),
    ]
    tags: tuple[Identifier, ...] = ()
    facets: tuple[Facet, ...] = ()
    format: AnswerFormat | None = None


class PromptSet(Shown, Entry):
    """Hold a named, fixed list of prompts. One without an id is called p1, p2, ... by its place.

    `taught_on` names the models that were taught on texts like these.
    """

    name: Name
    title: str = ""
    taught_on: tuple[Identifier, ...] = ()
    prompts: tuple[Prompt, ...] = Field(min_length=1)

    @field_validator("prompts", mode="before")
    @classmethod
    def _number_prompts(cls, prompts: object) -> object:
        if not isinstance(prompts, list):
            return prompts
        if not prompts:
            raise ValueError("the list of prompts is empty")
        entries = [{"text": prompt} if isinstance(prompt, str) else prompt for prompt in prompts]
        return [
            {"id": f"p{number}", **entry} if isinstance(entry, dict) else entry
            for number, entry in enumerate(entries, 1)
        ]

    @model_validator(mode="after")
    def _ids_differ(self) -> "PromptSet":
        if twice := first_repeated(p.id for p in self.prompts):
            raise ValueError(f"two prompts have the id '{twice}'")
        return self

    def __len__(self) -> int:
        return len(self.prompts)

    def table(self) -> Table:
        """Return the prompts as a table."""
        rows = [[p.id, p.text, len(p.facets), str(p.format or "")] for p in self.prompts]
        return Table(("id", "prompt", "facets", "format"), rows)


def load_prompts(source: str | Path | None = None) -> PromptSet:
    """Read a prompt set: the name of a shipped set, a file, `FILE:SET`, or a folder of texts.

    A file is JSON, JSON lines, CSV with a column prompt or text, or text with one prompt a line.
    Of a set with prompts tagged "course" these are read, and all of them with `:all` at the end.
    Raises UsageError naming the file, the field and the mistake, or the sets in the file.
    """
    named = os.path.expanduser(source or DEFAULT_PROMPT_SET)
    whole = named.endswith(ALL) and not os.path.exists(named)
    path, name = _split_source(named.removesuffix(ALL) if whole else named)
    raw = _read(path)
    sets = {"list": raw} if isinstance(raw, list) else raw
    if not isinstance(sets, dict) or not sets:
        raise UsageError(f"{path}: expected a list of strings, or an object of prompt sets.")
    if isinstance(sets.get("prompts"), list) and sets.keys() <= PromptSet.model_fields.keys():
        sets = {str(sets.get("name", "prompts")): sets}  # a single set that names itself
    if name is None and len(sets) == 1:
        (name,) = sets
    if name is None or name not in sets:
        problem = f"no prompt set {name[:MAX_NAME]!r}" if name else "which prompt set?"
        raise UsageError(f"{path}: {problem}; it has {one_line(', '.join(sets))}.")
    entry = sets[name]
    fields = entry if isinstance(entry, dict) else {"prompts": entry}
    prompts = parse_entry(PromptSet, {"name": name, **fields}, path, name)
    return prompts if whole else _course_part(prompts)


def _course_part(prompts: PromptSet) -> PromptSet:
    """Return the prompts tagged "course", or all where none is; the title says how many more."""
    part = tuple(prompt for prompt in prompts.prompts if COURSE in prompt.tags)
    if len(part) in (0, len(prompts)):
        return prompts
    title = f"{prompts.title} ({len(part)} of {len(prompts)}; all: {prompts.name}{ALL})"
    return prompts.model_copy(update={"prompts": part, "title": title.strip()})


def prompt_list(texts: Iterable[str]) -> PromptSet:
    """Return a prompt set of plain strings."""
    return parse_entry(PromptSet, {"name": "list", "prompts": list(texts)}, "prompts", "list")


def _split_source(source: str) -> tuple[Path, str | None]:
    shipped = DATA / "prompts.json"
    if os.path.isfile(source) or (os.path.isdir(source) and source not in _read(shipped)):
        return Path(source), None
    file, colon, name = source.rpartition(":")
    if colon and name and not re.search(r"[\\/]", name):
        return Path(file), name
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]*", source):
        return shipped, source
    return Path(source), None


def _read(path: Path) -> Any:
    """Return the sets or the list of prompts that a file or folder holds, whatever its form."""
    if os.path.isdir(path):
        texts = read_folder(path)
        return [
            {"id": one_line(Path(name).stem, MAX_NAME), "text": text}
            for name, text in texts.items()
        ]
    form = path.suffix.lower()
    text = read_text(path)
    if form in SHEETS:
        return _read_sheet(text, path)
    lines = {n: line.strip() for n, line in enumerate(text.split("\n"), 1) if line.strip()}
    if form in JSON_LINES:
        return _json_lines(lines, path)
    if form in TEXTS and not text.lstrip().startswith(("[", "{")):
        return list(lines.values())
    try:
        return parse_json(text, f"{path}")
    except UsageError as error:
        if form in TEXTS:  # it only began like JSON
            return list(lines.values())
        if "Extra data" in str(error) and len(lines) > 1:  # one value a line, under another name
            return _json_lines(lines, path)
        raise


def _json_lines(lines: dict[int, str], path: Path) -> list[object]:
    return [parse_json(line, f"{path} line {number}") for number, line in lines.items()]


def _read_sheet(text: str, path: Path) -> list[dict[str, str]]:
    """Return a prompt for each row; columns other than id and prompt or text are left alone."""
    header, rows = sheet_rows(text, path)
    names = {name.strip().casefold(): name for name in header}
    column, own_id = names.get("prompt", names.get("text")), names.get("id")
    if column is None:
        raise UsageError(f"{path}: the first line names no column prompt or text.")
    prompts: list[dict[str, str]] = []
    for line, row in rows:
        if None in row:
            raise UsageError(
                f"{path} line {line}: too many cells; put a text that contains commas in quotes."
            )
        asked, name = (row[column] or "").strip(), one_line(row.get(own_id) or "", MAX_NAME)
        if asked:
            prompts.append({"id": name or f"p{len(prompts) + 1}", "text": asked})
    return prompts
