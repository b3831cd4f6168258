"""Run folders that tests write through the record's own classes."""

import json

import numpy as np

from helpers.common import machine
from helpers.common.files import write_json
from helpers.measure.info import RunInfo
from helpers.measure.record import Run
from helpers.measure.recorder import Recorder
from helpers.measure.rows import Row
from helpers.timing.metrics import METRICS

NASTY = (
    "=HYPERLINK(\"http://x\")|a\nb `code` *bold* <script>alert('x')</script> [link](javascript:1) &lt; ~~s~~"
    + 20 * " and so on"
)


PROMPTS = ["short", "middle", "long"]


BASE_S = {"short": 0.10, "middle": 0.20, "long": 0.40}


ROUNDS = 7


WOBBLE = [0.00, 0.01, -0.01, 0.02, -0.02, 0.005, -0.005]  # of each round, as a share


def about(**fields) -> dict:
    return {"status": "ok", **fields}


def edit_info(run: Run, **changes) -> Run:
    """Replace fields of run.json, and read the run again."""
    path = run.folder / "run.json"
    write_json(path, {**json.loads(path.read_text(encoding="utf-8")), **changes})
    return Run(run.folder)


def info(models: dict[str, dict], **plan) -> RunInfo:
    """What `benchmark()` gives to the recorder."""
    prompts = {
        "name": "mine",
        "title": "",
        "prompts": [{"id": p, "text": f"Say {p}.", "facets": [], "format": None} for p in PROMPTS],
    }
    settings = {
        "rounds": ROUNDS,
        "warmup": 1,
        "max_tokens": 64,
        "temperature": 0.0,
        "seed": 0,
        "stream": True,
        "concurrency": 1,
        "timeout_s": 60.0,
    }
    return RunInfo.model_validate(
        {
            "plan": {"models": list(models), "prompts": prompts, **settings, **plan},
            "server": {"kind": "test server", "base_url": "http://127.0.0.1:1/v1"},
            "models": models,
            "environment": machine.environment(),
            "order": "interleaved by round",
        }
    )


def answer(
    model: str,
    prompt: str,
    number: int,
    latency_s: float,
    phase: str = "measure",
    tokens: int | None = 11,
    text: str = "An answer.",
    **fields,
) -> Row:
    """An answered request: the first tenth of the latency is TTFT, then ten equal steps."""
    times = tuple(latency_s * (0.1 + 0.09 * i) for i in range(11))
    itl_s = (times[-1] - times[0]) / (tokens - 1) if tokens else None
    figures = {
        "ttft_s": times[0],
        "latency_s": latency_s,
        "itl_s": itl_s,
        "output_tokens_per_s": 1 / itl_s if itl_s else None,
    }
    figures |= {name: fields.pop(name) for name in list(fields) if name in METRICS}
    values = {
        "completion_tokens": tokens,
        "token_source": "usage" if tokens else "none",
        "chunk_times_s": times,
        "finish_reason": "stop",
        "started_at": f"2026-01-02T03:04:{number:02d}.000+00:00",
    }
    return Row(
        model,
        f"{model}:1",
        prompt,
        number,
        phase,
        "ok",
        text=text,
        figures=figures,
        **{**values, **fields},
    )


def failure(model: str, prompt: str, number: int, error: str = "HTTP 500: Out of memory") -> Row:
    return Row(model, f"{model}:1", prompt, number, "measure", "failed", error=error)


def record(
    folder, models: dict[str, dict], rows: list[Row], status: str | None = "finished", **plan
) -> Run:
    """A run folder; without a status the recorder is left as a killed process leaves it."""
    recorder = Recorder(info(models, **plan), folder)
    for row in rows:
        recorder.add(row)
    if status is None:
        recorder._rows.close()
        return Run(recorder.folder)
    return recorder.finish(status)


def latency(model: str, prompt: str, number: int) -> float:
    return (2 if model == "large" else 1) * BASE_S[prompt] * (1 + WOBBLE[number - 1])


def rows_of(model: str, rounds=range(1, ROUNDS + 1), **fields) -> list[Row]:
    warm = [answer(model, "short", 0, 99.0, phase="warmup", text="warm-up")]
    return warm + [
        answer(model, p, n, latency(model, p, n), **fields) for n in rounds for p in PROMPTS
    ]


TWO = {
    "small": about(size_mb=2.7, license="MIT", load_s=0.5),
    "large": about(size_mb=27.0, license="MIT", load_s=1.5),
}


def recorded(tmp_path, texts: dict[str, list[str]], prompts=None):
    """A run folder as the benchmark writes it, with these answers by model and prompt."""
    count = len(next(iter(texts.values())))
    prompts = prompts or [
        {
            "id": f"p{n}",
            "text": f"Prompt {n}",
            "facets": [{"id": "owner", "any_of": ["Ana"]}, {"id": "due", "any_of": ["Friday"]}],
        }
        for n in range(1, count + 1)
    ]
    model_info = about(load_s=0.1, size_mb=1, license="MIT")
    plan = {"prompts": {"name": "mine", "prompts": prompts}, "rounds": 1}
    made = RunInfo.model_validate({"plan": plan, "models": dict.fromkeys(texts, model_info)})
    recorder = Recorder(made, tmp_path)
    for model, answers in texts.items():
        for n, text in enumerate(answers, 1):
            recorder.add(
                Row(
                    model,
                    None,
                    f"p{n}",
                    1,
                    "measure",
                    "ok" if text is not None else "failed",
                    text=text or "",
                    figures={"latency_s": 1.0},
                )
            )
    return recorder.finish("finished")


RIGHT, HALF, WRONG = "Ana by Friday.", "Ana.", "Nobody."


EIGHT = [f"p{i}" for i in range(8)]


def run_of(folder, models: dict[str, dict], prompts=EIGHT, rounds=3):
    """Write a run in which each model answers every prompt: `latency_s` (times a prompt's own factor), `right` (share of prompts), other facts."""
    rows, facts = [], {}
    for model, given in models.items():
        right = round(given.pop("right", 1.0) * len(prompts))
        latency_s, tokens = given.pop("latency_s", 1.0), given.pop("tokens", 11)
        spread = given.pop("spread", lambda i, number: 1.0)
        for i, prompt in enumerate(prompts):
            text = "It is right." if i < right else "No."
            rows += [
                answer(
                    model,
                    prompt,
                    n,
                    latency_s * (1 + i / 10) * spread(i, n),
                    tokens=tokens,
                    text=text,
                    prompt_tokens=100,
                )
                for n in range(1, rounds + 1)
            ]
        facts[model] = about(**{"license": "MIT", "size_mb": 10.0, **given})
    facets = [{"id": "word", "any_of": ["right"]}]
    plan = {
        "prompts": {
            "name": "mine",
            "title": "",
            "prompts": [
                {"id": p, "text": f"Say {p}.", "facets": facets, "format": None} for p in prompts
            ],
        }
    }
    return record(folder, facts, rows, **plan)


def steady_figures(rounds, slope=0.0, spread=0.02, prompts=8, seed=1, first=1.0):
    """Return prompts, rounds and values of one model: prompt p takes p + 1 ms, times a trend."""
    rng = np.random.default_rng(seed)
    number, prompt = (
        np.repeat(np.arange(1, rounds + 1), prompts),
        np.tile(np.arange(prompts), rounds),
    )
    trend = 1 + slope * (number - 1) / max(rounds - 1, 1)
    values = (
        0.001
        * (prompt + 1)
        * trend
        * np.where(number == 1, first, 1)
        * np.exp(rng.normal(0, spread, len(number)))
    )
    return [f"p{p}" for p in prompt], number, values
