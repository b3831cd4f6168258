"""Find, name and store models.

The line-up, the cache on disk and the classroom mirror live here.
It knows nothing of timing and of running servers.
"""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=[module.name for module in pkgutil.iter_modules(__path__)]
)
