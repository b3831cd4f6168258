"""Place the dots of the board: one for each machine and model, in milliseconds and as a ratio."""

import math
from collections.abc import Sequence

import numpy as np

from ..common.errors import KitError
from ..common.paths import results_folder
from ..common.show import one_line
from ..common.templates import render
from ..course.exercises import Words
from ..measure.record import Run, load_run
from ..measure.shared_plan import check_shared_plan
from .findings import figures_of
from .join import ROOM, ask_room
from .posts import Machine, describe

WIDTH, ROW, EDGE = 600, 64, 16  # of a panel, in units of its picture
LANES = 7  # dots of one row lie below each other
NO_ROOM = "You measured alone; to join a room: python -m helpers join http://HOST:8321 --name NAME"


def draw_board(models: Sequence[str], machines: Sequence[Machine]) -> list[dict]:
    """Return the two panels: what does not travel, and what does."""
    first, *others = models
    times = {model: 1000 * figures_of(machines, model, "latency_s") for model in models}
    ratios = {model: times[model] / times[first] for model in others}
    panels = [_panel("Latency in milliseconds", times, machines)]
    return panels + ([_panel(f"Latency, times {first}", ratios, machines)] if others else [])


def _panel(title: str, values: dict[str, np.ndarray], machines: Sequence[Machine]) -> dict:
    known = [value for row in values.values() for value in row[~np.isnan(row)]] or [1.0]
    # Never narrower than a factor of 3, so that noise looks small.
    margin = max(1.1, math.sqrt(3 * min(known) / max(known)))
    low, high = min(known) / margin, max(known) * margin
    scale = (WIDTH - 2 * EDGE) / math.log(high / low)
    rows = []
    for number, (model, row) in enumerate(values.items()):
        top = (number + 0.42) * ROW
        dots = [
            (EDGE + scale * math.log(value / low), top + lane % LANES * ROW * 0.5 / LANES, machine)
            for lane, (value, machine) in enumerate(zip(row, machines, strict=True))
            if value == value  # not nan
        ]
        rows.append((model, top, dots))
    steps = (1, 1.5, 2, 3, 5) if high < 12 * low else (1, 2, 5) if high < 200 * low else (1,)
    marks = [step * 10.0**power for power in range(-4, 8) for step in steps]
    shown = [mark for mark in marks if low <= mark <= high]
    ticks = [(EDGE + scale * math.log(mark / low), f"{mark:,g}") for mark in shown]
    return {"title": title, "rows": rows, "ticks": ticks, "height": len(values) * ROW + 30}


def show_room(run: Run | None = None) -> object:
    """Draw the room's machines, and yours with a ring; without a room, say how to join one."""
    from IPython.display import HTML

    try:
        url = (results_folder() / ROOM).read_text(encoding="utf-8").strip()
        room = ask_room(url, "/room.json")
        models = check_shared_plan(room["plan"], url).models
        others = [Machine.model_validate(machine) for machine in room["machines"]]
        run = run or load_run()
    except FileNotFoundError:
        return Words(NO_ROOM)
    except (OSError, KitError, LookupError, TypeError, ValueError) as error:
        return Words(f"The room cannot be shown: {one_line(str(error), 200)}")
    rows = {row["model"]: row for row in run.summary}
    own = describe(run.info.environment.machine, rows, name="you")
    panels = draw_board(models, [*others, own])
    return HTML(render("room/picture.html.jinja", board=panels, machines=others))
