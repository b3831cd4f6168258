"""Hold what every other folder needs.

Errors, folders, files, tables and words, progress and the facts of this machine live here.
It imports nothing of the kit.
"""

__all__ = ["errors", "machine", "paths", "progress", "show"]
