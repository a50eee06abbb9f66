"""A sweep: one job that lists the registry and asks for what the mirror lacks."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, Self

from acrmirror.moments import Moment, from_datetime, nine_digits
from acrmirror.reference import Digest, Reference
from acrmirror.work.copy import Copy
from acrmirror.work.failing import Failing, written
from acrmirror.work.fields import message
from acrmirror.work.ids import JobId
from acrmirror.work.record import RecordFields

KIND: Final = "match"


@dataclass(frozen=True, slots=True)
class Sweep:
    """`patterns` as in `acrmirror.patterns`; `at` is when it was requested. `retries`, `attempt` and
    `failing` are as for a `Copy`."""

    id: JobId
    patterns: tuple[str, ...]
    at: Moment
    dry_run: bool = False
    retries: int = 0
    attempt: int = 0
    failing: tuple[Failing, ...] = ()

    kind: ClassVar[Literal["match"]] = KIND
    title: ClassVar[str] = "a pull of many"
    check: ClassVar[int] = 0
    """It is not asked about again."""

    @classmethod
    def now(cls, patterns: tuple[str, ...], seed: str, *, dry_run: bool) -> Self:
        moment = datetime.now(UTC)
        return cls(JobId.of(moment, f"{seed} {patterns}"), patterns, from_datetime(moment), dry_run)

    def job(self, reference: Reference, digest: Digest, number: int | str = 0) -> Copy:
        """The pull of one image that the sweep asks for. It is named by what it copies, within the hour, and not by the
        sweep: however many sweeps find the same lacking, it is one job (rule W7). `number` counts those that have
        ended by then, and did not copy it; or sets the job apart in another way."""
        return Copy(
            self.id.child(f"{reference} {digest} {number}"), "pull", reference, self.at, self.at, parent=self.id
        )

    def own_job(self, reference: Reference, digest: Digest) -> Copy:
        """As `job`, but of this sweep alone: one each time that a person has sent it again."""
        return self.job(reference, digest, f"{self.id} {self.retries}")

    def later(self, failing: tuple[Failing, ...]) -> Self:
        """The same sweep for one more attempt."""
        return replace(self, attempt=self.attempt + 1, failing=failing)

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

    def to_json(self) -> str:
        return message(
            {
                "version": 1,
                "id": self.id,
                "kind": KIND,
                "patterns": list(self.patterns),
                "at": self.at,
                "dryRun": self.dry_run,
                "retries": self.retries,
                "attempt": self.attempt or None,
                "failures": written(self.failing),
            }
        )

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises ValueError, KeyError or TypeError for what `to_json` never wrote."""
        if fields["version"] != 1:
            raise ValueError("another version")
        return cls(
            JobId.read(fields["id"]),
            tuple(str(it) for it in fields["patterns"]),
            nine_digits(str(fields["at"])),
            bool(fields.get("dryRun")),
            int(fields.get("retries", 0)),
            int(fields.get("attempt", 0)),
            Failing.read(fields.get("failures")),
        )
