"""Which pull of an image is under way, so that the same one asked again finds it."""

import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.data.tables import TableClient, TableEntity

from acrmirror.errors import Conflict, Malformed
from acrmirror.jobs.records import FINAL_STATES, JobRecord, JobRecords
from acrmirror.jobs.table import explained, read, write
from acrmirror.work.job import Job

ROUNDS = 8
PARTITION = "pull"
UNRECORDED = timedelta(minutes=10)
"""How long an entry without a record of its job is good for: whoever wrote it is about to send the job, or died before.
Whoever comes later sends the same job."""


@dataclass(frozen=True, slots=True)
class Flight:
    """The job under way: the caller's own, which it has to send (`mine`), or one that was there before, and its record.
    Records come after messages: without one the job may not have been sent, and is to be sent by whoever finds it so
    (rule W6)."""

    job: Job
    mine: bool
    record: JobRecord | None = None


class Flights:
    """One entry an image and manner of pulling it, in the table of the records. Entries stay; the next pull of the
    same image takes its entry over."""

    def __init__(self, table: TableClient, records: JobRecords) -> None:
        self._table = table
        self._records = records

    def board(self, job: Job) -> Flight:
        """The flight of what `job` asks for. Of callers at the same moment exactly one gets its own job."""
        key = _key(job)
        for _ in range(ROUNDS):
            entry = self._entry(key)
            if entry is not None:
                there = _job_of(entry)
                record = self._records.get(there.id) if there is not None else None
                if there is not None and _under_way(entry, record):
                    return Flight(there, False, record)
            if self._take(key, job, entry):
                return Flight(job, True)
        raise Conflict(f"pull {job.reference}", "others kept asking for the same", "Ask again.")

    def _entry(self, key: str) -> TableEntity | None:
        with self._explained():
            return read(self._table, PARTITION, key)

    def _take(self, key: str, job: Job, entry: TableEntity | None) -> bool:
        entity = {"PartitionKey": PARTITION, "RowKey": key, "job": job.id, "message": job.to_json()}
        with self._explained():
            return write(self._table, entity, str(entry.metadata["etag"]) if entry is not None else None) is not None

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self._table, "look for a pull under way")


def _under_way(entry: Any, record: JobRecord | None) -> bool:
    if record is None:
        written: datetime = entry.metadata["timestamp"]
        return datetime.now(UTC) - written < UNRECORDED
    if record.fields.get("cancel_requested"):
        return False
    return record.state not in FINAL_STATES and record.state != "interrupted"


def _job_of(entry: Any) -> Job | None:
    try:
        return Job.from_json(str(entry.get("message", "")))
    except Malformed:
        # Of a version that kept the id alone.
        return None


def _key(job: Job) -> str:
    manner = f"{job.reference} {sorted(job.platforms)} {job.force}"
    return hashlib.sha256(manner.encode()).hexdigest()
