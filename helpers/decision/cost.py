"""What a request costs: energy at its price, a share of the machine if its price is given, and the same tokens at a cloud's price.

    energy    J/request / 3,600,000 J/kWh x price/kWh
    machine   price / (years x 31,557,600 s x share of use) x s/request
    cloud     (prompt tokens x price + generated tokens x price) / 1,000,000

All are for 1,000 requests like those of the run. What is not measured is an estimate, and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..common.errors import UsageError
from ..measure.info import ModelRecord
from ..measure.record import Run

JOULES_PER_KWH = 3.6e6
SECONDS_PER_YEAR = 365.25 * 24 * 3600
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Prices(BaseModel):
    """What things cost, in one currency. `use` is the share of its years in which the machine answers requests."""

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
        """Whether any price was given."""
        return any(
            price is not None
            for price in (self.per_kwh, self.hardware, self.cloud_input, self.cloud_output)
        )

    def __str__(self) -> str:
        parts = []
        if self.per_kwh is not None:
            parts.append(f"{self.per_kwh:g} {self.currency}/kWh")
        if self.hardware is not None:
            parts.append(
                f"a machine of {self.hardware:,g} {self.currency} over {self.years:g} years, busy {100 * self.use:g} % of the time"
            )
        if self.cloud_input is not None or self.cloud_output is not None:
            prices = f"{self.cloud_input or 0:g} and {self.cloud_output or 0:g} {self.currency}"
            parts.append(f"a cloud endpoint at {prices} per million input and output tokens")
        return "; ".join(parts)


def make_prices(**given) -> Prices:
    """Checked prices; None means not given. Raises UsageError naming the price and what was expected."""
    try:
        return Prices(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        item = error.errors(include_url=False)[0]
        raise UsageError(
            f"price {item['loc'][0]}: {item['msg'].replace('Input should be', 'must be')}, found {item['input']!r:.40}."
        ) from None


@dataclass(frozen=True)
class Cost:
    """What 1,000 requests of one model cost; None where it cannot be said, `source` says where the figure comes from or why there is none."""

    here: float | None
    cloud: float | None
    source: str


def costs(run: Run, prices: Prices) -> dict[str, Cost]:
    """Model to the cost of 1,000 of its requests."""
    tokens, streams = _mean_tokens(run), run.level
    return {
        row["model"]: _cost(
            row, run.info.models[row["model"]], prices, tokens.get(row["model"]), streams
        )
        for row in run.summary
    }


def _cost(
    row: dict, about: ModelRecord, prices: Prices, tokens: Sequence[float] | None, streams: int
) -> Cost:
    energy = machine = None
    said = []
    if about.source == "endpoint":
        said.append("another machine: neither its energy nor its price is known here")
    elif row["n_ok"]:
        joules = row["energy_j_per_request"]
        if prices.per_kwh is not None and joules is not None:
            energy = 1000 * joules / JOULES_PER_KWH * prices.per_kwh
            source = row["energy_source"]
            said.append(
                "energy estimated" if source == "estimate" else f"energy measured ({source})"
            )
        elif prices.per_kwh is not None:
            reason = about.not_measured.get("energy_j_per_request")
            said.append("energy not measured" + (f": {reason}" if reason else ""))
        if prices.hardware is not None:
            machine = (
                1000
                * prices.hardware
                / (prices.years * SECONDS_PER_YEAR * prices.use)
                * row["latency_mean_s"]
                / streams
            )
            said.append("machine estimated")
    here = None if energy is machine is None else (energy or 0) + (machine or 0)
    cloud = None
    if tokens is not None and not (prices.cloud_input is prices.cloud_output is None):
        cloud = (
            1000
            * (tokens[0] * (prices.cloud_input or 0) + tokens[1] * (prices.cloud_output or 0))
            / 1e6
        )
    return Cost(here, cloud, "; ".join(said))


def _mean_tokens(run: Run) -> dict[str, tuple[float, float]]:
    """Model to its mean prompt and generated tokens a request, where the server counted them."""
    frame = run.headline[(run.headline["status"] == "ok").to_numpy()]
    counted = frame[["model", "prompt_tokens", "completion_tokens"]].dropna()
    return {
        model: (float(some["prompt_tokens"].mean()), float(some["completion_tokens"].mean()))
        for model, some in counted.groupby("model", observed=True)
    }


def money(amount: float, currency: str) -> str:
    """An amount in words that do not pretend to be exact."""
    if amount < 0.001:
        return f"less than 0.001 {currency}"
    return (
        f"about {amount:,.2f} {currency}" if amount >= 0.995 else f"about {amount:.2g} {currency}"
    )
