"""TLS connections that bound how much is read, and how slowly it may come."""

import ssl
import time
from typing import Any

from acrmirror.deadlines import LEAST_PROGRESS, READ_TIMEOUT
from acrmirror.errors import TooLarge

FULL_RECORD = 16 * 1024
"""Bytes of content in a TLS record at most (RFC 8446, 5.1), which is what one read gives."""


class TooSlow(TimeoutError):
    """Bytes keep coming, and next to none; or enough of them to go on for ever."""


class PacedSocket(ssl.SSLSocket):
    """A TLS connection that bounds what it reads, counted anew from whatever is sent.

    Its reads raise TooSlow once `within` seconds go by with less than `LEAST_PROGRESS`, since a host that drips would
    never run into the time-out of a single read; also when an answer takes more than `longest` seconds. They raise
    TooLarge when an answer has more than `most` bytes, whatever they are: heads, interim answers, what chunks are
    wrapped in. `most` is looked at once for every `LEAST_PROGRESS` bytes.
    """

    within = READ_TIMEOUT
    longest = float("inf")
    most = float("inf")
    _due = float("inf")
    _end = float("inf")
    _owed = 0
    _read = 0

    def send(self, data: Any, flags: int = 0) -> int:
        now = time.monotonic()
        self._due, self._end = now + self.within, now + self.longest
        self._owed, self._read = LEAST_PROGRESS, 0
        return super().send(data, flags)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        data = super().recv(buflen, flags)
        self._owed -= len(data)
        self._look_at_the_clock()
        return data

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        if flags or self._sslobj is None:  # type: ignore[attr-defined]
            return super().recv_into(buffer, nbytes, flags)
        # What the class below comes to as well, with a call less for each record.
        count: int = self.read(nbytes or len(buffer), buffer)  # type: ignore[assignment]
        self._owed -= count
        # Full records come from a host in haste: of those, it is enough to look at the clock now and then.
        if count < FULL_RECORD or self._owed <= 0:
            self._look_at_the_clock()
        return count

    def leave(self) -> None:
        """Between two requests it serves nobody."""

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        if now > self._due:
            raise TooSlow(f"fewer than {LEAST_PROGRESS} bytes came in {self.within:.0f} s")
        if now > self._end:
            raise TooSlow(f"it was not whole within {self.longest:.0f} s")
        if self._owed <= 0:
            self._read += LEAST_PROGRESS - self._owed
            self._due, self._owed = now + self.within, LEAST_PROGRESS
            if self._read > self.most:
                raise too_large(f"read what {self.server_hostname} answers", int(self.most))


def too_large(asked: str, limit: int) -> TooLarge:
    return TooLarge(asked, f"its answer has more than {limit} bytes", "Check what answers at this address.")
