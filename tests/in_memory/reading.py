"""Readers of blobs in memory, that come slowly, piece by piece, or not at all if a test wants it."""

import threading
from collections.abc import Callable

from acrmirror.errors import Cancelled, Conflict, DigestMismatch

PIECE = 250
"""Bytes that arrive at once."""


class Reads:
    """What happens to all readers of one side: `before` a read at an offset, `between` its pieces; with `stalls` none
    gets an answer. `most` is how many read at once."""

    def __init__(self) -> None:
        self.before: Callable[[int], None] = lambda offset: None
        self.between: Callable[[], None] = lambda: None
        self.stalls = False
        self.most = 0
        self._reading = 0
        self._lock = threading.Lock()

    def begin(self) -> None:
        with self._lock:
            self._reading += 1
            self.most = max(self.most, self._reading)

    def end(self) -> None:
        with self._lock:
            self._reading -= 1


class Reader:
    """`current` are the bytes as they are when a read begins, None once they are others than this reader is of."""

    def __init__(self, current: Callable[[], bytes | None], size: int, reads: Reads) -> None:
        self._current = current
        self._size = size
        self._reads = reads
        self._closed = threading.Event()

    def read_into(self, offset: int, buffer: memoryview, arrived: Callable[[int], None]) -> None:
        if offset < 0 or offset + len(buffer) > self._size:
            raise ValueError(f"{offset} + {len(buffer)} is beyond {self._size}")
        self._reads.begin()
        try:
            self._check_open()
            self._reads.before(offset)
            if self._reads.stalls:
                self._closed.wait(20)
            data = self._current()
            if data is None:
                raise Conflict("read a blob again", "it was replaced", "Again.")
            if len(data) != self._size:
                raise DigestMismatch("read a blob", f"it has {len(data)} bytes", "Push it again.")
            for at in range(0, len(buffer), PIECE):
                self._check_open()
                piece = data[offset + at : offset + min(at + PIECE, len(buffer))]
                buffer[at : at + len(piece)] = piece
                arrived(len(piece))
                self._reads.between()
        finally:
            self._reads.end()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise Cancelled("read a blob", "reading was stopped", "Ask again.")

    def close(self) -> None:
        self._closed.set()
