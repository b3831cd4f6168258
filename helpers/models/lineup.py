"""Read the line-up, `models.json`: which models there are, and what is known about them."""

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from ..common.errors import UnknownModel, UsageError
from ..common.files import read_text
from ..common.paths import DATA
from ..common.show import Shown, Table, one_line
from ..common.templates import paragraph
from ..common.validation import Model as EntryType
from ..common.validation import Strict as Entry
from ..common.validation import explain

ALIAS = r"[a-z0-9][a-z0-9._-]*"
Text = Annotated[str, Field(min_length=1, pattern=r"\S")]
Identifier = Annotated[str, Field(pattern=f"^{ALIAS}$")]
Positive = Annotated[int, Field(gt=0)]
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class IndexFile(Entry):
    """Name a file in a wheel of the package index, and what its bytes must be."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    version: Annotated[str, Field(pattern=r"^[0-9][0-9A-Za-z.]*$")]
    file: Annotated[str, Field(pattern=r"^[^\\]+\.gguf$")]
    bytes: Positive
    sha256: Hash
    wheel_bytes: Positive


class ModelEntry(Entry):
    """Describe one model."""

    capabilities: tuple[Text, ...]
    size_mb: Annotated[float, Field(gt=0)] | None
    source: Literal["built-in", "package-index", "catalog"] = "catalog"
    package: IndexFile | None = None  # with the source "package-index"
    adapter: Text | None = None  # a LoRA folder in data/, added to the package's weights
    adapter_sha256: Hash | None = None  # of its weights
    course: bool = False  # measured where nobody names models
    license: Text | None = None
    parameters: Positive | None = None
    context: Positive | None = None
    renamed_from: tuple[Identifier, ...] = ()
    note: str = ""

    @model_validator(mode="after")
    def _package_is_named(self) -> "ModelEntry":
        if (self.source == "package-index") != (self.package is not None):
            raise ValueError("package and the source 'package-index' go together")
        if bool(self.adapter) != bool(self.adapter_sha256) or (self.adapter and not self.package):
            raise ValueError("adapter and adapter_sha256 go together, and with a package")
        return self


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

    def among(self, table: Iterable[Any], missing: bool = False) -> list[str]:
        """Return the course's models that a table has cached (or `missing`), else any of its."""
        cached = {model.alias: missing or model.cached is not False for model in table}
        course = [alias for alias, entry in self.items() if entry.course] or self.built_in
        return [a for a in course if cached.get(a)] or [a for a in self if a in cached]

    def current(self, alias: str) -> str | None:
        """Return the alias that an older name stands for today, or None."""
        return next((name for name, e in self.items() if alias in e.renamed_from), None)


def load_models(path: str | Path | None = None) -> Lineup:
    """Read and check `models.json`. Raises UsageError naming the file and the mistake."""
    path = Path(path or DATA / "models.json")
    return parse_models(read_text(path), path)


def parse_models(text: str, path: Path) -> Lineup:
    """Check the text of a `models.json`; `path` is what errors call it."""
    raw = parse_json(text, f"{path}")
    if not isinstance(raw, dict) or not raw:
        raise UsageError(
            f"{path}: expected an object with at least one model, "
            "{alias: {capabilities, size_mb, ...}}."
        )
    if wrong := [alias for alias in raw if not re.fullmatch(ALIAS, alias)]:
        letters = "lower-case letters, digits, '.', '_' and '-'"
        raise UsageError(f"{path}: {wrong[0][:80]!r} is not an alias; use {letters}.")
    return Lineup(
        {alias: parse_entry(ModelEntry, entry, path, alias) for alias, entry in raw.items()}
    )


def model_list(names: str | Iterable[str] | None) -> list[str]:
    """Return the names of a list, or of a text with commas as papermill passes it, each once."""
    given = names.strip("[] ").split(",") if isinstance(names, str) else names or ()
    return list(dict.fromkeys(filter(None, (str(name).strip(" \t\n'\"") for name in given))))


def unknown(
    alias: str, known: Iterable[str], lineup: Lineup | None = None, note: str = ""
) -> UnknownModel:
    """Return the error for a name that a server lacks; `note` is what is known of its catalog."""
    known, lineup = list(dict.fromkeys(known)), lineup or Lineup()
    today = lineup.current(alias) or alias
    values = {"today": today, "known": known, "near": nearest(today, known), "note": note}
    listed = today in lineup
    return UnknownModel(paragraph("models/unknown.jinja", alias=alias, listed=listed, **values))


def last_part(name: str) -> str:
    """Return a model's name; of a path on a server only its last part, or its name in a hub."""
    if not re.match(r"[/\\~]|\.{1,2}[/\\]|[A-Za-z]:[/\\]|file:", name):
        return name
    hub = re.search(r"models--[^/\\]+?--([^/\\]+)", name)
    return hub[1] if hub else re.split(r"[/\\]", name.rstrip("/\\"))[-1] or name


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


def parse_json(text: str, place: str) -> Any:
    """Return what a JSON text holds. Raises UsageError naming the place and the mistake."""
    try:
        return json.loads(text, object_pairs_hook=_no_repeats)
    except (ValueError, RecursionError) as error:  # not JSON, a key twice, too deep
        raise UsageError(f"{place} is not valid JSON: {error}.") from None


def _no_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if twice := first_repeated(key for key, _ in pairs):
        raise ValueError(f"'{one_line(twice, 80)}' appears twice; keep one")
    return dict(pairs)


def first_repeated(items: Iterable[str]) -> str | None:
    """Return the first item that is there more than once, or None."""
    return next((item for item, number in Counter(items).items() if number > 1), None)


def parse_entry(model: type[EntryType], raw: object, path: str | Path, place: str) -> EntryType:
    """Return a checked entry. Raises UsageError naming the file, the field and the mistake."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise UsageError(f"{path}: {explain(error, model, place)}.") from None
