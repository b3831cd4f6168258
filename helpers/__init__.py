"""Choose a local language model with evidence: everything that a notebook cell imports.

The names are listed in `__init__.pyi` and loaded when they are first used, so that a command
which only lists models does not wait for pandas and charts.
"""

import sys

if sys.version_info < (3, 11):
    raise SystemExit(
        f"error: Python {sys.version_info[0]}.{sys.version_info[1]} is too old for this kit; "
        "install Python 3.11 or newer (Foundry Local 2.2.1 needs it)."
    )

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
