"""Measure what the thread that reads a process's memory costs, as a share of a core.

python bench/sampler.py
"""

import time

from helpers import connect
from helpers.common import machine

SECONDS = 10


def main() -> None:
    """Watch the runtime with a model loaded, and print the share."""
    with connect() as server:
        server.load("pocket-mini")
        watcher = machine.PeakMemory(server.pid)
        began, used = time.perf_counter(), time.process_time()
        with watcher:
            time.sleep(SECONDS)
        share = (time.process_time() - used) / (time.perf_counter() - began)
    print(
        f"Reading the memory of a process of {watcher.baseline_mb:.0f} MB took {100 * share:.2g} % of a core over {SECONDS} s."
    )


if __name__ == "__main__":
    main()
