"""Which failures a job waits out, for how long, and what it is called when that was not enough.

Waiting is done by delayed messages, so that an instance is not blocked and the platform's dequeue count means crashes.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from acrmirror.errors import (
    Cancelled,
    ClaimedElsewhere,
    DigestMismatch,
    MirrorError,
    NotFound,
    Permanent,
    Transient,
)
from acrmirror.moments import from_datetime, to_datetime
from acrmirror.work import State
from acrmirror.work.failing import Failing

DELAYS = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds before each further attempt, the last one again and again; a quarter of jitter is added."""
MISMATCH_ATTEMPTS = 3
"""How often wrong bytes may come before they are final."""
CLAIM_DELAY = 5.0
LONGEST_GAP = timedelta(hours=1)
"""How long nothing may be heard of a kind of failure before its window and its count begin anew; half its window, where
that is shorter."""
SHORTEST_GAP = timedelta(minutes=1)
"""A message can be this late with nothing wrong."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again in `delay` seconds; `fresh` if nothing staged is to be believed. `counts`: the attempt failed, and did
    not only wait for other workers. `failing`: all that the job has failed by, this attempt included."""

    delay: float
    fresh: bool = False
    counts: bool = True
    failing: tuple[Failing, ...] = ()


@dataclass(frozen=True, slots=True)
class Final:
    """It stays so: `state` is `failed`, `gone` or `cancelled`."""

    state: State
    error: MirrorError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`not_found` bounds how long a 404 may be replica lag or quarantine, `others` how long everything else that may
    go away is waited out. Each kind of failure (an error's code) counts from the first attempt that ended in it (rule
    L9): an outage takes nothing away from what a 404 after it is given, or wrong bytes.

    A failure says nothing of one that comes much later: where a run begins long after the attempt was due that
    followed the last failure of a kind, that kind begins anew. The app did not run meanwhile, or attempts failed for
    other reasons. Pauses, whoever requested them, are no such gap; and of the time of a run itself no more than a gap
    counts, since the run got on."""

    not_found: timedelta = timedelta(minutes=30)
    others: timedelta = timedelta(hours=6)

    def decide(
        self, failures: list[MirrorError], failing: tuple[Failing, ...], now: datetime, begun: datetime
    ) -> Retry | Final:
        """What becomes of a job whose run ended in `failures` (one at least), and that has failed by `failing` before.
        The run began at `begun` and ended `now`.

        As long as any of them may go away the whole job is tried again: what is in the mirror is skipped.
        """
        known = self._counted(failures, failing, now, begun)
        waiting = [error for error in failures if self._may_pass(error, known, now)]
        if not waiting:
            return self._final(failures)
        asked = max((error.retry_after or 0.0 for error in waiting if isinstance(error, Transient)), default=0.0)
        counted = [error for error in waiting if not isinstance(error, ClaimedElsewhere)]
        usual = min((_delay(known[error.code].count) for error in counted), default=CLAIM_DELAY)
        left = max((self._left(error, known, now) for error in counted), default=self.others).total_seconds()
        delay = min(max(asked, usual * random.uniform(1.0, 1.25)), max(left, 1.0, asked))  # noqa: S311
        due = from_datetime(now + timedelta(seconds=delay))
        met = {it.code for it in failures}
        told = tuple(replace(it, due=due) if it.code in met else it for it in known.values())
        return Retry(delay, DigestMismatch.code in known, bool(counted), told)

    def _may_pass(self, error: MirrorError, known: Mapping[str, Failing], now: datetime) -> bool:
        if isinstance(error, (Permanent, Cancelled)):
            return False
        if isinstance(error, ClaimedElsewhere):
            # They are at work, or their claim goes stale.
            return True
        if isinstance(error, DigestMismatch):
            return known[error.code].count < MISMATCH_ATTEMPTS
        return self._left(error, known, now) > timedelta()

    def _left(self, error: MirrorError, known: Mapping[str, Failing], now: datetime) -> timedelta:
        """Of the window of this kind of failure."""
        return self._window(error.code) - (now - to_datetime(known[error.code].since))

    def _window(self, code: str) -> timedelta:
        return self.not_found if code == NotFound.code else self.others

    def _counted(
        self, failures: list[MirrorError], failing: tuple[Failing, ...], now: datetime, begun: datetime
    ) -> dict[str, Failing]:
        """What the job has failed by, by code, with this run's failures, each kind once. To wait for other workers, or
        for what will not go away, is none."""
        known = {it.code: it for it in failing}
        passing = (it for it in failures if not isinstance(it, (ClaimedElsewhere, Permanent, Cancelled)))
        for code in sorted({it.code for it in passing}):
            gap = min(LONGEST_GAP, max(SHORTEST_GAP, self._window(code) / 2))
            before = known.get(code)
            if before is None or begun - to_datetime(before.due) > gap:
                known[code] = Failing(code, from_datetime(now), 1, from_datetime(now))
                continue
            since = to_datetime(before.since) + max(timedelta(), (now - begun) - gap)
            # A worker whose clock was ahead may have written it.
            known[code] = replace(before, since=from_datetime(min(since, now)), count=before.count + 1)
        return known

    @staticmethod
    def _final(failures: list[MirrorError]) -> Final:
        for error in failures:
            if isinstance(error, Cancelled):
                return Final("cancelled", error)
        for error in failures:
            if not isinstance(error, NotFound):
                return Final("failed", error)
        return Final("gone", failures[0])


def _delay(count: int) -> float:
    """Seconds after so many failures of one kind, one at least."""
    return DELAYS[min(count, len(DELAYS)) - 1]
