"""Run the two standing programs of a lab: its scheduler, and the worker of each device.

Beyond this machine there is TLS only, and no web page. Dask runs what a client sends, so whoever
holds a certificate of the lab can run programs on its devices: docs/fleet.md says what follows.
"""

import asyncio
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
from ..common.paths import home
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
QUIET = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}
NOT_VALID = {9: "not valid yet", 10: "no longer valid"}  # codes of OpenSSL


class Address(NamedTuple):
    """Hold where a scheduler is, and whether TLS is spoken there."""

    host: str
    port: int
    tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'tls' if self.tls else 'tcp'}://{host}:{self.port}"


def parse_scheduler(text: str, certificates: Path | None) -> Address:
    """Return a scheduler's address. Raises UsageError for one that would not be protected."""
    found = re.fullmatch(r"(tls|tcp)://\[?([\w.-]+|[0-9a-f:]+)\]?(?::(\d{1,5}))?/?", text.strip())
    if not found or not 0 < int(found[3] or PORT) < 2**16:
        raise UsageError(f"'{clean(text, 80)}': expected a scheduler such as tls://HOST:{PORT}.")
    address = Address(found[2], int(found[3] or PORT), found[1] == "tls")
    listens_to_all = address.host in ("0.0.0.0", "::")
    if not address.tls and (listens_to_all or not is_loopback(f"//{found[2]}")):
        raise UsageError(
            f"{address} is not encrypted, and reaches beyond this machine; use tls:// with "
            "--certificates FOLDER (make one with: python -m helpers fleet certificates)."
        )
    if address.tls and certificates is None:
        raise UsageError(f"{address} needs --certificates FOLDER, this machine's part of the lab.")
    return address


def configure(certificates: Path | None) -> "Security | None":
    """Set Dask up for a lab, and return this machine's certificate. Raises UsageError."""
    import logging

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
    if certificates is None:
        return None
    paths = [certificates / name for name in (AUTHORITY, CERTIFICATE, KEY)]
    if missing := [path for path in paths if not path.is_file()]:
        raise UsageError(
            f"There is no {missing[0]}; give the folder of this machine that "
            "`python -m helpers fleet certificates` made."
        )
    roles = {f"tls_{role}_cert": str(paths[1]) for role in ("scheduler", "worker", "client")}
    roles |= {f"tls_{role}_key": str(paths[2]) for role in ("scheduler", "worker", "client")}
    return Security(require_encryption=True, tls_ca_file=str(paths[0]), **roles)


def reach(address: Address, security: "Security | None") -> str:
    """Return this machine's own address towards a scheduler of this lab that answers.

    Raises EndpointError saying why none does.

    Dask itself would say the same of a scheduler that is not there and of another lab's.
    """
    try:
        with socket.create_connection(address[:2], ANSWER_S) as sock:
            own = sock.getsockname()[0]
            if security is not None and address.tls:
                context = security.get_connection_args("client")["ssl_context"]
                with context.wrap_socket(sock) as wrapped:
                    wrapped.recv(1)  # it greets first, or refuses this machine's certificate
            return own
    except ssl.SSLCertVerificationError as error:
        if words := NOT_VALID.get(error.verify_code):
            reason = f"its certificate is {words} by this machine's clock; set the clock"
        else:
            reason = "its certificate is of another lab; take both from one authority"
        raise EndpointError(f"{address} is not trusted: {reason}.") from None
    except ssl.SSLError as error:
        if "ALERT" in str(error):
            reason = (
                "it refuses the certificate of this machine, which is of another lab or expired"
            )
        else:
            reason = "it does not speak TLS"
        raise EndpointError(f"{address} cannot be used: {reason}.") from None
    except OSError as error:
        raise EndpointError(
            f"No scheduler answers at {address} ({error.strerror or error}); "
            "start one there with: python -m helpers fleet scheduler"
        ) from None


def versions() -> dict[str, str | None]:
    """Return what must be the same on all machines of a lab."""
    names = ("distributed", "foundry-local-sdk", "onnxruntime", "onnxruntime-genai-core")
    python = ".".join(map(str, sys.version_info[:2]))
    return {"kit": kit_version(), "python": python, **{name: installed(name) for name in names}}


def serve_scheduler(address: Address, certificates: Path | None, lost_after_s: float) -> None:
    """Run a scheduler until Ctrl-C; a worker that is silent for so many seconds counts as lost."""
    security = configure(certificates)
    import dask
    from distributed import Scheduler

    async def serve() -> None:
        protocol = "tls" if address.tls else "tcp"
        place = {"host": address.host, "port": address.port, "protocol": protocol}
        async with Scheduler(**place, security=security, **QUIET) as scheduler:
            print(
                f"The lab's scheduler listens at {scheduler.address}; Ctrl-C ends it.", flush=True
            )
            await scheduler.finished()

    with dask.config.set({"distributed.scheduler.worker-ttl": f"{lost_after_s} s"}):
        _run(serve, f"The scheduler cannot listen at {address}")


def serve_worker(address: Address, certificates: Path | None, name: str) -> None:
    """Carry out what the lab asks of this device until Ctrl-C; come back when a line is lost."""
    security = configure(certificates)
    from distributed import Worker

    facts = {"versions": versions()}
    settings: dict[str, Any] = {
        "name": check_name(name),
        "nthreads": 1,
        "memory_limit": 0,  # the work is done by another process
        "host": reach(address, security),
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
                async with Worker(str(address), **settings) as worker:
                    print(f"{name} is in the lab of {address}; Ctrl-C ends it.", flush=True)
                    joined = True
                    await worker.finished()
            except RuntimeError:  # after a sleep its own name may still be taken
                if not joined:
                    raise
            await asyncio.sleep(AGAIN_S)

    _run(serve, f"{name} cannot join the lab of {address}")


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
