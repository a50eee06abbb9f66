"""Runs a copy or a deletion to its end: a final record, or a delayed message for its next attempt."""

import logging
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from acrmirror.copying import Budget, Context, Copied, Listed, copy_image, copy_platforms
from acrmirror.errors import MirrorError, NotFound, Unavailable
from acrmirror.history import Observation
from acrmirror.jobs.asking_again import Checks, is_lost
from acrmirror.jobs.claims import HeldClaims, TableClaims
from acrmirror.jobs.deletions import note_deletion
from acrmirror.jobs.queue import JobQueue
from acrmirror.jobs.recorder import RunRecords
from acrmirror.jobs.records import JobRecords, error_fields
from acrmirror.jobs.run import LAYERS_SHOWN, Run
from acrmirror.mirror import MirrorStore
from acrmirror.moments import from_datetime
from acrmirror.registry import Registry
from acrmirror.retrying import Final, Retry, RetryPolicy
from acrmirror.telemetry import Telemetry
from acrmirror.work import Copy, Deletion, Job, RecordFields, State

NOTES_SHOWN = 50

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Manner:
    """How copies run. `budget` are the process's threads for blobs, `threads` how many; `claim_wait` are the seconds
    after which a claim of another worker is stale; `window` is how long an answer of the registry may be an older
    one."""

    threads: int
    budget: Budget
    claim_wait: float
    window: timedelta


class LeavesBatch(Exception):
    """A job that is not to be run beside others of its batch, but by itself."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a job is run with. In a batch: records that are written together, few threads, what a listing told;
    `measured` raises LeavesBatch for an image that is too large for it."""

    records: RunRecords
    threads: int
    listing: Listed | None = None
    measured: Callable[[int], None] = lambda _: None


class Runner:
    """Runs jobs of one registry into one mirror. Thread-safe."""

    def __init__(
        self,
        registry: Registry,
        store: MirrorStore,
        checks: Checks,
        queue: JobQueue,
        records: JobRecords,
        claims: TableClaims,
        policy: RetryPolicy,
        manner: Manner,
        telemetry: Telemetry,
    ) -> None:
        self._registry = registry
        self._store = store
        self._checks = checks
        self._queue = queue
        self._records = records
        self._claims = claims
        self._policy = policy
        self._manner = manner
        self._telemetry = telemetry

    def run(self, job: Job, deliveries: int) -> None:
        """Raises only what is nobody's expected failure: then the platform delivers the message again, and after too
        often puts it into the poison queue."""
        self.begun(job, deliveries, Part(self._records, self._manner.threads))()

    def begun(self, job: Job, deliveries: int, part: "Part") -> Callable[[], None]:
        """Copies, and returns what is left to do: to settle what that came to. Both raise as `run`."""
        run = Run(part.records, job, deliveries, self._telemetry)
        if deliveries > 1:
            # A worker died over the delivery before.
            run.begin()
            self._claims.clear(job.id, run.holder.turn)
        _log.info(
            "Running %s: %s %s (delivery %d, attempt %d)", job.id, job.kind, job.reference, deliveries, job.attempt
        )
        with closing(self._claims.of(run.holder, run.begin)) as claims:
            with run.reporting() as reporting:

                def admitted() -> None:
                    reporting.wait_until_read()
                    run.cancel.check()

                try:
                    with run.cancel.bound():
                        copied = self._perform(job, run, claims, admitted, part)
                    failures = copied.failures
                except MirrorError as error:
                    copied, failures = Copied(), [error]
                except LeavesBatch:
                    raise
                except Exception as error:
                    run.crashed(error)
                    raise
        return lambda: self._settled(job, run, copied, failures)

    def _settled(self, job: Job, run: Run, copied: Copied, failures: list[MirrorError]) -> None:
        if run.recorder.superseded:
            _log.info("Left %s to the worker that got its message later", job.id)
        else:
            self._settle(job, run, copied, failures)

    def _perform(self, job: Job, run: Run, claims: HeldClaims, admitted: Callable[[], None], part: "Part") -> Copied:
        source = self._registry.counted(run.requests.count)
        if isinstance(job, Deletion):
            admitted()
            return note_deletion(source, self._store.history, job)
        event = None
        if job.event_id is not None and job.reference.digest is not None and not job.check:
            event = Observation(job.at, job.reference.digest, job.event_id, "event", job.media_type, job.size)
        context = Context(
            identity=job.id,
            at=job.at,
            threads=part.threads,
            budget=self._manner.budget,
            claims=claims,
            claim_wait=self._manner.claim_wait,
            force=job.force,
            resume=not job.fresh,
            cancel=run.cancel,
            progress=run.progress,
            event=event,
            about=self._checks.event_of(job),
            window=self._manner.window,
            admitted=admitted,
            listing=part.listing,
            measured=part.measured,
        )
        if job.platforms:
            return copy_platforms(source, self._store, job.reference, job.platforms, context)
        copied = copy_image(source, self._store, job.reference, context)
        run.made_good = self._checks.made_good(job)
        return copied

    def _settle(self, job: Job, run: Run, copied: Copied, failures: list[MirrorError]) -> None:
        """Ends a run with a next attempt, or a final record."""
        fields = _outcome(job, run, copied)
        if not failures:
            if self._finished(job, run, fields | error_fields(None) | {"state": "done", "missing": False}):
                self._ask_again(job, copied, "done")
                _log.info("Done %s: %s", job.id, job.reference)
            return
        now = datetime.now(UTC)
        decision = self._policy.decide(failures, job.failing, now, run.begun)
        if isinstance(decision, Retry):
            due = from_datetime(now + timedelta(seconds=decision.delay))
            # The record first: should the worker die in between, the message that it has comes again, and is one.
            run.wait(fields | error_fields(failures[0]) | {"state": "waiting", "next_attempt": due})
            if run.over:
                return
            again = job.later(decision.failing, fresh=decision.fresh) if decision.counts else job
            self._queue.send(again, decision.delay, onward=True)
            _log.info("Waiting %.0f s with %s: %s", decision.delay, job.id, failures[0])
        else:
            ended: RecordFields = fields | error_fields(_told(decision, copied)) | {"state": decision.state}
            missing = decision.state == "gone" and is_lost(job, copied) and not job.check
            if self._finished(job, run, ended | {"missing": missing}):
                _log.log(
                    logging.ERROR if decision.state == "failed" or missing else logging.INFO,
                    "%s %s: %s",
                    decision.state.capitalize(),
                    job.id,
                    decision.error,
                )
                if copied.provisional or (decision.state == "gone" and is_lost(job, copied)):
                    self._ask_again(job, copied, decision.state)

    def _ask_again(self, job: Job, copied: Copied, ended: State) -> None:
        if isinstance(job, Copy):
            self._checks.ask_again_later(job, copied, ended)

    def _finished(self, job: Job, run: Run, fields: RecordFields) -> bool:
        """Writes the final record. Where that can't be done now, the job runs once more by a delayed message: what it
        came to has to be in a record; what is mirrored is skipped. Raises once that was waited out for long enough."""
        try:
            run.finish(fields)
        except MirrorError as error:
            unwritten = Unavailable(error.asked, error.answered, error.remedy)
            decision = self._policy.decide([unwritten], job.failing, datetime.now(UTC), run.begun)
            if not isinstance(decision, Retry):
                raise
            self._queue.send(job.later(decision.failing, fresh=decision.fresh), decision.delay, onward=True)
            _log.warning("Waiting %.0f s with the record of %s: %s", decision.delay, job.id, error)
            return False
        return not run.over


def _outcome(job: Job, run: Run, copied: Copied) -> RecordFields:
    """What a run came to. One that only asked about the tag again leaves the outcome of the job's first run."""
    fields: RecordFields = {"tagged_digest": str(copied.tagged or "")}
    if run.made_good is not None:
        fields["mirrored_digest"] = str(run.made_good)
    if job.check and not run.progress.layers:
        return fields
    left_out = [(str(digest), why) for digest, why in copied.left_out.items()]
    fields = fields | {
        "left_out": dict(left_out[:LAYERS_SHOWN]),
        "notes": [*copied.notes, *run.notes()][:NOTES_SHOWN],
        "referrers": copied.referrers,
    }
    if not job.check:
        fields["mirrored_digest"] = str(copied.digest or "")
    return run.figures() | fields


def _told(decision: Final, copied: Copied) -> MirrorError:
    """A tag that is gone while its image is in the mirror is told as just that."""
    error = decision.error
    if decision.state == "gone" and copied.digest is not None and copied.tag_gone and error is copied.tag_failure:
        return NotFound(
            error.asked,
            "the tag is gone at the registry (deleted, or never there)",
            f"Nothing is to be done: the image is in the mirror as {copied.digest}.",
        )
    if decision.state == "gone":
        return NotFound(
            error.asked,
            f"it is gone at the registry ({error.answered})",
            "If it should be there, look for a purge task, a retention policy or a quarantine, then retry.",
        )
    return error
