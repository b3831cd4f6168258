"""Turn a run into a decision.

Costs, one row for each model, limits and weights, and the choice of a model for a prompt live here.
The folder is not called decide, because the function of that name would hide it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=["cost", "routing", "scorecard", "selection"]
)
