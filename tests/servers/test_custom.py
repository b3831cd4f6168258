"""Models that somebody brings: three adapters, one protocol, and a server of functions that behaves like any OpenAI-compatible one."""

import json
import socket
import struct
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import pytest

from helpers import benchmark, load_prompts, score_facets
from helpers.common.errors import EndpointError, KitError, UnknownModel, UsageError
from helpers.common.paths import BUILT_IN_MODELS, DATA
from helpers.servers import custom
from helpers.servers.custom import CustomModel, Endpoint, FoundryFolder, PythonModel
from support.loopback import error_answer, serving

RULES = DATA / "baseline" / "extractive.py"
NOTES = "Summarize the meeting notes: The team decided to repair the gate. Ines will do it by Friday. Lunch was good."


@pytest.fixture(scope="module")
def rules():
    model = PythonModel("extractive").load(RULES)
    yield model
    model.close()


@pytest.fixture
def function():
    """Serves a function for one test."""
    models = []

    def serve(answer):
        models.append(PythonModel("mine", answer).load())
        return models[-1]

    yield serve
    for model in models:
        model.close()


@pytest.fixture(scope="module")
def folder(server):
    model = FoundryFolder("my-model", license="MIT").load(BUILT_IN_MODELS / "pocket-nano")
    yield model
    model.close()


def test_all_three_adapters_keep_the_protocol(rules, folder):
    elsewhere = Endpoint(rules.server.base_url).load("extractive")
    for model in (rules, folder, elsewhere):
        assert isinstance(model, CustomModel)
        answer = model.generate(NOTES, max_tokens=60)
        assert answer
        assert "".join(model.stream(NOTES, max_tokens=60)) == answer
        assert len(list(model.stream(NOTES, max_tokens=60))) > 3


def test_custom_models_have_the_same_columns_and_metrics_in_the_table(rules, folder, tmp_path):
    one, other = (
        benchmark(
            m.server,
            [m.alias],
            "deterministic",
            rounds=2,
            warmup=1,
            output=tmp_path,
            progress=False,
        )
        for m in (rules, folder)
    )
    assert list(one.summary[0]) == list(other.summary[0])
    for run, model in ((one, rules), (other, folder)):
        row = run.summary[0]
        assert (row["model"], row["status"], row["n_ok"]) == (model.alias, "ok", 6)
        assert row["ttft_p50_s"] > 0
        assert row["latency_p50_s"] >= row["ttft_p50_s"]
        assert row["size_mb"] > 0
        assert score_facets(run).summary[0]["quality"] is not None
    assert one.summary[0]["output_tokens_per_s_p50"] is None  # nobody counted its tokens
    assert other.summary[0]["license"] == "MIT"
    assert other.summary[0]["memory_mb"] > 1
    assert other.summary[0]["load_s"] > 0
    assert set(other.frame["token_source"]) == {"usage"}


def test_the_baseline_finds_more_of_the_shipped_notes_than_half(rules, tmp_path):
    run = benchmark(
        rules.server,
        ["extractive"],
        "meeting-notes",
        rounds=1,
        warmup=0,
        output=tmp_path,
        progress=False,
    )
    row = score_facets(run).summary[0]
    assert row["facet_recall"] > 0.5
    assert row["unsupported"] == row["contradicted"] == 0
    assert row["copied"] > 0.5


def test_the_baseline_copies_and_never_invents():
    extractive = custom._read_function(RULES)
    for prompt in load_prompts("meeting-notes").prompts:
        answer = "".join(extractive(prompt.text))
        words = {word.strip(".,:;?!-") for word in answer.split()}
        assert answer == "The notes do not say." or words <= {
            word.strip(".,:;?!-") for word in prompt.text.split()
        } | {""}


def test_a_registered_folder_is_served_under_its_own_prefix_and_not_among_the_others(
    server, folder
):
    assert folder.server.base_url == f"{server.runtime.base_url}/catalogs/local/v1"
    assert "my-model-generic-cpu:1" in folder.server.listed_ids()
    assert "my-model-generic-cpu:1" not in server.listed_ids()
    assert server.resolve("pocket-nano").id not in folder.server.listed_ids()


def test_registering_again_takes_the_new_folder(server):
    first = FoundryFolder("again").load(BUILT_IN_MODELS / "pocket-nano").generate(NOTES)
    second = FoundryFolder("again").load(BUILT_IN_MODELS / "pocket-mini").generate(NOTES)
    assert (first, second) == (
        server.chat("pocket-nano", NOTES).text,
        server.chat("pocket-mini", NOTES).text,
    )


def test_a_registered_model_comes_back_after_the_service_was_killed(own_home):
    import psutil

    model = FoundryFolder("survivor").load(BUILT_IN_MODELS / "pocket-nano")
    before = model.generate(NOTES)
    process = psutil.Process(model.server.pid)
    process.kill()
    process.wait(10)
    with pytest.raises(KitError):  # the first call meets the dead process and says so
        model.server.runtime.list()
    assert model.generate(NOTES) == before


def test_a_folder_without_a_model_is_told(tmp_path):
    with pytest.raises(UsageError, match=r"holds no genai_config\.json; give a folder"):
        FoundryFolder("none").load(tmp_path)


def test_a_broken_folder_is_told_in_the_words_of_the_runtime(server, tmp_path):
    (tmp_path / "genai_config.json").write_text("{}")
    with pytest.raises(KitError, match=r"could not load broken"):
        FoundryFolder("broken").load(tmp_path)


def test_a_model_that_an_endpoint_does_not_offer_is_told():
    refusal = error_answer(404, "model not found")
    with (
        serving(["tiny"], refusal) as other,
        pytest.raises(UnknownModel, match="did you mean tiny"),
    ):
        Endpoint(other.base_url).load("tinny")


def test_a_caller_that_hangs_up_leaves_nothing_on_the_screen(function, capfd):
    model = function(lambda prompt, **params: "Hello.")
    address = urllib.parse.urlsplit(model.server.base_url)
    chat = b'{"stream": true, "messages": [{"role": "user", "content": "Hi"}]}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
    for sent in (b"GET /v1/mod", head % len(chat) + chat[:20], head % len(chat) + chat):
        with socket.create_connection((address.hostname, address.port)) as caller:
            caller.sendall(sent)
            caller.setsockopt(
                socket.SOL_SOCKET,
                socket.SO_LINGER,
                struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0),
            )  # close by a reset
    assert model.generate("Hi") == "Hello."  # read after all that came before
    model.close()
    assert capfd.readouterr().err == ""


def test_every_piece_leaves_when_it_is_made(function):
    """TTFT and gaps are those of the function, not of the server around it."""
    made_at = []

    def slow(prompt, **params):
        for word in ("one ", "two ", "three"):
            time.sleep(0.5)
            made_at.append(time.perf_counter())
            yield word

    timeline = function(slow).server.chat("mine", "Hi").timeline
    arrived_at = [timeline.written_at + seconds for seconds in timeline.chunk_times_s]
    assert len(arrived_at) == 3
    for made, arrived in zip(made_at, arrived_at, strict=True):
        assert made <= arrived < made + 0.4  # before the next piece is made


def test_what_a_function_raises_is_the_reason_of_the_failure(function):
    def broken(prompt, **params):
        raise ValueError("no such thing")

    with pytest.raises(
        EndpointError,
        match=r"mine did not answer: HTTP 500: The function stopped with ValueError: no such thing",
    ):
        function(broken).generate("x")
    with pytest.raises(EndpointError, match=r"ValueError: no such thing"):
        list(function(broken).stream("x"))


def test_what_a_function_raises_in_the_middle_of_its_answer_is_a_failure_too(function):
    def half(prompt, **params):
        yield "Half "
        raise ValueError("enough")

    with pytest.raises(
        EndpointError, match=r"mine did not answer: The function stopped with ValueError: enough"
    ):
        function(half).generate("x")
    pieces = function(half).stream("x")
    assert next(pieces) == "Half "
    with pytest.raises(EndpointError, match="ValueError: enough"):
        next(pieces)


async def later(prompt, **params):
    return "An answer."


async def pieces_later(prompt, **params):
    yield "An answer."


def stops(error):
    def function(prompt, **params):
        raise error

    return function


@pytest.mark.filterwarnings("error")  # a coroutine that was never awaited
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda prompt, **params: {"text": "An answer."}, "returned a value of the type dict"),
        (lambda prompt, **params: {"a", "b"}, "returned a value of the type set"),
        (lambda prompt, **params: b"An answer.", "returned a value of the type bytes"),
        (lambda prompt, **params: bytearray(b"x"), "returned a value of the type bytearray"),
        (lambda prompt, **params: 4, "returned a value of the type int"),
        (lambda prompt, **params: None, r"returned nothing \(None\)"),
        (later, "returned a coroutine, so it is an async function"),
        (pieces_later, "returned a coroutine, so it is an async function"),
        (lambda prompt, **params: [b"An answer."], "yielded a value of the type bytes"),
        (lambda prompt, **params: iter(["An ", {"text": "answer"}]), "yielded a value of the type dict"),
        (lambda prompt, **params: (word for word in ["An ", None]), r"yielded nothing \(None\)"),
        (lambda prompt: "An answer.", "TypeError: .*unexpected keyword argument"),
        (stops(SystemExit("done")), "stopped with SystemExit: done"),
        (stops(StopIteration()), "stopped with"),
    ],
)  # fmt: skip
def test_what_is_no_text_is_refused_in_words_and_never_an_answer(function, answer, words):
    model = function(answer)
    with pytest.raises(EndpointError, match=words):
        model.generate("x", max_tokens=3)
    with pytest.raises(EndpointError, match=words):
        list(model.stream("x", max_tokens=3))
    assert model.server.listed_ids() == ["mine"]  # it serves on


@pytest.mark.parametrize(
    "answer", [["An ", "answer."], ("An ", "answer."), iter(["An ", "answer."])]
)
def test_pieces_may_come_from_any_sequence_or_iterator(function, answer):
    assert function(lambda prompt, **params: answer).generate("x") == "An answer."


def test_a_function_gets_the_settings_of_the_request(function):
    seen = []
    model = function(lambda prompt, **params: seen.append((prompt, params)) or "ok")
    model.generate(
        [
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "a"},
            {"role": "user", "content": "last"},
        ],
        max_tokens=7,
        seed=3,
    )
    assert seen == [("last", {"max_tokens": 7, "temperature": 0.0, "seed": 3})]


def test_the_first_piece_is_sent_before_the_second_is_made(function):
    go = threading.Event()

    def slow(prompt, **params):
        yield "one "
        assert go.wait(20)
        yield "two"

    pieces = function(slow).stream("x")
    assert next(pieces) == "one "  # arrives while the function still waits
    go.set()
    assert "".join(pieces) == "two"


def test_a_caller_who_leaves_stops_the_function(function):
    ended = threading.Event()

    def endless(prompt, **params):
        try:
            while True:
                yield "word " * 1000
        finally:
            ended.set()

    pieces = function(endless).stream("x")
    next(pieces)
    pieces.close()
    assert ended.wait(20)


def test_the_function_server_answers_bad_requests_in_openai_shape(function):
    base = function(lambda prompt, **params: "ok").server.base_url

    def asked(path: str, data: bytes | None = None):
        try:
            with urllib.request.urlopen(
                urllib.request.Request(base + path, data), timeout=10
            ) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    assert asked("/nothing")[0] == 404
    for data in (
        b"no json",
        b"[]",
        b'{"messages": []}',
        b'{"messages": [{"role": "system", "content": "x"}]}',
        b'{"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}',
        b'{"messages": ["x"]}',
        b'{"messages": 5}',
        b'{"messages": ' + b"[" * 200_000,
    ):
        status, body = asked("/chat/completions", data)
        assert (status, "Expected a JSON object with messages" in body["error"]["message"]) == (
            400,
            True,
        )
    status, body = asked("/chat/completions", b'{"messages": [{"role": "user", "content": "x"}]}')
    assert (
        status,
        body["choices"][0]["message"]["content"],
        body["choices"][0]["finish_reason"],
    ) == (200, "ok", "stop")


@pytest.mark.parametrize(
    "headers", [{"Host": "rebound.example"}, {"Origin": "http://evil.example"}], ids=str
)
def test_no_page_of_a_browser_may_call_the_function(function, headers):
    called = []
    base = function(lambda prompt, **params: called.append(prompt) or "ok").server.base_url
    body = b'{"messages": [{"role": "user", "content": "x"}]}'
    request = urllib.request.Request(f"{base}/chat/completions", body, headers)
    with pytest.raises(urllib.error.HTTPError, match=r"HTTP Error 4(21|03)"):
        urllib.request.urlopen(request, timeout=10)
    assert called == []


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1", "has nothing to call"),
        ("raise OSError('gone')", "cannot be run .OSError: gone"),
        ("1/0", "ZeroDivisionError"),
        ("def generate(:", "SyntaxError"),
        ("import sys\nsys.exit('usage: ...')", "SystemExit: usage"),
        ("stream = True\ngenerate = 5", "has nothing to call"),
    ],
)
def test_a_file_that_is_no_model_is_told(tmp_path, source, words):
    path = tmp_path / "model.py"
    path.write_text(source, encoding="utf-8")
    with pytest.raises(UsageError, match=words):
        PythonModel("file").load(path)
    with pytest.raises(UsageError, match="No such file"):
        PythonModel("file").load(tmp_path / "none.py")


def test_a_model_without_function_and_file_is_told():
    with pytest.raises(UsageError, match="'nothing' has nothing to call"):
        PythonModel("nothing").load()
