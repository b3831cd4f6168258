"""Score answers.

Facets are matched by words, people and a judge model give 1 to 5, and agreement says how far they
confirm each other. It reads finished runs only.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["agreement", "answers", "facets", "model_judge", "people"]
)
