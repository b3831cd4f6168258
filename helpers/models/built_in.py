"""Know the models that ship with the kit, and copy them into the cache."""

import json
from pathlib import Path

from ..common.errors import KitError
from . import cache
from .cache import Package

PUBLISHER = "Workshop"


def read_manifest(folder: Path) -> dict[str, dict]:
    """Return the facts about each built-in model in `folder`, by alias."""
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["models"]


def built_in_packages(source: Path) -> dict[str, Package]:
    """Return the built-in models in `source`, by alias."""
    same = ("name", "version", "license", "max_output_tokens", "files")
    return {
        alias: Package(
            alias=alias,
            publisher=PUBLISHER,
            context=facts["context_length"],
            capabilities=("chat",),
            **{field: facts[field] for field in same},
        )
        for alias, facts in read_manifest(source).items()
    }


def install_built_in(source: Path, target: Path) -> None:
    """Copy the built-in models into the runtime's cache, verified. Raises KitError."""
    for alias, package in built_in_packages(source).items():
        folder = package.folder(target)
        wrong = [problem.file for problem in cache.problems(folder, package)]
        shipped = cache.problems(source / alias, package) if wrong else []
        if damaged := [problem.file for problem in shipped if problem.file in wrong]:
            raise KitError(
                f"{source / alias}: {', '.join(damaged)} missing or changed; "
                "restore with: git checkout -- data/models"
            )
        try:
            for name in wrong:
                cache.copy_in(source / alias / name, folder / name)
            record = cache.read_record(folder)
            if wrong or record is None or record.package != package:
                cache.write_record(folder, package, "built-in")
        except OSError as error:
            if wrong:
                raise cache.disk_error(error, target) from None
