"""What goes in: `models.json` (which models), `prompts.json` (which prompts, and what a good answer contains)."""

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ..common.errors import UnknownModel, UsageError
from ..common.paths import DATA
from ..common.show import Table

DEFAULT_PROMPT_SET = "meeting-notes"
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
Identifier = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")]


class Entry(BaseModel):
    """What all entries share: they do not change, and a field that is not known is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ModelEntry(Entry):
    """One model of the line-up. `capabilities` and `size_mb` (null when unknown) must be there; the rest may be left out."""

    capabilities: tuple[Text, ...]
    size_mb: Annotated[float, Field(gt=0)] | None
    source: Literal["built-in", "catalog"] = "catalog"
    license: Text | None = None
    parameters: Annotated[int, Field(gt=0)] | None = None
    context: Annotated[int, Field(gt=0)] | None = None
    formerly: tuple[Identifier, ...] = ()
    note: str = ""


class Facet(Entry):
    """Something an answer must (or must not) contain: any one of some phrases, a number, a day ("14 March") or a regular expression."""

    id: Identifier
    any_of: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    number: Annotated[float, Field(allow_inf_nan=False)] | None = None
    date: Annotated[str, Field(pattern=rf"^([1-9]|[12]\d|3[01]) ({'|'.join(MONTHS)})$")] | None = (
        None
    )
    regex: Text | None = None
    kind: Literal["required", "optional", "forbidden"] = "required"

    @model_validator(mode="after")
    def _one_way_to_match(self):
        given = [
            name
            for name in ("any_of", "number", "date", "regex")
            if getattr(self, name) is not None
        ]
        if len(given) != 1:
            raise ValueError(
                f"a facet has one of any_of, number, date and regex, found {' and '.join(given) or 'none'}"
            )
        if self.regex is not None:
            try:
                re.compile(self.regex)
            except re.error as error:
                raise ValueError(f"regex is not a regular expression ({error})") from None
        return self


class AnswerFormat(Entry):
    """The form that a prompt asks for."""

    sentences: Annotated[int, Field(gt=0)] | None = None
    bullets: Annotated[int, Field(gt=0)] | None = None
    max_words: Annotated[int, Field(gt=0)] | None = None


class Prompt(Entry):
    """One prompt, with what its answer is expected to contain."""

    id: Identifier
    text: Text
    facets: tuple[Facet, ...] = ()
    format: AnswerFormat | None = None


class PromptSet(Entry):
    """A named, fixed list of prompts."""

    name: Identifier
    title: str = ""
    prompts: tuple[Prompt, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _ids_differ(self):
        if twice := _first_repeated(p.id for p in self.prompts):
            raise ValueError(f"two prompts have the id '{twice}'")
        return self

    def __len__(self) -> int:
        return len(self.prompts)

    def table(self) -> Table:
        """The prompts as a table."""
        return Table(
            ("id", "prompt", "facets", "format"),
            [[p.id, p.text, len(p.facets), _describe(p.format)] for p in self.prompts],
        )

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


class Lineup(Mapping[str, ModelEntry]):
    """Alias to entry, in the order of the file."""

    def __init__(self, entries: dict[str, ModelEntry]):
        self._entries = entries

    def __getitem__(self, alias: str) -> ModelEntry:
        return self._entries[alias]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def table(self) -> Table:
        """The line-up as a table."""
        headers = ("size_mb", "license", "parameters", "context", "capabilities", "source", "note")
        return Table(
            ("alias", *headers),
            [[alias, *(getattr(entry, name) for name in headers)] for alias, entry in self.items()],
        )

    def __str__(self) -> str:
        return str(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    @property
    def built_in(self) -> list[str]:
        """Aliases of the models that ship with the kit, smallest first."""
        return sorted(
            (a for a in self if self[a].source == "built-in"), key=lambda a: self[a].size_mb or 0
        )

    def current(self, alias: str) -> str | None:
        """The alias that an older name stands for today, or None."""
        return next((a for a, e in self.items() if alias in e.formerly), None)


def load_models(path: str | Path | None = None) -> Lineup:
    """Read and check `models.json`: `{alias: {capabilities, size_mb, ...}}`.

    Raises UsageError naming file, field and what was expected.
    """
    path = Path(path or DATA / "models.json")
    raw = _read_json(path)
    if not isinstance(raw, dict) or not raw:
        raise UsageError(
            f"{path}: expected an object with at least one model, {{alias: {{capabilities, size_mb, ...}}}}."
        )
    for alias in raw:
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]*", alias):
            raise UsageError(
                f"{path}: {alias!r} is no alias; use lower-case letters, digits, '.', '_' and '-'."
            )
    return Lineup({alias: _checked(ModelEntry, entry, path, alias) for alias, entry in raw.items()})


def load_prompts(source: str | Path | None = None) -> PromptSet:
    """Read a prompt set: the name of a shipped set, `FILE`, or `FILE:SET`.

    A file holds `{set: {title, prompts: [...]}}`, or a plain list of strings. Raises UsageError naming file,
    field and what was expected, or the sets there are.
    """
    path, name = _split_source(str(source or DEFAULT_PROMPT_SET))
    raw = _read_json(path)
    if isinstance(raw, list):
        if name:
            raise UsageError(
                f"{path} is a plain list and has no set '{name}'; leave out ':{name}'."
            )
        return prompt_list(raw, path)
    if not isinstance(raw, dict) or not raw:
        raise UsageError(f"{path}: expected a list of strings, or an object of prompt sets.")
    name = name or (next(iter(raw)) if len(raw) == 1 else None)
    if name not in raw:
        raise UsageError(
            f"{path}: {f'no prompt set {name!r}' if name else 'which prompt set?'}; it has {', '.join(raw)}."
        )
    if (
        isinstance(raw[name], list)
        and raw[name]
        and all(isinstance(text, str) for text in raw[name])
    ):
        return prompt_list(raw[name], path).model_copy(update={"name": name})
    entry = raw[name] if isinstance(raw[name], dict) else {"prompts": raw[name]}
    return _checked(PromptSet, {"name": name, **entry}, path, name)


def prompt_list(texts: Iterable[str], source: str | Path = "prompts") -> PromptSet:
    """A prompt set from plain strings, with ids p1, p2, ..."""
    texts = list(texts)
    if not texts:
        raise UsageError(f"{source}: the list of prompts is empty; give at least one string.")
    prompts = [{"id": f"p{i}", "text": text} for i, text in enumerate(texts, 1)]
    return _checked(PromptSet, {"name": "list", "prompts": prompts}, Path(source), "list")


def unknown(
    alias: str, known: Iterable[str], lineup: Lineup | None = None, note: str = ""
) -> UnknownModel:
    """The error for a name that a server does not offer: its name today, near ones, and where to see them all.

    `note` says what is known about the server's catalog, such as that it could not be reached.
    """
    known = list(known)
    today = (lineup.current(alias) if lineup else None) or alias
    renamed = f"'{alias}' is called '{today}' today" if today != alias else ""
    if renamed and today in known:
        return UnknownModel(f"{renamed}; use that name.")
    near = nearest(today, known)
    hint = (
        f"did you mean {' or '.join(near)}?"
        if near
        else f"known here: {', '.join(known[:8]) or 'none'}."
    )
    if lineup and today in lineup:
        also = f" Near it: {', '.join(near)}." if near else ""
        return UnknownModel(
            f"{renamed or f'{alias!r} is in the line-up'}, but is not offered here. {note or 'The catalog does not list it.'}{also}"
        )
    return UnknownModel(
        f"No model is called '{alias}'; {hint} List them with: python -m helpers models"
    )


def nearest(alias: str, known: Iterable[str]) -> list[str]:
    """Up to three names that are like this one: spelled alike, or with it in them."""
    known = list(known)
    return (
        difflib.get_close_matches(alias, known, n=3, cutoff=0.5)
        or [name for name in known if alias in name][:3]
    )


def _split_source(source: str) -> tuple[Path, str | None]:
    shipped = DATA / "prompts.json"
    if Path(source).is_file():
        return Path(source), None
    file, colon, name = source.rpartition(":")
    if colon and name and not re.search(r"[\\/]", name):
        return Path(file), name
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]*", source):
        return shipped, source
    return Path(source), None


def _read_json(path: Path):
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_no_repeats)
    except FileNotFoundError:
        raise UsageError(
            f"There is no file {path}; check the name, or leave it out to use the one that ships with the kit."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from None
    except RecursionError:
        raise UsageError(f"{path} is not valid JSON: it is nested too deep.") from None
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{path} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}."
        ) from None
    except _Repeated as error:
        raise UsageError(f"{path}: '{error}' appears twice; keep one.") from None


class _Repeated(ValueError):
    pass


def _no_repeats(pairs: list[tuple[str, object]]) -> dict:
    if twice := _first_repeated(key for key, _ in pairs):
        raise _Repeated(twice)
    return dict(pairs)


def _first_repeated(items: Iterable[str]) -> str | None:
    seen = set()
    return next((item for item in items if item in seen or seen.add(item)), None)


def _checked(model: type[Entry], raw, path: Path, where: str):
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        problems = []
        for item in error.errors(include_url=False, include_context=False)[:3]:
            field = ".".join([where, *(str(part) for part in item["loc"])])
            problems.append(f"{field}: {_expected(model, item)}")
        raise UsageError(f"{path}: {'; '.join(problems)}.") from None


def _expected(model: type[Entry], item: dict) -> str:
    if item["type"] == "extra_forbidden" and len(item["loc"]) == 1:
        return f"unknown field, expected one of {', '.join(model.model_fields)}"
    message = item["msg"].removeprefix("Value error, ")
    return f"{message[0].lower()}{message[1:]}" + (
        "" if item["type"] in ("missing", "value_error") else f", found {item['input']!r:.60}"
    )


def _describe(form: AnswerFormat | None) -> str:
    words = {"sentences": "{} sentences", "bullets": "{} bullets", "max_words": "at most {} words"}
    return (
        ", ".join(words[what].format(n) for what, n in form.model_dump(exclude_none=True).items())
        if form
        else ""
    )
