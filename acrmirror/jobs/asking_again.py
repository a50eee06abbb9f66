"""Checks: what the registry is asked once more, because a replica that lags may have given the first answer."""

from datetime import UTC, datetime

from acrmirror.copying import Copied, ask_again
from acrmirror.errors import InvalidReference
from acrmirror.history import TagEvent
from acrmirror.jobs import JobQueue, JobRecords
from acrmirror.mirror import MirrorStore
from acrmirror.moments import ahead_of
from acrmirror.reference import Digest
from acrmirror.work import Copy, Job, Record, State


class Checks:
    """Sends checks, and tells their runs what they are about. `ages`: how many seconds old an event is each time that
    the registry is asked again; the last is the lag window."""

    def __init__(self, ages: tuple[float, ...], store: MirrorStore, queue: JobQueue, records: JobRecords) -> None:
        self._ages = ages
        self._store = store
        self._queue = queue
        self._records = records

    def ask_again_later(self, job: Copy, copied: Copied, ended: State) -> None:
        """What a replica that lags may have answered: another digest for the tag, a 404 for a foreign layer, a 404 for
        the image of a push. `ended` is the state of the job's record by now. Raises Unavailable or Denied."""
        now = datetime.now(UTC)
        whole = None
        delays: list[float] = []
        about = copied.event.at if copied.event is not None else None
        tag = ask_again(copied.event, job.about, copied.provisional, now, self._ages)
        if tag is not None:
            delays.append(tag)
        age = -ahead_of(job.at, now).total_seconds()
        due = next((it - age for it in self._ages if it > age), None)
        if copied.left_out:
            whole = job.reference.digest if job.platforms else copied.digest or copied.tagged
            # What a long run was refused in its beginning is requested once at least.
            due = due if due is not None or job.check else 0.0
        elif is_lost(job, copied):
            whole = job.reference.digest
        if whole is not None and due is not None:
            delays.append(due)
        if delays:
            check = job.checking_again(whole, about if tag is not None else None, ended)
            self._queue.send(check, min(delays), onward=True)

    def event_of(self, job: Copy) -> TagEvent | None:
        """The event of the tag that a check's job had: the link may not have it. It is in history, where the job's run
        wrote it, or else in its record. None for a job without one. Raises what storage and the table raise."""
        if not job.check or job.kind != "event" or job.event_id is None or job.reference.tag is None:
            return None
        repository, tag = job.reference.repository, job.reference.tag
        known = self._store.history.event(repository, tag, job.at, job.event_id)
        if known is not None:
            return known
        record = self._records.get(job.id)
        digest = _digest_of(record)
        return TagEvent(job.at, digest) if digest is not None else None

    def made_good(self, job: Copy) -> Digest | None:
        """The digest that a job was to mirror and had not, if it is in the mirror by now: after the run of a check.
        Raises what storage and the table raise."""
        if not job.check or job.ended == "done":
            return None
        record = self._records.get(job.id)
        digest = _digest_of(record)
        if record is None or digest is None or record.fields["mirrored_digest"]:
            return None
        return digest if self._store.manifests.find(job.reference.repository, digest) is not None else None


def _digest_of(record: Record | None) -> Digest | None:
    """The digest that its job was requested with, if any."""
    try:
        return Digest.parse(record.fields["digest"]) if record is not None else None
    except InvalidReference:
        return None


def is_lost(job: Job, copied: Copied) -> bool:
    """Whether a push, or the check of one, did not find its image."""
    return isinstance(job, Copy) and job.kind == "event" and job.reference.digest is not None and copied.digest is None
