"""Run the course.

Exercises and their checks, the notebooks run headless, and the widgets that a notebook may show.
Nothing else imports it except the command line.
"""

import pkgutil

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__, submodules=[module.name for module in pkgutil.iter_modules(__path__)]
)
