"""Foundry Local at an address: the real runtime with ids and aliases as the Azure catalog has them, and version 0 played by loopback."""

import json
import shutil

import pytest

from helpers import connect
from helpers.common.errors import EndpointError, UnknownModel
from helpers.common.paths import BUILT_IN_MODELS, model_cache
from helpers.models import cache
from helpers.models.built_in import install_built_in
from helpers.models.lineup import load_models
from helpers.servers.foundry import private_service
from helpers.servers.remote import aliases_of
from support.loopback import Answer, Loopback, error_answer, json_answer, whole

# Name, alias, device, execution provider, as in the catalog of Azure.
CPU = ("CPU", "CPUExecutionProvider")
MODELS = (
    ("deepseek-r1-distill-qwen-7b-generic-cpu", "deepseek-r1-7b", *CPU),
    ("mistralai-Mistral-7B-Instruct-v0-2-generic-cpu", "mistral-7b-v0.2", *CPU),
    ("Phi-3-mini-4k-instruct-generic-cpu", "phi-3-mini-4k", *CPU),
    ("gemma-4-E2B-it-generic-cpu", "gemma-4-e2b-it", *CPU),
    ("Some-Other-Name-generic-cpu", "house-model", *CPU),
    ("Phi-4-mini-instruct-cuda-gpu", "phi-4-mini", "GPU", "CUDAExecutionProvider"),
    ("Phi-4-mini-instruct-generic-cpu", "phi-4-mini", *CPU),
    ("Twin-A-generic-cpu", "twin", *CPU),
    ("Twin-B-generic-cpu", "twin", *CPU),
)


@pytest.fixture(scope="module")
def foundry(tmp_path_factory):
    """The address of a runtime that serves the smallest built-in model under many names."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKSHOP_HOME", str(tmp_path_factory.mktemp("foundry")))
        install_built_in(BUILT_IN_MODELS, model_cache())
        records = cache.records(model_cache())
        source, record = next(pair for pair in records if pair[1].package.alias == "pocket-nano")
        for name, alias, device, provider in MODELS:
            folder = model_cache() / "Microsoft" / f"{name}-3"
            shutil.copytree(source, folder)
            said = {"Name": f"{name}:3", "PromptTemplate": None}
            (folder / "inference_model.json").write_text(json.dumps(said), encoding="utf-8")
            facts = record.package.model_dump(exclude={"files", "uri", "parent"}) | {
                "name": name,
                "alias": alias,
                "version": 3,
                "publisher": "Microsoft",
                "device": device,
                "execution_provider": provider,
                "parent": f"azureml://registries/azureml/models/{alias}/versions/3",
            }
            cache.adopt(folder, facts, "catalog")
        with private_service() as runtime:
            yield f"{runtime.base_url}/v1"


@pytest.mark.parametrize(("name", "alias"), [model[:2] for model in MODELS[:4]])
def test_a_catalog_model_is_loaded_and_asked_by_id_and_by_alias(foundry, name, alias):
    with connect(foundry) as remote:
        for asked in (f"{name}:3", alias):
            assert remote.resolve(asked).id == f"{name}:3"
            assert remote.load(asked) > 0
            assert remote.resolve(asked).loaded
            assert remote.chat(asked, "Hello", max_tokens=5).text
            remote.unload(asked)
            assert not remote.resolve(asked).loaded


def test_an_alias_that_no_id_suggests_is_known_to_the_service(foundry):
    with connect(foundry) as remote:
        assert remote.resolve("house-model").id == "Some-Other-Name-generic-cpu:3"
        assert remote.chat("house-model", "Hello", max_tokens=5).text
        assert remote.load("Some-Other-Name-generic-cpu:3") > 0
        remote.unload("house-model")
    with (
        connect(foundry) as remote,
        pytest.raises(EndpointError, match=r"name the model by its alias.*foundry model list"),
    ):
        remote.load("Some-Other-Name-generic-cpu:3")


def test_of_two_variants_the_one_is_taken_that_the_service_loads(foundry):
    with connect(foundry) as remote:
        chosen = remote.resolve("twin")
        assert chosen.loaded
        assert remote.chat("twin", "Hello", max_tokens=5).text
        remote.unload("twin")
        assert remote.load("twin") > 0
        assert remote.resolve("twin") == chosen
        remote.unload("twin")


def test_a_variant_that_cannot_be_chosen_is_told_and_the_wrong_one_is_not_left_loaded(foundry):
    with connect(foundry) as remote:
        chosen = remote.resolve("twin").id
        remote.unload("twin")
        (other,) = {"Twin-A-generic-cpu:3", "Twin-B-generic-cpu:3"} - {chosen}
        with pytest.raises(
            EndpointError, match=rf"loads {chosen} when .* no way to choose {other}"
        ):
            remote._foundry.load(other, ["twin"])
        assert remote._foundry.loaded() == []


def test_a_device_that_is_not_there_is_told_in_the_words_of_the_service(foundry):
    with (
        connect(foundry) as remote,
        pytest.raises(EndpointError, match="CUDAExecutionProvider which is not registered"),
    ):
        remote.load("Phi-4-mini-instruct-cuda-gpu:3")


def test_an_alias_that_nobody_knows_is_told_with_near_ones(foundry):
    with connect(foundry) as remote, pytest.raises(UnknownModel, match="did you mean"):
        remote.resolve("twinn")


@pytest.mark.parametrize(
    ("model_id", "alias"),
    [
        ("Phi-4-generic-gpu:1", "phi-4"),
        ("Phi-4-mini-reasoning-openvino-npu:3", "phi-4-mini-reasoning"),
        ("Phi-3-mini-128k-instruct-cuda-gpu:1", "phi-3-mini-128k"),
        ("qwen2.5-coder-0.5b-instruct-generic-cpu:4", "qwen2.5-coder-0.5b"),
        ("qwen3-0.6b-generic-gpu:2", "qwen3-0.6b"),
        ("gpt-oss-20b-cuda-gpu:1", "gpt-oss-20b"),
        ("openai-whisper-tiny-generic-cpu:2", "whisper-tiny"),
        ("Phi-3.5-mini-instruct-trtrtx-gpu:1", "phi-3.5-mini"),
        ("Phi-3.5-mini-instruct-tensorrt-rtx-gpu:1", "phi-3.5-mini"),
        ("deepseek-r1-distill-llama-8b-qnn-npu:1", "deepseek-r1-8b"),
        ("deepseek-r1-distill-llama-8b-qnn-npu:1", "deepseek-r1-distill-llama-8b"),
        ("olmo-2-7b-instruct-generic-cpu:1", "olmo-2-7b-instruct"),
    ],
)
def test_the_alias_of_a_catalog_model_is_among_the_guesses(model_id, alias):
    assert alias in aliases_of(model_id, load_models())


def test_version_0_is_asked_by_id_on_its_own_routes_and_may_load_for_longer_than_a_list_takes(
    monkeypatch,
):
    loaded, model_id = [], "Phi-4-mini-instruct-generic-cpu:5"

    def old_service(request):
        path = request.path.partition("?")[0]
        if path == "/v1/models":
            return json_answer(
                {"data": [{"id": model_id}, {"id": "Phi-4-mini-instruct-cuda-gpu:5"}]}
            )
        if path == "/openai/loadedmodels":
            return json_answer(loaded)
        action, name = path.removeprefix("/openai/").partition("/")[::2]
        if action in ("load", "unload") and name == model_id:
            loaded.append(name) if action == "load" else loaded.remove(name)
            return Answer([0.5, *whole(b"OK", content_type="text/plain").script])
        return error_answer(404, "Not Found")

    with Loopback(old_service) as endpoint, connect(endpoint.base_url) as remote:
        monkeypatch.setattr("helpers.servers.server.LIST_LIMIT_S", 0.4)
        assert remote.resolve(model_id).loaded is False
        assert remote.load(model_id) > 0
        assert remote.resolve("phi-4-mini").id == model_id
        remote.unload("phi-4-mini")
        assert loaded == []


@pytest.mark.parametrize("refusals", [2, 10**9])
def test_a_model_that_a_request_still_uses_is_unloaded_a_moment_later(monkeypatch, refusals):
    """The service keeps a request for a moment after its client has all of the answer."""
    model_id = "Phi-4-mini-instruct-generic-cpu:5"
    loaded, asked = [model_id], []

    def busy_service(request):
        if request.path == "/v1/models":
            return json_answer({"data": [{"id": model_id}]})
        if request.path == "/openai/loadedmodels":
            return json_answer(loaded)
        if not request.path.startswith("/openai/unload/"):
            return error_answer(404, "Not Found")
        asked.append(request.path)
        if len(asked) <= refusals:
            return error_answer(500, "1 session(s) still using it")
        loaded.clear()
        return whole(b"OK", content_type="text/plain")

    monkeypatch.setattr("helpers.servers.remote.UNLOAD_LIMIT_S", 0.2 if refusals > 2 else 60.0)
    with Loopback(busy_service) as endpoint, connect(endpoint.base_url) as remote:
        if refusals == 2:
            remote.unload(model_id)
            assert (loaded, len(asked)) == ([], 3)
        else:
            with pytest.raises(EndpointError, match=r"could not unload .* still using it"):
                remote.unload(model_id)
