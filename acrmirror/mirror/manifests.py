"""Manifests: their bytes among the blobs, and a link in each repository that promises a complete closure."""

from collections.abc import Callable

from acrmirror.mirror.blobs import Blobs
from acrmirror.mirror.layout import Layout
from acrmirror.oci import MAX_MANIFEST_SIZE, Descriptor, Manifest, parse_manifest
from acrmirror.reference import Digest
from acrmirror.storage import Container

_LEFT_OUT = "left_out"
"""Beside a revision link: a foreign layer of what it promises was not to be had."""


class Manifests:
    """Manifests by repository and digest. Thread-safe."""

    def __init__(self, container: Container, layout: Layout, blobs: Blobs) -> None:
        self._container = container
        self._layout = layout
        self._blobs = blobs

    def find(self, repository: str, digest: Digest, *, whole: bool = False) -> Descriptor | None:
        """The manifest's descriptor, if its closure is complete in this repository: the only skip test (rule L1). With
        `whole`, only if no foreign layer was left out of that."""
        head = self._container.head(self._layout.revision_link(repository, digest), _looked_for(repository, digest))
        if head is None or (whole and _LEFT_OUT in head.metadata):
            return None
        try:
            return Descriptor(str(head.metadata["media_type"]), digest, int(head.metadata["size"]))
        except (KeyError, ValueError):
            return None

    def has_subject(self, repository: str, digest: Digest) -> bool:
        """Whether a manifest of the mirror refers to another: its revision link says so."""
        head = self._container.head(self._layout.revision_link(repository, digest), _looked_for(repository, digest))
        return head is not None and "subject" in head.metadata

    def write(
        self, repository: str, manifest: Manifest, *, verify: Callable[[], None] | None = None, whole: bool = True
    ) -> None:
        """The manifest's bytes, then its revision link. To be called when all that it points at is in the mirror;
        `whole` is off where a foreign layer was left out of that."""
        self._blobs.put(manifest.raw, manifest.digest, verify)
        metadata = {"media_type": manifest.media_type, "size": str(manifest.size)}
        if manifest.subject is not None:
            metadata["subject"] = str(manifest.subject.digest)
        if not whole:
            metadata[_LEFT_OUT] = "true"
        name = self._layout.revision_link(repository, manifest.digest)
        asked = f"link manifest {manifest.digest} to {repository}"
        self._container.put(name, str(manifest.digest).encode(), asked, metadata)

    def read(self, repository: str, descriptor: Descriptor) -> Manifest:
        """A manifest of the mirror, parsed. Raises Damaged, DigestMismatch or Malformed (TooLarge among it) where its
        bytes are missing or wrong."""
        asked = f"read {repository}@{descriptor.digest} from the mirror"
        raw = self._blobs.read(descriptor.digest, MAX_MANIFEST_SIZE, asked)
        return parse_manifest(raw, descriptor.media_type, descriptor.digest)


def _looked_for(repository: str, digest: Digest) -> str:
    return f"look for {repository}@{digest}"
