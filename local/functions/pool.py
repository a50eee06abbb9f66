"""Instances of the app, each a worker process with the host's side of it, and which of them runs what.

On the platform an instance is a machine with a host and a worker. Here the hosts share a process, and the workers are
processes of their own, so that what kills, stops or stalls a worker is real. A worker that dies or is stopped by a
signal stands for its whole instance: nobody speaks for it any more, so that its leases run out (queues.py).
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterable
from concurrent.futures import Future

from local.functions.instance import Instance, InstanceLost, Launch
from local.functions.metadata import Function, parse_functions
from local.functions.wire import Call, Outcome

# How long a request may wait for an instance to come up; app initialization has 30 s on the platform.
_PATIENCE = 30.0


class Pool:
    """All instances. `start` returns when the first one has told the app's functions."""

    def __init__(self, launch: Launch, count: int) -> None:
        self._changed = threading.Condition()
        self.instances = [Instance(number, launch, self._note_change) for number in range(count)]
        self._turn = itertools.count()

    def start(self, timeout: float = 60) -> list[Function]:
        """Raises `AppFailed` with the app's own traceback, or TimeoutError."""
        for instance in self.instances:
            instance.start()
        functions: list[Function] = []
        for instance in self.instances:
            functions = parse_functions(instance.functions(timeout))
        return functions

    def stop(self) -> None:
        for instance in self.instances:
            instance.stop()
        with self._changed:
            self._changed.notify_all()

    def submit(self, call: Call) -> Future[Outcome]:
        """Runs it on the next instance in turn that is up; raises `InstanceLost` when none comes up."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            for instance in self._in_turn():
                if instance.ready and not instance.frozen():
                    try:
                        return instance.submit(call)
                    except InstanceLost:
                        continue
            with self._changed:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise InstanceLost("no instance is up")
                # A stopped worker that is continued tells nobody, hence the short wait.
                self._changed.wait(min(left, 0.2))

    def _in_turn(self) -> Iterable[Instance]:
        first = next(self._turn) % len(self.instances)
        return self.instances[first:] + self.instances[:first]

    def _note_change(self) -> None:
        with self._changed:
            self._changed.notify_all()
