"""What an audit found, as it is kept: each report names the one before it by its digest, so that none can be changed
or taken away unseen."""

import json
from dataclasses import dataclass
from typing import Any, Self

from acrmirror.errors import Malformed
from acrmirror.moments import Moment, nine_digits
from acrmirror.proof.faults import Fault
from acrmirror.proof.progress import COUNTS, Progress
from acrmirror.reference import Digest
from acrmirror.work import JobId

REPORT_LIMIT = 64 * 1024 * 1024
"""Bytes of a report that are read. One that is written has less than 8 MiB; earlier versions bounded them by the number
of tags alone."""


@dataclass(frozen=True, slots=True)
class Link:
    """A report in the chain: its id, and the digest of its bytes."""

    id: JobId
    digest: Digest


@dataclass(frozen=True, slots=True)
class Report:
    """`before` is the report before this one, None for the first. `raw` are the very bytes that are kept."""

    id: JobId
    registry: str
    asked: Moment
    begun: Moment
    finished: Moment
    slices: int
    size: int
    counts: dict[str, int]
    faults: tuple[Fault, ...]
    more_faults: int
    before: Link | None
    raw: bytes = b""

    @property
    def left(self) -> tuple[Fault, ...]:
        return tuple(it for it in self.faults if not it.mended)

    @property
    def proven(self) -> bool:
        """Whether all was read, and is as it has to be now."""
        return not self.left and not self.more_faults

    @property
    def broken(self) -> tuple[str, ...]:
        """Tags that cannot be pulled whole, as far as they are named."""
        return tuple(sorted({tag for it in self.left for tag in it.breaks}))

    @property
    def digest(self) -> Digest:
        return Digest.of(self.raw)

    @classmethod
    def of(cls, progress: Progress, registry: str, finished: Moment, before: Link | None) -> Self:
        """The report of an audit that has come to its end."""
        fields: dict[str, Any] = {
            "version": 1,
            "id": progress.id,
            "registry": registry,
            "asked": progress.asked,
            "begun": progress.begun,
            "finished": finished,
            "proven": not progress.left and not progress.more_faults,
            "slices": progress.slices,
            "bytes": progress.size,
            "checked": progress.counts,
            "faults": [it.fields() for it in progress.faults],
            "more_faults": progress.more_faults,
            "before": {"id": before.id, "digest": str(before.digest)} if before is not None else None,
        }
        return cls.read(json.dumps(fields, indent=2).encode())

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Raises Malformed (InvalidReference among it) for what is no report."""
        try:
            fields = json.loads(raw)
            if fields["version"] != 1:
                raise ValueError("another version")
            before = fields["before"]
            return cls(
                JobId.read(fields["id"]),
                str(fields["registry"]),
                nine_digits(str(fields["asked"])),
                nine_digits(str(fields["begun"])),
                nine_digits(str(fields["finished"])),
                int(fields["slices"]),
                int(fields["bytes"]),
                {name: int(fields["checked"][name]) for name in COUNTS},
                tuple(Fault.read(it) for it in fields["faults"]),
                int(fields["more_faults"]),
                Link(JobId.read(before["id"]), Digest.parse(str(before["digest"]))) if before is not None else None,
                raw,
            )
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise Malformed(
                "read a report of an audit",
                f"it can not be read ({type(error).__name__})",
                "It was changed, or is of a newer version: verify the chain of reports.",
            ) from error
