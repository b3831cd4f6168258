"""Choose a model.

A scorecard joins figures, quality and cost; limits and weights make a decision of it, and routing
applies it to a prompt. It reads finished runs only.
"""

from ..common.lazy import submodules

__getattr__, __dir__, __all__ = submodules(__name__, __path__)
