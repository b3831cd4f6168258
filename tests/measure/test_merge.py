"""Two runs in one: the same plan on a second server, and what does not fit together."""

import pytest

from helpers import load_run
from helpers.common.errors import UsageError
from helpers.measure.merge import merge_runs
from helpers.report.comparison import compare_models
from helpers.report.report import write_report
from support.loopback import DONE, delta, event, serving, streamed, usage
from support.records import PROMPTS, about, answer, record, rows_of

KEY = "sk-abcdefghijklmnop1234"


CLOUD = streamed(
    [0.02, event(delta("Ana owns it")), event(delta(" by Friday.")), event(usage(40, 9)), DONE]
)


def test_the_same_plan_on_a_second_server_side_by_side(server, command_here, tmp_path):
    with serving(["cloud-large"], chat=CLOUD) as cloud:
        done = command_here(
            *(
                "benchmark",
                "--models",
                "pocket-nano",
                "--prompts",
                "deterministic",
                "--rounds",
                "3",
                "--no-resources",
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
    again = command_here(
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
    server, command_here, tmp_path
):
    done = command_here(
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
    with serving(["nobody-knows", "nor-this"]) as cloud:
        done = command_here(
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


def test_a_merged_run_and_one_that_lies_aside_are_read_when_named_and_are_never_the_latest(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path))
    aside = [
        record(tmp_path / "custom", {name: about()}, rows_of(name)) for name in ("mine", "rules")
    ]
    with pytest.raises(UsageError, match="There is no run in"):
        load_run()
    own = record(tmp_path, {"small": about()}, rows_of("small"))
    merged = merge_runs([own, *aside], tmp_path)
    later = record(tmp_path / "custom", {"mine": about()}, rows_of("mine"))
    assert load_run().folder == own.folder
    assert load_run(merged.folder.name).info.joined_from
    assert load_run("custom").folder == later.folder
