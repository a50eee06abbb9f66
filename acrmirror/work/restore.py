"""A restore: what patterns choose of the mirror, to be copied into a registry; and the copy of one image of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final, Literal, Self

from acrmirror.moments import Moment, from_datetime, nine_digits
from acrmirror.reference import Digest, Reference
from acrmirror.work.fields import message_of, record_of, reference_of, text_of
from acrmirror.work.ids import JobId
from acrmirror.work.queued import Unchecked, common, first_attempt
from acrmirror.work.record import Record, RecordFields

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
class ImageRestore(Unchecked):
    """One image to restore: `reference` has its repository in the mirror and its digest, and the tag that is to name it
    at the target, if one is. `parent` is the restore that requested it."""

    reference: Reference
    into: Into
    parent: JobId

    kind: ClassVar[Literal["restore-image"]] = IMAGE_KIND
    title: ClassVar[str] = "the restore of an image"

    @property
    def asked(self) -> RecordFields:
        """What its record has of it from the first."""
        return self.into.asked | {
            "kind": IMAGE_KIND,
            **record_of(self.reference),
            "at": self.at,
            "received": self.at,
            "parent": self.parent,
        }

    @property
    def own_fields(self) -> dict[str, Any]:
        return {
            "kind": IMAGE_KIND,
            **message_of(self.reference),
            "parent": self.parent,
            **self.into.fields,
        }

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises as `Copy.of_fields` does."""
        if not fields.get("digest"):
            raise ValueError("no digest")
        return cls(
            **common(fields),
            reference=reference_of(fields),
            into=Into.of_fields(fields),
            parent=JobId(text_of(fields["parent"])),
        )

    @classmethod
    def of_record(cls, record: Record) -> Self:
        """As at its first attempt. Raises InvalidReference or Malformed where somebody wrote something odd into it."""
        fields = record.fields
        return cls(
            **first_attempt(record),
            reference=Reference(fields["repository"], fields["tag"] or None, Digest.parse(fields["digest"])),
            into=Into.of_record(fields),
            parent=JobId(fields["parent"]),
        )


@dataclass(frozen=True, slots=True)
class Restore(Unchecked):
    """`patterns` as in `acrmirror.patterns`, over what the mirror has; `moment` is when tags are to be as they were,
    None for now."""

    patterns: tuple[str, ...]
    into: Into
    moment: Moment | None = None
    dry_run: bool = False

    kind: ClassVar[Literal["restore"]] = KIND
    title: ClassVar[str] = "a restore"

    @classmethod
    def now(
        cls, patterns: tuple[str, ...], into: Into, seed: str, *, moment: Moment | None = None, dry_run: bool = False
    ) -> Self:
        asked = datetime.now(UTC)
        return cls(JobId.of(asked, f"{seed} {patterns}"), from_datetime(asked), patterns, into, moment, dry_run)

    def image(self, repository: str, tag: str | None, digest: Digest) -> ImageRestore:
        """The restore of one image that this one requests: the same however often this one is run, and another one each
        time that a person has sent it again. So it is a new one whatever became of the last, and whoever has sent that
        again by itself."""
        reference = Reference(repository, tag, digest)
        return ImageRestore(self._image_id(reference, self.retries), self.at, reference, self.into, self.id)

    def images_before(self, job: ImageRestore) -> Iterator[JobId]:
        """The ids that the same image had each time before, the newest first."""
        return (self._image_id(job.reference, number) for number in reversed(range(self.retries)))

    def _image_id(self, reference: Reference, retries: int) -> JobId:
        again = f" {retries}" if retries else ""
        return self.id.child(f"{self.id}{again} {reference}")

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

    @property
    def own_fields(self) -> dict[str, Any]:
        return {
            "kind": KIND,
            "patterns": list(self.patterns),
            "moment": self.moment,
            "dryRun": self.dry_run or None,
            **self.into.fields,
        }

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Self:
        """From the fields of a message. Raises as `Copy.of_fields` does."""
        moment = fields.get("moment")
        return cls(
            **common(fields),
            patterns=tuple(text_of(it) for it in fields["patterns"]),
            into=Into.of_fields(fields),
            moment=nine_digits(text_of(moment)) if moment else None,
            dry_run=bool(fields.get("dryRun")),
        )

    @classmethod
    def of_record(cls, record: Record) -> Self:
        """As at its first attempt. Raises Malformed where somebody wrote something odd into it."""
        fields = record.fields
        return cls(
            **first_attempt(record),
            patterns=tuple(fields["patterns"]),
            into=Into.of_record(fields),
            moment=nine_digits(fields["moment"]) if fields["moment"] else None,
            dry_run=fields["dry_run"],
        )
