"""Send requests and time their answers exactly.

Bytes are stamped in one loop as they arrive, read afterwards into timelines, and turned into figures with intervals.
It knows neither models nor records, and it proves its own error against a reference server.
"""

__all__ = [
    "drift",
    "instrument_error",
    "metrics",
    "reference_server",
    "send",
    "stream",
    "transport",
]
