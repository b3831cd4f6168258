"""Find, name and store models.

The line-up, the cache on disk and the classroom mirror live here.
It knows nothing of timing and of running servers.
"""

__all__ = ["cache", "classroom", "lineup", "mirror"]
