"""Claims on layers in flight, so that jobs which share layers don't read the registry twice.

A claim saves reads; nothing rests on it: where the table can't be reached, layers are copied unclaimed.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self
from uuid import uuid4

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.data.tables import TableClient, TableEntity, UpdateMode

from acrmirror.cancel import unbound
from acrmirror.errors import MirrorError
from acrmirror.jobs.job import Job
from acrmirror.jobs.records import JobRecords
from acrmirror.reference import Digest

PARTITION = "claim"
UNCLAIMED_SECONDS = 30.0
"""For how long the table is left in peace after it failed: a copy does not wait for it at every layer."""
SEEN_KEPT = 10_000
RELEASE_SECONDS = 2.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a claim: one run of a job. Of two runs of the same job the later one has the larger `turn`, as text."""

    job: str
    run: str
    turn: str

    @classmethod
    def of(cls, job: Job, run: str, deliveries: int) -> Self:
        turn = (job.retries, job.check, job.attempt, deliveries)
        return cls(job.id, run, ".".join(f"{number:06d}" for number in turn))


class TableClaims:
    """Claims in the records' table, one entity a digest.

    A claim is taken over, by If-Match, by a later run of the job that it names at once; by others as soon as that job's
    record says that the run is over, or when the claim is stale: when its ETag has not moved for `stale_seconds` of
    this process's own monotonic clock (rule W2).
    """

    def __init__(self, table: TableClient, stale_seconds: float = 60.0, records: JobRecords | None = None) -> None:
        self._table = table
        self._stale = stale_seconds
        self._records = records
        self._seen: dict[str, tuple[str, float]] = {}
        self._without_until = 0.0
        self._lock = threading.Lock()

    def of(self, holder: Holder) -> "HeldClaims":
        """The claims as one run of a job asks for them."""
        return HeldClaims(self, holder)

    def clear(self, job: str, before: str | None = None) -> None:
        """Deletes the claims that runs of a job left behind: those before the turn `before`, or all of them. What can't
        be deleted is logged, and goes stale by itself."""
        try:
            for held in self._table.query_entities(
                f"PartitionKey eq '{PARTITION}' and job eq @job", parameters={"job": job}
            ):
                if before is None or str(held.get("turn", "")) < before:
                    _delete(self._table, str(held["RowKey"]), _etag(held))
        except AzureError as error:
            _log.warning("The claims that %s left were not looked for (%s)", job, type(error).__name__)

    def acquire(self, digest: Digest, holder: Holder | None = None) -> "TableClaim | None":
        """The claim, or None while another holds it."""
        if time.monotonic() < self._without_until:
            return TableClaim(None, {}, "", self._stale)
        key = f"{digest.algorithm}-{digest.encoded}"
        entity: dict[str, object] = {"PartitionKey": PARTITION, "RowKey": key, "holder": uuid4().hex, "done": 0}
        if holder is not None:
            entity |= {"job": holder.job, "run": holder.run, "turn": holder.turn}
        try:
            return self._insert(key, entity) or self._take_over(key, entity, holder)
        except AzureError as error:
            _log.warning("The claim on %s can't be kept (%s): copying unclaimed", digest, type(error).__name__)
            self._without_until = time.monotonic() + UNCLAIMED_SECONDS
            return TableClaim(None, entity, "", self._stale)

    def _insert(self, key: str, entity: dict[str, object]) -> "TableClaim | None":
        try:
            made = self._table.create_entity(entity)
        except ResourceExistsError:
            return None
        self._forget(key)
        return TableClaim(self._table, entity, str(made["etag"]), self._stale)

    def _take_over(self, key: str, entity: dict[str, object], holder: Holder | None) -> "TableClaim | None":
        try:
            held = self._table.get_entity(PARTITION, key)
        except ResourceNotFoundError:
            return self._insert(key, entity)
        etag = _etag(held)
        if held.get("holder") == entity["holder"]:
            # It was made, and only the answer was lost.
            return TableClaim(self._table, entity, etag, self._stale)
        if not (self._is_over(held, holder) or self._is_stale(key, etag)):
            return None
        taken = _changed(
            lambda: self._table.update_entity(
                entity, UpdateMode.REPLACE, etag=etag, match_condition=MatchConditions.IfNotModified
            )
        )
        self._forget(key)
        if taken is None:
            return None
        _log.info("Took over the claim on %s", key)
        return TableClaim(self._table, entity, taken, self._stale)

    def _is_stale(self, key: str, etag: str) -> bool:
        now = time.monotonic()
        with self._lock:
            known, since = self._seen.get(key, ("", now))
            if known != etag:
                self._seen.pop(key, None)
                self._seen[key] = (etag, now)
                if len(self._seen) > SEEN_KEPT:
                    del self._seen[next(iter(self._seen))]
                return False
        return now - since >= self._stale

    def _is_over(self, held: TableEntity, holder: Holder | None) -> bool:
        """Whether the run that holds it is known to have ended. One that has not after all loses its claim and nothing
        else: what it stages is what its successor stages."""
        job = str(held.get("job") or "")
        if not job:
            return False
        if holder is not None and job == holder.job and str(held.get("turn", "")) < holder.turn:
            return True
        if self._records is None:
            return False
        try:
            record = self._records.get(job)
        except MirrorError:
            return False
        return record is not None and (record.state != "running" or record.fields.get("run") != held.get("run"))

    def _forget(self, key: str) -> None:
        with self._lock:
            self._seen.pop(key, None)


class HeldClaims:
    """The claims for one run of a job."""

    def __init__(self, claims: TableClaims, holder: Holder) -> None:
        self._claims = claims
        self._holder = holder

    def acquire(self, digest: Digest) -> "TableClaim | None":
        return self._claims.acquire(digest, self._holder)


class TableClaim:
    """One claim held. Renewed at most once in a quarter of the time after which it would be stale."""

    def __init__(self, table: TableClient | None, entity: dict[str, object], etag: str, stale: float) -> None:
        self._table = table
        self._entity = entity
        self._etag = etag
        self._pause = stale / 4
        self._renewed = time.monotonic()
        self._lock = threading.Lock()

    def renew(self, done: int) -> None:
        """Moves the ETag if bytes advanced since; losing the claim, or the table, is not an error."""
        if self._table is None or time.monotonic() - self._renewed < self._pause:
            return
        table = self._table
        with self._lock:
            if time.monotonic() - self._renewed < self._pause or done <= int(str(self._entity["done"])):
                return
            self._entity["done"] = done
            self._renewed = time.monotonic()
            try:
                moved = _changed(
                    lambda: table.update_entity(
                        self._entity, UpdateMode.REPLACE, etag=self._etag, match_condition=MatchConditions.IfNotModified
                    )
                )
            except AzureError:
                return
            if moved is None:
                self._table = None
            else:
                self._etag = moved

    def release(self) -> None:
        with self._lock:
            if self._table is None:
                return
            _delete(self._table, str(self._entity["RowKey"]), self._etag)
            self._table = None


def _delete(table: TableClient, key: str, etag: str) -> None:
    try:
        # Also by a job that is cancelled, which must not wait for it.
        with unbound():
            table.delete_entity(
                PARTITION,
                key,
                etag=etag,
                match_condition=MatchConditions.IfNotModified,
                retry_total=0,
                connection_timeout=RELEASE_SECONDS,
                read_timeout=RELEASE_SECONDS,
            )
    except AzureError as error:
        _log.info("A claim was not released (%s): it is free once its run is known to be over", type(error).__name__)


def _changed(update: Callable[[], object]) -> str | None:
    """The new ETag, or None if somebody else changed the entity first."""
    try:
        answer = update()
    except ResourceNotFoundError:
        return None
    except HttpResponseError as error:
        if error.status_code == 412:
            return None
        raise
    return str(answer["etag"]) if isinstance(answer, dict) else ""


def _etag(entity: TableEntity) -> str:
    return str(entity.metadata["etag"])
