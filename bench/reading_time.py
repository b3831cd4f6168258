"""Estimate how long a notebook takes: words at 200 a minute, plus the time of its cells.

    python bench/reading_time.py [FOLDER]

FOLDER is the notebooks/ that `python -m helpers workshop` left in its results; default: the latest.

Exercises are not counted: they take as long as they take.
"""

import json
import re
import sys
from datetime import datetime
from pathlib import Path

from helpers.common.paths import results_folder
from helpers.common.show import Table
from helpers.course import notebooks


def cell_minutes(executed: Path) -> float | None:
    """Return the minutes of all cells, as papermill noted them; None without an executed copy."""
    if not executed.is_file():
        return None
    meta = json.loads(executed.read_text(encoding="utf-8"))["metadata"]["papermill"]
    start, end = (datetime.fromisoformat(meta[name]) for name in ("start_time", "end_time"))
    return (end - start).total_seconds() / 60


def reading_minutes(notebook: Path) -> float:
    """Return the minutes it takes to read the text of a notebook, at 200 words a minute."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    return len(" ".join(texts).split()) / 200


def stated_minutes(notebook: Path) -> int:
    """Return the minutes that the notebook states."""
    return int(re.search(r"\*\*Minutes:\*\* (\d+)", notebook.read_text(encoding="utf-8"))[1])


def main() -> None:
    """Print the table."""
    latest = sorted(results_folder().glob("workshop-*/notebooks"))[-1:]
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else next(iter(latest), results_folder())
    rows = []
    for notebook in notebooks.notebook_files():
        reading, running = reading_minutes(notebook), cell_minutes(folder / notebook.name)
        rows.append(
            [notebook.stem, stated_minutes(notebook), reading, running, reading + (running or 0)]
        )
    print(Table(("notebook", "stated", "reading", "cells", "together"), rows, note="Minutes."))


if __name__ == "__main__":
    main()
