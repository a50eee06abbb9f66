"""The mirror in figures."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import Field

from acrmirror.http.models.base import Count, Model
from acrmirror.jobs.counting import Lately
from acrmirror.moments import from_datetime
from acrmirror.stats import Figures, LastAudit
from acrmirror.version import VERSION
from acrmirror.work import BACKFILL_QUEUE, DEAD_BACKFILL_QUEUE, DEAD_QUEUE, JOB_QUEUE, State


class QueueFigures(Model):
    """About how many messages there are, those that are being run among them."""

    pushes: Annotated[Count, Field(description="Pushes, and pulls of one image.")]
    backfill: Annotated[Count, Field(description="Sweeps and what they requested, archives, restores, audits.")]
    poison: Annotated[Count, Field(description="In the poison queues, and not in their records yet.")]


class ComparisonFigures(Model):
    id: str
    state: State
    finished: str | None
    drift: Annotated[Count, Field(description="Images and manifests that it found missing, and requested.")]

    @classmethod
    def of(cls, lately: Lately) -> Self | None:
        record = lately.comparison
        if record is None:
            return None
        fields = record.fields
        return cls(
            id=record.id, state=record.state, finished=fields["finished"] or None, drift=fields["match_requested"]
        )


class AuditFigures(Model):
    state: Literal["done", "failed"]
    finished: str | None
    proven: Annotated[
        bool | None, Field(description="Whether all was read, and is as it has to be; null of one that failed.")
    ]
    faults: Annotated[Count, Field(description="Those that it did not mend.")]

    @classmethod
    def of(cls, audit: LastAudit | None) -> Self | None:
        if audit is None:
            return None
        return cls(state=audit.state, finished=_moment(audit.finished), proven=audit.proven, faults=audit.faults)


class Stats(Model):
    """What is null is not known: nothing was counted yet, or there was none. Nothing is counted for the request alone:
    figures are given with the time that they are of."""

    version: Annotated[str, Field(description="Of the app.")] = VERSION
    registry: str
    repositories: Annotated[Count | None, Field(description="Of the registry, in the mirror; as are tags and digests.")]
    tags: Annotated[Count | None, Field(description="Without those that only list referrers.")]
    digests: Annotated[Count | None, Field(description="Manifests, counted in each repository that has them.")]
    bytes_stored: Annotated[
        Count | None, Field(description="Of all blobs in the mirror's container, each counted once, without links.")
    ]
    computed: Annotated[str | None, Field(description="When these four were counted.")]
    last_event: Annotated[str | None, Field(description="The time of the newest event of the last seven days.")]
    lag_seconds: Annotated[
        float | None,
        Field(ge=0, description="Of the newest push: from its event until it was in the mirror; so far, if it is not."),
    ]
    queues: QueueFigures | None
    jobs: Annotated[
        dict[State, Count] | None, Field(description="Of those requested within the last seven days, by state.")
    ]
    jobs_cut: Annotated[bool, Field(description="There are more than the 200,000 newest, which were counted.")]
    failed_24h: Annotated[Count | None, Field(description="Jobs that ended as failed within 24 hours.")]
    last_comparison: Annotated[
        ComparisonFigures | None,
        Field(description="The comparison of everything that ended last, within seven days."),
    ]
    last_audit: Annotated[AuditFigures | None, Field(description="The audit that ended last.")]
    counted: Annotated[str | None, Field(description="When all but the first four was looked at.")]

    @classmethod
    def of(cls, figures: Figures) -> Self:
        totals, recent = figures.totals, figures.recent
        lately = recent.lately if recent is not None else None
        return cls(
            registry=figures.registry,
            repositories=totals.repositories if totals is not None else None,
            tags=totals.tags if totals is not None else None,
            digests=totals.digests if totals is not None else None,
            bytes_stored=totals.bytes_stored if totals is not None else None,
            computed=_moment(totals.computed) if totals is not None else None,
            last_event=lately.last_event if lately is not None else None,
            lag_seconds=lately.lag_seconds if lately is not None else None,
            queues=_queues(recent.messages) if recent is not None else None,
            jobs=lately.jobs if lately is not None else None,
            jobs_cut=lately.cut if lately is not None else False,
            failed_24h=lately.failed if lately is not None else None,
            last_comparison=ComparisonFigures.of(lately) if lately is not None else None,
            last_audit=AuditFigures.of(recent.audit) if recent is not None else None,
            counted=_moment(recent.counted) if recent is not None else None,
        )


def _queues(messages: dict[str, int]) -> QueueFigures:
    return QueueFigures(
        pushes=messages[JOB_QUEUE],
        backfill=messages[BACKFILL_QUEUE],
        poison=messages[DEAD_QUEUE] + messages[DEAD_BACKFILL_QUEUE],
    )


def _moment(at: datetime | None) -> str | None:
    return from_datetime(at) if at is not None else None
