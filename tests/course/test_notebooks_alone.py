"""Each notebook alone: on another server, without a run, twice, and when something is missing."""

import json

import pytest

from helpers import load_run
from helpers.common.errors import KitError, UsageError
from helpers.common.paths import DATA
from helpers.course import notebooks
from helpers.measure.record import SAMPLE, Run
from support.loopback import error_answer, serving
from support.notebooks import ONE_PROMPT, SMALL, notebook, text_of


def test_the_notebooks_take_what_an_endpoint_offers_of_the_line_up(tmp_path):
    with serving(["qwen2.5-0.5b-instruct-generic-cpu:4", "something-else"]) as endpoint:
        for name in ("01_download", "02_smoke_test", "03_benchmark"):
            parameters = {"endpoint": endpoint.base_url, **SMALL.get(name, {})}
            text = {"models": "qwen2.5-0.5b"}  # as `papermill -p models NAME` passes it
            parameters |= {"output": str(tmp_path)} if name == "03_benchmark" else text
            executed = notebooks.execute(notebook(name), tmp_path / f"{name}.ipynb", parameters)
            assert "No model is called" not in text_of(executed)
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
            "models": "no-such-model, qwen2.5-0.5b",
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
        serving(["something-else", "another"]) as endpoint,
        pytest.raises(KitError, match=r"Which models\? .* but another, something-else\. Name them"),
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


@pytest.mark.parametrize("name", ["fa/04_compare", "05_quality"])
def test_a_notebook_starts_from_the_sample_run_when_the_earlier_one_was_skipped(
    server, tmp_path, monkeypatch, name
):
    """The Persian 04 has the code of the English one, which runs elsewhere: so it is seen to run as it stands there."""
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path / "results"))
    small = (
        {"annotations": str(tmp_path / "scores.csv"), "requests": 1} if name == "05_quality" else {}
    )
    executed = notebooks.execute(notebook(name), tmp_path / "out.ipynb", small)
    assert ("# Decision: " in text_of(executed)) == (name == "fa/04_compare")
    assert "Sample run that ships with the kit" in text_of(executed)
    assert load_run(tmp_path / "results").info == Run(DATA / SAMPLE).info
    assert {path.name for path in (DATA / SAMPLE).iterdir()} == {
        "run.json",
        "requests.jsonl",
        "judge-smollm2-135m-instruct.jsonl",
    }  # the shipped one stays as it is


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
        cell | {"id": f"{cell['id']}-{n}"}
        for cell in content["cells"]
        for n in ((1,) if cell["id"] == "parameters" else (1, 2))  # they would be the defaults
    ]
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
