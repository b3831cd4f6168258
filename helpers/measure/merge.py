"""Runs of one plan against several servers, joined into one record: local against cloud, side by side.

The joined run is a folder like any other, so table, charts, decision and report need to know nothing of it. A model is called
"alias @ server" in it. Only prompts that every run has count: same id and same text.
"""

import json
import os
import urllib.parse
from collections.abc import Sequence

from ..common.errors import UsageError
from .record import Recorder, Run

PLAN_DIFFERENCES = ("rounds", "max_tokens", "temperature", "stream", "concurrency")


def join(runs: Sequence[Run], output: str | os.PathLike | None = None) -> Run:
    """One run from several; the runs themselves stay as they are.

    Raises UsageError for fewer than two runs, the same run twice, and runs without a prompt in common.
    """
    if len(runs) < 2:
        raise UsageError("It takes two runs to join.")
    if len({run.folder.resolve() for run in runs}) < len(runs):
        raise UsageError("The same run was given twice; give two different ones.")
    texts = [{p["id"]: p["text"] for p in run.info["plan"]["prompts"]["prompts"]} for run in runs]
    shared = {
        prompt
        for prompt, text in texts[0].items()
        if all(other.get(prompt) == text for other in texts)
    }
    if not shared:
        raise UsageError(
            f"{' and '.join(run.folder.name for run in runs)} have no prompt in common (same id and same text), so they cannot be joined."
        )
    places, first = _places(runs), runs[0].info
    recorder = Recorder(
        {
            "plan": _plan(runs, places, shared),
            "server": {
                "kind": " and ".join(
                    dict.fromkeys(
                        f"{r.info['server']['kind']} ({p})"
                        for r, p in zip(runs, places, strict=True)
                    )
                ),
                "base_url": "",
            },
            "models": {
                f"{model} @ {place}": {
                    **about,
                    "from_run": run.folder.name,
                    "server": run.info["server"],
                }
                for run, place in zip(runs, places, strict=True)
                for model, about in run.info["models"].items()
            },
            "environment": first["environment"],
            "calibration": first.get("calibration"),
            "order": "one run after the other",
            "joined_from": [run.folder.name for run in runs],
            "joined_notes": list(_notes(runs, texts, shared)),
        },
        output or runs[0].folder.parent,
    )
    with (recorder.folder / "requests.jsonl").open("a", encoding="utf-8", newline="\n") as out:
        for run, place in zip(runs, places, strict=True):
            for row in _rows(run):
                if row["prompt_id"] in shared:
                    out.write(
                        json.dumps(
                            {**row, "model": f"{row['model']} @ {place}"}, ensure_ascii=False
                        )
                        + "\n"
                    )
    finished = all(run.status == "finished" for run in runs)
    return recorder.finish("finished" if finished else "interrupted")


def _rows(run: Run):
    """Line by line, so that a large record does not have to fit into memory; damage is told by reading the run itself."""
    with (run.folder / "requests.jsonl").open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                yield json.loads(line)
            except ValueError:
                if line.endswith("\n"):
                    raise UsageError(
                        f"{run.folder / 'requests.jsonl'} is damaged; look at it with: python -m helpers report {run.folder}"
                    ) from None


def _places(runs: Sequence[Run]) -> list[str]:
    """A short name for each run's server: local, or its host; numbered where two are the same."""
    names = [_place(run.info["server"]) for run in runs]
    return [
        f"{name} ({names[: i + 1].count(name)})" if names.count(name) > 1 else name
        for i, name in enumerate(names)
    ]


def _place(server: dict) -> str:
    kind, host = server["kind"], urllib.parse.urlsplit(server.get("base_url") or "").netloc
    if kind.startswith("Foundry Local"):
        return kind.partition(", ")[2] or "local"
    return host if host and kind.startswith("OpenAI-compatible") else kind


def _plan(runs: Sequence[Run], places: Sequence[str], shared: set[str]) -> dict:
    plan = runs[0].info["plan"]
    prompts = {
        **plan["prompts"],
        "prompts": [p for p in plan["prompts"]["prompts"] if p["id"] in shared],
    }
    models = [
        f"{model} @ {place}"
        for run, place in zip(runs, places, strict=True)
        for model in run.models
    ]
    return {
        **plan,
        "models": models,
        "prompts": prompts,
        "rounds": min(run.info["plan"]["rounds"] for run in runs),
    }


def _notes(runs: Sequence[Run], texts: Sequence[dict], shared: set[str]):
    yield (
        "Models of different servers were measured one run after the other, so drift does not hit all alike; verdicts between them allow for "
        "5 % of drift (standard deviation of a sitting)."
    )
    left_out = len(set().union(*texts) - shared)
    if left_out:
        yield f"{left_out} prompts are not in every run, or have another text there; they are left out."
    for name in PLAN_DIFFERENCES:
        values = [run.info["plan"].get(name) for run in runs]
        if len({json.dumps(value) for value in values}) > 1:
            yield f"The runs differ in {name}: {' and '.join(map(str, values))}."
    machines = [run.info["environment"]["machine"] for run in runs]
    if any(machine != machines[0] for machine in machines):
        yield "The runs were made on different machines; the environment below is the first one's."
