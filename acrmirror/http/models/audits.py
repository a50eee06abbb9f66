"""Audits: how far each is, and what it found."""

from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import Field

from acrmirror.http.models.base import Count, Model
from acrmirror.http.models.failures import ErrorDetails
from acrmirror.proof.audits import Shown
from acrmirror.proof.faults import Fault, FaultKind
from acrmirror.proof.progress import AuditState, Phase


class AuditFault(Model):
    """One thing that was not as it has to be."""

    path: Annotated[str, Field(description="Its name in the mirror's container.")]
    kind: FaultKind
    what: Annotated[str, Field(description="The image, tag or blob.")]
    why: str
    mended: Annotated[bool, Field(description="It was put right by the end of the audit.")]
    job: Annotated[str | None, Field(description="The pull that was requested for it.")]
    breaks: Annotated[
        list[str],
        Field(description="Tags that can not be pulled whole because of it, at most 200; fewer of many faults."),
    ]
    breaks_more: Annotated[Count, Field(description="Tags beside these.")]

    @classmethod
    def of(cls, fault: Fault) -> Self:
        return cls(
            path=fault.path,
            kind=fault.kind,
            what=fault.what,
            why=fault.why,
            mended=fault.mended,
            job=fault.job or None,
            breaks=list(fault.breaks),
            breaks_more=fault.breaks_more,
        )


class AuditReport(Model):
    """The digest of the report as it is kept, and the one before it in the chain."""

    digest: str
    before: Annotated[str | None, Field(description="The id of the report before this one.")]
    before_digest: Annotated[str | None, Field(description="The digest of that report's bytes.")]


class Audit(Model):
    id: str
    state: AuditState
    phase: Phase
    proven: Annotated[
        bool | None,
        Field(description="Whether all was read, and is as it has to be; null before the audit is over."),
    ]
    requested: str
    started: str | None
    updated: str | None
    finished: str | None
    slices: Annotated[Count, Field(description="Runs that it took.")]
    bytes: Annotated[Count, Field(description="Of blobs that were hashed.")]
    checked: Annotated[
        dict[str, int],
        Field(
            description="Names of each kind that were checked; `other` are names that the mirror does not write, "
            "`passed` what was wrong only at first."
        ),
    ]
    faults: Annotated[list[AuditFault], Field(description="Of a single audit; at most 1,000.")]
    faults_found: Count
    faults_left: Annotated[Count, Field(description="Those that were not mended, or not yet.")]
    report: AuditReport | None
    error: ErrorDetails | None

    @classmethod
    def of(cls, shown: Shown, *, faults: bool = True) -> Self:
        """`faults` is off in a list."""
        progress, report = shown.progress, shown.report
        before = report.before if report is not None else None
        return cls(
            id=progress.id,
            state=progress.state,
            phase=progress.phase,
            proven=report.proven if report is not None else None,
            requested=progress.asked,
            started=progress.begun or None,
            updated=progress.updated or None,
            finished=progress.finished or None,
            slices=progress.slices,
            bytes=progress.size,
            checked=progress.counts,
            faults=[AuditFault.of(it) for it in progress.faults] if faults else [],
            faults_found=len(progress.faults) + progress.more_faults,
            faults_left=len(progress.left) + progress.more_faults,
            report=AuditReport(
                digest=str(report.digest),
                before=before.id if before is not None else None,
                before_digest=str(before.digest) if before is not None else None,
            )
            if report is not None
            else None,
            error=ErrorDetails(**progress.error) if progress.error else None,
        )


class AuditPage(Model):
    audits: list[Audit]
    last: str | None
    chain: Annotated[
        list[str],
        Field(description="What is wrong with the chain of reports: empty if each is there and as it was written."),
    ]

    @classmethod
    def of(cls, found: Iterable[Shown], last: str | None, chain: list[str]) -> Self:
        return cls(audits=[Audit.of(it, faults=False) for it in found], last=last, chain=chain)
