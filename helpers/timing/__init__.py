"""Send requests and time their answers exactly.

Bytes are stamped in one loop as they arrive, read afterwards into timelines, and turned into figures with intervals.
It knows neither models nor records, and it proves its own error against a reference server.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "drift",
        "instrument_error",
        "intervals",
        "metrics",
        "reference_server",
        "send",
        "stream",
        "transport",
    ],
)
