"""Parse the command line, run one command, and turn errors into sentences and exit codes."""

import errno
import os
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from ..common.errors import KitError, UsageError
from ..common.show import lines
from ..room import commands as room
from . import fleet, models, runs, scores
from .options import describe

DONE, FAILED, MISUSED, INTERRUPTED, CLOSED = 0, 1, 2, 130, 141

app = App(
    name="python -m helpers",
    help="Choose a local language model: check, download, chat, benchmark, report.",
    version_flags=[],
    default_parameter=Parameter(negative=(), show_default=False),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for command in (*models.COMMANDS, *runs.COMMANDS, *scores.COMMANDS, *room.COMMANDS):
    describe(command)
    app.command(command, name=command.__name__.rstrip("_").replace("_", "-"))
app.command(fleet.app)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0 if done, 1 if it failed, 2 if misused, 130 if interrupted.

    It is 141 when the reader of what the command prints has gone, as a shell has it.
    """
    _open_streams()
    try:
        code = _run(sys.argv[1:] if arguments is None else arguments)
        sys.stdout.flush()
        return code
    except OSError as error:  # of a file it would be a sentence by now: it is what was printed
        return _without_output(error)


def _run(tokens: Sequence[str]) -> int:
    try:
        if not tokens:
            names = ", ".join(sorted(name for name in app if not name.startswith("-")))
            raise UsageError(f"Name a command: {names}. Describe them with --help.")
        return app(tokens, exit_on_error=False, print_error=False) or DONE
    except (CycloptsError, UsageError) as error:
        _say(f"error: {error}")
        return MISUSED
    except KitError as error:
        _say(f"error: {error}")
        return FAILED
    except KeyboardInterrupt:
        _say("interrupted")
        return INTERRUPTED
    except OSError as error:
        if error.filename is None:
            raise
        _say(f"error: {error.filename}: {error.strerror}.")
        return FAILED


def _say(text: str) -> None:
    print(*lines(text), sep="\n", file=sys.stderr)


def _open_streams() -> None:
    """Read and write UTF-8, and give what is missing (pythonw, a scheduled task) a place."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # else the next file that is opened would take its number
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_RDWR), mode, encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):  # texts may hold anything, consoles may not
            stream.reconfigure(encoding="utf-8", errors="replace")


def _without_output(error: OSError) -> int:
    """End a command whose output goes nowhere: no reader, or no room."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # what is still in its buffer would fail again when Python ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if isinstance(error, BrokenPipeError) or error.errno == errno.EINVAL:  # the latter on Windows
        return CLOSED
    _say(f"error: The output cannot be written ({error.strerror or error}).")
    return FAILED
