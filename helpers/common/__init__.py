"""Hold what every other folder needs.

Errors, folders, files, tables and words, progress and the facts of this machine live here.
It imports nothing of the kit.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        *("errors", "files", "machine", "paths", "progress", "show", "templates", "validation"),
    ],
)
