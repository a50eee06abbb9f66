"""A sweep: one job that lists the registry and asks for what the mirror lacks."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, Self

from acrmirror.moments import from_datetime
from acrmirror.reference import Digest, Reference
from acrmirror.work.copy import Copy
from acrmirror.work.fields import text_of
from acrmirror.work.ids import JobId
from acrmirror.work.queued import Unchecked, common, first_attempt
from acrmirror.work.record import Record, RecordFields

KIND: Final = "match"


@dataclass(frozen=True, slots=True)
class Sweep(Unchecked):
    """`patterns` as in `acrmirror.patterns`."""

    patterns: tuple[str, ...]
    dry_run: bool = False

    kind: ClassVar[Literal["match"]] = KIND
    title: ClassVar[str] = "a pull of many"

    @classmethod
    def now(cls, patterns: tuple[str, ...], seed: str, *, dry_run: bool) -> Self:
        moment = datetime.now(UTC)
        return cls(JobId.of(moment, f"{seed} {patterns}"), from_datetime(moment), patterns, dry_run)

    def job(self, reference: Reference, digest: Digest, number: int | str = 0) -> Copy:
        """The pull of one image that the sweep asks for. It is named by what it copies, within the hour, and not by the
        sweep: however many sweeps find the same lacking, it is one job (rule W7). `number` counts those that have
        ended by then, and did not copy it; or sets the job apart in another way."""
        return Copy(
            self.id.child(f"{reference} {digest} {number}"), self.at, "pull", reference, self.at, parent=self.id
        )

    def own_job(self, reference: Reference, digest: Digest) -> Copy:
        """As `job`, but of this sweep alone: one each time that a person has sent it again."""
        return self.job(reference, digest, f"{self.id} {self.retries}")

    @property
    def asked(self) -> RecordFields:
        """What its record has of it from the first."""
        return {
            "kind": KIND,
            "patterns": list(self.patterns),
            "dry_run": self.dry_run,
            "at": self.at,
            "received": self.at,
        }

    @property
    def own_fields(self) -> dict[str, Any]:
        return {"kind": KIND, "patterns": list(self.patterns), "dryRun": self.dry_run}

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises as `Copy.of_fields` does."""
        return cls(
            **common(fields),
            patterns=tuple(text_of(it) for it in fields["patterns"]),
            dry_run=bool(fields.get("dryRun")),
        )

    @classmethod
    def of_record(cls, record: Record) -> Self:
        """As at its first attempt. Raises Malformed where somebody wrote something odd into it."""
        return cls(**first_attempt(record), patterns=tuple(record.fields["patterns"]), dry_run=record.fields["dry_run"])
