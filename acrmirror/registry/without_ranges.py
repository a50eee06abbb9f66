"""A blob from a host that ignores `Range`: it comes whole, over one connection, handed on from block to block."""

import threading
import time
from collections.abc import Callable

from acrmirror.errors import Unavailable
from acrmirror.wire import Connection

BEGINNINGS = 4
"""How often one blob is read from its first byte: a connection that breaks costs one, as does a block that is wanted
again. Asked block by block, such a host would send half of the blob for each of them."""
GRACE_SECONDS = 2.0
"""For which whoever holds the block before is waited for; then its bytes are passed over."""


class InOne:
    """Whose turn it is, and how far the connection is. Thread-safe. Blocks are begun in order, so that whoever waits
    here waits for one that another thread holds."""

    def __init__(self, asked: str, check_open: Callable[[], None]) -> None:
        self._asked = asked
        self._check_open = check_open
        self._changed = threading.Condition()
        self._waiting: list[int] = []
        self._busy = False
        self._connection: Connection | None = None
        self._at = 0
        self._reached = 0
        self._beginnings = 0
        self.spent = False
        """Whether it is of no use to try again."""

    def take(self, offset: int) -> tuple[Connection | None, int]:
        """Waits for the turn of the block at `offset`. Gives the connection, and the byte that comes next over it, at
        or before `offset`; None where the blob has to be requested again. `give` has to follow. Raises Unavailable
        after so many `BEGINNINGS`, and what `check_open` does."""
        until = time.monotonic() + GRACE_SECONDS
        with self._changed:
            self._waiting.append(offset)
            try:
                while self._busy or offset > min(self._waiting) or self._is_early(offset, until):
                    self._check_open()
                    self._changed.wait(None if self._busy else max(0.01, until - time.monotonic()))
                self._check_open()
                if self._connection is None or self._at > offset:
                    self._begin_again()
                self._busy = True
                return self._connection, self._at
            finally:
                self._waiting.remove(offset)
                self._changed.notify_all()

    def give(self, connection: Connection | None, at: int) -> None:
        """Hands the connection on, `at` the byte that comes next; None if it broke there."""
        with self._changed:
            self._busy, self._connection = False, connection
            self._at = at if connection is not None else 0
            self._reached = max(self._reached, at)
            self._changed.notify_all()

    def close(self) -> None:
        """The connection, unless somebody reads from it: that one closes it."""
        with self._changed:
            if not self._busy and self._connection is not None:
                self._connection.close()
                self._connection = None
            self._changed.notify_all()

    def _is_early(self, offset: int, until: float) -> bool:
        return self._reached < offset and time.monotonic() < until

    def _begin_again(self) -> None:
        self._beginnings += 1
        if self._beginnings > BEGINNINGS:
            self.spent = True
            raise Unavailable(
                self._asked,
                f"its storage ignores ranges, and it was read from its beginning {BEGINNINGS} times",
                "Storage that knows ranges, as Azure's does, is read in parallel and gone on with: see what answers.",
            )
        if self._connection is not None:
            self._connection.close()
        self._connection, self._at = None, 0
