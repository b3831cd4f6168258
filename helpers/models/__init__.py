"""Find, name and store models.

The line-up, the cache on disk and the classroom mirror live here.
It knows nothing of timing and of running servers.
"""

from ..common.lazy import submodules

__getattr__, __dir__, __all__ = submodules(__name__, __path__)
