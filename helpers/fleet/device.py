"""Measure a shared plan on this device: the only work that a lab sends, by this module's name.

The worker's thread only waits. What measures is a process of its own, so that the worker's own
traffic is in no figure, and it ends when its standard input closes: no worker leaves one behind.
What it has measured is on this device's disk, so a run that was cut off goes on where it was.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from ..common.errors import KitError
from ..common.paths import PROJECT, results_folder
from ..common.validation import Strict
from ..measure.record import Run
from ..measure.shared_plan import SharedPlan

ID = r"^fleet-[0-9T-]{19}-[0-9a-f]{4}$"
FILES = ("run.json", "requests.jsonl")
LOOK_EVERY_S = 0.1
_under_way: list[Path] = []  # the folder of the experiment that is measured now


class Order(Strict):
    """Name an experiment of the lab, and its plan."""

    id: Annotated[str, Field(pattern=ID)]
    plan: SharedPlan


def measure(text: str) -> str:
    """Carry out an order in JSON; return JSON with the files of the run, or with an `error`.

    Asked again after a run that was cut off, measure only what is missing.
    """
    from distributed import Status, get_worker

    worker, order = get_worker(), Order.model_validate_json(text)
    _under_way[:] = [results_folder() / order.id]
    command = [sys.executable, "-m", "helpers.fleet.device"]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=PROJECT, **pipes) as child:
        assert child.stdin and child.stdout
        child.stdin.write(f"{order.model_dump_json()}\n".encode())
        child.stdin.flush()
        while child.poll() is None:
            if worker.status != Status.running:  # the line is lost; the order will come again
                child.kill()
            time.sleep(LOOK_EVERY_S)
        said = child.stdout.read().decode("utf-8", "replace").splitlines()
    _under_way.clear()
    folder, failed = results_folder() / order.id, f"its process ended with {child.returncode}"
    name, error = json.loads(said[-1]) if said and not child.returncode else ("", failed)
    if error:
        return json.dumps({"error": error})
    return json.dumps({file: (folder / name / file).read_text("utf-8") for file in FILES})


def progress(_worker: object = None) -> dict[str, Any]:
    """Return how many requests of which experiment are on record, and this device's clock."""
    seen = {"id": "", "done": 0, "clock": time.time()}
    for folder in list(_under_way):
        with contextlib.suppress(OSError):
            text = b"".join(path.read_bytes() for path in folder.glob("*/requests.jsonl"))
            seen |= {"id": folder.name, "done": text.count(b'"phase": "measure"')}
    return seen


def _measured(order: Order) -> Run:
    """Measure, or finish, the run of an order."""
    from ..measure.resumption import resume
    from ..measure.session import benchmark
    from ..servers.local import BuiltIn

    folder, plan = results_folder() / order.id, order.plan
    begun = sorted(path.parent for path in folder.glob("*/run.json"))
    if begun and Run(begun[0]).status == "finished":
        return Run(begun[0])
    with BuiltIn(None, None) as server:  # the lab asks for this device, not for an address
        for alias in plan.models:
            with contextlib.suppress(KitError):  # the run says of each why it was skipped
                server.download(alias)
        if begun:
            return resume(server, begun[0])
        settings: dict[str, Any] = {"rounds": plan.rounds, "max_tokens": plan.max_tokens}
        return benchmark(
            server, plan.models, plan.prompt_set(), output=folder, stream=True, **settings
        )


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def main() -> None:
    """Read an order, measure, and say in JSON which folder has the run, or what went wrong."""
    order = Order.model_validate_json(sys.stdin.readline())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, and its end for this
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        print(json.dumps([_measured(order).folder.name, ""]), flush=True)
    except KitError as error:
        print(json.dumps(["", str(error)]), flush=True)


if __name__ == "__main__":
    main()
