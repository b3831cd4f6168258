"""Clearing away of services that tests have started."""

import contextlib

import psutil

from helpers.common.paths import service_folder
from helpers.servers import foundry


def end_service() -> None:
    """End the service of the home that is set now, at once: an orderly end takes up to two seconds, and has tests of its own."""
    # Also one that is still starting, because it would serve as soon as the other is gone.
    for child in foundry._children.values():
        if child.args[-1] == str(service_folder()):
            child.kill()
            child.wait()
    if found := foundry.find():
        connection, state = found
        with connection, contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(state.pid)
            process.kill()
            process.wait(60)
    else:
        foundry.stop_service()  # one that does not answer
