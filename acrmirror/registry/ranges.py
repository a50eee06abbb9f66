"""What a host answers to a request for a range, held against what was requested."""

import re
from dataclasses import dataclass

from acrmirror.errors import DigestMismatch, Refused, Unavailable
from acrmirror.registry.failures import refusal
from acrmirror.wire import Connection

_RANGE = re.compile(r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19})", re.ASCII)


class Expired(Exception):
    """A signature, or a token, that is no longer taken."""


@dataclass(frozen=True, slots=True)
class RangeCheck:
    """Judges answers to requests for ranges of one blob of `size` bytes. `asked` names it in errors."""

    asked: str
    size: int

    def check(self, connection: Connection, host: str, first: int, last: int) -> None:
        """Makes sure that what follows are the bytes from `first` to `last` at most, or with 200 the whole blob.

        Raises Expired, Refused for another redirect, DigestMismatch for another length than the descriptor's, else what
        the status says; Unavailable where it is not the range.
        """
        status, headers = connection.status, connection.headers
        if status in (401, 403):
            connection.drain()
            raise Expired
        if status == 416:
            raise self._another_length(headers.get("Content-Range", "").rpartition("/")[2])
        if 300 <= status < 400:
            raise Refused(
                self.asked,
                f"{host} answered {status}, a second redirect, which is never followed",
                "Nothing was sent there. Check what answers at the registry's storage.",
            )
        if status not in (200, 206):
            raise refusal(f"{self.asked} at {host}", status, headers, connection.drain())
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Unavailable(self.asked, "its storage encoded the bytes", "They are wanted as they are stored.")
        if status == 200:
            if connection.remaining != self.size:
                raise self._another_length(str(connection.remaining))
            return
        match = _RANGE.fullmatch(headers.get("Content-Range", ""))
        if match is None:
            raise Unavailable(self.asked, "its storage did not say which bytes it sent", "It is tried again later.")
        begin, end, total = map(int, match.groups())
        if total != self.size:
            raise self._another_length(match[3])
        if begin != first or not begin <= end <= last or connection.remaining != end - begin + 1:
            raise Unavailable(
                self.asked, "its storage sent other bytes than were requested", "It is tried again later."
            )

    def _another_length(self, length: str) -> DigestMismatch:
        return DigestMismatch(
            self.asked,
            f"there are {length[:20] or 'other'} bytes of it, and its descriptor says {self.size}",
            "If it lasts, the manifest or the registry's copy is wrong: push the image again.",
        )
