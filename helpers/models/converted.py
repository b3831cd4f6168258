"""Keep models that were converted from GGUF in the cache, where Foundry Local finds them."""

import json
import os
import re
from pathlib import Path

from ..common.errors import KitError, UsageError
from ..common.files import replace_folder, write_json
from ..common.paths import home, model_cache, refuse_full_disk
from . import cache
from .adapter import CONFIG, WEIGHTS, Adapter
from .gguf import GgufFile, write_model
from .lineup import ALIAS, alias_from, load_models

SOURCE = "gguf"
BYTES_EACH = 1.13  # a byte, and its share of a scale
SPARE_BYTES = 50e6  # tokenizer, tables of angles, the end of the disk


def from_gguf(
    path: str | os.PathLike,
    name: str | None = None,
    adapter: str | os.PathLike | None = None,
    *,
    context: int | None = None,
    note: cache.Note = cache.ignore,
) -> str:
    """Convert a GGUF file into the cache; return the alias under which Foundry Local serves it.

    `name` is the alias, by default the file's name; `adapter` a LoRA folder of PEFT to add to the
    weights; `context` positions, by default 8,192 or what the model has; `note` is told what is
    done. Does nothing when the same was converted before. Raises UsageError for a file, an adapter
    or a name that does not do, KitError when disk or memory do not suffice.
    """
    path = Path(path)
    alias = alias_from(path) if name is None else name
    if not re.fullmatch(ALIAS, alias):
        letters = "lower-case letters, digits, '.', '_' and '-'"
        raise UsageError(f"'{alias}' is not a name for a model; use {letters}.")
    if alias in load_models():
        raise UsageError(f"'{alias}' is a model of the line-up; choose another name.")
    convert(path, alias, Path(adapter) if adapter else None, context, SOURCE, note)
    return alias


def convert(
    path: Path, alias: str, adapter: Path | None, context: int | None, source: str, note: cache.Note
) -> Path:
    """Make a folder in the cache, at once or not at all; return it."""
    served = cache.converted_id(alias)
    folder = model_cache() / cache.PUBLISHERS[source] / served.replace(":", "-")
    origin = _origin(path, adapter, context)
    try:
        with cache.download_lock(home(), served, note, "converting"):
            if not _is_here(folder, origin, replace=source != SOURCE):
                note("converting")
                file = GgufFile(path, Adapter(adapter) if adapter else None)
                _convert(file, folder, alias, source, origin)
    except OSError as error:
        raise cache.disk_error(error, model_cache()) from None
    except MemoryError:
        raise KitError(
            f"The memory does not suffice to convert {path}; close other programs and try again."
        ) from None
    return folder


def _convert(file: GgufFile, folder: Path, alias: str, source: str, origin: dict) -> None:
    refuse_full_disk(alias, file.parameters * BYTES_EACH + SPARE_BYTES)
    with cache.work_folder(home() / "incoming" / folder.name) as incoming:
        decoder = write_model(file, incoming, origin["context"])
        write_json(incoming / cache.ORIGIN, origin)
        served = cache.converted_id(alias)
        write_json(incoming / "inference_model.json", {"Name": served, "PromptTemplate": None})
        name, _, version = served.rpartition(":")
        facts = {"alias": alias, "name": name, "version": int(version), "context": decoder.context}
        license = file.get("general.license")
        facts |= {"publisher": folder.parent.name, "license": license and str(license)[:200]}
        facts |= {"max_output_tokens": decoder.context // 2, "capabilities": ("chat",)}
        cache.adopt(incoming, facts, source)
        folder.parent.mkdir(parents=True, exist_ok=True)
        replace_folder(folder, incoming)


def _origin(path: Path, adapter: Path | None, context: int | None) -> dict:
    """Identify what a conversion depends on. Raises UsageError for a file that is not there."""
    files = {"gguf": path}
    if adapter:
        files |= {"adapter": adapter / WEIGHTS, "adapter_config": adapter / CONFIG}
    origin: dict = {"converter": cache.CONVERTER, "file": path.name, "context": context}
    for name, file in files.items():
        try:
            origin[name] = cache.sha256(file)
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"{file} cannot be read ({reason}); check the name.") from None
    return origin


def _is_here(folder: Path, origin: dict, replace: bool) -> bool:
    """Tell if this was converted before. Raises UsageError for another, unless `replace` is set."""
    record = cache.read_record(folder)
    if record is None:
        return False
    try:
        before = json.loads((folder / cache.ORIGIN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = origin  # damaged: it is made again
    if {**before, "file": ""} == {**origin, "file": ""}:
        return not cache.verify(folder, record)
    if replace:
        return False
    alias = record.package.alias
    raise UsageError(
        f"'{alias}' was converted from something else; choose another name, "
        f"or remove it first: python -m helpers cache --remove {alias}"
    )
