"""Keep a loaded model warm with light pings, never while an answer is being timed."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

EVERY_S = 240.0
THREAD = "keep-warm"


class Traffic:
    """Decide who may use a server now.

    Timed requests run beside one another; a ping waits until none has run for a while.
    """

    def __init__(self):
        self._lock = threading.Lock()  # held during a ping
        self._timed, self._last = 0, time.monotonic()

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Wait for a ping under way, and let none begin during a timed request."""
        with self._lock:
            self._timed += 1
        try:
            yield
        finally:
            with self._lock:
                self._timed -= 1
                self._last = time.monotonic()

    @contextlib.contextmanager
    def ping(self, idle_s: float) -> Iterator[bool]:
        """Yield whether a ping may be sent: no timed request runs, or has run for `idle_s`."""
        with self._lock:
            free = not self._timed and time.monotonic() - self._last >= idle_s
            yield free
            if free:
                self._last = time.monotonic()

    @contextlib.contextmanager
    def pings(self, send: Callable[[], object], every_s: float) -> Iterator["Pings"]:
        """Call `send` in a thread whenever nothing was asked for `every_s`; yield the count."""
        pings, ended = Pings(), threading.Event()

        def work() -> None:
            while not ended.wait(max(0.01, every_s / 4)):
                with self.ping(every_s) as free:
                    if free:
                        send()
                        pings.sent += 1

        thread = threading.Thread(target=work, name=THREAD, daemon=True)
        thread.start()
        try:
            yield pings
        finally:
            ended.set()
            thread.join()


class Pings:
    """Count the pings that have been sent."""

    sent = 0
