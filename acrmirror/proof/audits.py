"""Audits as people and the timer ask for them, and what is known of those there were."""

import heapq
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

from acrmirror.errors import Conflict, Malformed, NotHere, NotProven, WrongState
from acrmirror.jobs import JobQueue
from acrmirror.moments import from_datetime, to_datetime
from acrmirror.proof.ledger import Known, Ledger
from acrmirror.proof.progress import Progress
from acrmirror.proof.report import Report
from acrmirror.reference import shown
from acrmirror.telemetry import Telemetry
from acrmirror.work import Audit, JobId

UNHEARD_AFTER = timedelta(minutes=1)
"""How long an audit may be requested, and not begun, before its message is sent once more (rule W6)."""
SILENT_AFTER = timedelta(hours=2)
"""How long a slice may be at one blob: then its message is sent once more. A slice that still runs is overtaken."""
SENT_AGAIN_AFTER = timedelta(hours=1)
"""How soon that message is sent again after that: it may wait behind others, and each copy waits there, too."""
SLACK = timedelta(minutes=5)
AFTER_FAILURE = timedelta(days=1)
"""How soon an audit that failed is requested again."""

ROUNDS = 20
"""Tries to end an audit between two notes of a slice that runs."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Shown:
    """An audit: how far it is, and its report once there is one."""

    progress: Progress
    report: Report | None = None


class Audits:
    """Thread-safe. Raises Unavailable, Throttled and Denied."""

    def __init__(self, ledger: Ledger, queue: JobQueue) -> None:
        self._ledger = ledger
        self._queue = queue

    def ask(self, now: datetime | None = None) -> Progress:
        """A new audit, or the one that is under way. It is noted before its message is sent: one that nobody has heard
        of is sent again by whoever looks next, the timer among them."""
        now = now or datetime.now(UTC)
        known = self._ledger.start(now)
        progress = self.under_way(known, now)
        if progress is not None:
            return progress
        audit = Audit.of(now, str(known.audit or ""))
        if not self._ledger.ask(known, audit.id, audit.at):
            other = self.under_way(self._ledger.start(now), now)
            if other is not None:
                return other
        self._queue.send_audit(audit)
        _log.info("Enqueued audit %s", audit.id)
        return Progress(audit.id, audit.at)

    def under_way(self, known: Known, now: datetime) -> Progress | None:
        """The audit that was requested last, unless it is over; its message is sent again if it went silent."""
        if known.audit is None or known.asked is None:
            return None
        at = from_datetime(known.asked)
        try:
            found = self._ledger.progress(known.audit)
        except Malformed as error:
            _log.error("The audit %s can not go on: %s", known.audit, error)
            return None
        progress = found[0] if found is not None else Progress(known.audit, at)
        if progress.over:
            return None
        if self._silent(known, progress, now):
            # The message, then what says so (rule W6): sent twice it is one run, and another that is overtaken.
            self._queue.send_audit(Audit(known.audit, at))
            self._ledger.note_sent(known, now)
            _log.info("Enqueued audit %s again: there was no sign of it", known.audit)
        return progress

    def _silent(self, known: Known, progress: Progress, now: datetime) -> bool:
        heard = to_datetime(progress.updated) if progress.updated else known.asked
        if heard is None or now - heard <= (SILENT_AFTER if progress.updated else UNHEARD_AFTER):
            return False
        return known.sent is None or now - known.sent > SENT_AGAIN_AFTER

    def cancel(self, identity: str, now: datetime | None = None) -> Shown:
        """Ends an audit without a report; a slice of it that runs ends as soon as it notes how far it is, within some
        seconds or one blob. Pulls that it requested go on. Raises NotHere; and WrongState for one that is over, or that
        writes its report."""
        asked = f"cancel the audit {shown(identity)}"
        for _ in range(ROUNDS):
            progress = self.get(identity).progress
            if progress.state == "cancelled":
                return Shown(progress)
            if progress.over:
                raise WrongState(asked, f"it is {progress.state} already", "There is nothing left to stop.")
            if progress.phase == "reporting":
                raise WrongState(asked, "its report is being written", "Look at it in a moment.")
            ended = self._ledger.cancel(progress, from_datetime(now or datetime.now(UTC)))
            if ended is not None:
                _log.info("Cancelled audit %s", identity)
                return Shown(ended)
        raise Conflict(asked, "its progress kept changing", "Ask again.")

    def was_cancelled(self, identity: JobId) -> bool:
        try:
            found = self._ledger.progress(identity)
        except Malformed:
            return False
        return found is not None and found[0].state == "cancelled"

    def get(self, identity: str) -> Shown:
        """Raises NotHere."""
        found = self._ledger.progress(identity) if JobId.is_one(identity) else None
        if found is not None:
            progress = found[0]
            return Shown(progress, self._ledger.report(identity) if progress.state == "done" else None)
        known = self._ledger.read()
        if known is not None and known.audit == identity and known.asked is not None:
            return Shown(Progress(known.audit, from_datetime(known.asked)))
        raise NotHere(f"look for the audit {shown(identity)}", "there is none", "List the audits: GET /api/v1/audits.")

    def page(self, count: int, after: str | None) -> tuple[list[Shown], str | None]:
        """Audits, newest first, and the id to go on behind. Raises WrongState for an `after` that is no id."""
        if after is not None and not JobId.is_one(after):
            raise WrongState(
                f"go on with the audits behind {shown(after)}",
                "that is not the id of one",
                "Use `last` as it was given.",
            )
        found = list(islice(self._ids(after), count + 1))
        return [self._get(it) for it in found[:count]], found[count - 1] if len(found) > count else None

    def newest(self, after: str | None) -> Iterator[Shown]:
        """Audits behind that id, newest first, each read when it is asked for."""
        return map(self._get, self._ids(after))

    def _ids(self, after: str | None) -> Iterator[str]:
        known = self._ledger.read()
        asked = known.audit if known is not None and known.asked is not None else None
        # Its first slice may not have begun: then nothing but the table tells of it.
        first = [asked] if asked is not None and (after is None or asked > after) else []
        last: str | None = None
        for identity in heapq.merge(first, self._behind(after)):
            if identity != last:
                yield identity
            last = identity

    def _get(self, identity: str) -> Shown:
        """As `get`; one that can't be read does not keep the others from being shown."""
        try:
            return self.get(identity)
        except Malformed as error:
            now = from_datetime(datetime.now(UTC))
            return Shown(Progress(JobId(identity), now).failed(error, now))

    def _behind(self, after: str | None) -> Iterator[str]:
        return (it for it in self._ledger.audits() if after is None or it > after)

    def chain(self) -> list[str]:
        """What is wrong with the chain of reports; empty if nothing is."""
        return self._ledger.chain()


class AuditTimer:
    """Has the mirror audited every `days`; 0 is never."""

    def __init__(self, days: float, audits: Audits, ledger: Ledger, telemetry: Telemetry) -> None:
        self._period = timedelta(days=days)
        self._audits = audits
        self._ledger = ledger
        self._telemetry = telemetry

    def tick(self, now: datetime | None = None) -> None:
        """Asks for an audit if one is due, sends the message of one again that went silent, and tells how old the
        newest report is. Raises what keeps it from that; the next tick tries again."""
        now = now or datetime.now(UTC)
        known = self._ledger.start(now) if self._period else self._ledger.read()
        if known is None:
            return
        if self._period or known.last is not None:
            self._telemetry.audited((now - (known.begun or known.since)).total_seconds(), known.left)
        if self._audits.under_way(known, now) is None and self._due(known, now):
            self._audits.ask(now)

    def _due(self, known: Known, now: datetime) -> bool:
        if not self._period:
            return False
        if known.asked is None:
            return True
        ended = known.last is not None and known.last.id == known.audit
        if not ended and known.audit is not None:
            # Whoever cancelled it did not want another one tomorrow.
            ended = self._audits.was_cancelled(known.audit)
        step = self._period if ended else min(AFTER_FAILURE, self._period)
        return now - known.asked >= step - min(SLACK, step / 20)


def check_proven(known: Known | None, days: float, now: datetime) -> None:
    """Raises NotProven where the newest report names something that was not mended, or is older than two periods and
    a day."""
    if known is None:
        return
    if known.left and known.last is not None:
        raise NotProven(
            "look what the last audit found",
            f"{known.left} things in the mirror are damaged or missing, or could not be read",
            f"Look at its report, GET /api/v1/audits/{known.last.id}: it names each, and the tags that it breaks.",
        )
    age = now - (known.begun or known.since)
    if days and age > timedelta(days=2 * days + 1):
        last = f"last at {from_datetime(known.begun)[:19]}Z" if known.begun else "never"
        raise NotProven(
            "look when the mirror was audited",
            f"it was audited {last}, and is to be every {days:g} days",
            "Look at the last audits, GET /api/v1/audits: each tells what it fails by.",
        )
