"""What a conditional write came to."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Written:
    """`etag` is that of what was written."""

    etag: str


@dataclass(frozen=True, slots=True)
class Lost:
    """Nothing was written: another writer was first. A question to the caller, not a failure."""


Outcome = Written | Lost
