"""Runs a batch: copies of one repository beside each other, each of which comes to its own end."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from functools import partial

from acrmirror.copying import Listed
from acrmirror.errors import MirrorError
from acrmirror.jobs.claims import TableClaims
from acrmirror.jobs.grouped import GroupedRecords
from acrmirror.jobs.queue import JobQueue
from acrmirror.jobs.records import JobRecords
from acrmirror.jobs.runner import LeavesBatch, Part, Runner
from acrmirror.moments import to_datetime
from acrmirror.threads import Threads
from acrmirror.work import FINAL_STATES, Batch, Copy, Record
from acrmirror.work.batch import LARGEST, Wanted

AT_ONCE = 6
"""Images that are copied beside each other, each by one thread, which holds one buffer."""
BATCHES_AT_ONCE = 2
"""Batches that a process runs beside each other; those that it was given besides wait. More would only be more threads:
what they copy with is the process's budget in any case."""
SETTLED_AT_ONCE = 16
"""Images whose records are written beside each other."""
BELIEVED = timedelta(minutes=10)
"""For how long what a sweep saw of the mirror is good to know."""

_log = logging.getLogger(__name__)


class BatchRunner:
    """`at_once` are copied beside each other; of one, all is done in its order. Thread-safe."""

    def __init__(
        self, runner: Runner, queue: JobQueue, records: JobRecords, claims: TableClaims, at_once: int = AT_ONCE
    ) -> None:
        self._runner = runner
        self._at_once = at_once
        self._turns = threading.BoundedSemaphore(BATCHES_AT_ONCE)
        self._queue = queue
        self._records = records
        self._claims = claims

    def run(self, batch: Batch, deliveries: int) -> None:
        """Runs each copy to a final record, or to a message of its own: for its next attempt, or since it is too large
        for a batch, or failed in a way that nobody expects. What one comes to does not show in the others.

        A batch that comes again after it was begun has crashed its worker: its copies are sent each by itself, so that
        the one that did it, if one did, is the only one that is given up in the end. Raises where a message can't be
        sent: then the platform delivers this one again.
        """
        if deliveries > 2 or (deliveries > 1 and self._was_begun(batch)):
            self.part(batch)
            return
        with self._turns:
            self._run(batch)

    def _was_begun(self, batch: Batch) -> bool:
        """Whether any copy of it was: one that only waited for its turn has crashed nobody. Raises as `part` does."""
        known = self._records.together(batch.repository, batch.ids[0], batch.ids[-1])
        return any(it.fields["run"] for job in batch if (it := known.get(job.id)) is not None)

    def _run(self, batch: Batch) -> None:
        _log.info("Running %d copies of %s for %s", len(batch.wanted), batch.repository, batch.parent)
        records = GroupedRecords(self._records, batch.repository, batch.ids)
        if self._at_once == 1:
            records.hurry()
            failures = [_failure(partial(self._one, batch, it, records)) for it in batch.wanted]
        else:
            failures = self._together(batch, records)
        for failure in filter(None, failures):
            raise failure

    def _together(self, batch: Batch, records: GroupedRecords) -> list[BaseException | None]:
        """What could not be sent, if anything."""
        left: list[Future[None]] = []
        with Threads(SETTLED_AT_ONCE, "settle") as settling, Threads(self._at_once, "batch") as copying:

            def copy(wanted: Wanted) -> None:
                settle = self._copied(batch, wanted, records)
                if settle is not None:
                    left.append(settling.submit(settle))

            copied = [copying.submit(copy, it) for it in batch.wanted]
            failures = [it.exception() for it in copied]
            records.hurry()
            return failures + [it.exception() for it in left]

    def part(self, batch: Batch) -> None:
        """Sends each copy that has not ended by itself. Raises Unavailable or Denied."""
        known = self._records.together(batch.repository, batch.ids[0], batch.ids[-1])
        for job in batch:
            record = known.get(job.id)
            if not _is_over(record):
                if record is not None and record.fields["state"] == "running":
                    self._claims.clear(job.id)
                self._alone(job)
        _log.warning("The copies of %s that %s requested go on one by one", batch.repository, batch.parent)

    def _one(self, batch: Batch, wanted: Wanted, records: GroupedRecords) -> None:
        settle = self._copied(batch, wanted, records)
        if settle is not None:
            settle()

    def _copied(self, batch: Batch, wanted: Wanted, records: GroupedRecords) -> Callable[[], None] | None:
        """Copies one, and returns what is left to do."""
        job = batch.copy(wanted)
        try:
            record = records.get(job.id)
            if _is_over(record) or (record is not None and record.fields["state"] == "waiting"):
                # What waits has a message of its own.
                return None
        except MirrorError as error:
            _log.warning("The record of %s is not known: %s", job.id, error)
        recently = datetime.now(UTC) - to_datetime(batch.seen) < BELIEVED
        listing = Listed(wanted.digest, wanted.absent and recently, not batch.listed)
        try:
            settle = self._runner.begun(job, 1, Part(records, 1, listing, _measured))
        except LeavesBatch:
            self._alone(job)
            return None
        except Exception:  # noqa: BLE001  # it is logged whole
            # It is in its record, and the others have nothing to do with it.
            _log.exception("%s goes on by itself", job.id)
            self._alone(job)
            return None
        return lambda: self._settled(job, settle)

    def _settled(self, job: Copy, settle: Callable[[], None]) -> None:
        try:
            settle()
        except Exception:  # noqa: BLE001  # it is logged whole
            _log.exception("%s goes on by itself", job.id)
            self._alone(job)

    def _alone(self, job: Copy) -> None:
        """By itself, as another attempt: whoever was at it before, in this batch, is not waited for."""
        self._queue.send(job.later(()), onward=True)


def _is_over(record: Record | None) -> bool:
    """Whether a copy has ended, or a person has sent it by itself since."""
    return record is not None and (record.retries > 0 or record.fields["state"] in FINAL_STATES)


def _measured(size: int) -> None:
    if size > LARGEST:
        raise LeavesBatch


def _failure(attempt: Callable[[], None]) -> BaseException | None:
    """What it raised. The others are tried all the same."""
    try:
        attempt()
    except Exception as error:  # noqa: BLE001  # it is raised in the end
        return error
    return None
