"""Archives that storage puts together, rebuilds of tags, and restores."""

from datetime import UTC
from typing import Annotated, Self

from pydantic import Field

from acrmirror.http.models.base import Count, Model
from acrmirror.http.models.failures import ErrorDetails
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


class Archive(Model):
    """An archive and how far it is. Bytes are those of the archive."""

    id: str
    state: State
    images: Annotated[list[str], Field(description="With the digests that they had when it was requested.")]
    form: str
    platform: str | None
    at: Annotated[str | None, Field(description="The moment in the past that tags were read at.")]
    requested: str
    started: str | None
    finished: str | None
    next_attempt: str | None
    size: Count
    bytes_done: Count
    bytes_sent: Annotated[
        Count, Field(description="Through the function app, by its last run; storage copies the rest.")
    ]
    blobs: Count
    blobs_done: Count
    notes: list[str]
    cancel_requested: bool
    link: Annotated[ArchiveLink | None, Field(description="Null until it is done, and once it was removed.")]
    error: ErrorDetails | None

    @classmethod
    def of(cls, record: Record, link: SignedUrl | None) -> Self:
        fields = record.fields
        return cls(
            id=record.id,
            state=record.state,
            images=fields["images"],
            form=fields["form"],
            platform=next(iter(fields["platforms"]), None),
            at=fields["moment"] or None,
            requested=fields["at"],
            started=fields["first_started"] or None,
            finished=_finished(record),
            next_attempt=record.next_attempt,
            size=fields["bytes_total"],
            bytes_done=fields["bytes_done"],
            bytes_sent=fields["bytes_written"],
            blobs=fields["layers_total"],
            blobs_done=fields["layers_done"],
            notes=fields["notes"],
            cancel_requested=fields["cancel_requested"],
            link=ArchiveLink.of(link) if link is not None else None,
            error=_error(fields),
        )


class Rebuild(Model):
    """A rebuild of tags and how far it is."""

    id: str
    state: State
    patterns: list[str]
    dry_run: bool
    overwrite: bool
    requested: str
    started: str | None
    finished: str | None
    next_attempt: str | None
    looked_at: Annotated[Count, Field(description="Tags that history has, and the patterns choose.")]
    set: Annotated[Count, Field(description="Of these, set from history; with `dry_run`, those that would be.")]
    tags: Annotated[
        dict[str, str], Field(description="Some of them, at most 200: the digest, and how the tag's link was found.")
    ]
    notes: Annotated[
        list[str], Field(description="Tags that could not be rebuilt, and tags that were left as they are.")
    ]
    error: ErrorDetails | None

    @classmethod
    def of(cls, record: Record) -> Self:
        fields = record.fields
        return cls(
            id=record.id,
            state=record.state,
            patterns=fields["patterns"],
            dry_run=fields["dry_run"],
            overwrite=fields["force"],
            requested=fields["at"],
            started=fields["first_started"] or None,
            finished=_finished(record),
            next_attempt=record.next_attempt,
            looked_at=fields["rebuild_looked_at"],
            set=fields["rebuild_set"],
            tags=fields["rebuilt"],
            notes=fields["notes"],
            error=_error(fields),
        )


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
        return cls(id=record.id, image=image, state=record.state, error=_error(fields))


class Restore(Model):
    """A restore and how far it is. Its own state is `done` once all of its images are requested: `jobs` says how these
    are, by state."""

    id: str
    state: State
    target: str
    patterns: list[str]
    prefix: str
    overwrite: bool
    dry_run: bool
    at: Annotated[str | None, Field(description="The moment in the past that tags are restored from.")]
    requested: str
    started: str | None
    finished: str | None
    next_attempt: str | None
    repositories: Count
    listed: Annotated[Count, Field(description="Images that the patterns choose.")]
    asked: Annotated[Count, Field(description="Of these, requested; with `dry_run`, those that would be.")]
    sample: Annotated[list[str], Field(description="Some of them, at most 300.")]
    jobs: dict[str, Count]
    restored: Annotated[Count, Field(description="Images of which something was written.")]
    present: Annotated[Count, Field(description="Images that the target had already.")]
    refused: Annotated[Count, Field(description="Of a dry run: those that would be refused; `notes` names them.")]
    bytes: Annotated[Count, Field(description="That were sent; with `dry_run`, that would be.")]
    requests: Annotated[Count, Field(description="Of a dry run: of the target, roughly.")]
    failures: Annotated[list[RestoreFailure], Field(description="At most 300.")]
    notes: list[str]
    cancel_requested: bool
    error: ErrorDetails | None

    @classmethod
    def of(cls, report: Report) -> Self:
        record, fields = report.record, report.record.fields
        dry = fields["dry_run"]
        return cls(
            id=record.id,
            state=record.state,
            target=fields["target"],
            patterns=fields["patterns"],
            prefix=fields["prefix"],
            overwrite=fields["overwrite"],
            dry_run=dry,
            at=fields["moment"] or None,
            requested=fields["at"],
            started=fields["first_started"] or None,
            finished=_finished(record),
            next_attempt=record.next_attempt,
            repositories=fields["match_repositories"],
            listed=fields["match_listed"],
            asked=fields["match_requested"],
            sample=fields["match_sample"],
            jobs=report.jobs,
            restored=report.restored,
            present=fields["restore_present"] if dry else report.present,
            refused=fields["restore_refused"],
            bytes=fields["restore_bytes"] if dry else report.bytes_sent,
            requests=fields["restore_requests"],
            failures=[RestoreFailure.of(it) for it in report.failures],
            notes=fields["notes"],
            cancel_requested=fields["cancel_requested"],
            error=_error(fields),
        )


def _finished(record: Record) -> str | None:
    return record.fields["finished"] or None if record.state not in ("running", "waiting", "queued") else None


def _error(fields: RecordFields) -> ErrorDetails | None:
    if not fields["error_code"]:
        return None
    return ErrorDetails(
        code=fields["error_code"],
        asked=fields["error_asked"],
        answered=fields["error_answered"],
        remedy=fields["error_remedy"],
    )
