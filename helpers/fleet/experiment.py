"""Send one plan to every device of a lab, collect each one's run, and show all on one screen."""

import json
import math
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from ..common.errors import KitError, UsageError
from ..common.files import now, read_text, write_json, write_text
from ..common.foreign import clean
from ..common.paths import results_folder
from ..common.show import Table
from ..common.templates import sentences
from ..measure.info import what_differs
from ..measure.record import Run
from ..measure.shared_plan import read_shared_plan
from . import device, lab
from .certificates import NAME

if TYPE_CHECKING:
    from distributed import Client, Future

RECORD = "fleet.json"
LOOK_EVERY_S, GATHER_S = 0.5, 60
MAX_RESULT = 200_000_000  # characters of one device's run


@dataclass
class Device:
    """Follow one device; `state` is waiting, measuring, lost, done, failed or left out."""

    name: str
    state: str = "waiting"
    done: int = 0
    lost: int = 0  # times
    notes: list[str] = field(default_factory=list)


class Experiment:
    """Carry out an order on a lab; `folder` holds a run of each device, and fleet.json."""

    def __init__(self, client: "Client", order: device.Order, folder: Path):
        self.client, self.order, self.folder = client, order, folder
        self.devices: dict[str, Device] = {}
        self._sent: dict[str, tuple[str, Future]] = {}  # the address, and what comes from there
        self._bars: dict[str, tqdm] = {}
        self._lost_at: dict[str, float] = {}

    def run(self, wait_s: float) -> None:
        """Measure on all devices; of lost ones, wait so long for the first to come back."""
        while True:
            workers = self.client.scheduler_info(n_workers=-1)["workers"]
            there = {str(about["name"]): (at, about) for at, about in workers.items()}
            for name, (address, about) in there.items():
                one = self.devices.get(name) or self._meet(name, about)
                if one.state == "measuring" and address != self._sent[name][0]:
                    self._lose(one)
                if one.state in ("waiting", "lost"):
                    self._send(one, address)
            for one in self.devices.values():
                self._follow(one, there.get(one.name, ("", {}))[1])
            states = [one.state for one in self.devices.values()]
            last = max(self._lost_at.values(), default=math.inf)
            if not set(states) & {"waiting", "measuring"} and (
                "lost" not in states or time.monotonic() - last > wait_s
            ):
                return
            time.sleep(LOOK_EVERY_S)

    def _meet(self, name: str, about: Mapping[str, Any]) -> Device:
        """Look at a device for the first time, and leave it out when it does not fit."""
        one = self.devices[name] = Device(clean(name, 40))
        theirs = about.get("fleet", {}).get("versions")
        foreign = not NAME.fullmatch(name) or not isinstance(theirs, dict)
        differs = [] if foreign else what_differs(theirs, lab.versions())
        here = (self.folder / one.name / "run.json").exists()
        clock = about.get("metrics", {}).get("fleet", {}).get("clock", time.time())
        told = {"foreign": foreign, "differs": differs, "here": here, "off_s": clock - time.time()}
        one.state = "left out" if foreign or differs else "done" if here else "waiting"
        for words in sentences("fleet/met.jinja", **told):
            self._say(one, words)
        return one

    def _send(self, one: Device, address: str) -> None:
        if one.state == "lost":
            self._say(one, f"back after being lost; it goes on with request {one.done + 1}")
        future = self.client.submit(
            device.measure,
            self.order.model_dump_json(),
            key=f"{self.order.id}-{one.name}-{secrets.token_hex(4)}",
            workers=[address],
            allow_other_workers=False,
            pure=False,
        )
        self._sent[one.name], one.state = (address, future), "measuring"
        self._lost_at.pop(one.name, None)

    def _lose(self, one: Device) -> None:
        self._sent.pop(one.name)[1].cancel()
        one.lost += 1
        self._lost_at[one.name] = time.monotonic()
        self._say(one, "lost; the rest goes on, and it is taken back when it returns", "lost")

    def _follow(self, one: Device, about: Mapping[str, Any]) -> None:
        """Collect what a device has sent, or note how far it is, or that it is lost."""
        if one.state == "measuring":
            seen = about.get("metrics", {}).get("fleet", {})
            if seen.get("id") == self.order.id:
                one.done = int(seen["done"])
            if self._sent[one.name][1].done():
                self._collect(one)
            elif not about:
                self._lose(one)
        self._draw(one)

    def _collect(self, one: Device) -> None:
        from distributed import KilledWorker

        try:
            text = self._sent[one.name][1].result(timeout=GATHER_S)
            if not isinstance(text, str) or len(text) > MAX_RESULT:
                raise UsageError("what it sent is not the run of a device")
            self._keep(one, json.loads(text))
        except (KilledWorker, TimeoutError):
            self._lose(one)
        except Exception as error:
            self._say(one, f"failed: {clean(error).rstrip('.')}", "failed")

    def _keep(self, one: Device, files: dict[str, str]) -> None:
        if reason := files.get("error"):
            raise KitError(reason)
        folder = self.folder / one.name
        folder.mkdir(exist_ok=True)
        for name in reversed(device.FILES):  # run.json last: with it the run is whole
            write_text(folder / name, files[name])
        run = Run(folder)
        one.done = int((run.frame["phase"] == "measure").sum())
        for alias, record in run.info.models.items():
            if record.error:
                self._say(one, f"{alias} was not measured: {clean(record.error).rstrip('.')}")
        self._say(one, f"done, {one.done} requests", "done")

    def _say(self, one: Device, words: str, state: str | None = None) -> None:
        """Tell and record in one sentence what happened to a device."""
        one.state = state or one.state
        one.notes.append(f"{now()} {words}")
        tqdm.write(f"{one.name}: {words}.", file=sys.stderr)
        devices = [asdict(one) for one in self.devices.values()]
        record = {"order": self.order.model_dump(mode="json"), "devices": devices}
        write_json(self.folder / RECORD, record)

    def _draw(self, one: Device) -> None:
        """Keep one line for each device, in a terminal."""
        bar = self._bars.get(one.name) or tqdm(
            total=self.order.plan.requests,
            position=len(self._bars),
            bar_format="{desc:<24.24} {bar:30} {n_fmt:>5} of {total_fmt}  {postfix}",
            desc=one.name,
            disable=not sys.stderr.isatty(),
        )
        self._bars[one.name] = bar
        bar.n = one.done
        bar.set_postfix_str(one.state)

    def table(self) -> Table:
        """Show how each device ended."""
        rows = [[one.name, one.state, one.done, one.lost] for one in self.devices.values()]
        return Table(("device", "state", "requests", "times lost"), rows)


def run_experiment(
    here: lab.Lab, plan: Path | None, resumed: Path | None, wait_s: float
) -> Experiment:
    """Carry out a plan, or what is missing of an experiment's folder, on all devices of a lab."""
    if plan and not resumed:
        name = f"fleet-{now()[:19].replace(':', '-')}-{secrets.token_hex(2)}"
        order = device.Order(id=name, plan=read_shared_plan(plan))
    elif resumed and not plan:
        order = device.Order.model_validate(json.loads(read_text(resumed / RECORD))["order"])
    else:
        raise UsageError("Give either a plan, or --resume with the folder of an experiment.")
    security = here.reach()[1]
    from distributed import Client

    folder = resumed or results_folder() / order.id
    folder.mkdir(exist_ok=True)
    with Client(str(here), security=security, set_as_default=False) as client:
        theirs, mine = client.get_versions()["scheduler"]["packages"], lab.versions()
        if theirs["distributed"] != mine["distributed"]:
            words = f"{theirs['distributed']} at {here} and {mine['distributed']} here"
            raise KitError(f"distributed is {words}; update one of them.")
        if not client.scheduler_info(n_workers=1)["workers"]:
            raise KitError(f"No device is in the lab of {here}; start `fleet worker` on each.")
        experiment = Experiment(client, order, folder)
        experiment.run(wait_s)
    return experiment
