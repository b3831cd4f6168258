"""Parse the command line, run one command, and turn errors into sentences and exit codes."""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from ..common.errors import KitError, UsageError
from . import models, runs, scores

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130

app = App(
    name="python -m helpers",
    help="Choose a local language model: check, download, chat, benchmark, report.",
    version_flags=[],
    default_parameter=Parameter(negative=(), show_default=False),
    result_action="return_value",
    suppress_keyboard_interrupt=False,
)
for command in (*models.COMMANDS, *runs.COMMANDS, *scores.COMMANDS):
    app.command(command, name=command.__name__.rstrip("_"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0 if done, 1 if it failed, 2 if misused, 130 if interrupted."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # model output may hold anything, consoles may not
            stream.reconfigure(encoding="utf-8", errors="replace")
    tokens = _with_latest(sys.argv[1:] if arguments is None else arguments)
    try:
        if not tokens:
            names = ", ".join(sorted(name for name in app if not name.startswith("-")))
            raise UsageError(f"Name a command: {names}. Describe them with --help.")
        return app(tokens, exit_on_error=False, print_error=False) or DONE
    except CycloptsError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISUSED
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISUSED if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED


def _with_latest(tokens: Sequence[str]) -> list[str]:
    """Let `--resume` stand alone: without a folder after it, it means the latest run."""
    complete: list[str] = []
    for place, token in enumerate(tokens):
        complete.append(token)
        if token == "--resume" and (place + 1 == len(tokens) or tokens[place + 1].startswith("-")):
            complete.append("")
    return complete
