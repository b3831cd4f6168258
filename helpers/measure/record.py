"""The record of a run: a folder of plain files that any later step can start from, today or next year.

run.json         what was planned, where, on what machine, and how it ended
requests.jsonl   one row a request, appended as it happens
"""

import json
import os
import secrets
import shutil
from collections import Counter
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import filelock
import numpy as np

from ..common.errors import UsageError
from ..common.files import now, write_json
from ..common.paths import DATA, results_folder
from ..common.show import Table
from ..timing import drift
from ..timing import intervals as statistics
from ..timing.intervals import Summary, summarize
from ..timing.metrics import COMPARED
from . import rows

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1
SAMPLE = "sample_run"
SHOWN_OUTLIERS = 50
# What a model needs, in run.json and in the summary; None where it could not be measured, with the reason in `not_measured`.
RESOURCES = (
    "cold_ttft_s",
    "memory_mb",
    "gpu_memory_mb",
    "disk_mb",
    "energy_j_per_request",
    "energy_source",
)


@dataclass(frozen=True)
class Row:
    """One request. Times are seconds; `chunk_times_s` count from just before the request was written.

    TTFT, TTFO and latency count from then too, but in an open loop from when the request was due. `scheduled_s`, `sent_s` and
    `ended_s` are on the clock of the measurement: it starts with the run and stands still between blocks of requests.
    """

    model: str
    model_id: str | None
    prompt_id: str
    round: int
    phase: str  # warmup, measure
    status: str  # ok, failed, skipped
    error: str | None = None
    started_at: str | None = None
    ttft_s: float | None = None
    latency_s: float | None = None
    itl_s: float | None = None
    output_tokens_per_s: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    token_source: str = "none"
    finish_reason: str | None = None
    chunk_times_s: tuple[float, ...] = ()
    text: str = ""
    concurrency: int = 1  # requests kept under way at once; 1 in an open loop too
    scheduled_s: float | None = None  # open loop: when it was due
    sent_s: float | None = None
    ended_s: float | None = None  # also of a request that failed
    connect_s: float | None = (
        None  # opening the connection, before the clock of the other figures starts
    )
    ttfo_s: float | None = None


class Recorder:
    """Writes a run folder while the run goes on. Every row is on its way to disk before the next request is sent."""

    def __init__(self, info: dict, output: str | os.PathLike | None = None):
        started = now()
        self.folder = (
            results_folder(output) / f"{started[:19].replace(':', '-')}-{secrets.token_hex(2)}"
        )
        self.folder.mkdir()
        self.info = {
            "schema": SCHEMA,
            "status": "running",
            "started_at": started,
            "finished_at": None,
            **info,
        }
        self._open()

    @classmethod
    def reopen(cls, run: "Run", info: dict) -> "Recorder":
        """Go on with the record of a run that did not finish. A last line that a kill left half-written is cut off.

        Raises UsageError when another process is writing this run at the moment.
        """
        recorder = cls.__new__(cls)
        recorder.folder, recorder.info = (
            run.folder,
            {**run.info, **info, "status": "running", "finished_at": None},
        )
        recorder._open()
        return recorder

    def _open(self) -> None:
        self._lock = filelock.FileLock(
            self.folder / "run.lock"
        )  # the system frees it when this process dies
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            raise UsageError(
                f"Another process is measuring into {self.folder} at the moment; wait for it, or start a new run."
            ) from None
        rows = self.folder / "requests.jsonl"
        if rows.exists():
            whole = rows.read_bytes().rpartition(b"\n")
            os.truncate(rows, len(whole[0]) + len(whole[1]))
        self._rows = rows.open("a", encoding="utf-8", errors="replace", newline="\n")
        self.save()

    def add(self, row: Row) -> None:
        """Append one row."""
        self._rows.write(json.dumps(asdict(row), ensure_ascii=False) + "\n")
        self._rows.flush()

    def save(self) -> None:
        """Write run.json as it is now."""
        write_json(self.folder / "run.json", self.info)

    def finish(self, status: str) -> "Run":
        """Close the record with its final status and give it back for reading."""
        self._rows.close()
        self.info |= {"status": status, "finished_at": now()}
        self.save()
        self._lock.release()
        (self.folder / "run.lock").unlink(missing_ok=True)
        return Run(self.folder)


class Run:
    """A recorded run. Shows itself as its summary table."""

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        try:
            self.info = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise UsageError(
                f"{self.folder} holds no run (no run.json); give the folder that a benchmark printed."
            ) from None
        except ValueError as error:
            raise UsageError(f"{self.folder / 'run.json'} is not valid JSON ({error}).") from None
        if not isinstance(self.info, dict):
            raise UsageError(
                f"{self.folder / 'run.json'} holds no run; give the folder that a benchmark printed."
            )
        if self.info.get("schema") != SCHEMA:
            raise UsageError(
                f"{self.folder} was recorded in form {self.info.get('schema')}, this kit reads form {SCHEMA}; measure again."
            )

    @property
    def status(self) -> str:
        """running, finished or interrupted. A run whose process was killed stays 'running'."""
        return self.info["status"]

    @property
    def origin(self) -> str:
        """Where and when this run was measured, in a sentence."""
        when = self.info["started_at"][:16].replace("T", " ")
        shipped = self.folder.name == SAMPLE
        return (
            f"Sample run that ships with the kit, of another machine, {when} UTC: measure your own in 03."
            if shipped
            else f"Run of {when} UTC."
        )

    @property
    def models(self) -> list[str]:
        """The models of the plan, in its order."""
        return list(self.info["models"])

    @cached_property
    def frame(self) -> "pd.DataFrame":
        """Every request, warm-up included, as a data frame: see `columns.read`. Raises UsageError when the file is damaged."""
        return self._read[0]

    @cached_property
    def _read(self) -> tuple["pd.DataFrame", np.ndarray]:
        path = self.folder / "requests.jsonl"
        try:
            return rows.read_rows(path)
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read ({error.strerror}); restore it, or measure again."
            ) from None

    def row(self, place: int) -> dict:
        """One request whole, with its chunk times; `place` is its place in `frame`."""
        with (self.folder / "requests.jsonl").open("rb") as file:
            file.seek(self._read[1][place])
            return json.loads(file.readline().decode("utf-8", "replace"))

    @cached_property
    def rows(self) -> list[dict]:
        """Every request whole, warm-up included, as dicts: for short runs; `frame` holds a million."""
        return [self.row(place) for place in range(len(self.frame))]

    def measured(self, model: str | None = None) -> list[dict]:
        """The headline requests whole, as dicts, of one model or all: for short runs."""
        places = self.headline.index
        return [
            row for row in (self.row(place) for place in places) if model in (None, row["model"])
        ]

    @cached_property
    def level(self) -> int:
        """Requests under way at once in the rows that the headline figures stand for: the plan's first level."""
        levels = self.frame.loc[
            (self.frame["phase"] == "measure").to_numpy(), "concurrency"
        ].to_numpy()
        planned = self.info["plan"].get("concurrency", 1)
        return (
            planned if (levels == planned).any() or not len(levels) else int(levels.min())
        )  # rows of an older kit name none: all read as 1

    @cached_property
    def headline(self) -> "pd.DataFrame":
        """The measured rows that summary and comparisons stand for: those at the first level of concurrency."""
        return self.frame[
            (
                (self.frame["phase"] == "measure") & (self.frame["concurrency"] == self.level)
            ).to_numpy()
        ]

    @cached_property
    def _by_model(self) -> dict[str, "pd.DataFrame"]:
        """The headline rows of each model of the plan."""
        return {
            model: self.headline[(self.headline["model"] == model).to_numpy()]
            for model in self.models
        }

    def sample(self, model: str, metric: str) -> "pd.DataFrame":
        """The answered headline requests of a model that have this metric: columns `prompt_id`, `round` and the metric."""
        rows = self._by_model[model]
        found = rows[((rows["status"] == "ok") & rows[metric].notna()).to_numpy()]
        return found[["prompt_id", "round", metric]]

    def values(self, model: str, metric: str) -> dict[str, list[float]]:
        """Prompt id to the measured values of one metric, answered requests only."""
        if (model, metric) not in self._values:
            found = self.sample(model, metric)
            groups = found.groupby("prompt_id", observed=True, sort=False)[metric]
            self._values[model, metric] = {str(prompt): some.tolist() for prompt, some in groups}
        return self._values[model, metric]

    @cached_property
    def _values(self) -> dict[tuple[str, str], dict[str, list[float]]]:
        return {}

    @cached_property
    def summary(self) -> list[dict]:
        """One row a model; `latency_p95_s` and `ttft_p95_s` are None below 20 answered requests."""
        return [self._summary_row(model) for model in self.models]

    @cached_property
    def intervals(self) -> dict[str, dict[str, list[float | None]]]:
        """Model to metric to the 95 % interval of its median; None below 3 rounds."""
        return {
            model: {
                metric: [s.low, s.high]
                for metric in COMPARED
                for s in [self._summarised(model, metric)]
            }
            for model in self.models
        }

    def _summarised(self, model: str, metric: str) -> Summary:
        if (model, metric) not in self._summaries:
            found = self.sample(model, metric)
            self._summaries[model, metric] = summarize(
                found[metric].to_numpy(), found["round"].to_numpy()
            )
        return self._summaries[model, metric]

    @cached_property
    def _summaries(self) -> dict[tuple[str, str], Summary]:
        return {}

    def _summary_row(self, model: str) -> dict:
        about, rows = self.info["models"][model], self._by_model[model]
        count = Counter(rows["status"].value_counts().to_dict())
        latency, ttft = self._summarised(model, "latency_s"), self._summarised(model, "ttft_s")
        status = _outcome(count, about["status"])
        return {
            "model": model,
            "status": status,
            "n_ok": count["ok"],
            "n_failed": count["failed"],
            "n_skipped": count["skipped"],
            "latency_mean_s": latency.mean,
            "latency_p50_s": latency.p50,
            "latency_p95_s": latency.p95,
            "ttft_p50_s": ttft.p50,
            "ttft_p95_s": ttft.p95,
            "output_tokens_per_s_p50": self._summarised(model, "output_tokens_per_s").p50,
            "load_s": about["load_s"],
            **{name: about.get(name) for name in RESOURCES},
            "size_mb": about["size_mb"],
            "license": about["license"],
            "sample": self._first_text(rows)[:160],
            "error": about["error"] or next(iter(rows["error"].dropna()), None),
        }

    def _first_text(self, rows: "pd.DataFrame") -> str:
        """The answer of the first round to the first prompt of the plan, so that samples of two models answer the same prompt."""
        place = {
            prompt["id"]: number
            for number, prompt in enumerate(self.info["plan"]["prompts"]["prompts"])
        }
        found = rows[(rows["status"] == "ok").to_numpy()]
        found = found[(found["round"] == found["round"].min()).to_numpy()]
        order = [place.get(prompt, len(place)) for prompt in found["prompt_id"]]
        return found["text"].iloc[int(np.argmin(order))] if order else ""

    def answers(self, prompt_id: str) -> Table:
        """What each model answered to one prompt in the first round."""
        frame = self.headline
        rows = frame[((frame["prompt_id"] == prompt_id) & (frame["round"] == 1)).to_numpy()]
        found = {
            row.model: [row.model, row.status, row.text or row.error] for row in rows.itertuples()
        }
        return Table(
            ("model", "status", "answer"), [found[model] for model in self.models if model in found]
        )

    def outliers(self, metric: str) -> Table:
        """The measured values that lie far from the median of their model and prompt; they stay in every figure.

        The farthest are shown, up to 50; the note counts all.
        """
        found = []
        for model in self.models:
            marks = self.outlier_marks(model, metric)
            for prompt_id, values in self.values(model, metric).items():
                middle = float(np.median(values))
                found += [
                    [model, prompt_id, value, middle, value / middle]
                    for value, far in zip(values, marks[prompt_id], strict=True)
                    if far
                ]
        count, few = int((self.headline["status"] == "ok").sum()), found
        if len(found) > SHOWN_OUTLIERS:
            distance = np.argsort([-abs(np.log(row[-1])) for row in found], kind="stable")
            few = [found[place] for place in sorted(distance[:SHOWN_OUTLIERS])]
        note = f"{len(found)} of {count} answered requests are outliers" + (
            f"; the {len(few)} farthest are shown." if few is not found else "."
        )
        return Table(("model", "prompt", metric, "median of the prompt", "ratio"), few, note=note)

    def outlier_marks(self, model: str, metric: str) -> dict[str, list[bool]]:
        """Prompt id to marks for `values`: a value is judged by its ratio to its prompt's median, among all of the model's ratios.

        The few rounds of one prompt alone would not show what spread is usual.
        """
        if (model, metric) not in self._marks:
            values = self.values(model, metric)
            ratios = [np.asarray(some) / np.median(some) for some in values.values()]
            marks = iter(statistics.outliers(np.concatenate(ratios)) if ratios else [])
            self._marks[model, metric] = {
                prompt_id: [next(marks) for _ in some] for prompt_id, some in values.items()
            }
        return self._marks[model, metric]

    @cached_property
    def _marks(self) -> dict[tuple[str, str], dict[str, list[bool]]]:
        return {}

    @cached_property
    def drifts(self) -> list[drift.Drift]:
        """For each model and metric, whether it changed over the rounds; the intervals hold together at 95 %."""
        samples = [
            (model, metric, self.sample(model, metric))
            for model in self.models
            for metric in COMPARED
        ]
        samples = [(model, metric, found) for model, metric, found in samples if len(found)]
        return [
            drift.drift(
                m,
                metric,
                found["prompt_id"],
                found["round"],
                found[metric],
                comparisons=len(samples),
            )
            for m, metric, found in samples
        ]

    @cached_property
    def first_uses(self) -> list[drift.FirstUse]:
        """For each model, whether the first use of a prompt was slower than its repeats."""
        warmed = self.frame.loc[(self.frame["phase"] != "measure").to_numpy(), "prompt_id"].unique()
        samples = [(model, self.sample(model, "ttft_s")) for model in self.models]
        return [
            drift.first_use(m, found["prompt_id"], found["round"], found["ttft_s"], warmed=warmed)
            for m, found in samples
        ]

    def table(self) -> Table:
        """The summary as a table, without the sample."""
        headers = [name for name in self.summary[0] if name not in ("sample", "error", "n_skipped")]
        table_rows = [[row[name] for name in headers] for row in self.summary]
        problems = "; ".join(
            f"{row['model']}: {row['error']}" for row in self.summary if row["error"]
        )
        return Table(headers, table_rows, note=f"Problems: {problems}." if problems else "")

    def __str__(self) -> str:
        return f"{self.table()}"

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def _outcome(count: Counter, status: str) -> str:
    if not count["ok"]:
        return "skipped" if status == "skipped" else "failed"
    return "partial" if count["failed"] or count["skipped"] else "ok"


def _readable(folder: Path) -> Run | None:
    try:
        return Run(folder)
    except UsageError:
        return None


def load_run(run: str | os.PathLike | None = None, *, sample: bool = False) -> Run:
    """A recorded run: its folder, the name of one under the results folder, or the latest in a folder of runs.

    Without an argument it is the latest of all; where there is none yet, `sample` gives a copy of the one that ships with the kit.
    Raises UsageError when there is none.
    """
    folder = Path(run) if run and Path(run).is_dir() else results_folder() / (run or "")
    if (folder / "run.json").is_file() or (run and not folder.is_dir()):
        return Run(folder)
    readable = (
        _readable(path.parent) for path in folder.rglob("run.json")
    )  # an old or damaged run must not hide the others
    found = sorted((run for run in readable if run), key=lambda found: found.info["started_at"])
    if not found and sample and not run:
        return Run(shutil.copytree(DATA / SAMPLE, folder / SAMPLE, dirs_exist_ok=True))
    if not found:
        raise UsageError(
            f"There is no run in {folder} yet; measure one with: python -m helpers benchmark (or notebook 03)."
        )
    return found[-1]
