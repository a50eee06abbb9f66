"""Jobs of every kind in one list: those that have a record, and audits, which have none."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from acrmirror.errors import NotHere, WrongState
from acrmirror.jobs import JobRecords
from acrmirror.jobs.pulls import Pulls
from acrmirror.jobs.records import Requested
from acrmirror.proof.audits import Audits, Shown
from acrmirror.reference import shown
from acrmirror.restore.restores import Report, Restores
from acrmirror.work import JobId, Record
from acrmirror.work.audit import KIND as AUDIT
from acrmirror.work.restore import KIND as RESTORE
from acrmirror.work.sweep import KIND as SWEEP

AUDIT_STATES = ("queued", "running", "waiting", "done", "failed", "cancelled")
AUDITS_LOOKED_AT = 100
"""Of the newest audits, so many are looked at for those in one state."""


@dataclass(frozen=True, slots=True)
class Found:
    """A job: a record or an audit. `jobs` is how what a sweep requested is, by state, and `report` what became of a
    restore; both only of a single job."""

    job: Record | Shown
    jobs: Requested | None = None
    report: Report | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which jobs are listed; None is any. `kind` as records have it."""

    kind: str | None = None
    state: str | None = None
    repository: str | None = None
    parent: str | None = None


@dataclass(frozen=True, slots=True)
class FoundPage:
    """Some jobs, newest first; `last` is the id to go on behind, None if there are no more."""

    jobs: tuple[Found, ...] = field(default_factory=tuple)
    last: str | None = None


class Overview:
    """Thread-safe. Raises Unavailable, Throttled and Denied."""

    def __init__(self, pulls: Pulls, restores: Restores, audits: Audits, records: JobRecords) -> None:
        self._pulls = pulls
        self._restores = restores
        self._audits = audits
        self._records = records

    def page(self, wanted: Wanted, count: int, after: str | None) -> FoundPage:
        """Raises WrongState for an `after` that is no id."""
        for name, value in (("last", after), ("parent", wanted.parent)):
            if value is not None and not JobId.is_one(value):
                raise WrongState(f"list jobs with {name} {shown(value)}", "that is not the id of one", "Look at it.")
        records = ((it.id, Found(it)) for it in self._records_of(wanted, after))
        audits = ((it.progress.id, Found(it)) for it in self._audits_of(wanted, after))
        merged = heapq.merge(records, audits, key=lambda it: it[0])
        found = list(islice(merged, count + 1))
        last = found[count - 1][0] if len(found) > count else None
        return FoundPage(tuple(it for _, it in found[:count]), last)

    def get(self, identity: str) -> Found:
        """Raises NotHere."""
        record = self._records.get(identity) if JobId.is_one(identity) else None
        if record is not None:
            return self._found(record)
        try:
            return Found(self._audits.get(identity))
        except NotHere:
            raise NotHere(
                f"look for the job {shown(identity)}", "there is no record of it", "List the jobs: GET /api/v1/jobs."
            ) from None

    def cancel(self, identity: str) -> Found:
        """Of a restore, its images that have not ended, too. Raises NotHere, and WrongState for what is over."""
        job = self.get(identity).job
        if isinstance(job, Shown):
            return Found(self._audits.cancel(identity))
        if job.fields["kind"] == RESTORE:
            return self._found(self._restores.cancel(identity, self._pulls.cancel))
        return self._found(self._pulls.cancel(identity))

    def retry(self, identity: str) -> Found:
        """Raises NotHere, and WrongState for what is done or under way and for an audit."""
        if isinstance(self.get(identity).job, Shown):
            raise WrongState(f"retry the audit {identity}", "that is an audit", "Request another: POST /api/v1/audits.")
        return self._found(self._pulls.retry(identity))

    def _found(self, record: Record) -> Found:
        match record.fields["kind"]:
            case str(kind) if kind == SWEEP:
                return Found(record, jobs=self._pulls.children(record))
            case str(kind) if kind == RESTORE:
                return Found(record, report=self._restores.report(record.id))
            case _:
                return Found(record)

    def _records_of(self, wanted: Wanted, after: str | None) -> Iterator[Record]:
        if wanted.kind == AUDIT:
            return
        stored = "running" if wanted.state == "interrupted" else wanted.state
        equal = {"kind": wanted.kind, "state": stored, "repository": wanted.repository, "parent": wanted.parent}
        for record in self._records.where(equal, after):
            if wanted.state is None or record.state == wanted.state:
                yield record

    def _audits_of(self, wanted: Wanted, after: str | None) -> Iterator[Shown]:
        others = wanted.kind not in (None, AUDIT) or wanted.repository is not None or wanted.parent is not None
        if others or wanted.state not in (None, *AUDIT_STATES):
            return
        looked_at = self._audits.newest(after)
        for audit in looked_at if wanted.state is None else islice(looked_at, AUDITS_LOOKED_AT):
            if wanted.state is None or audit.progress.state == wanted.state:
                yield audit
