"""What all kinds of jobs share: how they are, and how far."""

from typing import Annotated, Any, Literal, Self, cast, get_args

from pydantic import Field

from acrmirror.http.models.base import Count, Model
from acrmirror.http.models.failures import ErrorDetails
from acrmirror.moments import from_datetime
from acrmirror.work import Record, RecordFields, State

JobKind = Literal[
    "event", "pull", "deletion", "sweep", "archive", "rebuild", "restore", "restore-image", "audit", "unreadable"
]
"""`event` is a copy that a push requested, `pull` one that a person or a sweep did."""
STORED = {"sweep": "match"}
"""Kinds that records have by another name."""
_TOLD: dict[str, JobKind] = {"match": "sweep", "": "unreadable"}


class JobState(Model):
    """How a job is."""

    id: str
    state: State
    requested: str
    started: str | None
    finished: str | None
    next_attempt: Annotated[
        str | None, Field(description="Of one that waits; and of one that was interrupted: by then it runs again.")
    ]
    notes: list[str]
    cancel_requested: bool
    error: ErrorDetails | None


class JobProgress(Model):
    """How far it is; `total` is null where that is not known."""

    done: Count
    total: Count | None
    unit: Literal["bytes", "images", "tags", "names"]

    @classmethod
    def of(cls, fields: RecordFields) -> Self:
        match fields["kind"]:
            case "match":
                found = fields["match_mirrored"] + fields["match_under_way"] + fields["match_requested"]
                return cls(done=found, total=max(found, fields["match_listed"]), unit="images")
            case "restore":
                return cls(done=fields["match_requested"], total=fields["match_listed"], unit="images")
            case "rebuild":
                return cls(done=fields["rebuild_looked_at"], total=None, unit="tags")
            case "deletion":
                return cls(done=int(fields["state"] == "done"), total=1, unit="images")
            case _:
                return cls(done=fields["bytes_done"], total=fields["bytes_total"], unit="bytes")


def state_of(record: Record) -> dict[str, Any]:
    """The fields of `JobState`."""
    fields = record.fields
    return {
        "id": record.id,
        "state": record.state,
        "requested": fields["received"] or fields["at"] or from_datetime(record.id.asked_at),
        "started": fields["first_started"] or None,
        "finished": finished(record),
        "next_attempt": record.next_attempt,
        "notes": fields["notes"],
        "cancel_requested": fields["cancel_requested"],
        "error": error_of(fields),
    }


def kind_of(record: Record) -> JobKind:
    kind = record.fields["kind"]
    return _TOLD.get(kind) or cast(JobKind, kind if kind in get_args(JobKind) else "unreadable")


def finished(record: Record) -> str | None:
    return record.fields["finished"] or None if record.state not in ("running", "waiting", "queued") else None


def error_of(fields: RecordFields) -> ErrorDetails | None:
    if not fields["error_code"]:
        return None
    return ErrorDetails(
        code=fields["error_code"],
        asked=fields["error_asked"],
        answered=fields["error_answered"],
        remedy=fields["error_remedy"],
    )
