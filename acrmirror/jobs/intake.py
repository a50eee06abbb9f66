"""Intake: what becomes of an event that the registry tells through Event Grid."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from acrmirror.cancel import within
from acrmirror.errors import Cancelled, MirrorError, Permanent, Unavailable
from acrmirror.events import RegistryEvent, check_event, identity_of, parse_event
from acrmirror.jobs import JobQueue, JobRecords, Refusals
from acrmirror.moments import to_datetime
from acrmirror.settings import Settings
from acrmirror.telemetry import Telemetry
from acrmirror.work import Copy, Deletion, Job

FIRST_RETRY = timedelta(seconds=8)
"""Event Grid delivers an event that it got no good answer for again after ten seconds, not sooner."""

QUEUE_SECONDS, TABLE_SECONDS = 14.0, 5.0
"""For how long each is waited for. Event Grid waits 30 seconds for an answer, and then delivers the event again."""

_log = logging.getLogger(__name__)


class Intake:
    """Turns events into jobs. Only an event whose job is in the queue is taken: for all others it raises, so that
    Event Grid keeps them (rule S7)."""

    def __init__(
        self, settings: Settings, queue: JobQueue, records: JobRecords, refusals: Refusals, telemetry: Telemetry
    ) -> None:
        self._settings = settings
        self._queue = queue
        self._records = records
        self._refusals = refusals
        self._telemetry = telemetry

    def receive(self, payload: Mapping[str, object]) -> None:
        """Checks an event and enqueues its job.

        Raises AnotherRegistry, Untimely, Malformed or InvalidReference for an event that is refused; that is logged,
        counted, and shown by the health check. Raises Unavailable or Denied where the queue does not take the job,
        within about 20 seconds.
        """
        try:
            event = parse_event(payload, self._settings.repository_limit)
            check_event(event, self._settings.registry, self._settings.registry_resource_id)
        except Permanent as refusal:
            self._refuse(identity_of(payload), refusal)
            raise
        job = _job_of(event)
        self._send(job)
        _log.info("Enqueued %s %s of %s", job.id, job.kind, job.reference)
        try:
            # The message is on its way, and its run writes the record if this does not.
            with within(TABLE_SECONDS, f"write the record {job.id}"):
                self._records.add(job)
                if _came_again(event):
                    self._refusals.settle(event.id)
        except MirrorError as error:
            _log.warning("No record yet of %s: %s", job.id, error)
        self._telemetry.event_taken(job.kind)

    def _send(self, job: Job) -> None:
        try:
            with within(QUEUE_SECONDS, f"enqueue {job.reference} in {job.queue}"):
                self._queue.send(job)
        except Cancelled as slow:
            raise Unavailable(slow.asked, slow.answered, "Event Grid delivers the event again.") from slow

    def _refuse(self, event: str, refusal: Permanent) -> None:
        _log.warning("Refused an event: %s", refusal)
        self._telemetry.event_refused(refusal.code)
        try:
            with within(TABLE_SECONDS, "write down a refused event"):
                self._refusals.add(event, refusal)
        except MirrorError as error:
            _log.warning("The health check does not know of it: %s", error)


def _came_again(event: RegistryEvent) -> bool:
    """Whether it may have been refused before. A first delivery comes within seconds: that is not looked into, so that
    it costs the table nothing."""
    return not timedelta() < datetime.now(UTC) - to_datetime(event.time) < FIRST_RETRY


def _job_of(event: RegistryEvent) -> Job:
    if event.kind == "push":
        return Copy.of_event(event.reference, event.id, event.time, event.media_type, event.size)
    return Deletion.of_event(event.reference, event.id, event.time)
