"""Say what requests cost: energy, a share of the machine, and the same tokens in a cloud.

    energy    J/request / 3,600,000 J/kWh x price/kWh
    machine   price / (years x 31,557,600 s x share of use) x s/request
    cloud     (prompt tokens x price + generated tokens x price) / 1,000,000

All are for 1,000 requests like those of the run. Where a figure is estimated, the source says so.
"""

from typing import Annotated

from pydantic import Field

from ..common.templates import sentences
from ..common.validation import Strict, checked
from ..measure.record import Run

JOULES_PER_KWH = 3.6e6
SECONDS_PER_YEAR = 365.25 * 24 * 3600
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Prices(Strict):
    """Hold prices in one currency. `use` is the share of its years in which a machine answers."""

    per_kwh: Amount | None = None
    hardware: Amount | None = None
    years: Annotated[float, Field(gt=0, le=100)] = 3.0
    use: Annotated[float, Field(gt=0, le=1)] = 0.25
    cloud_input: Amount | None = None
    cloud_output: Amount | None = None
    currency: Annotated[str, Field(pattern=r"^[A-Za-z]{1,8}$")] = "EUR"

    @property
    def given(self) -> bool:
        """Tell whether any price was given."""
        return bool(str(self))

    def __str__(self) -> str:
        return "; ".join(sentences("decision/prices.jinja", prices=self))


def make_prices(**prices: float | str | None) -> Prices:
    """Return checked prices; None means not given. Raises UsageError naming the price."""
    return checked(Prices, prices, "price")


def costs(run: Run, prices: Prices) -> dict[str, dict[str, float | str | None]]:
    """Return by model what 1,000 requests cost, None where that is unknown, and its source."""
    cloud = _cloud_costs(run, prices)
    by_model = {}
    for row in run.summary:
        model = row["model"]
        here, sources = _cost_here(run, row, prices)
        by_model[model] = {
            "cost_per_1000": here,
            "cloud_per_1000": cloud.get(model),
            "cost_source": "; ".join(sources),
        }
    return by_model


def _cost_here(run: Run, row: dict, prices: Prices) -> tuple[float | None, list[str]]:
    record = run.info.models[row["model"]]
    if (record.source or "").startswith("endpoint"):
        return None, ["another machine: neither its energy nor its price is known here"]
    if not row["n_ok"]:
        return None, []
    parts, sources = [], []
    joules, counter = row["energy_j_per_request"], row["energy_source"]
    if prices.per_kwh is not None and joules is not None:
        parts.append(1000 * joules / JOULES_PER_KWH * prices.per_kwh)
        estimated = counter == "estimate"
        sources.append("energy estimated" if estimated else f"energy measured ({counter})")
    elif prices.per_kwh is not None:
        reason = record.not_measured.get("energy_j_per_request")
        sources.append("energy not measured" + (f": {reason}" if reason else ""))
    if prices.hardware is not None:
        per_second = prices.hardware / (prices.years * SECONDS_PER_YEAR * prices.use)
        parts.append(1000 * per_second * row["latency_mean_s"] / run.level)
        sources.append("machine estimated")
    return sum(parts) if parts else None, sources


def _cloud_costs(run: Run, prices: Prices) -> dict[str, float]:
    """Return the cloud's price of 1,000 requests by model, where tokens were counted."""
    if prices.cloud_input is None and prices.cloud_output is None:
        return {}
    answered = run.headline[(run.headline["status"] == "ok").to_numpy()]
    counted = answered[["model", "prompt_tokens", "completion_tokens"]].dropna()
    means = counted.groupby("model", observed=True).mean()
    prompt = means["prompt_tokens"] * (prices.cloud_input or 0)
    per_request = prompt + means["completion_tokens"] * (prices.cloud_output or 0)
    return {str(model): float(1000 * amount / 1e6) for model, amount in per_request.items()}


def money(amount: float, currency: str) -> str:
    """Return an amount in words that do not pretend to be exact."""
    if amount < 0.001:
        return f"less than 0.001 {currency}"
    digits = f"{amount:,.2f}" if amount >= 0.995 else f"{amount:.2g}"
    return f"about {digits} {currency}"
