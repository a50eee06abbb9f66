"""Runs what is no copy of one image (a sweep, an archive): to a final record, or a message for the next attempt."""

import logging
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Generic, Protocol, TypeVar
from uuid import uuid4

from acrmirror.cancel import Cancel
from acrmirror.errors import Cancelled, Incomplete, MirrorError, Transient, Unavailable
from acrmirror.jobs.queue import JobQueue
from acrmirror.jobs.recorder import Recorder
from acrmirror.jobs.records import CANCELLED, JobRecords, error_fields
from acrmirror.jobs.reporting import Reporting
from acrmirror.moments import from_datetime
from acrmirror.retrying import Retry, RetryPolicy
from acrmirror.telemetry import Telemetry
from acrmirror.work import FINAL_STATES, RecordFields, State
from acrmirror.work.task import BackfillTask

_log = logging.getLogger(__name__)
_T = TypeVar("_T", bound=BackfillTask)


class Work(Protocol):
    """What one run does. `figures` says how far it is, from any thread; `tell` what it came to, for the log."""

    def run(self) -> None: ...
    def figures(self) -> RecordFields: ...
    def tell(self) -> str: ...


class TaskRunner(ABC, Generic[_T]):
    """Thread-safe."""

    final: ClassVar[tuple[type[MirrorError], ...]] = ()
    """What ends a task at once though it may go away."""

    def __init__(self, queue: JobQueue, records: JobRecords, policy: RetryPolicy, telemetry: Telemetry) -> None:
        self._queue = queue
        self._records = records
        self._policy = policy
        self._telemetry = telemetry

    @abstractmethod
    def _work(self, task: _T, cancel: Cancel) -> Work:
        """What a run of the task does, until `cancel` ends it. Raises MirrorError for a task that can't be done."""

    def _begin(self, task: _T, cancel: Cancel, run: str) -> Work:  # noqa: ARG002
        """As `_work`, for a task that holds something in the name of its `run`."""
        return self._work(task, cancel)

    def _done(self, task: _T, begun: datetime) -> None:
        """Of a run that did all, before its record says so: if this raises, the task is run again."""

    def run(self, task: _T, deliveries: int) -> None:
        """Runs to a final record, or to a delayed message for the next attempt where something is away. Killed and run
        again it does nothing twice that shows. Raises where the table stays away for too long, or the queue does not
        take that message: then the platform delivers this one again."""
        begun = datetime.now(UTC)
        try:
            stopped = self._attempt(task, deliveries)
        except MirrorError as error:
            # Only the table raises here. As with jobs, whatever keeps it from being written may go away.
            stopped = Unavailable(error.asked, error.answered, error.remedy)
        if stopped is not None:
            self._wait(task, stopped, begun)

    def _attempt(self, task: _T, deliveries: int) -> Transient | None:
        """One run, to a final record; or what stopped it and may go away."""
        run = uuid4().hex
        recorder = Recorder(self._records, task, run, deliveries)
        recorder.open()
        record = recorder.found
        if record is not None and record.state in FINAL_STATES and record.retries >= task.retries:
            return None
        recorder.begin()
        if recorder.superseded:
            return None
        cancel = Cancel()
        if recorder.cancel_requested:
            cancel.set("a person asked to cancel it")
        try:
            work = self._begin(task, cancel, run)
        except MirrorError as error:
            self._end(task, recorder, "failed", error, {})
            return None
        begun = datetime.now(UTC)
        state: State = "done"
        failure: MirrorError | None = None
        with Reporting(recorder, work.figures, cancel.set):
            try:
                with cancel.bound():
                    work.run()
            except Cancelled as error:
                state, failure = "cancelled", error
            except Incomplete as error:
                state, failure = "incomplete", error
            except self.final as error:
                state, failure = "failed", error
            except Transient as error:
                if not (recorder.superseded or recorder.cancel_requested):
                    return error
                # Whoever ended it was faster: it is over, and not done.
                state, failure = "cancelled", error
            except MirrorError as error:
                state, failure = "failed", error
        if state == "done":
            self._done(task, begun)
        self._end(task, recorder, state, failure, work.figures())
        level = logging.ERROR if state == "failed" else logging.INFO
        _log.log(level, "%s %s: %s", state.capitalize(), task.id, failure or work.tell())
        return None

    def _end(
        self, task: _T, recorder: Recorder, state: State, failure: MirrorError | None, fields: RecordFields
    ) -> None:
        ended = fields | error_fields(failure) | {"state": state, "finished": _now()}
        recorder.write(ended, if_cancelled=CANCELLED)
        if not recorder.superseded:
            self._count(task, ended | CANCELLED if recorder.cancel_requested else ended)

    def _wait(self, task: _T, error: Transient, begun: datetime) -> None:
        """The next attempt by a delayed message, or the end once that was waited out for long enough."""
        now = datetime.now(UTC)
        decision = self._policy.decide([error], task.failing, now, begun)
        if not isinstance(decision, Retry):
            self.bury(task, error)
            return
        due = from_datetime(now + timedelta(seconds=decision.delay))
        fields = error_fields(error) | {"state": "waiting", "next_attempt": due}
        try:
            if self._is_over(task, fields):
                return
        except MirrorError as unwritten:
            _log.warning("The record is behind: %s", unwritten)
        self._queue.send_task(task.later(decision.failing), decision.delay, onward=True)
        self._count(task, fields)
        _log.info("Waiting %.0f s with %s: %s", decision.delay, task.id, error)

    def bury(self, task: _T, error: MirrorError) -> None:
        """What the platform gave up on, or what was waited out for too long, ends in its record. Raises where that is
        not to be written."""
        ended = error_fields(error) | {"state": "failed", "finished": _now()}
        if not self._is_over(task, ended):
            self._count(task, ended)

    def _is_over(self, task: _T, fields: RecordFields) -> bool:
        """Writes what a run without a record of its own came to; whether there is nothing left to do, since a person
        has cancelled the task, or has sent it again."""
        told = task.asked | fields | {"retries": task.retries}
        cancelled = CANCELLED | {"finished": _now()}
        record = self._records.change(task.id, told, unless_final=True, if_cancelled=cancelled, retries=task.retries)
        if record is None or record.state not in ("cancelled", "queued", "running"):
            return False
        _log.info("Left %s, which is %s", task.id, record.state)
        if record.state == "cancelled":
            self._count(task, cancelled)
        return True

    def _count(self, task: _T, fields: RecordFields) -> None:
        self._telemetry.run_ended(fields | {"kind": task.kind})


def _now() -> str:
    return from_datetime(datetime.now(UTC))
