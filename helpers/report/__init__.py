"""Show a finished run.

Sentences, charts, a page, Markdown and a folder to give away are made from the same rows.
It imports neither a runtime nor a transport.
"""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=[module.name for module in pkgutil.iter_modules(__path__)]
)
