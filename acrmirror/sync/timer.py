"""The timer that has everything compared: what events missed is found and copied without a person.

A tick only measures the queues, looks at how old the last comparison is, and asks for a sweep when it is due. So a tick
that is missed is made up for by the next, and it does not matter on how many instances it ticks.
"""

import logging
from datetime import UTC, datetime, timedelta

from acrmirror.cancel import within
from acrmirror.errors import MirrorError, NotCompared
from acrmirror.jobs import JobQueue, JobRecords, TableClaims
from acrmirror.moments import from_datetime
from acrmirror.sync.comparisons import Compared, Comparisons
from acrmirror.sync.sweeps import Sweeps
from acrmirror.telemetry import Telemetry
from acrmirror.work import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, FINAL_STATES, JOB_QUEUE, JobId, Sweep

MEASURE_SECONDS = 10.0
"""For how long each queue is waited for."""
SLACK = timedelta(minutes=5)
"""How much too early a tick may be: one each night must not find that a day is not quite over."""
AFTER_FAILURE = timedelta(hours=1)
"""How soon a sweep that failed, and compared nothing, is requested again."""

_log = logging.getLogger(__name__)


class Timer:
    """`hours` lie between two comparisons of everything; 0 is never. `mirrored` are the patterns of all
    that belongs in the mirror."""

    def __init__(
        self,
        hours: float,
        mirrored: tuple[str, ...],
        sweeps: Sweeps,
        comparisons: Comparisons,
        records: JobRecords,
        telemetry: Telemetry,
        claims: TableClaims,
        queue: JobQueue,
    ) -> None:
        self._period = timedelta(hours=hours)
        self._mirrored = mirrored
        self._sweeps = sweeps
        self._comparisons = comparisons
        self._records = records
        self._telemetry = telemetry
        self._claims = claims
        self._queue = queue

    def tick(self, now: datetime | None = None) -> None:
        """Asks for a sweep over everything, if one is due. Raises what keeps it from that; the next tick tries again.

        The sweep's id follows from when it was due: instances that tick at once, and a tick after one that died
        between its message and its note, send the same sweep, which is run once (rule W6).

        Claims that their runs left in the table are deleted, too, and what waits in the queues is measured, whatever
        the period is.
        """
        now = now or datetime.now(UTC)
        self._sweep_claims(now)
        try:
            self._compare_if_due(now)
        finally:
            self._measure_queues(now)

    def _compare_if_due(self, now: datetime) -> None:
        if not self._period:
            return
        known = self._comparisons.begin(now)
        self._telemetry.compared((now - known.last).total_seconds())
        at = self._due(known, now)
        if at is None:
            return
        sweep = Sweep(JobId.of(at, "compare everything"), from_datetime(at), self._mirrored)
        if self._records.get(sweep.id) is None:
            self._sweeps.send(sweep)
            _log.info("Enqueued %s: everything was compared last at %s", sweep.id, known.whole or "no time")
        self._comparisons.ask(known, sweep.id, at)

    def _measure_queues(self, now: datetime) -> None:
        """By the app itself, since storage measures its queues once in hours."""
        for name in (JOB_QUEUE, DEAD_QUEUE, BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE):
            try:
                with within(MEASURE_SECONDS, f"look at {name}"):
                    depth = self._queue.depth(name)
            except MirrorError as error:
                _log.warning("Nobody is told what waits in %s: %s", name, error)
                continue
            age = (now - depth.oldest).total_seconds() if depth.oldest is not None else None
            self._telemetry.waiting(name, depth.messages, age)

    def _sweep_claims(self, now: datetime) -> None:
        try:
            if swept := self._claims.sweep(now):
                _log.info("Deleted %d claims on layers whose runs were over", swept)
        except MirrorError as error:
            # They hold nothing up, and the next tick looks again.
            _log.warning("Claims that runs left stay for now: %s", error)

    def _due(self, known: Compared, now: datetime) -> datetime | None:
        """Since when a comparison is due, or None. One is left to end for as long as two periods."""
        if known.asked is None and known.whole is None:
            return known.since
        step = self._period
        if known.asked is not None and known.sweep is not None:
            record = self._records.get(known.sweep)
            state = record.state if record is not None else "queued"
            if state not in FINAL_STATES and now - known.asked < 2 * self._period:
                return None
            if state in ("failed", "cancelled"):
                step = min(AFTER_FAILURE, self._period)
        before = max(it for it in (known.asked, known.whole) if it is not None)
        if now - before < step - min(SLACK, step / 20):
            return None
        return before + max(1, (now - before) // step) * step


def check_compared(known: Compared | None, hours: float, now: datetime) -> None:
    """Raises NotCompared where everything was compared last before more than two periods and an hour."""
    if known is None or not hours:
        return
    age = now - known.last
    if age > timedelta(hours=2 * hours + 1):
        last = f"was compared last at {from_datetime(known.whole)[:19]}Z" if known.whole else "was never compared"
        raise NotCompared(
            "look when everything was compared",
            f"the registry {last}, and is to be every {hours:g} hours",
            "Look at the last pulls of many, GET /api/v1/pulls: what each could not compare is named there.",
        )
