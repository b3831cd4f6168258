"""Commands around a lab: certificates, scheduler, worker, one plan for all devices, the report."""

import sys
from typing import Annotated

from cyclopts import App, Parameter

from ..common.paths import user_path
from .options import describe

app = App(name="fleet", help="Measure one plan on many devices, and find one default for them.")
Certificates = Annotated[
    str | None, Parameter(help="this machine's folder that `fleet certificates` made")
]
At = Annotated[str, Parameter(help="the lab's scheduler, such as tls://HOST:8786")]


def certificates(folder: str, /, *name: str) -> None:
    """Make a folder with a certificate for each machine of a lab."""
    from ..fleet.certificates import make_certificates

    for path in make_certificates(user_path(folder), name or ("lab",)):
        print(f"{path}: copy it to that machine, and give it there as --certificates")


def scheduler(
    *,
    host: str = "127.0.0.1",
    port: int = 8786,
    certificates: Certificates = None,
    lost_after: float = 60.0,
) -> None:
    """Run the scheduler of a lab until Ctrl-C."""
    from ..fleet import lab

    here = lab.find_lab(f"{'tls' if certificates else 'tcp'}://{host}:{port}", certificates)
    lab.serve_scheduler(here, lost_after)


def worker(*, scheduler: At, name: str, certificates: Certificates = None) -> None:
    """Carry out on this device what the lab asks, until Ctrl-C."""
    from ..fleet import lab

    lab.serve_worker(lab.find_lab(scheduler, certificates), name)


def run(
    plan: str | None = None,
    /,
    *,
    scheduler: At,
    certificates: Certificates = None,
    resume: str | None = None,
    wait: float = 30.0,
) -> int:
    """Measure a plan on every device of the lab; exit with 1 when any has no run."""
    from ..fleet import experiment, lab

    here, begun = lab.find_lab(scheduler, certificates), user_path(resume) if resume else None
    done = experiment.run_experiment(here, user_path(plan) if plan else None, begun, 60 * wait)
    print(done.table())
    print(f"See it with: python -m helpers fleet report {done.folder}", file=sys.stderr)
    return 0 if all(one.state == "done" for one in done.devices.values()) else 1


def report(folder: str, /, *, limits: str | None = None) -> None:
    """Compare the models over all devices of an experiment, and write fleet.md into its folder."""
    from ..fleet.report import report_fleet

    print(report_fleet(user_path(folder), limits))


COMMANDS = (certificates, scheduler, worker, run, report)
for command in COMMANDS:
    describe(command, within="fleet ")
    app.command(command)
