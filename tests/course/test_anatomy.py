"""What every notebook looks like: short cells, one import line, and its parts in order."""

import ast
import re
import statistics

import nbformat
import pytest

from helpers.course import notebooks
from support.notebooks import (
    NAMES,
    code_cells,
    notebook,
)

# A guess and its answer frame a measurement, and a learner's own function follows its exercise.
BESIDE = re.compile("(guess|reveal|use)-")


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_few_short_and_narrow_enough_for_a_projector(name):
    code = code_cells(name)
    lengths = [len(cell.source.splitlines()) for cell in code]
    assert 10 <= len([cell for cell in code if not BESIDE.match(cell.id)]) <= 18
    assert statistics.median(lengths) <= 5
    assert max(len(cell.source.splitlines()) for cell in code if cell.id != "imports") <= 15
    lines = [line for cell in code for line in cell.source.splitlines()]
    assert [line for line in lines if len(line) > 88] == []


@pytest.mark.parametrize("name", NAMES)
def test_cells_define_no_long_functions(name):
    nodes = [node for cell in code_cells(name) for node in ast.walk(ast.parse(cell.source))]
    functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
    assert [f.name for f in functions if f.end_lineno - f.lineno >= 10] == []


@pytest.mark.parametrize("name", NAMES)
def test_everything_of_the_kit_comes_in_one_import_line(name):
    nodes = [node for cell in code_cells(name) for node in ast.walk(ast.parse(cell.source))]
    modules = [node.module for node in nodes if isinstance(node, ast.ImportFrom)]
    kit = [module for module in modules if module.startswith("helpers")]
    assert kit == ["helpers"]
    assert "import helpers" not in "\n".join(cell.source for cell in code_cells(name))


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_gives_a_name_of_the_kit_to_something_else(name):
    nodes = [node for cell in code_cells(name) for node in ast.walk(ast.parse(cell.source))]
    imported = {a.name for n in nodes if isinstance(n, ast.ImportFrom) for a in n.names}
    assigned = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    assert imported & assigned == set()


def test_every_prediction_is_a_guess_that_a_later_cell_answers():
    """Questions that nothing answers are none: about fifteen are kept, with a place for each."""
    asked = []
    for name in NAMES:
        cells = nbformat.read(notebook(name), as_version=4).cells
        places = {cell.id: place for place, cell in enumerate(cells)}
        guesses = [cell for cell in cells if cell.id.startswith("guess-")]
        for cell in guesses:
            short = cell.id.removeprefix("guess-")
            assert re.match(rf'guess\("{short}", \.\.\.\)  # \w', cell.source)
            assert "**Predict:**" in cells[places[cell.id] - 1].source
            assert f'reveal("{short}", ' in cells[places[f"reveal-{short}"]].source
            assert places[f"reveal-{short}"] > places[cell.id] + 1
            asked.append(short)
        prose = "".join(cell.source for cell in cells if cell.cell_type == "markdown")
        assert prose.count("**Predict:**") == len(guesses)
    assert len(set(asked)) == len(asked) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_stripped_and_cell_ids_are_words(name):
    cells = nbformat.read(notebook(name), as_version=4).cells
    assert all(c.outputs == [] and c.execution_count is None for c in code_cells(name))
    assert len({cell.id for cell in cells}) == len(cells)
    assert [c.id for c in cells if not re.fullmatch(r"[a-z]+[0-9]*(-[a-z0-9]+)*", c.id)] == []
    assert [c.id for c in cells if re.fullmatch(r"[0-9a-f]{8}", c.id)] == []


@pytest.mark.parametrize("name", NAMES)
def test_each_notebook_has_the_parts_of_the_anatomy_in_order(name):
    cells = nbformat.read(notebook(name), as_version=4).cells
    assert [cell.id for cell in cells][:4] == ["title", "plan", "parameters", "imports"]
    assert re.match(rf"# {name[:2]} \w+", cells[0].source)
    assert cells[2].metadata.tags == ["parameters"]
    assert cells[-1].id == "recap"
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    parts = ["**Goals.**", "**Minutes:**", "**Needs:**"]
    parts += [
        f"**{word}:**" for word, last in (("Previous", "00"), ("Next", "07")) if name[:2] != last
    ]
    parts += ["**Predict:**", "**You should see**", "**Exercise ", "## Recap"]
    parts += ["**Limits:**", "**Checkpoint:**"]
    assert [part for part in parts if part not in prose] == []
    order = [
        prose.rindex(part)
        for part in parts
        if part not in ("**Predict:**", "**You should see**", "**Exercise ")
    ]
    assert order == sorted(order)


@pytest.mark.parametrize("name", NAMES)
def test_links_between_notebooks_lead_somewhere(name):
    cells = nbformat.read(notebook(name), as_version=4).cells
    links = [
        link
        for cell in cells
        if cell.cell_type == "markdown"
        for link in re.findall(r"\]\(([^)#:]+)\)", cell.source)
    ]
    assert [link for link in links if not (notebooks.NOTEBOOKS / link).is_file()] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_waits_for_a_person_or_installs(name):
    code = "\n".join(
        cell.source
        for cell in nbformat.read(notebook(name), as_version=4).cells
        if cell.cell_type == "code"
    )
    assert not re.search(r"input\(|^[!%]|pip install", code, re.MULTILINE)
