"""What holds for the project as a whole: one face, imports one way, pins with reasons, a README that tells the truth."""

import ast
import inspect
import json
import re
import subprocess
import sys

import pytest

import helpers
from helpers import load_run
from helpers.cli import fleet, models, options, runs, scores
from helpers.cli.app import app
from helpers.common.machine import packages
from helpers.common.paths import BUILT_IN_MODELS, DATA, PROJECT
from helpers.models import built_in, cache, lineup
from helpers.models.prompts import load_prompts
from helpers.room import commands as room
from support.loopback import DONE, delta, event, serving, streamed, usage


def tracked(*patterns: str) -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [name for name in listed.stdout.split("\0") if name and (PROJECT / name).is_file()]


def test_the_public_face_is_what_the_stub_lists_and_every_name_is_there():
    assert sorted(helpers.__all__) == sorted(set(helpers.__all__))
    assert [name for name in helpers.__all__ if not hasattr(helpers, name)] == []


# What one honest benchmark needs: `benchmark`, and a server at an address to ask.
BENCHMARK = ("measure/session.py", "servers/remote.py")
CORE = {
    "timing": "transport connection framing stream chunks refusals send metrics intervals",
    "models": "lineup prompts",
    "servers": "server remote model_table keep_warm",
    "measure": "plan schedule session sender recorder record rows info",
}
MAX_CORE, MAX_HELPERS, MAX_MODULE, MAX_FUNCTION = 4_500, 17_593, 400, 50


def lines_of(*patterns: str) -> dict[str, int]:
    """Path to number of lines of every module of the package that a pattern names."""
    package = PROJECT / "helpers"
    paths = {path for pattern in patterns for path in package.glob(pattern)}
    return {
        path.relative_to(package).as_posix(): path.read_text(encoding="utf-8").count("\n")
        for path in paths
    }


def core_modules() -> set[str]:
    names = {f"{folder}/{name}.py" for folder, names in CORE.items() for name in names.split()}
    return names | {f"{folder}/__init__.py" for folder in CORE} | {"__init__.py"}


def imported_by(name: str) -> set[str]:
    """Paths of the kit's modules that a module imports, inside functions too, but not for types."""
    package = PROJECT / "helpers"
    tree = ast.parse((package / name).read_text(encoding="utf-8"))
    only_types = {
        node
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and ast.unparse(branch.test) == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    found = set()
    for node in ast.walk(tree):
        assert "helpers" not in [alias.name for alias in getattr(node, "names", [])], name
        if isinstance(node, ast.ImportFrom) and node.level and node not in only_types:
            folder = (package / name).parents[node.level - 1] / (node.module or "").replace(
                ".", "/"
            )
            paths = [folder / f"{alias.name}.py" for alias in node.names]
            modules = [path for path in paths if path.is_file()] or [folder.with_suffix(".py")]
            found |= {path.relative_to(package).as_posix() for path in modules}
    return found


def test_the_core_is_what_one_benchmark_imports_and_nothing_else():
    core, waiting = {f"{folder}/__init__.py" for folder in CORE} | {"__init__.py"}, [*BENCHMARK]
    while waiting:
        name = waiting.pop()
        if name not in core and not name.startswith("common/"):
            core.add(name)
            waiting += imported_by(name)
    assert core == core_modules()


ALONE = """
import importlib.abc, sys
class Locked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.startswith("helpers.") and not name.startswith("helpers.common") and name not in OPEN:
            raise ImportError(f"{name} is not of the core")
OPEN = set(sys.argv[3:])
sys.meta_path.insert(0, Locked())
from helpers.measure.session import benchmark
from helpers.servers.remote import Remote
run = benchmark(Remote(sys.argv[1]), output=sys.argv[2], prompts=["Hello"], progress=False)
print(run, *run.info.models["tiny"].not_measured.values(), sep="\\n")
try:
    import helpers.report
except ImportError as error:
    print(error)
"""


def test_one_benchmark_runs_with_all_but_the_core_locked_away(tmp_path):
    names = [path.removesuffix("/__init__.py").removesuffix(".py") for path in core_modules()]
    names = [f"helpers.{name.replace('/', '.')}" for name in names]
    answer = streamed([0.05, event(delta("Hello")), event(delta(" you")), event(usage(5, 2)), DONE])
    with serving(["tiny"], answer) as server:
        done = subprocess.run(
            [sys.executable, "-c", ALONE, server.base_url, str(tmp_path), *names],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            encoding="utf-8",
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("helpers.report is not of the core\n")
    (run,) = tmp_path.iterdir()
    (row,) = load_run(run).summary
    assert (row["model"], row["n_ok"], row["n_failed"]) == ("tiny", 3, 0)
    assert row["ttft_p50_s"] >= 0.05


def test_the_code_keeps_its_budget():
    """At 100 columns; the budget is spent on what the kit exists for."""
    modules = lines_of("**/*.py")
    core = lines_of(*core_modules())
    assert core.keys() == core_modules()
    assert sum(core.values()) <= MAX_CORE
    assert sum(modules.values()) <= MAX_HELPERS
    assert {name: count for name, count in modules.items() if count > MAX_MODULE} == {}


def test_no_function_is_long():
    too_long = {}
    for name in lines_of("**/*.py"):
        tree = ast.parse((PROJECT / "helpers" / name).read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.end_lineno:
                count = node.end_lineno - node.lineno + 1
                if count > MAX_FUNCTION:
                    too_long[f"{name}: {node.name}"] = count
    assert too_long == {}


def test_imports_run_one_way_and_never_in_a_circle():
    """The contracts are in pyproject.toml."""
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout


REQUIREMENTS = ("requirements.txt", "requirements-dev.txt", "requirements-lab.txt")


def test_every_requirement_is_pinned_and_says_why():
    for name in (*REQUIREMENTS, "bench/requirements.txt"):
        for line in (PROJECT / name).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9.]+ +# \S.{10,}", line), line


def test_constraints_pin_every_requirement_at_the_same_version():
    pinned = dict(
        line.split("==")
        for line in (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
        if "==" in line
    )
    for name in REQUIREMENTS:
        for package, version in re.findall(
            r"^([A-Za-z0-9._-]+)==([0-9.]+)",
            (PROJECT / name).read_text(encoding="utf-8"),
            re.MULTILINE,
        ):
            found = {key.lower().replace("_", "-"): value for key, value in pinned.items()}[
                package.lower().replace("_", "-")
            ]
            assert found == version, package


def test_one_version_is_in_the_package_the_citation_and_every_record():
    text = (PROJECT / "pyproject.toml").read_text(encoding="utf-8")
    version = re.findall(r'^version = "(.+)"$', text, re.MULTILINE)
    assert [packages()["foundry-local-workshop"]] == version
    citation = (PROJECT / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.+)$", citation, re.MULTILINE) == version
    assert f"\n## {version[0]}\n" in (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_page_of_commands_names_every_target_and_every_command():
    page = (PROJECT / "docs" / "commands.md").read_text(encoding="utf-8")
    targets = re.findall(
        r"^([a-z-]+):.*?## ", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert [target for target in targets if f"| `make {target}` |" not in page] == []
    commands = [name for name in app if not name.startswith("-") and name != "fleet"]
    commands += [f"fleet {command.__name__}" for command in fleet.COMMANDS]
    assert len(commands) >= 8
    assert [command for command in commands if f"`python -m helpers {command}`" not in page] == []
    assert [command for command in commands if f"### `{command}`" not in page] == []


def test_every_text_of_the_help_belongs_to_an_option_of_a_command():
    owners = {name: getattr(module, name) for module in (options, runs) for name in vars(module)}
    owners |= {c.__name__: c for module in (models, runs, scores, room) for c in module.COMMANDS}
    owners |= {f"fleet {c.__name__}": c for c in fleet.COMMANDS}
    for name, texts in options.HELP.items():
        assert set(texts) <= set(inspect.signature(owners[name]).parameters), name


def test_every_table_of_the_instrument_comes_from_a_script_that_is_there():
    document = (PROJECT / "docs" / "accuracy.md").read_text(encoding="utf-8")
    sections = re.findall(r"<!-- (\w+) -->\n(.*?)<!-- end of \1 -->", document, re.DOTALL)
    assert len(sections) >= 3
    assert document.count("<!--") == 2 * len(sections)
    runner = (PROJECT / "bench" / "all.py").read_text(encoding="utf-8")
    for name, text in sections:
        (script,) = re.findall(rf'"{name}": \("(\w+\.py)"', runner)
        assert (PROJECT / "bench" / script).is_file()
        assert f"`python bench/{script}" in text


def test_links_in_the_documents_lead_somewhere():
    for name in tracked("*.md"):
        folder = (PROJECT / name).parent
        for link in re.findall(r"\]\(([^)#:]+)\)", (PROJECT / name).read_text(encoding="utf-8")):
            assert (folder / link).exists(), f"{name}: {link}"


def test_the_line_up_and_the_packages_agree():
    models, packages = lineup.load_models(), built_in.read_manifest(BUILT_IN_MODELS)
    assert set(models.built_in) == set(packages)
    for alias, package in packages.items():
        entry = models[alias]
        size_mb = sum(file["bytes"] for file in package["files"].values()) / 1e6
        assert entry.size_mb == pytest.approx(size_mb, abs=0.06), alias
        assert (entry.license, entry.context, entry.parameters) == (
            package["license"],
            package["context_length"],
            package["parameters"],
        )
        assert (
            cache.problems(
                BUILT_IN_MODELS / alias, built_in.built_in_packages(BUILT_IN_MODELS)[alias]
            )
            == []
        )
        assert {path.name for path in (BUILT_IN_MODELS / alias).iterdir()} == set(package["files"])


def test_the_line_up_names_the_adapters_that_ship():
    found = {alias: entry for alias, entry in lineup.load_models().items() if entry.adapter}
    assert found
    for alias, entry in found.items():
        weights = DATA / entry.adapter / "adapter_model.safetensors"
        if not weights.exists():
            pytest.skip(f"the adapter of {alias} is not in this checkout")
        assert cache.sha256(weights) == entry.adapter_sha256


def test_every_set_of_the_document_is_shipped():
    assert [prompt.text for prompt in load_prompts("session").prompts] == [
        "Explain the principle of retrieval augmented generation in 2 sentences.",
        "List 3 privacy benefits of local inference.",
        "Summarize why model size impacts latency on consumer hardware.",
        "Provide two scenarios where an SLM is preferable to an LLM.",
    ]
    assert [prompt.text for prompt in load_prompts("deterministic").prompts] == [
        "Summarize retrieval augmented generation.",
        "List 3 privacy benefits of local inference.",
        "Explain when to choose an SLM over an LLM.",
    ]
    assert len(load_prompts("meeting-notes")) >= 8


def test_files_are_utf_8_without_emoji_or_machine_paths():
    for name in tracked(
        "*.py", "*.md", "*.txt", "*.toml", "*.ipynb", "Makefile", ".ci/*", "data/*.json"
    ):
        text = (PROJECT / name).read_text(encoding="utf-8")
        assert not re.search("[\U0001f300-\U0001faff\u2600-\u27bf]", text), name
        if name != "tests/test_project.py":
            assert not re.search(r"/work/|/root/|/home/[a-z]|/tmp/[a-z]", text), name


def test_notebooks_carry_no_more_metadata_than_they_need():
    for name in tracked("notebooks/*.ipynb"):
        content = json.loads((PROJECT / name).read_text(encoding="utf-8"))
        assert content["metadata"]["kernelspec"]["name"] == "python3"
        assert set(content["metadata"]) == {"kernelspec", "language_info"}
        assert {key for cell in content["cells"] for key in cell["metadata"]} <= {"tags"}


def test_an_old_python_is_told_in_a_sentence():
    source = (PROJECT / "helpers" / "__init__.py").read_text(encoding="utf-8")
    script = (
        f"import sys; sys.version_info = (3, 9, 1); exec(compile({source!r}, 'helpers', 'exec'))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        done.stderr.strip()
        == "error: Python 3.9 is too old for this kit; install Python 3.11 or newer (Foundry Local 2.2.1 needs it)."
    )


def test_style():
    for arguments in (["check", "."], ["format", "--check", "."]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments], cwd=PROJECT, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout[-3000:]
