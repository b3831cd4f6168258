"""Give a result back, and check one that was sent."""

import json
import os
import re
import shutil

import hypothesis
import pytest
from hypothesis import strategies as st

from helpers.common.errors import UsageError
from helpers.report.contribute import FILES, PRIVATE, contribute, verify_contribution
from support.records import about, record, rows_of


@pytest.fixture
def given(tmp_path):
    secret = "http://10.0.0.7:5273/v1"
    facts = {
        "new-model": about(size_mb=12.0, license="MIT", load_s=0.1),
        "Org/Cloud-Model @ far.example": about(size_mb=None, source="endpoint"),
    }
    run = record(
        tmp_path,
        facts,
        [r for m in facts for r in rows_of(m, text="My name is Ana, ana@example.com")],
    )
    run.info.server.base_url = secret
    return contribute(run, tmp_path / "gift")


def test_a_contribution_is_small_readable_and_without_private_data(given):
    assert sorted(path.name for path in given.iterdir()) == sorted(FILES)
    everything = "".join(path.read_text(encoding="utf-8") for path in given.iterdir())
    for private in ("Ana", "10.0.0.7", "far.example", "Say short", os.path.expanduser("~/")):
        assert private not in everything
    assert len(everything) < 20_000
    assert json.loads((given / "models.json").read_text(encoding="utf-8")) == {
        "new-model": {"capabilities": ["chat"], "size_mb": 12.0, "license": "MIT"},
        "org-cloud-model": {"capabilities": ["chat"], "size_mb": None},
    }
    said = verify_contribution(given)
    assert said[0].startswith("2 models on ")
    assert said[1:] == [
        "new-model: a new entry for models.json.",
        "org-cloud-model: a new entry for models.json.",
    ]


def edit(folder, name: str, change) -> None:
    path = folder / name
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda f: (f / "models.json").unlink(), "models.json is missing"),
        (lambda f: (f / "run.sh").write_text("rm -rf /"), r"run\.sh does not belong"),
        (lambda f: (f / "result.json").write_text("{"), r"result\.json: invalid JSON"),
        (lambda f: (f / "result.json").write_text("[" * 100_000), r"result\.json"),
        (lambda f: (f / "result.json").write_bytes(b"\xff"), "cannot be read as UTF-8"),
        (lambda f: (f / "result.json").write_text(" " * 300_000), "larger than 200 kB"),
        (
            lambda f: (f / "models.json").write_text(
                '{"../../etc": {"capabilities": [], "size_mb": 1}}'
            ),
            "is not an alias",
        ),
        (
            lambda f: (f / "models.json").write_text(
                '{"a": {"capabilities": ["chat"], "size_mb": -1}}'
            ),
            "size_mb",
        ),
        (
            lambda f: (f / "README.md").write_text("<script>alert(1)</script>"),
            "holds HTML or a script",
        ),
        (
            lambda f: (f / "README.md").write_text("see http://evil.example/x"),
            r"README\.md contains what looks like an address",
        ),
        (
            lambda f: edit(f, "result.json", lambda r: r["results"][0].update(latency_p50_s=-1)),
            r"results\.0\.latency_p50_s: must be greater",
        ),
        (
            lambda f: edit(
                f, "result.json", lambda r: r["results"][0].update(latency_p50_s="1e999")
            ),
            r"results\.0\.latency_p50_s",
        ),
        (
            lambda f: edit(f, "result.json", lambda r: r["results"][0].update(model="<b>x")),
            r"results\.0\.model",
        ),
        (
            lambda f: edit(f, "result.json", lambda r: r["results"][0].update(quality=3)),
            r"results\.0\.quality",
        ),
        (lambda f: edit(f, "result.json", lambda r: r.update(results=[])), "results"),
        (lambda f: edit(f, "result.json", lambda r: r.update(form=2)), "form"),
        (
            lambda f: edit(f, "result.json", lambda r: r.update(note="x")),
            "note: unknown field",
        ),
        (
            lambda f: edit(f, "environment.json", lambda e: e["machine"].update(cpu={"a": 1})),
            r"environment\.json: machine\.cpu",
        ),
        (
            lambda f: edit(
                f, "environment.json", lambda e: e["machine"].update(cpu="of ana@example.com")
            ),
            r"environment\.json contains what looks like",
        ),
        (
            lambda f: edit(
                f, "environment.json", lambda e: e["packages"].update(x="/Users/ana/lib")
            ),
            r"environment\.json contains what looks like",
        ),
    ],
)
def test_what_somebody_sends_is_not_trusted(given, tmp_path, harm, message):
    sent = shutil.copytree(given, tmp_path / "sent")
    harm(sent)
    with pytest.raises(UsageError, match=message):
        verify_contribution(sent)


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-Abc123Abc123Abc123",
        "sk-ant-api03-Abc123Abc123Abc123",
        "sk-or-v1-0123456789abcdef",
        "ghp_Abc123Abc123Abc123",
        "github_pat_11ABCDEFG0123_abcdefABCDEF",
        "glpat-Abc123Abc123Ab",
        "hf_AbcdefAbcdefAbcdef",
        "gsk_Abc123Abc123Abc123",
        "nvapi-Abc123Abc123Abc123",
        "xoxb-123456789012-Abc123Abc123",
        "AKIAIOSFODNN7EXAMPLE",
        "AIzaSyA-1234567890abcdefghij",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
        "0123456789abcdef0123456789abcdef",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        "Bearer abcdefgh12",
        "api_key = abcdef12",
        "password: hunter22",
        "/" + "root/models/x",
        "~/models/x",
        "C:/models/x",
        "D:\\models",
        "\\\\server\\share",
        "file:///srv/x",
        "2001:db8:0:1:0:0:0:1",
        "ana.maria@mail.example",
    ],
)
def test_keys_addresses_and_folders_are_found_in_what_was_sent(given, secret):
    edit(given, "environment.json", lambda e: e["machine"].update(cpu=f"Ryzen {secret}"))
    with pytest.raises(UsageError, match=r"environment\.json contains what looks like"):
        verify_contribution(given)


@pytest.mark.parametrize(
    "text", ["a" * 199_000, "a." * 99_000, "key_" * 49_000, "bearer " * 28_000, "1.1." * 49_000]
)
def test_a_long_text_takes_no_long_time_to_look_through(text):
    """With one quadratic pattern this would take minutes, and the suite would stop it."""
    assert re.search(PRIVATE, text) is None


@pytest.mark.parametrize(
    ("name", "given_name"),
    [
        ("/gguf/LFM2.5-1.2B-Instruct-Q8_0.gguf", "LFM2.5-1.2B-Instruct-Q8_0.gguf"),
        ("/home/Ana/models/qwen2.5.gguf", "qwen2.5.gguf"),
        ("C:\\Users\\ana\\my model (1).gguf", "my-model-1-.gguf"),
        ("@cf/meta/llama-3.1-8b-instruct", "@cf/meta/llama-3.1-8b-instruct"),
        ("/home/Ana/x.gguf @ gpu.example", "x.gguf @ endpoint"),
        ("llama3.2:1b", "llama3.2:1b"),
    ],
)
def test_a_name_from_a_server_is_given_without_its_folders(tmp_path, name, given_name):
    run = record(tmp_path, {name: about(size_mb=None, source="endpoint")}, rows_of(name))
    folder = contribute(run, tmp_path / "gift")
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    assert result["results"][0]["model"] == given_name
    assert "ana" not in "".join(path.read_text(encoding="utf-8") for path in folder.iterdir())


def test_nothing_is_left_behind_that_would_not_pass_the_check(tmp_path):
    run = record(tmp_path, {"m": about(license="see ana@mail.example")}, rows_of("m"))
    with pytest.raises(UsageError, match="looks like"):
        contribute(run, tmp_path / "gift")
    run = record(tmp_path, {"m": about()}, rows_of("m"))
    run.info.server.kind = "x" * 300
    with pytest.raises(UsageError, match="Nothing was written"):
        contribute(run, tmp_path / "gift2")
    assert not (tmp_path / "gift").exists()
    assert not (tmp_path / "gift2").exists()


def test_a_link_out_of_the_folder_is_not_followed(given, tmp_path):
    (tmp_path / "elsewhere.json").write_text("{}", encoding="utf-8")
    (given / "result.json").unlink()
    try:
        (given / "result.json").symlink_to(tmp_path / "elsewhere.json")
    except OSError:
        pytest.skip("this system makes no symbolic links")
    with pytest.raises(UsageError, match=r"result\.json is missing, or not a plain file"):
        verify_contribution(given)


def test_figures_that_cannot_be_are_pointed_at(given):
    edit(given, "result.json", lambda r: r["results"][0].update(ttft_p50_s=9.0, n_ok=5))
    assert (
        "new-model: a median TTFT above the median latency; ask how it was measured."
        in verify_contribution(given)
    )
    assert "new-model: a p95 from 5 answers; it needs 20." in verify_contribution(given)


def test_only_a_finished_run_can_be_given_and_nothing_is_overwritten(given, tmp_path):
    with pytest.raises(UsageError, match="only a finished run"):
        contribute(
            record(tmp_path, {"m": about()}, rows_of("m"), status="interrupted"), tmp_path / "x"
        )
    with pytest.raises(UsageError, match="is not empty"):
        contribute(record(tmp_path, {"m": about()}, rows_of("m")), given)


def test_contribute_from_the_command_line(command_here, tmp_path):
    run = record(tmp_path, {"m": about(size_mb=2.0)}, rows_of("m"))
    done = command_here("contribute", str(run.folder), "--output", str(tmp_path / "gift"))
    assert done.returncode == 0, done.stderr
    assert "m: a new entry for models.json." in done.stdout
    assert command_here("contribute", "--verify", str(tmp_path / "gift")).returncode == 0
    (tmp_path / "gift" / "result.json").write_text("{}", encoding="utf-8")
    bad = command_here("contribute", "--verify", str(tmp_path / "gift"))
    assert (bad.returncode, "Traceback" in bad.stderr) == (2, False)


WORDS = [
    "{",
    "}",
    "[",
    "]",
    '"model"',
    '"form"',
    ":",
    ",",
    "1",
    "1e999",
    "-1",
    "NaN",
    "null",
    '"\\ud800"',
    "\n",
    "<b",
    "\x00",
]
HARM = (
    st.binary(max_size=80)
    | st.lists(st.sampled_from(WORDS), max_size=20).map("".join).map(str.encode)
    | st.just(b"[" * 9_000)
    | st.just(b'{"a":' * 9_000)
    | st.just(b"9" * 4_400)
)


@hypothesis.settings(
    max_examples=30, deadline=None, suppress_health_check=list(hypothesis.HealthCheck)
)
@hypothesis.given(
    name=st.sampled_from(FILES),
    harm=HARM,
    keep=st.integers(0, 400),
    encoding=st.sampled_from(["utf-8", "utf-16"]),
)
def test_contributions_of_any_bytes_end_in_sentences(given, tmp_path, name, harm, keep, encoding):
    sent = tmp_path / "sent"
    shutil.copytree(given, sent, dirs_exist_ok=True)
    whole = (given / name).read_text(encoding="utf-8")
    (sent / name).write_bytes(whole[:keep].encode(encoding) + harm + whole[keep:].encode(encoding))
    try:
        said = verify_contribution(sent)
    except UsageError as error:
        said = [str(error)]
    assert all(line.endswith(".") and len(line) < 2000 for line in said), said
    assert not any("\n" in line or "\x1b" in line for line in said)


def test_a_set_with_a_name_of_words_can_be_given_back(tmp_path):
    run = record(
        tmp_path,
        {"m": about(size_mb=1.0)},
        rows_of("m"),
        prompts={"name": "My جلسه‌ها", "prompts": [{"id": "Q 1", "text": "x"}]},
    )
    assert verify_contribution(contribute(run, tmp_path / "gift"))[0].startswith("1 model on ")


def test_a_remote_model_is_not_credited_to_this_processor(tmp_path):
    """Its figures are another machine's: result.json says so, and this machine is left out where none ran here."""
    server = {"kind": "x", "base_url": "http://far.example/v1"}
    facts = {"here": about(size_mb=2.0), "cloud": about(size_mb=None, server=server)}
    mixed = record(tmp_path / "mixed", facts, [*rows_of("here"), *rows_of("cloud")])
    folder = contribute(mixed, tmp_path / "gift")
    results = json.loads((folder / "result.json").read_text(encoding="utf-8"))["results"]
    assert {one["model"]: one["remote"] for one in results} == {"here": False, "cloud": True}
    said = verify_contribution(folder)
    assert said[1].startswith("1 model on another machine, whose processor is not known")
    assert "another machine" not in said[0]
    alone = record(tmp_path / "alone", {"cloud": facts["cloud"]}, rows_of("cloud"))
    folder = contribute(alone, tmp_path / "second")
    told = json.loads((folder / "environment.json").read_text(encoding="utf-8"))
    assert told["machine"] == {}
