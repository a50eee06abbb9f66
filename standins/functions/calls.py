"""What a worker is running, and how that ends."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from standins.functions.counts import Counts
from standins.functions.wire import Call, Outcome


class InstanceLost(RuntimeError):
    """The host of the worker is gone, and the worker with it: nobody will answer, and nobody will clean up."""


class FunctionFailed(RuntimeError):
    """The function raised, its payload could not be decoded, it ran past functionTimeout, or its worker died."""

    def __init__(self, message: str, stack: str = "") -> None:
        super().__init__(message)
        self.stack = stack


@dataclass(slots=True)
class _Running:
    call: Call
    answer: Future[Outcome]
    deadline: float = field(default=float("inf"))


class Calls:
    """The runs of one instance, each with its deadline. `log` is told of those that fail."""

    def __init__(self, number: int, counts: Counts, timeout: float | None, log: Callable[[str], None]) -> None:
        self._number = number
        self._counts = counts
        self._timeout = timeout
        self._log = log
        self._lock = threading.Lock()
        self._running: dict[str, _Running] = {}

    def begin(self, call: Call) -> tuple[str, Future[Outcome]]:
        """A new run's id, and its answer: `FunctionFailed` or `InstanceLost` where it has none."""
        invocation = str(uuid.uuid4())
        deadline = time.monotonic() + self._timeout if self._timeout is not None else float("inf")
        running = _Running(call, Future(), deadline)
        with self._lock:
            self._running[invocation] = running
        self._counts.begin(call, self._number)
        return invocation, running.answer

    def end(self, invocation: str, result: Outcome | Exception) -> None:
        with self._lock:
            running = self._running.pop(invocation, None)
        if running is None:
            return
        if isinstance(result, Outcome):
            self._counts.end(running.call, "succeeded")
            running.answer.set_result(result)
            return
        self._counts.end(running.call, "lost" if isinstance(result, InstanceLost) else "failed")
        if isinstance(result, FunctionFailed):
            told = f"[worker {self._number}] {running.call.function} failed: {result}\n{result.stack}"
            self._log(told.rstrip())
        running.answer.set_exception(result)

    def end_all(self, result: Exception) -> None:
        with self._lock:
            invocations = list(self._running)
        for invocation in invocations:
            self.end(invocation, result)

    def now(self) -> list[Call]:
        with self._lock:
            return [running.call for running in self._running.values()]

    def nearest(self) -> float:
        """Seconds until the next one is overdue; what begins meanwhile is not due before a whole timeout."""
        with self._lock:
            deadline = min((running.deadline for running in self._running.values()), default=float("inf"))
        return min(deadline - time.monotonic(), self._timeout or float("inf"))

    def overdue(self) -> list[str]:
        """The functions of those that ran past functionTimeout."""
        with self._lock:
            return sorted({run.call.function for run in self._running.values() if run.deadline <= time.monotonic()})
