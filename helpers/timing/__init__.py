"""Send requests and time their answers exactly.

One loop stamps bytes as they arrive; they are read afterwards into timelines, and turned into
figures with intervals. Nothing here knows models or records. A reference server proves the error.
"""

from ..common.lazy import submodules

__getattr__, __dir__, __all__ = submodules(__name__, __path__)
