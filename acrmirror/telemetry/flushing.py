"""Sends metrics when a run has ended, rather than at the next interval.

The platform kills a worker without a signal: what was counted since the last interval would be lost with it, and a run
is often the last thing that an instance does.
"""

import threading
from collections.abc import Callable

from acrmirror.threads import thread

PACE = 5.0
"""Seconds from one sending to the next: of many runs in a row not each has its own."""


class Flushing:
    """A thread of its own, so that no run waits for it; the first sending after a pause is at once."""

    def __init__(self, send: Callable[[], object], pace: float = PACE) -> None:
        self._send = send
        self._pace = pace
        self._due = threading.Event()
        self._closed = threading.Event()
        # What it logs is found under the run that was counted first.
        self._thread = thread(self._work, "telemetry", daemon=True)
        self._thread.start()

    def ask(self) -> None:
        """What was counted until now is sent within `PACE` seconds."""
        self._due.set()

    def close(self) -> None:
        """Sends nothing more. What is on its way may still arrive."""
        self._closed.set()
        self._due.set()

    def _work(self) -> None:
        while self._due.wait() and not self._closed.is_set():
            self._due.clear()
            self._send()
            self._closed.wait(self._pace)
