"""What is in the mirror: repositories, tags, images, and an image's content."""

from base64 import b64encode
from datetime import UTC
from typing import Annotated, Self

from pydantic import Field

from acrmirror.history import Observation
from acrmirror.http.models.base import Count, Model
from acrmirror.mirror.listing import TagEntry
from acrmirror.oci import Descriptor, Manifest
from acrmirror.platforms import normal
from acrmirror.proof.proofs import ImageProof
from acrmirror.serve.past import Move
from acrmirror.serve.views import Content, MirroredImage, Variant


class RepositoryPage(Model):
    registry: str
    repositories: list[str]
    last: str | None


class Tag(Model):
    tag: str
    digest: str
    media_type: Annotated[
        str | None, Field(description="Null where the mirror does not have what a tag of the past named.")
    ]
    size: Annotated[Count | None, Field(description="Bytes of the manifest; null as `media_type` is.")]
    image_size: Annotated[
        Count | None,
        Field(
            description="Bytes of config and layers; of an index of all that it lists, each blob once. Null without "
            "`sizes`, and where its manifests can't be read, or a page has more than 1,000 of them."
        ),
    ]
    pushed: Annotated[
        str | None, Field(description="The registry's time of the newest push to this digest; null if no event told.")
    ]
    checked: Annotated[str, Field(description="The registry's time at which the tag was last known to be here.")]
    time: Annotated[str, Field(description="As `checked`.")]

    @classmethod
    def of(cls, entry: TagEntry, image_size: int | None = None) -> Self:
        return cls(
            tag=entry.name,
            digest=str(entry.digest),
            media_type=entry.media_type or None,
            size=entry.size if entry.media_type else None,
            image_size=image_size,
            pushed=entry.pushed,
            checked=max(entry.time, entry.pushed or entry.time),
            time=entry.time,
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
    """An image, an artifact, or what an index lists besides manifests, as build caches do."""

    platform: str | None
    digest: str
    media_type: str
    artifact_type: str | None
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
            artifact_type=manifest.artifact_type,
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


class Moved(Model):
    """A tag that came or moved, or a deletion."""

    at: Annotated[str, Field(description="The registry's own time.")]
    kind: Annotated[str, Field(description="`event` of a push, `resolve` where the registry was asked, `deleted`.")]
    tags: Annotated[
        list[str], Field(description="The tag that moved; of a deletion, the tags that were last seen at the digest.")
    ]
    digest: str
    before: Annotated[str | None, Field(description="Where the tag was before; null if that is not known.")]
    mirrored: Annotated[bool, Field(description="Whether the mirror has the digest.")]
    id: Annotated[str, Field(description="Of the event or the job.")]

    @classmethod
    def of(cls, move: Move) -> Self:
        return cls(
            at=move.seen.at,
            kind=move.seen.kind,
            tags=list(move.tags),
            digest=str(move.seen.digest),
            before=str(move.before) if move.before is not None else None,
            mirrored=move.mirrored,
            id=move.seen.identity,
        )


class HistoryPage(Model):
    repository: str
    tag: str | None
    moves: Annotated[list[Moved], Field(description="Newest first.")]
    last: str | None


class Proof(Model):
    """What the last audit that looked at an image found."""

    audit: Annotated[str, Field(description="Its id.")]
    at: Annotated[str, Field(description="When it began.")]
    proven: Annotated[bool, Field(description="All of the image was read, and is as it has to be.")]
    wrong: Annotated[list[str], Field(description="What was found, and not mended; at most 10.")]

    @classmethod
    def of(cls, proof: ImageProof) -> Self:
        return cls(audit=proof.audit, at=proof.at, proven=not proof.wrong, wrong=list(proof.wrong))


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
    proof: Annotated[Proof | None, Field(description="Null where no audit has looked at it since it was written.")]

    @classmethod
    def of(cls, registry: str, image: MirroredImage, proof: ImageProof | None = None) -> Self:
        root = image.root
        return cls(
            registry=registry,
            repository=image.reference.repository,
            tag=image.reference.tag,
            digest=str(root.digest),
            media_type=root.media_type,
            artifact_type=root.descriptor().artifact_type if not root.is_index else root.artifact_type,
            images=[ImageVariant.of(it) for it in image.variants],
            referrers=[
                Referrer(
                    digest=str(it.digest),
                    media_type=it.media_type,
                    artifact_type=it.artifact_type,
                    size=it.size,
                    annotations=dict(it.annotations),
                )
                for it in image.referrers
            ],
            history=[Seen.of(it) for it in image.history],
            proof=Proof.of(proof) if proof is not None else None,
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
    """`manifests` begins with the one requested. All are on each page, and up to 2,000 blobs."""

    registry: str
    repository: str
    tag: str | None
    digest: str
    platform: str | None
    manifests: list[ManifestText]
    blobs: list[LinkedBlob]
    absent: Annotated[list[BlobEntry], Field(description="Foreign layers that the registry does not have here either.")]
    last: Annotated[str | None, Field(description="Give it as `last` to go on; null where there are no more blobs.")]

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
            last=str(content.last) if content.last is not None else None,
        )
