"""How long a range of a blob is retried."""

import random
import time

from acrmirror.deadlines import LEAST_PROGRESS
from acrmirror.errors import MirrorError, Throttled, Unavailable

LONGEST_PAUSE = 5.0


class Patience:
    """Decides whether a failure is waited out, and for how long. It ends `seconds` after the last progress; less than
    `LEAST_PROGRESS` bytes are none."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._begin: float | None = None
        self._failures = 0

    def after(self, problem: MirrorError, progress: int) -> float:
        """Seconds to wait before the next attempt, or raises the problem."""
        now = time.monotonic()
        if self._begin is None or progress >= LEAST_PROGRESS:
            self._begin, self._failures = now, 0
        if not isinstance(problem, Unavailable | Throttled):
            raise problem
        self._failures += 1
        pause: float = min(0.1 * 2**self._failures, LONGEST_PAUSE) * random.uniform(0.5, 1)  # noqa: S311 - spreads retries
        if problem.retry_after is not None:
            pause = max(problem.retry_after, pause)
        if now + pause - self._begin > self._seconds:
            raise problem
        return pause
