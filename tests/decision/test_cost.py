"""Costs by hand, and prices that make no sense."""

import pytest

from helpers.common.errors import UsageError
from helpers.decision.cost import make_prices
from helpers.decision.scorecard import Scorecard
from helpers.report.report import make_report, write_report
from support.records import run_of


def test_cost_by_hand(tmp_path):
    """3.6 J per request are a millionth of a kWh."""
    models = {
        "here": {"latency_s": 1.0, "energy_j_per_request": 3.6, "energy_source": "RAPL"},
        "guessed": {"energy_j_per_request": 7.2, "energy_source": "estimate"},
        "dark": {"not_measured": {"energy_j_per_request": "no counter"}},
        "far": {"source": "endpoint"},
    }
    prices = make_prices(per_kwh="0.5", cloud_input=2, cloud_output=4)
    rows = Scorecard(run_of(tmp_path, models), prices).by_model
    assert rows["here"]["cost_per_1000"] == pytest.approx(0.0005)
    assert rows["here"]["cost_source"] == "energy measured (RAPL)"
    assert (rows["guessed"]["cost_per_1000"], rows["guessed"]["cost_source"]) == (
        pytest.approx(0.001),
        "energy estimated",
    )
    assert (rows["dark"]["cost_per_1000"], rows["dark"]["cost_source"]) == (
        None,
        "energy not measured: no counter",
    )
    assert rows["far"]["cost_per_1000"] is None and "another machine" in rows["far"]["cost_source"]
    assert rows["far"]["cloud_per_1000"] == pytest.approx(1000 * (100 * 2 + 11 * 4) / 1e6)


def test_the_machine_is_spread_over_the_time_of_a_request(tmp_path):
    prices = make_prices(hardware=31557.6, years=1, use=0.5)  # a second that answers costs 0.002
    rows = Scorecard(run_of(tmp_path, {"a": {"latency_s": 1.0}}), prices).rows
    assert rows[0]["cost_per_1000"] == pytest.approx(1000 * 0.002 * rows[0]["latency_mean_s"])
    assert rows[0]["cost_source"] == "machine estimated"


@pytest.mark.parametrize(
    "wrong",
    [
        {"per_kwh": -1},
        {"per_kwh": "cheap"},
        {"years": 0},
        {"use": 2},
        {"per_kwh": float("inf")},
        {"currency": "<b>"},
    ],
)
def test_prices_that_make_no_sense_are_told(wrong):
    with pytest.raises(UsageError, match=f"price {next(iter(wrong))}: "):
        make_prices(**wrong)


def test_prices_are_in_every_form_of_the_report(tmp_path):
    run = run_of(
        tmp_path,
        {"a": {"energy_j_per_request": 3600.0, "energy_source": "NVML"}, "b": {"right": 0.5}},
    )
    report = make_report(
        run, prices=make_prices(per_kwh=0.5, cloud_input=1, cloud_output=1, currency="USD")
    )
    assert (
        "1,000 requests cost about 0.5 USD here (energy measured (NVML))"
        in dict(report.facts)["What it costs"]
    )
    assert report.as_dict()["prices"]["per_kwh"] == 0.5
    text = write_report(run, prices=make_prices(per_kwh=0.5)).read_text(encoding="utf-8")
    assert "1,000 here, EUR" in text
    assert "Prices: 0.5 EUR/kWh" in text
