"""A room over real HTTP: what is taken, what is refused and counted, what survives, and what holds on all machines."""

import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor

import httpx2
import numpy as np
import pytest

from helpers.common.errors import UsageError
from helpers.measure.shared_plan import check_shared_plan, read_shared_plan
from helpers.models.classroom import MAX_BODY_BYTES, MAX_CONNECTIONS
from helpers.report.contribute import verify_contribution
from helpers.room.door import POSTS, WRONG_CODES
from helpers.room.findings import report_room
from helpers.room.join import measure_sleep
from helpers.room.posts import RoomFolder, open_room
from support.room import PLAN, Door, drawn, machines, mirroring

# The plan


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("models = 3", "models: must be a valid tuple"),
        ('models = []\nprompts = "session"', "models: tuple should have at least 1 item"),
        ('models = ["../x"]\nprompts = "session"', "models.0: string should match pattern"),
        ('models = ["a"]\nprompts = "notes.txt"', "prompts: must be a shipped prompt set"),
        ('models = ["a"]\nprompts = "http://x"', "prompts: must be a shipped prompt set"),
        ('models = ["a"]\nprompts = "unheard-of"', "prompts: must be a shipped prompt set"),
        (
            'models = ["a"]\nprompts = "session"\nrounds = 9000',
            "rounds: must be less than or equal",
        ),
        ('form = 2\nmodels = ["a"]\nprompts = "session"', r"form: .*a newer kit may know it"),
        ('models = ["a"]\nprompts = "session"\nrun = "rm"', "run: unknown field.*a newer kit may"),
        ("models = [", "is not valid TOML"),
    ],
)
def test_a_plan_is_data_and_a_mistake_in_it_is_named(tmp_path, text, message):
    (tmp_path / "plan.toml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        read_shared_plan(tmp_path / "plan.toml")


def test_a_plan_never_reads_a_file_that_has_the_name_of_a_shipped_set(tmp_path, monkeypatch):
    (tmp_path / "session").write_text("What is my secret?", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    plan = check_shared_plan({"models": ["a"], "prompts": "session"}, "it")
    assert len(plan.prompt_set()) == 4


# What is taken


def test_a_post_is_kept_as_a_contribution_that_verifies_and_is_shown_on_the_board(room, post):
    door, folder = room
    door.get("/plan.json", **{"Workshop-Name": "Grace%20%3Cscript%3Ealert(1)%3C/script%3E"})
    door.get("/plan.json", **{"Workshop-Name": "Ada"})
    assert "measuring, 0 min" in door.get("/board")
    assert door.post(post).json() == {"name": "Ada", "machines": 1}
    (kept,) = (folder / "results").glob("room-*/machines/*")
    assert verify_contribution(kept)
    board = door.get("/board")
    assert "1 of 2 machines" in board
    assert "Grace &lt;script&gt;alert(1)&lt;/script&gt;" in board
    assert "<script" not in board
    assert not re.search(r"(src|href)=|url\(|@import", board)


def test_the_room_code_is_on_the_board_of_this_machine_alone(room, post):
    door, _ = room
    assert door.code in door.get("/board")
    public = door.get("/plan.json") + door.get("/room.json") + door.get("/report")
    assert door.code not in public
    assert "Ada" not in door.get("/room.json")


def test_what_a_killed_mirror_had_taken_is_there_when_it_starts_again(tmp_path, post):
    (tmp_path / "monday.toml").write_text(PLAN, encoding="utf-8")
    with mirroring(tmp_path, "--plan", str(tmp_path / "monday.toml")) as (said, child):
        first = Door(said)
        assert first.post(post).status_code == 200
        child.kill()
    (kept,) = (tmp_path / "results").glob("room-*/posts.jsonl")
    with kept.open("a", encoding="utf-8") as file:
        file.write('{"half a li')
    with mirroring(tmp_path, "--plan", str(tmp_path / "monday.toml")) as (said, _):
        again = Door(said)
        assert again.code == first.code
        assert again.refusal(post)[0] == 409
        assert again.post(drawn(post, "Bob", 2.0, 2.5)).json()["machines"] == 2
    assert list(machines(tmp_path)) == ["Ada", "Bob"]


def test_a_room_does_not_go_on_with_another_plan(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path))
    open_room(check_shared_plan({"models": ["a"], "prompts": "session"}, "it"), "monday")
    with pytest.raises(UsageError, match="began with another plan"):
        open_room(check_shared_plan({"models": ["b"], "prompts": "session"}, "it"), "monday")


# What is refused and counted


def harmed(post: dict, file: str, change) -> dict:
    content = json.loads(post["files"][file])
    change(content)
    return {**post, "files": {**post["files"], file: json.dumps(content)}}


def test_hostile_posts_are_refused_in_a_sentence_counted_and_leave_nothing(room, post):
    door, folder = room
    assert door.post(post).status_code == 200
    other = {**post, "name": "Bob"}
    tries = [
        (post, {}, 409, "already been received"),
        ({**post, "slept_s": 100}, {}, 409, "There are figures of Ada already"),
        ({**post, "name": "ADA"}, {}, 409, "There are figures of ADA already"),
        (other, {"code": "AAAAAA"}, 403, "room code is another one"),
        (other, {"name": "<script>alert(1)</script>"}, 400, "A name has 1 to 40 letters"),
        (other, {"name": "a\u202eb"}, 400, "A name has 1 to 40 letters"),
        (other, {"run_me": "x"}, 400, "run_me: unknown field.*a newer kit may know it"),
        (other, {"form": 2}, 400, "form: must be 1.*a newer kit may know it"),
        (other, {"files": {"run.sh": "rm -rf /"}}, 422, "files: expected models.json"),
        (
            harmed(other, "result.json", lambda r: r.update(note="x")),
            {},
            422,
            "note: unknown field",
        ),
        (
            harmed(other, "result.json", lambda r: r["results"][0].update(latency_p50_s=-1)),
            {},
            422,
            "latency_p50_s: must be greater",
        ),
        (
            harmed(other, "environment.json", lambda e: e["machine"].update(cpu="at 10.0.0.7")),
            {},
            422,
            "looks like an address",
        ),
        (b"{", {}, 400, "JSON"),
        (b"[" * 60_000, {}, 400, ""),
        (b"x" * (MAX_BODY_BYTES + 1), {}, 413, "may have 65,536 bytes"),
    ]
    for body, changes, status, message in tries:
        found, said = door.refusal(body, **changes)
        assert (found, bool(re.search(message, said))) == (status, True), said
    board = door.get("/board")
    (refused,) = re.findall(r"Refused: (.+)\.</p>", board)
    counted = {kind: int(n) for n, kind in re.findall(r"(\d+) ([a-z ]+)", refused)}
    assert sum(counted.values()) == len(tries)
    assert (counted["replay"], counted["wrong code"], counted["too large"]) == (1, 1, 1)
    assert "<script" not in board
    assert list(machines(folder)) == ["Ada"]
    (places,) = (folder / "results").glob("room-*/machines")
    assert [path.name for path in places.iterdir()] == ["001"]


def test_a_code_cannot_be_found_by_trying(room, post):
    door, _ = room
    tries = [door.refusal(post, code=f"AAAA{n:02}")[0] for n in range(WRONG_CODES + 2)]
    assert tries == [403] * WRONG_CODES + [429] * 2
    assert door.refusal(post)[0] == 429  # even the right one has to wait now
    assert f"{WRONG_CODES} wrong code" in door.get("/board")


def test_an_address_that_posts_without_end_is_slowed_down(room, post):
    door, _ = room
    tries = [door.refusal(b"{}")[0] for _ in range(POSTS + 1)]
    assert tries == [400] * POSTS + [429]


def test_two_hundred_connections_of_one_address_leave_room_for_others(room, post):
    door, _ = room
    host, port = door.url.removeprefix("http://").split(":")
    held = []
    for _ in range(200):
        held.append(socket.create_connection((host, int(port)), timeout=10))
    assert len(held) > MAX_CONNECTIONS / 3
    held[-1].sendall(f"GET /board HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert held[-1].recv(12) == b"HTTP/1.1 503"
    other = socket.create_connection((host, int(port)), 10, source_address=("127.0.0.2", 0))
    other.sendall(f"GET /board HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = b""
    while piece := other.recv(2**16):
        answer += piece
    assert answer.startswith(b"HTTP/1.1 200")
    (count,) = re.findall(rb"(\d+) too many connections", answer)
    assert int(count) >= 100
    for connection in (*held, other):
        connection.close()


# What holds on all machines


def test_thirty_machines_that_differ_tenfold_agree_on_the_ratio(room, post, command_here):
    door, folder = room
    draw = np.random.default_rng(1)
    slower = np.exp(draw.uniform(0, np.log(10), 30))
    ratios = np.exp(draw.normal(np.log(2.5), 0.1, 30))
    bodies = [drawn(post, f"n{i}", slower[i], ratios[i]) for i in range(30)]
    with ThreadPoolExecutor(8) as pool:
        assert {answer.status_code for answer in pool.map(door.post, bodies)} == {200}
    (path,) = (folder / "results").glob("room-*")
    report = report_room(RoomFolder(path))
    ttft, latency, rate = report.findings
    assert latency.estimate.n == 30
    assert latency.estimate.value == pytest.approx(np.exp(np.log(ratios).mean()))
    assert latency.estimate.low < latency.estimate.value < latency.estimate.high
    assert (latency.verdict, ttft.verdict, rate.verdict) == ("slower", "slower", "slower")
    assert latency.spread > 5 > 2 > latency.ratio_spread
    assert "the ratio travels, the milliseconds do not" in report.lesson
    done = command_here("room-report", str(path))
    assert done.returncode == 0
    assert "it holds in the whole room" in done.stdout
    assert "it holds in the whole room" in door.get("/report")


def test_the_interval_is_the_textbooks_over_machines_and_rounds_do_not_narrow_it(tmp_path, post):
    scipy = pytest.importorskip("scipy.stats")
    path = tmp_path / "room-x"
    path.mkdir()
    plan = {"form": 1, "models": ["pocket-nano", "pocket-mini"], "prompts": "deterministic"}
    about = {"plan": plan, "code": "AAAAAA"}
    (path / "room.json").write_text(json.dumps(about), encoding="utf-8")
    room, ratios = RoomFolder(path), [1.5, 2.0, 2.2, 3.0]
    for number, ratio in enumerate(ratios):
        body = {**drawn(post, f"n{number}", 1 + number, ratio), "code": "AAAAAA"}
        room.accept(json.dumps(body).encode())
    logs = np.log(ratios)
    low, high = scipy.t.interval(1 - 0.05 / 3, 3, logs.mean(), scipy.sem(logs))
    found = report_room(room).findings[1].estimate
    assert (found.low, found.high) == pytest.approx((np.exp(low), np.exp(high)))


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ([2.0, 2.1], "cannot tell"),
        ([0.7, 1.5, 0.9, 1.2], "cannot tell"),
        ([0.5, 0.6, 0.55], "faster"),
    ],
)
def test_a_room_that_cannot_tell_says_so(tmp_path, post, ratios, verdict):
    test_the_interval = tmp_path / "room-y"
    test_the_interval.mkdir()
    plan = {"models": ["pocket-nano", "pocket-mini"], "prompts": "deterministic"}
    about = {"plan": plan, "code": "AAAAAA"}
    (test_the_interval / "room.json").write_text(json.dumps(about), encoding="utf-8")
    room = RoomFolder(test_the_interval)
    for number, ratio in enumerate(ratios):
        body = {**drawn(post, f"n{number}", 1.0, ratio), "code": "AAAAAA"}
        room.accept(json.dumps(body).encode())
    report = report_room(room)
    assert report.findings[1].verdict == verdict
    assert ("it holds" in str(report.findings[1])) == (verdict != "cannot tell")


def test_a_model_that_one_machine_could_not_hold_is_left_out_there_alone(room, post):
    door, folder = room
    small = harmed({**post, "name": "small"}, "result.json", lambda r: r["results"].pop(1))
    assert [door.post(one).status_code for one in (post, small)] == [200, 200]
    (path,) = (folder / "results").glob("room-*")
    assert report_room(RoomFolder(path)).findings[0].estimate.n == 1


def test_a_wrong_clock_and_a_nap_are_noted_and_the_figures_count(room, post):
    door, folder = room
    late = {
        **drawn(post, "late", 1.0, 2.5),
        "sent_at": "2020-01-01T00:00:00+00:00",
        "slept_s": 1800,
    }
    odd = {**drawn(post, "odd", 1.0, 2.5), "sent_at": "yesterday"}
    assert [door.post(one).status_code for one in (late, odd)] == [200, 200]
    found = machines(folder)
    assert found["late"].notes[0] == "slept for 30 min while it measured"
    assert re.fullmatch(r"its clock is [\d,]+ h behind", found["late"].notes[1])
    assert found["odd"].notes == ("its clock cannot be read",)
    assert "late: slept for 30 min" in door.get("/report")


def test_a_clock_that_went_on_without_the_machine_is_a_nap():
    assert measure_sleep((1000.0, 5.0), (1030.0, 35.0)) == 0
    assert measure_sleep((1000.0, 5.0), (4630.0, 35.0)) == 3600
    assert measure_sleep((1000.0, 5.0), (30.0, 35.0)) == 0  # set back: no nap


def test_the_site_of_the_course_is_served_where_it_was_made_and_nothing_beside_it(tmp_path):
    site = tmp_path / "results" / "site"
    site.mkdir(parents=True)
    (site / "index.html").write_text("<title>The course</title>", encoding="utf-8")
    (tmp_path / "results" / "secret.txt").write_text("mine", encoding="utf-8")
    with mirroring(tmp_path) as (said, _):
        address = re.search(r"The course to read: (\S+?)[,\n]", said)[1]
        with httpx2.Client(trust_env=False, timeout=30) as client:
            assert "The course" in client.get(address).text
            assert client.get(f"{address}..%2Fsecret.txt").status_code == 404
            assert client.get(f"{address}%2e%2e/secret.txt").status_code == 404
