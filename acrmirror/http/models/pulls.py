"""Jobs and how far they are, made from their records."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Self, cast, get_args

from pydantic import Field

from acrmirror.http.models.base import Count, Model, State
from acrmirror.http.models.failures import ErrorDetails
from acrmirror.jobs import JobRecord


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


class Match(Model):
    """How far a pull of many is. `done` as its state means that all were compared and asked for, `incomplete` that
    `notes` and `error` name what could not be compared; `jobs` says how what was asked for is."""

    patterns: list[str]
    dry_run: bool
    repositories: Count
    manifests: Annotated[Count, Field(description="Of these repositories, tagged or not: what was compared.")]
    listed: Annotated[
        Count, Field(description="Tags that the patterns match, and manifests without one that the mirror lacks.")
    ]
    mirrored: Annotated[Count, Field(description="Of these, in the mirror already, as the registry has them.")]
    under_way: Annotated[Count, Field(description="Of these, being copied already, for a push or another pull.")]
    asked: Annotated[Count, Field(description="Of these, asked for; with `dry_run`, what would be.")]
    sample: Annotated[list[str], Field(description="Some of them, at most 300.")]
    jobs: Annotated[dict[str, Count] | None, Field(description="How many are in each state; only of a single pull.")]


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
    def of(cls, fields: dict[str, Any]) -> Self:
        own = {name.removeprefix("check_"): value for name, value in fields.items() if name.startswith("check_")}
        state = _state(_text(own, "state") or "queued")
        return cls(
            number=_number(fields, "check"),
            state=state,
            finished=_text(own, "finished") if state != "waiting" else None,
            next_attempt=_text(own, "next_attempt") if state == "waiting" else None,
            notes=_loaded(own, "notes", []),
            error=_error(own),
        )


class Pull(Model):
    """A job and how far it is; jobs of events are listed too."""

    id: str
    kind: str
    state: State
    image: str
    repository: str
    tag: str | None
    digest: str | None
    platforms: list[str]
    force: bool
    received: str | None
    started: str | None
    finished: str | None
    next_attempt: str | None
    attempt: Count
    progress: Progress
    requests: Count
    requests_by_kind: dict[str, int]
    mirrored_digest: str | None
    tagged_digest: str | None
    referrers: Count
    left_out: dict[str, str]
    notes: list[str]
    cancel_requested: bool
    parent: Annotated[str | None, Field(description="The pull of many that asked for this one.")]
    check: Check | None
    match: Match | None
    error: ErrorDetails | None

    @classmethod
    def of(cls, record: JobRecord, jobs: dict[str, int] | None = None) -> Self:
        fields = record.fields
        repository, tag, digest = (_text(fields, key) for key in ("repository", "tag", "digest"))
        return cls(
            id=record.id,
            kind=_text(fields, "kind") or "unreadable",
            state=_state(record.state),
            image=f"{repository or ''}{f':{tag}' if tag else ''}{f'@{digest}' if digest else ''}",
            repository=repository or "",
            tag=tag,
            digest=digest,
            platforms=_loaded(fields, "platforms", []),
            force=bool(fields.get("force")),
            received=_text(fields, "received"),
            started=_text(fields, "first_started"),
            finished=_text(fields, "finished") if record.state not in ("running", "waiting", "queued") else None,
            next_attempt=_text(fields, "next_attempt"),
            attempt=_number(fields, "attempt"),
            progress=Progress(
                layers=[
                    Layer(digest=key, size=size, done=done, state=state)
                    for key, (size, done, state) in _loaded(fields, "layers", {}).items()
                ],
                **{key: _number(fields, key) for key in _FIGURES},
            ),
            requests=_number(fields, "requests"),
            requests_by_kind=_loaded(fields, "requests_by_kind", {}),
            mirrored_digest=_text(fields, "mirrored_digest"),
            tagged_digest=_text(fields, "tagged_digest"),
            referrers=_number(fields, "referrers"),
            left_out=_loaded(fields, "left_out", {}),
            notes=_loaded(fields, "notes", []),
            cancel_requested=bool(fields.get("cancel_requested")),
            parent=_text(fields, "parent"),
            check=Check.of(fields) if "check_state" in fields else None,
            match=_match(fields, jobs) if fields.get("kind") == "match" else None,
            error=_error(fields),
        )


class PullPage(Model):
    pulls: list[Pull]
    last: str | None

    @classmethod
    def of(cls, records: Iterable[JobRecord], last: str | None) -> Self:
        return cls(pulls=[Pull.of(record) for record in records], last=last)


_FIGURES = (
    "bytes_total",
    "bytes_done",
    "bytes_read",
    "bytes_written",
    "layers_total",
    "layers_done",
    "layers_skipped",
    "manifests",
)


def _state(text: str) -> State:
    return cast(State, text) if text in get_args(State) else "failed"


def _text(fields: dict[str, Any], key: str) -> str | None:
    value = fields.get(key)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if value else None


def _number(fields: dict[str, Any], key: str) -> int:
    return int(fields.get(key) or 0)


def _loaded(fields: dict[str, Any], key: str, default: Any) -> Any:
    value = fields.get(key)
    if isinstance(value, str):
        return json.loads(value) if value else default
    return default if value is None else value


def _match(fields: dict[str, Any], jobs: dict[str, int] | None) -> Match:
    keys = ("repositories", "manifests", "listed", "mirrored", "under_way", "asked")
    counts = {key: _number(fields, f"match_{key}") for key in keys}
    if "match_mirrored" not in fields:
        # As the version before wrote it.
        counts["mirrored"] = _number(fields, "match_standing")
    return Match(
        patterns=_loaded(fields, "patterns", []),
        dry_run=bool(fields.get("dry_run")),
        sample=_loaded(fields, "match_sample", []),
        jobs=jobs,
        **counts,
    )


def _error(fields: dict[str, Any]) -> ErrorDetails | None:
    code = _text(fields, "error_code")
    if code is None:
        return None
    asked, answered, remedy = (_text(fields, f"error_{key}") or "" for key in ("asked", "answered", "remedy"))
    return ErrorDetails(code=code, asked=asked, answered=answered, remedy=remedy)
