"""Load the modules of a folder when they are first used."""

import pkgutil
from collections.abc import Iterable

import lazy_loader


def submodules(package: str, path: Iterable[str]) -> tuple:
    """Return `__getattr__`, `__dir__` and `__all__` of a folder."""
    names = [module.name for module in pkgutil.iter_modules(path)]
    return lazy_loader.attach(package, submodules=names)
