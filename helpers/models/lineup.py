"""Read what goes into a run: `models.json` (which models) and `prompts.json` (which prompts).

A prompt also says what a good answer contains.
"""

import calendar
import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from ..common.errors import UnknownModel, UsageError
from ..common.paths import DATA
from ..common.show import Shown, Table, count, join_words
from ..common.validation import explain

DEFAULT_PROMPT_SET = "meeting-notes"
MONTHS = tuple(calendar.month_name)[1:]
ALIAS = r"[a-z0-9][a-z0-9._-]*"
Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
Identifier = Annotated[str, Field(pattern=f"^{ALIAS}$")]
Positive = Annotated[int, Field(gt=0)]
Day = Annotated[str, Field(pattern=rf"^([1-9]|[12]\d|3[01]) ({'|'.join(MONTHS)})$")]


class Entry(BaseModel):
    """Share what holds for all entries: they do not change, and an unknown field is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class IndexFile(Entry):
    """Name a file in a wheel of the package index, and what its bytes must be."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.]*$")]
    file: Annotated[str, Field(pattern=r"^[^\\]+\.gguf$")]
    bytes: Positive
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    wheel_bytes: Positive


class ModelEntry(Entry):
    """Describe one model. The keys `licence` and `formerly` are read for one more release."""

    capabilities: tuple[Text, ...]
    size_mb: Annotated[float, Field(gt=0)] | None
    source: Literal["built-in", "package-index", "catalog"] = "catalog"
    package: IndexFile | None = None  # with the source "package-index"
    adapter: Text | None = None  # a LoRA folder in data/, added to the package's weights
    license: Annotated[Text | None, Field(validation_alias=AliasChoices("license", "licence"))] = (
        None
    )
    parameters: Positive | None = None
    context: Positive | None = None
    renamed_from: Annotated[
        tuple[Identifier, ...], Field(validation_alias=AliasChoices("renamed_from", "formerly"))
    ] = ()
    note: str = ""

    @model_validator(mode="after")
    def _package_is_named(self) -> "ModelEntry":
        if (self.source == "package-index") != (self.package is not None):
            raise ValueError("package and the source 'package-index' go together")
        return self


class Facet(Entry):
    """Describe something that an answer must (or must not) contain.

    It is any one of some phrases, a number, a day ("14 March") or a regular expression.
    """

    id: Identifier
    any_of: Annotated[tuple[Text, ...], Field(min_length=1)] | None = None
    number: Annotated[float, Field(allow_inf_nan=False)] | None = None
    date: Day | None = None
    regex: Text | None = None
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
            except re.error as error:
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


class Prompt(Entry):
    """Hold one prompt, with what its answer is expected to contain."""

    id: Identifier
    text: Text
    facets: tuple[Facet, ...] = ()
    format: AnswerFormat | None = None


class PromptSet(Shown, Entry):
    """Hold a named, fixed list of prompts. A plain string is a prompt with an id p1, p2, ..."""

    name: Identifier
    title: str = ""
    prompts: tuple[Prompt, ...] = Field(min_length=1)

    @field_validator("prompts", mode="before")
    @classmethod
    def _number_strings(cls, prompts: object) -> object:
        if not isinstance(prompts, list):
            return prompts
        if not prompts:
            raise ValueError("the list of prompts is empty")
        return [
            {"id": f"p{number}", "text": prompt} if isinstance(prompt, str) else prompt
            for number, prompt in enumerate(prompts, 1)
        ]

    @model_validator(mode="after")
    def _ids_differ(self) -> "PromptSet":
        if twice := _first_repeated(p.id for p in self.prompts):
            raise ValueError(f"two prompts have the id '{twice}'")
        return self

    def __len__(self) -> int:
        return len(self.prompts)

    def table(self) -> Table:
        """Return the prompts as a table."""
        rows = [[p.id, p.text, len(p.facets), str(p.format or "")] for p in self.prompts]
        return Table(("id", "prompt", "facets", "format"), rows)


class Lineup(Shown, dict[str, ModelEntry]):
    """Map each alias to its entry, in the order of the file."""

    def table(self) -> Table:
        """Return the line-up as a table."""
        fields = ("size_mb", "license", "parameters", "context", "capabilities", "source", "note")
        rows = [[alias, *(getattr(entry, f) for f in fields)] for alias, entry in self.items()]
        return Table(("alias", *fields), rows)

    @property
    def built_in(self) -> list[str]:
        """Return the aliases of the models that ship with the kit, smallest first."""
        aliases = (alias for alias in self if self[alias].source == "built-in")
        return sorted(aliases, key=lambda alias: self[alias].size_mb or 0)

    def current(self, alias: str) -> str | None:
        """Return the alias that an older name stands for today, or None."""
        return next((name for name, e in self.items() if alias in e.renamed_from), None)


def load_models(path: str | Path | None = None) -> Lineup:
    """Read and check `models.json`. Raises UsageError naming the file and the mistake."""
    path = Path(path or DATA / "models.json")
    raw = _read_json(path)
    if not isinstance(raw, dict) or not raw:
        raise UsageError(
            f"{path}: expected an object with at least one model, "
            "{alias: {capabilities, size_mb, ...}}."
        )
    if wrong := [alias for alias in raw if not re.fullmatch(ALIAS, alias)]:
        letters = "lower-case letters, digits, '.', '_' and '-'"
        raise UsageError(f"{path}: {wrong[0]!r} is not an alias; use {letters}.")
    return Lineup({alias: _parse(ModelEntry, entry, path, alias) for alias, entry in raw.items()})


def load_prompts(source: str | Path | None = None) -> PromptSet:
    """Read a prompt set: the name of a shipped set, `FILE`, or `FILE:SET`.

    Raises UsageError naming the file, the field and the mistake, or the sets in the file.
    """
    path, name = _split_source(str(source or DEFAULT_PROMPT_SET))
    raw = _read_json(path)
    sets = {"list": raw} if isinstance(raw, list) else raw
    if not isinstance(sets, dict) or not sets:
        raise UsageError(f"{path}: expected a list of strings, or an object of prompt sets.")
    if name is None and len(sets) == 1:
        (name,) = sets
    if name is None or name not in sets:
        problem = f"no prompt set {name!r}" if name else "which prompt set?"
        raise UsageError(f"{path}: {problem}; it has {', '.join(sets)}.")
    entry = sets[name] if isinstance(sets[name], dict) else {"prompts": sets[name]}
    return _parse(PromptSet, {"name": name, **entry}, path, name)


def prompt_list(texts: Iterable[str]) -> PromptSet:
    """Return a prompt set of plain strings."""
    return _parse(PromptSet, {"name": "list", "prompts": list(texts)}, "prompts", "list")


def unknown(
    alias: str, known: Iterable[str], lineup: Lineup | None = None, note: str = ""
) -> UnknownModel:
    """Return the error for a name that a server does not offer.

    It says what the model is called today, which names are near, and where to see them all. `note`
    says what is known about the server's catalog, such as that it could not be reached.
    """
    known = list(known)
    today = (lineup.current(alias) if lineup else None) or alias
    renamed = f"'{alias}' is called '{today}' today" if today != alias else ""
    if renamed and today in known:
        return UnknownModel(f"{renamed}; use that name.")
    near = " or ".join(nearest(today, known))
    if lineup and today in lineup:
        also = f" Near it: {near}." if near else ""
        return UnknownModel(
            f"{renamed or f'{alias!r} is in the line-up'}, but is not offered here. "
            f"{note or 'The catalog does not list it.'}{also}"
        )
    hint = f"did you mean {near}?" if near else f"known here: {', '.join(known[:8]) or 'none'}."
    return UnknownModel(
        f"No model is called '{alias}'; {hint} List them with: python -m helpers models"
    )


def alias_from(path: Path) -> str:
    """Return an alias for a file or a folder, from its name."""
    path = path.resolve()
    name = path.name if path.is_dir() else path.stem
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-._") or "model"


def nearest(alias: str, known: Iterable[str]) -> list[str]:
    """Return up to three names like this one: spelled alike, or containing it."""
    known = list(known)
    alike = difflib.get_close_matches(alias, known, n=3, cutoff=0.5)
    return alike or [name for name in known if alias in name][:3]


def _split_source(source: str) -> tuple[Path, str | None]:
    if Path(source).is_file():
        return Path(source), None
    file, colon, name = source.rpartition(":")
    if colon and name and not re.search(r"[\\/]", name):
        return Path(file), name
    if re.fullmatch(r"[a-z0-9][a-z0-9_-]*", source):
        return DATA / "prompts.json", source
    return Path(source), None


def _read_json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_no_repeats)
    except FileNotFoundError:
        raise UsageError(
            f"There is no file {path}; check the name, "
            "or leave it out to use the one that ships with the kit."
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error}.") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, a key twice, too deep
        raise UsageError(f"{path} is not valid JSON: {error}.") from None


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if twice := _first_repeated(key for key, _ in pairs):
        raise ValueError(f"'{twice}' appears twice; keep one")
    return dict(pairs)


def _first_repeated(items: Iterable[str]) -> str | None:
    return next((item for item, number in Counter(items).items() if number > 1), None)


EntryType = TypeVar("EntryType", bound=Entry)


def _parse(model: type[EntryType], raw: object, path: str | Path, place: str) -> EntryType:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise UsageError(f"{path}: {explain(error, model, place)}.") from None
