"""What is being copied already, so that a sweep does not ask for it again (rule W7)."""

import logging
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from acrmirror.errors import MirrorError
from acrmirror.jobs.queue import JobQueue
from acrmirror.jobs.records import JobRecords
from acrmirror.moments import to_datetime
from acrmirror.reference import Digest, Reference
from acrmirror.work import BACKFILL_QUEUE, JOB_QUEUE, Record

LOOK_BACK = timedelta(days=2)
"""Jobs that were requested earlier are requested again; so are those of records that are lost. Jobs are idempotent."""
PATIENCE = timedelta(minutes=15)
"""How long after it was due a job without a sign of a run is believed in, though no message waits for as long: the
platform delivers the message of a lost worker again within ten minutes."""
FRESH_SECONDS = 10.0
"""How old what was read may be at least; at most ten times as old as it took to read."""

_log = logging.getLogger(__name__)


class UnderWay:
    """Which copies are queued, waiting for an attempt, or running. Thread-safe."""

    def __init__(self, records: JobRecords, queue: JobQueue) -> None:
        self._records = records
        self._queue = queue
        self._lock = threading.Lock()
        self._until = 0.0
        self._jobs: dict[tuple[str, str], list[Record]] = {}
        self._oldest: dict[str, datetime] = {}

    def job(self, reference: Reference, digest: Digest) -> Record | None:
        """The job that will copy the reference as the registry has it: one of that digest; or one of that tag, unless
        it is running, and may have asked the registry where the tag is before it was moved."""
        with self._lock:
            self._refresh()
            jobs = self._jobs.get((reference.repository, reference.tag or ""), ())
            jobs = [*jobs, *self._jobs.get((reference.repository, str(digest)), ())] if reference.tag is None else jobs
            return next((it for it in jobs if self._brings(it, str(digest))), None)

    def believed(self, record: Record) -> bool:
        """Whether there is a message behind a record that says that a job is under way."""
        with self._lock:
            self._refresh()
            return self._believed(record)

    def _brings(self, record: Record, digest: str) -> bool:
        fields = record.fields
        if fields["digest"] == digest:
            return True
        return bool(fields["tag"]) and fields["state"] != "running"

    def _refresh(self) -> None:
        begun = time.monotonic()
        if begun < self._until:
            return
        self._oldest = dict(self._oldest_messages((JOB_QUEUE, BACKFILL_QUEUE)))
        self._jobs = {}
        for record in self._records.unfinished(datetime.now(UTC) - LOOK_BACK):
            fields = record.fields
            # A deletion copies nothing, and of an index, some platforms are not all.
            if fields["kind"] not in ("event", "pull") or fields["platforms"]:
                continue
            if not self._believed(record):
                continue
            for name in {fields["tag"], fields["digest"]} - {""}:
                self._jobs.setdefault((fields["repository"], name), []).append(record)
        ended = time.monotonic()
        self._until = ended + max(FRESH_SECONDS, 10 * (ended - begun))

    def _oldest_messages(self, queues: Iterable[str]) -> Iterable[tuple[str, datetime]]:
        for name in queues:
            try:
                oldest = self._queue.depth(name).oldest
            except MirrorError as error:
                _log.warning("Jobs that wait for long will be requested again: %s", error)
                continue
            if oldest is not None:
                yield name, oldest

    def _believed(self, record: Record) -> bool:
        fields = record.fields
        sent, waits = record.last_sign_at, fields["state"] == "waiting"
        if sent is None:
            return False
        due = to_datetime(record.next_attempt) if waits and record.next_attempt is not None else None
        if datetime.now(UTC) - (due or sent) < PATIENCE:
            return True
        if fields["state"] == "running":
            return False
        # A queue gives what was put into it first: its message can be there if an older one is.
        oldest = self._oldest.get(BACKFILL_QUEUE if fields["parent"] else JOB_QUEUE)
        return oldest is not None and oldest <= sent + timedelta(minutes=1)
