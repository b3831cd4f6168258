"""Local against cloud in one report; routing with a real fallback; giving a result back, and checking one that somebody sent."""

import json
import os
import shutil

import pytest

from helpers import connect, load_run
from helpers.common.errors import KitError, UsageError
from helpers.common.paths import model_cache
from helpers.decision.routing import route
from helpers.decision.scorecard import Scorecard
from helpers.measure.merge import merge_runs
from helpers.models import lineup
from helpers.report.comparison import compare_models
from helpers.report.contribute import FILES, contribute, verify_contribution
from helpers.report.report import make_report, write_report
from helpers.report.sentences import network
from support.loopback import DONE, delta, event, serving, streamed, usage
from support.records import PROMPTS, about, answer, record, rows_of

KEY = "sk-abcdefghijklmnop1234"
CLOUD = streamed(
    [0.02, event(delta("Ana owns it")), event(delta(" by Friday.")), event(usage(40, 9)), DONE]
)


# ---------------------------------------------------------------- two servers


def test_the_same_plan_on_a_second_server_side_by_side(server, helpers_command, tmp_path):
    with serving(["cloud-large"], chat=CLOUD) as cloud:
        done = helpers_command(
            *(
                "benchmark",
                "--models",
                "pocket-nano",
                "--prompts",
                "deterministic",
                "--rounds",
                "3",
                "--output",
                str(tmp_path),
            ),
            *(
                "--against",
                cloud.base_url,
                "--against-models",
                "cloud-large",
                "--against-key-env",
                "CLOUD_KEY",
            ),
            CLOUD_KEY=KEY,
        )
        keys = {r.headers["Authorization"] for r in cloud.requests}
        host = f"127.0.0.1:{cloud.port}"
    assert done.returncode == 0, done.stderr
    assert keys == {f"Bearer {KEY}"}
    run = load_run(
        done.stderr.split("report: ")[1]
        .split("\n")[0]
        .removesuffix("benchmark_report.md")
        .rstrip("/\\")
    )
    assert run.models == ["pocket-nano @ local", f"cloud-large @ {host}"]
    assert [row["n_ok"] for row in run.summary] == [9, 9]
    text = (run.folder / "benchmark_report.md").read_text(encoding="utf-8")
    assert f"cloud-large @ {host}" in text and "pocket-nano @ local" in text
    assert "measured one run after the other" in text
    assert len(list(tmp_path.glob("*/run.json"))) == 3  # both runs stay as they are
    written = [
        path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()
    ]
    assert written == []
    again = helpers_command(
        "report",
        *sorted(str(p.parent) for p in tmp_path.glob("*/run.json") if p.parent != run.folder),
        "--cloud-input",
        "1",
    )
    assert again.returncode == 0, again.stderr
    assert "1,000 in the cloud, EUR" in load_run(tmp_path).folder.joinpath(
        "benchmark_report.md"
    ).read_text(encoding="utf-8")


def test_a_second_server_that_is_not_there_is_told_before_anything_is_measured(
    server, helpers_command, tmp_path
):
    done = helpers_command(
        "benchmark",
        "--models",
        "pocket-nano",
        "--prompt",
        "Hi",
        "--output",
        str(tmp_path),
        "--against",
        "http://127.0.0.1:9/v1",
    )
    assert done.returncode == 1
    assert "Cannot reach http://127.0.0.1:9/v1" in done.stderr
    with serving(["nobody-knows"]) as cloud:
        done = helpers_command(
            "benchmark",
            "--models",
            "pocket-nano",
            "--prompt",
            "Hi",
            "--output",
            str(tmp_path),
            "--against",
            cloud.base_url,
        )
    assert (done.returncode, "Which models?" in done.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


def two_runs(folder, factor: float = 1.1, **plan):
    first = record(folder, {"small": about(size_mb=2.0)}, rows_of("small"))
    slower = [
        answer(
            "small", p, n, factor * {"short": 0.1, "middle": 0.2, "long": 0.4}[p] * (1 + n / 1000)
        )
        for p in PROMPTS
        for n in range(1, 8)
    ]
    second = record(folder, {"small": about(source="endpoint")}, slower, **plan)
    return first, second


def test_joined_runs_allow_for_drift_and_name_their_differences(tmp_path):
    first, second = two_runs(tmp_path, temperature=1.0)
    run = merge_runs([first, second], tmp_path)
    assert run.models == ["small @ test server (1)", "small @ test server (2)"]
    assert [row["n_ok"] for row in run.summary] == [21, 21]
    same = record(tmp_path, {"a": about(), "b": about()}, [*(r for m in "ab" for r in rows_of(m))])
    width = {c.metric: c.high / c.low for c in compare_models(run)}
    narrow = {c.metric: c.high / c.low for c in compare_models(same)}
    assert (
        width["latency_s"] > narrow["latency_s"] + 0.2
    )  # 10 % between two sittings is not told apart
    assert not any(c.apart for c in compare_models(run) if c.metric == "latency_s")
    assert "The runs differ in temperature: 0.0 and 1.0." in run.info.joined_notes
    assert write_report(run).is_file()


def test_only_shared_prompts_are_joined(tmp_path):
    first, _ = two_runs(tmp_path)
    other = {
        "name": "mine",
        "title": "",
        "prompts": [
            {"id": "short", "text": "Say short.", "facets": [], "format": None},
            {"id": "long", "text": "Else."},
        ],
    }
    second = record(
        tmp_path,
        {"big": about()},
        [answer("big", p, 1, 0.1) for p in ("short", "long")],
        prompts=other,
    )
    run = merge_runs([first, second], tmp_path)
    assert set(run.frame["prompt_id"]) == {"short"}
    assert (
        "2 prompts are not in every run, or have another text there; they are left out."
        in run.info.joined_notes
    )
    third = record(
        tmp_path,
        {"big": about()},
        [],
        prompts={**other, "prompts": [{"id": "short", "text": "Other."}]},
    )
    with pytest.raises(UsageError, match="have no prompt in common"):
        merge_runs([first, third], tmp_path)
    with pytest.raises(UsageError, match="same run was given twice"):
        merge_runs([first, first], tmp_path)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://far.example:80/v1", "without the network it would be about 6 ms"),
        ("https://far.example/v1", "With TLS that is two round trips or more"),
        ("http://127.0.0.1:5/v1", None),
    ],
)
def test_network_time_is_shown_apart(tmp_path, address, words):
    rows = [answer("m", p, n, 0.1, connect_s=0.004) for p in PROMPTS for n in range(1, 4)]
    run = record(tmp_path, {"m": about(server={"kind": "x", "base_url": address})}, rows)
    said = network(Scorecard(run))
    assert (
        (said == [])
        if words is None
        else (words in said[0] and "opening a connection takes 4 ms" in said[0])
    )
    assert make_report(run).card.rows[0]["connect_p50_s"] == pytest.approx(0.004)


# ---------------------------------------------------------------- routing


@pytest.fixture
def models(tmp_path):
    path = tmp_path / "models.json"
    entry = {"size_mb": 2.0, "context": 100}
    tags = {
        "fast": ["chat"],
        "good": ["chat", "summarise"],
        "small": ["chat", "summarise"],
        "never-measured": ["summarise"],
    }
    path.write_text(
        json.dumps({name: {**entry, "capabilities": some} for name, some in tags.items()}),
        encoding="utf-8",
    )
    return lineup.load_models(path)


@pytest.fixture
def measured(tmp_path):
    facets = [{"id": "word", "any_of": ["right"]}]
    prompts = {
        "name": "mine",
        "title": "",
        "prompts": [{"id": p, "text": p, "facets": facets, "format": None} for p in PROMPTS],
    }
    rows = [
        answer(m, p, n, s, text=text)
        for m, s, text in (
            ("fast", 0.1, "No."),
            ("good", 3.0, "It is right."),
            ("small", 0.5, "No."),
        )
        for p in PROMPTS
        for n in range(1, 8)
    ]
    return record(
        tmp_path,
        {m: about(size_mb=2.0, license="MIT") for m in ("fast", "good", "small")},
        rows,
        prompts=prompts,
    )


def test_a_prompt_goes_where_tags_limits_and_rank_send_it(measured, models):
    found = route("Summarize this.", {"summarise"}, run=measured, models=models)
    assert found.choices == ["good", "small"]
    assert found.why["fast"] == "is not tagged summarise"
    assert found.why["good"].startswith("has summarise; total ")
    assert found.why["never-measured"].startswith("not in this run")
    limited = route("Summarize this.", {"summarise"}, {"max_p95_s": 1}, run=measured, models=models)
    assert limited.model == "small"
    assert "p95 latency 3 s is 3 times the limit of 1 s" in limited.why["good"]


def test_a_prompt_that_fits_no_context_and_a_tag_that_nobody_has(measured, models):
    found = route("word " * 100, {"chat"}, run=measured, models=models)
    assert found.choices == []
    assert found.why["good"] == "the prompt is about 166 tokens long and its context holds 100"
    with pytest.raises(UsageError, match=r"No model can answer this: .*context holds 100"):
        _ = found.model
    with pytest.raises(
        UsageError, match="No model of the line-up is tagged 'vision'; the tags are chat, summarise"
    ):
        route("Hi", {"vision"}, run=measured, models=models)


def test_the_next_model_answers_when_the_files_of_the_first_are_damaged(own_home, tmp_path):
    """The real runtime: one model is not there at all, one has lost its weights, the third answers."""
    with connect() as server:
        names = ["ghost", "pocket-mini", "pocket-nano"]
        run = record(
            tmp_path,
            {n: about(size_mb=2.0) for n in names},
            [answer(n, p, 1, 0.1) for n in names for p in PROMPTS],
        )
        (
            next((model_cache() / "Workshop").glob("pocket-mini-generic-cpu-*")) / "model.onnx.data"
        ).unlink()
        known = lineup.Lineup(
            {n: lineup.ModelEntry(capabilities=("chat",), size_mb=2.0) for n in names}
        )
        found = route("Hello", run=run, models=known)
        found.choices = names
        reply = found.ask(server, max_tokens=8)
    assert (reply.model, bool(reply.text)) == ("pocket-nano", True)
    assert found.tried[0].startswith("ghost: No model is called 'ghost'")
    assert found.tried[1].startswith("pocket-mini: Foundry Local could not load pocket-mini")
    assert found.tried[2] == "pocket-nano: answered"
    assert "ghost: No model is called" in str(found)


def test_when_no_model_answers_every_reason_is_told(measured, models):
    reasons = (
        r"No model answered\. good: No model is called 'good'.* small: No model is called 'small'"
    )
    with (
        serving(["other"]) as endpoint,
        connect(endpoint.base_url) as server,
        pytest.raises(KitError, match=reasons),
    ):
        route("Summarize.", {"summarise"}, run=measured, models=models).ask(server)


def test_route_from_the_command_line(server, helpers_command, tmp_path):
    run = record(
        tmp_path,
        {"pocket-nano": about(size_mb=2.5)},
        [answer("pocket-nano", p, 1, 0.1) for p in PROMPTS],
    )
    done = helpers_command("route", "Say OK.", "--run", str(run.folder), "--ask")
    assert done.returncode == 0, done.stderr
    assert "pocket-nano: answered" in done.stdout
    none = helpers_command("route", "Say OK.", "--run", str(run.folder), "--max-disk-mb", "1")
    assert none.returncode == 1
    assert "disk 2.5 MB is 2.5 times the limit of 1 MB" in none.stdout


# ---------------------------------------------------------------- giving back


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
        (lambda f: (f / "result.json").write_bytes(b"\xff\xfe"), "not UTF-8"),
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


def test_contribute_from_the_command_line(helpers_command, tmp_path):
    run = record(tmp_path, {"m": about(size_mb=2.0)}, rows_of("m"))
    done = helpers_command("contribute", str(run.folder), "--output", str(tmp_path / "gift"))
    assert done.returncode == 0, done.stderr
    assert "m: a new entry for models.json." in done.stdout
    assert helpers_command("contribute", "--check", str(tmp_path / "gift")).returncode == 0
    (tmp_path / "gift" / "result.json").write_text("{}", encoding="utf-8")
    bad = helpers_command("contribute", "--check", str(tmp_path / "gift"))
    assert (bad.returncode, "Traceback" in bad.stderr) == (2, False)
