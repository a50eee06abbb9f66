"""What is wrong is fetched again: by pulls with force, which look at all again, as jobs of the backfill queue."""

from dataclasses import dataclass
from typing import Protocol

from acrmirror.jobs import JobQueue, JobRecords
from acrmirror.moments import Moment
from acrmirror.reference import Reference
from acrmirror.work import FINAL_STATES, Copy, JobId


class Mending(Protocol):
    """What an audit asks for, and how that went."""

    def ask(self, audit: JobId, at: Moment, reference: Reference) -> JobId:
        """The pull that looks at a reference again; the same for the same audit, however often it is requested."""
        ...

    def outcome(self, job: str) -> "Outcome": ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a job has ended, and what it failed by (empty if it did not)."""

    over: bool
    failed: str = ""


class MendingPulls:
    """Thread-safe. Raises Unavailable and Denied."""

    def __init__(self, queue: JobQueue, records: JobRecords) -> None:
        self._queue = queue
        self._records = records

    def ask(self, audit: JobId, at: Moment, reference: Reference) -> JobId:
        """The message, then the record (rule W6)."""
        identity = audit.child(f"{reference} for {audit}")
        if self._records.get(identity) is None:
            job = Copy(identity, at, "pull", reference, at, force=True, parent=audit)
            self._queue.send(job)
            self._records.add(job)
        return identity

    def outcome(self, job: str) -> Outcome:
        record = self._records.get(job)
        if record is None or record.state not in FINAL_STATES:
            return Outcome(False)
        failed = record.fields["error_answered"] or f"the pull is {record.state}"
        return Outcome(True, "" if record.state == "done" else failed)
