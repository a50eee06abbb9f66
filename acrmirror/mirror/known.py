"""Blobs that a repository is known to have: what a worker has learnt, it does not ask again for a while."""

import threading
import time
from collections.abc import Callable

from acrmirror.reference import Digest

KEPT_SECONDS = 300.0
"""Nothing takes a link or a blob away, but a person may: what is known is forgotten after so long."""
KEPT = 20_000
"""Links that are known at once: about 6 MB."""


class KnownLinks:
    """Thread-safe. Of more than `kept` links, those that were learnt first are forgotten."""

    def __init__(
        self, seconds: float = KEPT_SECONDS, kept: int = KEPT, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._kept = kept
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[tuple[str, Digest], float] = {}

    def add(self, repository: str, digest: Digest) -> None:
        """The blob and the repository's link to it are in the mirror now."""
        with self._lock:
            self._until.pop((repository, digest), None)
            self._until[repository, digest] = self._clock() + self._seconds
            if len(self._until) > self._kept:
                del self._until[next(iter(self._until))]

    def has(self, repository: str, digest: Digest) -> bool:
        with self._lock:
            until = self._until.get((repository, digest), 0.0)
            if until > self._clock():
                return True
            self._until.pop((repository, digest), None)
            return False
