"""A server that repeats the key wherever it can: no file, no notebook, no screen has it afterwards."""

import base64
import json
import urllib.parse

import nbformat
import pytest
from nbclient import NotebookClient

from helpers import benchmark, connect, load_run, write_report
from helpers.common import foreign
from helpers.common.errors import EndpointError, UsageError
from helpers.common.foreign import KEY_VARIABLE
from helpers.report.contribute import contribute
from support.loopback import (
    DONE,
    Loopback,
    delta,
    error_answer,
    event,
    json_answer,
    streamed,
    usage,
)

KEY = "sk-very+secret/1234567890"
PASSWORD = "hunter22-of-ana"
SPELLED = (
    KEY,
    KEY.upper(),
    urllib.parse.quote(KEY, safe=""),
    base64.b64encode(f"Bearer {KEY}".encode()).decode(),
    f"{KEY[:10]}\n{KEY[10:]}",
    f"{KEY[:16]}...",
)
MODELS = ["plain", "pieces", "refuses", "breaks", f"named-{KEY}", "unloadable-generic-cpu:1"]


class Parrot:
    """An OpenAI-shaped server, which is Foundry Local too, that repeats the key in all its answers."""

    def __init__(self, loads: bool = False):
        self.loads = loads

    def __call__(self, request):
        if request.path.endswith("/v1/models"):
            return json_answer({"data": [{"id": name} for name in MODELS]})
        if self.loads and request.path.endswith("/models/loaded"):
            return json_answer([])
        if request.method == "GET":
            status = 500 if self.loads and "/load/" in request.path else 404
            return error_answer(status, f"Load failed with {' '.join(SPELLED)}")
        return self.chat(request.json["model"])

    def chat(self, model):
        said = f"You sent {' and '.join(SPELLED)}."
        ends = [event(usage(5, 9)), DONE]
        if model == "refuses":
            return error_answer(401, f"{'x' * 70} wrong key: {said}")
        if model == "breaks":
            broken = {"error": {"message": said}}
            return streamed([event(delta("I say ")), event(broken), DONE])
        if model == "pieces":
            pieces = [event(delta(said[at : at + 3])) for at in range(0, len(said), 3)]
            return streamed([*pieces, event(delta(finish=f"stop {KEY}")), *ends])
        think = delta(said, reasoning_content=said)
        return streamed([event(think), event(delta(finish="stop")), *ends])


def assert_no_secret(text: str) -> None:
    flat = "".join(text.split()).lower()
    for spelling in SPELLED:
        for part in (spelling[:14], spelling[-14:]):
            assert part.rstrip(".").lower() not in flat, text[max(0, flat.find(part.lower())) :][
                :300
            ]
    for word in (PASSWORD, "1234567890", base64.b64encode(KEY.encode()).decode()[4:20].lower()):
        assert word not in flat


@pytest.fixture
def parrot(monkeypatch):
    monkeypatch.setattr(foreign, "_remembered", set())
    monkeypatch.setenv(KEY_VARIABLE, f"{KEY}\r\n")
    with Loopback(Parrot()) as server:
        address = f"http://127.0.0.1:{server.port}/{KEY.replace('/', '%2F')}/v1"
        yield server, address


def test_nothing_that_a_run_and_its_report_write_has_the_key(parrot, tmp_path, helpers_command):
    server, address = parrot
    with connect(address) as remote:
        assert remote.resolve("plain").id == "plain"
        names = [name for name in MODELS if KEY not in name]
        run = benchmark(
            remote, models=names, prompt="Hi", rounds=1, warmup=0, output=tmp_path, progress=False
        )
        write_report(run)
        shown = [str(run), run._repr_html_(), str(remote.models()), str(remote.chat("plain", "Hi"))]
        shown += ["".join(remote.stream(name, "Hi")) for name in ("plain", "pieces")]
        for name in ("refuses", "breaks"):
            with pytest.raises(EndpointError, match=r"\[key\]") as error:
                remote.chat(name, "Hi")
            shown.append(str(error.value))
    assert {request.headers["Authorization"] for request in server.requests} == {f"Bearer {KEY}"}
    assert load_run(run.folder).frame["text"].str.contains("[key]", regex=False).any()
    contribute(run, tmp_path / "gift")
    said = helpers_command("chat", "plain", "--prompt", "Hi", "--endpoint", address)
    shown += [said.stdout, said.stderr]
    assert "[key]" in said.stdout
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"run.json", "requests.jsonl", "benchmark_report.md"} <= {path.name for path in files}
    for text in [*shown, *(path.read_text(encoding="utf-8", errors="replace") for path in files)]:
        assert_no_secret(text)


def test_an_executed_notebook_has_no_key(parrot, tmp_path):
    _, address = parrot
    cells = (
        "import os; from helpers import connect; server = connect(os.environ['ADDRESS'])",
        "server.chat('plain', 'Hi')",
        "for piece in server.stream('pieces', 'Hi'): print(piece, end='')",
        "server.models()",
        "server.chat('refuses', 'Hi')",
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ADDRESS", address)
        NotebookClient(notebook, kernel_name="python3", allow_errors=True).execute()
    written = json.dumps(notebook)
    assert written.count("[key]") > 4
    assert "EndpointError: refuses did not answer" in written
    assert_no_secret(written)


def test_a_failed_load_has_no_key(monkeypatch):
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    with (
        Loopback(Parrot(loads=True)) as server,
        connect(server.base_url) as remote,
        pytest.raises(EndpointError, match=r"could not load .*\[key\]") as error,
    ):
        remote.load("unloadable-generic-cpu:1")
    assert_no_secret(str(error.value))


@pytest.mark.parametrize(
    "address",
    [
        f"htp://ana:{PASSWORD}@host",
        f"http://ana:{PASSWORD}@host:port/v1",
        f"http://ana:{PASSWORD}@/v1",
        f"ana:{PASSWORD}@host name",
        f"http://ana:pass/word{PASSWORD}@host:0",
    ],
)
def test_a_malformed_address_is_told_without_its_password(address):
    with pytest.raises(UsageError, match="is not the address of a server") as error:
        connect(address)
    assert_no_secret(str(error.value))


def test_a_missing_key_names_its_variable_and_no_password(monkeypatch):
    monkeypatch.setenv("MY_KEY", " \r\n")
    with pytest.raises(UsageError, match="MY_KEY is empty or not set") as error:
        connect(f"http://ana:{PASSWORD}@host/v1", key_variable="MY_KEY")
    assert_no_secret(str(error.value))
