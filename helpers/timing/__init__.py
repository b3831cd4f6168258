"""Send requests and time their answers exactly.

One loop stamps bytes as they arrive; they are read afterwards into timelines, and turned into
figures with intervals. Nothing here knows models or records. A reference server proves the error.
"""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=[module.name for module in pkgutil.iter_modules(__path__)]
)
