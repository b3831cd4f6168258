"""The classroom mirror: the real server in a process of its own, the real client, and servers that lie. All on loopback."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import tracemalloc
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from helpers import connect, download
from helpers.common.errors import MirrorError, UnsafePackage, UsageError
from helpers.common.paths import BUILT_IN_MODELS, home, model_cache
from helpers.models import built_in, cache, classroom
from helpers.models.cache import File, Package
from helpers.models.mirror import CHUNK, Mirror, parse_mirror_url
from helpers.servers.downloads import cache_contents, verify
from support.loopback import Answer, Loopback
from support.services import end_service

MIB = 2**20
NANO = built_in.built_in_packages(BUILT_IN_MODELS)["pocket-nano"]
POSIX = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and limits")


def stock(models: Path, alias: str, **more: bytes) -> Package:
    """Put a model into a cache, as a download from Azure leaves it: a pocket model's files under another name."""
    folder = models / "Somebody" / f"{alias}-generic-cpu-3"
    for name in NANO.files:
        cache.copy_in(BUILT_IN_MODELS / "pocket-nano" / name, folder / name)
    (folder / "inference_model.json").write_text(
        json.dumps({"Name": f"{alias}-generic-cpu:3", "PromptTemplate": None}), encoding="utf-8"
    )
    for name, data in more.items():
        (folder / name).write_bytes(data)
    facts = {
        "alias": alias,
        "name": f"{alias}-generic-cpu",
        "version": 3,
        "publisher": "Somebody",
        "license": "apache-2.0",
    }
    return cache.adopt(
        folder, {**facts, "context": 1024, "max_output_tokens": 256}, "catalog"
    ).package


@contextlib.contextmanager
def mirroring(folder: Path, *arguments: str):
    """`python -m helpers mirror` on a free port with `folder` as home; yields its address and the process."""
    child = subprocess.Popen(
        [sys.executable, "-m", "helpers", "mirror", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "WORKSHOP_HOME": str(folder)},
    )
    try:
        lines = []
        while not (lines and lines[-1].startswith("The room's progress")):
            lines.append(child.stdout.readline())
            assert lines[-1], f"the mirror ended: {lines}"
        yield re.search(r"--mirror (\S+)", "".join(lines))[1], child
    finally:
        child.send_signal(signal.SIGINT)
        child.communicate(timeout=30)


@pytest.fixture(scope="module")
def instructor(tmp_path_factory):
    """A mirror with the built-in models, `classy`, and `large` with a file of 8 MiB; yields address and home."""
    folder = tmp_path_factory.mktemp("instructor")
    stock(folder / "models", "classy")
    stock(folder / "models", "large", **{"extra.bin": os.urandom(8 * MIB)})
    with mirroring(folder) as (address, _):
        yield address, folder


@pytest.fixture(scope="module")
def attendee(instructor, tmp_path_factory):
    """A runtime in a home of its own that knows the mirror."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKSHOP_HOME", str(tmp_path_factory.mktemp("attendee")))
        with connect(mirror=instructor[0]) as server:
            yield server
        end_service()


def page(address: str) -> str:
    return urllib.request.urlopen(f"{address}/", timeout=10).read().decode()


def offered(address: str, alias: str) -> Package:
    return next(package for package in Mirror(address).packages() if package.alias == alias)


# From the list to an answer


def test_the_list_says_what_comes_from_the_mirror(attendee, instructor):
    table = attendee.models()
    assert f"Mirror: {instructor[0]}." in table.note
    assert [(m.alias, m.cached, m.license, m.context) for m in table.where(source="mirror")] == [
        ("classy", False, "apache-2.0", 1024),
        ("large", False, "apache-2.0", 1024),
    ]


def test_a_model_of_the_mirror_is_fetched_listed_loaded_and_answers(
    attendee, instructor, monkeypatch
):
    monkeypatch.setenv("WORKSHOP_NAME", "Ada <script>")
    done = download(attendee, ["classy"], progress=False)
    assert (done[0][1], "from the mirror" in done[0][2]) == ("downloaded", True)
    assert attendee.resolve("classy").source == "mirror"
    assert attendee.chat("classy", "Hello").text == attendee.chat("pocket-nano", "Hello").text
    record = cache.read_record(model_cache() / "Somebody" / "classy-generic-cpu-3")
    assert record.package == offered(instructor[0], "classy")
    assert cache.verify(record.package.folder(model_cache()), record, full=True) == []
    shown = page(instructor[0])
    assert re.search(
        r"<h2>Ada &lt;script&gt;</h2>\s*<div class=\"has\"><span>classy</span><b>verified</b>",
        shown,
    )
    assert "<script" not in shown
    assert not re.search(r"(src|href)=|url\(|@import", shown)


def test_without_aliases_all_that_the_mirror_has_is_brought(attendee):
    done = download(attendee, progress=False)
    assert done.ok
    assert {"classy", "large", "pocket-nano"} <= {alias for alias, _, _ in done}
    assert not list((home() / "incoming").glob("*"))


def test_a_model_with_a_damaged_file_comes_again_from_the_mirror(attendee):
    assert download(attendee, ["classy"], progress=False).ok
    folder = model_cache() / "Somebody" / "classy-generic-cpu-3"
    (folder / "tokenizer.json").write_bytes(b"{}")
    (row,) = verify(attendee, ["classy"], progress=False)
    assert (row[1], row[2].startswith("tokenizer.json (truncated: 2 of")) == ("repaired", True)
    assert row[2].endswith("fetched again from the mirror")
    assert verify(attendee, ["classy"], progress=False)[0][1] == "whole"


def test_a_built_in_model_on_the_mirror_never_takes_the_place_of_the_kits_own(attendee, tmp_path):
    other = Package(
        **{
            **NANO.model_dump(),
            "files": {**NANO.model_dump()["files"], "model.onnx": {"bytes": 3, "sha256": "0" * 64}},
        }
    )
    with (
        lying({"models": [other.model_dump(mode="json")]}) as address,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(attendee, "mirror", Mirror(address))
        assert (
            "The mirror's pocket-nano differs from the built-in model of that name; the built-in one is used"
            in attendee.models().note
        )
        assert attendee.resolve("pocket-nano").source == "built-in"
        assert attendee.resolve("pocket-nano").files_sha256 == NANO.digest


def test_a_built_in_model_arrives_over_the_mirror_with_the_hashes_that_ship_with_the_kit(
    instructor, tmp_path
):
    Mirror(instructor[0]).fetch(NANO, tmp_path, tmp_path / "models")
    assert cache.problems(NANO.folder(tmp_path / "models"), NANO) == []


def test_thirty_at_once_all_finish_right(instructor, tmp_path):
    package = offered(instructor[0], "classy")

    def one(number: int) -> list:
        folder = tmp_path / str(number)
        Mirror(instructor[0]).fetch(package, folder, folder / "models")
        return cache.problems(package.folder(folder / "models"), package)

    with ThreadPoolExecutor(30) as pool:
        assert list(pool.map(one, range(30))) == [[]] * 30


# Resuming


def test_a_client_killed_at_a_known_byte_fetches_at_most_one_chunk_again(instructor, tmp_path):
    package, kept, sent = offered(instructor[0], "large"), 5 * MIB + 1234, []
    data = (package.folder(instructor[1] / "models") / "extra.bin").read_bytes()
    reached = threading.Event()

    def stops_there(request):
        if not request.path.endswith("extra.bin"):
            return relayed(instructor[0], request)
        start = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
        sent.append(start)
        if start == 0:
            reached.set()
            return Answer([rest_of(data, 0), data[:kept]], end="keep")
        return Answer([rest_of(data, start), data[start:]])

    with Loopback(stops_there) as between:
        script = (
            "import sys; from pathlib import Path; from helpers.models.mirror import Mirror; m = Mirror(sys.argv[1]); home = Path(sys.argv[2]);"
            "m.fetch(next(p for p in m.packages() if p.alias == 'large'), home, home / 'models', lambda done: print(done, flush=True))"
        )
        child = subprocess.Popen(
            [sys.executable, "-c", script, between.url, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
        )
        before = sum(file.bytes for name, file in package.files.items() if name < "extra.bin")
        while int(child.stdout.readline()) <= before + kept - CHUNK:
            pass
        child.kill()
        child.communicate()
        Mirror(between.url).fetch(package, tmp_path, tmp_path / "models")
    assert reached.is_set()
    assert len(sent) == 2
    assert kept - CHUNK <= sent[1] <= kept
    assert cache.problems(package.folder(tmp_path / "models"), package) == []


def test_a_cut_a_stall_and_a_busy_mirror_are_gone_on_from(instructor, tmp_path):
    package = offered(instructor[0], "large")
    data = (package.folder(instructor[1] / "models") / "extra.bin").read_bytes()
    asked, said = [], []

    def fails_three_times(request):
        if not request.path.endswith("extra.bin"):
            return relayed(instructor[0], request)
        start = int(request.headers["Range"].removeprefix("bytes=").rstrip("-"))
        asked.append(start)
        answer = [rest_of(data, start), data[start : start + MIB]]
        if len(asked) == 1:
            return Answer(answer, end="reset")
        if len(asked) == 2:
            return Answer([head(503, 0)])
        if len(asked) == 3:
            return Answer(answer, end="keep")
        return Answer([answer[0], data[start:]])

    with Loopback(fails_three_times) as between:
        Mirror(between.url, stall_s=0.3).fetch(
            package, tmp_path, tmp_path / "models", note=said.append
        )
    assert cache.problems(package.folder(tmp_path / "models"), package) == []
    assert asked[0] == 0
    assert asked == sorted(asked)
    assert len(asked) == 4
    assert [
        bool(re.search(word, " ".join(said)))
        for word in ("was cut|no answer", "busy", "nothing has come for 0 s")
    ] == [True] * 3


def test_what_was_kept_of_another_version_is_thrown_away_and_fetched_anew(instructor, tmp_path):
    package = offered(instructor[0], "classy")
    part = tmp_path / "incoming" / f"{package.name}-{package.version}" / "tokenizer.json.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"of another version")
    Mirror(instructor[0]).fetch(package, tmp_path, tmp_path / "models")
    assert cache.problems(package.folder(tmp_path / "models"), package) == []


@POSIX
def test_a_full_disk_keeps_what_arrived_says_so_and_goes_on_afterwards(instructor, tmp_path):
    package = offered(instructor[0], "large")
    script = (
        "import resource, sys; from pathlib import Path; from helpers.models.mirror import Mirror; from helpers.common.errors import KitError\n"
        "m = Mirror(sys.argv[1]); home = Path(sys.argv[2]); resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, 5_000_000))\n"
        "try: m.fetch(next(p for p in m.packages() if p.alias == 'large'), home, home / 'models')\n"
        "except KitError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, instructor[0], str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert re.match(
        r"The disk is full: \S+ takes no more\. [\d.]+ of [\d.]+ MB of large are kept .* Free some space",
        done.stdout,
    ), done
    part = tmp_path / "incoming" / f"{package.name}-{package.version}" / "extra.bin.part"
    assert part.stat().st_size == 5_000_000
    seen = []
    Mirror(instructor[0]).fetch(package, tmp_path, tmp_path / "models", seen.append)
    assert cache.problems(package.folder(tmp_path / "models"), package) == []


@POSIX
def test_a_cache_that_cannot_be_written_is_told_before_a_byte_is_fetched(instructor):
    script = (
        "import os, sys; from pathlib import Path; from helpers.models.mirror import Mirror; from helpers.common.errors import KitError\n"
        "m = Mirror(sys.argv[1]); home = Path(sys.argv[2]); package = next(p for p in m.packages() if p.alias == 'classy')\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"  # root may write anywhere
        "try: m.fetch(package, home, home / 'models')\n"
        "except KitError as error: print(error)"
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o777)
        (Path(folder) / "models").mkdir(mode=0o555)
        done = subprocess.run(
            [sys.executable, "-c", script, instructor[0], folder],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert re.match(
            r"The model cache \S+ cannot be written \(Permission denied\); make it writable, or name another place",
            done.stdout,
        ), done
        assert not (Path(folder) / "incoming").exists()


# Mirrors that are not there, or lie


def test_no_mirror_at_the_address_is_one_sentence(attendee, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        closed = probe.getsockname()[1]
    with pytest.raises(
        MirrorError, match=rf"No mirror answers at http://127.0.0.1:{closed} .*is it running there"
    ):
        Mirror(f"127.0.0.1:{closed}").packages()
    monkeypatch.setattr(attendee, "mirror", Mirror(f"127.0.0.1:{closed}"))
    assert "No mirror answers" in attendee.models().note
    assert attendee.resolve("pocket-nano").cached is True


@pytest.mark.parametrize(
    "body",
    [
        b"<html>hello</html>",
        b"[]",
        b'{"mirror": "of something else", "models": []}',
        b"",
        b"[" * 100_000,
    ],
)
def test_another_service_at_the_address_is_told_apart(body):
    with (
        Loopback(lambda request: Answer([head(200, len(body)), body])) as other,
        pytest.raises(MirrorError, match="it is not a mirror of this kit"),
    ):
        Mirror(other.url).packages()


def test_a_list_without_end_is_refused():
    with (
        Loopback(lambda request: Answer([b"HTTP/1.1 200 OK\r\n\r\n", b"x" * (9 * MIB)])) as other,
        pytest.raises(MirrorError, match="it is not a mirror of this kit"),
    ):
        Mirror(other.url).packages()


UNSAFE = [
    "../evil",
    "a/../../evil",
    "/etc/evil",
    "C:/evil",
    "..\\evil",
    "~/evil?",
    "",
    ".",
    "a//b",
    "nul",
    "con.txt",
    "ends.",
    "ends ",
    "new\nline",
    "workshop.json",
    "x" * 300,
]


@pytest.mark.parametrize("name", UNSAFE, ids=[repr(name[:20]) for name in UNSAFE])
def test_a_list_that_names_a_file_outside_its_folder_is_refused_whole(name, tmp_path):
    entry = package_with({}).model_dump(mode="json")
    entry["files"][name] = {"bytes": 1, "sha256": "0" * 64}
    with (
        lying({"models": [entry]}) as address,
        pytest.raises(
            MirrorError,
            match=r"offers what cannot be trusted, models\.0\.files.* Nothing was fetched",
        ),
    ):
        Mirror(address).packages()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("publisher", ".."),
        ("publisher", "a/b"),
        ("name", "../other"),
        ("version", -1),
        ("files", {}),
        ("files", {"a": {"bytes": -1, "sha256": "0" * 64}}),
        ("files", {"a": {"bytes": 1, "sha256": "short"}}),
        ("files", {f"f{i}": {"bytes": 1, "sha256": "0" * 64} for i in range(1001)}),
        ("alias", "<script>"),
        ("surprise", 1),
    ],
    ids=lambda value: str(value)[:20],
)
def test_a_list_with_a_wrong_field_is_refused_whole(field, value):
    entry = {**package_with({}).model_dump(mode="json"), field: value}
    with (
        lying({"models": [entry]}) as address,
        pytest.raises(MirrorError, match=rf"cannot be trusted, models\.0\.{field}"),
    ):
        Mirror(address).packages()


def test_a_model_listed_twice_is_refused():
    entry = package_with({}).model_dump(mode="json")
    with (
        lying({"models": [entry, entry]}) as address,
        pytest.raises(MirrorError, match="cannot be trusted, models: a model is listed twice"),
    ):
        Mirror(address).packages()


@pytest.mark.parametrize(
    "change",
    [
        {"publisher": "SOMEBODY"},
        {"name": "ANOTHER-generic-cpu"},
        {"publisher": "Other"},
    ],
    ids=str,
)
def test_two_models_that_fall_together_on_some_systems_are_refused(change):
    entry = package_with({}).model_dump(mode="json")
    entry |= {"publisher": "somebody", "name": "another-generic-cpu"}
    with (
        lying({"models": [entry, entry | change]}) as address,
        pytest.raises(MirrorError, match="cannot be trusted, models: a model is listed twice"),
    ):
        Mirror(address).packages()


@pytest.mark.parametrize("names", [("a.bin", "A.BIN"), ("data", "Data/a"), ("x/y", "x/y/z")])
def test_files_that_fall_together_on_some_systems_are_refused(names):
    entry = package_with({}).model_dump(mode="json")
    entry["files"] = {name: {"bytes": 1, "sha256": "0" * 64} for name in names}
    with (
        lying({"models": [entry]}) as address,
        pytest.raises(MirrorError, match="two files fall together on some systems"),
    ):
        Mirror(address).packages()


@pytest.mark.parametrize("models", [[{}] * 340_000, [7] * 340_000], ids=["objects", "numbers"])
def test_a_long_list_of_nonsense_is_refused_at_its_first_entry(models):
    tracemalloc.start()
    with (
        lying({"models": models}) as address,
        pytest.raises(MirrorError, match=r"cannot be trusted"),
    ):
        Mirror(address).packages()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * MIB


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (
            lambda size: Answer([rest_of(b"x" * size, 0), b"x" * size]),
            "serves other bytes of tokenizer.json .* refused, nothing of it is kept",
        ),
        (
            lambda size: Answer([rest_of(b"x" * (size + 1), 0), b"x" * (size + 1)]),
            "answers with another size of tokenizer.json than its list says",
        ),
        (
            lambda size: Answer([head(206, size, f"bytes 5-{size + 4}/{size + 5}"), b"x" * size]),
            "answers with another size",
        ),
        (
            lambda size: Answer([head(302, 0, location="http://127.0.0.1:9/")]),
            r"another size of tokenizer.json than its list says \(HTTP 302\)",
        ),
        (lambda size: Answer([head(404, 0)]), "does not have tokenizer.json any more"),
    ],
    ids=["other bytes", "other size", "other range", "redirected", "gone"],
)
def test_a_mirror_that_serves_something_else_is_refused(answer, said, instructor, tmp_path):
    package = offered(instructor[0], "classy")

    def lies(request):
        return (
            answer(package.files["tokenizer.json"].bytes)
            if request.path.endswith("/tokenizer.json")
            else relayed(instructor[0], request)
        )

    with Loopback(lies) as between, pytest.raises(MirrorError, match=said):
        Mirror(between.url).fetch(package, tmp_path, tmp_path / "models")
    assert not package.folder(tmp_path / "models").exists()
    assert not any(path.stat().st_size for path in tmp_path.rglob("tokenizer.json*"))


def test_a_model_that_calls_itself_another_is_refused(tmp_path):
    lie = json.dumps({"Name": NANO.id}).encode()
    package = package_with(
        {"inference_model.json": File(bytes=len(lie), sha256=cache.hashlib.sha256(lie).hexdigest())}
    )

    def serves(request):
        return Answer([rest_of(lie, 0), lie])

    with (
        Loopback(serves) as between,
        pytest.raises(UnsafePackage, match="does not say that it is other-generic-cpu:1; refused"),
    ):
        Mirror(between.url).fetch(package, tmp_path, tmp_path / "models")
    assert not list(tmp_path.rglob("inference_model.json"))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "http://",
        "ftp://host",
        "https://host:1",
        "http://host:1/path",
        "http://user@host",
        "host:port",
        "http://h:99999",
    ],
)
def test_what_is_no_address_is_told(address):
    with pytest.raises(
        UsageError,
        match=r"is not the address of a mirror; expected something like http://192\.168\.1\.20:8321",
    ):
        parse_mirror_url(address)


def test_an_address_may_leave_out_the_scheme():
    assert parse_mirror_url(" 192.168.1.20:8321/ ") == "http://192.168.1.20:8321"


# The server


@pytest.mark.parametrize(
    "path",
    [
        "/files/classy-generic-cpu:3/../../../../etc/passwd",
        "/files/classy-generic-cpu:3/%2e%2e/%2e%2e/secret",
        "/files/classy-generic-cpu:3/workshop.json",
        "/files/classy-generic-cpu:3//etc/passwd",
        "/files/../secret",
        "/files/no-such:1/model.onnx",
        "/secret",
    ],
)
def test_the_server_gives_only_what_its_list_names(instructor, path):
    (instructor[1] / "secret").write_text("secret", encoding="utf-8")
    with socket.create_connection(
        instructor[0].removeprefix("http://").split(":"), timeout=10
    ) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: sock.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404"), answer[:200]
    assert b"root:" not in answer


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/have/no-such:1", b"x" * 5000, 404),
        ("POST", "/have/classy-generic-cpu:3", b"", 204),
        ("POST", "/have/classy-generic-cpu:3", b"[" * 60_000, 204),
        ("POST", "/have/classy-generic-cpu:3", b"[" * 70_000, 413),
        ("DELETE", "/files/classy-generic-cpu:3/model.onnx", None, 405),
        ("PUT", "/manifest.json", b"{}", 405),
    ],
)
def test_the_server_only_reads(instructor, method, path, body, status):
    request = urllib.request.Request(f"{instructor[0]}{path}", data=body, method=method)
    try:
        found = urllib.request.urlopen(request, timeout=10).status
    except urllib.error.HTTPError as error:
        found = error.code
    assert found == status


@pytest.mark.parametrize(
    "headers",
    [{"Host": "rebound.example:8321"}, {"Origin": "http://evil.example"}, {"Origin": "null"}],
    ids=str,
)
def test_no_page_of_another_site_may_ask_the_mirror(instructor, headers):
    url = f"{instructor[0]}/have/classy-generic-cpu:3"
    with pytest.raises(urllib.error.HTTPError, match=r"HTTP Error 4(21|03)"):
        urllib.request.urlopen(urllib.request.Request(url, b"", headers), timeout=10)


def test_there_is_an_end_to_connections_and_afterwards_it_answers_again(instructor):
    where = ("127.0.0.1", int(instructor[0].rpartition(":")[2]))
    with contextlib.ExitStack() as stack:
        for _ in range(classroom.MAX_CONNECTIONS):
            stack.enter_context(socket.create_connection(where, timeout=10))
        with pytest.raises(urllib.error.HTTPError, match="503"):
            page(instructor[0])
    while True:  # until the server has seen that they are closed
        with contextlib.suppress(urllib.error.HTTPError):
            assert "Classroom mirror" in page(instructor[0])
            break


def test_a_link_or_a_damaged_model_in_the_instructors_cache_is_not_served(tmp_path):
    whole, linked = stock(tmp_path / "models", "whole"), stock(tmp_path / "models", "linked")
    (tmp_path / "elsewhere").write_bytes(
        (linked.folder(tmp_path / "models") / "tokenizer.json").read_bytes()
    )
    (linked.folder(tmp_path / "models") / "tokenizer.json").unlink()
    (linked.folder(tmp_path / "models") / "tokenizer.json").symlink_to(tmp_path / "elsewhere")
    with mirroring(tmp_path) as (address, _):
        assert {p.alias for p in Mirror(address).packages()} >= {"whole", "pocket-nano"}
        assert "linked" not in {p.alias for p in Mirror(address).packages()}
        (whole.folder(tmp_path / "models") / "tokenizer.json").write_bytes(b"{}")
        with pytest.raises(MirrorError, match=r"does not have|another size"):
            Mirror(address).fetch(whole, tmp_path / "home", tmp_path / "home" / "models")


def test_it_can_serve_some_models_only_and_listens_on_loopback_unless_told(tmp_path, monkeypatch):
    stock(tmp_path / "models", "classy")
    with mirroring(tmp_path, "classy") as (address, child):
        assert address.startswith("http://127.0.0.1:")
        assert [p.alias for p in Mirror(address).packages()] == ["classy"]
        monkeypatch.setenv("WORKSHOP_HOME", str(tmp_path))
        with pytest.raises(UsageError, match="choose another with --port"):
            classroom.serve(port=int(address.rpartition(":")[2]))
        with pytest.raises(UsageError, match="The cache has no whole nothing-like-it"):
            classroom.serve(only=["nothing-like-it"])
        child.send_signal(signal.SIGINT)
        assert child.communicate(timeout=30)[0].rstrip().endswith("Served 0.0 MB to 0 attendees.")
        assert child.returncode == 0


# Afterwards, without any network


def test_everything_in_the_cache_is_listed_loaded_and_answers_without_any_network(
    attendee, instructor, monkeypatch
):
    assert download(attendee, ["classy"], progress=False).ok
    before = {m.alias: m for m in attendee.models() if m.cached}
    attendee.runtime.stop()
    monkeypatch.setenv("WORKSHOP_CATALOG", "http://127.0.0.1:9/asset-gallery/v1.0/models")
    with connect(mirror="127.0.0.1:9") as alone:
        after = {m.alias: m for m in alone.models() if m.cached}
        assert {a: replace(m, loaded=None) for a, m in after.items()} == {
            a: replace(m, loaded=None) for a, m in before.items()
        }
        assert alone.chat("classy", "Hello").text
        assert "not reachable" in alone.models().note
        alone.runtime.stop()
    assert {s.alias for s in cache_contents()} >= {"classy", "pocket-nano"}


# Helpers


def head(status: int, length: int, content_range: str = "", location: str = "") -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {length}"]
    lines += [f"Content-Range: {content_range}"] if content_range else []
    lines += [f"Location: {location}"] if location else []
    return "\r\n".join([*lines, "", ""]).encode()


def rest_of(data: bytes, start: int) -> bytes:
    """The head of an answer that brings a file from a byte on."""
    return head(206, len(data) - start, f"bytes {start}-{len(data) - 1}/{len(data)}")


def relayed(address: str, request) -> Answer:
    """The true answer of a mirror to a request."""
    asked = urllib.request.Request(
        f"{address}{request.path}", data=request.body or None, method=request.method
    )
    if span := request.headers.get("Range"):
        asked.add_header("Range", span)
    with urllib.request.urlopen(asked, timeout=30) as answer:
        body = answer.read()
        return Answer(
            [head(answer.status, len(body), answer.headers.get("Content-Range", "")), body]
        )


@contextlib.contextmanager
def lying(listing: dict):
    """A mirror with this list and nothing else."""
    body = json.dumps({"mirror": "foundry-local-workshop", "version": 1, **listing}).encode()
    with Loopback(lambda request: Answer([head(200, len(body)), body])) as server:
        yield server.url


def package_with(files: dict[str, File]) -> Package:
    return Package(
        alias="other",
        name="other-generic-cpu",
        version=1,
        publisher="Somebody",
        files=files or {"a": File(bytes=1, sha256="0" * 64)},
    )
