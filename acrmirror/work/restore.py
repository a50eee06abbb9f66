"""A restore: what patterns choose of the mirror, to be copied into a registry; and the copy of one image of it."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, Self

from acrmirror.moments import Moment, from_datetime, nine_digits
from acrmirror.reference import Digest, Reference
from acrmirror.work.failing import Failing, written
from acrmirror.work.fields import message, reference_of, text_of
from acrmirror.work.ids import JobId
from acrmirror.work.record import RecordFields

KIND: Final = "restore"
IMAGE_KIND: Final = "restore-image"


@dataclass(frozen=True, slots=True)
class Into:
    """Where to: the registry's host, what is put before each repository's name there, and whether a tag that is
    elsewhere there is set anew."""

    target: str
    prefix: str = ""
    overwrite: bool = False

    @property
    def fields(self) -> dict[str, Any]:
        """As a message has them."""
        return {"target": self.target, "prefix": self.prefix or None, "overwrite": self.overwrite or None}

    @property
    def asked(self) -> RecordFields:
        """As a record has them."""
        return {"target": self.target, "prefix": self.prefix, "overwrite": self.overwrite}

    @classmethod
    def of_record(cls, fields: RecordFields) -> Self:
        return cls(fields["target"], fields["prefix"], fields["overwrite"])

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        return cls(text_of(fields["target"]), text_of(fields.get("prefix") or ""), bool(fields.get("overwrite")))


@dataclass(frozen=True, slots=True)
class ImageRestore:
    """One image to restore: `reference` has its repository in the mirror and its digest, and the tag that is to name it
    at the target, if one is. `parent` is the restore that requested it; the rest is as for a `Copy`."""

    id: JobId
    reference: Reference
    into: Into
    at: Moment
    parent: JobId
    attempt: int = 0
    failing: tuple[Failing, ...] = ()
    retries: int = 0

    kind: ClassVar[Literal["restore-image"]] = IMAGE_KIND
    title: ClassVar[str] = "the restore of an image"
    check: ClassVar[int] = 0
    """It is not asked about again."""

    def later(self, failing: tuple[Failing, ...]) -> Self:
        """The same job for one more attempt."""
        return replace(self, attempt=self.attempt + 1, failing=failing)

    @property
    def asked(self) -> RecordFields:
        """What its record has of it from the first."""
        return self.into.asked | {
            "kind": IMAGE_KIND,
            "repository": self.reference.repository,
            "tag": self.reference.tag or "",
            "digest": str(self.reference.digest or ""),
            "at": self.at,
            "received": self.at,
            "parent": self.parent,
        }

    @classmethod
    def of_record(cls, identity: JobId, fields: RecordFields, retries: int) -> Self:
        """As at its first attempt. Raises InvalidReference or Malformed where somebody wrote something odd into it."""
        return cls(
            identity,
            Reference(fields["repository"], fields["tag"] or None, Digest.parse(fields["digest"])),
            Into.of_record(fields),
            nine_digits(fields["at"]),
            JobId(fields["parent"]),
            retries=retries,
        )

    def to_json(self) -> str:
        return message(
            {
                "version": 1,
                "id": self.id,
                "kind": IMAGE_KIND,
                "repository": self.reference.repository,
                "tag": self.reference.tag,
                "digest": str(self.reference.digest),
                "at": self.at,
                "parent": self.parent,
                "attempt": self.attempt or None,
                "failures": written(self.failing),
                "retries": self.retries or None,
                **self.into.fields,
            }
        )

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises as `Copy.of_fields` does."""
        if fields["version"] != 1 or not fields.get("digest"):
            raise ValueError("another version, or no digest")
        return cls(
            JobId(text_of(fields["id"])),
            reference_of(fields),
            Into.of_fields(fields),
            nine_digits(text_of(fields["at"])),
            JobId(text_of(fields["parent"])),
            int(fields.get("attempt", 0)),
            Failing.read(fields.get("failures")),
            int(fields.get("retries", 0)),
        )


@dataclass(frozen=True, slots=True)
class Restore:
    """`patterns` as in `acrmirror.patterns`, over what the mirror has; `moment` is when tags are to be as they were,
    None for now. `at` is when it was requested; the rest is as for a `Copy`."""

    id: JobId
    patterns: tuple[str, ...]
    into: Into
    at: Moment
    moment: Moment | None = None
    dry_run: bool = False
    retries: int = 0
    attempt: int = 0
    failing: tuple[Failing, ...] = ()

    kind: ClassVar[Literal["restore"]] = KIND
    title: ClassVar[str] = "a restore"
    check: ClassVar[int] = 0
    """It is not asked about again."""

    @classmethod
    def now(
        cls, patterns: tuple[str, ...], into: Into, seed: str, *, moment: Moment | None = None, dry_run: bool = False
    ) -> Self:
        asked = datetime.now(UTC)
        return cls(JobId.of(asked, f"{seed} {patterns}"), patterns, into, from_datetime(asked), moment, dry_run)

    def image(self, repository: str, tag: str | None, digest: Digest) -> ImageRestore:
        """The restore of one image that this one requests, the same however often this one is run."""
        reference = Reference(repository, tag, digest)
        identity = self.id.child(f"{self.id} {reference}")
        return ImageRestore(identity, reference, self.into, self.at, self.id, retries=self.retries)

    def later(self, failing: tuple[Failing, ...]) -> Self:
        """The same restore for one more attempt."""
        return replace(self, attempt=self.attempt + 1, failing=failing)

    @property
    def asked(self) -> RecordFields:
        """What its record has of it from the first."""
        return self.into.asked | {
            "kind": KIND,
            "patterns": list(self.patterns),
            "dry_run": self.dry_run,
            "moment": self.moment or "",
            "at": self.at,
            "received": self.at,
        }

    @classmethod
    def of_record(cls, identity: JobId, fields: RecordFields, retries: int) -> Self:
        """As at its first attempt. Raises Malformed where somebody wrote something odd into it."""
        moment = nine_digits(fields["moment"]) if fields["moment"] else None
        patterns, at = tuple(fields["patterns"]), nine_digits(fields["at"])
        return cls(identity, patterns, Into.of_record(fields), at, moment, fields["dry_run"], retries)

    def to_json(self) -> str:
        return message(
            {
                "version": 1,
                "id": self.id,
                "kind": KIND,
                "patterns": list(self.patterns),
                "at": self.at,
                "moment": self.moment,
                "dryRun": self.dry_run or None,
                "retries": self.retries or None,
                "attempt": self.attempt or None,
                "failures": written(self.failing),
                **self.into.fields,
            }
        )

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises as `Copy.of_fields` does."""
        if fields["version"] != 1:
            raise ValueError("another version")
        moment = fields.get("moment")
        return cls(
            JobId(text_of(fields["id"])),
            tuple(text_of(it) for it in fields["patterns"]),
            Into.of_fields(fields),
            nine_digits(text_of(fields["at"])),
            nine_digits(text_of(moment)) if moment else None,
            bool(fields.get("dryRun")),
            int(fields.get("retries", 0)),
            int(fields.get("attempt", 0)),
            Failing.read(fields.get("failures")),
        )
