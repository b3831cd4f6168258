"""Choose a model.

A scorecard joins figures, quality and cost; limits and weights make a decision of it, and routing
applies it to a prompt. It reads finished runs only.
"""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=[module.name for module in pkgutil.iter_modules(__path__)]
)
