"""The mirror in figures: how much is in it, how jobs went lately, and what waits.

Nothing is counted while somebody waits for long: figures are made by a thread behind, and given with the moment that
they are of.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from acrmirror.errors import Malformed
from acrmirror.jobs import JobQueue, JobRecords
from acrmirror.jobs.counting import Lately, count_lately
from acrmirror.mirror.counting import Counting, Totals
from acrmirror.moments import to_datetime
from acrmirror.proof.ledger import Ledger
from acrmirror.refreshed import Refreshed
from acrmirror.work import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE

FIRST_SECONDS = 8.0
"""How long who asks first waits at most for what is not known yet."""
AGAIN_SECONDS = 2.0
"""How long who asks later waits for figures that are made anew, before those from before are given."""
SLICE_SECONDS = 5.0
TICK_SECONDS = 60.0
"""How long a slice of a count of the mirror lasts: one that somebody waits for, and one of the timer."""


@dataclass(frozen=True, slots=True)
class LastAudit:
    """`proven` is None where the audit has no report: it failed."""

    finished: datetime | None
    state: Literal["done", "failed"]
    proven: bool | None
    faults: int


@dataclass(frozen=True, slots=True)
class Recent:
    """What changes by the minute; `counted` is when it was looked at. `messages` are about how many are in each queue,
    by its name."""

    counted: datetime
    lately: Lately
    messages: dict[str, int]
    audit: LastAudit | None


@dataclass(frozen=True, slots=True)
class Figures:
    """Each is None where it is not known yet."""

    registry: str
    totals: Totals | None
    recent: Recent | None


class Stats:
    """`mirrored` are the patterns of all that belongs in the mirror. Thread-safe. Raises Unavailable, Throttled and
    Denied where nothing is known from before."""

    def __init__(
        self,
        registry: str,
        mirrored: Sequence[str],
        counting: Counting,
        records: JobRecords,
        queue: JobQueue,
        ledger: Ledger,
    ) -> None:
        self._registry = registry
        self._mirrored = mirrored
        self._counting = counting
        self._records = records
        self._queue = queue
        self._ledger = ledger
        self._totals = Refreshed(lambda: counting.advance(SLICE_SECONDS))
        self._recent = Refreshed(self._look)

    def figures(self) -> Figures:
        """What is known; it answers within about ten seconds."""
        recent = self._recent.get(FIRST_SECONDS, AGAIN_SECONDS)
        return Figures(self._registry, self._totals.get(AGAIN_SECONDS, AGAIN_SECONDS), recent)

    def tick(self) -> None:
        """The timer's: goes on with a count of the mirror, so that one is known before somebody asks."""
        self._counting.advance(TICK_SECONDS)

    def _look(self) -> Recent:
        now = datetime.now(UTC)
        queues = (JOB_QUEUE, DEAD_QUEUE, BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE)
        messages = {name: self._queue.depth(name).messages for name in queues}
        return Recent(
            now, count_lately(self._records, self._registry, self._mirrored, now), messages, self._last_audit()
        )

    def _last_audit(self) -> LastAudit | None:
        """The one that ended last: it has a report, or it failed since the last that has one."""
        known = self._ledger.read()
        if known is None:
            return None
        if known.audit is not None and (known.last is None or known.last.id != known.audit):
            failed = self._failed(known.audit)
            if failed is not None:
                return failed
        return LastAudit(known.finished, "done", known.left == 0, known.left) if known.last is not None else None

    def _failed(self, identity: str) -> LastAudit | None:
        try:
            found = self._ledger.progress(identity)
        except Malformed:
            return LastAudit(None, "failed", None, 0)
        if found is None or found[0].state != "failed":
            return None
        progress = found[0]
        finished = to_datetime(progress.finished) if progress.finished else None
        return LastAudit(finished, "failed", None, len(progress.left) + progress.more_faults)
