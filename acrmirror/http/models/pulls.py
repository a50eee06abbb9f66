"""Jobs and how far they are, made from their records."""

from collections.abc import Iterable
from typing import Annotated, Any, Self

from pydantic import Field

from acrmirror.http.models.base import Count, Model
from acrmirror.http.models.failures import ErrorDetails
from acrmirror.http.models.jobs import state_of
from acrmirror.jobs.records import Requested
from acrmirror.work import Record, RecordFields, State


class Layer(Model):
    digest: str
    size: Count
    done: Count
    state: str


class Progress(Model):
    """Bytes and counts are of configs and layers. Figures never go back while a job runs."""

    bytes_total: Count
    bytes_done: Count
    bytes_read: Count
    bytes_written: Count
    layers_total: Count
    layers_done: Count
    layers_skipped: Count
    manifests: Count
    layers: list[Layer]

    @classmethod
    def of(cls, fields: RecordFields) -> Self:
        return cls(
            bytes_total=fields["bytes_total"],
            bytes_done=fields["bytes_done"],
            bytes_read=fields["bytes_read"],
            bytes_written=fields["bytes_written"],
            layers_total=fields["layers_total"],
            layers_done=fields["layers_done"],
            layers_skipped=fields["layers_skipped"],
            manifests=fields["manifests"],
            layers=[
                Layer(digest=digest, size=it.size, done=it.done, state=it.state)
                for digest, it in fields["layers"].items()
            ],
        )


class Match(Model):
    """How far a pull of many is. `done` as its state means that all were compared and requested, `incomplete` that
    `notes` and `error` name what could not be compared; `jobs` says how what was requested is."""

    patterns: list[str]
    dry_run: bool
    repositories: Count
    manifests: Annotated[Count, Field(description="Of these repositories, tagged or not: what was compared.")]
    listed: Annotated[
        Count, Field(description="Tags that the patterns match, and manifests without one that the mirror lacks.")
    ]
    mirrored: Annotated[Count, Field(description="Of these, in the mirror already, as the registry has them.")]
    under_way: Annotated[Count, Field(description="Of these, being copied already, for a push or another pull.")]
    requested: Annotated[Count, Field(description="Of these, those that it requested; with `dry_run`, would request.")]
    sample: Annotated[list[str], Field(description="Some of them, at most 300.")]
    jobs: Annotated[dict[str, Count] | None, Field(description="How many are in each state; only of a single pull.")]
    bytes_done: Annotated[Count | None, Field(description="Of these jobs; null as `jobs` is.")]
    bytes_total: Annotated[
        Count | None, Field(description="Of those of these jobs that have begun: it grows until all have.")
    ]

    @classmethod
    def of(cls, fields: RecordFields, jobs: Requested | None) -> Self:
        return cls(
            patterns=fields["patterns"],
            dry_run=fields["dry_run"],
            repositories=fields["match_repositories"],
            manifests=fields["match_manifests"],
            listed=fields["match_listed"],
            mirrored=fields["match_mirrored"],
            under_way=fields["match_under_way"],
            requested=fields["match_requested"],
            sample=fields["match_sample"],
            jobs=jobs.states if jobs is not None else None,
            bytes_done=jobs.bytes_done if jobs is not None else None,
            bytes_total=jobs.bytes_total if jobs is not None else None,
        )


class Check(Model):
    """What came of asking the registry again, after an answer that may be a lagging replica's. It changes nothing
    about the job's own state."""

    number: Annotated[Count, Field(description="How often it was asked by then.")]
    state: State
    finished: str | None
    next_attempt: str | None
    notes: list[str]
    error: ErrorDetails | None

    @classmethod
    def of(cls, fields: RecordFields) -> Self | None:
        state = fields["check_state"]
        if not state:
            return None
        return cls(
            number=fields["check"],
            state=state,
            finished=fields["check_finished"] or None if state != "waiting" else None,
            next_attempt=fields["check_next_attempt"] or None if state == "waiting" else None,
            notes=fields["check_notes"],
            error=ErrorDetails(
                code=fields["check_error_code"],
                asked=fields["check_error_asked"],
                answered=fields["check_error_answered"],
                remedy=fields["check_error_remedy"],
            )
            if fields["check_error_code"]
            else None,
        )


class CopyDetails(Model):
    """The copy of one image, or the deletion of one that is looked into."""

    image: str
    repository: str
    tag: str | None
    digest: str | None
    platforms: list[str]
    target: Annotated[
        str | None, Field(description="Of a restore, and of an image of one: the registry that it goes to.")
    ]
    force: bool
    deliveries: Annotated[
        Count, Field(description="How often its message was delivered: more than once, if workers died.")
    ]
    attempt: Count
    progress: Progress
    requests: Count
    requests_by_kind: dict[str, int]
    mirrored_digest: str | None
    tagged_digest: str | None
    referrers: Count
    left_out: dict[str, str]
    check: Check | None

    @classmethod
    def of_fields(cls, fields: RecordFields, **more: Any) -> Self:
        repository, tag, digest = fields["repository"], fields["tag"], fields["digest"]
        return cls(
            image=image_of(fields) or _many(fields),
            repository=repository,
            tag=tag or None,
            digest=digest or None,
            platforms=fields["platforms"],
            target=fields["target"] or None,
            force=fields["force"],
            deliveries=fields["deliveries"],
            attempt=fields["attempt"],
            progress=Progress.of(fields),
            requests=fields["requests"],
            requests_by_kind=fields["requests_by_kind"],
            mirrored_digest=fields["mirrored_digest"] or None,
            tagged_digest=fields["tagged_digest"] or None,
            referrers=fields["referrers"],
            left_out=fields["left_out"],
            check=Check.of(fields),
            **more,
        )


class Pull(CopyDetails):
    """A job and how far it is; jobs of events are listed too."""

    id: str
    kind: str
    state: State
    received: str | None
    started: str | None
    finished: str | None
    next_attempt: Annotated[
        str | None, Field(description="Of one that waits; and of one that was interrupted: by then it runs again.")
    ]
    notes: list[str]
    cancel_requested: bool
    parent: Annotated[str | None, Field(description="The pull of many that requested this one.")]
    match: Match | None
    error: ErrorDetails | None

    @classmethod
    def of(cls, record: Record, jobs: Requested | None = None) -> Self:
        fields = record.fields
        state = {name: value for name, value in state_of(record).items() if name != "requested"}
        return cls.of_fields(
            fields,
            kind=fields["kind"] or "unreadable",
            received=fields["received"] or None,
            parent=fields["parent"] or None,
            match=Match.of(fields, jobs) if fields["kind"] == "match" else None,
            **state,
        )


class PullPage(Model):
    pulls: list[Pull]
    last: str | None

    @classmethod
    def of(cls, records: Iterable[Record], last: str | None) -> Self:
        return cls(pulls=[Pull.of(record) for record in records], last=last)


def image_of(fields: RecordFields) -> str:
    """Empty for a job that is about many."""
    tag, digest = fields["tag"], fields["digest"]
    return f"{fields['repository']}{f':{tag}' if tag else ''}{f'@{digest}' if digest else ''}"


def _many(fields: RecordFields) -> str:
    """What an archive, a rebuild of tags, or a restore is shown as."""
    images = fields["images"]
    if images:
        return f"{images[0]} and {len(images) - 1} more" if len(images) > 1 else images[0]
    return " ".join(fields["patterns"]) if fields["kind"] in ("rebuild", "restore") else ""
