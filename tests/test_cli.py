"""The command line as a person types it: what it prints, its exit codes, and no traceback ever."""

import json
import re

import pytest

from helpers import load_run
from helpers.cli.app import main
from helpers.common.paths import BUILT_IN_MODELS, model_cache
from helpers.models import built_in, cache
from support.gguf_files import write_gguf
from support.loopback import error_answer, serving

ALONE = ("--warmup", "0", "--cold", "0", "--no-resources")  # the measured requests alone


def test_check_says_ready(helpers_command):
    done = helpers_command("check")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().endswith("Ready.")
    assert "Foundry Local 2.2.1" in done.stdout
    assert "[FAIL]" not in done.stdout


def test_check_gives_its_results_as_json_for_a_report_of_a_fault(server, capsys):
    assert main(["check", "--json"]) == 0
    checks = {check["what"]: check for check in json.loads(capsys.readouterr().out)}
    assert checks["server"]["status"] == "OK"
    assert "Foundry Local 2.2.1" in checks["server"]["detail"]


def test_models_lists_the_built_in_ones(server, helpers_command):
    done = helpers_command("models")
    assert done.returncode == 0
    assert re.search(r"pocket-mini +[\d.]+ +MIT +CPU +yes", done.stdout)
    assert "Azure catalog: switched off" in done.stdout


def test_models_can_be_filtered(server, command_here):
    done = command_here("models", "--name", "mini", "--license", "MIT", "--max-mb", "1000")
    assert done.returncode == 0
    assert "pocket-mini" in done.stdout
    assert "pocket-nano" not in done.stdout


def test_download_says_what_is_there_and_goes_on_after_one_that_is_not(server, command_here):
    done = command_here("download", "mistral-7b", "pocket-nano", "qwen")
    assert done.returncode == 1
    assert "'mistral-7b' is called 'mistral-7b-v0.2' today" in done.stdout
    assert re.search(r"pocket-nano +ready +ships with the kit", done.stdout)
    assert command_here("download", "pocket-nano").returncode == 0


def test_the_cache_can_be_seen_verified_and_repaired_from_a_terminal(server, command_here):
    seen = command_here("cache")
    assert seen.returncode == 0
    assert re.search(r"pocket-nano +[\d.]+ +built-in +whole", seen.stdout)
    assert "WORKSHOP_HOME moves it" in seen.stdout
    package = built_in.built_in_packages(BUILT_IN_MODELS)["pocket-nano"]
    (package.folder(model_cache()) / "tokenizer.json").unlink()
    done = command_here("verify", "pocket-nano")
    assert done.returncode == 0
    assert re.search(
        r"pocket-nano +repaired +tokenizer\.json \(missing\); fetched again from the kit",
        done.stdout,
    )
    assert cache.problems(package.folder(model_cache()), package) == []


def test_a_model_is_removed_only_when_that_is_confirmed(server, command_here):
    leftover = model_cache() / "Somebody" / "leftover-generic-cpu-1"
    leftover.mkdir(parents=True)
    (leftover / "model.onnx").write_bytes(b"x" * 5_000_000)
    kept = command_here("cache", "--remove", "leftover-generic-cpu-1")
    assert (kept.returncode, "add --yes to delete it without a question" in kept.stderr) == (
        2,
        True,
    )
    assert leftover.exists()
    gone = command_here("cache", "--remove", "leftover-generic-cpu-1", "--yes")
    assert gone.returncode == 0
    assert "removed leftover-generic-cpu-1" in gone.stderr
    assert not leftover.exists()


def test_chat_answers_once(server, helpers_command):
    done = helpers_command(
        "chat",
        "pocket-mini",
        "--prompt",
        "List three benefits of local inference.",
        "--max-tokens",
        "60",
    )
    assert done.returncode == 0
    assert len(done.stdout.split()) > 5
    assert re.search(r"TTFT [\d.]+ ms, latency [\d.]+ ms, \d+ tokens", done.stdout)


def test_a_benchmark_prints_a_table_and_writes_every_file(server, helpers_command, tmp_path):
    done = helpers_command(
        "benchmark", "--rounds", "1", "--prompts", "deterministic", "--output", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    run = load_run(tmp_path)
    assert re.search(r"model +answered +TTFT ms +latency ms +p95 ms", done.stdout)
    assert f"report: {run.folder / 'benchmark_report.md'}" in done.stderr
    assert {"run.json", "requests.jsonl", "summary.json", "summary.csv", "benchmark_report.md"} <= {
        path.name for path in run.folder.iterdir()
    }
    assert run.info.settings_from["rounds"] == "argument"


def test_json_is_the_only_thing_on_standard_output(server, helpers_command, tmp_path):
    done = helpers_command(
        "benchmark",
        *ALONE,
        "--json",
        "--output",
        str(tmp_path),
        BENCH_MODELS="pocket-nano",
        BENCH_ROUNDS="2",
        BENCH_PROMPT="Hello",
    )
    assert done.returncode == 0
    printed = json.loads(done.stdout)
    assert [(row["model"], row["n_ok"]) for row in printed["models"]] == [("pocket-nano", 2)]
    assert load_run(printed["run"]).info.settings_from["models"] == "BENCH_MODELS"


def test_a_plain_list_of_prompts_is_a_valid_file(server, command_here, tmp_path):
    file = tmp_path / "my prompts.json"
    file.write_text('["Hello", "Say OK."]', encoding="utf-8")
    done = command_here(
        "benchmark",
        *ALONE,
        "--prompts",
        str(file),
        "--rounds",
        "1",
        "--models",
        "pocket-nano",
        "--output",
        str(tmp_path / "results"),
    )
    assert done.returncode == 0, done.stderr
    assert list(load_run(tmp_path / "results").headline["prompt_id"]).count("p2") == 1


def test_report_makes_the_report_again(server, command_here, tmp_path):
    command_here(
        "benchmark",
        *ALONE,
        "--rounds",
        "1",
        "--prompt",
        "Hello",
        "--models",
        "pocket-nano",
        "--output",
        str(tmp_path),
    )
    report = load_run(tmp_path).folder / "benchmark_report.md"
    before = report.read_text(encoding="utf-8")
    report.unlink()
    done = command_here("report", str(report.parent))
    assert done.returncode == 0
    assert report.read_text(encoding="utf-8") == before


def test_no_model_finished_is_exit_1(server, command_here, tmp_path):
    done = command_here(
        "benchmark",
        *ALONE,
        "--models",
        "no-such-model",
        "--rounds",
        "1",
        "--prompt",
        "Hello",
        "--output",
        str(tmp_path),
    )
    assert done.returncode == 1
    assert "No model is called 'no-such-model'" in done.stdout
    assert "No model answered" in (load_run(tmp_path).folder / "benchmark_report.md").read_text(
        encoding="utf-8"
    )


def test_one_of_two_models_finished_is_exit_0(server, command_here, tmp_path):
    done = command_here(
        "benchmark",
        *ALONE,
        "--models",
        "no-such-model,pocket-nano",
        "--rounds",
        "1",
        "--prompt",
        "Hello",
        "--output",
        str(tmp_path),
    )
    assert done.returncode == 0


def test_every_request_failing_is_exit_1(command_here, tmp_path):
    with serving(["tiny"], chat=error_answer(500, "broken inside")) as endpoint:
        done = command_here(
            "benchmark",
            *ALONE,
            "--endpoint",
            endpoint.base_url,
            "--models",
            "tiny",
            "--prompt",
            "Hello",
            "--output",
            str(tmp_path),
        )
    assert done.returncode == 1
    assert "HTTP 500: broken inside" in done.stdout


MISTAKES = [
    (["chat", "poket-mini", "--prompt", "Hello"], 1, "did you mean pocket-mini"),
    (["chat", "pocket-mini", "--prompt", "word " * 5000], 1, "maximum context length"),
    (
        ["models", "--endpoint", "some words"],
        2,
        "expected something like http://localhost:5273/v1",
    ),
    (["models", "--endpoint", "http://127.0.0.1:9/v1"], 1, "Cannot reach http://127.0.0.1:9/v1"),
    (["benchmark", "--rounds", "0"], 2, "rounds: must be greater than or equal to 1, found '0'"),
    (["benchmark", "--rounds", "-1"], 2, "rounds"),
    (["benchmark", "--prompts", "no-such-set"], 2, "it has session, deterministic, meeting-notes"),
    (["benchmark", "--prompts", "missing.json"], 2, "There is no file missing.json"),
    (["benchmark", "--prompts", "session", "--prompt", "x"], 2, "either a prompt or a prompt set"),
    (["benchmark", "--models", ","], 2, "Which models?"),
    (["benchmark", "--force"], 2, "--force goes with --resume RUN"),
    (["benchmark", "--resume", "--output", "elsewhere"], 2, "Give either --output or --resume"),
    (["report", "no-such-run"], 2, "holds no run"),
    (["download"], 2, "Name their aliases, or a classroom mirror"),
    (["download", "--mirror", "127.0.0.1:9"], 1, "No mirror answers at http://127.0.0.1:9"),
    (
        ["models", "--mirror", "ftp://room"],
        2,
        "is not the address of a mirror; expected something like",
    ),
    (["prefetch", "--at", "soon", "pocket-nano"], 2, "'soon' is not a time of day"),
    (["cache", "--remove", "no-such-model"], 2, "The cache has no 'no-such-model'"),
    (["cache", "--remove", "pocket-nano", "--yes"], 2, "ships with the kit"),
    (
        ["mirror", "--host", "no.such.host.invalid"],
        2,
        "The mirror cannot listen on no.such.host.invalid",
    ),
    (["chat", "pocket-mini", "--max-tokens", "1.5"], 2, "expected a whole number, found '1.5'"),
    (["calibrate", "--concurrency", "1.5"], 2, "must be a whole number from 1 to 256, found '1.5'"),
    (["no-such-command"], 2, "no-such-command"),
    ([], 2, "Name a command"),
]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    MISTAKES,
    ids=[" ".join(arguments)[:40] or "nothing" for arguments, _, _ in MISTAKES],
)
def test_a_mistake_is_one_sentence(server, command_here, arguments, code, said):
    assert_one_sentence(command_here(*arguments), code, said)


@pytest.mark.parametrize(("arguments", "code", "said"), [MISTAKES[0], *MISTAKES[-2:]])
def test_a_mistake_is_how_the_process_ends(server, helpers_command, arguments, code, said):
    assert_one_sentence(helpers_command(*arguments), code, said)


def assert_one_sentence(done, code, said):
    assert said in done.stderr
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_wrong_setting_is_told_before_the_calibration_runs(server, command_here):
    done = command_here("benchmark", "--calibrate", "--rounds", "0")
    assert done.returncode == 2
    assert (
        done.stderr.strip()
        == "error: rounds: must be greater than or equal to 1, found '0'; allowed is 1 to 10,000."
    )


def test_stop_ends_the_runtime_and_says_so(own_home, helpers_command):
    assert helpers_command("stop").stdout == "not running\n"
    helpers_command("models")
    assert helpers_command("stop").stdout == "stopped\n"
    assert helpers_command("stop").stdout == "not running\n"


def test_a_gguf_file_is_converted_and_measured_from_a_terminal(
    server, helpers_command, tmp_path, capsys
):
    path = write_gguf(tmp_path / "m.gguf")
    done = helpers_command("convert", str(path), "--name", "from-a-terminal")
    assert done.returncode == 0, done.stderr
    assert "python -m helpers benchmark --models from-a-terminal" in done.stdout
    assert "from-a-terminal" in helpers_command("models", "--source", "gguf").stdout
    for wrong, message in (
        (["none.gguf"], "none.gguf cannot be read"),
        ([str(path), "--context", "9999"], "A context of 9,999 tokens was asked for"),
        (
            [str(path), "--adapter", str(tmp_path)],
            f"{tmp_path / 'adapter_model.safetensors'} cannot be read",
        ),
    ):
        assert main(["convert", *wrong]) == 2
        assert f"error: {message}" in capsys.readouterr().err


def test_own_models_share_a_table_with_the_kits_without_a_change_to_it(
    server, command_here, tmp_path
):
    """A function, a folder and another line-up, in one run."""
    own = tmp_path / "My rules.py"
    own.write_text("def generate(prompt, **params):\n    return 'Ines repairs the gate.'\n")
    line_up = tmp_path / "models.json"
    entry = {"source": "built-in", "capabilities": ["chat"], "size_mb": 2.5, "license": "MIT"}
    line_up.write_text(json.dumps({"pocket-nano": entry}))
    done = command_here(
        *("benchmark", "--custom", str(own), "--folder", str(BUILT_IN_MODELS / "pocket-mini")),
        *("--line-up", str(line_up), "--prompt", "Say hello.", "--rounds", "1", "--warmup", "0"),
        *("--cold", "0", "--no-resources", "--quiet", "--json", "--output", str(tmp_path)),
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["models"]
    assert [(row["model"].split(" @ ")[0], row["n_ok"]) for row in rows] == [
        ("pocket-nano", 1),  # all of the line-up that is built in
        ("my-rules", 1),
        ("pocket-mini", 1),
    ]


def test_own_models_that_are_not_there_are_told_before_the_first_request(server, capsys, tmp_path):
    empty = tmp_path / "empty.py"
    empty.write_text("")
    for options, message in (
        (["--custom", str(tmp_path / "none.py")], "none.py cannot be run"),
        (["--custom", str(empty)], "has nothing to call"),
        (["--folder", str(tmp_path)], "holds no genai_config.json"),
        (["--line-up", str(empty)], "is not valid JSON"),
        (["--custom", str(empty), "--resume"], "Give either --custom or --resume"),
        (["--custom", str(empty), "--variants"], "Give either --custom or --variants"),
    ):
        assert main(["benchmark", *options]) == 2
        assert message in capsys.readouterr().err
