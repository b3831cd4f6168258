"""Run the two standing programs of a lab: its scheduler, and the worker of each device.

Beyond this machine there is TLS only, and no web page. Dask runs what a client sends, so whoever
holds a certificate of the lab can run programs on its devices: docs/fleet.md says what follows.
"""

import asyncio
import logging
import re
import socket
import ssl
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ..common.errors import EndpointError, KitError, UsageError
from ..common.foreign import clean
from ..common.machine import installed
from ..common.paths import home, user_path
from ..common.templates import paragraph
from ..measure.shared_plan import kit_version
from ..timing.connection import is_loopback
from . import device
from .certificates import AUTHORITY, CERTIFICATE, KEY, check_name

if TYPE_CHECKING:
    from distributed import Security

PORT, ANSWER_S, AGAIN_S = 8786, 5.0, 2.0
SETTINGS = {
    # Without these, a scheduler and each worker would also serve facts of the lab without TLS.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.profile.enabled": False,  # it looks at the worker 100 times a second
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    "distributed.comm.timeouts.connect": "10s",
}
QUIET: dict[str, Any] = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}


class Lab(NamedTuple):
    """Hold where the scheduler of a lab is, and this machine's certificates for it."""

    host: str
    port: int
    certificates: Path | None  # None: no TLS, on this machine alone

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.certificates else 'tcp'}://{host}:{self.port}"

    def configure(self) -> "Security | None":
        """Set Dask up for the lab, and return what it needs for TLS. Raises UsageError."""
        try:
            import dask
            from distributed import Security
        except ImportError:
            raise UsageError(
                "A lab needs Dask, which is not installed; install it with: "
                "python -m pip install -r requirements-lab.txt -c constraints.txt"
            ) from None
        dask.config.set(SETTINGS)
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        if self.certificates is None:
            return None
        authority, own, key = (self.certificates / name for name in (AUTHORITY, CERTIFICATE, KEY))
        if missing := [path for path in (authority, own, key) if not path.is_file()]:
            raise UsageError(
                f"There is no {missing[0]}; give the folder of this machine that "
                "`python -m helpers fleet certificates` made."
            )
        roles = ("scheduler", "worker", "client")
        files = {f"tls_{role}_cert": str(own) for role in roles}
        files |= {f"tls_{role}_key": str(key) for role in roles}
        return Security(require_encryption=True, tls_ca_file=str(authority), **files)

    def reach(self) -> tuple[str, "Security | None"]:
        """Return this machine's own address towards the scheduler, and what TLS needs.

        Raises EndpointError saying why no scheduler of this lab answers. Dask itself would say the
        same of one that is not there and of another lab's.
        """
        security = self.configure()
        told: dict[str, Any] = {"code": None, "refused": False, "tls": False}
        try:
            with socket.create_connection(self[:2], ANSWER_S) as sock:
                if security:
                    context = security.get_connection_args("client")["ssl_context"]
                    with context.wrap_socket(
                        socket.fromfd(sock.fileno(), sock.family, sock.type)
                    ) as tls:
                        tls.recv(1)  # it greets first, or refuses this machine's certificate
                return sock.getsockname()[0], security
        except ssl.SSLCertVerificationError as error:
            told["code"] = error.verify_code
        except ssl.SSLError as error:
            told |= {"refused": "ALERT" in str(error), "tls": True}
        except OSError as error:
            told["reason"] = error.strerror or error
        raise EndpointError(paragraph("fleet/unreachable.jinja", address=self, **told))


def find_lab(address: str, certificates: str | None) -> Lab:
    """Return the lab of an address. Raises UsageError where nothing would protect it."""
    found = re.fullmatch(
        r"(tls|tcp)://\[?([\w.-]+|[0-9a-f:]+)\]?(?::(\d{1,5}))?/?", address.strip()
    )
    if not found or int(found[3] or PORT) >= 2**16:
        raise UsageError(f"'{clean(address, 80)}': expected a scheduler such as tls://HOST:{PORT}.")
    host = found[2]
    everywhere = host in ("0.0.0.0", "::")
    if found[1] == "tcp" and (
        everywhere or not is_loopback(f"//[{host}]" if ":" in host else f"//{host}")
    ):
        raise UsageError(
            f"{address} is not encrypted and reaches beyond this machine; use tls:// with "
            "--certificates FOLDER (make one with: python -m helpers fleet certificates)."
        )
    if (found[1] == "tls") != bool(certificates):
        raise UsageError(f"{address}: tls:// and --certificates FOLDER go together.")
    return Lab(host, int(found[3] or PORT), user_path(certificates) if certificates else None)


def versions() -> dict[str, str | None]:
    """Return what must be the same on all machines of a lab."""
    names = ("distributed", "foundry-local-sdk", "onnxruntime", "onnxruntime-genai-core")
    python = ".".join(map(str, sys.version_info[:2]))
    return {"kit": kit_version(), "python": python, **{name: installed(name) for name in names}}


def serve_scheduler(lab: Lab, lost_after_s: float) -> None:
    """Run a scheduler until Ctrl-C; a worker that is silent for so many seconds counts as lost."""
    security = lab.configure()
    import dask
    from distributed import Scheduler

    async def serve() -> None:
        protocol = str(lab).partition(":")[0]
        place: dict[str, Any] = {"host": lab.host, "port": lab.port, "protocol": protocol}
        async with Scheduler(**place, security=security, **QUIET) as scheduler:
            at = scheduler.address
            print(f"The lab's scheduler listens at {at}; Ctrl-C ends it.", flush=True)
            await scheduler.finished()

    with dask.config.set({"distributed.scheduler.worker-ttl": f"{lost_after_s} s"}):
        _run(serve, f"The scheduler cannot listen at {lab}")


def serve_worker(lab: Lab, name: str) -> None:
    """Carry out what the lab asks of this device until Ctrl-C; come back when a line is lost."""
    host, security = lab.reach()
    from distributed import Worker

    facts = {"versions": versions()}
    settings: dict[str, Any] = {
        "name": check_name(name),
        "nthreads": 1,
        "memory_limit": 0,  # the work is done by another process
        "host": host,
        "security": security,
        "local_directory": str(home() / "fleet"),
        "metrics": {"fleet": device.progress},
        "startup_information": {"fleet": lambda worker: facts},
        **QUIET,
    }

    async def serve() -> None:
        joined = False
        while True:
            try:
                async with Worker(str(lab), **settings) as worker:
                    print(f"{name} is in the lab of {lab}; Ctrl-C ends it.", flush=True)
                    joined = True
                    await worker.finished()
            except RuntimeError:  # after a sleep its own name may still be taken
                if not joined:
                    raise
            await asyncio.sleep(AGAIN_S)

    _run(serve, f"{name} cannot join the lab of {lab}")


def _run(serve: Callable[[], Coroutine[Any, Any, None]], failed: str) -> None:
    """Run until Ctrl-C, and turn Dask's errors into a sentence."""
    try:
        asyncio.run(serve())
    except RuntimeError as error:
        reason: BaseException = error
        while reason.__cause__:
            reason = reason.__cause__
        if "name taken" in str(reason):
            raise KitError(
                f"{failed}: another machine has this name; give this one another with --name, "
                "or, if it was this one, try again in a minute."
            ) from None
        raise KitError(f"{failed} ({clean(reason)}).") from None
