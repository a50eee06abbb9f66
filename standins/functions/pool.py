"""Instances of the app, each a worker process with the host's side of it, and which of them runs what.

On the platform an instance is a machine with a host and a worker. Here the hosts share a process, and the workers are
processes of their own, so that what kills, stops or stalls a worker is real.
"""

from __future__ import annotations

import itertools
import threading
import time
from concurrent.futures import Future

from standins.functions.calls import InstanceLost
from standins.functions.instance import Instance
from standins.functions.metadata import EVENT_GRID, HTTP, QUEUE, TIMER, Function, parse_functions
from standins.functions.process import Launch
from standins.functions.wire import Call, Outcome

# How long a request may wait for an instance to come up; app initialization has 30 s on the platform.
_PATIENCE = 30.0


class Pool:
    """All instances: `count` of them that run everything, or `count` for each scale group, as Flex Consumption has it.

    HTTP requests and events go to the next instance in turn that is up; queues are polled by each instance itself.
    """

    def __init__(self, launch: Launch, count: int, scale_groups: bool) -> None:
        self._launch = launch
        self._count = count
        self._scale_groups = scale_groups
        self._changed = threading.Condition()
        self._turn = itertools.count()
        self._stopped = False
        self.instances: list[Instance] = []

    def start(self) -> list[Function]:
        """The app's functions, once all instances are up. Raises `AppFailed` with the app's own traceback."""
        first = self._add(None)
        if not self._scale_groups:
            for _ in range(self._count - 1):
                self._add(None)
        functions = parse_functions(first.functions(_PATIENCE))
        if self._scale_groups:
            self._add_groups(first, functions)
        for instance in self.instances:
            instance.functions(_PATIENCE)
        return functions

    def serving(self, function: str) -> list[Instance]:
        """The instances that run that function."""
        return [instance for instance in self.instances if instance.serves is None or function in instance.serves]

    def _add_groups(self, first: Instance, functions: list[Function]) -> None:
        """https://learn.microsoft.com/azure/azure-functions/flex-consumption-plan#per-function-scaling: all HTTP
        functions scale together, every other one alone. Timers keep the first instance company, to save a process.
        """
        first.serves = frozenset(function.name for function in functions if function.kind in (HTTP, TIMER))
        for function in functions:
            if function.kind == EVENT_GRID:
                self._add(frozenset([function.name]))
            elif function.kind == QUEUE:
                for _ in range(self._count):
                    self._add(frozenset([function.name]))

    def _add(self, serves: frozenset[str] | None) -> Instance:
        instance = Instance(len(self.instances), self._launch, self._note_change, serves)
        self.instances.append(instance)
        instance.start()
        return instance

    def stop(self, grace: float) -> None:
        """Ends every host, with so many seconds for what is running; whoever waits for an instance is told that there
        will be none."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        ends = [threading.Thread(target=instance.stop, args=(grace,)) for instance in self.instances]
        for end in ends:
            end.start()
        for end in ends:
            end.join()

    def submit(self, call: Call) -> Future[Outcome]:
        """Runs it on the next instance in turn that is up; raises `InstanceLost` when none comes up."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            for instance in self._in_turn(call.function):
                if instance.ready and not instance.frozen():
                    try:
                        return instance.submit(call)
                    except InstanceLost:
                        continue
            with self._changed:
                left = deadline - time.monotonic()
                if left <= 0 or self._stopped:
                    raise InstanceLost("no instance is up")
                # A stopped worker that is continued tells nobody, hence the short wait.
                self._changed.wait(min(left, 0.2))

    def _in_turn(self, function: str) -> list[Instance]:
        instances = self.serving(function)
        first = next(self._turn) % len(instances)
        return instances[first:] + instances[:first]

    def _note_change(self) -> None:
        with self._changed:
            self._changed.notify_all()
