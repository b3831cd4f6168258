"""What a calibration shows, and what a report then says."""

import dataclasses
import json

import pytest

from helpers.measure.record import Run
from helpers.report.report import write_report
from helpers.report.sentences import limits
from helpers.timing.instrument_error import Calibration
from support.records import TWO, edit_info, record, rows_of

FOUND = Calibration(
    concurrency=1,
    n=20,
    tokens=1280,
    failures=0,
    ttft_error_p50_s=0.0004,
    ttft_error_p95_s=0.0009,
    itl_error_s=0.000001,
    latency_error_p50_s=0.0004,
    cpu_s_per_token=0.0001,
)


# What is shown -----------------------------------------------------------------------------------------------------


def test_it_shows_itself_as_a_table_with_a_sentence():
    shown = str(FOUND)
    assert shown.splitlines()[2].split() == ["0.4", "ms", "0.9", "ms", "0.001", "ms"]
    assert shown.splitlines()[-3:] == [
        "20 answers at 1 stream, 0 failed.",
        "This client sees a first token 0.4 ms later than the server sent it (median), "
        "and spends 100 microseconds of processor time on a token.",
        "A TTFT below 1.2 ms says little about a model.",
    ]
    assert "0.4 ms later" in FOUND._repr_html_()


def test_json_holds_every_field():
    assert Calibration(**json.loads(json.dumps(FOUND.to_dict()))) == FOUND


# The report --------------------------------------------------------------------------------------------------------


def run_with(folder, found: dict | None, **plan) -> Run:
    """Two models; `small` has a median TTFT of 20 ms and ITL of 18 ms, `large` twice that."""
    run = record(folder, TWO, [*rows_of("small"), *rows_of("large")], **plan)
    return edit_info(run, calibration=found)


def instrument(run: Run) -> list[str]:
    return [line for line in limits(run) if "instrument" in line]


def test_the_limits_give_the_error_of_the_instrument(tmp_path):
    said = instrument(run_with(tmp_path, FOUND.to_dict()))
    assert said == [
        "The instrument's own error at 1 stream, against a server that keeps its own log: TTFT 0.4 ms (median, p95 0.9 ms); ITL 0.001 ms."
    ]


def test_medians_near_the_error_are_flagged(tmp_path):
    found = dataclasses.replace(FOUND, ttft_error_p50_s=0.0067, itl_error_s=0.0061)
    assert instrument(run_with(tmp_path, found.to_dict()))[1:] == [
        "TTFT of small is within the instrument's own error: the median is 20 ms, less than 3 times 6.7 ms.",
        "output tokens/s of small is within the instrument's own error: the median ITL is 18 ms, less than 3 times 6.1 ms.",
    ]
    assert "TTFT of small is within the instrument's own error" in write_report(
        run_with(tmp_path, found.to_dict())
    ).read_text(encoding="utf-8")


def test_medians_beyond_3_times_the_error_are_not_flagged(tmp_path):
    found = dataclasses.replace(FOUND, ttft_error_p50_s=0.0066, itl_error_s=0.0059)
    assert len(instrument(run_with(tmp_path, found.to_dict()))) == 1


def test_every_median_may_be_flagged_and_a_client_that_is_early_counts_as_wrong(tmp_path):
    found = dataclasses.replace(FOUND, ttft_error_p50_s=-1.0, itl_error_s=1.0)
    assert len(instrument(run_with(tmp_path, found.to_dict()))) == 5


def test_another_concurrency_than_the_runs_is_told(tmp_path):
    said = instrument(run_with(tmp_path, FOUND.to_dict(), concurrency=4))
    assert said[0].endswith("The run had 4 streams, so its error may differ.")


@pytest.mark.parametrize("found", [None, {}, {"ttft_error_p50_s": None, "n": 0}])
def test_without_a_calibration_the_limits_say_so(tmp_path, found):
    said = instrument(run_with(tmp_path, found))
    assert said == [
        "The instrument's own error was not measured in this run; the option --calibrate of benchmark measures it."
    ]


def test_fields_of_a_later_kit_do_not_disturb(tmp_path):
    assert instrument(run_with(tmp_path, {**FOUND.to_dict(), "colour": "blue"})) == instrument(
        run_with(tmp_path, FOUND.to_dict())
    )
