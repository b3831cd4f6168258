"""Measure one plan on many devices of a lab, with Dask, and find one default for all of them.

`python -m helpers fleet` runs it. It needs the packages of requirements-lab.txt; a report does not.
"""

from ..common.lazy import submodules

__getattr__, __dir__, __all__ = submodules(__name__, __path__)
