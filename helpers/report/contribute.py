"""Write a small folder that a person can review in a minute, and check one that was received.

models.json        the entries of the models, in the form of the line-up
result.json        the summary: figures and counts, no prompts, no answers, no addresses
environment.json   machine and package versions
README.md          the same in words
"""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..common.errors import UsageError
from ..common.files import read_text, read_toml, write_text
from ..common.show import Table, one_line
from ..common.templates import render, sentences
from ..common.validation import explain
from ..decision.scorecard import COLUMNS
from ..measure.record import Run
from ..models.lineup import Entry, EntryType, Lineup, last_part, load_models, parse_models
from ..models.prompts import MAX_NAME
from ..timing.intervals import P95_NEEDS
from .report import make_report

FILES = ("models.json", "result.json", "environment.json", "README.md")
MAX_BYTES = 200_000
PRIVATE = "|".join(read_toml(Path(__file__).with_name("private.toml"))["patterns"])
# Every measured number of the scorecard; prices are a matter of the reader's own.
FIGURES = [name for name in COLUMNS if name.endswith(("_s", "_p50", "_mb", "_per_request"))]
Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)] | None
FigureName = Annotated[str, Field(pattern=f"^({'|'.join(FIGURES)})$")]
Count = Annotated[int, Field(ge=0, le=10**9)]
Name = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9@][A-Za-z0-9._:/@+-]{0,99}( @ (local|endpoint))?$")
]
Word = Annotated[str, Field(max_length=200)] | None


class Result(BaseModel):
    """Describe one model of `result.json`; its figures are further fields, named as in FIGURES."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[FigureName, Figure] = Field(init=False)

    model: Name
    status: Literal["ok", "partial", "failed", "skipped"]
    n_ok: Count
    n_failed: Count
    n_skipped: Count
    remote: bool = False  # another machine answered: its processor is not that of environment.json
    quality: Annotated[float, Field(ge=0, le=1)] | None = None
    energy_source: Word = None
    execution_provider: Word = None
    files_sha256: Word = None


class Contribution(Entry):
    """Describe `result.json`. Times are seconds, sizes MB."""

    form: Literal[1]
    measured_on: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
    prompt_set: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    prompts: Count
    rounds: Count
    temperature: Figure
    max_tokens: Count
    concurrency: Count
    runtime: Word
    results: Annotated[tuple[Result, ...], Field(min_length=1, max_length=100)]


class Environment(Entry):
    """Describe `environment.json`."""

    machine: dict[Annotated[str, Field(max_length=40)], str | int | float | bool | None]
    packages: dict[Annotated[str, Field(max_length=60)], Word]
    git_revision: Word = None


def contribute(run: Run, folder: Path) -> Path:
    """Write the files of `make_files` into a new folder and return it."""
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name a new folder.")
    texts = make_files(run)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    return folder


def make_files(run: Run) -> dict[str, str]:
    """Return the texts of a contribution by file name.

    Raises UsageError when the run did not finish, when nothing was answered, or when something
    private would be in it.
    """
    if run.status != "finished" or not any(row["n_ok"] for row in run.summary):
        raise UsageError(
            f"{run.folder.name} is not finished, or nothing was answered in it; "
            "only a finished run is worth giving."
        )
    report, known = make_report(run), load_models()
    card, hosts = report.card, report.hosts
    environment = run.info.environment.model_dump(include=set(Environment.model_fields))
    if len(hosts) == len(run.models):  # what is known of this machine says nothing of them
        environment["machine"] = {}
    answered = {_alias(row["model"]): row for row in card.rows if row["n_ok"]}
    table = card.table()
    public = Table(table.headers, [[_public(str(row[0])), *row[1:]] for row in table.rows])
    parts = {
        "models.json": {alias: _entry(alias, row, known) for alias, row in answered.items()},
        "result.json": _result(run, [row | {"remote": row["model"] in hosts} for row in card.rows]),
        "environment.json": environment,
    }
    texts = {name: json.dumps(part, indent=2, allow_nan=False) for name, part in parts.items()}
    texts["README.md"] = render(
        "report/contribution.md.jinja", run=run, table=public, remote=bool(hosts)
    )
    try:
        check_files(texts)
    except UsageError as error:
        raise UsageError(
            f"Nothing was written, since it would not pass the check: {error}"
        ) from None
    return texts


def verify_contribution(folder: Path) -> list[str]:
    """Check a contribution and return what it says, in sentences; nothing in it is run.

    Raises UsageError naming the file, the field and what was expected.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.")
    there = {path.name: path for path in folder.iterdir()}
    if unknown := sorted(set(there) - set(FILES)):
        raise UsageError(
            f"{folder}: {one_line(unknown[0], 60)} does not belong in a contribution; "
            f"it holds {', '.join(FILES)} and nothing else."
        )
    entries, result, environment = check_files({name: _text(folder / name) for name in FILES})
    return sentences(
        "report/contribution_check.jinja",
        known=load_models(),
        entries=entries,
        machine=environment.machine.get("cpu") or "a machine without a name",
        result=result,
        alias=_alias,
        needs=P95_NEEDS,
    )


def check_files(texts: Mapping[str, str]) -> tuple[Lineup, Contribution, Environment]:
    """Return what the files of a contribution hold. Raises UsageError naming file and field."""
    if set(texts) != set(FILES):
        raise UsageError(f"files: expected {', '.join(FILES)}.")
    if re.search(r"<[A-Za-z!/]|javascript:", texts["README.md"]):
        raise UsageError("README.md holds HTML or a script; it is plain Markdown.")
    for name, text in texts.items():
        if match := re.search(PRIVATE, text):
            raise UsageError(
                f"{name} contains what looks like an address, a home folder, an e-mail or a key "
                f"({one_line(match[0], 12)}); take it out."
            )
    entries = parse_models(texts["models.json"], Path("models.json"))
    result = _validated(Contribution, "result.json", texts)
    return entries, result, _validated(Environment, "environment.json", texts)


def _alias(model: str) -> str:
    """Return the name for `models.json`: no server, and only letters that an alias may have."""
    name = last_part(model.partition(" @ ")[0]).lower()
    return re.sub(r"[^a-z0-9._-]+", "-", name).strip("-._") or "model"


def _public(model: str) -> str:
    """Return a name without the host of a server and the folders on it."""
    name, at, place = model.partition(" @ ")
    name = re.sub(r"[^A-Za-z0-9._:/@+-]+", "-", last_part(name)).lstrip("-._:/+")[:100] or "model"
    return f"{name}{at}{place if place == 'local' else 'endpoint'}" if at else name


def _entry(alias: str, row: dict, known: Lineup) -> dict:
    if alias in known:
        entry = known[alias]
        return {"size_mb": entry.size_mb} | entry.model_dump(mode="json", exclude_defaults=True)
    license = {"license": row["license"]} if row["license"] else {}
    return {"capabilities": ["chat"], "size_mb": row["size_mb"]} | license


def _result(run: Run, rows: list[dict]) -> dict:
    plan = run.info.plan
    return {
        "form": 1,
        "measured_on": run.info.started_at[:10],
        "prompt_set": _public(plan.prompts.name),
        "prompts": len(plan.prompts.prompts),
        **{name: getattr(plan, name) for name in ("rounds", "temperature", "max_tokens")},
        "concurrency": run.level,
        "runtime": re.sub(r" \([^)]*\)", "", run.info.server.kind),
        "results": [
            {name: facts.get(name) for name in [*Result.model_fields, *FIGURES]}
            | {"model": _public(facts["model"])}
            for facts in (run.info.models[row["model"]].model_dump() | row for row in rows)
        ],
    }


def _text(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        raise UsageError(f"{path.parent}: {path.name} is missing, or not a plain file.")
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(
            f"{path} is larger than {MAX_BYTES // 1000} kB; a contribution is a summary."
        )
    return read_text(path)


def _validated(model: type[EntryType], name: str, texts: Mapping[str, str]) -> EntryType:
    try:
        return model.model_validate_json(texts[name])
    except ValidationError as error:
        raise UsageError(f"{name}: {explain(error, model)}.") from None
