"""What every notebook looks like: short cells, one import line, and its parts in order."""

import ast
import re
import statistics

import nbformat
import pytest

from helpers.common.paths import PROJECT
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
    assert [line for line in lines if len(line) > 85] == []


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


MARK = r"^\*(Alone|Room, (\d+) minutes?)\.(?: Minute (\d+): you are here\.)?\*$"


def marked(name: str) -> list[tuple[str, str, str, str]]:
    """Heading, its mark, its minutes in the room, and the minute of the session that it states."""
    found = []
    for cell in nbformat.read(notebook(name), as_version=4).cells:
        if cell.cell_type == "markdown" and cell.source.startswith("#"):
            marks = re.findall(MARK, cell.source, re.MULTILINE)
            assert len(marks) == (len(re.findall("^##", cell.source, re.MULTILINE)) or len(marks))
            heading = cell.source.splitlines()[0].lstrip("# ")
            found += [(heading, *mark) for mark in marks]
    return found


def test_every_heading_is_for_the_room_or_alone_and_the_room_takes_thirty_minutes():
    minute, at, stated = 0, [], []
    for name in NAMES:
        here = [(h, int(m), told) for h, _, m, told in marked(name) if m]
        for heading, minutes, told in here:
            if told:
                at.append((minute, name[:2], heading))
                stated.append(int(told))
            minute += minutes
        plan = nbformat.read(notebook(name), as_version=4).cells[1].source
        said = re.search(r"\*\*Minutes:\*\* (.+?)\*\*Needs", plan)[1]
        assert "alone" in said and re.search("in the room|before the session|in a deep dive", said)
        if here:
            assert said.startswith(f"{sum(m for _, m, _ in here)} in the room")
    assert minute == 30
    assert stated == [begin for begin, _, _ in at]
    guide = (PROJECT / "docs" / "instructor" / "README.md").read_text(encoding="utf-8")
    clock = re.findall(r"^\| (\d+) \| (\d\d), \*(.+)\* \|$", guide, re.MULTILINE)
    assert [(int(m), number, heading) for m, number, heading in clock] == at


def test_the_benchmark_shows_a_first_result_within_two_cells_after_its_imports():
    cells = [cell.id for cell in code_cells("03_benchmark")]
    assert cells.index("first") - cells.index("imports") <= 2


def test_the_question_of_minute_twenty_comes_before_any_quality_is_shown():
    code = code_cells("03_benchmark")
    ids = [cell.id for cell in code]
    assert ids.index("run") < ids.index("boss")
    assert "NOT to renew" in code[ids.index("boss")].source
    before = "".join(cell.source for cell in code[: ids.index("boss")])
    assert "quality" not in before and "score" not in before
