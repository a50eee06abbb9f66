"""How a run writes into the record of its job."""

from datetime import UTC, datetime

from acrmirror.errors import Conflict
from acrmirror.jobs.records import AGAIN, WRITE_ROUNDS, JobRecords
from acrmirror.moments import from_datetime
from acrmirror.work.record import Record, RecordFields, complete
from acrmirror.work.task import Task


class Recorder:
    """The pen of one run of a job.

    Every write is conditional, so that this run notices when a person asked to cancel (`cancel_requested`), or when
    another worker has taken the job over (its lease was lost): then `superseded` is set, and this run writes no more.
    `was_done`: the job was done before this run took the record, as when its event comes twice.
    """

    def __init__(self, records: JobRecords, job: Task, run: str, deliveries: int) -> None:
        self._records = records
        self._job = job
        self._run = run
        self._record: Record | None = None
        self._begun = False
        self._deliveries = deliveries
        self.superseded = False
        self.cancel_requested = False
        self.was_done = False

    def begin(self) -> None:
        """Takes the record for this run, whoever had it before, or is superseded by it (`_is_behind`). A message that a
        person sent again ends what was asked of the job before: a request to cancel it, its last failure. Raises
        Unavailable or Conflict; `write` tries again."""
        fields: RecordFields = {
            "state": "running",
            "run": self._run,
            "started": _now(),
            "deliveries": self._deliveries,
            "attempt": self._job.attempt,
            "check": self._job.check,
            "retries": self._job.retries,
            "next_attempt": "",
        }
        for _ in range(WRITE_ROUNDS):
            current = self._records.get(self._job.id)
            anew = current is not None and current.retries < self._job.retries
            if current is not None and not anew:
                self.cancel_requested = current.fields["cancel_requested"]
                if self._is_behind(current):
                    self.superseded = True
                    return
            known: RecordFields = AGAIN if anew else {} if current is not None else self._job.asked
            first: RecordFields = (
                {} if current is not None and current.fields["first_started"] else {"first_started": _now()}
            )
            if self._put(known | first | fields, current):
                self._begun = True
                self.was_done = current is not None and not anew and current.fields["state"] == "done"
                return
        raise Conflict(f"write the record {self._job.id}", "other writers kept changing it", "It will be tried again.")

    def write(self, fields: RecordFields, *, if_cancelled: RecordFields | None = None) -> None:
        """Merges `fields`, unless this run was superseded; and `if_cancelled` over them if a person has asked to cancel
        the job by then. Raises Unavailable or Conflict."""
        for _ in range(WRITE_ROUNDS):
            if not self._begun:
                self.begin()
            if self.superseded:
                return
            cancelled: RecordFields = if_cancelled if if_cancelled is not None and self.cancel_requested else {}
            if self._put(fields | cancelled, self._record):
                return
            self.look()
        raise Conflict(f"write the record {self._job.id}", "other writers kept changing it", "It will be tried again.")

    def look(self) -> None:
        """Reads the record, for what others wrote into it. Raises Unavailable."""
        if not self._begun:
            # A record that was not taken is another run's, or an earlier one's: nothing follows from what it says.
            self.begin()
            return
        current = self._records.get(self._job.id)
        if current is not None and current.fields["run"] != self._run:
            self.superseded = True
            return
        if current is not None and current.fields["cancel_requested"]:
            self.cancel_requested = True
        self._record = current

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

    def _put(self, fields: RecordFields, expected: Record | None) -> bool:
        etag = self._records.write(self._job.id, fields | {"heartbeat": _now()}, expected)
        if etag is None:
            return False
        self._record = Record(self._job.id, complete(fields), etag)
        return True


def _now() -> str:
    return from_datetime(datetime.now(UTC))
