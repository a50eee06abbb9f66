"""Runs the slices of audits: each ends in a message for the next one, or in the report."""

import logging
from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from acrmirror.errors import Malformed, MirrorError, Transient, Unavailable
from acrmirror.jobs import JobQueue
from acrmirror.mirror.layout import Layout
from acrmirror.moments import from_datetime
from acrmirror.proof.ledger import Ledger, Overtaken
from acrmirror.proof.mending import Mending
from acrmirror.proof.progress import Progress, error_of
from acrmirror.proof.slices import Bounds, Slice
from acrmirror.retrying import Retry, RetryPolicy
from acrmirror.storage import Container
from acrmirror.telemetry import Telemetry
from acrmirror.threads import Threads
from acrmirror.work import Audit

THREADS = 8

_log = logging.getLogger(__name__)


class AuditRunner:
    """Audits one mirror. Thread-safe."""

    def __init__(
        self,
        registry: str,
        container: Container,
        layout: Layout,
        ledger: Ledger,
        mending: Mending,
        queue: JobQueue,
        policy: RetryPolicy,
        telemetry: Telemetry,
        bounds: Bounds | None = None,
    ) -> None:
        self._registry = registry
        self._container = container
        self._layout = layout
        self._ledger = ledger
        self._mending = mending
        self._queue = queue
        self._policy = policy
        self._telemetry = telemetry
        self._bounds = bounds or Bounds()

    def run(self, audit: Audit) -> None:
        """One slice, and the message for the next; or the end. Killed and run again it goes on from what was written
        last. Of two runs of one audit, one is overtaken, and ends. Raises where storage does not take what is to be
        written, or the queue the message: then the platform delivers this one again."""
        begun = datetime.now(UTC)
        try:
            self._run(audit)
        except Overtaken:
            _log.info("Left %s to another run", audit.id)
        except Malformed as error:
            _log.error("The audit %s can not go on: %s", audit.id, error)
            self._end(audit, error)
        except Transient as error:
            self._wait(audit, error, begun)

    def _run(self, audit: Audit) -> None:
        pen = _Pen(self._ledger, audit)
        if pen.progress.over:
            return
        pen.write(replace(pen.progress, state="running", begun=pen.progress.begun or _now(), error={}))
        with Threads(THREADS, "audit") as pool:
            slice_ = Slice(self._container, self._layout, self._mending, pool, self._bounds, pen.write)
            progress = slice_.advance(pen.progress)
        progress = replace(progress, slices=progress.slices + 1)
        if progress.phase == "reporting":
            self._finish(pen, progress)
            return
        pen.write(progress)
        self._queue.send_audit(audit.onward(), slice_.delay, onward=True)

    def _finish(self, pen: "_Pen", progress: Progress) -> None:
        pen.write(progress)
        report = self._ledger.publish(progress, self._registry, datetime.now(UTC))
        finished = replace(progress, state="done", finished=report.finished, report=str(report.digest))
        pen.write(finished.entering("over"))
        self._telemetry.audited(0.0, len(report.left) + report.more_faults)
        if report.proven:
            _log.info("Proven: %s, %d blobs, report %s", report.id, report.counts["blobs"], report.digest)
            return
        told = "; ".join(f"{it.what}: {it.why}" for it in report.left[:5])
        _log.error("Not proven: %s, %d faults: %s", report.id, len(report.left) + report.more_faults, told)

    def _wait(self, audit: Audit, error: Transient, begun: datetime) -> None:
        """The same slice later, or the end of the audit once that was waited out for long enough."""
        decision = self._policy.decide([error], audit.failing, datetime.now(UTC), begun)
        if isinstance(decision, Retry):
            self._queue.send_audit(audit.later(decision.failing), decision.delay, onward=True)
            _log.info("Waiting %.0f s with audit %s: %s", decision.delay, audit.id, error)
        try:
            pen = _Pen(self._ledger, audit)
            if pen.progress.over:
                # The message that was sent finds that, too.
                return
            if isinstance(decision, Retry):
                pen.write(replace(pen.progress, state="waiting", error=error_of(error)))
            else:
                pen.write(pen.progress.failed(error, from_datetime(datetime.now(UTC))))
        except Overtaken:
            return
        except MirrorError as unwritten:
            _log.warning("What is known of audit %s is behind: %s", audit.id, unwritten)

    def bury(self, audit: Audit, error: MirrorError) -> None:
        """What the platform gave up on ends as failed. Raises where that is not to be written."""
        self._end(audit, error)
        _log.error("Dead audit %s: %s", audit.id, error)

    def _end(self, audit: Audit, error: MirrorError) -> None:
        try:
            pen = _Pen(self._ledger, audit)
            if not pen.progress.over:
                pen.write(pen.progress.failed(error, from_datetime(datetime.now(UTC))))
        except Overtaken:
            _log.info("Left %s to another run", audit.id)
        except Malformed as unreadable:
            _log.error("The audit %s ends: %s", audit.id, unreadable)


class _Pen:
    """Writes how far one audit is. Raises Overtaken once another run has written that."""

    def __init__(self, ledger: Ledger, audit: Audit) -> None:
        self._ledger = ledger
        self._run = uuid4().hex
        found = ledger.progress(audit.id)
        if found is None:
            ledger.begin(Progress(audit.id, audit.at, updated=_now()))
            found = ledger.progress(audit.id)
        if found is None:
            raise Unavailable(f"note the audit {audit.id}", "its entry does not stay", "It will be tried again.")
        self.progress, self._etag = found

    def write(self, progress: Progress) -> None:
        self.progress = replace(progress, updated=_now(), run=self._run)
        self._etag = self._ledger.save(self.progress, self._etag)


def _now() -> str:
    return from_datetime(datetime.now(UTC))
