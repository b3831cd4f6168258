"""A learner takes part: the plan is shown, measured with the real runtime, and sent after consent alone."""

import contextlib
import http.server
import json
import re
import subprocess
import sys
import threading

import pytest

from helpers import show_room
from helpers.common.errors import MirrorError, UsageError
from helpers.models.mirror import KIT
from helpers.room.join import ask_room, join
from support.room import PLAN, Door, machines, mirroring


def joining(door: Door, *arguments: str, typed: str = ""):
    command = [sys.executable, "-m", "helpers", "join", door.url, *arguments]
    return subprocess.run(command, input=typed, capture_output=True, text=True, timeout=280)


@contextlib.contextmanager
def answering(status: int, body: bytes):
    """A server that is no room of this kit, or of a newer one."""

    class Other(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Other) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_a_learner_measures_sees_what_would_be_sent_agrees_and_finds_the_own_dot(
    server, tmp_path, monkeypatch
):
    plan = tmp_path / "monday.toml"
    plan.write_text(PLAN.replace('"pocket-mini"', '"no-such-model"'), encoding="utf-8")
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path / "mine"))
    with mirroring(tmp_path, "--plan", str(plan)) as (said, _):
        door = Door(said)
        done = joining(door, "--name", "Ada", typed=f"y\n{door.code.lower()}\n")
        assert done.returncode == 0, done.stderr
        assert "pocket-nano, no-such-model; 3 prompts (deterministic), 3 rounds" in done.stdout
        assert "What can be had is measured." in done.stdout
        shown = done.stdout.partition("--- result.json\n")[2].partition("\n--- environment.json")[0]
        (kept,) = (tmp_path / "results").glob("room-*/machines/001/result.json")
        assert json.loads(shown) == json.loads(kept.read_text(encoding="utf-8"))
        assert machines(tmp_path)["Ada"].figures["pocket-nano"]["latency_p50_s"] > 0
        page = show_room().data
        assert "Machines that have posted: 1. The ring is yours." in page
        assert page.count('r="15"') == 1  # no ratio where the other model is missing


def test_without_consent_or_with_a_wrong_code_nothing_is_taken_and_the_run_is_kept(
    room, measured, tmp_path, monkeypatch, command_here
):
    door, folder = room
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path / "mine"))
    again = ("join", door.url, "--name", "Ada", "--run", str(measured.folder))
    for typed in ("n\n", "", "\n"):
        done = command_here(*again, typed=typed)
        assert (done.returncode, done.stderr) == (2, "error: Nothing was sent.\n")
    done = command_here(*again, "--yes", "--code", "AAAAAA")
    assert done.returncode == 1
    assert "The room code is another one" in done.stderr
    assert f"add --run {measured.folder}" in done.stderr
    assert machines(folder) == {}
    assert command_here(*again, "--yes", "--code", door.code).returncode == 0
    twin = command_here(*again, "--yes", "--code", door.code)
    assert "There are figures of Ada already; choose another name." in twin.stderr
    assert "Traceback" not in twin.stderr


def test_what_is_sent_holds_no_prompt_answer_address_or_path(post, measured):
    sent = json.dumps(post)
    for private in ("Say short", "An answer.", "127.0.0.1", str(measured.folder)):
        assert private not in sent
    assert set(post["course"]) == {"passed", "exercises", "right", "guesses"}


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (200, {"room": KIT, "plan": {"models": ["a"], "prompts": "session", "gpu": 1}}, r"gpu: unknown field.*newer kit"),
        (200, {"room": KIT, "plan": {"form": 2, "models": ["a"], "prompts": "session"}}, r"form: .*newer kit"),
        (200, {"room": "other"}, "is no room"),
        (404, {}, "is no room; was its mirror started with --plan"),
        (200, [1], "is no room"),
        (500, {"error": {"message": "\x1b[31mred"}}, "The room did not take it: red"),
    ],
)  # fmt: skip
def test_a_plan_of_a_newer_kit_and_what_is_no_room_are_told_in_a_sentence(status, body, message):
    with (
        answering(status, json.dumps(body).encode()) as url,
        pytest.raises(Exception, match=message) as told,
    ):
        join(url, "Ada", yes=True, code="x", run=None)
    assert isinstance(told.value, UsageError | MirrorError.__base__)


def test_a_room_that_does_not_answer_and_a_name_that_cannot_be_shown_are_told():
    with pytest.raises(MirrorError, match=r"No room answers at http://127\.0\.0\.1:9 "):
        ask_room("http://127.0.0.1:9", "/plan.json")
    with pytest.raises(UsageError, match="--name: A name has 1 to 40 letters"):
        join("http://127.0.0.1:9", "<b>", yes=True, code="x", run=None)


def test_without_a_room_the_notebook_says_in_one_sentence_what_to_do(
    tmp_path, monkeypatch, measured
):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path))
    assert re.fullmatch(r"You measured alone; .*helpers join .*", str(show_room(measured)))
    (tmp_path / "room.txt").write_text("http://127.0.0.1:9", encoding="utf-8")
    assert "The room cannot be shown: No room answers" in str(show_room(measured))
