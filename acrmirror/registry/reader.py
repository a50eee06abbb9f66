"""Reads a blob by ranges, from many threads at once, through broken connections and expired signatures."""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from acrmirror.errors import Cancelled, Denied, DigestMismatch, MirrorError, Refused, Throttled, Transient, Unavailable
from acrmirror.oci import Descriptor
from acrmirror.paced import LEAST_PROGRESS
from acrmirror.registry.answers import network_failure, refusal
from acrmirror.registry.connections import BrokenAnswer, Connection, Connections
from acrmirror.registry.in_one import InOne

LONGEST_PAUSE = 5.0
TOLD_BYTES = 128 * 1024
"""How many arrive before they are told of: often enough that a slow link is seen to move, and next to no work."""

_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})", re.ASCII)


def _untold(_count: int) -> None:
    """For whoever does not want to know."""


@dataclass(slots=True, eq=False)
class Origin:
    """Where the bytes are: a signed URL, or the registry itself with a token. Never part of a message."""

    host: str
    port: int
    target: str = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    again: bool = False
    """Whether it was asked for because another one was refused."""
    served: bool = False


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


class _Expired(Exception):
    """A signature, or a token, that is no longer taken."""


class _IgnoresRanges(Exception):
    """The host sends the whole blob, whatever it is asked for."""


class BlobReader:
    """One blob at its source; a context that closes itself.

    `open_origin` asks the registry once where the bytes are, and is called again when that answer expires. `patience`
    is for how many seconds a range is retried without progress; less than `LEAST_PROGRESS` bytes are none.
    """

    def __init__(
        self,
        asked: str,
        descriptor: Descriptor,
        open_origin: Callable[[], Origin],
        connections: Connections,
        patience: float,
    ) -> None:
        self._asked = asked
        self._size = descriptor.size
        self._open_origin = open_origin
        self._connections = connections
        self._patience = patience
        self._closed = threading.Event()
        self._changed = threading.Condition()
        self._renewing = False
        self._in_one: InOne | None = None
        self._active: set[Connection] = set()
        self._origin: Origin | None = open_origin() if descriptor.size else None

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
        patience = _Patience(self._patience)
        while not fill.complete:
            origin, before = self._current(), fill.done
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
                with self._changed:
                    self._in_one = self._in_one or InOne(self._asked, self._check_open)
                continue
            except _Expired:
                problem = self._renew(origin)
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
        with self._changed:
            active, in_one = list(self._active), self._in_one
            self._changed.notify_all()
        for connection in active:
            connection.abort()
        if in_one is not None:
            in_one.close()

    def _check_open(self) -> None:
        if self._closed.is_set():
            raise Cancelled(self._asked, "reading was stopped", "Ask for the job again if it is still wanted.")

    def _current(self) -> Origin:
        self._check_open()
        with self._changed:
            if self._origin is None:
                raise ValueError("an empty blob has nothing to read")
            return self._origin

    @contextmanager
    def _connected(self, origin: Origin) -> Iterator[Connection]:
        connection = self._connections.take(origin.host, origin.port)
        try:
            with self._changed:
                self._active.add(connection)
            self._check_open()
            yield connection
        finally:
            with self._changed:
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
        self._check_answer(connection, origin, fill.first, fill.last)
        if connection.status == 200:
            if len(fill.view) != self._size:
                raise _IgnoresRanges
            connection.skip(fill.first)
        origin.served = True
        self._fill(connection, fill)

    def _fetch_in_one(self, in_one: InOne, origin: Origin, fill: _Fill) -> None:
        connection, at = in_one.take(fill.first)
        handed_on = False
        try:
            if connection is None:
                connection = self._connections.take(origin.host, origin.port)
                with self._changed:
                    self._active.add(connection)
                self._check_open()
                connection.get(origin.target, {"Range": f"bytes=0-{self._size - 1}", **origin.headers})
                self._check_answer(connection, origin, 0, self._size - 1)
                origin.served = True
            connection.skip(fill.first - at)
            if not connection.remaining:
                raise BrokenAnswer("the body ended early")
            self._fill(connection, fill)
            handed_on = not self._closed.is_set()
        finally:
            if connection is not None and not handed_on:
                with self._changed:
                    self._active.discard(connection)
                connection.close()
            in_one.give(connection if handed_on else None, fill.first)
            if self._closed.is_set():
                in_one.close()

    def _fill(self, connection: Connection, fill: _Fill) -> None:
        view, done, end = fill.view, fill.done, fill.done + min(connection.remaining, len(fill.view) - fill.done)
        readinto, told = connection.readinto, done
        try:
            while done < end:
                done += readinto(view[done:end])
                if done - told >= TOLD_BYTES:
                    fill.arrived(done - told)
                    told = done
        finally:
            fill.done = done
            fill.arrived(done - told)

    def _check_answer(self, connection: Connection, origin: Origin, wanted: int, end: int) -> None:
        """Makes sure that what follows are the bytes from `wanted` to `end` at most, or with 200 the whole blob."""
        status, headers = connection.status, connection.headers
        if status in (401, 403):
            connection.drain()
            raise _Expired
        if status == 416:
            raise self._another_length(headers.get("Content-Range", "").rpartition("/")[2])
        if 300 <= status < 400:
            raise Refused(
                self._asked,
                f"{origin.host} answered {status}, a second redirect, which is never followed",
                "Nothing was sent there. Check what answers at the registry's storage.",
            )
        if status not in (200, 206):
            raise refusal(f"{self._asked} at {origin.host}", status, headers, connection.drain())
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Unavailable(self._asked, "its storage encoded the bytes", "They are wanted as they are stored.")
        if status == 200:
            if connection.remaining != self._size:
                raise self._another_length(str(connection.remaining))
            return
        match = _RANGE.fullmatch(headers.get("Content-Range", ""))
        if match is None:
            raise Unavailable(self._asked, "its storage did not say which bytes it sent", "It is tried again later.")
        first, last, total = map(int, match.groups())
        if total != self._size:
            raise self._another_length(match[3])
        if first != wanted or not first <= last <= end or connection.remaining != last - first + 1:
            raise Unavailable(
                self._asked, "its storage sent other bytes than were asked for", "It is tried again later."
            )

    def _another_length(self, length: str) -> DigestMismatch:
        return DigestMismatch(
            self._asked,
            f"there are {length[:20] or 'other'} bytes of it, and its descriptor says {self._size}",
            "If it lasts, the manifest or the registry's copy is wrong: push the image again.",
        )

    def _renew(self, refused: Origin) -> MirrorError | None:
        """Asks the registry where the bytes are now: once for all threads that were refused. Gives what failed."""
        with self._changed:
            while self._renewing and not self._closed.is_set():
                self._changed.wait()
            if self._closed.is_set() or self._origin is not refused:
                return None
            if refused.again and not refused.served:
                raise Denied(
                    f"{self._asked} at {refused.host}",
                    "it refused a signature that was fresh",
                    "If that storage has a firewall, let this network through.",
                )
            self._renewing = True
        fresh: Origin | None = None
        try:
            fresh = self._open_origin()
            fresh.again = True
            return None
        except Transient as error:
            return error
        finally:
            with self._changed:
                self._renewing = False
                self._origin = fresh or self._origin
                self._changed.notify_all()


class _Patience:
    """Decides whether a failure is waited out, and for how long."""

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
