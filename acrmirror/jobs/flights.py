"""Which pull of an image is under way, so that the same one asked again finds it."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableClient, UpdateMode

from acrmirror.errors import Conflict
from acrmirror.jobs.failures import explained
from acrmirror.jobs.job import Job
from acrmirror.jobs.records import FINAL_STATES, JobRecord, JobRecords

ROUNDS = 8
PARTITION = "pull"
UNRECORDED = timedelta(seconds=15)
"""How long an entry may be without its job's record: whoever wrote it is between the two writes, or died there."""


@dataclass(frozen=True, slots=True)
class Flight:
    """The job under way: the caller's own, which it has to send (`mine`), or one that was there before, as its
    record has it (None while that is being written)."""

    id: str
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
                identity = str(entry["job"])
                record = self._records.get(identity)
                if _under_way(entry, record):
                    return Flight(identity, False, record)
            if self._take(key, job.id, entry):
                return Flight(job.id, True)
        raise Conflict(f"pull {job.reference}", "others kept asking for the same", "Ask again.")

    def _entry(self, key: str) -> Any | None:
        with _explained():
            try:
                return self._table.get_entity(PARTITION, key)
            except ResourceNotFoundError:
                return None

    def _take(self, key: str, identity: str, entry: Any | None) -> bool:
        entity = {"PartitionKey": PARTITION, "RowKey": key, "job": identity}
        with _explained():
            try:
                if entry is None:
                    self._table.create_entity(entity)
                else:
                    self._table.update_entity(
                        entity,
                        UpdateMode.REPLACE,
                        etag=entry.metadata["etag"],
                        match_condition=MatchConditions.IfNotModified,
                    )
            except (ResourceExistsError, ResourceNotFoundError):
                return False
            except HttpResponseError as error:
                if error.status_code == 412:
                    return False
                raise
        return True


def _under_way(entry: Any, record: JobRecord | None) -> bool:
    if record is None:
        written: datetime = entry.metadata["timestamp"]
        return datetime.now(UTC) - written < UNRECORDED
    return record.state not in FINAL_STATES and record.state != "interrupted"


def _key(job: Job) -> str:
    manner = f"{job.reference} {sorted(job.platforms)} {job.force}"
    return hashlib.sha256(manner.encode()).hexdigest()


def _explained() -> Any:
    return explained("look for a pull under way", "table", "Storage Table Data Contributor")
