"""The one error a learner may see: a sentence, never a traceback."""

import re


class KitError(Exception):
    """A foreseeable mistake. The message says what happened, where, and what to do next."""

    def _render_traceback_(self):
        """IPython prints these lines in place of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(KitError):
    """An argument or a file that a person wrote is wrong; the command line exits with 2."""


class EndpointError(KitError):
    """A server could not be reached, refused the request, or does not speak the expected protocol."""


class UnknownModel(KitError):
    """No model has this alias or id; the message names near ones."""


class UnsafePackage(KitError):
    """A description of a model that cannot be trusted with this disk: the message says which part of it."""


class MirrorError(KitError):
    """The classroom mirror could not be reached, refused, or served something else than it promised."""


def plain(message: str) -> str:
    """A native runtime's message without the C++ source location that it starts with."""
    return re.sub(r"^[\w./]+\.(?:cc|cpp|h):\d+ .*?\)(?: const)? ", "", message)
