"""What the tests of the notebooks share: small parameters, and reading what a copy shows."""

import atexit
import re
import shutil
import tempfile
from pathlib import Path

import nbformat

from helpers.course import notebooks
from helpers.course.exercises import load_exercises
from support.gguf_files import write_gguf

EXERCISES = load_exercises()
NAMES = [
    "00_check",
    "01_download",
    "02_smoke_test",
    "03_benchmark",
    "04_compare",
    "05_quality",
    "06_custom_model",
    "07_starter_project",
]
# Nothing is fetched in the tests: notebook 06 converts a small file with random weights.
FOLDER = Path(tempfile.mkdtemp(prefix="workshop-gguf-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
TINY = write_gguf(FOLDER / "tiny.gguf", metadata={"llama.context_length": 2048})
POCKET = "pocket-nano,pocket-mini,pocket-midi"
SMALL = {
    "01_download": {"models": POCKET, "slow_s": 1},
    "02_smoke_test": {"models": POCKET},
    "03_benchmark": {"prompts": "deterministic", "rounds": 2},
    "05_quality": {"requests": 2},
    "06_custom_model": {"gguf": str(TINY), "rounds": 1},
    "07_starter_project": {"rounds": 1},
}
# For servers that answer nothing: there notebook 03 sends one request a second.
ONE_PROMPT = SMALL["03_benchmark"] | {"prompts": str(Path(__file__).parent / "one_prompt.json")}


def notebook(name: str) -> Path:
    return notebooks.NOTEBOOKS / f"{name}.ipynb"


def code_cells(name: str) -> list:
    cells = nbformat.read(notebook(name), as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code"]


def text_of(executed: Path) -> str:
    """Everything that the cells of an executed notebook printed or showed as text."""
    shown = []
    for cell in nbformat.read(executed, as_version=4).cells:
        for output in cell.get("outputs", []):
            shown.append(
                output.get("text")
                or "".join(
                    str(output.get("data", {}).get(kind, ""))
                    for kind in ("text/plain", "text/markdown", "text/html")
                )
            )
    return "\n".join(shown)


def outcomes_of(executed: Path) -> dict[str, str]:
    """Exercise to what its check said."""
    return dict(
        re.findall(r"<strong>([\w-]+): (todo|passed|not yet)\.</strong>", text_of(executed))
    )


def settings(name: str) -> dict:
    """Small parameters of the course on the built-in runtime."""
    return SMALL.get(name, {}) | ({"models": POCKET} if name == "03_benchmark" else {})
