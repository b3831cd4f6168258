"""Run the notebooks headless through papermill, one alone or the whole course in order."""

import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from ..common.errors import KitError, UsageError
from ..common.files import now
from ..common.paths import PROJECT, results_folder
from ..measure.record import load_run
from ..models.lineup import load_models
from ..models.prompts import ALL, DEFAULT_PROMPT_SET
from ..servers import foundry

NOTEBOOKS = PROJECT / "notebooks"
ALL_NOTES = {"prompts": f"{DEFAULT_PROMPT_SET}{ALL}"}


def notebook_files() -> list[Path]:
    """Return the notebooks in teaching order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def execute(notebook: Path, output: Path, parameters: Mapping[str, object] | None = None) -> Path:
    """Run one notebook headless, and return `output`, the path of its executed copy.

    Raises UsageError for an unknown parameter, and KitError with the error of the cell that failed.
    """
    import papermill  # slow to import, and needed only here

    known = papermill.inspect_notebook(str(notebook)).keys()  # else papermill would only warn
    if unknown := sorted(set(parameters or {}) - known):
        raise UsageError(
            f"{notebook.name} has no parameter {', '.join(unknown)}; "
            f"it has {', '.join(sorted(known))}."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            str(notebook),
            str(output),
            parameters=dict(parameters or {}),
            kernel_name="python3",
            cwd=str(NOTEBOOKS),
            progress_bar=False,
            # Without it, each kernel warns about its loopback sockets.
            extra_arguments=["--IPKernelApp.log_level=ERROR"],
        )
    except papermill.PapermillExecutionError as error:
        raise KitError(
            f"{notebook.name} stopped in cell {error.cell_index} with "
            f"{error.ename}: {error.evalue}. The executed copy: {output}"
        ) from None
    return output


def workshop(output: str | None = None, *, full: bool = False) -> Path:
    """Run the whole course, `full` with all meeting notes, and return the path of the report."""
    folder = results_folder(output) / f"workshop-{now()[:19].replace(':', '-')}"
    settings: dict[str, Mapping[str, object]] = {
        "01_download": {"slow_s": 1},
        "03_benchmark": {"output": str(folder), **(ALL_NOTES if full else {})},
        "04_compare": {"run": str(folder)},
        "05_quality": {"run": str(folder)},
        "06_custom_model": {"output": str(folder / "custom")},
    }
    files = notebook_files()
    say = partial(print, end="", flush=True, file=sys.stderr)
    was_running = foundry.find() is not None
    try:
        for position, notebook in enumerate(files, 1):
            start = time.monotonic()
            say(f"[{position}/{len(files)}] {notebook.stem} ... ")
            execute(notebook, folder / "notebooks" / notebook.name, settings.get(notebook.stem))
            say(f"{time.monotonic() - start:.0f} s\n")
    finally:
        if not was_running:
            foundry.stop_service()
    report = next(iter(folder.rglob("benchmark_report.md")))
    if missing := left_out(report.parent):
        say(f"Not measured, because this machine does not have it: {', '.join(missing)}. ")
        say("Notebook 01 says why it could not be fetched; the course went on without it.\n")
    return report


def left_out(run: Path) -> list[str]:
    """Return the models of the course that a run did not measure."""
    measured = load_run(run).models
    course = (alias for alias, entry in load_models().items() if entry.course)
    return [alias for alias in course if alias not in measured]
