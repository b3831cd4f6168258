"""Run the course.

Exercises and their checks, the notebooks run headless, and the widgets that a notebook may show.
Nothing else imports it except the command line.
"""

from ..common.lazy import submodules

__getattr__, __dir__, __all__ = submodules(__name__, __path__)
