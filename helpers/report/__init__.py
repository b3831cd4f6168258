"""Show a finished run.

Sentences, charts, a page, Markdown and a folder to give away are made from the same rows.
It imports neither a runtime nor a transport.
"""

from ..common.lazy import submodules

__getattr__, __dir__, __all__ = submodules(__name__, __path__)
