"""Commands of a room: fill the folder of wheels, take part, and read what holds everywhere."""

from typing import Annotated

from cyclopts import Parameter


def wheels(*, for_: Annotated[str, Parameter(name="--for")] = "", python: str = "") -> int:
    """Fill the folder that the mirror serves at /wheels/ with the kit and what it needs."""
    from .wheels import fill

    return 0 if fill(for_, python) else 1


def join(
    address: str, /, *, name: str, code: str = "", run: str | None = None, yes: bool = False
) -> None:
    """Take part in a room: measure its plan, see what would be sent, and send it."""
    from . import join

    join.join(address, name, code=code, run=run, yes=yes)


def room_report(folder: str, /) -> None:
    """Say which verdicts hold on all machines of a room, and what travels."""
    from ..common.paths import user_path
    from .findings import report_room
    from .posts import RoomFolder

    print(report_room(RoomFolder(user_path(folder))))


COMMANDS = (wheels, join, room_report)
