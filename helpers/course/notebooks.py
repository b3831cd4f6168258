"""The course as one headless run: every notebook in order, through papermill, into one results folder."""

import json
import sys
import time
from pathlib import Path

from ..common.errors import KitError, UsageError
from ..common.files import now
from ..common.paths import PROJECT, results_folder
from ..servers import foundry
from . import exercises

NOTEBOOKS = PROJECT / "notebooks"


def notebooks() -> list[Path]:
    """The course's notebooks in teaching order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def execute(
    notebook: Path, output: Path, parameters: dict | None = None, *, solved: bool = False
) -> Path:
    """Run one notebook headless and write the executed copy to `output`; `solved` puts the solutions into its exercise cells.

    Raises UsageError for a parameter that the notebook does not have (papermill itself only warns), KitError naming the
    failing cell's error.
    """
    import papermill  # slow to import, and needed only here

    known = parameter_names(notebook)
    if unknown := sorted(set(parameters or {}) - known):
        raise UsageError(
            f"{notebook.name} has no parameter {', '.join(unknown)}; it has {', '.join(sorted(known))}."
        )
    output.parent.mkdir(parents=True, exist_ok=True)
    if solved:
        output.write_text(json.dumps(with_solutions(notebook)), encoding="utf-8")
    try:
        papermill.execute_notebook(
            str(output if solved else notebook),
            str(output),
            parameters=parameters or {},
            kernel_name="python3",
            cwd=str(NOTEBOOKS),
            progress_bar=False,
            extra_arguments=[
                "--IPKernelApp.log_level=ERROR"
            ],  # else each kernel warns of its loopback sockets
        )
    except papermill.PapermillExecutionError as error:
        raise KitError(
            f"{notebook.name} stopped in cell {error.cell_index} with {error.ename}: {error.evalue}. The executed copy: {output}"
        ) from None
    return output


def with_solutions(notebook: Path) -> dict:
    """A notebook with its solutions in place: the cell `exercise-NAME` becomes the part [NAME] of its file in notebooks/solutions/."""
    content, left = (
        json.loads(notebook.read_text(encoding="utf-8")),
        exercises.solutions(notebook.stem),
    )
    for cell in content["cells"]:
        kind, _, name = cell["id"].partition("-")
        if kind == "exercise" and (source := left.pop(name, None)):
            cell["source"] = source.splitlines(keepends=True)
    if left:
        raise KitError(f"{notebook.name} has no cell for the solution of {', '.join(left)}.")
    return content


def reading_minutes(notebook: Path) -> float:
    """Minutes to read the text of a notebook, at 200 words a minute."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return (
        sum(
            len("".join(cell["source"]).split())
            for cell in cells
            if cell["cell_type"] == "markdown"
        )
        / 200
    )


def parameter_names(notebook: Path) -> set[str]:
    """Names assigned in the cell that is tagged `parameters`."""
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    lines = [
        line
        for cell in cells
        if "parameters" in cell["metadata"].get("tags", [])
        for line in cell["source"]
    ]
    return {
        line.split("=")[0].strip() for line in lines if "=" in line and not line.startswith("#")
    }


def workshop(output: str | None = None, parameters: dict[str, dict] | None = None) -> Path:
    """Run the whole course and return the path of the report.

    `parameters` maps the first two digits of a notebook to parameters for it.
    """
    folder = results_folder(output) / f"workshop-{now()[:19].replace(':', '-')}"
    measured, custom = str(folder), str(folder / "custom")
    settings = {
        "03": {"output": measured},
        "04": {"run": measured},
        "05": {"run": measured},
        "06": {"output": custom},
    }
    for key, values in (parameters or {}).items():
        settings[key] = {**settings.get(key, {}), **values}
    all_notebooks = notebooks()
    was_running = foundry.find() is not None
    try:
        for number, notebook in enumerate(all_notebooks, 1):
            start = time.monotonic()
            print(
                f"[{number}/{len(all_notebooks)}] {notebook.stem} ...",
                end=" ",
                flush=True,
                file=sys.stderr,
            )
            execute(notebook, folder / "notebooks" / notebook.name, settings.get(notebook.name[:2]))
            print(f"{time.monotonic() - start:.0f} s", flush=True, file=sys.stderr)
    finally:
        if not was_running:
            foundry.stop_service()
    return next(iter(folder.rglob("benchmark_report.md")))
