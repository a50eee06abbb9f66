"""An image as a plain value: what to push, in the order in which a client would push it."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Self

from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from testkit.images.content import Content


@dataclass(frozen=True, slots=True)
class Blob:
    descriptor: Descriptor
    content: Content


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest's bytes, and the tag it is pushed under; without one it is pushed by its digest."""

    descriptor: Descriptor
    raw: bytes
    tag: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """Everything behind `root`: `blobs` each once, `manifests` with children before their parents.

    What a manifest lists and the registry isn't meant to have (foreign layers) is not among `blobs`.
    """

    root: Descriptor
    blobs: tuple[Blob, ...]
    manifests: tuple[StoredManifest, ...]

    @property
    def tag(self) -> str | None:
        """The tag of the root."""
        return next((stored.tag for stored in self.manifests if stored.descriptor.digest == self.root.digest), None)

    @property
    def size(self) -> int:
        """Bytes of all distinct blobs and manifests."""
        return sum(b.descriptor.size for b in self.blobs) + sum(m.descriptor.size for m in self.manifests)

    def tagged(self, tag: str | None) -> Self:
        """The same image with its root under another tag, or under none."""
        return replace(
            self,
            manifests=tuple(
                replace(stored, tag=tag) if stored.descriptor.digest == self.root.digest else stored
                for stored in self.manifests
            ),
        )

    def manifest(self, digest: Digest) -> StoredManifest:
        return next(stored for stored in self.manifests if stored.descriptor.digest == digest)


def together(first: Image, *others: Image) -> Image:
    """One value that pushes all of them in this order; its root is the first one's."""
    blobs: dict[Digest, Blob] = {}
    manifests: dict[Digest, StoredManifest] = {}
    for image in (first, *others):
        for blob in image.blobs:
            blobs.setdefault(blob.descriptor.digest, blob)
        for stored in image.manifests:
            manifests.setdefault(stored.descriptor.digest, stored)
    return Image(first.root, tuple(blobs.values()), tuple(manifests.values()))


class Draft:
    """An image in the making: add blobs and manifests bottom up, then take `image(root)`."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, Blob] = {}
        self._manifests: dict[Digest, StoredManifest] = {}

    def blob(self, data: bytes, media_type: str, algorithm: str = "sha256", /, **more: Any) -> Descriptor:
        """Adds a small blob; `more` are further fields of its descriptor."""
        return self.content(Content.of(data), Digest.of(data, algorithm), media_type, **more)

    def content(self, content: Content, digest: Digest, media_type: str, **more: Any) -> Descriptor:
        descriptor = Descriptor(media_type, digest, content.size, **more)
        self._blobs.setdefault(digest, Blob(descriptor, content))
        return descriptor

    def manifest(self, body: dict[str, Any], tag: str | None = None, algorithm: str = "sha256") -> Descriptor:
        """Adds a manifest, written as its `mediaType` usually is: indented, so that only the very bytes will do."""
        raw = json.dumps(body, indent=3 if ".docker." in body["mediaType"] else 2, ensure_ascii=False).encode()
        return self.raw_manifest(raw, body["mediaType"], tag, algorithm)

    def raw_manifest(
        self, raw: bytes, media_type: str, tag: str | None = None, algorithm: str = "sha256"
    ) -> Descriptor:
        descriptor = Descriptor(media_type, Digest.of(raw, algorithm), len(raw))
        self._manifests[descriptor.digest] = StoredManifest(descriptor, raw, tag)
        return descriptor

    def image(self, root: Descriptor) -> Image:
        return Image(root, tuple(self._blobs.values()), tuple(self._manifests.values()))


def entry(descriptor: Descriptor) -> dict[str, Any]:
    """A descriptor as manifests have it."""
    fields: dict[str, Any] = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
    }
    if descriptor.artifact_type:
        fields["artifactType"] = descriptor.artifact_type
    if descriptor.platform is not None:
        platform = descriptor.platform
        fields["platform"] = {"architecture": platform.architecture, "os": platform.os}
        if platform.variant:
            fields["platform"]["variant"] = platform.variant
    if descriptor.urls:
        fields["urls"] = list(descriptor.urls)
    if descriptor.data is not None:
        fields["data"] = base64.b64encode(descriptor.data).decode()
    if descriptor.annotations:
        fields["annotations"] = dict(descriptor.annotations)
    return fields


def entries(descriptors: Iterable[Descriptor]) -> list[dict[str, Any]]:
    return [entry(descriptor) for descriptor in descriptors]
