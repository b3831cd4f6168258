"""Serve a room: models, packages, the site, and with a plan what its machines measure."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from ..common.paths import results_folder, user_path
from ..common.templates import render
from ..measure.shared_plan import read_shared_plan
from ..models import classroom
from . import wheels

if TYPE_CHECKING:
    from .door import Room


def serve(
    plan: str | None, *, only: Sequence[str], say: Callable[[str], object], **where: Any
) -> None:
    """Serve models and packages, and with a plan a room. Raises UsageError for a wrong plan."""
    room = _open(user_path(plan)) if plan else None

    def opened(addresses: list[str]) -> None:
        packed = any(wheels.wheels_folder().glob("*.whl"))
        shown = {"room": room, "packed": packed, "has_site": bool(site), "addresses": addresses}
        say(render("room/invitation.jinja", **shown).strip("\n"))
        if room:
            room.addresses = addresses

    pages = results_folder() / "site"  # as `make site` writes it
    site = [Mount("/site", StaticFiles(directory=pages, html=True))] if pages.is_dir() else []
    more = [*wheels.routes(), *site, *(room.routes if room else ())]
    classroom.serve(only=only, say=say, more=more, opened=opened, **where)


def _open(plan: Path) -> "Room":
    from .door import Room  # what tells figures apart is large, and without a plan not needed
    from .posts import open_room

    return Room(open_room(read_shared_plan(plan), plan.stem))
