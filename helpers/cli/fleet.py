"""Commands around a lab: certificates, scheduler, worker, one plan for all devices, the report."""

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
    """Make a folder with a certificate for each machine of a lab.

    Args:
        folder: FOLDER of the lab; the key of its authority stays there
        name: each machine's name (default: lab, for scheduler and run)
    """
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
    """Run the scheduler of a lab until Ctrl-C.

    Args:
        host: this machine's address in the lab's network (default: this machine alone)
        port: port to listen on (default 8786)
        lost_after: seconds of silence after which a device counts as lost (default 60)
    """
    from ..fleet import lab

    folder = user_path(certificates) if certificates else None
    address = lab.parse_scheduler(f"{'tls' if folder else 'tcp'}://{host}:{port}", folder)
    lab.serve_scheduler(address, folder, lost_after)


def worker(*, scheduler: At, name: str, certificates: Certificates = None) -> None:
    """Carry out on this device what the lab asks, until Ctrl-C.

    Args:
        name: this device's name in the lab, such as edge-1
    """
    from ..fleet import lab

    folder = user_path(certificates) if certificates else None
    lab.serve_worker(lab.parse_scheduler(scheduler, folder), folder, name)


def run(
    plan: str | None = None,
    /,
    *,
    scheduler: At,
    certificates: Certificates = None,
    resume: str | None = None,
    wait: float = 30.0,
) -> int:
    """Measure a plan on every device of the lab; exit with 1 when any has no run.

    Args:
        plan: PLAN.toml or .json: models, prompts, rounds, max_tokens
        resume: instead of a plan, the folder of an experiment that was interrupted
        wait: minutes to wait for lost devices once the others are done (default 30)
    """
    from ..fleet import experiment, lab

    folder = user_path(certificates) if certificates else None
    done = experiment.run_experiment(
        lab.parse_scheduler(scheduler, folder),
        folder,
        plan and user_path(plan),
        resume and user_path(resume),
        60 * wait,
    )
    print(
        done.table(),
        f"\nexperiment: {done.folder}; see it with: python -m helpers fleet report",
        sep="\n",
    )
    return 0 if all(one.state == "done" for one in done.devices.values()) else 1


for command in (certificates, scheduler, worker, run):
    describe(command)
    app.command(command)
