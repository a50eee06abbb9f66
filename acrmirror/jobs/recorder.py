"""How a run writes into the record of its job."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

from acrmirror.errors import Conflict
from acrmirror.jobs.records import AGAIN, WRITE_ROUNDS
from acrmirror.moments import from_datetime
from acrmirror.work.record import Record, RecordFields, complete
from acrmirror.work.task import Task


class RunRecords(Protocol):
    """What a run asks of records, as `JobRecords` has it."""

    def get(self, identity: str) -> Record | None: ...
    def write(self, identity: str, fields: RecordFields, expected: Record | None) -> str | None: ...


class Recorder:
    """The pen of one run of a job. Thread-safe.

    Every write is conditional, so that this run notices when a person asked to cancel (`cancel_requested`), or when
    another worker has taken the job over (its lease was lost): then `superseded` is set, and this run writes no more.
    `was_done`: the job was done before this run took the record, as when its event comes twice.

    The record is taken with the first write, whatever that says: what a run of less than a second came to is one write.
    """

    def __init__(self, records: RunRecords, job: Task, run: str, deliveries: int) -> None:
        self._records = records
        self._job = job
        self._run = run
        self._record: Record | None = None
        self._opened = False
        self._taken = False
        self._anew = False
        self._deliveries = deliveries
        self._started = _now()
        self._lock = threading.RLock()
        self.superseded = False
        self.cancel_requested = False
        self.was_done = False

    def open(self) -> None:
        """Reads what the record says of this run, once, and writes nothing. Raises Unavailable; `write` tries again."""
        with self._lock:
            if not self._opened:
                self._read()

    @property
    def found(self) -> Record | None:
        """The record as it was read last."""
        return self._record

    def begin(self) -> None:
        """Takes the record for this run, whoever had it before, or is superseded by it (`_is_behind`). A message that a
        person sent again ends what was asked of the job before: a request to cancel it, its last failure. Raises
        Unavailable or Conflict; `write` tries again."""
        with self._lock:
            for _ in range(WRITE_ROUNDS):
                if self._taken:
                    return
                if not self._opened:
                    self._read()
                if self.superseded or self._put({}):
                    return
                self._opened = False
            raise self._conflict()

    def write(
        self,
        fields: RecordFields,
        *,
        if_cancelled: RecordFields | None = None,
        told: Callable[[RecordFields], RecordFields] = lambda fields: fields,
    ) -> None:
        """Merges what `told` makes of `fields` by then, unless this run was superseded; and `if_cancelled` over them if
        a person has asked to cancel the job. Raises Unavailable or Conflict."""
        with self._lock:
            for _ in range(WRITE_ROUNDS):
                if not self._opened:
                    self._read()
                if self.superseded:
                    return
                cancelled: RecordFields = if_cancelled if if_cancelled is not None and self.cancel_requested else {}
                if self._put(told(fields) | cancelled):
                    return
                self._read()
            raise self._conflict()

    def look(self) -> None:
        """Reads the record, for what others wrote into it. Raises Unavailable."""
        with self._lock:
            if self._taken:
                self._read()
            else:
                # A record that was not taken is another run's, or an earlier one's: nothing follows from what it says.
                self.begin()

    def _read(self) -> None:
        current = self._records.get(self._job.id)
        if not self._taken:
            self._anew = current is not None and current.retries < self._job.retries
            known = current if not self._anew else None
            if known is not None:
                self.cancel_requested = known.fields["cancel_requested"]
                self.superseded = self._is_behind(known)
            self.was_done = known is not None and known.fields["state"] == "done"
        elif current is not None and current.fields["run"] != self._run:
            self.superseded = True
            return
        elif current is not None and current.fields["cancel_requested"]:
            self.cancel_requested = True
        self._record = current
        self._opened = True

    def _taking(self) -> RecordFields:
        """What the first write says besides."""
        current = self._record
        known: RecordFields = AGAIN if self._anew else {} if current is not None else self._job.asked
        first: RecordFields = (
            {} if current is not None and current.fields["first_started"] else {"first_started": self._started}
        )
        taking: RecordFields = {
            "state": "running",
            "run": self._run,
            "started": self._started,
            "deliveries": self._deliveries,
            "attempt": self._job.attempt,
            "check": self._job.check,
            "retries": self._job.retries,
            "next_attempt": "",
        }
        return known | first | taking

    def _is_behind(self, current: Record) -> bool:
        """Whether the job is in other hands: a person has sent it again since; or another run is at it that has a later
        delivery of the same message (this run's lease was lost), or as many (this is a second message of the job). A
        whole run is not left to one that only asks about the tag again."""
        known = current.fields
        return current.retries > self._job.retries or (
            known["state"] == "running"
            and not current.silent
            and known["attempt"] == self._job.attempt
            and known["check"] <= self._job.check
            and known["run"] != self._run
            and known["deliveries"] >= self._deliveries
        )

    def _put(self, fields: RecordFields) -> bool:
        fields = fields if self._taken else self._taking() | fields
        etag = self._records.write(self._job.id, fields | {"heartbeat": _now()}, self._record)
        if etag is None:
            return False
        self._record = Record(self._job.id, complete(fields), etag)
        self._taken = True
        return True

    def _conflict(self) -> Conflict:
        return Conflict(f"write the record {self._job.id}", "other writers kept changing it", "It will be tried again.")


def _now() -> str:
    return from_datetime(datetime.now(UTC))
