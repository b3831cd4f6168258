"""Turn a room of laptops into one experiment: a plan, figures that are posted, a board, a report.

Machines pull data and post figures; no code travels, and nothing listens on a learner's machine.
Nothing else imports it except the command line.
"""

from ..common.lazy import submodules

__getattr__, __dir__, __all__ = submodules(__name__, __path__)
