"""Blobs that a repository is known to have: what a worker has learnt, it does not ask again for a while."""

import threading
import time
from collections.abc import Callable

from acrmirror.oci import Descriptor
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
        self._until: dict[tuple[str, Digest, int], float] = {}

    def add(self, repository: str, descriptor: Descriptor) -> None:
        """The blob, of that size, and the repository's link to it are in the mirror now."""
        key = (repository, descriptor.digest, descriptor.size)
        with self._lock:
            self._until.pop(key, None)
            self._until[key] = self._clock() + self._seconds
            if len(self._until) > self._kept:
                del self._until[next(iter(self._until))]

    def has(self, repository: str, descriptor: Descriptor) -> bool:
        """False, too, where it is known with another size: whose size is wrong is looked into (rule B5)."""
        key = (repository, descriptor.digest, descriptor.size)
        with self._lock:
            if self._until.get(key, 0.0) > self._clock():
                return True
            self._until.pop(key, None)
            return False
