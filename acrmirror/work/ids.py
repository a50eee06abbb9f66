"""Ids of jobs and sweeps: they sort newest first, as text, and say when the work was requested."""

import hashlib
import re
from datetime import UTC, datetime
from typing import Self

ID_GRAMMAR = r"[0-9]{13}-[0-9a-f]{12}"
DAY_DIGITS = 5
"""Ids of about a day (28 hours) begin with the same digits, so many."""

_ID = re.compile(ID_GRAMMAR, re.ASCII)
_LAST_MILLISECOND = 9_999_999_999_999
_HOUR = 3_600_000


class JobId(str):
    """`<13 digits>-<12 hexadecimal>`: the milliseconds that are left from then to the last that 13 digits count, and a
    hash that sets it apart from others of the same millisecond."""

    __slots__ = ()

    @classmethod
    def of(cls, at: datetime, seed: str) -> Self:
        """The same for the same seed and time, which is cut to a millisecond."""
        return cls(f"{_LAST_MILLISECOND - int(at.timestamp() * 1000):013d}-{hash_of(seed)}")

    @classmethod
    def is_one(cls, text: str) -> bool:
        return _ID.fullmatch(text) is not None

    @classmethod
    def read(cls, value: object) -> Self:
        """From a field of a message. Raises ValueError for what is no text."""
        if not isinstance(value, str):
            raise ValueError("an id is no string")
        return cls(value)

    @property
    def moment(self) -> str:
        """The digits that say when."""
        return self.partition("-")[0]

    @property
    def asked_at(self) -> datetime:
        """To the millisecond."""
        return datetime.fromtimestamp((_LAST_MILLISECOND - int(self.moment)) / 1000, UTC)

    @property
    def hour(self) -> str:
        """The digits of the beginning of the hour in which it was requested: what sweeps of the same hour ask for is
        named by that (rule W7)."""
        milliseconds = _LAST_MILLISECOND - int(self.moment)
        return f"{_LAST_MILLISECOND - milliseconds // _HOUR * _HOUR:013d}"

    def child(self, seed: str) -> Self:
        """The id of a job that this sweep asks for, or any sweep of the same hour."""
        return type(self)(f"{self.hour}-{hash_of(seed)}")


def hash_of(seed: str) -> str:
    """The second part of an id."""
    return hashlib.sha256(seed.encode()).hexdigest()[:12]
