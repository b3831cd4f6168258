"""Say before a download how fast a model will probably be on this machine, and how far off that is.

Writing a token reads every weight once, so memory bandwidth bounds output tokens/s. Reading a
prompt multiplies every weight by every token, so arithmetic bounds TTFT. Both rates are measured
once and kept in the home folder; models that were measured here correct them.
"""

import json
import timeit
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass

import numpy as np

from ..common import machine
from ..common.errors import UsageError
from ..common.files import write_json
from ..common.paths import home, results_folder
from ..common.show import Shown, Table, format_cell
from ..common.templates import sentences
from ..servers.model_table import ModelInfo
from .record import Run

PROMPT_TOKENS = 500
FILE = "machine-speed.json"
BYTES_PER_WEIGHT = {"int4": 0.6, "int8": 1.1}  # with scales, and embeddings at a higher precision
WHOLE_BYTES = ("pocket-", "smollm2-135m")  # the kit's own; a catalog's models are mostly int4
ALONE = (0.3, 1.5)  # of the forecast, while nothing that was measured here corrects it
MAX_RUNS = 20  # the latest ones are read
REPEATS = 5


@dataclass(frozen=True)
class MachineSpeed:
    """Hold what a processor reads (bytes per second) and multiplies (operations per second)."""

    cpu: str
    bytes_per_s: float
    operations_per_s: float


def machine_speed() -> MachineSpeed:
    """Return the speed of this machine's processor, measured once (about a second) and kept."""
    path, cpu = home() / FILE, machine.cpu_name()
    with suppress(OSError, ValueError, TypeError):
        kept = MachineSpeed(**json.loads(path.read_text(encoding="utf-8")))
        if kept.cpu == cpu:
            return kept
    rows = np.ones((1, 4096), dtype=np.float32)
    weights = np.ones((4096, 16384), dtype=np.float32)  # 268 MB: larger than any cache
    square = np.ones((2048, 2048), dtype=np.float32)
    speed = MachineSpeed(
        cpu,
        weights.nbytes / _fastest(rows, weights),
        2 * len(square) ** 3 / _fastest(square, square),
    )
    with suppress(OSError):  # a home that cannot be written is no reason to say nothing
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, asdict(speed))
    return speed


def _fastest(a: np.ndarray, b: np.ndarray) -> float:
    return min(timeit.repeat(lambda: a @ b, number=1, repeat=REPEATS))


@dataclass(frozen=True)
class Forecast(Shown):
    """Hold what the models of a list will probably do here, beside what some of them did.

    `factors` has measured over expected, by figure (`tokens_per_s`, `ttft_s`) and model.
    """

    models: Sequence[ModelInfo]
    speed: MachineSpeed
    factors: dict[str, dict[str, float]]

    def expect(self, model: ModelInfo, figure: str) -> tuple[float, float] | None:
        """Return the range in which a figure of a model probably lies; None for unknown sizes."""
        first = expected(model.size_mb, model.alias, self.speed).get(figure)
        # A model does not correct its own forecast, or the range would look better than it is.
        known = [f for name, f in self.factors[figure].items() if name != model.alias]
        low, high = (min(known), max(known)) if len(known) > 1 else ALONE
        return None if first is None or model.on_gpu else (first * low, first * high)

    def table(self) -> Table:
        """Return a row for each model: the expected ranges, and what was measured here."""
        rows = []
        for model in self.models:
            rate, ttft = (self.expect(model, figure) for figure in ("tokens_per_s", "ttft_s"))
            rows.append([model.alias, model.size_mb, _range(rate), _range(ttft)])
        headers = ("alias", "size, MB", "output tokens/s", f"TTFT for {PROMPT_TOKENS} tokens, s")
        return Table(headers, rows)

    def sentences(self) -> list[str]:
        """Say what the forecast stands on, and how far off it was for models measured here."""
        few = len(self.factors["tokens_per_s"]) < 2
        misses = [] if few else [max(f, 1 / f) for f in self._misses("tokens_per_s")]
        about = {"speed": self.speed, "misses": misses, "middle": misses and np.median(misses)}
        return sentences("measure/forecast.jinja", **about)

    def _misses(self, figure: str) -> Iterator[float]:
        """Yield measured over forecast of each measured model, forecast from the others."""
        factors = self.factors[figure]
        for model, factor in factors.items():
            others = [other for name, other in factors.items() if name != model]
            yield factor / float(np.sqrt(min(others) * max(others)))


def expected(size_mb: float | None, name: str, speed: MachineSpeed) -> dict[str, float]:
    """Return output tokens/s and TTFT (seconds, 500 tokens) by the machine's rates alone."""
    if not size_mb:
        return {}
    whole_bytes = name.startswith(WHOLE_BYTES) and "int4" not in name
    weights = size_mb * 1e6 / BYTES_PER_WEIGHT["int8" if whole_bytes else "int4"]
    return {
        "tokens_per_s": speed.bytes_per_s / (size_mb * 1e6),
        "ttft_s": 2 * weights * PROMPT_TOKENS / speed.operations_per_s,
    }


def forecast(models: Sequence[ModelInfo]) -> Forecast:
    """Forecast the speed of models on this machine's processor, corrected by its own runs."""
    speed = machine_speed()
    factors: dict[str, dict[str, float]] = {"tokens_per_s": {}, "ttft_s": {}}
    for run in _runs_of(speed.cpu):
        answered = run.headline[(run.headline["status"] == "ok").to_numpy()]
        for row in run.summary:
            mine = answered[(answered["model"] == row["model"]).to_numpy()]
            of_a_token_s = (mine["ttft_s"] / mine["prompt_tokens"].astype(float)).median()
            measured = {
                "tokens_per_s": row["output_tokens_per_s_p50"] or 0.0,
                "ttft_s": PROMPT_TOKENS * of_a_token_s,
            }
            for figure, value in expected(row["size_mb"], str(row["model"]), speed).items():
                if measured[figure] > 0:  # neither unknown nor nan
                    factors[figure][row["model"]] = float(measured[figure]) / value
    return Forecast(models, speed, factors)


def _runs_of(cpu: str) -> Iterator[Run]:
    """Yield the latest runs of the built-in runtime on this processor, oldest first."""
    folders = sorted(results_folder().rglob("run.json"), key=lambda path: path.stat().st_mtime)
    for path in folders[-MAX_RUNS:]:
        with suppress(UsageError):
            run = Run(path.parent)
            here = run.info.server.kind.startswith("Foundry Local")
            if here and run.info.environment.machine.get("cpu") == cpu:
                yield run


def _range(bounds: tuple[float, float] | None) -> str | None:
    return " to ".join(format_cell(float(f"{bound:.2g}")) for bound in bounds) if bounds else None
