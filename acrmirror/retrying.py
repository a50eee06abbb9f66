"""Which failures a job waits out, for how long, and what it is called when that was not enough.

Waiting is done by delayed messages, so that an instance is not blocked and the platform's dequeue count means crashes.
"""

import random
from dataclasses import dataclass
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
from acrmirror.moments import to_datetime

DELAYS = (2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds before each further attempt, the last one again and again; a quarter of jitter is added."""
MISMATCH_ATTEMPTS = 3
CLAIM_DELAY = 5.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again in `delay` seconds; `fresh` if nothing staged is to be believed. `counts`: the attempt failed, and did
    not only wait for other workers."""

    delay: float
    fresh: bool = False
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Final:
    """It stays so: `state` is `failed`, `gone` or `cancelled`."""

    state: str
    error: MirrorError


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`not_found` bounds how long a 404 may be replica lag or quarantine, `others` how long everything else that may
    go away is waited out; both count from the job's first failed attempt."""

    not_found: timedelta = timedelta(minutes=15)
    others: timedelta = timedelta(hours=6)

    def decide(self, failures: list[MirrorError], attempt: int, failing_since: str, now: datetime) -> Retry | Final:
        """What becomes of a job whose run ended in `failures` (one at least).

        As long as any of them may go away the whole job is tried again: what stands is skipped.
        """
        waited = now - to_datetime(failing_since)
        waiting = [error for error in failures if self._may_pass(error, attempt, waited)]
        if not waiting:
            return self._final(failures)
        asked = max((error.retry_after or 0.0 for error in waiting if isinstance(error, Transient)), default=0.0)
        claimed = all(isinstance(it, ClaimedElsewhere) for it in waiting)
        usual = CLAIM_DELAY if claimed else _delay(attempt)
        longest = max((self._window(error) for error in waiting), default=self.others)
        left = max((longest - waited).total_seconds(), 1.0)
        delay = min(max(asked, usual * random.uniform(1.0, 1.25)), max(left, asked))  # noqa: S311
        return Retry(delay, fresh=any(isinstance(error, DigestMismatch) for error in waiting), counts=not claimed)

    def _may_pass(self, error: MirrorError, attempt: int, waited: timedelta) -> bool:
        if isinstance(error, (Permanent, Cancelled)):
            return False
        if isinstance(error, ClaimedElsewhere):
            # They are at work, or their claim goes stale.
            return True
        if isinstance(error, DigestMismatch):
            return attempt + 1 < MISMATCH_ATTEMPTS
        return waited < self._window(error)

    def _window(self, error: MirrorError) -> timedelta:
        return self.not_found if isinstance(error, NotFound) else self.others

    @staticmethod
    def _final(failures: list[MirrorError]) -> Final:
        for error in failures:
            if isinstance(error, Cancelled):
                return Final("cancelled", error)
        for error in failures:
            if not isinstance(error, NotFound):
                return Final("failed", error)
        return Final("gone", failures[0])


def _delay(attempt: int) -> float:
    return DELAYS[min(attempt, len(DELAYS) - 1)]
