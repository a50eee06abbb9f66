"""What the API takes and gives. The OpenAPI document is generated from these models, and they are what validates."""

import json
from base64 import b64encode
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from acrmirror.application.health import Health
from acrmirror.application.images import Content, Standing, Variant
from acrmirror.errors import MirrorError
from acrmirror.history import Observation
from acrmirror.jobs import JobRecord
from acrmirror.oci import Descriptor, Manifest
from acrmirror.platforms import normal
from acrmirror.store.listing import TagEntry

State = Literal["queued", "running", "waiting", "interrupted", "done", "failed", "gone", "cancelled"]
WAIT_LIMIT = 60
PAGE_LIMIT = 1000
Count = Annotated[int, Field(ge=0)]


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Given(BaseModel):
    """What comes in: wrong types are refused rather than converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


# what is asked


class PullRequest(Given):
    """One image to bring into the mirror."""

    image: Annotated[
        str,
        Field(
            min_length=1,
            max_length=600,
            description="Repository with a tag or a digest, with or without the registry's host; no tag is `latest`.",
            examples=["team/app:1.2"],
        ),
    ]
    platforms: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=100)]],
        Field(max_length=20, description="Of an index, only the images for these, such as `linux/arm64`."),
    ] = []
    wait: Annotated[int, Field(ge=0, le=WAIT_LIMIT, description="Seconds to wait for the end of the pull.")] = 0
    force: Annotated[bool, Field(description="Look at everything again, whatever stands.")] = False


class MatchRequest(Given):
    """Many images: what the registry has of them and the mirror lacks."""

    match: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=400)]],
        Field(
            min_length=1,
            max_length=50,
            description="Repositories, with tags if wanted; `*` is any characters; a `!` in front takes away.",
            examples=[["team/*", "!team/tmp-*", "base/os:v*"]],
        ),
    ]
    dry_run: Annotated[bool, Field(description="Only say what would be asked for.")] = False


class PullsQuery(Model):
    state: Annotated[State | None, Field(description="Only those in this state.")] = None
    repository: Annotated[str | None, Field(max_length=255, description="Only those of this repository.")] = None
    n: Annotated[int, Field(ge=1, le=PAGE_LIMIT, description="At most so many.")] = 50
    last: Annotated[str | None, Field(max_length=64, description="Those behind this one, as the page before said.")] = (
        None
    )


class PageQuery(Model):
    n: Annotated[int, Field(ge=1, le=PAGE_LIMIT, description="At most so many; there may be fewer.")] = 100
    last: Annotated[
        str | None, Field(max_length=2000, description="Those behind this one, as the page before said.")
    ] = None


class ContentQuery(Model):
    platform: Annotated[
        str | None,
        Field(max_length=100, description="The one image that docker would take there; all of it if left out."),
    ] = None


class NoQuery(Model):
    pass


# what is answered


class Problem(Model):
    """RFC 9457: what was asked, what came of it, what to do."""

    type: Annotated[str, Field(description="`urn:acrmirror:` and the code; docs/errors.md has a row for each.")]
    title: str
    status: int
    detail: str
    code: str
    asked: str
    remedy: str
    errors: list["FieldError"] | None = None


class FieldError(Model):
    field: str
    problem: str


class ErrorDetails(Model):
    """The last failure of a job."""

    code: str
    asked: str
    answered: str
    remedy: str

    @classmethod
    def of(cls, error: MirrorError) -> Self:
        return cls(code=error.code, asked=error.asked, answered=error.answered, remedy=error.remedy)


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
    """How far a pull of many is. `done` as its state means that all were asked for; `jobs` says how these are."""

    patterns: list[str]
    dry_run: bool
    repositories: Count
    listed: Annotated[Count, Field(description="Tags that the patterns mean.")]
    standing: Annotated[Count, Field(description="Of these, as the registry has them already.")]
    asked: Annotated[Count, Field(description="Of these, asked for; with `dry_run`, what would be.")]
    sample: Annotated[list[str], Field(description="Some of them, at most 300.")]
    jobs: Annotated[dict[str, Count] | None, Field(description="How many are in each state; only of a single pull.")]


class Pull(Model):
    """A job and where it stands; jobs of events are listed too."""

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
            match=_match(fields, jobs) if fields.get("kind") == "match" else None,
            error=_error(fields),
        )


class PullPage(Model):
    pulls: list[Pull]
    last: str | None

    @classmethod
    def of(cls, records: Iterable[JobRecord], last: str | None) -> Self:
        return cls(pulls=[Pull.of(record) for record in records], last=last)


class RepositoryPage(Model):
    registry: str
    repositories: list[str]
    last: str | None


class Tag(Model):
    tag: str
    digest: str
    media_type: str
    size: Count
    time: Annotated[str, Field(description="The registry's own time of what set the tag last.")]

    @classmethod
    def of(cls, entry: TagEntry) -> Self:
        return cls(
            tag=entry.name, digest=str(entry.digest), media_type=entry.media_type, size=entry.size, time=entry.time
        )


class TagPage(Model):
    repository: str
    tags: list[Tag]
    last: str | None


class BlobEntry(Model):
    digest: str
    media_type: str
    size: Count

    @classmethod
    def of(cls, descriptor: Descriptor) -> Self:
        return cls(digest=str(descriptor.digest), media_type=descriptor.media_type, size=descriptor.size)


class ImageVariant(Model):
    platform: str | None
    digest: str
    media_type: str
    size: Annotated[Count, Field(description="Bytes of its config and layers.")]
    config: BlobEntry | None
    layers: list[BlobEntry]

    @classmethod
    def of(cls, variant: Variant) -> Self:
        manifest = variant.manifest
        return cls(
            platform=str(normal(variant.platform)) if variant.platform is not None else None,
            digest=str(manifest.digest),
            media_type=manifest.media_type,
            size=sum(blob.size for blob in {it.digest: it for it in manifest.blobs}.values()),
            config=BlobEntry.of(manifest.config) if manifest.config is not None else None,
            layers=[BlobEntry.of(layer) for layer in manifest.layers],
        )


class Referrer(Model):
    digest: str
    media_type: str
    artifact_type: str | None
    size: Count
    annotations: dict[str, str]


class Seen(Model):
    """One observation of the registry."""

    at: str
    digest: str
    kind: str
    id: str

    @classmethod
    def of(cls, seen: Observation) -> Self:
        return cls(at=seen.at, digest=str(seen.digest), kind=seen.kind, id=seen.identity)


class Image(Model):
    registry: str
    repository: str
    tag: str | None
    digest: str
    media_type: str
    artifact_type: str | None
    images: list[ImageVariant]
    referrers: list[Referrer]
    history: Annotated[list[Seen], Field(description="Newest first, at most 100.")]

    @classmethod
    def of(cls, registry: str, standing: Standing) -> Self:
        root = standing.root
        return cls(
            registry=registry,
            repository=standing.reference.repository,
            tag=standing.reference.tag,
            digest=str(root.digest),
            media_type=root.media_type,
            artifact_type=root.descriptor().artifact_type if not root.is_index else root.artifact_type,
            images=[ImageVariant.of(it) for it in standing.variants],
            referrers=[
                Referrer(
                    digest=str(it.digest),
                    media_type=it.media_type,
                    artifact_type=it.artifact_type,
                    size=it.size,
                    annotations=dict(it.annotations),
                )
                for it in standing.referrers
            ],
            history=[Seen.of(it) for it in standing.history],
        )


class ManifestText(Model):
    digest: str
    media_type: str
    size: Count
    raw: Annotated[str, Field(description="The very bytes, as base64.")]

    @classmethod
    def of(cls, manifest: Manifest) -> Self:
        return cls(
            digest=str(manifest.digest),
            media_type=manifest.media_type,
            size=manifest.size,
            raw=b64encode(manifest.raw).decode(),
        )


class LinkedBlob(BlobEntry):
    url: Annotated[
        str, Field(description="Read-only, for this blob alone, straight from Blob Storage. Keep it secret.")
    ]
    expires: str


class ImageContent(Model):
    """`manifests` begins with the one asked for."""

    registry: str
    repository: str
    tag: str | None
    digest: str
    platform: str | None
    manifests: list[ManifestText]
    blobs: list[LinkedBlob]
    absent: Annotated[list[BlobEntry], Field(description="Foreign layers that the registry does not have either.")]

    @classmethod
    def of(cls, registry: str, content: Content) -> Self:
        return cls(
            registry=registry,
            repository=content.reference.repository,
            tag=content.reference.tag,
            digest=str(content.manifests[0].digest),
            platform=str(content.platform) if content.platform is not None else None,
            manifests=[ManifestText.of(it) for it in content.manifests],
            blobs=[
                LinkedBlob(
                    digest=str(blob.digest),
                    media_type=blob.media_type,
                    size=blob.size,
                    url=link.url,
                    expires=link.expires.astimezone(UTC).isoformat(timespec="seconds"),
                )
                for blob, link in content.blobs
            ],
            absent=[BlobEntry.of(it) for it in content.absent],
        )


class CheckResult(Model):
    name: str
    ok: bool
    error: ErrorDetails | None


class HealthReport(Model):
    ok: bool
    checks: list[CheckResult]
    queue_messages: Annotated[int | None, Field(description="About how many jobs are queued, waiting or running.")]
    oldest_message_seconds: float | None

    @classmethod
    def of(cls, health: Health) -> Self:
        return cls(
            ok=health.ok,
            checks=[
                CheckResult(
                    name=it.name, ok=it.error is None, error=ErrorDetails.of(it.error) if it.error is not None else None
                )
                for it in health.checks
            ],
            queue_messages=health.queue.messages if health.queue is not None else None,
            oldest_message_seconds=health.oldest_message_seconds,
        )


class Live(Model):
    """It runs; more is for those with a key."""

    live: Literal[True] = True


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
_STATES: dict[str, State] = {
    "queued": "queued",
    "running": "running",
    "waiting": "waiting",
    "interrupted": "interrupted",
    "done": "done",
    "failed": "failed",
    "gone": "gone",
    "cancelled": "cancelled",
}


def _state(text: str) -> State:
    return _STATES.get(text, "failed")


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
    counts = {key: _number(fields, f"match_{key}") for key in ("repositories", "listed", "standing", "asked")}
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
