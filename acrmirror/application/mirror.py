"""Mirror: what happens to an event and to a job, and where the parts are wired."""

import logging
from collections.abc import Mapping
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any

from acrmirror.application.checking import Checks, is_lost
from acrmirror.application.health import HealthChecks
from acrmirror.application.images import Images
from acrmirror.application.intake import Intake
from acrmirror.application.pulls import Pulls
from acrmirror.application.running import LAYERS_SHOWN, Run
from acrmirror.application.sweeps import Sweeps
from acrmirror.application.timing import Timer
from acrmirror.copying import Context, Copied, copy_image, copy_platforms
from acrmirror.credentials import make_credential, registry_credential
from acrmirror.errors import Cancelled, Malformed, MirrorError, NotFound, Permanent, Unavailable
from acrmirror.history import Observation
from acrmirror.jobs import (
    FINAL_STATES,
    CheckRecorder,
    Comparisons,
    HeldClaims,
    Job,
    JobQueue,
    JobRecord,
    JobRecords,
    Refusals,
    Sweep,
    TableClaims,
    job_id,
)
from acrmirror.jobs.records import error_fields
from acrmirror.mirror import CopyTarget, MirrorStore
from acrmirror.moments import from_datetime
from acrmirror.reference import Reference, shown
from acrmirror.registry import Redirects, Registry, Session
from acrmirror.retrying import Final, Retry, RetryPolicy
from acrmirror.settings import Settings
from acrmirror.telemetry import Telemetry

NOTES_SHOWN = 50

_DIED = "its worker died or failed unexpectedly too often"
_LOOK = "Look into the function's log for the time of its runs, then retry it from its record"
_log = logging.getLogger(__name__)


class Mirror:
    """One registry, one mirror, one queue. Thread-safe; open it once a process and close it with it."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        store: MirrorStore,
        queue: JobQueue,
        records: JobRecords,
        telemetry: Telemetry,
    ) -> None:
        self._settings = settings
        self._registry = registry
        self._store = store
        self._target = CopyTarget(store)
        self._queue = queue
        self._records = records
        self._telemetry = telemetry
        self._claims = TableClaims(records.table, settings.claim_stale_seconds, records)
        self._policy = RetryPolicy(
            timedelta(seconds=settings.not_found_seconds), timedelta(seconds=settings.retry_seconds)
        )
        self._checks = Checks(settings.recheck_seconds, store, queue, records)
        self.pulls = Pulls(settings, registry, queue, records)
        self.images = Images(settings, store)
        comparisons = Comparisons(records.table)
        self.sweeps = Sweeps(settings, registry, store.listing, queue, records, comparisons, telemetry, self._policy)
        self.timer = Timer(settings.compare_hours, self.sweeps, comparisons, records, telemetry, self._claims)
        refusals = Refusals(records.table)
        self._intake = Intake(settings, queue, records, refusals, telemetry)
        self.health = HealthChecks(registry, store, queue, records, refusals, comparisons, settings.compare_hours)
        self._closing = ExitStack()

    @classmethod
    def open(cls, settings: Settings) -> "Mirror":
        """Makes every client, all with one credential. Nothing is fetched yet."""
        credential = make_credential(settings)
        trust = settings.trust_bundle
        session = Session(
            settings.registry,
            registry_credential(settings, credential),
            settings.registry_audience,
            Redirects(settings.redirect_hosts, settings.redirect_local),
            trust,
        )
        mirror = cls(
            settings,
            Registry(session),
            MirrorStore.open(
                settings.blob_endpoint,
                settings.container,
                credential,
                prefix=settings.prefix,
                trust_bundle=trust,
                connections=settings.threads + 4,
            ),
            JobQueue.open(settings.queue_endpoint, credential, trust),
            JobRecords.open(settings.table_endpoint, settings.table, credential, trust),
            Telemetry.open(settings, credential),
        )
        clients = (session, mirror._store, mirror._queue, mirror._records)
        for part in (credential, *clients, mirror._telemetry):
            mirror._closing.callback(part.close)
        return mirror

    def close(self) -> None:
        self._closing.close()

    def __enter__(self) -> "Mirror":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # an event comes in

    def receive_event(self, payload: Mapping[str, object]) -> None:
        """Enqueues the job of an event. Raises for one that is refused, see `Intake`."""
        self._intake.receive(payload)

    # a job runs

    def run_job(self, message: str, deliveries: int) -> None:
        """Runs the job of one queue message to a final record or to a delayed message for its next attempt.

        Raises only what is nobody's expected failure: then the platform delivers the message again, and after too
        often hands it to `bury_job`.
        """
        try:
            job = Sweep.from_json(message) or Job.from_json(message)
        except Malformed:
            self.bury_job(message)
            return
        if isinstance(job, Sweep):
            self.sweeps.run(job, deliveries)
            return
        run = Run(self._records, job, deliveries, self._telemetry)
        if deliveries > 1:
            # A worker died over the delivery before.
            self._claims.clear(job.id, run.holder.turn)
        if run.recorder.superseded:
            _log.info("Left %s to the worker that got its message later", job.id)
            return
        if run.recorder.cancel_requested:
            run.end("cancelled", Cancelled(f"mirror {job.reference}", "a person cancelled it", "Ask for it again."))
            return
        _log.info(
            "Running %s: %s %s (delivery %d, attempt %d)", job.id, job.kind, job.reference, deliveries, job.attempt
        )
        with closing(self._claims.of(run.holder)) as claims:
            with run.reporting():
                try:
                    with run.cancel.bound():
                        copied = self._perform(job, run, claims)
                    failures = copied.failures
                except MirrorError as error:
                    copied, failures = Copied(), [error]
                except Exception as error:
                    run.crashed(error)
                    raise
            if not run.recorder.superseded:
                self._settle(job, run, copied, failures)

    def _perform(self, job: Job, run: Run, claims: HeldClaims) -> Copied:
        source = self._registry.counted(run.requests.count)
        if job.kind == "deletion":
            return self._note_deletion(source, job)
        event = None
        if job.event_id is not None and job.reference.digest is not None and not job.check:
            event = Observation(job.at, job.reference.digest, job.event_id, "event", job.media_type, job.size)
        context = Context(
            identity=job.id,
            at=job.at,
            threads=self._settings.threads,
            claims=claims,
            claim_wait=self._settings.claim_stale_seconds,
            force=job.force,
            resume=not job.fresh,
            cancel=run.cancel,
            progress=run.progress,
            event=event,
            about=self._checks.event_of(job),
            window=timedelta(seconds=self._settings.recheck_seconds[-1]),
        )
        if job.platforms:
            return copy_platforms(source, self._target, job.reference, job.platforms, context)
        copied = copy_image(source, self._target, job.reference, context)
        run.made_good = self._checks.made_good(job)
        return copied

    def _note_deletion(self, source: Registry, job: Job) -> Copied:
        """Recorded once the registry has answered 404 itself; what stands in the mirror stays (rule H4)."""
        digest = job.reference.digest
        copied = Copied(digest=digest)
        if digest is None:
            return copied
        named = Reference(job.reference.repository, None, digest)
        try:
            source.resolve(named)
        except NotFound:
            self._store.history.observe(named, Observation(job.at, digest, job.identity, "deleted"))
            copied.notes.append("deleted at the registry; kept in the mirror")
        else:
            copied.notes.append("an event says deleted, but the registry still has it")
        return copied

    def _settle(self, job: Job, run: Run, copied: Copied, failures: list[MirrorError]) -> None:
        """Brings a run to its end: a next attempt, or a final record."""
        fields = _brought(job, run, copied)
        if not failures:
            if self._finished(job, run, fields | {"state": "done", "missing": False} | error_fields(None)):
                self._checks.ask_again_later(job, copied, "done")
                _log.info("Done %s: %s", job.id, job.reference)
            return
        now = datetime.now(UTC)
        decision = self._policy.decide(failures, job.failing, now, run.begun)
        if isinstance(decision, Retry):
            due = from_datetime(now + timedelta(seconds=decision.delay))
            # The record first: should the worker die in between, the message that it has comes again, and is one.
            run.wait(fields | {"state": "waiting", "next_attempt": due} | error_fields(failures[0]))
            if run.over:
                return
            again = job.later(decision.failing, fresh=decision.fresh) if decision.counts else job
            self._queue.send(again, decision.delay)
            _log.info("Waiting %.0f s with %s: %s", decision.delay, job.id, failures[0])
        else:
            ended = fields | {"state": decision.state} | error_fields(_told(decision, copied))
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
                    self._checks.ask_again_later(job, copied, decision.state)

    def _finished(self, job: Job, run: Run, fields: dict[str, Any]) -> bool:
        """Writes the final record. Where that can't be done now, the job runs once more by a delayed message: what it
        came to has to be in a record, and what stands is skipped. Raises once that was waited out for long enough."""
        try:
            run.finish(fields)
        except MirrorError as error:
            unwritten = Unavailable(error.asked, error.answered, error.remedy)
            decision = self._policy.decide([unwritten], job.failing, datetime.now(UTC), run.begun)
            if not isinstance(decision, Retry):
                raise
            self._queue.send(job.later(decision.failing, fresh=decision.fresh), decision.delay)
            _log.warning("Waiting %.0f s with the record of %s: %s", decision.delay, job.id, error)
            return False
        return not run.over

    # a job is dead

    def bury_job(self, message: str) -> None:
        """Brings a message that crashed its worker too often into its record. Raises where that can't be written: then
        the platform tries it again."""
        try:
            job = Sweep.from_json(message) or Job.from_json(message)
        except Malformed as unreadable:
            identity = job_id(datetime.now(UTC), message)
            _log.error("A message that is no job was in the poison queue, kept as %s: %s", identity, unreadable)
            ended = {"state": "failed", "kind": "unreadable"} | error_fields(unreadable)
            self._records.change(identity, ended | {"notes": [shown(message, 4000)]})
            self._telemetry.run_ended(ended)
            return
        if isinstance(job, Sweep):
            self.sweeps.bury(job, Crashed("list the registry", _DIED, f"{_LOOK}."))
            return
        # Before the record: whoever finds that in its final state has nothing left to do.
        self._claims.clear(job.id)
        if job.check:
            self._bury_check(job)
            return
        before = self._records.get(job.id)
        if before is not None and before.fields.get("state") in FINAL_STATES:
            return
        seen = str(before.fields.get("error_answered", "")) if before is not None else ""
        error = Crashed(
            f"mirror {job.reference}",
            f"{_DIED}{f' ({seen})' if seen else ''}",
            f"{_LOOK}: what is staged is reused.",
        )
        asked = JobRecord.of(job).fields if before is None else {}
        ended = {"state": "failed", "finished": from_datetime(datetime.now(UTC))} | error_fields(error)
        self._records.change(job.id, asked | ended | {"message": message}, unless_final=True)
        self._telemetry.run_ended({"kind": job.kind} | ended)
        _log.error("Dead %s: %s", job.id, error)

    def _bury_check(self, job: Job) -> None:
        """The job itself has ended, and stays as it is."""
        error = Crashed(f"ask about {job.reference} again", _DIED, f"{_LOOK}, or ask for the image anew.")
        ended = {"state": "failed", "finished": from_datetime(datetime.now(UTC))} | error_fields(error)
        CheckRecorder(self._records, job, "burial", 1).write(ended)
        self._telemetry.run_ended({"kind": "check"} | ended)
        self._claims.clear(job.id)
        _log.error("Dead %s: %s", job.id, error)


class Crashed(Permanent):
    """What the platform gave up on."""

    code = "crashed"


def _brought(job: Job, run: Run, copied: Copied) -> dict[str, Any]:
    """What a run came to. One that only asked about the tag again leaves what the job's first run brought."""
    fields: dict[str, Any] = {"tagged_digest": str(copied.tagged or "")}
    if run.made_good is not None:
        fields["mirrored_digest"] = str(run.made_good)
    if job.check and not run.progress.layers:
        return fields
    left_out = [(str(digest), why) for digest, why in copied.left_out.items()]
    fields |= {
        "left_out": dict(left_out[:LAYERS_SHOWN]),
        "notes": [*copied.notes, *run.notes()][:NOTES_SHOWN],
        "referrers": copied.referrers,
    }
    if not job.check:
        fields["mirrored_digest"] = str(copied.digest or "")
    return run.figures() | fields


def _told(decision: Final, copied: Copied) -> MirrorError:
    """A tag that is gone while its image stands is told as just that."""
    error = decision.error
    if decision.state == "gone" and copied.digest is not None and copied.tag_gone and error is copied.tag_half:
        return NotFound(
            error.asked,
            "the tag is gone at the registry (deleted, or never there)",
            f"Nothing is to be done: the image stands in the mirror as {copied.digest}.",
        )
    if decision.state == "gone":
        return NotFound(
            error.asked,
            f"it is gone at the registry ({error.answered})",
            "If it should be there, look for a purge task, a retention policy or a quarantine, then retry.",
        )
    return error
