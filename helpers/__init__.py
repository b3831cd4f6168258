"""The instrument of the workshop: everything that a notebook cell imports."""

import sys

if sys.version_info < (3, 11):
    raise SystemExit(
        f"error: Python {sys.version_info[0]}.{sys.version_info[1]} is too old for this kit; install Python 3.11 or newer (Foundry Local 2.2.1 needs it)."
    )

from . import capacity, charts
from .benchmark import benchmark
from .calibration import calibrate
from .checks import check_setup, validate
from .downloads import download
from .endpoint import connect
from .errors import KitError
from .lineup import load_models, load_prompts
from .quality import judge
from .record import load_run
from .report import compare, write_report
from .routing import route
from .selection import decide

__all__ = [
    "KitError",
    "benchmark",
    "calibrate",
    "capacity",
    "charts",
    "check_setup",
    "compare",
    "connect",
    "decide",
    "download",
    "judge",
    "load_models",
    "load_prompts",
    "load_run",
    "route",
    "validate",
    "write_report",
]
