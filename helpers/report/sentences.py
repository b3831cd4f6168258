"""Say in sentences what a run shows: its highlights, its limitations, its environment."""

from collections.abc import Sequence

from ..common import machine
from ..decision.scorecard import COLUMNS, Scorecard
from ..measure.record import Run
from ..quality.facets import score_facets
from ..timing import instrument_error
from ..timing.drift import DRIFT_NEEDS, Drift
from . import page
from .comparison import compare_models, compare_two


def highlights(run: Run) -> list[str]:
    """Return what the figures say: problems first, then comparisons with the first model."""
    problems = [
        f"{row['model']}: {row['status']} ({row['n_failed']} failed, {row['n_skipped']} skipped). "
        f"{row['error'] or 'The run ended before its turn.'}"
        for row in run.summary
        if row["status"] != "ok"
    ]
    if not any(row["n_ok"] for row in run.summary):
        return [*problems, "No model answered, so there is nothing to compare."]
    verdicts = compare_models(run).sentences()
    alone = "Only one model answered; measure a second one to compare."
    return problems + verdicts + score_facets(run).compare() or [alone]


def network(card: Scorecard) -> list[str]:
    """Return how much of TTFT is the way to a server, where that can be told."""
    models, server = card.run.info.models, card.run.info.server
    addresses = {model: (about.server or server).base_url for model, about in models.items()}
    return page.sentences("network.jinja", rows=card.rows, addresses=addresses)


def acceleration(run: Run) -> list[str]:
    """Compare each model on an accelerator with itself on the CPU, or say why that is unknown."""
    by_alias: dict[str, dict[str, str]] = {}
    for model, about in run.info.models.items():
        if about.alias and about.device:
            by_alias.setdefault(about.alias, {})[model] = about.device.upper()
    sentences = []
    for alias, devices in by_alias.items():
        on_cpu = next((model for model, device in devices.items() if device == "CPU"), None)
        for model, device in devices.items():
            if on_cpu is None or device == "CPU":
                continue
            if run.values(model, "latency_s") and run.values(on_cpu, "latency_s"):
                sentences += [
                    f"{alias} on {device} against CPU: {compare_two(run, model, metric, on_cpu)}"
                    for metric in ("ttft_s", "latency_s")
                ]
            else:
                reason = run.info.models[model].error or "It gave no answer."
                sentences.append(f"{alias} on {device}: not measured. {reason}")
    return sentences


def limits(run: Run) -> list[str]:
    """Return what the figures do not say, and what did not hold still while they were measured."""
    unmeasured: dict[tuple[str, str], list[str]] = {}
    for model, about in run.info.models.items():
        for name, reason in about.not_measured.items():
            heading = COLUMNS[name].heading.partition(",")[0] if name in COLUMNS else name
            unmeasured.setdefault((heading, reason), []).append(model)
    models = run.info.models
    estimated = [model for model in models if models[model].energy_source == "estimate"]
    said = page.sentences(
        "limits.jinja",
        run=run,
        rated={model: len(run.sample(model, "output_tokens_per_s")) for model in run.models},
        unmeasured=unmeasured,
        estimated=estimated,
        watts_variable=machine.WATTS_VARIABLE,
        no_drift=no_drift(run.drifts) if run.drifts else "",
    )
    said += run.info.joined_notes
    calibration, concurrency = run.info.calibration, run.info.plan.concurrency
    return said + instrument_error.limits(calibration, concurrency, run.summary)


def no_drift(drifts: Sequence[Drift], figure: str = "") -> str:
    """Say that no drift was found, or that the run has too few rounds to look for it.

    `figure` names what was looked at: " of the latency".
    """
    rounds = max((drift.rounds for drift in drifts), default=0)
    if rounds >= DRIFT_NEEDS:
        return f"No drift{figure} found over {rounds} rounds."
    return f"It takes {DRIFT_NEEDS} rounds to look for drift{figure}; this run has {rounds}."
