"""Runs a sweep to its end: a final record, or a delayed message for its next attempt."""

import logging
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from acrmirror.copying import Cancel
from acrmirror.errors import Cancelled, Denied, Incomplete, MirrorError, NotFound, Transient, Unavailable
from acrmirror.jobs import JobQueue, JobRecords, Recorder
from acrmirror.jobs.records import CANCELLED, error_fields
from acrmirror.jobs.reporting import Reporting
from acrmirror.mirror.listing import Listing
from acrmirror.moments import from_datetime
from acrmirror.patterns import Patterns
from acrmirror.registry import Registry
from acrmirror.retrying import Retry, RetryPolicy
from acrmirror.settings import Settings
from acrmirror.sync.comparisons import Comparisons
from acrmirror.sync.sweeping import Sweeping
from acrmirror.telemetry import Telemetry
from acrmirror.work import FINAL_STATES, RecordFields, State, Sweep
from acrmirror.work.sweep import KIND

_log = logging.getLogger(__name__)


class SweepRunner:
    """Runs sweeps of one registry against one mirror. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        listing: Listing,
        queue: JobQueue,
        records: JobRecords,
        comparisons: Comparisons,
        policy: RetryPolicy,
        telemetry: Telemetry,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._listing = listing
        self._queue = queue
        self._records = records
        self._comparisons = comparisons
        self._policy = policy
        self._telemetry = telemetry

    def run(self, sweep: Sweep, deliveries: int) -> None:
        """Runs to a final record, or to a delayed message for the next attempt where the registry, the queue or the
        table is away. Killed and run again it asks for the same jobs, and for those only once. Raises where the table
        stays away for too long, or the queue does not take that message: then the platform delivers this one again."""
        begun = datetime.now(UTC)
        try:
            stopped = self._attempt(sweep, deliveries)
        except MirrorError as error:
            # Only the table raises here. As with jobs, whatever keeps it from being written may go away.
            stopped = Unavailable(error.asked, error.answered, error.remedy)
        if stopped is not None:
            self._wait(sweep, stopped, begun)

    def _attempt(self, sweep: Sweep, deliveries: int) -> Transient | None:
        """One run, to a final record; or what stopped it and may go away."""
        record = self._records.get(sweep.id)
        if record is not None and record.state in FINAL_STATES and record.retries >= sweep.retries:
            return None
        recorder = Recorder(self._records, sweep, uuid4().hex, deliveries)
        recorder.begin()
        if recorder.superseded:
            return None
        cancel = Cancel()
        if recorder.cancel_requested:
            cancel.set("a person asked to cancel it")
        try:
            patterns = Patterns.parse(sweep.patterns, self._settings.registry)
        except MirrorError as error:
            self._end(recorder, "failed", error, {})
            return None
        begun = datetime.now(UTC)
        sweeping = Sweeping(
            sweep,
            patterns,
            self._registry,
            self._listing,
            self._queue,
            self._records,
            cancel,
            self._settings.repository_limit,
        )
        state: State = "done"
        failure: MirrorError | None = None
        with Reporting(recorder, sweeping.tally.fields, cancel.set):
            try:
                with cancel.bound():
                    sweeping.run()
            except Cancelled as error:
                state, failure = "cancelled", error
            except Incomplete as error:
                state, failure = "incomplete", error
            except (Denied, NotFound) as error:
                state, failure = "failed", error
            except Transient as error:
                if not (recorder.superseded or recorder.cancel_requested):
                    return error
                # Whoever ended it was faster: it is over, and was no comparison.
                state, failure = "cancelled", error
            except MirrorError as error:
                state, failure = "failed", error
        if state == "done" and patterns.choose_everything and not sweep.dry_run:
            # Before its record: should this fail, the sweep runs again.
            self._comparisons.completed(begun)
            self._telemetry.compared((datetime.now(UTC) - begun).total_seconds())
        self._end(recorder, state, failure, sweeping.tally.fields())
        level = logging.ERROR if state == "failed" else logging.INFO
        _log.log(level, "%s %s: %s", state.capitalize(), sweep.id, failure or sweeping.tally.tell())
        return None

    def _end(self, recorder: Recorder, state: State, failure: MirrorError | None, fields: RecordFields) -> None:
        ended = fields | error_fields(failure) | {"state": state, "finished": _now()}
        recorder.write(ended, if_cancelled=CANCELLED)
        if not recorder.superseded:
            self._telemetry.run_ended((ended | CANCELLED if recorder.cancel_requested else ended) | {"kind": KIND})

    def _wait(self, sweep: Sweep, error: Transient, begun: datetime) -> None:
        """The next attempt by a delayed message, or the end once that was waited out for long enough."""
        now = datetime.now(UTC)
        decision = self._policy.decide([error], sweep.failing, now, begun)
        if not isinstance(decision, Retry):
            self.bury(sweep, error)
            return
        due = from_datetime(now + timedelta(seconds=decision.delay))
        fields = error_fields(error) | {"state": "waiting", "next_attempt": due}
        try:
            if self._is_over(sweep, fields):
                return
        except MirrorError as unwritten:
            _log.warning("The record is behind: %s", unwritten)
        self._queue.send_sweep(sweep.later(decision.failing), decision.delay, onward=True)
        self._telemetry.run_ended(fields | {"kind": KIND})
        _log.info("Waiting %.0f s with %s: %s", decision.delay, sweep.id, error)

    def bury(self, sweep: Sweep, error: MirrorError) -> None:
        """What the platform gave up on, or what was waited out for too long, ends in its record. Raises where that is
        not to be written."""
        ended = error_fields(error) | {"state": "failed", "finished": _now()}
        if not self._is_over(sweep, ended):
            self._telemetry.run_ended(ended | {"kind": KIND})

    def _is_over(self, sweep: Sweep, fields: RecordFields) -> bool:
        """Writes what a run without a record of its own came to; whether there is nothing left to do, since a person
        has cancelled the sweep, or has sent it again."""
        told = sweep.asked | fields | {"retries": sweep.retries}
        cancelled = CANCELLED | {"finished": _now()}
        record = self._records.change(sweep.id, told, unless_final=True, if_cancelled=cancelled, retries=sweep.retries)
        if record is None or record.state not in ("cancelled", "queued", "running"):
            return False
        _log.info("Left %s, which is %s", sweep.id, record.state)
        if record.state == "cancelled":
            self._telemetry.run_ended(cancelled | {"kind": KIND})
        return True


def _now() -> str:
    return from_datetime(datetime.now(UTC))
