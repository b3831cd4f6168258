"""Run a plan and keep its record.

A session sends the requests of a plan, a record appends one row for each, and runs are merged or
compared. Reading a run needs no server.
"""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=[module.name for module in pkgutil.iter_modules(__path__)]
)
