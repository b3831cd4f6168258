"""Model lists as servers send them, servers without one, and names that no list has."""

import pytest

from helpers import connect
from helpers.common.errors import EndpointError, UnknownModel, UsageError
from helpers.models import lineup
from helpers.servers.server import ids_in
from support.loopback import (
    DONE,
    Answer,
    Loopback,
    delta,
    error_answer,
    event,
    json_answer,
    serving,
    streamed,
)

HELLO = streamed([event(delta("Hello")), event(delta(finish="stop")), DONE])


class Listing:
    """A server whose list and chats a test sets; `asked` counts the requests for the list."""

    def __init__(self, listed: Answer, chat=lambda model: HELLO):
        self.listed, self.chat, self.asked = listed, chat, 0

    def __call__(self, request) -> Answer:
        if request.path == "/v1/models":
            self.asked += 1
            return self.listed
        if request.method == "POST":
            return self.chat(request.json["model"])
        return error_answer(404, "Not Found")


def only(*names):
    """Answer chats of these models, and say of others that they do not exist."""
    return lambda model: HELLO if model in names else error_answer(404, f"no model {model}")


@pytest.mark.parametrize(
    ("listed", "ids"),
    [
        ({"object": "list", "data": [{"id": "a"}, {"id": "b"}]}, ["a", "b"]),
        ([{"id": "a"}, {"id": "a"}, "b"], ["a", "b"]),
        ({"data": None}, []),
        (None, []),
        ([], []),
        (
            {"data": [{"name": "x"}, {"id": None}, {"id": 7}, 7, None, {"id": " "}, {"id": "a"}]},
            ["a"],
        ),
        ({"models": [{"id": "a"}]}, ["a"]),
        ({"data": [{"id": "a\x1b[31m"}, {"id": "b\u202e"}, {"id": "c"}]}, ["c"]),
        ({"error": "no"}, None),
        ({"data": {"id": "a"}}, None),
        ("a", None),
        (True, None),
    ],
)
def test_a_list_in_any_shape_gives_ids_or_is_none(listed, ids):
    assert ids_in(listed) == ids


@pytest.mark.parametrize("status", [404, 405, 410, 429, 500, 501, 503])
def test_a_server_without_a_list_is_asked_for_the_model_that_is_named(status):
    server = Listing(error_answer(status, "no"))
    with Loopback(server) as endpoint, connect(endpoint.base_url) as remote:
        assert remote.chat("anything", "Hello").text == "Hello"
        with pytest.raises(UsageError, match=f"Which models?.*{status}"):
            remote.default_models()
        assert str(status) in remote.models().note


def test_the_list_is_asked_once_and_kept_through_a_429():
    server = Listing(json_answer({"data": [{"id": "tiny"}]}))
    with Loopback(server) as endpoint, connect(endpoint.base_url) as remote:
        for _ in range(3):
            remote.chat("tiny", "Hello")
        assert server.asked == 1
        server.listed = error_answer(429, "slow down")
        assert remote.listed_ids() == ["tiny"]
        assert [model.id for model in remote.models()] == ["tiny"]
        assert remote.resolve("tiny").id == "tiny"


def test_a_model_that_came_after_the_list_is_found():
    server = Listing(json_answer({"data": [{"id": "tiny"}]}), only("tiny"))
    with Loopback(server) as endpoint, connect(endpoint.base_url) as remote:
        server.listed = json_answer({"data": [{"id": "tiny"}, {"id": "fresh"}]})
        assert remote.resolve("fresh").source == "endpoint"


def test_a_deployment_that_is_not_listed_is_measured_and_noted():
    server = Listing(json_answer({"data": [{"id": "gpt-4o-2024-08-06"}]}), only("my-deployment"))
    with Loopback(server) as endpoint, connect(endpoint.base_url) as remote:
        model = remote.resolve("my-deployment")
        assert (model.id, model.source) == ("my-deployment", "endpoint, not in its list")
        assert remote.chat("my-deployment", "Hello").text == "Hello"


@pytest.mark.parametrize(
    "refusal",
    [
        error_answer(404, "model not found"),
        error_answer(400, "Invalid model: gpt-4o-mni"),
        error_answer(400, "Model Not Exist"),
        error_answer(422, "gpt-4o-mni is not a valid model ID"),
    ],
)
def test_a_misspelled_name_is_told_with_near_ones(refusal):
    server = Listing(json_answer({"data": [{"id": "gpt-4o-mini"}]}), lambda model: refusal)
    with (
        Loopback(server) as endpoint,
        connect(endpoint.base_url) as remote,
        pytest.raises(UnknownModel, match="did you mean gpt-4o-mini"),
    ):
        remote.resolve("gpt-4o-mni")


def test_a_request_that_is_refused_for_another_reason_does_not_make_a_name_unknown():
    said = "Unsupported parameter: 'max_tokens' is not supported with this model."
    refusal = error_answer(400, said)
    server = Listing(json_answer({"data": [{"id": "gpt-4o"}]}), lambda model: refusal)
    with Loopback(server) as endpoint, connect(endpoint.base_url) as remote:
        assert remote.resolve("my-deployment").id == "my-deployment"


def test_the_only_model_of_a_server_needs_no_name():
    with serving(["/models/some.gguf"]) as endpoint, connect(endpoint.base_url) as remote:
        assert remote.default_models() == ["some.gguf"]
    with (
        serving(["one", "two"]) as endpoint,
        connect(endpoint.base_url) as remote,
        pytest.raises(UsageError, match="one, two"),
    ):
        remote.default_models()


def test_a_server_without_models_is_told():
    with (
        serving([]) as endpoint,
        connect(endpoint.base_url) as remote,
        pytest.raises(UsageError, match="offers none of the line-up, but nothing at all"),
    ):
        remote.default_models()


@pytest.mark.parametrize(
    ("model_id", "shown"),
    [
        ("/gguf/LFM2.5-1.2B-Instruct-Q8_0.gguf", "LFM2.5-1.2B-Instruct-Q8_0.gguf"),
        ("/home/Ana/models/qwen/", "qwen"),
        ("C:\\Users\\ana\\model.gguf", "model.gguf"),
        ("D:/models/model.gguf", "model.gguf"),
        ("\\\\server\\share\\model.gguf", "model.gguf"),
        ("./model.gguf", "model.gguf"),
        ("~/model.gguf", "model.gguf"),
        ("/var/.cache/hub/models--ana--Small-1B/snapshots/0123abc", "Small-1B"),
        ("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B"),
        ("@cf/meta/llama-3.1-8b-instruct", "@cf/meta/llama-3.1-8b-instruct"),
        ("llama3.2:1b", "llama3.2:1b"),
    ],
)
def test_a_path_is_shown_by_its_last_part(model_id, shown):
    assert lineup.last_part(model_id) == shown
    with serving([model_id]) as endpoint, connect(endpoint.base_url) as remote:
        model = remote.resolve(model_id)
        assert (model.id, model.alias) == (model_id, shown)
        assert remote.resolve(shown) == model


def test_a_wrong_key_is_no_missing_list():
    with (
        Loopback(Listing(error_answer(401, "no"))) as endpoint,
        pytest.raises(EndpointError, match="refused the key"),
    ):
        connect(endpoint.base_url)
