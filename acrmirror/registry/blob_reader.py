"""Reads a blob by ranges, from many threads at once, through broken connections and expired signatures."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from acrmirror.connections import Connections
from acrmirror.errors import Cancelled, MirrorError
from acrmirror.oci import Descriptor
from acrmirror.registry.failures import network_failure
from acrmirror.registry.origins import Origin, Origins
from acrmirror.registry.patience import Patience
from acrmirror.registry.ranges import Expired, RangeCheck
from acrmirror.registry.without_ranges import InOne
from acrmirror.wire import BrokenAnswer, Connection

TOLD_BYTES = 128 * 1024
"""How many arrive before they are told of: often enough that a slow link is seen to move, and next to no work."""


def _untold(_count: int) -> None:
    """For whoever does not want to know."""


@dataclass(slots=True)
class _Fill:
    """A buffer on its way to being full."""

    view: memoryview
    offset: int
    arrived: Callable[[int], None]
    done: int = 0

    @property
    def first(self) -> int:
        return self.offset + self.done

    @property
    def last(self) -> int:
        return self.offset + len(self.view) - 1

    @property
    def complete(self) -> bool:
        return self.done == len(self.view)

    def take(self, connection: Connection) -> None:
        """What the connection has of the answer's body, at most until the buffer is full."""
        view, done, end = self.view, self.done, self.done + min(connection.remaining, len(self.view) - self.done)
        readinto, told = connection.readinto, done
        try:
            while done < end:
                done += readinto(view[done:end])
                if done - told >= TOLD_BYTES:
                    self.arrived(done - told)
                    told = done
        finally:
            self.done = done
            self.arrived(done - told)


class _IgnoresRanges(Exception):
    """The host sends the whole blob, whatever range is requested."""


class BlobReader:
    """One blob at its source; a context that closes itself.

    `locate` asks the registry once where the bytes are, and is called again when that answer expires. `patience` is for
    how many seconds a range is retried without progress; less than `LEAST_PROGRESS` bytes are none.
    """

    def __init__(
        self,
        asked: str,
        descriptor: Descriptor,
        locate: Callable[[], Origin],
        connections: Connections,
        patience: float,
    ) -> None:
        self._asked = asked
        self._size = descriptor.size
        self._connections = connections
        self._patience = patience
        self._ranges = RangeCheck(asked, descriptor.size)
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._in_one: InOne | None = None
        self._active: set[Connection] = set()
        self._origins = Origins(asked, locate, self._closed) if descriptor.size else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read_into(self, offset: int, buffer: memoryview, arrived: Callable[[int], None] = _untold) -> None:
        """Fills `buffer` with the blob's bytes from `offset` on. `arrived` is called, often, with how many came since.

        What fails on the way is retried from the byte reached. Raises NotFound, Denied, Refused; Throttled or
        Unavailable once patience ends; DigestMismatch if the source's length is not the descriptor's; Cancelled after
        `close`.
        """
        fill = _Fill(buffer.cast("B"), offset, arrived)
        if offset < 0 or offset + len(fill.view) > self._size:
            raise ValueError(f"{offset} + {len(fill.view)} is beyond {self._size}")
        if self._origins is None:
            return
        patience = Patience(self._patience)
        while not fill.complete:
            self._check_open()
            origin, before = self._origins.current(), fill.done
            kept = False
            try:
                if self._in_one is not None:
                    self._fetch_in_one(self._in_one, origin, fill)
                    continue
                with self._connected(origin) as connection:
                    kept = connection.used
                    self._fetch(connection, origin, fill)
                continue
            except _IgnoresRanges:
                with self._lock:
                    self._in_one = self._in_one or InOne(self._asked, self._check_open)
                continue
            except Expired:
                problem = self._origins.renew(origin)
            except MirrorError as error:
                if self._in_one is not None and self._in_one.spent:
                    raise
                problem = error
            except OSError as error:
                problem = network_failure(self._asked, error)
                if kept and fill.done == before and not isinstance(error, TimeoutError):
                    # A kept connection that had been closed meanwhile says nothing about the service.
                    continue
            finally:
                self._check_open()
            if problem is not None:
                pause = patience.after(problem, fill.done - before)
                self._closed.wait(pause)

    def close(self) -> None:
        """Ends all reading; threads in `read_into` raise Cancelled."""
        self._closed.set()
        if self._origins is not None:
            self._origins.wake()
        with self._lock:
            active, in_one = list(self._active), self._in_one
        for connection in active:
            connection.abort()
        if in_one is not None:
            in_one.close()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise Cancelled(self._asked, "reading was stopped", "Request the job again if it is still wanted.")

    @contextmanager
    def _connected(self, origin: Origin) -> Iterator[Connection]:
        connection = self._connections.take(origin.host, origin.port)
        try:
            with self._lock:
                self._active.add(connection)
            self._check_open()
            yield connection
        finally:
            with self._lock:
                self._active.discard(connection)
            # After `abort` a connection must not be used again.
            if self._closed.is_set():
                connection.close()
            elif connection.idle:
                self._connections.give(connection)
            else:
                connection.close()

    def _fetch(self, connection: Connection, origin: Origin, fill: _Fill) -> None:
        connection.get(origin.target, {"Range": f"bytes={fill.first}-{fill.last}", **origin.headers})
        self._ranges.check(connection, origin.host, fill.first, fill.last)
        if connection.status == 200:
            if len(fill.view) != self._size:
                raise _IgnoresRanges
            connection.skip(fill.first)
        origin.served = True
        fill.take(connection)

    def _fetch_in_one(self, in_one: InOne, origin: Origin, fill: _Fill) -> None:
        connection, at = in_one.take(fill.first)
        handed_on = False
        try:
            if connection is None:
                connection = self._connections.take(origin.host, origin.port)
                with self._lock:
                    self._active.add(connection)
                self._check_open()
                connection.get(origin.target, {"Range": f"bytes=0-{self._size - 1}", **origin.headers})
                self._ranges.check(connection, origin.host, 0, self._size - 1)
                origin.served = True
            connection.skip(fill.first - at)
            if not connection.remaining:
                raise BrokenAnswer("the body ended early")
            fill.take(connection)
            handed_on = not self._closed.is_set()
        finally:
            if connection is not None and not handed_on:
                with self._lock:
                    self._active.discard(connection)
                connection.close()
            in_one.give(connection if handed_on else None, fill.first)
            if self._closed.is_set():
                in_one.close()
