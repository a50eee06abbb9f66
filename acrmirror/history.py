"""What history is made of: observations of the registry, each true whatever the mirror did with it."""

from dataclasses import dataclass
from typing import Self

from acrmirror.oci import Descriptor
from acrmirror.reference import Digest


@dataclass(frozen=True, slots=True)
class Observation:
    """One thing seen at the registry, and when by its own time (UTC, nine digits).

    `kind` is `event`, `resolve` or `deleted`; `identity` is the event's or the job's id.
    """

    at: str
    digest: Digest
    identity: str
    kind: str
    media_type: str | None = None
    size: int | None = None

    @classmethod
    def of_resolve(cls, descriptor: Descriptor, at: str, job: str) -> Self:
        return cls(at, descriptor.digest, job, "resolve", descriptor.media_type, descriptor.size)
