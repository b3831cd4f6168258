"""A finished run to tables and words: comparison with verdicts, `summary.json`, `summary.csv`, `benchmark_report.md`."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from . import calibration, capacity, charts, quality, resources, steadiness, timing
from .errors import UsageError
from .record import RESOURCES, Run, write_json, write_text
from .tables import one_line, plain_markdown

SUMMARY_COLUMNS = (
    "model",
    "status",
    "n_ok",
    "n_failed",
    "n_skipped",
    "latency_mean_s",
    "latency_p50_s",
    "latency_p95_s",
    "ttft_p50_s",
    "ttft_p95_s",
    "output_tokens_per_s_p50",
    "load_s",
    *RESOURCES,
    "size_mb",
    "quality",
    "license",
    "sample",
)


@dataclass(frozen=True)
class Comparisons(Sequence[timing.Comparison]):
    """Verdicts on every other model against one baseline; shows itself as sentences."""

    items: tuple[timing.Comparison, ...]

    def __getitem__(self, index):
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __str__(self) -> str:
        return "\n".join(map(str, self.items)) or "There is only one model with answers: nothing to compare."

    def _repr_markdown_(self) -> str:
        return "\n".join(f"- {line}" for line in str(self).splitlines())


def compare(run: Run, baseline: str | None = None) -> Comparisons:
    """TTFT, latency and output tokens/s of every other model against `baseline` (default: the first with answers).

    Ratios are paired by prompt. Intervals hold together at 95 % (Bonferroni over all comparisons made here).
    Raises UsageError when the baseline is not in the run.
    """
    answered = [row["model"] for row in run.summary if row["n_ok"]]
    if baseline is not None and baseline not in run.models:
        raise UsageError(f"'{baseline}' is not in this run; it has {', '.join(run.models)}.")
    baseline = baseline or (answered[0] if answered else None)
    others = [model for model in answered if model != baseline]
    metrics = [m for m in timing.METRIC_WORDS if any(run.values(model, m) for model in run.models)]
    total = len(others) * len(metrics)
    return Comparisons(
        tuple(
            timing.compare_paired(metric, model, baseline, run.values(model, metric), run.values(baseline, metric), comparisons=total)
            for model in others
            for metric in metrics
        )
    )


def write_report(run: Run):
    """Write summary.json, summary.csv, the charts and benchmark_report.md into the run's folder; returns the report's path."""
    write_json(
        run.folder / "summary.json", {"run": run.folder.name, "status": run.status, "models": _models(run), "median_intervals_95": run.intervals}
    )
    write_text(run.folder / "summary.csv", summary_csv(run))
    pictures = charts.for_report(run) | capacity.for_report(run)
    for name, chart in pictures.items():
        chart.save(run.folder / f"{name}.png")
    path = run.folder / "benchmark_report.md"
    write_text(path, "\n".join(_report_lines(run, pictures)) + "\n")
    return path


def summary_csv(run: Run) -> str:
    """The summary with one line a model. Cells that a spreadsheet would run as a formula are made text."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(SUMMARY_COLUMNS)
    for row in _models(run):
        writer.writerow([_harmless(row[name]) for name in SUMMARY_COLUMNS])
    return out.getvalue()


def _models(run: Run) -> list[dict]:
    """One row a model: times, counts and quality."""
    return [row | judged for row, judged in zip(run.summary, quality.judge(run).summary, strict=True)]


def _harmless(value):
    if isinstance(value, str):
        flat = one_line(value, width=200)
        return f"'{flat}" if flat[:1] in tuple("=+-@") else flat
    return value


def _report_lines(run: Run, pictures: dict) -> Iterator[str]:
    info, plan = run.info, run.info["plan"]
    yield "# Benchmark report"
    yield ""
    yield (
        f"{len(run.models)} models, {len(plan['prompts']['prompts'])} prompts ({plan['prompts']['name']}), {plan['rounds']} rounds, "
        f"temperature {plan['temperature']:g}, at most {plan['max_tokens']} tokens an answer, concurrency {plan['concurrency']}. "
        f"Served by {info['server']['kind']}, started {info['started_at'][:16].replace('T', ' ')} UTC."
    )
    if run.status != "finished":
        yield f"\n**This run is {'not finished' if run.status == 'running' else run.status}: what follows is what was measured until then.**"
    yield from ("", "## Table", "", run.table().to_markdown(), "")
    yield "Times are seconds; p95 needs 20 answered requests and is a dash below that."
    yield from ("", "## Quality", "", quality.judge(run).table().to_markdown(), "")
    yield "Quality is the share of checks that the answers pass: required facets found, form kept, nothing forbidden named. Interval: 95 %, over prompts."
    yield from ("", "## Highlights", "")
    yield from (f"- {plain_markdown(sentence)}" for sentence in highlights(run))
    for name, chart in pictures.items():
        yield from ("", f"![{plain_markdown(chart.alt)}]({name}.png)", "", plain_markdown(chart.finding))
    yield from capacity.report_lines(run)
    yield from ("", "## Sample answers", "")
    yield from _samples(run)
    yield from ("", "## Limits", "")
    yield from (f"- {plain_markdown(sentence)}" for sentence in limits(run))
    yield from ("", "## Environment", "")
    yield from _environment(run)


def highlights(run: Run) -> list[str]:
    """What the figures say, in sentences: problems first, then the comparison with the first model."""
    said = [
        f"{row['model']}: {row['status']}; {row['n_failed']} failed, {row['n_skipped']} skipped. {row['error'] or 'It was not reached.'}"
        for row in run.summary
        if row["status"] != "ok"
    ]
    answered = [row for row in run.summary if row["n_ok"]]
    if not answered:
        return [*said, "No model answered: there is nothing to compare."]
    return said + [str(verdict) for verdict in compare(run)] + quality.judge(run).compare() or [
        "One model answered; measure a second one to compare."
    ]


def limits(run: Run) -> list[str]:
    """What the figures do not say."""
    plan = run.info["plan"]
    said = [
        f"One machine, one sitting, one client, {plan['prompts']['name']} prompts: other prompts and other machines give other figures.",
        "Times are what this client saw; on another machine's endpoint they contain the network.",
        "Every prompt is sent once a round, so later rounds repeat it; a server that keeps prompt prefixes answers repeats sooner.",
        "Quality is matched by words: a right answer in other words counts as wrong, a wrong one that uses the words as right. Read the samples.",
    ]
    for row in run.summary:
        model, ok, rated = row["model"], row["n_ok"], len(run.sample(row["model"], "output_tokens_per_s"))
        if rated < ok and plan["stream"]:
            said.append(
                f"{model}: output tokens/s from {rated} of {ok} answers; in the others a token count was missing or the text was held back on the way."
            )
    if not plan["stream"]:
        said.append("Answers were not streamed: TTFT and output tokens/s are not available.")
    for pause in run.info.get("resumed", []):
        changed = f" Changed in between: {'; '.join(pause['changes'])}." if pause["changes"] else ""
        said.append(
            f"The run was resumed on {pause['at'][:16].replace('T', ' ')} UTC after {pause['rows_before']} requests: two sittings, not one.{changed}"
        )
    said += _unsteady(run)
    if run.info.get("order", "").startswith("one model"):
        said.append(f"Order: {run.info['order']}, so drift does not hit all models alike.")
    return said + calibration.limits(run.info.get("calibration"), plan["concurrency"], run.summary)


def _unsteady(run: Run) -> Iterator[str]:
    """What did not hold still: warm-up, drift, repeats from a cache, intervals that stayed wide; and what was not measured."""
    for model, about in run.info["models"].items():
        warmup = about.get("warmup") or {}
        if warmup.get("settled") is False:
            yield f"{model} had not settled after {warmup['requests']} warm-up requests ({warmup['seconds']:.3g} s): its first rounds may still be warming up."
        for reason, names in _reasons(about.get("not_measured") or {}):
            yield f"{model}: {', '.join(names)} not measured ({reason})."
        if about.get("energy_source") == "estimate":
            yield f"{model}: energy is an estimate, processor time of the runtime times an assumed power of a core ({resources.WATTS_VARIABLE})."
    yield from (str(drift) for drift in run.drifts if drift.found)
    if run.drifts and not any(drift.found for drift in run.drifts):
        rounds = max(drift.rounds for drift in run.drifts)
        enough = rounds >= steadiness.DRIFT_NEEDS
        yield (
            f"No drift found over {rounds} rounds."
            if enough
            else f"{rounds} rounds are too few to look for drift, it needs {steadiness.DRIFT_NEEDS}."
        )
    yield from (str(first) for first in run.first_uses if first.cached)
    stopping = run.info.get("stopping") or {"models": {}}
    for model, note in stopping["models"].items():
        widths = ", ".join(f"{name} {100 * width:.2g} %" if width else f"{name} unknown" for name, width in note["half_widths"].items())
        verdict = "reached" if note["reached"] else "NOT reached"
        yield f"{model}: the target of {100 * stopping['target']:g} % for half the interval of a median was {verdict} in {note['rounds']} rounds ({widths})."


def _reasons(not_measured: dict[str, str]) -> Iterator[tuple[str, list[str]]]:
    """Each reason once, with the names of what it kept from being measured."""
    for reason in dict.fromkeys(not_measured.values()):
        yield reason, [name for name, text in not_measured.items() if text == reason]


def _samples(run: Run) -> Iterator[str]:
    for row in run.summary:
        if row["sample"]:
            yield f"- **{plain_markdown(row['model'])}**: {plain_markdown(row['sample'])}"


def _environment(run: Run) -> Iterator[str]:
    about = run.info["environment"]
    machine, packages = about["machine"], about["packages"]
    yield f"- {machine['cpu']}, {machine['cores']} cores, {machine['memory_mb']:,} MB memory, {machine['system']}, Python {machine['python']}"
    yield f"- Packages: {', '.join(f'{name} {version}' for name, version in packages.items() if version)}"
    yield f"- Kit revision: {about['git_revision'] or 'not a git checkout'}"
    yield f"- Seed {run.info['plan']['seed']}; order: {run.info.get('order', 'not started')}; record: requests.jsonl and run.json beside this file"
