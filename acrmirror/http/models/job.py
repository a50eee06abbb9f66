"""Jobs of every kind: what all share, and beside it what that kind has."""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field

from acrmirror.http.models.audits import Audit
from acrmirror.http.models.base import Model
from acrmirror.http.models.failures import ErrorDetails
from acrmirror.http.models.jobs import JobKind, JobProgress, JobState, kind_of, state_of
from acrmirror.http.models.pulls import CopyDetails, Match, image_of
from acrmirror.http.models.tasks import ArchiveDetails, ImageRestoreDetails, RebuildDetails, RestoreDetails
from acrmirror.overview import Found
from acrmirror.proof.audits import Shown
from acrmirror.restore.restores import Report
from acrmirror.work import Record

Details = CopyDetails | Match | ArchiveDetails | RebuildDetails | RestoreDetails | ImageRestoreDetails | Audit


class Job(JobState):
    """A job of any kind."""

    kind: JobKind
    title: Annotated[str, Field(description="The image, the patterns, or what else it is about, on one line.")]
    parent: Annotated[str | None, Field(description="The sweep or the restore that requested it.")]
    progress: JobProgress
    details: Annotated[
        Details,
        Field(
            description="Of an event, a pull, a deletion and what is unreadable a copy's; of each other kind its own."
        ),
    ]

    @classmethod
    def of(cls, found: Found) -> Self:
        job = found.job
        return cls._of_audit(job) if isinstance(job, Shown) else cls._of_record(job, found)

    @classmethod
    def _of_record(cls, record: Record, found: Found) -> Self:
        fields = record.fields
        return cls(
            **state_of(record),
            kind=kind_of(record),
            title=" ".join(fields["patterns"] or fields["images"]) or image_of(fields),
            parent=fields["parent"] or None,
            progress=JobProgress.of(fields),
            details=_details(record, found),
        )

    @classmethod
    def _of_audit(cls, shown: Shown) -> Self:
        audit = Audit.of(shown, faults=False)
        progress = shown.progress
        return cls(
            id=audit.id,
            state=audit.state,
            requested=audit.requested,
            started=audit.started,
            finished=audit.finished,
            next_attempt=None,
            notes=[],
            cancel_requested=False,
            error=ErrorDetails(**progress.error) if progress.error else None,
            kind="audit",
            title="all that is in the mirror",
            parent=None,
            progress=JobProgress(done=sum(progress.counts.values()), total=None, unit="names"),
            details=audit,
        )


class JobPage(Model):
    jobs: list[Job]
    last: str | None

    @classmethod
    def of(cls, found: Iterable[Found], last: str | None) -> Self:
        return cls(jobs=[Job.of(it) for it in found], last=last)


def _details(record: Record, found: Found) -> Details:
    fields = record.fields
    match kind_of(record):
        case "sweep":
            return Match.of(fields, found.jobs)
        case "archive":
            return ArchiveDetails.of_fields(fields)
        case "rebuild":
            return RebuildDetails.of_fields(fields)
        case "restore":
            return RestoreDetails.of_report(found.report or Report(record))
        case "restore-image":
            return ImageRestoreDetails.of_fields(fields)
        case _:
            return CopyDetails.of_fields(fields)
