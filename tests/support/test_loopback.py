"""The loopback server of the tests itself."""

import http.client
import json
from contextlib import closing

from support.chat import BODY, HELLO, STOP, send
from support.loopback import (
    DONE,
    Loopback,
    error_answer,
    serving,
    streamed,
)


def get(server: Loopback, path: str) -> tuple[int, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_the_ready_made_server_lists_models_and_knows_no_other_address():
    with serving(models=["a", "b:1"]) as server:
        status, body = get(server, "/v1/models")
        assert status == 200
        assert [m["id"] for m in json.loads(body)["data"]] == ["a", "b:1"]
        assert get(server, "/models/loaded")[0] == 404
    assert [r.path for r in server.requests] == ["/v1/models", "/models/loaded"]


def test_the_ready_made_server_answers_in_turn():
    with serving(chat=[error_answer(500, "first"), streamed([HELLO, STOP, DONE])]) as server:
        found = [send(f"{server.base_url}/chat/completions", BODY, timeout_s=20) for _ in range(3)]
    assert [f.error for f in found] == ["HTTP 500: first", None, None]
