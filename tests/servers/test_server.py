"""Addresses, names and errors of a server; the runtime both as the kit starts it and as an endpoint elsewhere."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import psutil
import pytest

from helpers import connect
from helpers.common import machine
from helpers.common.errors import EndpointError, KitError, UnknownModel, UsageError
from helpers.common.foreign import KEY_VARIABLE
from helpers.models import lineup
from helpers.servers.connect import parse_base_url
from helpers.servers.foundry import RuntimeStopped
from helpers.servers.model_table import ModelInfo, ModelTable, free_memory_mb
from helpers.servers.remote import aliases_of
from support.loopback import Answer, error_answer, json_answer, serving, whole

RAG = "Explain the principle of retrieval augmented generation in 2 sentences."


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://localhost:5273", "http://localhost:5273/v1"),
        ("http://localhost:5273/", "http://localhost:5273/v1"),
        ("http://localhost:5273/v1/", "http://localhost:5273/v1"),
        ("https://example.org/base/path/v1", "https://example.org/base/path/v1"),
        ("http://[::1]:8080/v1", "http://[::1]:8080/v1"),
        ("localhost:5273", "http://localhost:5273/v1"),
        ("192.168.1.20:11434", "http://192.168.1.20:11434/v1"),
        ("gpu-box:8000/v1", "http://gpu-box:8000/v1"),
        ("//gpu-box.local:8000", "http://gpu-box.local:8000/v1"),
        ("[::1]:8080", "http://[::1]:8080/v1"),
        ("api.example.org/openai/v1", "https://api.example.org/openai/v1"),
        ("http://0.0.0.0:8000", "http://127.0.0.1:8000/v1"),
        ("http://[::]:8000", "http://[::1]:8000/v1"),
        (" http://localhost:5273/v1 \n", "http://localhost:5273/v1"),
    ],
)
def test_addresses_are_brought_into_one_form(given, expected):
    assert parse_base_url(given) == expected


@pytest.mark.parametrize(
    "given",
    [
        "ftp://host/v1",
        "http://",
        "http://host:port/v1",
        "some words",
        "host:port",
        "C:\\models",
        "://",
    ],
)
def test_what_is_no_address_is_refused_with_an_example(given):
    with pytest.raises(UsageError, match=r"expected something like http://localhost:5273/v1"):
        connect(given)


@pytest.mark.parametrize(
    ("model_id", "alias"),
    [
        ("qwen2.5-0.5b-instruct-generic-cpu:4", "qwen2.5-0.5b"),
        ("Phi-3.5-mini-instruct-cuda-gpu:1", "phi-3.5-mini"),
        ("pocket-mini-generic-cpu:5", "pocket-mini"),
        ("llama3.2:1b", "llama3.2:1b"),
        ("gpt-4o-mini", "gpt-4o-mini"),
        ("something-openvino-npu:2", "something"),
    ],
)
def test_the_alias_of_an_id(model_id, alias):
    assert aliases_of(model_id, lineup.load_models())[0] == alias


def test_alias_and_id_lead_to_the_same_model(server):
    model = server.resolve("pocket-mini")
    assert server.resolve(model.id) == model
    assert model.alias == "pocket-mini"
    assert model.id in server.listed_ids()


def test_a_near_miss_is_suggested(server):
    with pytest.raises(UnknownModel, match="did you mean pocket-mini"):
        server.chat("poket-mini", "Hello")


def test_a_chat_answers_in_words_with_its_timing(server):
    reply = server.chat("pocket-mini", RAG)
    assert len(reply.text.split()) > 5
    assert 0 < reply.ttft_s <= reply.latency_s
    assert reply.timeline.token_source == "usage"
    assert reply.timeline.finish_reason == "stop"
    assert "TTFT" in reply.figures()


def test_the_first_chunk_of_the_stream_has_no_text_and_is_not_the_first_token(server):
    """Foundry Local opens with a role-only chunk: counting it would make every TTFT too good."""
    timeline = server.chat("pocket-mini", RAG).timeline
    assert len(timeline.chunk_times_s) <= timeline.completion_tokens


def test_the_text_of_the_real_runtime_is_not_held_back_to_the_end(server):
    """On a kept-alive connection Foundry Local's web service delivers all text in one packet, after 40 ms (docs/method.md)."""
    timelines = [server.chat("pocket-nano", RAG).timeline for _ in range(10)]
    assert max(len(set(timeline.chunk_times_s)) for timeline in timelines) > 2


def test_every_timed_request_has_a_connection_of_its_own():
    with serving(["tiny"]) as endpoint, connect(endpoint.base_url) as remote:
        for _ in range(3):
            remote.chat("tiny", "Hello")
        chats = [request for request in endpoint.requests if request.method == "POST"]
    assert [request.headers["Connection"] for request in chats] == ["close"] * 3


def test_the_same_prompt_at_temperature_0_gives_the_same_words(server):
    assert server.chat("pocket-nano", RAG).text == server.chat("pocket-nano", RAG).text


def test_a_message_list_is_taken_as_a_conversation(server):
    messages = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": RAG},
    ]
    reply = server.chat("pocket-mini", messages)
    assert reply.prompt == RAG
    assert reply.timeline.prompt_tokens > server.chat("pocket-mini", RAG).timeline.prompt_tokens


def test_without_streaming_there_is_latency_and_no_ttft(server):
    reply = server.chat("pocket-mini", RAG, stream=False)
    assert reply.text == server.chat("pocket-mini", RAG).text
    assert reply.ttft_s is None
    assert reply.latency_s > 0
    assert reply.timeline.completion_tokens > 0


def test_a_prompt_longer_than_the_context_is_told_with_advice(server):
    with pytest.raises(
        EndpointError, match=r"exceeds the model's maximum context length.*Shorten the prompt"
    ):
        server.chat("pocket-mini", "word " * 5000)


def test_a_model_that_is_not_loaded_is_told_by_the_server(server):
    model = server.resolve("pocket-nano")
    server.unload("pocket-nano")
    timeline = server.request(model, "Hello")
    assert not timeline.ok
    assert "not loaded" in timeline.error


def offering(server, monkeypatch, *models: ModelInfo) -> None:
    monkeypatch.setattr(server, "models", lambda: ModelTable(models))


def test_a_model_too_large_for_the_free_memory_is_refused_before_loading(server, monkeypatch):
    giant = ModelInfo(
        "giant", "giant-generic-cpu:1", "catalog", size_mb=1e9, cached=True, loaded=False
    )
    offering(server, monkeypatch, giant)
    monkeypatch.setattr(server, "resolve", lambda name: giant)
    with pytest.raises(
        KitError,
        match=r"'giant' needs about 1,200,000,000 MB of memory and .* are free; close other programs",
    ):
        server.load("giant")


@pytest.mark.parametrize(
    ("others", "advice"),
    [
        (
            [("giant", "giant-small:1", 100, False), ("near", "near:1", 200, True)],
            "try its smaller variant giant-small:1",
        ),
        ([("far", "far:1", 300, False), ("near", "near:1", 200, True)], "try the smaller near."),
        ([("far", "far:1", 300, False)], r"try the smaller far \(python -m helpers download far\)"),
    ],
    ids=["a variant", "one that is here", "one to download"],
)
def test_what_fits_instead_is_named(server, monkeypatch, others, advice):
    giant = ModelInfo("giant", "giant:1", "catalog", size_mb=1e9, cached=True, loaded=False)
    offering(
        server,
        monkeypatch,
        giant,
        *(
            ModelInfo(a, i, "catalog", size_mb=mb, cached=here, loaded=False)
            for a, i, mb, here in others
        ),
    )
    monkeypatch.setattr(server, "resolve", lambda name: giant)
    with pytest.raises(KitError, match=advice):
        server.load("giant")


def test_when_others_hold_the_memory_unloading_them_is_offered(server, monkeypatch):
    free_mb = free_memory_mb()
    large = ModelInfo("large", "large:1", "catalog", size_mb=free_mb, cached=True, loaded=False)
    offering(
        server,
        monkeypatch,
        large,
        ModelInfo("held", "held:1", "catalog", size_mb=free_mb, cached=True, loaded=True),
    )
    monkeypatch.setattr(server, "resolve", lambda name: large)
    with pytest.raises(
        KitError,
        match=r"unload the others first \(--unload-others, or load\(\.\.\., unload_others=True\)\)",
    ):
        server.load("large")


def test_the_context_counts_when_it_is_what_needs_the_memory():
    model = ModelInfo("long", "long:1", "catalog", size_mb=1000, kv_cache_mb=4000)
    assert (
        model.memory_mb,
        ModelInfo("short", "short:1", "catalog", size_mb=1000, kv_cache_mb=10).memory_mb,
    ) == (5000, 1200)
    assert ModelInfo("unknown", "unknown:1", "catalog").memory_mb is None


class Driver:
    """The functions of pynvml that tell free memory, for two boards."""

    def nvmlInit(self):
        pass

    def nvmlDeviceGetCount(self):
        return 2

    def nvmlDeviceGetHandleByIndex(self, number):
        return number

    def nvmlDeviceGetMemoryInfo(self, device):
        return SimpleNamespace(free=(500_000_000, 734_000_000)[device])


def test_a_gpu_model_is_held_against_the_memory_of_the_gpu(server, monkeypatch):
    monkeypatch.setattr(machine, "nvml", lambda: machine.Nvml(Driver()))
    big = ModelInfo(
        "big", "big-cuda-gpu:1", "catalog", size_mb=2000, device="GPU", cached=True, loaded=False
    )
    offering(server, monkeypatch, big)
    monkeypatch.setattr(server, "resolve", lambda name: big)
    with pytest.raises(KitError, match="needs about 2,400 MB of GPU memory and 734 MB are free"):
        server.load("big")
    assert big.fits is False


def test_unloading_the_others_leaves_one_loaded(server):
    for alias in ("pocket-nano", "pocket-mini"):
        server.load(alias)
    server.load("pocket-mini", unload_others=True)
    assert [m.alias for m in server.models() if m.loaded] == ["pocket-mini"]


def test_the_runtime_killed_during_an_answer_is_one_sentence_and_the_next_question_is_answered(
    own_home,
):
    """What a lack of memory does to it."""
    with connect() as server:
        server.load("pocket-midi")
        pid = server.runtime.pid
        with ThreadPoolExecutor(1) as pool:
            answers = pool.submit(
                lambda: [
                    server.chat("pocket-midi", "Tell me a long story.", max_tokens=256)
                    for _ in range(1000)
                ]
            )
            while not server._traffic._timed:  # an answer is under way
                assert not answers.done()
            psutil.Process(pid).kill()
            with pytest.raises(
                RuntimeStopped,
                match=r"process ended.*\(killed by signal 9\), most often because memory ran out: try a smaller model",
            ):
                answers.result()
        assert server.chat("pocket-nano", "Hello").text
        assert server.runtime.pid != pid


def test_a_model_that_is_not_downloaded_says_how_to_get_it(server, monkeypatch):
    monkeypatch.setattr(
        server,
        "models",
        lambda: ModelTable(
            [ModelInfo("far", "far-generic-cpu:1", "catalog", cached=False, loaded=False)]
        ),
    )
    with pytest.raises(KitError, match="python -m helpers download far"):
        server.load("far")


def test_the_list_can_be_filtered():
    table = ModelTable(
        [
            ModelInfo(
                "qwen2.5-0.5b",
                "a",
                "catalog",
                822,
                "apache-2.0",
                "CPU",
                capabilities=("chat", "tools"),
                cached=False,
            ),
            ModelInfo(
                "phi-3.5-mini",
                "b",
                "catalog",
                2600,
                "MIT",
                "GPU",
                capabilities=("chat",),
                cached=True,
            ),
            ModelInfo("unknown-size", "c", "catalog", None, None, "CPU"),
        ]
    )

    def names(**wanted):
        return [model.alias for model in table.where(**wanted)]

    assert names(source="catalog") == ["qwen2.5-0.5b", "phi-3.5-mini", "unknown-size"]
    assert names(name="qwen") == ["qwen2.5-0.5b"]
    assert names(license="mit") == ["phi-3.5-mini"]
    assert names(max_mb=1000) == ["qwen2.5-0.5b"]
    assert names(device="gpu") == ["phi-3.5-mini"]
    assert names(capability="tools") == ["qwen2.5-0.5b"]
    assert names(cached=True) == ["phi-3.5-mini"]
    assert names(name="qwen", max_mb=100) == []
    assert "1 of 3 models" in str(table.where("phi"))


def test_the_runtime_as_an_endpoint_elsewhere(server):
    """What a Mac sees of a service on another machine: load, chat and unload by alias, over HTTP alone."""
    with connect(server.base_url) as remote:
        assert remote.kind == "OpenAI-compatible endpoint"
        assert remote.unload("pocket-nano") is None
        assert remote.load("pocket-nano") > 0
        model = remote.resolve("pocket-nano")
        assert (model.loaded, model.license) == (True, "MIT")
        assert remote.chat("pocket-nano", RAG).text == server.chat("pocket-nano", RAG).text
        with pytest.raises(
            KitError, match="cannot download 'pocket-nano' for you; do it on that machine"
        ):
            remote.download("pocket-nano")


def test_the_variable_names_the_endpoint_and_an_argument_beats_it(monkeypatch):
    with serving(["from-variable"]) as first, serving(["from-argument"]) as second:
        monkeypatch.setenv("FOUNDRY_LOCAL_ENDPOINT", first.base_url)
        assert connect().listed_ids() == ["from-variable"]
        assert connect(second.base_url).listed_ids() == ["from-argument"]


def test_a_server_that_loads_by_itself_is_simply_asked():
    with serving(["tiny"]) as endpoint, connect(endpoint.base_url) as remote:
        assert remote.load("tiny") is None
        assert remote.chat("tiny", "Hello").text == "Hello world"
        assert remote.resolve("tiny").loaded is None


def test_the_key_is_sent_and_never_shown(monkeypatch):
    with serving(["tiny"], chat=error_answer(401, "bad key")) as endpoint:
        monkeypatch.setenv(KEY_VARIABLE, "very-secret")
        remote = connect(endpoint.base_url)
        with pytest.raises(EndpointError, match="401") as caught:
            remote.chat("tiny", "Hello")
        assert {request.headers["Authorization"] for request in endpoint.requests} == {
            "Bearer very-secret"
        }
        assert "very-secret" not in str(caught.value)
        assert "very-secret" not in repr(remote)


def test_user_name_and_query_stay_out_of_the_address_for_records():
    with serving(["tiny"]) as endpoint:
        remote = connect(f"http://ada:secret@127.0.0.1:{endpoint.port}/v1")
        assert remote.where == endpoint.base_url


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (error_answer(401, "no"), r"refused the key \(401\); set FOUNDRY_LOCAL_API_KEY"),
        (error_answer(403, "no"), r"refused the key \(403\)"),
        (
            whole(b"<html>hello</html>", content_type="text/html"),
            "does not answer like an OpenAI-compatible server",
        ),
        (json_answer({"something": "else"}), "does not answer like an OpenAI-compatible server"),
        (json_answer("models"), "does not answer like an OpenAI-compatible server"),
        (whole(b"[" * 100_000), "does not answer like an OpenAI-compatible server"),
        (Answer([], "reset"), "Cannot reach"),
    ],
)
def test_what_answers_wrongly_is_told_when_connecting(answer, said):
    from support.loopback import Loopback

    with Loopback(lambda request: answer) as endpoint, pytest.raises(EndpointError, match=said):
        connect(endpoint.base_url)


def test_nothing_there_is_told_when_connecting():
    with serving() as endpoint:
        gone = endpoint.base_url
    with pytest.raises(
        EndpointError, match=r"Cannot reach http://127.0.0.1:\d+/v1 .*is the service running"
    ):
        connect(gone)


def test_proxy_variables_do_not_reach_loopback(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    assert server.listed_ids()
    assert server.chat("pocket-nano", "Hello").text
