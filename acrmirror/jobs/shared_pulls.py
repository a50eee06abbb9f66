"""Which pull of an image is under way, so that the same one asked again finds it."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from acrmirror.errors import Conflict, Malformed
from acrmirror.jobs.records import JobRecords
from acrmirror.storage import Entity, Lost, Table
from acrmirror.work import FINAL_STATES, Copy, Record
from acrmirror.work.task import read_task

ROUNDS = 8
PARTITION = "pull"
_ASKED = "look for a pull under way"
UNRECORDED = timedelta(minutes=10)
"""How long an entry without a record of its job is good for: whoever wrote it is about to send the job, or died before.
Whoever comes later sends the same job."""


@dataclass(frozen=True, slots=True)
class SharedPull:
    """The job under way: the caller's own, which it has to send (`mine`), or one that was there before, and its record.
    Records come after messages: without one the job may not have been sent, and is to be sent by whoever finds it so
    (rule W6)."""

    job: Copy
    mine: bool
    record: Record | None = None


class SharedPulls:
    """One entry an image and manner of pulling it, in the table of the records. Entries stay; the next pull of the
    same image takes its entry over."""

    def __init__(self, table: Table, records: JobRecords) -> None:
        self._table = table
        self._records = records

    def join(self, job: Copy) -> SharedPull:
        """The pull under way of what `job` copies; if there is none, that is `job` from now on. Of callers at the same
        moment exactly one gets its own job."""
        key = _key(job)
        for _ in range(ROUNDS):
            entry = self._table.get(PARTITION, key, _ASKED)
            if entry is not None:
                there = _job_of(entry)
                record = self._records.get(there.id) if there is not None else None
                if there is not None and _under_way(entry, record):
                    return SharedPull(there, False, record)
            if self._take(key, job, entry):
                return SharedPull(job, True)
        raise Conflict(f"pull {job.reference}", "others kept requesting the same", "Ask again.")

    def _take(self, key: str, job: Copy, entry: Entity | None) -> bool:
        fields = {"job": job.id, "message": job.to_json()}
        outcome = self._table.swap(PARTITION, key, fields, entry.etag if entry is not None else None, _ASKED)
        return not isinstance(outcome, Lost)


def _under_way(entry: Entity, record: Record | None) -> bool:
    if record is None:
        return entry.written is not None and datetime.now(UTC) - entry.written < UNRECORDED
    if record.fields["cancel_requested"]:
        return False
    return record.state not in FINAL_STATES and record.state != "interrupted"


def _job_of(entry: Entity) -> Copy | None:
    try:
        task = read_task(str(entry.fields.get("message", "")))
    except Malformed:
        # Of a version that kept the id alone.
        return None
    return task if isinstance(task, Copy) else None


def _key(job: Copy) -> str:
    manner = f"{job.reference} {sorted(job.platforms)} {job.force}"
    return hashlib.sha256(manner.encode()).hexdigest()
