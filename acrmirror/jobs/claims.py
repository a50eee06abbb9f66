"""Claims on layers in flight, so that jobs which share layers don't read the registry twice.

A claim saves reads; nothing rests on it: where the table can't be reached, layers are copied unclaimed.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Self
from uuid import uuid4

from acrmirror.cancel import unbound
from acrmirror.errors import Malformed, MirrorError, Transient
from acrmirror.jobs.records import JobRecords
from acrmirror.jobs.table_claim import ASKED, PARTITION, RELEASE_SECONDS, TableClaim, delete_claim
from acrmirror.reference import Digest
from acrmirror.storage import Entity, Lost, Table
from acrmirror.work import Job, Record

UNCLAIMED_SECONDS = 30.0
"""For how long the table is left in peace after it failed: a copy does not wait for it at every layer."""
SEEN_KEPT = 10_000
TRIES, PAUSE_SECONDS = 3, 0.2
"""How often that is tried at the end of a run, and how long it waits in between: about seven seconds at most."""
LEFT_AFTER = timedelta(minutes=1)
"""The timer leaves younger claims alone, whatever their records say."""
UNKNOWN_AFTER = timedelta(hours=1)
"""After which the timer removes a claim of a job that has no record."""
LOOKED_AT = 1000
"""Claims that the timer looks at each time."""

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
    this process's own monotonic clock (rule W2). Claims of another `scope` are others.
    """

    def __init__(
        self, table: Table, stale_seconds: float = 60.0, records: JobRecords | None = None, scope: str = ""
    ) -> None:
        self._scope = scope
        self._table = table
        self._stale = stale_seconds
        self._records = records
        self._seen: dict[str, tuple[str, float]] = {}
        self._without_until = 0.0
        self._lock = threading.Lock()

    def key(self, digest: Digest) -> str:
        """The row of a claim."""
        return f"{self._scope}{digest.algorithm}-{digest.encoded}"

    def of(self, holder: Holder, before: Callable[[], None] = lambda: None) -> "HeldClaims":
        """The claims as one run of a job asks for them. `before` is called before the first: by then the record of the
        job has to say that this run is at it, since a claim of any other run is taken over."""
        return HeldClaims(self, holder, before)

    def clear(self, job: str, before: str | None = None) -> None:
        """Deletes the claims that runs of a job left behind: those before the turn `before`, or all of them. What can't
        be deleted is logged, and left to `sweep`."""

        def delete() -> None:
            where, asked = f"PartitionKey eq '{PARTITION}' and job eq @job", f"look for claims of {job}"
            for held in self._table.query(where, {"job": job}, asked, within=RELEASE_SECONDS):
                if before is None or str(held.fields.get("turn", "")) < before:
                    delete_claim(self._table, held.row, held.etag)

        _insist(delete, f"The claims that {job} left were not deleted")

    def drop(self, key: str, run: str) -> bool:
        """Deletes a claim if that run holds it; whether it is known not to be there any more."""

        def delete() -> None:
            held = self._table.get(PARTITION, key, ASKED, within=RELEASE_SECONDS)
            if held is not None and held.fields.get("run") == run:
                delete_claim(self._table, key, held.etag)

        return _insist(delete, f"The claim on {key} was not released")

    def sweep(self, now: datetime | None = None) -> int:
        """Deletes claims whose run is over and that nobody cleared; returns how many. Raises Unavailable, Denied."""
        now = now or datetime.now(UTC)
        where = f"PartitionKey eq '{PARTITION}' and Timestamp lt @before"
        found = self._table.query(where, {"before": now - LEFT_AFTER}, "delete the claims that runs left")
        left = [held for held in islice(found, LOOKED_AT) if self._is_left(held, now)]
        return sum(delete_claim(self._table, held.row, held.etag) for held in left)

    def _is_left(self, held: Entity, now: datetime) -> bool:
        job = str(held.fields.get("job") or "")
        record = self._records.get(job) if job and self._records is not None else None
        if record is not None:
            return _ended(record, held)
        return held.written is not None and now - held.written > UNKNOWN_AFTER

    def acquire(self, digest: Digest, holder: Holder | None = None) -> "TableClaim | None":
        """The claim, or None while another holds it."""
        if time.monotonic() < self._without_until:
            return TableClaim(None, "", {}, "", self._stale)
        key = self.key(digest)
        fields: dict[str, object] = {"holder": uuid4().hex, "done": 0}
        if holder is not None:
            fields |= {"job": holder.job, "run": holder.run, "turn": holder.turn}
        try:
            return self._insert(key, fields) or self._take_over(key, fields, holder)
        except (Transient, Malformed) as error:
            _log.warning("The claim on %s can't be kept (%s): copying unclaimed", digest, type(error).__name__)
            self._without_until = time.monotonic() + UNCLAIMED_SECONDS
            return TableClaim(None, key, fields, "", self._stale, asked=True)

    def _insert(self, key: str, fields: dict[str, object]) -> "TableClaim | None":
        made = self._table.swap(PARTITION, key, fields, None, ASKED)
        if isinstance(made, Lost):
            return None
        self._forget(key)
        return TableClaim(self._table, key, fields, made.etag, self._stale)

    def _take_over(self, key: str, fields: dict[str, object], holder: Holder | None) -> "TableClaim | None":
        held = self._table.get(PARTITION, key, ASKED)
        if held is None:
            return self._insert(key, fields)
        if held.fields.get("holder") == fields["holder"]:
            # It was made, and only the answer was lost.
            return TableClaim(self._table, key, fields, held.etag, self._stale)
        if not (self._is_over(held, holder) or self._is_stale(key, held.etag)):
            return None
        taken = self._table.swap(PARTITION, key, fields, held.etag, ASKED)
        self._forget(key)
        if isinstance(taken, Lost):
            return None
        _log.info("Took over the claim on %s", key)
        return TableClaim(self._table, key, fields, taken.etag, self._stale)

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

    def _is_over(self, held: Entity, holder: Holder | None) -> bool:
        """Whether the run that holds it is known to have ended. One that has not after all loses its claim and nothing
        else: what it stages is what its successor stages."""
        job = str(held.fields.get("job") or "")
        if not job:
            return False
        if holder is not None and held.fields.get("run") == holder.run:
            # A run asks once at a time for each blob: it was taken, and only the answer was lost.
            return True
        if holder is not None and job == holder.job and str(held.fields.get("turn", "")) < holder.turn:
            return True
        if self._records is None:
            return False
        try:
            record = self._records.get(job)
        except MirrorError:
            return False
        return record is not None and _ended(record, held)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._seen.pop(key, None)


class HeldClaims:
    """The claims for one run of a job. `close` deletes those that may still be there: a release that failed, one whose
    answer was lost. A run without such makes no request for it."""

    def __init__(self, claims: TableClaims, holder: Holder, before: Callable[[], None]) -> None:
        self._claims = claims
        self._holder = holder
        self._before = before
        self._first = threading.Lock()
        self._lock = threading.Lock()
        self._left: set[str] = set()

    def acquire(self, digest: Digest) -> "TableClaim | None":
        key = self._claims.key(digest)
        with self._first:
            before, self._before = self._before, lambda: None
            before()
        with self._lock:
            self._left.add(key)
        claim = self._claims.acquire(digest, self._holder)
        if claim is not None:
            claim.when_gone(lambda: self._forget(key))
        return claim

    def close(self) -> None:
        """At the end of the run, when nothing of it acquires any more. What can't be deleted is logged, and left to the
        timer."""
        with self._lock:
            left = sorted(self._left)
        for key in left:
            if not self._claims.drop(key, self._holder.run):
                return
            self._forget(key)

    def _forget(self, key: str) -> None:
        with self._lock:
            self._left.discard(key)


def _insist(delete: Callable[[], None], problem: str) -> bool:
    """Does it now or in a moment, also for a job that is cancelled; whether it was done. Raises nothing."""
    for left in reversed(range(TRIES)):
        try:
            with unbound():
                delete()
            return True
        except MirrorError as error:
            if not left:
                _log.warning("%s (%s): the timer does that later", problem, type(error).__name__)
        time.sleep(PAUSE_SECONDS)
    return False


def _ended(record: Record, held: Entity) -> bool:
    """Whether the run that holds a claim is over, as far as its job's record knows."""
    return record.state != "running" or record.fields["run"] != held.fields.get("run")
