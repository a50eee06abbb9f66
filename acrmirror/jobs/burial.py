"""Burial: what crashed its worker too often, and the platform has put into a poison queue, ends in its record."""

import logging
from datetime import UTC, datetime
from uuid import uuid4

from acrmirror.errors import Crashed, Malformed
from acrmirror.jobs.check_recorder import CheckRecorder
from acrmirror.jobs.claims import TableClaims
from acrmirror.jobs.records import CANCELLED, JobRecords, error_fields, first_fields
from acrmirror.moments import from_datetime
from acrmirror.reference import shown
from acrmirror.telemetry import Telemetry
from acrmirror.work import FINAL_STATES, Copy, Job, RecordFields
from acrmirror.work.ids import JobId

DIED = "its worker died or failed unexpectedly too often"
LOOK = "Look into the function's log for the time of its runs, then retry it from its record"

_log = logging.getLogger(__name__)


class Burial:
    """Each method raises where the record can't be written: then the platform delivers the message again."""

    def __init__(self, records: JobRecords, claims: TableClaims, telemetry: Telemetry) -> None:
        self._records = records
        self._claims = claims
        self._telemetry = telemetry

    def bury(self, job: Job) -> None:
        """Of a job that only asked again, the record says so beside what the job itself came to."""
        before = self._records.get(job.id)
        if before is not None and before.retries > job.retries:
            _log.info("Left %s to the message that a person has sent since", job.id)
            return
        # Before the record: whoever finds that in its final state has nothing left to do.
        self._claims.clear(job.id)
        if isinstance(job, Copy) and job.check:
            self._bury_check(job)
            return
        if before is not None and before.fields["state"] in FINAL_STATES and before.retries >= job.retries:
            return
        seen = before.fields["error_answered"] if before is not None else ""
        error = Crashed(
            f"mirror {job.reference}",
            f"{DIED}{f' ({seen})' if seen else ''}",
            f"{LOOK}: what is staged is reused.",
        )
        asked: RecordFields = first_fields(job) if before is None else {}
        ended = error_fields(error) | {"state": "failed", "finished": from_datetime(datetime.now(UTC))}
        record = self._records.change(
            job.id,
            asked | ended | {"message": job.to_json(), "retries": job.retries},
            unless_final=True,
            if_cancelled=CANCELLED,
            retries=job.retries,
        )
        if record is not None and record.state == "cancelled":
            ended = ended | CANCELLED
        self._telemetry.run_ended(ended | {"kind": job.kind})
        _log.error("Dead %s: %s", job.id, error)

    def _bury_check(self, job: Copy) -> None:
        """The job itself has ended, and stays as it is."""
        error = Crashed(f"ask about {job.reference} again", DIED, f"{LOOK}, or request the image anew.")
        ended = error_fields(error) | {"state": "failed", "finished": from_datetime(datetime.now(UTC))}
        CheckRecorder(self._records, job, "burial", 1).write(ended)
        self._telemetry.run_ended(ended | {"kind": "check"})
        self._claims.clear(job.id)
        _log.error("Dead %s: %s", job.id, error)

    def bury_unreadable(self, message: str, why: Malformed) -> None:
        """A message that is no job gets a record of its own, with the message in its notes."""
        identity = JobId.of(datetime.now(UTC), f"{uuid4().hex} {message}")
        _log.error("A message that is no job was in a queue, kept as %s: %s", identity, why)
        ended = error_fields(why) | {"state": "failed", "kind": "unreadable"}
        self._records.change(identity, ended | {"notes": [shown(message, 4000)]})
        self._telemetry.run_ended(ended)
