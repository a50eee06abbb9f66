"""The mirror as copying asks for it: one object in front of several parts."""

from collections.abc import Callable, Iterable

from acrmirror.history import Observation, TagEvent
from acrmirror.mirror.blocks import block_count
from acrmirror.mirror.ingest import Ingest
from acrmirror.mirror.store import MirrorStore
from acrmirror.mirror.tags import TagState
from acrmirror.oci import Descriptor, Manifest
from acrmirror.reference import Digest, Reference


class CopyTarget:
    """What a copy writes into. Every method is that of the part behind it; see there."""

    def __init__(self, store: MirrorStore) -> None:
        self._store = store

    def has(self, descriptor: Descriptor) -> bool:
        return self._store.blobs.has(descriptor)

    def blocks(self, descriptor: Descriptor) -> int:
        return block_count(descriptor.size)

    def ingest(
        self, descriptor: Descriptor, *, resume: bool = True, verify: Callable[[], None] | None = None
    ) -> Ingest | None:
        return self._store.blobs.ingest(descriptor, resume=resume, verify=verify)

    def linked(self, repository: str, digest: Digest) -> bool:
        return self._store.blobs.linked(repository, digest)

    def link(self, repository: str, descriptor: Descriptor, *, mend: bool = False) -> None:
        self._store.blobs.link(repository, descriptor, mend=mend)

    def stands(self, repository: str, digest: Digest, *, whole: bool = False) -> Descriptor | None:
        return self._store.manifests.find(repository, digest, whole=whole)

    def has_subject(self, repository: str, digest: Digest) -> bool:
        return self._store.manifests.has_subject(repository, digest)

    def write_manifest(
        self, repository: str, manifest: Manifest, *, verify: Callable[[], None] | None = None, whole: bool = True
    ) -> None:
        self._store.manifests.write(repository, manifest, verify=verify, whole=whole)

    def read_manifest(self, repository: str, descriptor: Descriptor) -> Manifest:
        return self._store.manifests.read(repository, descriptor)

    def read_tag(self, repository: str, tag: str) -> TagState | None:
        return self._store.tags.read(repository, tag)

    def tag(
        self,
        repository: str,
        tag: str,
        descriptor: Descriptor,
        at: str,
        expected: TagState | None,
        event: TagEvent | None = None,
    ) -> None:
        self._store.tags.set(repository, tag, descriptor, at, expected, event)

    def observe(self, reference: Reference, seen: Observation) -> None:
        self._store.history.observe(reference, seen)

    def add_referrers(self, repository: str, subject: Digest, referrers: Iterable[Descriptor], at: str) -> bool:
        return self._store.referrers.add(repository, subject, referrers, at)

    def keep_referrers_tag(self, repository: str, tag: str, at: str) -> Digest | None:
        return self._store.referrers.keep_tag(repository, tag, at)

    def merge_referrers_tag(
        self,
        repository: str,
        tag: str,
        theirs: Manifest,
        at: str,
        expected: TagState | None,
        event: TagEvent | None = None,
    ) -> Digest:
        return self._store.referrers.merge_tag(repository, tag, theirs, at, expected, event)
