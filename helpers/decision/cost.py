"""Say what requests cost: energy, a share of the machine, and the same tokens in a cloud.

    energy    J/request / 3,600,000 J/kWh x price/kWh
    machine   price / (years x 31,557,600 s x share of use) x s/request
    cloud     (prompt tokens x price + generated tokens x price) / 1,000,000

All are for 1,000 requests like those of the run. Where a figure is estimated, the source says so.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ..common.validation import checked
from ..measure.record import Run

JOULES_PER_KWH = 3.6e6
SECONDS_PER_YEAR = 365.25 * 24 * 3600
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Prices(BaseModel):
    """Hold prices in one currency. `use` is the share of its years in which a machine answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

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
        prices = (self.per_kwh, self.hardware, self.cloud_input, self.cloud_output)
        return any(price is not None for price in prices)

    def __str__(self) -> str:
        parts = []
        if self.per_kwh is not None:
            parts.append(f"{self.per_kwh:g} {self.currency}/kWh")
        if self.hardware is not None:
            parts.append(
                f"a machine of {self.hardware:,g} {self.currency} over {self.years:g} years, "
                f"busy {100 * self.use:g} % of the time"
            )
        if self.cloud_input is not None or self.cloud_output is not None:
            prices = f"{self.cloud_input or 0:g} and {self.cloud_output or 0:g} {self.currency}"
            parts.append(f"a cloud endpoint at {prices} per million input and output tokens")
        return "; ".join(parts)


def make_prices(**prices: float | str | None) -> Prices:
    """Return checked prices; None means not given.

    Raises UsageError naming the price and what was expected.
    """
    return checked(Prices, prices, "price")


@dataclass(frozen=True)
class Cost:
    """Hold what 1,000 requests of one model cost; None where it is not known.

    `source` says where the figures come from, or why there are none.
    """

    here: float | None
    cloud: float | None
    source: str


def costs(run: Run, prices: Prices) -> dict[str, Cost]:
    """Return the cost of 1,000 requests of each model."""
    cloud = _cloud_costs(run, prices)
    return {row["model"]: _cost(run, row, prices, cloud.get(row["model"])) for row in run.summary}


def _cost(run: Run, row: dict, prices: Prices, cloud: float | None) -> Cost:
    record = run.info.models[row["model"]]
    if record.source == "endpoint":
        return Cost(None, cloud, "another machine: neither its energy nor its price is known here")
    if not row["n_ok"]:
        return Cost(None, cloud, "")
    parts, sources = [], []
    joules = row["energy_j_per_request"]
    if prices.per_kwh is not None and joules is not None:
        parts.append(1000 * joules / JOULES_PER_KWH * prices.per_kwh)
        counter = row["energy_source"]
        sources.append(
            "energy estimated" if counter == "estimate" else f"energy measured ({counter})"
        )
    elif prices.per_kwh is not None:
        reason = record.not_measured.get("energy_j_per_request")
        sources.append("energy not measured" + (f": {reason}" if reason else ""))
    if prices.hardware is not None:
        per_second = prices.hardware / (prices.years * SECONDS_PER_YEAR * prices.use)
        parts.append(1000 * per_second * row["latency_mean_s"] / run.level)
        sources.append("machine estimated")
    return Cost(sum(parts) if parts else None, cloud, "; ".join(sources))


def _cloud_costs(run: Run, prices: Prices) -> dict[str, float]:
    """Return the cloud's price of 1,000 requests by model, where tokens were counted."""
    if prices.cloud_input is None and prices.cloud_output is None:
        return {}
    frame = run.headline[(run.headline["status"] == "ok").to_numpy()]
    counted = frame[["model", "prompt_tokens", "completion_tokens"]].dropna()
    means = counted.groupby("model", observed=True).mean()
    per_request = means["prompt_tokens"] * (prices.cloud_input or 0) + means[
        "completion_tokens"
    ] * (prices.cloud_output or 0)
    return {str(model): float(1000 * amount / 1e6) for model, amount in per_request.items()}


def money(amount: float, currency: str) -> str:
    """Return an amount in words that do not pretend to be exact."""
    if amount < 0.001:
        return f"less than 0.001 {currency}"
    digits = f"{amount:,.2f}" if amount >= 0.995 else f"{amount:.2g}"
    return f"about {digits} {currency}"
