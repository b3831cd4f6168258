"""Hold what every other folder needs.

Errors, folders, files, tables and words, progress and the facts of this machine live here.
It imports nothing of the kit.
"""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=[module.name for module in pkgutil.iter_modules(__path__)]
)
