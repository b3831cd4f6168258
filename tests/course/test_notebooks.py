"""The course: every notebook runs headless on the real runtime, and keeps the shape that a reader can rely on."""

import ast
import json
import re
import statistics
from pathlib import Path

import nbformat
import pytest

from helpers import load_run
from helpers.common.errors import KitError, UsageError
from helpers.common.paths import DATA
from helpers.course import notebooks
from helpers.course.exercises import load_exercises, solution
from helpers.measure.record import SAMPLE, Run
from support.loopback import error_answer, serving

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
SMALL = {
    "03_benchmark": {"prompts": "deterministic", "rounds": 2},
    "05_quality": {"requests": 2},
    "06_custom_model": {"rounds": 1},
    "07_starter_project": {"rounds": 1},
}
# For servers that answer nothing: there notebook 03 sends one request a second.
ONE_PROMPT = SMALL["03_benchmark"] | {
    "prompts": str(Path(__file__).parents[1] / "support" / "one_prompt.json")
}


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


def settings(name: str, folder: Path) -> dict:
    """Small parameters, with the run of notebook 03 in `folder`."""
    places = {
        "03_benchmark": {"output": folder / "run"},
        "06_custom_model": {"output": folder / "custom"},
    }
    places |= {
        "04_compare": {"run": folder / "run"},
        "05_quality": {"run": folder / "run", "annotations": folder / "scores.csv"},
    }
    return SMALL.get(name, {}) | {key: str(value) for key, value in places.get(name, {}).items()}


@pytest.fixture(scope="module")
def executed(server, tmp_path_factory):
    """All notebooks, executed in order with small parameters: name to executed copy, and the folder of the run."""
    folder = tmp_path_factory.mktemp("course")
    return {
        name: notebooks.execute(notebook(name), folder / f"{name}.ipynb", settings(name, folder))
        for name in NAMES
    }, folder / "run"


@pytest.mark.parametrize("name", NAMES)
def test_as_shipped_every_exercise_is_to_do(executed, name):
    mine = [exercise for exercise, about in EXERCISES.items() if about.notebook == name]
    assert outcomes_of(executed[0][name]) == dict.fromkeys(mine, "todo")


def write_solved(name: str, target: Path) -> Path:
    """Write a copy of a notebook with the solutions in its exercise cells."""
    content = json.loads(notebook(name).read_text(encoding="utf-8"))
    for cell in content["cells"]:
        kind, _, exercise = cell["id"].partition("-")
        if kind == "exercise" and exercise in EXERCISES:
            cell["source"] = solution(exercise).splitlines(keepends=True)
    target.write_text(json.dumps(content), encoding="utf-8")
    return target


@pytest.fixture(scope="module")
def solved(server, executed, tmp_path_factory):
    """All notebooks with the solutions put in, the first four of them against an address: name to executed copy, and the folder of their runs."""
    folder = tmp_path_factory.mktemp("solved")
    found = {}
    for name in NAMES:
        there = {"endpoint": server.base_url} if name < "04" else {}
        there |= {"output": str(folder)} if name in ("03_benchmark", "06_custom_model") else {}
        there |= {"script": "exercises/starter_project.py"} if name == "07_starter_project" else {}
        found[name] = notebooks.execute(
            write_solved(name, folder / f"{name}.ipynb"),
            folder / f"{name}-solved.ipynb",
            settings(name, executed[1].parent) | there,
        )
    return found, folder


@pytest.mark.parametrize("name", NAMES)
def test_as_solved_every_exercise_is_passed(solved, name):
    mine = [exercise for exercise, about in EXERCISES.items() if about.notebook == name]
    assert outcomes_of(solved[0][name]) == dict.fromkeys(mine, "passed")


def test_the_course_is_these_notebooks():
    assert [path.stem for path in notebooks.notebook_files()] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_ran_without_error(executed, name):
    cells = [
        cell
        for cell in nbformat.read(executed[0][name], as_version=4).cells
        if cell.cell_type == "code"
    ]
    assert all(cell.execution_count for cell in cells)
    assert not [
        output
        for cell in cells
        for output in cell.outputs
        if output.output_type == "error" or output.get("name") == "stderr"
    ]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (
            "00_check",
            [
                "Ready.",
                "Foundry Local 2.2.1",
                "pocket-mini-generic-cpu:",
                "did you mean pocket-mini",
            ],
        ),
        (
            "01_download",
            [
                "ships with the kit, hashes verified",
                "is called &#x27;mistral-7b-v0.2&#x27; today",
                "free",
            ],
        ),
        (
            "02_smoke_test",
            [
                "loaded in",
                "same words: True",
                "maximum context length",
                "cached, loaded, listed, answered",
                "Ready.",
            ],
        ),
        (
            "03_benchmark",
            [
                "latency_p95",
                "224.3 s; the slowest request: 191.8 s",
                "can be set while it runs: True",
                "This client sees a first token",
            ],
        ),
        (
            "03_benchmark",
            [
                "latency_<wbr>p50_<wbr>s",
                "script: tokens/s",
                "outliers",
                "is the slowest prompt",
                "requests/s: the median latency",
                "No execution provider for a GPU or NPU",
            ],
        ),
        (
            "06_custom_model",
            [
                "is a CustomModel: True",
                "/catalogs/local/v1",
                "my-summarizer",
                "extractive",
            ],
        ),
        ("07_starter_project", ["def to_csv(rows):", "Still to do: write to_csv", "passed. Next:"]),
        (
            "04_compare",
            [
                "pocket-mini",
                "pocket-nano",
                "cannot tell",
                "It stays first in",
                "has summarize; total",
                "# Decision: ",
                "decision.md",
            ],
        ),
        (
            "05_quality",
            [
                "yes: ",
                "0 of",
                "replies were not valid JSON",
                "judges its own answers",
                "No person has scored",
                "Quality comes from word matching alone",
            ],
        ),
    ],
)
def test_each_notebook_shows_what_it_promises(executed, name, shown):
    text = text_of(executed[0][name])
    assert [part for part in shown if part not in text] == []


def test_the_charts_of_the_notebooks_have_alternative_text_and_a_finding(executed):
    for name, count in (("03_benchmark", 3), ("04_compare", 3), ("06_custom_model", 1)):
        figures = re.findall(
            r'<img src="data:image/png;base64,[^"]{1000,}" alt="([^"]{20,})"[^>]*>\s*<figcaption>([^<]{20,})<',
            text_of(executed[0][name]),
        )
        assert len(figures) == count


def test_the_course_leaves_a_report_with_every_file(executed):
    run = load_run(executed[1])
    assert run.status == "finished"
    files = {
        "summary.json",
        "summary.csv",
        "benchmark_report.md",
        "decision.md",
        "report.html",
        "models.png",
        "quality.png",
        "prompts.png",
    }
    assert files <= {path.name for path in run.folder.iterdir()}
    assert all(row["n_ok"] == 6 for row in run.summary)


def test_the_same_notebooks_work_on_an_endpoint(solved):
    """What S7 asks for: the same cells against a server at an address."""
    kinds = [Run(path.parent).info.server.kind for path in solved[1].glob("*/run.json")]
    assert "OpenAI-compatible endpoint" in kinds


def test_the_notebooks_take_what_an_endpoint_offers_of_the_line_up(tmp_path):
    with serving(["qwen2.5-0.5b-instruct-generic-cpu:4", "something-else"]) as endpoint:
        for name in ("01_download", "02_smoke_test", "03_benchmark"):
            parameters = {"endpoint": endpoint.base_url, **SMALL.get(name, {})}
            parameters |= {"output": str(tmp_path)} if name == "03_benchmark" else {}
            notebooks.execute(notebook(name), tmp_path / f"{name}.ipynb", parameters)
    run = load_run(tmp_path)
    assert [(row["model"], row["n_ok"]) for row in run.summary] == [("qwen2.5-0.5b", 6)]
    notebooks.execute(notebook("04_compare"), tmp_path / "04.ipynb", {"run": str(tmp_path)})


def test_a_benchmark_in_which_every_request_failed_still_runs_to_its_end(tmp_path):
    with serving(["unknown-model"], chat=error_answer(500, "broken inside")) as endpoint:
        parameters = {
            "endpoint": endpoint.base_url,
            "models": ["unknown-model"],
            "output": str(tmp_path),
            **ONE_PROMPT,
        }
        benchmarked = notebooks.execute(notebook("03_benchmark"), tmp_path / "03.ipynb", parameters)
    compared = notebooks.execute(
        notebook("04_compare"), tmp_path / "04.ipynb", {"run": str(tmp_path)}
    )
    assert "HTTP 500: broken inside" in text_of(benchmarked)
    assert "nothing to draw" in text_of(benchmarked)
    assert "nothing to draw" in text_of(compared)
    assert "No model answered" in (load_run(tmp_path).folder / "benchmark_report.md").read_text(
        encoding="utf-8"
    )


def test_a_model_that_is_missing_does_not_stop_the_others(tmp_path):
    with serving(["qwen2.5-0.5b"]) as endpoint:
        parameters = {
            "endpoint": endpoint.base_url,
            "models": ["no-such-model", "qwen2.5-0.5b"],
            "output": str(tmp_path / "run"),
            **ONE_PROMPT,
        }
        executed = notebooks.execute(notebook("03_benchmark"), tmp_path / "03.ipynb", parameters)
    assert "It stopped at the first failure" in text_of(executed)  # the first script, as it would
    assert [(row["model"], row["status"]) for row in load_run(tmp_path / "run").summary] == [
        ("no-such-model", "skipped"),
        ("qwen2.5-0.5b", "ok"),
    ]


def test_an_endpoint_that_offers_nothing_of_the_line_up_is_told_in_a_sentence(tmp_path):
    with (
        serving(["something-else"]) as endpoint,
        pytest.raises(KitError, match=r"Which models\? .* but something-else\. Name them"),
    ):
        notebooks.execute(
            notebook("02_smoke_test"), tmp_path / "02.ipynb", {"endpoint": endpoint.base_url}
        )


def test_the_compare_notebook_without_any_run_says_what_to_do(tmp_path):
    with pytest.raises(
        KitError,
        match=r"04_compare.ipynb stopped in cell \d+ with UsageError: There is no run in .* yet; measure one",
    ):
        notebooks.execute(notebook("04_compare"), tmp_path / "04.ipynb", {"run": str(tmp_path)})


@pytest.mark.parametrize("name", ["04_compare", "05_quality"])
def test_a_notebook_starts_from_the_sample_run_when_the_earlier_one_was_skipped(
    server, tmp_path, monkeypatch, name
):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path / "results"))
    small = (
        {"annotations": str(tmp_path / "scores.csv"), "requests": 1} if name == "05_quality" else {}
    )
    executed = notebooks.execute(notebook(name), tmp_path / "out.ipynb", small)
    assert "Sample run that ships with the kit" in text_of(executed)
    assert load_run(tmp_path / "results").info == Run(DATA / SAMPLE).info
    assert {path.name for path in (DATA / SAMPLE).iterdir()} == {
        "run.json",
        "requests.jsonl",
    }  # the shipped one stays as it is


def test_a_run_of_ones_own_is_preferred_to_the_sample(executed, monkeypatch):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(executed[1]))
    assert load_run(sample=True).folder.name != SAMPLE


def test_a_run_of_another_form_does_not_stand_in_the_way_of_the_sample(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path))
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "run.json").write_text('{"schema": 0, "started_at": "2020-01-01"}')
    assert load_run(sample=True).folder.name == SAMPLE
    with pytest.raises(UsageError, match="was recorded in form 0, this kit reads form"):
        load_run("old")


@pytest.mark.parametrize("name", ["00_check", "02_smoke_test", "06_custom_model"])
def test_cells_may_be_run_twice(server, tmp_path, monkeypatch, name):
    content = json.loads(notebook(name).read_text("utf-8"))
    content["cells"] = [
        cell | {"id": f"{cell['id']}-{n}"} for cell in content["cells"] for n in (1, 2)
    ]
    for cell in content["cells"]:
        cell["metadata"] = {"tags": []} if cell["id"] == "parameters-2" else cell["metadata"]
    twice = tmp_path / f"{name}.ipynb"
    twice.write_text(json.dumps(content), encoding="utf-8")
    notebooks.execute(
        twice,
        tmp_path / "out.ipynb",
        SMALL.get(name, {}) | ({"output": str(tmp_path)} if name == "06_custom_model" else {}),
    )


def test_a_service_killed_between_two_cells_is_told_and_started_by_the_next(own_home, tmp_path):
    content = json.loads(notebook("02_smoke_test").read_text("utf-8"))
    blank = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    kill = blank | {
        "id": "kill",
        "source": ["import psutil\n", "psutil.Process(server.pid).kill()"],
    }
    told = blank | {
        "id": "told",
        "source": [
            "try:\n",
            "    server.models()\n",
            "except KitError as error:\n",
            "    print(error)",
        ],
    }
    place = next(number for number, cell in enumerate(content["cells"]) if cell["id"] == "ask")
    content["cells"] = [
        *content["cells"][: place + 1],
        kill,
        told,
        content["cells"][place] | {"id": "ask-again"},
    ]
    broken = tmp_path / "02_smoke_test.ipynb"
    broken.write_text(json.dumps(content), encoding="utf-8")
    said = text_of(notebooks.execute(broken, tmp_path / "out.ipynb"))
    assert "Foundry Local's process ended during 'list' (killed by signal 9)" in said
    assert said.count("TTFT") == 4


def test_a_parameter_that_a_notebook_does_not_have_is_refused(tmp_path):
    with pytest.raises(
        UsageError, match=r"03_benchmark.ipynb has no parameter round; it has .*rounds"
    ):
        notebooks.execute(notebook("03_benchmark"), tmp_path / "out.ipynb", {"round": 1})


def test_another_working_folder_changes_nothing(server, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert notebooks.execute(notebook("00_check"), tmp_path / "out.ipynb").is_file()


@pytest.mark.parametrize("name", NAMES)
def test_cells_are_few_short_and_narrow_enough_for_a_projector(name):
    code = code_cells(name)
    lengths = [len(cell.source.splitlines()) for cell in code]
    assert 10 <= len(code) <= 18
    assert statistics.median(lengths) <= 5
    assert max(lengths) <= 15
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
