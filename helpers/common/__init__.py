"""Hold what every other folder needs.

Errors, folders, files, tables and words, progress and the facts of this machine live here.
It imports nothing of the kit.
"""

from .lazy import submodules

__getattr__, __dir__, __all__ = submodules(__name__, __path__)
