"""Run a plan and keep its record.

A session sends the requests of a plan, a record appends one row for each, and runs are merged or
compared. Reading a run needs no server.
"""

from ..common.lazy import submodules

__getattr__, __dir__, __all__ = submodules(__name__, __path__)
