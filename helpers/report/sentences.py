"""Say in sentences what a run shows: its highlights, its limitations, its environment."""

from ..common import templates
from ..decision.scorecard import COLUMNS
from ..measure.record import Run
from ..quality.facets import score_facets
from ..timing.instrument_error import WITHIN_ERROR
from ..timing.refusals import in_words
from .comparison import compare_models, compare_two


def highlights(run: Run) -> list[str]:
    """Return what the figures say: problems first, then comparisons with the first model."""
    problems = templates.sentences("report/problems.jinja", run=run)
    if not any(row["n_ok"] for row in run.summary):
        return problems
    made = compare_models(run)
    alone = made.sentences()[0]  # for want of a second model
    verdicts = made.firm.sentences() if made.firm else [] if made else [alone]
    return problems + verdicts + score_facets(run).compare()


def acceleration(run: Run) -> list[str]:
    """Compare each model on an accelerator with itself on the CPU, or say why that is unknown."""
    devices = {model: (about.device or "").upper() for model, about in run.info.models.items()}
    cpu = {run.info.models[model].alias: model for model in devices if devices[model] == "CPU"}
    sentences: list[str] = []
    for model, about in run.info.models.items():
        device, on_cpu = devices[model], cpu.get(about.alias)
        if on_cpu is None or not about.alias or device in ("", "CPU"):
            continue
        subject = f"{about.alias} on {device}"
        if run.values(model, "latency_s") and run.values(on_cpu, "latency_s"):
            sentences += [
                f"{subject} against CPU: {compare_two(run, model, metric, on_cpu)}"
                for metric in ("ttft_s", "latency_s")
            ]
        else:
            sentences.append(f"{subject}: not measured. {about.error or 'It gave no answer.'}")
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
    said = templates.sentences(
        "report/limits.jinja",
        run=run,
        rated={model: len(run.sample(model, "output_tokens_per_s")) for model in run.models},
        endings={model: _endings(run, model) for model in run.models},
        unmeasured=unmeasured,
        estimated=estimated,
        in_words=in_words,
    )
    said += run.info.joined_notes
    return said + templates.sentences(
        "report/instrument.jinja",
        error=run.info.calibration or {},
        factor=WITHIN_ERROR,
        concurrency=run.info.plan.concurrency,
        rows=run.summary,
    )


def _endings(run: Run, model: str) -> dict[str, int | str | None]:
    """Count the headline answers of a model that ended or came in an unusual way."""
    rows = run.headline[(run.headline["model"] == model).to_numpy()]
    answered = rows[(rows["status"] == "ok").to_numpy()]
    reasons = rows["finish_reason"].astype(str).str.lower()
    return {
        "requests": len(rows),
        "length": int(reasons.str.contains("length|max_tokens").sum()),
        "filtered": int(reasons.str.contains("filter|safety|sensitive").sum()),
        "whole": int(answered["ttft_s"].isna().sum()) if run.info.plan.stream else 0,
        "broken": int(answered["text"].astype(str).str.contains("\ufffd").sum()),
        "at_limit": int((answered["token_source"] == "limit").sum()),
        "repeated": int((answered["token_source"] == "repeat").sum()),
        "uncounted": int(rows["token_problem"].notna().sum()),
        "problem": next(iter(rows["token_problem"].dropna()), None),
    }
