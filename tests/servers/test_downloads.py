"""Downloads through the real SDK: catalog, registry and blob store are loopback stand-ins, everything on our side is real.

One runtime serves most of them.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import psutil
import pytest

from helpers import KitError, connect, download
from helpers.common.errors import UsageError
from helpers.common.paths import BUILT_IN_MODELS, model_cache
from helpers.models import cache
from helpers.models.mirror import Mirror
from helpers.servers.downloads import (
    cache_contents,
    find_stored,
    next_time,
    prefetch,
    remove,
    verify,
    waiting,
)
from helpers.servers.foundry import RuntimeStopped
from support.azure import Fault, azure
from support.loopback import Loopback, json_answer, whole
from support.services import end_service

ALIAS = "faraway"
FILES = {
    path.name: path.read_bytes()
    for path in (BUILT_IN_MODELS / "pocket-nano").iterdir()
    if path.name != "inference_model.json"
}
MIB = 2**20
LARGE = {
    **FILES,
    "extra.bin": bytes(range(256)) * (10 * MIB // 256),
}  # five of the SDK's chunks of 2 MiB
MODELS = {
    ALIAS: FILES,
    "cut": FILES,
    "short": FILES,
    "busy": FILES,
    "refused": FILES,
    "held": LARGE,
    "damaged": FILES,
    "unhashed": FILES,
    "twice": LARGE,
    "both": FILES,
}


def stored(alias: str) -> Path:
    return model_cache() / "Somebody" / f"{alias}-generic-cpu-3"


def is_whole(alias: str) -> bool:
    return all((stored(alias) / name).read_bytes() == data for name, data in MODELS[alias].items())


@pytest.fixture(scope="module")
def remote(tmp_path_factory):
    """The stand-ins, with variables set that lead a runtime to them, and a home folder for this module."""
    folder = tmp_path_factory.mktemp("azure")
    with azure(MODELS, folder) as remote, pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKSHOP_HOME", str(folder / "home"))
        for name, value in remote.variables.items():
            patch.setenv(name, value)
        yield remote
        end_service()


@pytest.fixture(scope="module")
def server(remote):
    with connect() as server:
        yield server


@pytest.fixture(scope="module", autouse=True)
def stall_begins(stalling):
    """The stalled download of the last test goes on beside all that comes before it."""


def test_catalog_models_stand_beside_the_built_in_ones(server):
    table = server.models()
    assert table.note.startswith("Azure catalog: reachable.")
    assert [(m.alias, m.source, m.cached, m.license) for m in table if m.alias == "refused"] == [
        ("refused", "catalog", False, "apache-2.0")
    ]
    assert {"pocket-nano", "pocket-mini"} <= {
        m.alias for m in table.where(cached=True, source="built-in")
    }


def test_what_the_line_up_names_and_the_catalog_has_no_more_is_said_with_what_is_near(server):
    assert (
        "phi-3.5-mini of the line-up is not in the catalog now; near it: pocket-mini"
        in server.models().note
    )
    with pytest.raises(
        KitError,
        match=r"'phi-3.5-mini' is in the line-up, but is not offered here.* Near it: pocket-mini",
    ):
        server.resolve("phi-3.5-mini")


def test_a_download_reports_progress_and_ends_in_a_model_that_answers(server):
    seen = []
    server.download(ALIAS, seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 100
    assert server.resolve(ALIAS).cached is True
    assert is_whole(ALIAS)
    assert server.chat(ALIAS, "Hello").text == server.chat("pocket-nano", "Hello").text


def test_every_file_is_hashed_at_the_download_and_the_hashes_stay_with_the_model(server):
    download(server, [ALIAS], progress=False)
    record = cache.read_record(stored(ALIAS))
    assert record.source == "catalog"
    assert set(record.package.files) == {*FILES, "inference_model.json"}
    assert cache.verify(stored(ALIAS), record, full=True) == []
    assert server.resolve(ALIAS).files_sha256 == record.package.digest


def test_one_that_cannot_be_had_does_not_stop_the_rest(server):
    assert download(server, [ALIAS], progress=False).ok
    done = download(server, ["no-such-model", ALIAS, "pocket-mini", ALIAS], progress=False)
    assert [(alias, status) for alias, status, _ in done] == [
        ("no-such-model", "failed"),
        (ALIAS, "ready"),
        ("pocket-mini", "ready"),
    ]
    assert not done.ok


def test_too_little_disk_is_told_with_the_figures_before_anything_is_fetched(
    server, remote, monkeypatch
):
    monkeypatch.setattr("helpers.common.paths.free_disk_gb", lambda: 3.2)
    (row,) = download(server, ["refused"], progress=False)
    assert row[1] == "failed"
    assert row[2].startswith("refused from the catalog needs 15,000.0 MB, and 3,200.0 MB are free")
    assert remote.parts("refused") == []
    assert server.resolve("refused").cached is False


def test_loading_what_is_not_downloaded_says_how_to_get_it(server):
    with pytest.raises(KitError, match="python -m helpers download refused"):
        server.load("refused")


def test_a_cut_at_every_file_costs_nothing_but_a_new_connection(server, remote):
    for name, data in FILES.items():
        remote.faults[f"cut/{name}"] = Fault("cut", after=len(data) // 2)
    assert download(server, ["cut"], progress=False).ok
    assert is_whole("cut")
    parts = remote.parts("cut")
    for name, data in FILES.items():
        assert remote.faults[f"cut/{name}"].times == 0, name
        assert sum(count for file, _, count in parts if file == name) == len(data), name


def test_a_wrong_length_is_noticed_and_the_file_is_asked_for_again(server, remote):
    remote.faults["short/tokenizer.json"] = Fault("short", after=1000)
    said = []
    server.download("short", note=said.append)
    assert is_whole("short")
    assert any(re.search(r"short read .*: trying again in \d s", note) for note in said)


def test_a_busy_store_is_asked_again(server, remote):
    remote.faults["busy/tokenizer.json"] = Fault(503)
    assert download(server, ["busy"], progress=False).ok
    assert remote.faults["busy/tokenizer.json"].times == 0
    assert is_whole("busy")


def test_a_refusal_is_told_with_the_hosts_that_a_firewall_must_let_through(server, remote):
    remote.faults["refused/tokenizer.json"] = Fault(403, times=100)
    (row,) = download(server, ["refused"], progress=False)
    assert row[1] == "failed"
    assert re.search(
        r"Azure did not deliver .*\*\.blob\.core\.windows\.net; behind a proxy set HTTPS_PROXY, .* SSL_CERT_FILE",
        row[2],
    )
    assert "Traceback" not in row[2]
    assert server.resolve("refused").cached is False
    assert find_stored("refused-generic-cpu-3").state == "partial"


def test_ctrl_c_ends_at_once_and_keeps_what_is_there(server, remote):
    hold = remote.faults["held/extra.bin"] = Fault("hold", after=1000)
    environment = {k: v for k, v in os.environ.items() if k not in ("HTTPS_PROXY", "SSL_CERT_FILE")}
    child = subprocess.Popen(
        [sys.executable, "-m", "helpers", "download", "held"],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert hold.held.wait(60)
    child.send_signal(signal.SIGINT)
    said = child.communicate(timeout=30)[1]
    assert child.returncode == 130
    assert said.rstrip().endswith("interrupted")
    assert "Traceback" not in said
    assert find_stored("held-generic-cpu-3").state == "partial"
    hold.released.set()
    before = len(remote.sent)
    assert download(server, ["held"], progress=False).ok
    assert is_whole("held")
    again = sum(count for file, _, count in remote.parts("held", before) if file == "extra.bin")
    assert again < len(LARGE["extra.bin"])


def test_two_processes_that_want_the_same_model_fetch_it_once(server, remote):
    hold = remote.faults["twice/extra.bin"] = Fault("hold", after=1000)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(download, server, ["twice"], progress=False)
        assert hold.held.wait(60)
        said, second = threading.Event(), []
        with connect() as other:
            waiting = threading.Thread(
                target=lambda: second.append(
                    other.download(
                        "twice", note=lambda text: "another process" in text and said.set()
                    )
                )
            )
            waiting.start()
            assert said.wait(60)
            hold.released.set()
            waiting.join(60)
        assert first.result().ok
    assert second[0].cached is True
    assert sum(count for file, _, count in remote.parts("twice") if file == "extra.bin") == len(
        LARGE["extra.bin"]
    )


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-7]), "truncated"),
        (
            lambda path: path.write_bytes(
                bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]
            ),
            "changed",
        ),
        (lambda path: path.unlink(), "missing"),
    ],
    ids=["truncated", "flipped", "missing"],
)
def test_a_damaged_file_is_named_refused_and_its_model_fetched_again(
    server, remote, break_it, said
):
    assert download(server, ["damaged"], progress=False).ok
    server.load("damaged")
    server.unload("damaged")
    break_it(stored("damaged") / "tokenizer.json")
    with pytest.raises(
        KitError,
        match=rf"files are damaged: tokenizer\.json \({said}.*python -m helpers verify damaged",
    ):
        server.load("damaged")
    before = len(remote.sent)
    (row,) = verify(server, ["damaged"], progress=False)
    assert row[1] == "repaired"
    assert row[2].startswith(f"tokenizer.json ({said}")
    assert row[2].endswith("fetched again from the catalog")
    fetched = Counter()
    for file, _, count in remote.parts("damaged", before):
        fetched[file] += count
    assert fetched == {name: len(data) for name, data in FILES.items()}
    assert is_whole("damaged")
    assert verify(server, ["damaged"], progress=False)[0][1] == "whole"
    assert server.chat("damaged", "Hello").text
    server.unload("damaged")


def test_a_repair_that_fails_says_that_the_model_was_removed_and_how_to_go_on(server, remote):
    assert download(server, ["damaged"], progress=False).ok
    (stored("damaged") / "tokenizer.json").write_bytes(b"{}")
    remote.faults["damaged/tokenizer.json"] = Fault(403, times=100)
    (row,) = verify(server, ["damaged"], progress=False)
    assert row[1] == "failed"
    assert re.search(
        r"damaged: tokenizer\.json \(truncated.* It was removed to be fetched again, and that failed: "
        r".*Azure did not deliver .*Try again with: python -m helpers download damaged",
        row[2],
    )
    assert server.resolve("damaged").cached is False
    del remote.faults["damaged/tokenizer.json"]
    assert download(server, ["damaged"], progress=False).ok
    assert is_whole("damaged")


def test_a_damaged_model_that_no_source_has_stays_as_it_is(server, monkeypatch):
    assert download(server, ["damaged"], progress=False).ok
    path = stored("damaged") / "tokenizer.json"
    right = path.read_bytes()
    path.write_bytes(b"{}")
    with monkeypatch.context() as patch:
        patch.setattr(server.runtime, "azure_note", "not reachable (somewhere)", raising=False)
        (row,) = verify(server, ["damaged"], progress=False)
    assert row[1] == "failed"
    assert "It cannot be repaired now (the Azure catalog is not reachable (somewhere))" in row[2]
    assert path.read_bytes() == b"{}"
    path.write_bytes(right)
    assert verify(server, ["damaged"], progress=False)[0][1] == "whole"


def test_what_comes_in_the_place_of_a_damaged_model_is_held_against_its_first_hashes(
    server, remote
):
    assert download(server, ["damaged"], progress=False).ok
    (stored("damaged") / "tokenizer.json").write_bytes(b"{}")
    right = remote.models["damaged"]
    remote.models["damaged"] = {**right, "tokenizer.json": right["tokenizer.json"] + b" "}
    (row,) = verify(server, ["damaged"], progress=False)
    remote.models["damaged"] = right
    assert row[1] == "failed"
    assert "from the catalog is not right either: tokenizer.json (too long" in row[2]
    with pytest.raises(KitError, match="files are damaged"):
        server.load("damaged")
    assert verify(server, ["damaged"], progress=False)[0][1] == "repaired"
    assert is_whole("damaged")


def test_a_model_without_hashes_gets_them_and_says_so_no_more(server):
    assert download(server, ["unhashed"], progress=False).ok
    (stored("unhashed") / cache.RECORD).unlink()
    assert find_stored("unhashed-generic-cpu-3").state == "no hashes"
    assert verify(server, ["unhashed"], progress=False)[0][1] == "whole"
    assert find_stored("unhashed").state == "whole"
    (stored("unhashed") / cache.RECORD).unlink()
    assert download(server, ["unhashed"], progress=False)[0][1] == "ready"
    assert find_stored("unhashed").state == "whole"


def test_a_mirror_comes_before_azure_which_steps_in_when_the_mirror_fails(server, monkeypatch):
    files = {"inference_model.json": {"bytes": 1, "sha256": "0" * 64}}
    listed = {
        "alias": "both",
        "name": "both-generic-cpu",
        "version": 3,
        "publisher": "Somebody",
        "files": files,
    }
    page = json_answer({"mirror": "foundry-local-workshop", "version": 1, "models": [listed]})
    with Loopback(
        lambda request: page if request.path == "/manifest.json" else whole(b"", status=404)
    ) as other:
        monkeypatch.setattr(server, "mirror", Mirror(other.url))
        assert (
            "On the mirror and in the Azure catalog: both; the mirror is used: it is nearer."
            in server.models().note
        )
        assert server.resolve("both").source == "mirror"
        said = []
        assert server.download("both", note=said.append).source == "catalog"
        assert any(
            "does not have inference_model.json any more" in note
            and "Going on with the Azure catalog" in note
            for note in said
        )
    assert is_whole("both")


def test_what_is_not_in_the_cache_cannot_be_verified(server):
    (row,) = verify(server, ["no-such-model"], progress=False)
    assert (row[1], "is not in the cache; it holds" in row[2]) == ("failed", True)


def test_the_cache_table_says_size_source_and_last_use_and_a_removed_model_is_gone(
    server, helpers_command
):
    assert download(server, ["busy"], progress=False).ok
    server.load("busy")
    found = {s.alias: s for s in cache_contents()}
    assert found["busy"].record.source == "catalog"
    assert found["busy"].bytes >= sum(map(len, FILES.values()))
    assert cache.last_used(found["busy"].folder) is not None
    assert found["pocket-nano"].record.source == "built-in"
    remove(found["busy"])
    assert not stored("busy").exists()
    assert server.resolve("busy").cached is False
    with pytest.raises(UsageError, match="ships with the kit"):
        remove(found["pocket-nano"])


def test_prefetch_waits_connects_and_goes_on_after_a_failure(server):
    soon = f"{datetime.now() + timedelta(seconds=1.5):%H:%M:%S}"
    done = prefetch(connect, ["no-such-model", "pocket-nano"], soon, progress=False)
    assert f"{datetime.now():%H:%M:%S}" >= soon or soon.startswith("00:00:0")
    assert [(alias, status) for alias, status, _ in done] == [
        ("no-such-model", "failed"),
        ("pocket-nano", "ready"),
    ]


def test_a_person_who_waits_reads_hours_and_minutes():
    assert waiting(datetime(2026, 11, 25, 2), 6780.4) == "waiting until 02:00 (1 h 54 min)"
    assert waiting(datetime(2026, 11, 25, 2), 60) == "waiting until 02:00 (0 h 1 min)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("02:00", "2026-11-25 02:00:00"),
        ("23:59", "2026-11-24 23:59:00"),
        ("12:30", "2026-11-24 12:30:00"),
        ("12:29:59", "2026-11-25 12:29:59"),
    ],
)
def test_the_next_time_that_a_clock_shows(text, expected):
    assert str(next_time(text, datetime(2026, 11, 24, 12, 30))) == expected


@pytest.mark.parametrize("text", ["", "2", "25:00", "2am", "02:00:99", "tomorrow"])
def test_what_is_no_time_of_day_is_refused(text):
    with pytest.raises(UsageError, match="is not a time of day; expected something like 02:00"):
        next_time(text, datetime(2026, 11, 24, 12, 30))


def test_a_download_survives_the_death_of_the_runtime_and_serves_without_a_network(
    own_home, tmp_path, monkeypatch
):
    with azure({"held": LARGE}, tmp_path) as remote:
        for name, value in remote.variables.items():
            monkeypatch.setenv(name, value)
        hold = remote.faults["held/extra.bin"] = Fault("hold", after=1000)
        with connect() as server, ThreadPoolExecutor(1) as pool:
            first = pool.submit(server.download, "held")
            assert hold.held.wait(60)
            psutil.Process(server.runtime.pid).kill()
            with pytest.raises(
                RuntimeStopped,
                match=r"ended during 'download held-generic-cpu:3' \(killed by signal 9\)",
            ):
                first.result(60)
            hold.released.set()
            server.download("held")
            assert is_whole("held")
            assert server.chat("held", "Hello").text
            before = replace(server.resolve("held"), loaded=None)
            server.runtime.stop()
        monkeypatch.delenv("HTTPS_PROXY")
        monkeypatch.setenv("WORKSHOP_CATALOG", "http://127.0.0.1:9/asset-gallery/v1.0/models")
        with (
            connect() as alone
        ):  # no network at all: what is in the cache is listed as before, and answers
            assert replace(alone.resolve("held"), loaded=None) == before
            assert alone.chat("held", "Hello").text


CHUNK = 2 * 2**20  # of the SDK


def test_a_stall_is_said_ended_and_gone_on_from(stalling):
    outcome, said, remote, folder = stalling
    assert outcome.result(120).cached is True
    assert any(
        re.fullmatch(r"nothing has come for \d+ s; a new connection is made after 60 s", note)
        for note in said
    )
    files = remote.models["stalled"]
    assert all(
        (folder / "models" / "Somebody" / "stalled-generic-cpu-3" / name).read_bytes() == data
        for name, data in files.items()
    )
    sent = sum(count for file, _, count in remote.parts("stalled") if file == "extra.bin")
    assert sent - len(files["extra.bin"]) <= CHUNK
