"""A rebuild of tags: their links made anew from history, where these are damaged, lost, or behind it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, Self

from acrmirror.moments import from_datetime
from acrmirror.work.fields import text_of
from acrmirror.work.ids import JobId
from acrmirror.work.queued import Unchecked, common, first_attempt
from acrmirror.work.record import Record, RecordFields

KIND: Final = "rebuild"


@dataclass(frozen=True, slots=True)
class Rebuild(Unchecked):
    """`patterns` as in `acrmirror.patterns`, of tags that history has. `overwrite`: also tags that are well, and
    elsewhere than history has them."""

    patterns: tuple[str, ...]
    dry_run: bool = False
    overwrite: bool = False

    kind: ClassVar[Literal["rebuild"]] = KIND
    title: ClassVar[str] = "a rebuild of tags"

    @classmethod
    def now(cls, patterns: tuple[str, ...], seed: str, *, dry_run: bool, overwrite: bool) -> Self:
        moment = datetime.now(UTC)
        return cls(JobId.of(moment, f"{seed} {patterns}"), from_datetime(moment), patterns, dry_run, overwrite)

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

    @property
    def own_fields(self) -> dict[str, Any]:
        return {
            "kind": KIND,
            "patterns": list(self.patterns),
            "dryRun": self.dry_run,
            "overwrite": self.overwrite,
        }

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises as `Copy.of_fields` does."""
        return cls(
            **common(fields),
            patterns=tuple(text_of(it) for it in fields["patterns"]),
            dry_run=bool(fields.get("dryRun")),
            overwrite=bool(fields.get("overwrite")),
        )

    @classmethod
    def of_record(cls, record: Record) -> Self:
        """As at its first attempt. Raises Malformed where somebody wrote something odd into it."""
        fields = record.fields
        patterns = tuple(fields["patterns"])
        return cls(**first_attempt(record), patterns=patterns, dry_run=fields["dry_run"], overwrite=fields["force"])
