"""A run folder written through the record's own classes, then read, summarised, reported and drawn."""

import csv
import html
import io
import json
import os
import re
import struct
from xml.etree import ElementTree

import pytest

from helpers.common import templates
from helpers.common.errors import FileError, UsageError
from helpers.common.show import Table
from helpers.decision.scorecard import Scorecard
from helpers.measure.info import SCHEMA
from helpers.measure.record import Run, load_run
from helpers.measure.recorder import Recorder
from helpers.measure.rows import Row
from helpers.models.prompts import prompt_list
from helpers.quality.facets import score_facets
from helpers.report import charts
from helpers.report.comparison import compare_models
from helpers.report.draw import MARKERS
from helpers.report.report import Report, Section, make_report, summary_csv, write_report
from helpers.report.sentences import highlights, limits
from support.records import (
    NASTY,
    PROMPTS,
    ROUNDS,
    TWO,
    about,
    answer,
    edit_info,
    failure,
    info,
    record,
    rows_of,
)

WITH_MISSING = {**TWO, "missing": about(status="skipped", error="No model is called 'missing'.")}


@pytest.fixture
def run(tmp_path):
    """Two models with 21 requests each, the small one's last failed, texts nasty; a third model skipped."""
    small = rows_of("small", text=NASTY)
    small[-1] = failure("small", "long", ROUNDS, "HTTP 500: <script>alert('x')</script> | *boom*")
    skipped = [
        Row("missing", None, p, n, "measure", "skipped", error="No model is called 'missing'.")
        for n in range(1, ROUNDS + 1)
        for p in PROMPTS
    ]
    return record(tmp_path, WITH_MISSING, [*small, *rows_of("large"), *skipped])


def row_of(run: Run, model: str) -> dict:
    return next(row for row in run.summary if row["model"] == model)


# The record --------------------------------------------------------------------------------------------------------


def test_a_row_comes_back_as_it_was_written(tmp_path):
    row = answer("small", "short", 1, 0.1, text="h\u00e9\n\u2028 \U0001d11e")
    found = record(tmp_path, TWO, [row]).rows
    assert len(found) == 1
    assert {**found[0], "chunk_times_s": tuple(found[0]["chunk_times_s"])} == row.to_dict()


def test_a_text_that_no_encoding_knows_does_not_stop_the_record(tmp_path):
    """A server may send half a surrogate pair; whatever keeps it out, the run must go on."""
    run = record(
        tmp_path,
        TWO,
        [answer("small", "short", 1, 0.1, text="half \ud834"), answer("small", "short", 2, 0.1)],
    )
    assert len(run.rows) == 2
    assert run.rows[0]["text"].startswith("half ")


def test_every_row_is_on_disk_before_the_next_request(tmp_path):
    """What a killed run leaves behind is all that it measured."""
    recorder = Recorder(info(TWO), tmp_path)
    for number in range(1, 4):
        recorder.add(answer("small", "short", number, 0.1))
        assert [r["round"] for r in Run(recorder.folder).rows] == list(range(1, number + 1))
    assert Run(recorder.folder).status == "running"
    assert recorder.finish("finished").status == "finished"


def test_the_frame_has_every_row_and_column(run):
    assert set(run.frame.columns) == set(run.rows[0]) - {"chunk_times_s"}
    assert len(run.frame) == len(run.rows) == 2 * 22 + 21
    assert set(run.frame["phase"]) == {"warmup", "measure"}


def test_warm_up_is_kept_and_not_measured(run):
    assert sum(r["phase"] == "warmup" for r in run.rows) == 2
    assert set(run.headline["phase"]) == {"measure"}
    assert list(run.headline["model"]).count("large") == 21
    assert max(v for some in run.values("large", "latency_s").values() for v in some) < 99


@pytest.mark.parametrize(
    "half", [b'{"model": "small", "te', b'{"model": "small", "text": "h\xc3', b"{", b"\x00"]
)
def test_a_half_written_last_line_is_passed_over(tmp_path, half):
    run = record(tmp_path, TWO, rows_of("small"), status=None)
    with (run.folder / "requests.jsonl").open("ab") as file:
        file.write(half)
    again = Run(run.folder)
    assert len(again.rows) == 22
    assert row_of(again, "small")["n_ok"] == 21


def test_a_damaged_line_in_the_middle_is_told_with_its_place(tmp_path):
    run = record(tmp_path, TWO, rows_of("small"))
    path = run.folder / "requests.jsonl"
    lines = path.read_text(encoding="utf-8").split("\n")
    lines[4] = lines[4][:30]
    path.write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UsageError, match=r"requests\.jsonl.*line 5"):
        _ = Run(run.folder).rows


def test_a_folder_without_a_run(tmp_path):
    with pytest.raises(UsageError, match=r"holds no run \(no run\.json\)"):
        Run(tmp_path)


def test_a_run_file_that_is_no_json(tmp_path):
    (tmp_path / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match=r"run\.json is not valid JSON"):
        Run(tmp_path)


@pytest.mark.parametrize("content", ["[]", "null", "7"])
def test_a_run_file_that_is_no_object(tmp_path, content):
    (tmp_path / "run.json").write_text(content, encoding="utf-8")
    with pytest.raises(UsageError):
        Run(tmp_path)


@pytest.mark.parametrize("schema", [SCHEMA + 1, 0, None])
def test_another_form_of_record_is_refused(tmp_path, schema):
    run = record(tmp_path, TWO, [])
    with pytest.raises(
        UsageError, match=f"recorded in form {schema}, this kit reads form {SCHEMA}"
    ):
        edit_info(run, schema=schema)


def test_a_run_is_found_by_folder_by_name_and_as_the_latest(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path))
    with pytest.raises(UsageError, match="no run"):
        load_run()
    made = [record(tmp_path, TWO, []) for _ in range(3)]
    started = [
        "2026-01-02T00:00:00.000+00:00",
        "2026-01-03T00:00:00.000+00:00",
        "2026-01-01T00:00:00.000+00:00",
    ]
    for run, when in zip(made, started, strict=True):
        edit_info(run, started_at=when)
    assert load_run(made[0].folder).folder == made[0].folder
    assert load_run(made[2].folder.name).folder == made[2].folder
    assert load_run().folder == made[1].folder
    with pytest.raises(UsageError, match="holds no run"):
        load_run("not-there")


def test_an_old_run_does_not_hide_the_latest(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path))
    old, damaged, good = (record(tmp_path, TWO, []) for _ in range(3))
    with pytest.raises(UsageError):
        edit_info(old, schema=0)
    (damaged.folder / "run.json").write_text("{", encoding="utf-8")
    assert load_run().folder == good.folder


# The summary, by hand ----------------------------------------------------------------------------------------------


def test_summary_of_the_large_model(run):
    """Of 21 latencies the eleventh is the median: that is the middle prompt's, 0.4 s, in its undisturbed round."""
    row = row_of(run, "large")
    assert (row["status"], row["n_ok"], row["n_failed"], row["n_skipped"]) == ("ok", 21, 0, 0)
    assert row["latency_p50_s"] == pytest.approx(0.4)
    assert row["latency_mean_s"] == pytest.approx(
        (0.2 + 0.4 + 0.8) / 3
    )  # the wobble adds up to nothing
    # Position 0.95 * 20 = 19: the twentieth of 21, the long prompt's second slowest.
    assert row["latency_p95_s"] == pytest.approx(0.8 * 1.01)
    assert row["ttft_p50_s"] == pytest.approx(0.04)
    assert row["ttft_p95_s"] == pytest.approx(0.08 * 1.01)
    assert row["output_tokens_per_s_p50"] == pytest.approx(10 / (0.9 * 0.4))
    assert (row["size_mb"], row["license"], row["load_s"], row["sample"], row["error"]) == (
        27.0,
        "MIT",
        1.5,
        "An answer.",
        None,
    )


def test_a_failure_stays_in_the_denominator_and_out_of_the_figures(run):
    row = row_of(run, "small")
    assert (row["status"], row["n_ok"], row["n_failed"], row["n_skipped"]) == ("partial", 20, 1, 0)
    # 20 values: seven around 0.1, seven around 0.2, six around 0.4; the tenth and eleventh are 0.199 and 0.2.
    assert row["latency_p50_s"] == pytest.approx((0.2 * 0.995 + 0.2) / 2)
    assert row["latency_p95_s"] == pytest.approx(
        0.4 * 1.01 + 0.05 * 0.4 * 0.01
    )  # position 0.95 * 19 = 18.05
    assert row["error"].startswith("HTTP 500")
    assert row["sample"] == NASTY[:160]


def test_a_skipped_model_has_a_reason_and_no_figures(run):
    row = row_of(run, "missing")
    assert (row["status"], row["n_ok"], row["n_failed"], row["n_skipped"]) == ("skipped", 0, 0, 21)
    assert row["error"] == "No model is called 'missing'."
    assert [row[k] for k in row if k.endswith(("_s", "p50"))] == [None] * 11


def test_no_p95_below_twenty_answers(tmp_path):
    row = row_of(record(tmp_path, TWO, rows_of("small", rounds=range(1, 7))), "small")
    assert (row["n_ok"], row["latency_p95_s"], row["ttft_p95_s"]) == (18, None, None)
    assert row["latency_p50_s"] is not None


def test_intervals_lie_around_the_median(run):
    for model in ("small", "large"):
        for metric, column in (
            ("latency_s", "latency_p50_s"),
            ("ttft_s", "ttft_p50_s"),
            ("output_tokens_per_s", "output_tokens_per_s_p50"),
        ):
            low, high = run.intervals[model][metric]
            assert low <= row_of(run, model)[column] <= high
    assert run.intervals["missing"]["latency_s"] == [None, None]


def test_one_outlier_is_found_and_kept(tmp_path):
    rows = rows_of("small")
    slow = answer("small", "short", 3, 5.0)
    run = record(
        tmp_path,
        {"small": TWO["small"]},
        [slow if (r.prompt_id, r.round) == ("short", 3) else r for r in rows],
    )
    assert run.outlier_marks("small", "latency_s")["short"] == [
        False,
        False,
        True,
        False,
        False,
        False,
        False,
    ]
    assert not any(run.outlier_marks("small", "latency_s")["long"])
    assert max(run.values("small", "latency_s")["short"]) == 5.0
    assert row_of(run, "small")["n_ok"] == 21
    table = run.outliers("latency_s")
    assert [list(r[:3]) for r in table.rows] == [["small", "short", 5.0]]
    assert table.note == "1 of 21 answered requests are outliers."
    assert "1 of 21 requests are marked as outliers" in charts.per_prompt(run).finding


def test_the_table_shows_status_and_counts(run):
    text = str(run)
    assert [line.split()[:4] for line in text.splitlines()[2:5]] == [
        ["small", "20", "of", "21"],
        ["large", "21", "40", "400"],
        ["missing", "0", "of", "21"],
    ]
    assert "Problems: small: HTTP 500" in text
    assert "missing: No model is called 'missing'." in text
    assert "<script" not in run._repr_html_()


# Comparison --------------------------------------------------------------------------------------------------------


def test_comparison_tells_the_true_factor(run):
    verdicts = {v.metric: v for v in compare_models(run)}
    assert set(verdicts) == {"ttft_s", "latency_s", "output_tokens_per_s"}
    assert all((v.model, v.baseline) == ("large", "small") for v in verdicts.values())
    assert verdicts["latency_s"].ratio == pytest.approx(2, rel=0.01)
    assert verdicts["output_tokens_per_s"].ratio == pytest.approx(0.5, rel=0.01)
    assert verdicts["latency_s"].apart
    assert verdicts["latency_s"].confidence == pytest.approx(1 - 0.05 / 3)
    assert "Latency: large takes 2 times as long as small" in str(compare_models(run))
    assert "Latency: large takes 2 times as long as small" in str(
        compare_models(run, baseline="large")
    )
    assert compare_models(run)._repr_html_().startswith("<ul><li>TTFT: ")


def test_comparison_with_a_model_that_is_not_there(run):
    with pytest.raises(UsageError, match="'huge' is not in this run; it has small, large, missing"):
        compare_models(run, baseline="huge")


def test_comparison_of_one_model(tmp_path):
    run = record(tmp_path, {"small": TWO["small"]}, rows_of("small"))
    assert len(compare_models(run)) == 0
    assert str(compare_models(run)) == "Only one model answered, so there is nothing to compare."
    assert highlights(run) == ["Only one model answered, so there is nothing to compare."]


# The report --------------------------------------------------------------------------------------------------------


def test_summary_json(run):
    write_report(run)
    found = json.loads((run.folder / "summary.json").read_text(encoding="utf-8"))
    assert (found["run"], found["status"]) == (run.folder.name, "finished")
    for row, measured, judged in zip(
        found["models"], run.summary, score_facets(run).summary, strict=True
    ):
        expected = {
            **measured,
            **judged,
            "disk_mb": measured["size_mb"],
        }  # nobody measured the disk: the size is what there is
        assert {name: row[name] for name in expected} == expected
    assert found["models"][0]["sample"] == NASTY[:160]
    assert found["median_intervals_95"]["large"]["latency_s"] == run.intervals["large"]["latency_s"]


def test_summary_csv(run):
    write_report(run)
    text = (run.folder / "summary.csv").read_text(encoding="utf-8")
    assert text == summary_csv(Scorecard(run))
    assert len(text.splitlines()) == 4
    rows = list(csv.DictReader(io.StringIO(text)))
    assert set(rows[0]) == set(Scorecard(run).rows[0])
    assert list(rows[0])[:3] == ["model", "status", "n_ok"]
    assert list(rows[0])[-2:] == ["sample", "error"]
    assert [r["model"] for r in rows] == ["small", "large", "missing"]
    assert float(rows[1]["latency_p50_s"]) == pytest.approx(0.4)
    assert rows[2]["latency_p50_s"] == ""
    assert rows[0]["sample"].startswith('\'=HYPERLINK("http://x")|a b')


def test_a_new_column_of_the_scorecard_is_in_the_csv_without_another_edit(run, monkeypatch):
    rows = [{**row, "ttfo_p50_s": 0.25} for row in Scorecard(run).rows]
    monkeypatch.setattr(Scorecard, "rows", rows)
    assert [
        row["ttfo_p50_s"] for row in csv.DictReader(io.StringIO(summary_csv(Scorecard(run))))
    ] == ["0.25"] * 3


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\n=", " =", "\x00="])
def test_no_cell_of_the_csv_is_a_formula(tmp_path, start):
    run = record(
        tmp_path,
        {"small": about(license=f"{start}1+1")},
        [answer("small", "short", 1, 0.1, text=f"{start}cmd|x")],
    )
    row = next(csv.DictReader(io.StringIO(summary_csv(Scorecard(run)))))
    assert row["sample"].startswith("'")
    assert row["license"].startswith("'")


def test_report_has_every_part(run):
    path = write_report(run)
    assert path == run.folder / "benchmark_report.md"
    text = path.read_text(encoding="utf-8")
    assert re.findall(r"^#+ .*$", text, re.M) == [
        "# Benchmark report",
        "## Table",
        "## Decision",
        "## Quality",
        "## Highlights",
        "## Charts",
        "## Sample answers",
        "## Limits",
        "## Environment",
    ]
    assert (
        "The run sent 3 prompts (mine) to 3 models in 7 rounds, with temperature 0, "
        "at most 64 tokens per answer and concurrency 1." in text
    )
    assert "test server served the models." in text
    assert re.search(r"^\| small +\| partial +\| +20 +\| +21 +\|", text, re.M)
    assert "- small: partial (1 failed, 0 skipped). HTTP 500" in text
    assert "- missing: skipped (0 failed, 21 skipped). No model is called 'missing'." in text
    assert "- Latency: large takes 2 times as long as small" in text
    assert "not finished" not in text
    assert "None" not in text


def test_what_may_have_held_the_processor_back_is_on_the_first_screen(run):
    about_it = run.info.environment.model_dump()
    about_it["machine"] |= {"on_mains_power": False}
    changed = edit_info(run, environment=about_it)
    assert ["ran on battery" in it for it in make_report(changed).say("warnings")] == [True]


def test_pictures_of_the_report_exist_and_have_words(run):
    text = write_report(run).read_text(encoding="utf-8")
    pictures = re.findall(r"^!\[(.+)\]\((.+)\)$", text, re.M)
    assert [name for _, name in pictures] == [f"{name}.svg" for name in ("ratios", "prompts")]
    for alt, name in pictures:
        assert len(alt) > 20
        assert (run.folder / name).read_bytes().startswith(b"<?xml")


def test_quality_is_in_every_form_of_the_report(tmp_path):
    """Where the prompts expect something: table, verdict, picture, CSV and JSON say the same."""
    facets = [{"id": "word", "any_of": ["right"]}]
    rows = [
        answer(model, p, n, 0.1, text="It is right." if model == "good" else "No.")
        for model in ("good", "poor")
        for p in PROMPTS
        for n in (1, 2, 3)
    ]
    run = record(tmp_path, {"good": about(), "poor": about()}, rows)
    for prompt in run.info.plan.prompts.prompts:
        prompt.facets = facets
    text = write_report(run).read_text(encoding="utf-8")
    assert "![TTFT, Latency and Output tokens/s of poor as multiples of good." in text
    assert "- Quality: cannot tell poor and good apart with 3 prompts; an interval needs 5." in text
    assert [
        float(row["quality"]) for row in csv.DictReader(io.StringIO(summary_csv(Scorecard(run))))
    ] == [
        1,
        0,
    ]
    assert [
        row["quality"]
        for row in json.loads((run.folder / "summary.json").read_text(encoding="utf-8"))["models"]
    ] == [1, 0]
    assert charts.quality_and_speed(run).finding == (
        "Dots: mean quality over n = 3 prompts and median latency. Bars: 95 % intervals."
    )


def test_nothing_in_the_report_is_markup_of_a_model(run):
    text = write_report(run).read_text(encoding="utf-8")
    assert "<script" not in text
    assert not re.search(r"(?<!\\)\]\(javascript", text)
    sample = next(line for line in text.splitlines() if line.startswith("- small: =HYPER"))
    # The sample's first 160 characters on one line, every mark of Markdown behind a backslash.
    plain = html.unescape(re.sub(r"\\([^\w\s])", r"\1", sample.removeprefix("- small: ")))
    assert plain == " ".join(NASTY[:160].split())
    assert not re.search(r"(?<!\\)[`*|~\[\]]", sample.removeprefix("- small: "))


def test_limits_name_the_answers_without_a_rate(tmp_path):
    rows = rows_of("small", rounds=range(1, 3)) + rows_of("small", rounds=range(3, 5), tokens=None)
    run = record(tmp_path, {"small": TWO["small"]}, rows)
    assert any(
        line.startswith("small: output tokens/s is known for 6 of 12 answers")
        for line in limits(run)
    )
    assert not any("not streamed" in line for line in limits(run))


def test_limits_of_a_run_that_was_not_streamed(tmp_path):
    rows = [
        answer(
            "small",
            "short",
            n,
            0.1,
            ttft_s=None,
            itl_s=None,
            output_tokens_per_s=None,
            chunk_times_s=(),
        )
        for n in range(1, 8)
    ]
    run = record(tmp_path, {"small": TWO["small"]}, rows, stream=False)
    assert "Answers were not streamed, so there is no TTFT and no output tokens/s." in limits(run)
    text = write_report(run).read_text(encoding="utf-8")
    assert "output tokens/s is known" not in text
    assert row_of(run, "small")["ttft_p50_s"] is None


def test_limits_name_an_order_that_was_not_interleaved(tmp_path):
    run = record(tmp_path, TWO, rows_of("small"))
    run.info.order = "one model after the other: memory does not hold all at once"
    assert any(line.startswith("Order: one model after the other") for line in limits(run))


@pytest.mark.parametrize(
    ("status", "words"),
    [("interrupted", "This run is interrupted"), (None, "This run is not finished")],
)
def test_a_run_that_did_not_finish_is_reported_as_far_as_it_got(tmp_path, status, words):
    run = record(
        tmp_path, TWO, rows_of("small") + rows_of("large", rounds=range(1, 3)), status=status
    )
    text = write_report(run).read_text(encoding="utf-8")
    assert words in text
    assert (row_of(run, "small")["n_ok"], row_of(run, "large")["n_ok"]) == (21, 6)
    assert "Latency: " in text
    assert json.loads((run.folder / "summary.json").read_text(encoding="utf-8"))["status"] == (
        status or "running"
    )


@pytest.mark.parametrize("status", ["interrupted", None])
def test_a_run_that_ended_before_its_first_answer(tmp_path, status):
    run = record(tmp_path, {name: about(status="planned") for name in TWO}, [], status=status)
    text = write_report(run).read_text(encoding="utf-8")
    assert "No model answered, so there is nothing to compare." in text
    assert "None" not in text
    assert "![" not in text


def test_a_run_in_which_nothing_was_answered(tmp_path):
    run = record(
        tmp_path, {"small": TWO["small"]}, [failure("small", p, n) for n in (1, 2) for p in PROMPTS]
    )
    assert (row_of(run, "small")["status"], row_of(run, "small")["n_failed"]) == ("failed", 6)
    text = write_report(run).read_text(encoding="utf-8")
    assert "small: failed (6 failed, 0 skipped). HTTP 500: Out of memory" in text
    assert "No model answered" in text
    assert len(compare_models(run)) == 0
    assert list(run.folder.glob("*.svg")) == []


def test_a_report_can_be_written_twice(run):
    first = write_report(run).read_bytes()
    assert write_report(Run(run.folder)).read_bytes() == first
    assert not list(run.folder.glob("*.tmp"))


def test_a_section_with_a_new_title_needs_no_other_edit(tmp_path, monkeypatch):
    fresh = Section("A new part", Table(("model",), [["small"]]), ["It says something."])
    monkeypatch.setattr(Report, "sections", [fresh])
    report = make_report(record(tmp_path, {"small": about(size_mb=2.0)}, rows_of("small")))
    shown = templates.render("report/report.html.jinja", report=report)
    assert "<summary><h2>A new part</h2></summary>" in shown and "<caption>A new part" in shown
    assert "## A new part" in templates.render("report/benchmark_report.md.jinja", report=report)


# Charts ------------------------------------------------------------------------------------------------------------


def size_of(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert png[-8:-4] == b"IEND"
    return struct.unpack(">II", png[16:24])


@pytest.mark.parametrize("draw", [charts.per_prompt, charts.forest])
def test_every_chart_has_a_picture_a_text_and_a_finding(run, draw):
    chart = draw(run)
    assert min(size_of(chart.png())) > 100
    assert "small" in chart.alt and "large" in chart.alt
    assert chart.finding.endswith(".")
    assert "missing" not in chart.alt
    shown = chart._repr_html_()
    assert "data:image/png;base64," in shown
    assert f'alt="{chart.alt}"' in shown


def test_findings_say_what_the_figures_say(run):
    assert "Latency: large takes 2 times as long as small" in charts.forest(run).finding
    assert charts.per_prompt(run).finding.startswith(
        "Latency: long is the slowest prompt. 0 of 41 requests are marked as outliers"
    )


def test_the_chart_and_the_comparison_give_the_same_verdict(run):
    """One run, one verdict: two intervals for the same pair would leave the reader with a choice."""
    assert (
        str(next(v for v in compare_models(run) if v.metric == "latency_s"))
        in charts.forest(run).finding
    )


def test_every_answer_is_a_dot(run):
    figure = charts.per_prompt(run).figure
    drawn = sum(
        len(line.get_xdata())
        for line in figure.axes[0].lines
        if line.get_marker() in MARKERS and line.get_markersize() == 5
    )
    assert drawn == 20 + 21


def test_charts_of_one_model(tmp_path):
    run = record(tmp_path, {"small": TWO["small"]}, rows_of("small"))
    assert "not two models" in charts.forest(run).finding
    for draw in (charts.forest, charts.per_prompt, charts.quality_and_speed):
        size_of(draw(run).png())


def test_a_chart_of_one_request(tmp_path):
    run = record(tmp_path, {"small": TWO["small"]}, [answer("small", "short", 1, 0.1)])
    for draw in (charts.forest, charts.per_prompt):
        size_of(draw(run).png())
    assert "long" not in charts.per_prompt(run).finding


def test_a_run_without_its_rows_is_told_in_a_sentence(tmp_path):
    run = record(tmp_path, {"small": TWO["small"]}, rows_of("small"))
    (run.folder / "requests.jsonl").unlink()
    with pytest.raises(UsageError, match=r"requests\.jsonl cannot be read"):
        write_report(load_run(run.folder))


def test_a_chart_without_anything_to_draw_says_so_as_a_picture(tmp_path):
    run = record(tmp_path, {"small": TWO["small"]}, [])
    for draw in (charts.per_prompt, charts.quality_and_speed):
        assert "to draw" in draw(run).finding
        size_of(draw(run).png())


def test_nasty_names_cannot_leave_the_chart(tmp_path):
    name = 'x"><script>alert(1)</script>'
    run = record(
        tmp_path, {name: TWO["small"]}, [answer(name, "short", n, 0.1) for n in range(1, 4)]
    )
    assert "<script" not in charts.per_prompt(run)._repr_html_()
    assert "<script" not in write_report(run).read_text(encoding="utf-8")


def test_prompts_of_a_set_show_themselves_without_markup():
    shown = prompt_list(["<b>|x"])._repr_html_()
    assert "<b>" not in shown
    assert "&lt;b&gt;|x" in shown


def test_names_with_escapes_markup_and_bidi_leave_every_picture_well_formed(tmp_path):
    wild = 'a\x1b[31m\u202e$x_<b>&"--\x00\ufffe\nb'
    names = {wild: about(), f"{wild}2": about()}
    rows = [row for name in names for row in rows_of(name, text=wild)]
    run = record(tmp_path, names, rows)
    write_report(run)
    pictures = sorted(run.folder.glob("*.svg"))
    assert [picture.stem for picture in pictures] == ["glance", "prompts", "ratios"]
    for picture in pictures:
        text = picture.read_text(encoding="utf-8")
        assert ElementTree.fromstring(text).tag.endswith("svg")
        assert not set("\x1b\x00\u202e\ufffe") & set(text)
    for name in ("report.html", "benchmark_report.md", "decision.md", "summary.csv"):
        assert not set("\x1b\x00\u202e") & set((run.folder / name).read_text(encoding="utf-8")), (
            name
        )


def test_a_record_without_chunk_times_is_reported(tmp_path):
    rows = [answer("small", "short", n, 0.1, chunk_times_s=()) for n in (1, 2, 3)]
    assert write_report(record(tmp_path, {"small": about()}, rows)).is_file()


@pytest.mark.skipif(os.name == "nt", reason="POSIX limits")
def test_a_report_for_which_there_is_no_room_is_a_sentence_and_leaves_the_old_one(tmp_path):
    import resource

    run = record(tmp_path, TWO, rows_of("small"))
    before = write_report(run).read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(FileError, match=r"cannot be written \(File too large\)"):
            write_report(run)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (run.folder / "benchmark_report.md").read_bytes() == before
    assert not list(run.folder.glob("*.tmp"))
