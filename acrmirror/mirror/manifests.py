"""Manifests: their bytes among the blobs, and a link in each repository that promises a complete closure."""

from dataclasses import dataclass

from acrmirror.mirror.blobs import Blobs
from acrmirror.mirror.layout import Layout
from acrmirror.oci import MAX_MANIFEST_SIZE, Descriptor, Manifest, parse_manifest
from acrmirror.reference import Digest
from acrmirror.storage import Container

_LEFT_OUT = "left_out"
"""Beside a revision link: a foreign layer of what it promises was not to be had."""


@dataclass(frozen=True, slots=True)
class Revision:
    """A manifest that a repository has, with its closure (rule L1). `whole`: no foreign layer was left out of that;
    `refers`: the manifest has a subject."""

    descriptor: Descriptor
    whole: bool
    refers: bool


class Manifests:
    """Manifests by repository and digest. Thread-safe."""

    def __init__(self, container: Container, layout: Layout, blobs: Blobs) -> None:
        self._container = container
        self._layout = layout
        self._blobs = blobs

    def find(self, repository: str, digest: Digest) -> Descriptor | None:
        """The manifest's descriptor, if its closure is complete in this repository."""
        revision = self.revision(repository, digest)
        return revision.descriptor if revision is not None else None

    def revision(self, repository: str, digest: Digest) -> Revision | None:
        """What the manifest's link promises, if its closure is complete in this repository: the only skip test (rule
        L1)."""
        name = self._layout.revision_link(repository, digest)
        head = self._container.head(name, f"look for {repository}@{digest}")
        if head is None:
            return None
        try:
            descriptor = Descriptor(str(head.metadata["media_type"]), digest, int(head.metadata["size"]))
        except (KeyError, ValueError):
            return None
        return Revision(descriptor, _LEFT_OUT not in head.metadata, "subject" in head.metadata)

    def write(self, repository: str, manifest: Manifest, *, anew: bool = False, whole: bool = True) -> None:
        """The manifest's bytes, then its revision link. To be called when all that it points at is in the mirror;
        `whole` is off where a foreign layer was left out of that. With `anew`, bytes that are there are hashed, and
        replaced if they are wrong."""
        self.put(manifest, anew=anew)
        self.link(repository, manifest, whole=whole)

    def put(self, manifest: Manifest, *, anew: bool = False) -> None:
        """The bytes alone, which no repository serves before its link. With `anew` as in `write`."""
        self._blobs.put(manifest.raw, manifest.digest, anew=anew)

    def link(self, repository: str, manifest: Manifest, *, whole: bool = True) -> None:
        """The revision link of a manifest whose bytes are in the mirror, with all that it points at (rule L1)."""
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
        return parse_manifest(self.raw(repository, descriptor), descriptor.media_type, descriptor.digest)

    def raw(self, repository: str, descriptor: Descriptor) -> bytes:
        """A manifest's bytes, which are not hashed here. Raises Damaged or TooLarge."""
        asked = f"read {repository}@{descriptor.digest} from the mirror"
        return self._blobs.read(descriptor.digest, MAX_MANIFEST_SIZE, asked)
