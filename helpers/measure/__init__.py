"""Run a plan and keep its record.

A session sends the requests of a plan, a record appends one row for each, and runs are merged or compared.
Reading a run needs no server.
"""

__all__ = ["merge", "record", "rows", "session", "two_runs"]
