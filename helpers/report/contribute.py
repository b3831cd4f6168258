"""Giving back: a small folder that a person can review in a minute, and the check of one that somebody else sent.

models.json        the entries of the models, in the form of the line-up
result.json        the summary: figures and counts, no prompts, no answers, no addresses
environment.json   machine and package versions
README.md          what it is, in words
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from ..common.errors import UsageError
from ..common.files import write_json, write_text
from ..common.show import Table, one_line
from ..measure.record import Run
from ..models.lineup import Lineup, load_models
from .report import make_report

FILES = ("models.json", "result.json", "environment.json", "README.md")
MAX_BYTES = 200_000
# Addresses, e-mail, home folders, keys: none of them has a place in a contribution.
PRIVATE = (
    r"https?://",
    r"(?<![\w.])\d{1,3}(?:\.\d{1,3}){3}(?![\w.])",
    r"[\w.+-]+@[\w-]+\.[A-Za-z]{2,}",
    r"(?:/home/|/Users/|[A-Za-z]:\\)\S+",
    r"(?:sk|key|ghp|hf|xox[bp])[-_][A-Za-z0-9]{12,}",
    r"(?i)bearer\s+\S{8,}",
)
FIGURES = (
    *(
        "latency_p50_s",
        "latency_p95_s",
        "ttft_p50_s",
        "output_tokens_per_s_p50",
        "request_tokens_per_s_p50",
        "load_s",
        "cold_ttft_s",
    ),
    *("memory_mb", "gpu_memory_mb", "disk_mb", "energy_j_per_request"),
)
STRICT = ConfigDict(frozen=True, extra="forbid")
Figure = Annotated[float, Field(ge=0, allow_inf_nan=False)] | None
Count = Annotated[int, Field(ge=0, le=10**9)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}( @ (local|endpoint))?$")]
Word = Annotated[str, Field(max_length=200)] | None

Result = create_model(
    "Result",
    __config__=STRICT,
    model=(Name, ...),
    status=(Literal["ok", "partial", "failed", "skipped"], ...),
    **dict.fromkeys(("n_ok", "n_failed", "n_skipped"), (Count, ...)),
    **dict.fromkeys(FIGURES, (Figure, None)),
    quality=(Annotated[float, Field(ge=0, le=1)] | None, None),
    **dict.fromkeys(("energy_source", "execution_provider", "files_sha256"), (Word, None)),
)


class Contribution(BaseModel):
    """`result.json`. Times in seconds, sizes in MB."""

    model_config = STRICT

    form: Literal[1]
    measured_on: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
    prompt_set: Name
    prompts: Count
    rounds: Count
    temperature: Figure
    max_tokens: Count
    concurrency: Count
    runtime: Word
    results: Annotated[tuple[Result, ...], Field(min_length=1, max_length=100)]


class Environment(BaseModel):
    """`environment.json`."""

    model_config = STRICT

    machine: dict[Annotated[str, Field(max_length=40)], str | int | float | bool | None]
    packages: dict[Annotated[str, Field(max_length=60)], Word]
    git_revision: Word = None


def contribute(run: Run, folder: Path) -> Path:
    """Write the folder for a run; returns it.

    Raises UsageError when the run did not finish, nothing was answered, the folder is not empty, or something private would be in it.
    """
    if run.status != "finished" or not any(row["n_ok"] for row in run.summary):
        raise UsageError(
            f"{run.folder.name} is not finished, or nothing was answered in it; only a finished run is worth giving."
        )
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} is not empty; name a new folder.")
    report, known = make_report(run), load_models()
    parts = {
        "models.json": {
            _alias(row["model"]): _entry(_alias(row["model"]), row, known)
            for row in report.card.rows
            if row["n_ok"]
        },
        "result.json": _result(run, report.card.rows),
        "environment.json": run.info.environment.model_dump(include=set(Environment.model_fields)),
    }
    readme = _readme(run, report.card.table())
    _check_private(
        {**{name: json.dumps(part) for name, part in parts.items()}, "README.md": readme}
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in parts.items():
        write_json(folder / name, part)
    write_text(folder / "README.md", readme)
    return folder


def verify_contribution(folder: Path) -> list[str]:
    """What a contribution says, in sentences, once it has been checked: nothing in it is run, only these four files are read.

    Raises UsageError naming the file, the field and what was expected.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.")
    there = {path.name: path for path in folder.iterdir()}
    if unknown := sorted(set(there) - set(FILES)):
        raise UsageError(
            f"{folder}: {one_line(unknown[0], 60)} does not belong into a contribution; it holds {', '.join(FILES)} and nothing else."
        )
    texts = {name: _text(folder / name) for name in FILES}
    if re.search(r"<[A-Za-z!/]|javascript:", texts["README.md"]):
        raise UsageError(f"{folder / 'README.md'} holds HTML or a script; it is plain Markdown.")
    _check_private(texts)
    entries = load_models(folder / "models.json")
    result = _validated(Contribution, folder / "result.json", texts["result.json"])
    environment = _validated(Environment, folder / "environment.json", texts["environment.json"])
    return [one_line(finding) for finding in _findings(entries, result, environment)]


def _findings(entries: Lineup, result: Contribution, environment: Environment) -> Iterator[str]:
    known = load_models()
    yield f"{len(result.results)} models on {environment.machine.get('cpu') or 'a machine without a name'}, measured on {result.measured_on}."
    for alias, entry in entries.items():
        if alias not in known:
            yield f"{alias}: a new entry for models.json."
        elif known[alias] != entry:
            changed = [name for name, value in entry if getattr(known[alias], name) != value]
            yield f"{alias}: differs from the line-up in {', '.join(changed)}; look which is right."
    for one in result.results:
        if one.n_ok and _alias(one.model) not in entries:
            yield f"{one.model}: a result without an entry in models.json."
        if one.latency_p50_s and one.ttft_p50_s and one.ttft_p50_s > one.latency_p50_s:
            yield f"{one.model}: a median TTFT above the median latency; ask how it was measured."
        if one.latency_p95_s is not None and one.n_ok < 20:
            yield f"{one.model}: a p95 from {one.n_ok} answers; it needs 20."


def _alias(model: str) -> str:
    """The name for `models.json`: without the server, in the letters that an alias may have."""
    return re.sub(r"[^a-z0-9._-]+", "-", model.partition(" @ ")[0].lower()).strip("-._") or "model"


def _public(model: str) -> str:
    """A name that does not tell the host of a server."""
    name, at, place = model.partition(" @ ")
    return f"{name}{at}{place if place == 'local' else 'endpoint'}" if at else name


def _entry(alias: str, row: dict, known: Lineup) -> dict:
    if alias not in known:
        return {"capabilities": ["chat"], "size_mb": row["size_mb"]} | (
            {"license": row["license"]} if row["license"] else {}
        )
    return {
        "size_mb": known[alias].size_mb,
        **known[alias].model_dump(mode="json", exclude_defaults=True),
    }


def _result(run: Run, rows: list[dict]) -> dict:
    plan = run.info.plan
    return {
        "form": 1,
        "measured_on": run.info.started_at[:10],
        "prompt_set": plan.prompts.name,
        "prompts": len(plan.prompts.prompts),
        **{name: getattr(plan, name) for name in ("rounds", "temperature", "max_tokens")},
        "concurrency": run.level,
        "runtime": re.sub(r" \([^)]*\)", "", run.info.server.kind),
        "results": [
            {
                name: {**run.info.models[row["model"]].model_dump(), **row}.get(name)
                for name in Result.model_fields
            }
            | {"model": _public(row["model"])}
            for row in rows
        ],
    }


def _readme(run: Run, table: Table) -> str:
    shown = Table(table.headers, [[_public(row[0]), *row[1:]] for row in table.rows]).to_markdown()
    return (
        f"# A result for the line-up\n\nMeasured on {run.info.started_at[:10]} with prompt set {run.info.plan.prompts.name}.\n\n{shown}\n\n"
        "No prompt, answer, address or name of a person is in this folder. Check it with `python -m helpers contribute --check FOLDER`.\n"
    )


def _text(path: Path) -> str:
    if path.is_symlink() or not path.is_file():
        raise UsageError(f"{path.parent}: {path.name} is missing, or no plain file.")
    if path.stat().st_size > MAX_BYTES:
        raise UsageError(
            f"{path} is larger than {MAX_BYTES // 1000} kB; a contribution is a summary."
        )
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text.") from None


def _check_private(texts: dict[str, str]) -> None:
    for name, text in texts.items():
        if found := next(filter(None, (re.search(pattern, text) for pattern in PRIVATE)), None):
            raise UsageError(
                f"{name} holds what looks like an address, a home folder, an e-mail or a key ({one_line(found[0], 12)}); take it out."
            )


def _validated(model: type[BaseModel], path: Path, text: str):
    try:
        return model.model_validate_json(text)
    except ValidationError as error:
        item = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, item["loc"])) or "the file"
        found = (
            ""
            if item["type"] in ("missing", "json_invalid")
            else f", found {one_line(repr(item['input']), 40)}"
        )
        raise UsageError(
            f"{path}: {where}: {item['msg'].replace('Input should be', 'must be')}{found}."
        ) from None
