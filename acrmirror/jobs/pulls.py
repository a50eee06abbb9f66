"""Pulls: jobs that a person asks for, follows, cancels and tries again."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from uuid import uuid4

from acrmirror.errors import Cancelled, Conflict, Denied, MirrorError, NotFound, NotHere, RegistryDenied, WrongState
from acrmirror.jobs import JobQueue, JobRecords, SharedPulls
from acrmirror.jobs.records import AGAIN, Requested, error_fields, first_record
from acrmirror.moments import from_datetime
from acrmirror.platforms import parse_platform
from acrmirror.reference import Reference, another_registry, host_of, shown
from acrmirror.registry import Registry
from acrmirror.settings import Settings
from acrmirror.work import (
    FINAL_STATES,
    BackfillTask,
    Copy,
    Record,
    RecordFields,
    Task,
)
from acrmirror.work.ids import JobId
from acrmirror.work.restore import KIND as RESTORE
from acrmirror.work.sweep import KIND as MATCH
from acrmirror.work.task import made_again

ROUNDS = 8
GRACE_SECONDS = 2.0
"""How long whoever asks for what another is just asking for waits for the record, before sending the job as well."""
GRACE_POLL_SECONDS = 0.1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some records, newest first; `last` is the id to go on behind, None if there are no more."""

    records: tuple[Record, ...]
    last: str | None


class Pulls:
    """What people ask of the job queue."""

    def __init__(self, settings: Settings, registry: Registry, queue: JobQueue, records: JobRecords) -> None:
        self._settings = settings
        self._registry = registry
        self._queue = queue
        self._records = records
        self._shared_pulls = SharedPulls(records.table, records)

    def ask(self, image: str, *, platforms: Sequence[str] = (), force: bool = False) -> Record:
        """The job that copies an image: a new one, or the one that is under way for the same already.

        The registry is asked first: NotFound, RegistryDenied and Throttled come at once, and so does InvalidReference
        or Refused for what no registry needs to be asked about. Refused, too, is what it does not have and what docker
        would read as another registry's.
        """
        reference = Reference.parse(image, self._settings.registry, self._settings.repository_limit)
        wanted = tuple(sorted({str(parse_platform(text)) for text in platforms}))
        try:
            self._check_there(reference)
        except NotFound as error:
            if (host := host_of(reference.repository)) is None:
                raise
            raise another_registry(image, host, f"{self._settings.registry}, which has no such image") from error
        job = Copy.of_pull(reference, uuid4().hex, force=force, platforms=wanted)
        shared = self._shared_pulls.join(job)
        record = shared.record
        if record is None and not shared.mine:
            record = self._soon(shared.job.id)
        if record is not None:
            return self._sent_again(record) if record.overdue else record
        return self._send(shared.job)

    def _soon(self, identity: str) -> Record | None:
        """The record of a job that another asks for at this moment; None if that one seems to have died over it."""
        until = time.monotonic() + GRACE_SECONDS
        while (record := self._records.get(identity)) is None and time.monotonic() < until:
            time.sleep(GRACE_POLL_SECONDS)
        return record

    def _send(self, job: Copy) -> Record:
        """The message, then what refers to it (rule W6). The same job sent twice is one: its second message ends at
        once while the first is being run, and finds everything done afterwards."""
        self._queue.send(job)
        _log.info("Enqueued %s %s of %s", job.id, job.kind, job.reference)
        try:
            self._records.add(job)
        except MirrorError as error:
            # The message is on its way, and its run writes the record.
            _log.warning("No record yet of %s: %s", job.id, error)
        return first_record(job)

    def _sent_again(self, record: Record) -> Record:
        """Of a job that no run has given a sign since it was requested: its message may be lost, or waits behind
        others."""
        self._queue.send(Copy.of_record(record))
        _log.info("Enqueued %s again: no run of it gave a sign", record.id)
        self._mark(record, {"heartbeat": _now()})
        return record

    def _check_there(self, reference: Reference) -> None:
        try:
            if reference.tag is not None:
                resolved = self._registry.resolve(Reference(reference.repository, reference.tag))
                if reference.digest is None or resolved.descriptor.digest == reference.digest:
                    return
            self._registry.resolve(Reference(reference.repository, None, reference.digest))
        except Denied as error:
            raise RegistryDenied(error.asked, error.answered, error.remedy) from error

    def get(self, identity: str) -> Record:
        """Raises NotHere."""
        record = self._records.get(identity) if JobId.is_one(identity) else None
        if record is None:
            raise NotHere(
                f"look for the pull {shown(identity)}", "there is no record of it", "List the pulls: GET /api/v1/pulls."
            )
        return record

    def children(self, record: Record) -> Requested | None:
        """How the jobs of a sweep are; None for another kind of job."""
        return self._records.so_far(record.id) if record.fields["kind"] == MATCH else None

    def known(self, record: Record) -> Record:
        """The record as it is now; as it was, while it is being written for the first time."""
        return self._records.get(record.id) or record

    def page(self, count: int, *, state: str | None, repository: str | None, after: str | None) -> RecordPage:
        """Records of every kind of job, newest first. Raises WrongState for an `after` that is no id."""
        if after is not None and not JobId.is_one(after):
            raise WrongState(
                f"go on with the pulls behind {shown(after)}",
                "that is not the id of one",
                "Use `last` as it was given.",
            )
        found = list(islice(self._filtered(state, repository, after), count + 1))
        return RecordPage(tuple(found[:count]), found[count - 1].id if len(found) > count else None)

    def _filtered(self, state: str | None, repository: str | None, after: str | None) -> Iterator[Record]:
        stored = "running" if state == "interrupted" else state
        for record in self._records.newest(state=stored, repository=repository, after=after):
            if state is None or record.state == state:
                yield record

    def cancel(self, identity: str) -> Record:
        """Cancels what is queued or waiting at once; what is running is told, and ends within about two seconds.

        What is staged is safe to leave: the same pull asked again goes on from there. Raises NotHere, WrongState.
        """
        for _ in range(ROUNDS):
            record = self.get(identity)
            if record.state == "cancelled":
                return record
            if record.state in FINAL_STATES:
                raise WrongState(
                    f"cancel the pull {identity}", f"it is {record.state} already", "There is nothing left to stop."
                )
            fields: RecordFields = {"cancel_requested": True}
            if record.state != "running":
                what = record.fields["repository"] or "what its patterns choose"
                why = Cancelled(f"mirror {what}", "a person cancelled it", "Request it again.")
                fields = fields | error_fields(why) | {"state": "cancelled", "finished": _now()}
            if self._records.write(identity, fields, record):
                _log.info("Cancelled %s", identity)
                return self.get(identity)
        raise Conflict(f"cancel the pull {identity}", "its record kept changing", "Ask again.")

    def retry(self, identity: str) -> Record:
        """Sends a job once more, from its record: one that failed, was gone, was cancelled or interrupted, or that has
        been queued for long and never begun; a restore, too, that has requested its images. Raises NotHere, WrongState.

        The message goes first, and says how often the job was sent again: a run of it takes the record, whether or not
        that says so yet (rule W6).
        """
        record = self.get(identity)
        asked = f"retry the pull {identity}"
        over = record.state in FINAL_STATES or record.state == "interrupted" or record.overdue
        # A restore that is done has requested its images, of which some may have failed.
        done = record.state == "done" and (record.fields["kind"] != RESTORE or record.fields["dry_run"])
        if not over or done:
            remedy = "Request the image anew, with force to check it again." if record.state == "done" else "Wait."
            raise WrongState(asked, f"it is {record.state}", remedy)
        retries = record.retries + 1
        task = task_of(record)
        if isinstance(task, BackfillTask):
            self._queue.send_task(replace(task, retries=retries))
        else:
            self._queue.send(replace(task, retries=retries))
        _log.info("Enqueued %s again", identity)
        return self._mark(record, AGAIN | {"state": "queued", "retries": retries, "heartbeat": _now()})

    def _mark(self, record: Record, fields: RecordFields) -> Record:
        """Writes down that a job was sent again, unless its run was faster. The message is on its way in any case."""
        try:
            if self._records.write(record.id, fields, record) is None:
                return self._records.get(record.id) or record
        except MirrorError as error:
            _log.warning("The record of %s is behind: %s", record.id, error)
        return Record(record.id, record.fields | fields)


def task_of(record: Record) -> Task:
    """What is behind a record, as at its first attempt. Raises WrongState for what was no task."""
    try:
        return made_again(record)
    except (ValueError, MirrorError) as error:
        # It never was one, or somebody wrote something odd into it.
        raise WrongState(
            f"retry {record.id}", f"its record is of nothing that can be run ({error})", "Request it anew."
        ) from error


def _now() -> str:
    return from_datetime(datetime.now(UTC))
