"""Read a recorded run: summary, samples, answers, outliers and drift, today or next year."""

import errno
import math
import os
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..common.errors import UsageError
from ..common.files import writing
from ..common.paths import DATA, is_aside, results_folder, user_path
from ..common.show import Shown, Table, lines
from ..common.templates import sentences
from ..timing.intervals import Summary, summarize
from ..timing.intervals import outliers as mark_outliers
from ..timing.metrics import COMPARED, METRICS
from .info import RESOURCES, read_info
from .plan import FEWEST
from .rows import read_rows, summary_columns, whole_row

if TYPE_CHECKING:
    import pandas as pd

SAMPLE = "sample_run"
SHOWN_OUTLIERS = 50
# What fits a terminal of 100 columns, with the heading of each; all of it is in the report.
SHOWN_TIMES = {"ttft_p50_s": "TTFT", "latency_p50_s": "latency", "latency_p95_s": "p95"}
LOADED = {"in_flight": "in flight"}  # beside them, where several requests were
SHOWN = {"output_tokens_per_s_p50": "tokens/s", "load_s": "load s", "memory_mb": "memory MB"}


class Run(Shown):
    """Read a recorded run. It shows itself as its summary table.

    Raises UsageError when the folder holds no run, or one that this kit cannot read.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self._file = self.folder / "requests.jsonl"
        self.info = read_info(self.folder)

    @property
    def status(self) -> str:
        """Return running, finished or interrupted. A run whose process was killed says running."""
        return self.info.status

    @property
    def origin(self) -> str:
        """Say in a sentence where and when this run was measured."""
        when = self.info.started_at[:16].replace("T", " ")
        if self.folder.name == SAMPLE:
            return (
                f"Sample run that ships with the kit, of another machine, {when} UTC: "
                "measure your own in 03."
            )
        return f"Run of {when} UTC."

    @property
    def models(self) -> list[str]:
        """List the models of the plan, in its order."""
        return list(self.info.models)

    @property
    def prompts(self) -> dict[str, str]:
        """Map the id of each prompt of the plan to its text."""
        return {prompt.id: prompt.text for prompt in self.info.plan.prompts.prompts}

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """Return every request, warm-up included, as a data frame: see `rows.read_rows`.

        Raises UsageError when the file is damaged.
        """
        try:
            if not self._file.is_file():  # a pipe of that name would never end
                raise FileNotFoundError(errno.ENOENT, "not a file")
            return read_rows(self._file)
        except OSError as error:
            raise UsageError(
                f"{self._file} cannot be read ({error.strerror}); restore it, or measure again."
            ) from None

    def each_row(self) -> Iterator[dict[str, Any]]:
        """Yield every request whole, warm-up included."""
        known = range(len(self.frame))
        with self._file.open(encoding="utf-8", errors="replace", newline="\n") as file:
            for place, line in zip(known, file, strict=False):
                yield whole_row(line, self._file, place)

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """Return every request whole, warm-up included: for short runs; `frame` holds a million."""
        return list(self.each_row())

    @cached_property
    def level(self) -> int:
        """Return how many requests were under way in the headline rows: the plan's first level."""
        measured = (self.frame["phase"] == "measure").to_numpy()
        levels = self.frame.loc[measured, "concurrency"].to_numpy()
        planned = self.info.plan.concurrency
        # Rows of an older kit do not name their level: all read as 1.
        return planned if (levels == planned).any() or not len(levels) else int(levels.min())

    @cached_property
    def headline(self) -> "pd.DataFrame":
        """Return the measured rows that summary and comparisons stand for: the first level's."""
        frame = self.frame
        chosen = (frame["phase"] == "measure") & (frame["concurrency"] == self.level)
        return frame[chosen.to_numpy()]

    @cached_property
    def _answered(self) -> dict[str, "pd.DataFrame"]:
        answered = self.headline[(self.headline["status"] == "ok").to_numpy()]
        return {model: answered[(answered["model"] == model).to_numpy()] for model in self.models}

    def sample(self, model: str, metric: str) -> "pd.DataFrame":
        """Return the answered headline requests of a model that have this metric.

        The columns are `prompt_id`, `round` and the metric.
        """
        rows = self._answered[model]
        return rows.loc[rows[metric].notna().to_numpy(), ["prompt_id", "round", metric]]

    def values(self, model: str, metric: str) -> dict[str, list[float]]:
        """Map prompt id to the measured values of one metric, answered requests only."""
        groups = _by_prompt(self.sample(model, metric))
        return {prompt_id: rows[metric].tolist() for prompt_id, rows in groups}

    def by_round(self, model: str, metric: str) -> dict[str, np.ndarray]:
        """Map prompt id to (round, value) of each answer, an array of shape (answers, 2).

        A comparison takes logarithms, so only values above 0 are given.
        """
        sample = self.sample(model, metric)
        usable = (sample[metric] > 0) & np.isfinite(sample[metric])
        groups = _by_prompt(sample[usable.to_numpy()])
        return {prompt_id: rows[["round", metric]].to_numpy(float) for prompt_id, rows in groups}

    @cached_property
    def texts(self) -> dict[tuple[str, str], set[str]]:
        """Map model and prompt id to the different answers."""
        return {
            (model, prompt_id): set(rows["text"].unique())
            for model, answered in self._answered.items()
            for prompt_id, rows in _by_prompt(answered)
        }

    @cached_property
    def changed(self) -> list[str]:
        """Say which models changed an answer between rounds, although the temperature is 0."""
        if self.info.plan.temperature:
            return []
        answers: dict[str, list[bool]] = defaultdict(list)
        for (model, _), texts in self.texts.items():
            answers[model].append(len(texts) > 1)
        return sentences("measure/changed_answers.jinja", answers=answers)

    @cached_property
    def summary(self) -> list[dict[str, Any]]:
        """Return a row for each model: counts, figures, what it needs; None where not known.

        A p95 needs 20 answered requests.
        """
        return [self._summary_row(model) for model in self.models]

    @cached_property
    def intervals(self) -> dict[str, dict[str, list[float | None]]]:
        """Map model and metric to the 95 % interval of the median; None below 3 rounds."""
        bounds = {}
        for model in self.models:
            summaries = {metric: self._summarize(model, metric) for metric in COMPARED}
            bounds[model] = {metric: [of.low, of.high] for metric, of in summaries.items()}
        return bounds

    def _summarize(self, model: str, metric: str) -> Summary:
        sample = self.sample(model, metric)
        return summarize(sample[metric].to_numpy(), sample["round"].to_numpy())

    def _summary_row(self, model: str) -> dict[str, Any]:
        record = self.info.models[model]
        rows = self.headline[(self.headline["model"] == model).to_numpy()]
        several = self.level > 1 or self.info.plan.rate
        time = window(self.frame, model, self.level) if several else None
        ended = Counter(rows["status"].value_counts().to_dict())
        figures = {
            column: getattr(self._summarize(model, metric), statistic)
            for metric in METRICS
            for column, statistic in summary_columns(metric).items()
        }
        return {
            "model": model,
            "status": _outcome(ended, record.status),
            "n_ok": ended["ok"],
            "n_failed": ended["failed"],
            "n_skipped": ended["skipped"],
            "in_flight": time.in_flight if time else None,
            **figures,
            "load_s": record.load_s,
            **{name: getattr(record, name) for name in RESOURCES},
            "size_mb": record.size_mb,
            "license": record.license,
            "sample": self._first_text(model)[:160],
            "error": record.error or next(iter(rows["error"].dropna()), None),
        }

    def _first_text(self, model: str) -> str:
        # The first prompt of the plan: samples of two models then answer the same prompt.
        answered = self._answered[model]
        first = answered[(answered["round"] == answered["round"].min()).to_numpy()]
        texts = dict(zip(first["prompt_id"], first["text"], strict=True))
        return next((texts[prompt] for prompt in self.prompts if prompt in texts), "")

    def answers(self, prompt_id: str) -> Table:
        """Show what each model answered to one prompt in the first round."""
        frame = self.headline
        rows = frame[((frame["prompt_id"] == prompt_id) & (frame["round"] == 1)).to_numpy()]
        answers = [[row.model, row.status, row.text or row.error] for row in rows.itertuples()]
        answers.sort(key=lambda cells: self.models.index(str(cells[0])))
        return Table(("model", "status", "answer"), answers)

    def outliers(self, metric: str) -> Table:
        """Show the values that lie far from the median of their model and prompt, farthest first.

        They stay in every figure. Up to 50 are shown; the note counts all.
        """
        columns = ["prompt_id", metric, "middle", "ratio"]
        rows = []
        for model in self.models:
            marked = self._marked(model, metric)
            far = marked.loc[marked["far"].to_numpy(), columns]
            rows += [[model, *cells] for cells in far.to_numpy().tolist()]
        rows.sort(key=lambda row: -abs(math.log(row[-1])))
        answered = sum(map(len, self._answered.values()))
        note = f"{len(rows)} of {answered} answered requests are outliers"
        if len(rows) > SHOWN_OUTLIERS:
            note += f"; the {SHOWN_OUTLIERS} farthest are shown"
        headers = ("model", "prompt", metric, "median of the prompt", "ratio")
        return Table(headers, rows[:SHOWN_OUTLIERS], note=f"{note}.")

    def outlier_marks(self, model: str, metric: str) -> dict[str, list[bool]]:
        """Map prompt id to marks for `values`, in the same order."""
        groups = _by_prompt(self._marked(model, metric))
        return {prompt_id: rows["far"].tolist() for prompt_id, rows in groups}

    def _marked(self, model: str, metric: str) -> "pd.DataFrame":
        # A value is judged among all ratios of the model: the few rounds of one prompt alone would
        # not show what spread is usual.
        rows = self.sample(model, metric)
        middle = rows.groupby("prompt_id", observed=True)[metric].transform("median")
        ratio = rows[metric] / middle
        far = np.array(mark_outliers(ratio) if len(rows) else [], dtype=bool)
        return rows.assign(middle=middle, ratio=ratio, far=far)

    def table(self) -> Table:
        """Show medians and a p95; times are milliseconds where all medians are below a second."""
        fast = all((row["latency_p50_s"] or 0) < 1 for row in self.summary)
        unit, factor = ("ms", 1000) if fast else ("s", 1)
        times = [f"{heading} {unit}" for heading in SHOWN_TIMES.values()]
        shown = SHOWN if self.level == 1 and not self.info.plan.rate else LOADED | SHOWN
        headers = ["model", "answered", *times, *shown.values()]
        rows = []
        for row in self.summary:
            asked = row["n_ok"] + row["n_failed"] + row["n_skipped"]
            answered = row["n_ok"] if row["n_ok"] == asked else f"{row['n_ok']} of {asked}"
            known = [row[name] and factor * row[name] for name in SHOWN_TIMES]
            rows.append([row["model"], answered, *known, *(row[name] for name in shown)])
        problems = [f"{row['model']}: {row['error']}" for row in self.summary if row["error"]]
        problems += self.changed
        return Table(headers, rows, note=f"Problems: {'; '.join(problems)}." if problems else "")


class Window(NamedTuple):
    """Hold the requests of a model at one level, how much of each counts (0 to 1), and the time.

    `in_flight` is the time of all that counts over the `seconds` (Little's law).
    """

    rows: "pd.DataFrame"
    shares: np.ndarray
    seconds: float
    in_flight: float | None


def window(frame: "pd.DataFrame", model: str, level: int) -> Window | None:
    """Return the time that counts; None where nothing was measured.

    It is that of each round, overlaps counted once. With several streams it ends when the last
    request is sent, since then they run out. In an open loop a pause is part of the load.
    """
    filling = (frame["phase"] == "warmup") & (level > 1)
    chosen = (frame["status"] != "skipped") & ((frame["phase"] == "measure") | filling)
    chosen &= (frame["model"] == model) & (frame["concurrency"] == level)
    rows = frame[(chosen & frame["ended_s"].notna()).to_numpy()]
    measured = rows["phase"] == "measure"
    if not measured.any():
        return None
    sent, ended = rows["sent_s"].fillna(rows["ended_s"]), rows["ended_s"]
    due = rows["scheduled_s"].fillna(sent)
    rounds = rows["round"].where(rows["scheduled_s"].isna(), 0)
    firsts = due[measured].groupby(rounds).min().sort_values()
    lasts = ended[measured].groupby(rounds).max()[firsts.index]
    if level > 1 and measured.sum() >= FEWEST * level:
        lasts = lasts.clip(upper=sent[measured].max())
    reached = np.maximum.accumulate(lasts.to_numpy())
    seconds = float(np.sum(reached - np.maximum(firsts, np.r_[-np.inf, reached[:-1]])))
    inside = (ended.clip(upper=reached[-1]) - sent.clip(lower=firsts.iloc[0])).clip(lower=0)
    shares = (inside / (ended - sent)).fillna(1.0)  # 0 / 0: it failed before it was sent
    return Window(rows, shares.to_numpy(), seconds, inside.sum() / seconds if seconds else None)


def _by_prompt(rows: "pd.DataFrame") -> Iterator[tuple[str, "pd.DataFrame"]]:
    for prompt_id, group in rows.groupby("prompt_id", observed=True, sort=False):
        yield str(prompt_id), group


def _outcome(ended: Counter, status: str) -> str:
    if not ended["ok"]:
        return "skipped" if status == "skipped" else "failed"
    return "partial" if ended["failed"] or ended["skipped"] else "ok"


def load_run(run: str | os.PathLike | None = None, *, sample: bool = False) -> Run:
    """Load a run: its folder, the name of one under the results folder, or the latest in a folder.

    Without an argument it is the latest that was measured on one server: not a merged run, nor one
    of a folder `custom` or a lab. Where there is none yet, `sample` gives a copy of the one that
    ships with the kit. Raises UsageError when there is none. Damaged runs are named on stderr.
    """
    path = user_path(run) if run else Path()
    path = path.parent if path.name in ("run.json", "requests.jsonl") else path
    folder = path if run and path.is_dir() else results_folder() / (run or "")
    if (folder / "run.json").is_file() or (run and not folder.is_dir()):
        return Run(folder)
    runs: list[Run] = []
    damaged: list[UsageError] = []
    paths = [p for p in folder.rglob("run.json") if not is_aside(p.relative_to(folder))]
    for path in paths:
        try:
            runs.append(Run(path.parent))
        except UsageError as error:  # it must not hide the others
            damaged.append(error)
    shipped = sample and not run
    runs = runs if run else [one for one in runs if not one.info.joined_from]
    if damaged and not runs and not shipped:
        raise damaged[0]
    for problem in damaged:
        print("passed over:", *lines(str(problem)), file=sys.stderr)
    if runs:
        return max(runs, key=lambda run: run.info.started_at)
    if shipped:
        with writing(folder):
            return Run(shutil.copytree(DATA / SAMPLE, folder / SAMPLE, dirs_exist_ok=True))
    raise UsageError(
        f"There is no run in {folder} yet; measure one with: "
        "python -m helpers benchmark (or notebook 03)."
    )
