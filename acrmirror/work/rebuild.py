"""A rebuild of tags: their links made anew from history, where these are damaged, lost, or behind it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, Self

from acrmirror.moments import Moment, from_datetime, nine_digits
from acrmirror.work.failing import Failing, written
from acrmirror.work.fields import message, text_of
from acrmirror.work.ids import JobId
from acrmirror.work.record import RecordFields

KIND: Final = "rebuild"


@dataclass(frozen=True, slots=True)
class Rebuild:
    """`patterns` as in `acrmirror.patterns`, of tags that history has; `at` is when it was requested. `overwrite`: also
    tags that are well, and elsewhere than history has them. `retries`, `attempt` and `failing` are as for a `Copy`."""

    id: JobId
    patterns: tuple[str, ...]
    at: Moment
    dry_run: bool = False
    overwrite: bool = False
    retries: int = 0
    attempt: int = 0
    failing: tuple[Failing, ...] = ()

    kind: ClassVar[Literal["rebuild"]] = KIND
    title: ClassVar[str] = "a rebuild of tags"
    check: ClassVar[int] = 0
    """It is not asked about again."""

    @classmethod
    def now(cls, patterns: tuple[str, ...], seed: str, *, dry_run: bool, overwrite: bool) -> Self:
        moment = datetime.now(UTC)
        return cls(JobId.of(moment, f"{seed} {patterns}"), patterns, from_datetime(moment), dry_run, overwrite)

    def later(self, failing: tuple[Failing, ...]) -> Self:
        """The same rebuild for one more attempt."""
        return replace(self, attempt=self.attempt + 1, failing=failing)

    @property
    def asked(self) -> RecordFields:
        """What its record has of it from the first."""
        return {
            "kind": KIND,
            "patterns": list(self.patterns),
            "dry_run": self.dry_run,
            "force": self.overwrite,
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
                "overwrite": self.overwrite,
                "retries": self.retries or None,
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
            tuple(text_of(it) for it in fields["patterns"]),
            nine_digits(text_of(fields["at"])),
            bool(fields.get("dryRun")),
            bool(fields.get("overwrite")),
            int(fields.get("retries", 0)),
            int(fields.get("attempt", 0)),
            Failing.read(fields.get("failures")),
        )
