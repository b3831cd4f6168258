"""The instrument of the workshop: everything that a notebook cell imports."""

import sys

if sys.version_info < (3, 11):
    raise SystemExit(
        f"error: Python {sys.version_info[0]}.{sys.version_info[1]} is too old for this kit; install Python 3.11 or newer (Foundry Local 2.2.1 needs it)."
    )

from .common.errors import KitError
from .decision.routing import route
from .decision.selection import decide
from .measure.record import load_run
from .measure.session import benchmark
from .models.lineup import load_models, load_prompts
from .quality.facets import judge
from .report import charts, load_test
from .report.report import compare, write_report
from .servers.downloads import download
from .servers.server import connect
from .servers.setup_check import check_setup, validate
from .timing.instrument_error import calibrate

__all__ = [
    "KitError",
    "benchmark",
    "calibrate",
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
    "load_test",
    "route",
    "validate",
    "write_report",
]
