"""Define the errors that a learner may see: one sentence each, never a traceback."""

import re

from .foreign import mask


class KitError(Exception):
    """Report a foreseeable mistake: what happened, where, and what to do next. No key is in it."""

    def __init__(self, message: object = ""):
        super().__init__(mask(str(message)))

    def _render_traceback_(self) -> list[str]:
        """Return the lines that IPython prints in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(KitError):
    """Report a wrong argument or file of the user; the command line exits with 2."""


class FileError(KitError, OSError):
    """Report a file or folder that cannot be written; what stood there before is still there."""

    def __str__(self) -> str:
        return str(self.args[0])  # an OSError shows its number instead


class EndpointError(KitError):
    """Report a server that is unreachable, refuses, or speaks another protocol."""


class RuntimeStopped(KitError):
    """Report that the runtime ended while it was needed; the next call starts it again."""


class UnknownModel(KitError):
    """Report an alias or id that no model has; the message names near ones."""


class UnsafePackage(KitError):
    """Report which part of a model's description cannot be trusted with this disk."""


class MirrorError(KitError):
    """Report a classroom mirror that is unreachable, refuses, or breaks its promise."""


class PackageIndexError(KitError):
    """Report that the package index did not deliver a model, or delivered another."""


def plain(message: str) -> str:
    """Return a native runtime's message without the C++ source location at its start."""
    return re.sub(r"^[\w./]+\.(?:cc|cpp|h):\d+ .*?\)(?: const)? ", "", message)
