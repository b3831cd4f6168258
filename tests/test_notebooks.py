"""The course: every notebook runs headless on the real runtime, and keeps the shape that a reader can rely on."""

import json
import re
import statistics
from pathlib import Path

import nbformat
import pytest
from loopback import error_answer, serving

from helpers import course, load_run
from helpers.errors import KitError, UsageError

NAMES = ["00_check", "01_download", "02_smoke_test", "03_benchmark", "04_compare"]
SMALL = {"03_benchmark": {"prompts": "deterministic", "rounds": 2}}


def notebook(name: str) -> Path:
    return course.NOTEBOOKS / f"{name}.ipynb"


def text_of(executed: Path) -> str:
    """Everything that the cells of an executed notebook printed or showed as text."""
    shown = []
    for cell in nbformat.read(executed, as_version=4).cells:
        for output in cell.get("outputs", []):
            shown.append(
                output.get("text") or "".join(str(output.get("data", {}).get(kind, "")) for kind in ("text/plain", "text/markdown", "text/html"))
            )
    return "\n".join(shown)


@pytest.fixture(scope="module")
def executed(server, tmp_path_factory):
    """All notebooks, executed in order with small parameters: name to executed copy, and the folder of the run."""
    folder = tmp_path_factory.mktemp("course")
    settings = {"03_benchmark": {**SMALL["03_benchmark"], "output": str(folder)}, "04_compare": {"run": str(folder)}}
    return {name: course.execute(notebook(name), folder / f"{name}.ipynb", settings.get(name)) for name in NAMES}, folder


def test_the_course_is_the_five_notebooks():
    assert [path.stem for path in course.notebooks()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_ran_without_error(executed, name):
    cells = [cell for cell in nbformat.read(executed[0][name], as_version=4).cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in cells)
    assert not [output for cell in cells for output in cell.outputs if output.output_type == "error" or output.get("name") == "stderr"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("00_check", ["Ready.", "Foundry Local 2.2.1", "pocket-mini-generic-cpu:3", "did you mean pocket-mini"]),
        ("01_download", ["ships with the kit, hashes verified", "is called &#x27;mistral-7b-v0.2&#x27; today", "free"]),
        ("02_smoke_test", ["loaded in", "same words: True", "maximum context length", "cached, loaded, listed, answered", "Ready."]),
        ("03_benchmark", ["latency_<wbr>p50_<wbr>s", "This client sees a first token", "warm-up request", "outliers", "The slowest prompt is"]),
        ("04_compare", ["pocket-mini", "pocket-nano", "the size of", "Quality is matched by words", "Quality: ", "benchmark_report.md"]),
    ],
)
def test_each_notebook_shows_what_it_promises(executed, name, shown):
    text = text_of(executed[0][name])
    assert [part for part in shown if part not in text] == []


def test_the_charts_of_the_notebooks_have_alternative_text_and_a_finding(executed):
    for name, count in (("03_benchmark", 2), ("04_compare", 3)):
        figures = re.findall(
            r'<img src="data:image/png;base64,[^"]{1000,}" alt="([^"]{20,})"[^>]*><figcaption>([^<]{20,})<', text_of(executed[0][name])
        )
        assert len(figures) == count


def test_the_course_leaves_a_report_with_every_file(executed):
    run = load_run(executed[1])
    assert run.status == "finished"
    assert {"summary.json", "summary.csv", "benchmark_report.md", "models.png", "quality.png", "prompts.png"} <= {
        path.name for path in run.folder.iterdir()
    }
    assert all(row["n_ok"] == 6 for row in run.summary)


def test_the_same_notebooks_work_on_an_endpoint(server, tmp_path):
    """What S7 asks for: the same cells against a server at an address."""
    for name in ("00_check", "01_download", "02_smoke_test", "03_benchmark"):
        parameters = {"endpoint": server.base_url, **SMALL.get(name, {})}
        parameters |= {"output": str(tmp_path)} if name == "03_benchmark" else {}
        course.execute(notebook(name), tmp_path / f"{name}.ipynb", parameters)
    assert load_run(tmp_path).info["server"]["kind"] == "OpenAI-compatible endpoint"


def test_the_notebooks_take_what_an_endpoint_offers_of_the_line_up(tmp_path):
    with serving(["qwen2.5-0.5b-instruct-generic-cpu:4", "something-else"]) as endpoint:
        for name in ("01_download", "02_smoke_test", "03_benchmark"):
            parameters = {"endpoint": endpoint.base_url, **SMALL.get(name, {})}
            parameters |= {"output": str(tmp_path)} if name == "03_benchmark" else {}
            course.execute(notebook(name), tmp_path / f"{name}.ipynb", parameters)
    run = load_run(tmp_path)
    assert [(row["model"], row["n_ok"]) for row in run.summary] == [("qwen2.5-0.5b", 6)]
    course.execute(notebook("04_compare"), tmp_path / "04.ipynb", {"run": str(tmp_path)})


def test_a_benchmark_in_which_every_request_failed_still_runs_to_its_end(tmp_path):
    with serving(["unknown-model"], chat=error_answer(500, "broken inside")) as endpoint:
        parameters = {"endpoint": endpoint.base_url, "models": ["unknown-model"], "output": str(tmp_path), **SMALL["03_benchmark"]}
        benchmarked = course.execute(notebook("03_benchmark"), tmp_path / "03.ipynb", parameters)
    compared = course.execute(notebook("04_compare"), tmp_path / "04.ipynb", {"run": str(tmp_path)})
    assert "HTTP 500: broken inside" in text_of(benchmarked)
    assert "nothing to draw" in text_of(benchmarked)
    assert "nothing to draw" in text_of(compared)
    assert "No model answered" in (load_run(tmp_path).folder / "benchmark_report.md").read_text(encoding="utf-8")


def test_an_endpoint_that_offers_nothing_of_the_line_up_is_told_in_a_sentence(tmp_path):
    with serving(["something-else"]) as endpoint, pytest.raises(KitError, match=r"Which models\? .* but something-else\. Name them"):
        course.execute(notebook("02_smoke_test"), tmp_path / "02.ipynb", {"endpoint": endpoint.base_url})


def test_the_compare_notebook_without_any_run_says_what_to_do(tmp_path):
    with pytest.raises(KitError, match=r"04_compare.ipynb stopped in cell \d+ with UsageError: There is no run in .* yet; measure one"):
        course.execute(notebook("04_compare"), tmp_path / "04.ipynb", {"run": str(tmp_path)})


def test_a_parameter_that_a_notebook_does_not_have_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"03_benchmark.ipynb has no parameter round; it has .*rounds"):
        course.execute(notebook("03_benchmark"), tmp_path / "out.ipynb", {"round": 1})


def test_another_working_folder_changes_nothing(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert course.execute(notebook("00_check"), tmp_path / "out.ipynb").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_short_and_outputs_are_stripped(name):
    cells = json.loads(notebook(name).read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    lengths = [len(cell["source"]) for cell in code]
    assert 10 <= len(code) <= 15
    assert statistics.median(lengths) <= 5
    assert max(lengths) <= 15
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert len({cell["id"] for cell in cells}) == len(cells)


@pytest.mark.parametrize("name", NAMES)
def test_each_notebook_has_the_parts_of_the_anatomy(name):
    cells = nbformat.read(notebook(name), as_version=4).cells
    prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert re.match(rf"# {name[:2]} \w+", cells[0].source)
    for part in ("**Goals.**", "**Minutes:**", "**Needs:**", "**Predict:**", "**You should see**", "## Recap", "**Limits:**", "**Checkpoint:**"):
        assert part in prose, part
    assert next(cell.metadata.get("tags") for cell in cells if cell.cell_type == "code") == ["parameters"]


@pytest.mark.parametrize("name", NAMES)
def test_links_between_notebooks_lead_somewhere(name):
    cells = nbformat.read(notebook(name), as_version=4).cells
    links = [link for cell in cells if cell.cell_type == "markdown" for link in re.findall(r"\]\(([^)#:]+)\)", cell.source)]
    assert [link for link in links if not (course.NOTEBOOKS / link).is_file()] == []


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_waits_for_a_person_or_installs(name):
    code = "\n".join(cell.source for cell in nbformat.read(notebook(name), as_version=4).cells if cell.cell_type == "code")
    assert not re.search(r"input\(|^[!%]|pip install", code, re.MULTILINE)
