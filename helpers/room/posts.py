"""Check what machines post and keep it: a folder that only grows, also through a kill.

room.json     the plan and the room code
machines/N/   a contribution, as `contribute` makes it and `contribute --verify` checks it
posts.jsonl   a line for each, with name, figures, exercises and guesses
"""

import hashlib
import json
import secrets
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from ..common.errors import UsageError
from ..common.files import append_json, now, read_json_lines, write_json, write_text
from ..common.foreign import clean
from ..common.paths import results_folder
from ..common.show import one_line
from ..common.validation import Strict, explain
from ..measure.rows import summary_columns
from ..measure.shared_plan import SharedPlan, check_shared_plan, with_advice
from ..report import contribute
from ..report.contribute import Count
from ..timing.metrics import COMPARED

SIGNS = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # none of them looks like another
MAX_MACHINES = 200
NAMES = "A name has 1 to 40 letters, digits and spaces, and none of < > { } \\."
# The figures that are compared, and what a contribution calls their medians.
COLUMNS = {n: c for n in COMPARED for c, what in summary_columns(n).items() if what == "p50"}
# Exercises and guesses are counted; what was answered or guessed is not sent.
Course = dict[Literal["passed", "exercises", "right", "guesses"], Count]


class Refused(Exception):
    """Say why a post is not taken: an HTTP status, the kind that is counted, and a sentence."""


class Post(Strict):
    """Describe all that a machine sends; the texts of `files` are a contribution."""

    form: Literal[1] = 1
    name: Annotated[str, Field(max_length=40)]
    code: Annotated[str, Field(max_length=20)] = ""
    sent_at: Annotated[str, Field(max_length=40)]
    slept_s: Count = 0
    course: Course = {}
    files: dict[Annotated[str, Field(max_length=20)], str]


class Machine(Strict):
    """Hold what one machine posted: its class, its power source, and its models' figures."""

    name: str = ""
    kind: str
    cores: int | None
    on_mains_power: bool | None
    figures: dict[str, dict[str, float | None]]
    course: Course = {}
    notes: tuple[str, ...] = ()


class RoomFolder:
    """Keep a room's posts, one place for each name. Opened again, it goes on where it was."""

    def __init__(self, folder: Path):
        self.folder = folder
        try:
            about = json.loads((folder / "room.json").read_text(encoding="utf-8"))
            self.plan, self.code = check_shared_plan(about["plan"], "room.json"), str(about["code"])
            rows = read_json_lines(folder / "posts.jsonl")
            self.machines = [Machine.model_validate(row["machine"]) for row in rows]
            self._seen = {row["machine"]["name"].casefold(): row["digest"] for row in rows}
        except (OSError, ValueError, LookupError, TypeError, UsageError) as error:
            reason = one_line(getattr(error, "strerror", None) or str(error), 200)
            raise UsageError(f"{folder} holds no room that can be read ({reason}).") from None

    def accept(self, body: bytes) -> Machine:
        """Check a post and keep it. Raises Refused with the reason."""
        try:
            post = Post.model_validate_json(body)
        except ValidationError as error:
            raise _not_valid(400, explain(error, Post)) from None
        if not secrets.compare_digest(post.code.strip().upper().encode(), self.code.encode()):
            raise Refused(403, "wrong code", "The room code is another one; see the projector.")
        if not can_be_shown(post.name):
            raise Refused(400, "not a name", NAMES)
        key, digest = post.name.casefold(), hashlib.sha256(body).hexdigest()
        if digest == self._seen.get(key):
            raise Refused(409, "replay", "These figures have already been received.")
        if key in self._seen:
            taken = f"There are figures of {post.name} already; choose another name."
            raise Refused(409, "name taken", taken)
        if len(self.machines) >= MAX_MACHINES:
            raise Refused(409, "no place", f"The room has {MAX_MACHINES} machines: it is full.")
        try:
            _, result, facts = contribute.check_files(post.files)
        except UsageError as error:
            raise _not_valid(422, str(error)) from None
        # A kill may have left a folder of this number without its line below.
        folder = self.folder / "machines" / f"{len(self.machines) + 1:03}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in post.files.items():
            write_text(folder / name, text)
        figures = {one.model: one.model_extra or {} for one in result.results if one.n_ok}
        more = {"name": post.name, "course": post.course, "notes": _notes(post)}
        machine = describe(facts.machine, figures, **more)
        row = {"at": now(), "digest": digest, "folder": folder.name}
        append_json(self.folder / "posts.jsonl", row | {"machine": machine.model_dump()})
        self.machines.append(machine)
        self._seen[key] = digest
        return machine


def open_room(plan: SharedPlan, name: str) -> RoomFolder:
    """Return today's room of a plan: a new folder, or the one that a killed mirror left."""
    folder = results_folder() / f"room-{name}-{now()[:10]}"
    if not (folder / "room.json").exists():
        code = "".join(secrets.choice(SIGNS) for _ in range(6))
        folder.mkdir(exist_ok=True)
        write_json(folder / "room.json", {"plan": plan.model_dump(mode="json"), "code": code})
    room = RoomFolder(folder)
    if room.plan != plan:
        raise UsageError(f"{folder} began with another plan; rename the plan's file or the folder.")
    return room


def describe(facts: dict[str, Any], figures: dict[str, dict[str, Any]], **more: Any) -> Machine:
    """Return a machine of what `common.machine` says of it, and its models' figures."""
    memory, cores = facts.get("memory_mb"), facts.get("cores")
    cores = cores if isinstance(cores, int) else None
    power = None if (mains := facts.get("on_mains_power")) is None else bool(mains)
    kind = [str(facts.get("architecture")).replace("AMD64", "x86_64").replace("aarch64", "arm64")]
    kind += [f"{cores} cores"] if cores else []
    kind += [f"{memory / 1024:.0f} GB"] if isinstance(memory, (int, float)) else []
    kept = {model: {c: of.get(c) for c in COLUMNS.values()} for model, of in figures.items()}
    words = one_line(", ".join(kind), 60)
    return Machine(kind=words, cores=cores, on_mains_power=power, figures=kept, **more)


def can_be_shown(name: str) -> bool:
    """Tell whether a name can be shown as it is; see NAMES."""
    return bool(name.strip()) and name == clean(name, 40) and not set(name) & set("<>\\{}")


def _not_valid(status: int, reason: str) -> Refused:
    return Refused(status, "not valid", with_advice(clean(reason)))


def _notes(post: Post) -> list[str]:
    notes = [f"slept for {post.slept_s / 60:.0f} min while it measured"] if post.slept_s else []
    try:
        difference = datetime.fromisoformat(post.sent_at) - datetime.fromisoformat(now())
    except (ValueError, TypeError):
        return [*notes, "its clock cannot be read"]
    if abs(hours := difference.total_seconds() / 3600) > 1:
        notes.append(f"its clock is {abs(hours):,.0f} h {'ahead' if hours > 0 else 'behind'}")
    return notes
