"""Claims of a restore: a blob is sent to a target by one job at a time."""

import threading
from collections.abc import Callable

from acrmirror.copying.ports import Claim, Claims
from acrmirror.reference import Digest

WORTH_ASKING = 1024 * 1024
"""Bytes from which other instances are asked, too: a claim costs two requests, and a small blob is sent in three."""


class LocalClaims:
    """Who of this process sends which blob to one target. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: set[Digest] = set()

    def take(self, digest: Digest) -> bool:
        with self._lock:
            if digest in self._held:
                return False
            self._held.add(digest)
            return True

    def leave(self, digest: Digest) -> None:
        with self._lock:
            self._held.discard(digest)


class RestoreClaims:
    """For one run: claims of every blob within this process, and with other instances for those that are large by
    `size_of`."""

    def __init__(self, ours: LocalClaims, shared: Claims, size_of: Callable[[Digest], int]) -> None:
        self._ours = ours
        self._shared = shared
        self._size_of = size_of

    def acquire(self, digest: Digest) -> "HeldBlob | None":
        if not self._ours.take(digest):
            return None
        shared: Claim | None = None
        try:
            if self._size_of(digest) >= WORTH_ASKING:
                shared = self._shared.acquire(digest)
                if shared is None:
                    self._ours.leave(digest)
                    return None
        except BaseException:
            self._ours.leave(digest)
            raise
        return HeldBlob(self._ours, digest, shared)


class HeldBlob:
    """A claim that is held."""

    def __init__(self, ours: LocalClaims, digest: Digest, shared: Claim | None) -> None:
        self._ours: LocalClaims | None = ours
        self._digest = digest
        self._shared = shared
        self._lock = threading.Lock()

    def renew(self, done: int) -> None:
        if self._shared is not None:
            self._shared.renew(done)

    def release(self) -> None:
        with self._lock:
            ours, self._ours = self._ours, None
        if ours is None:
            return
        try:
            if self._shared is not None:
                self._shared.release()
        finally:
            ours.leave(self._digest)
