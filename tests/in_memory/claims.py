"""Claims of workers in one process."""

import threading

from acrmirror.reference import Digest


class Claims:
    """What is `held`, and what was `asked` for, in order."""

    def __init__(self) -> None:
        self.held: set[Digest] = set()
        self.asked: list[Digest] = []
        self.renewed = 0
        self.lock = threading.Lock()

    def acquire(self, digest: Digest) -> "Claim | None":
        with self.lock:
            self.asked.append(digest)
            if digest in self.held:
                return None
            self.held.add(digest)
            return Claim(self, digest)


class Claim:
    def __init__(self, claims: Claims, digest: Digest) -> None:
        self._claims = claims
        self._digest = digest
        self._released = False

    def renew(self, done: int) -> None:
        self._claims.renewed += 1

    def release(self) -> None:
        with self._claims.lock:
            if not self._released:
                self._released = True
                self._claims.held.discard(self._digest)
