"""What a restore would send, without sending it: bytes, and requests of the target."""

import threading
from collections import deque
from collections.abc import Callable, Iterator

from acrmirror.errors import Damaged, DigestMismatch, Malformed, MirrorError, NotFound
from acrmirror.jobs.run import RequestCounts
from acrmirror.mirror import MirrorSource, MirrorStore
from acrmirror.oci import Manifest, parse_manifest
from acrmirror.reference import Digest, Reference
from acrmirror.registry import OnRequest, RegistryTarget
from acrmirror.registry.uploads import CHUNK, chunks
from acrmirror.work import RecordFields

REFUSED_SHOWN = 100

TargetOf = Callable[[str, OnRequest], RegistryTarget]
"""The target as one repository sees it, with who is told of its answers."""


class Plan:
    """Adds up images. Each blob counts once: a target that has it in one repository mounts it into the next. Thread-
    safe."""

    def __init__(self, store: MirrorStore, target: TargetOf, *, overwrite: bool) -> None:
        self._source = MirrorSource(store)
        self._target = target
        self._overwrite = overwrite
        self._lock = threading.Lock()
        self._blobs: set[Digest] = set()
        self._seen: set[tuple[str, Digest]] = set()
        self._bytes = 0
        self._requests = 0
        self._present = 0
        self._refused: list[str] = []
        self.requests = RequestCounts()

    def fields(self) -> RecordFields:
        with self._lock:
            return {
                "restore_bytes": self._bytes,
                "restore_requests": self._requests,
                "restore_present": self._present,
                "restore_refused": len(self._refused),
                "notes": self._refused[:REFUSED_SHOWN],
                **self.requests.fields(),
            }

    def add(self, reference: Reference) -> bool:
        """Whether it would be restored. One that the target has counts as present; one whose tag is elsewhere there, or
        that the mirror lacks, as refused."""
        digest = reference.digest
        if digest is None:
            raise ValueError(f"{reference} names no digest")
        target = self._target(reference.repository, self.requests.count)
        there = target.tags.where(reference.repository, reference.tag) if reference.tag is not None else None
        if there is not None and there != digest and not self._overwrite:
            self._refuse(f"{reference.repository}:{reference.tag}: the target has that tag at {there}")
            return False
        if target.manifests.revision(reference.repository, digest) is not None:
            with self._lock:
                self._present += there == digest or reference.tag is None
                self._requests += 0 if there == digest or reference.tag is None else 1
            return there != digest and reference.tag is not None
        try:
            for manifest in self._family(reference.repository, digest):
                self._count(reference.repository, manifest)
        except (NotFound, Damaged, DigestMismatch, Malformed) as error:
            self._refuse(f"{reference}: {error.answered}")
            return False
        with self._lock:
            self._requests += 3 if reference.tag is not None else 0
        return True

    def _refuse(self, why: str) -> None:
        with self._lock:
            self._refused.append(why)

    def _family(self, repository: str, root: Digest) -> Iterator[Manifest]:
        """The image's manifests, and those of what refers to any of them."""
        waiting, seen = deque([root]), {root}
        while waiting:
            digest = waiting.popleft()
            served = self._source.manifest(repository, digest)
            manifest = parse_manifest(served.raw, served.media_type, digest)
            yield manifest
            referrers = self._source.referrers(repository, digest, _ignored)
            for found in (*manifest.manifests, *referrers):
                if found.digest not in seen:
                    seen.add(found.digest)
                    waiting.append(found.digest)

    def _count(self, repository: str, manifest: Manifest) -> None:
        """For each thing a question, and what it takes to send it."""
        with self._lock:
            if (repository, manifest.digest) in self._seen:
                return
            self._seen.add((repository, manifest.digest))
            self._bytes += manifest.size
            self._requests += 2
            for blob in manifest.blobs:
                if (repository, blob.digest) in self._seen or blob.is_foreign:
                    continue
                self._seen.add((repository, blob.digest))
                self._requests += 2
                if blob.digest not in self._blobs:
                    self._blobs.add(blob.digest)
                    self._bytes += blob.size
                    count = chunks(blob.size, CHUNK)
                    self._requests += 1 if count == 1 else count + 1


def _ignored(error: MirrorError) -> None:
    """An entry of a list that can't be read: the restore tells of it."""
