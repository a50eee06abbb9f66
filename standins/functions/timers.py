"""The timer trigger: https://learn.microsoft.com/azure/azure-functions/functions-bindings-timer.

Each timer runs on one instance at a time, whichever is next; the next occurrence is reckoned when a run has ended, so
that a run which takes longer than its interval swallows what came due meanwhile (TimerListener.cs).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime

from standins.functions.calls import FunctionFailed, InstanceLost
from standins.functions.cron import Schedule
from standins.functions.metadata import Function
from standins.functions.wire import Call, Outcome, TypedValue


class Timer:
    def __init__(
        self,
        function: Function,
        schedule: Schedule,
        submit: Callable[[Call], Future[Outcome]],
        log: Callable[[str], None],
    ) -> None:
        self._function = function
        self._schedule = schedule
        self._submit = submit
        self._log = log
        self._stopping = threading.Event()
        self._last: datetime | None = None
        self._thread = threading.Thread(target=self._tick, name=f"timer {function.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def join(self) -> None:
        if self._thread.is_alive():
            self._thread.join(10)

    def call(self, due: datetime | None = None) -> Call:
        """A run due at that moment, or at once."""
        now = datetime.now(UTC)
        return Call(self._function.name, self._function.parameter, _info(self._schedule, self._last, due or now, now))

    def _tick(self) -> None:
        due = datetime.now(UTC)
        if not self._function.trigger.get("runOnStartup"):
            due = self._schedule.next(due)
        while not self._stopping.wait(max(0.0, (due - datetime.now(UTC)).total_seconds())):
            self._run(due)
            self._last = due
            due = self._schedule.next(max(due, datetime.now(UTC)))

    def _run(self, due: datetime) -> None:
        try:
            self._submit(self.call(due)).result()
        except InstanceLost as lost:
            self._log(f"[timer {self._function.name}] {lost}")
        except FunctionFailed:
            pass  # the instance has logged it, and a failed run is not made up for


def _info(schedule: Schedule, last: datetime | None, due: datetime, now: datetime) -> TypedValue:
    """TimerInfo as the host serializes it. Without a schedule monitor in storage nothing is ever past due."""
    status = {
        "Last": (last or datetime.min.replace(tzinfo=UTC)).isoformat(),
        "Next": schedule.next(max(due, now)).isoformat(),
        "LastUpdated": (last or datetime.min.replace(tzinfo=UTC)).isoformat(),
    }
    return {"json": json.dumps({"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": False})}
