"""Archives that storage puts together, rebuilds of tags, and restores."""

from datetime import UTC
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from acrmirror.http.models.base import Count, Model
from acrmirror.http.models.failures import ErrorDetails
from acrmirror.http.models.jobs import JobState, error_of, state_of
from acrmirror.restore.restores import Report
from acrmirror.storage import SignedUrl
from acrmirror.work import Record, RecordFields, State


class ArchiveLink(Model):
    """Whoever has the URL can read the archive until it ends, and nothing else."""

    url: str
    expires: str

    @classmethod
    def of(cls, link: SignedUrl) -> Self:
        return cls(url=link.url, expires=link.expires.astimezone(UTC).isoformat(timespec="seconds"))


class ArchiveDetails(Model):
    """What an archive has. Bytes are those of the archive."""

    images: Annotated[list[str], Field(description="With the digests that they had when it was requested.")]
    form: str
    platform: str | None
    at: Annotated[str | None, Field(description="The moment in the past that tags were read at.")]
    size: Count
    bytes_done: Count
    bytes_sent: Annotated[
        Count, Field(description="Through the function app, by its last run; storage copies the rest.")
    ]
    blobs: Count
    blobs_done: Count

    @classmethod
    def of_fields(cls, fields: RecordFields, **more: Any) -> Self:
        return cls(
            images=fields["images"],
            form=fields["form"],
            platform=next(iter(fields["platforms"]), None),
            at=fields["moment"] or None,
            size=fields["bytes_total"],
            bytes_done=fields["bytes_done"],
            bytes_sent=fields["bytes_written"],
            blobs=fields["layers_total"],
            blobs_done=fields["layers_done"],
            **more,
        )


class Archive(ArchiveDetails, JobState):
    """An archive and how far it is."""

    link: Annotated[ArchiveLink | None, Field(description="Null until it is done, and once it was removed.")]

    @classmethod
    def of(cls, record: Record, link: SignedUrl | None) -> Self:
        told = ArchiveLink.of(link) if link is not None else None
        return cls.of_fields(record.fields, **state_of(record), link=told)


class RebuildDetails(Model):
    patterns: list[str]
    dry_run: bool
    overwrite: bool
    looked_at: Annotated[Count, Field(description="Tags that history has, and the patterns choose.")]
    set: Annotated[Count, Field(description="Of these, set from history; with `dry_run`, those that would be.")]
    tags: Annotated[
        dict[str, str], Field(description="Some of them, at most 200: the digest, and how the tag's link was found.")
    ]

    @classmethod
    def of_fields(cls, fields: RecordFields, **more: Any) -> Self:
        return cls(
            patterns=fields["patterns"],
            dry_run=fields["dry_run"],
            overwrite=fields["force"],
            looked_at=fields["rebuild_looked_at"],
            set=fields["rebuild_set"],
            tags=fields["rebuilt"],
            **more,
        )


class Rebuild(RebuildDetails, JobState):
    """A rebuild of tags and how far it is. `notes` are tags that could not be rebuilt, and tags that were left as they
    are."""

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls.of_fields(record.fields, **state_of(record))


class RestoreFailure(Model):
    """An image that was not restored, or not with all that refers to it."""

    id: str
    image: str
    state: State
    error: ErrorDetails | None

    @classmethod
    def of(cls, record: Record) -> Self:
        fields = record.fields
        tag = f":{fields['tag']}" if fields["tag"] else ""
        image = f"{fields['repository']}{tag}@{fields['digest']}"
        return cls(id=record.id, image=image, state=record.state, error=error_of(fields))


class RestoreDetails(Model):
    """`jobs` says how its images are, by state; in a list of jobs it is empty, as is all that is counted from it."""

    target: str
    patterns: list[str]
    prefix: str
    overwrite: bool
    dry_run: bool
    at: Annotated[str | None, Field(description="The moment in the past that tags are restored from.")]
    repositories: Count
    listed: Annotated[Count, Field(description="Images that the patterns choose.")]
    requested_images: Annotated[Count, Field(description="Of these, requested; with `dry_run`, those that would be.")]
    sample: Annotated[list[str], Field(description="Some of them, at most 300.")]
    jobs: dict[str, Count]
    restored: Annotated[Count, Field(description="Images of which something was written.")]
    present: Annotated[Count, Field(description="Images that the target had already.")]
    refused: Annotated[Count, Field(description="Of a dry run: those that would be refused; `notes` names them.")]
    bytes: Annotated[Count, Field(description="That were sent; with `dry_run`, that would be.")]
    requests: Annotated[Count, Field(description="Of a dry run: of the target, roughly.")]
    failures: Annotated[list[RestoreFailure], Field(description="At most 300.")]

    @classmethod
    def of_report(cls, report: Report, **more: Any) -> Self:
        fields = report.record.fields
        dry = fields["dry_run"]
        return cls(
            target=fields["target"],
            patterns=fields["patterns"],
            prefix=fields["prefix"],
            overwrite=fields["overwrite"],
            dry_run=dry,
            at=fields["moment"] or None,
            repositories=fields["match_repositories"],
            listed=fields["match_listed"],
            requested_images=fields["match_requested"],
            sample=fields["match_sample"],
            jobs=report.jobs,
            restored=report.restored,
            present=fields["restore_present"] if dry else report.present,
            refused=fields["restore_refused"],
            bytes=fields["restore_bytes"] if dry else report.bytes_sent,
            requests=fields["restore_requests"],
            failures=[RestoreFailure.of(it) for it in report.failures],
            **more,
        )


class Restore(RestoreDetails, JobState):
    """A restore and how far it is. Its own state is `done` once all of its images are requested: `jobs` says how these
    are, by state."""

    @classmethod
    def of(cls, report: Report) -> Self:
        return cls.of_report(report, **state_of(report.record))


class ImageRestoreDetails(Model):
    """One image of a restore."""

    target: str
    prefix: str
    repository: str
    tag: str | None
    digest: str
    overwrite: bool
    outcome: Annotated[
        Literal["restored", "present"] | None,
        Field(description="`restored` if something of it was written, `present` if the target had it."),
    ]
    bytes_sent: Count

    @classmethod
    def of_fields(cls, fields: RecordFields) -> Self:
        return cls(
            target=fields["target"],
            prefix=fields["prefix"],
            repository=fields["repository"],
            tag=fields["tag"] or None,
            digest=fields["digest"],
            overwrite=fields["overwrite"],
            outcome=fields["outcome"] or None,
            bytes_sent=fields["bytes_written"],
        )
