"""A mirror in memory: one class for each role of `acrmirror.copying.ports`, over one set of dictionaries."""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from acrmirror.errors import Conflict, Damaged, DigestMismatch, Malformed, MirrorError, TagMoved, UnkeptName
from acrmirror.history import Observation, TagEvent
from acrmirror.moments import EARLIEST, Moment
from acrmirror.oci import (
    OCI_INDEX,
    Descriptor,
    Manifest,
    is_referrers_index,
    merge_referrers,
    parse_manifest,
    referrers_index,
)
from acrmirror.reference import Digest, Reference
from tests.in_memory.reading import Reader, Reads

BLOCK = 1000
SMALL = 100
ROUNDS = 3


@dataclass
class TagState:
    digest: Digest | None
    version: int
    at: Moment = EARLIEST
    event: TagEvent | None = None

    @property
    def sequence(self) -> int:
        return self.version


@dataclass(frozen=True, slots=True)
class Revision:
    descriptor: Descriptor
    whole: bool
    refers: bool


class Mirror:
    """What is in the mirror, and every write in its order (`writes`); `target` is what a copy writes into.

    A blob of more than `small` bytes is looked for before it is read.

    `resumes` has an entry for each way in, `verified` each digest whose bytes were read again.
    """

    def __init__(self) -> None:
        self.content: dict[Digest, bytes] = {}
        self.staged: dict[Digest, dict[tuple[int, int, bytes], bytes]] = {}
        self.links: set[tuple[str, Digest]] = set()
        self.revisions: dict[tuple[str, Digest], Manifest] = {}
        self.partial: set[tuple[str, Digest]] = set()
        self.tags: dict[tuple[str, str], TagState] = {}
        self.history: list[tuple[Reference, Observation]] = []
        self.writes: list[tuple[str, Digest]] = []
        self.resumes: list[bool] = []
        self.verified: list[Digest] = []
        self.reads = Reads()
        self.before_tag: Callable[[], None] = lambda: None
        self.before_stage: Callable[[Descriptor], None] = lambda descriptor: None
        self.failure: MirrorError | None = None
        """What all that is asked of it raises."""
        self.cuts_dots = False
        self.small = SMALL
        self.lock = threading.Lock()
        self.target = Target(self)

    def check(self, tag: str = "") -> None:
        """What each question begins with."""
        if self.failure is not None:
            raise self.failure
        if self.cuts_dots and tag.endswith("."):
            raise UnkeptName(f"write {tag}", "storage does not keep its name", "Give it another.")

    def wrote(self, kind: str, digest: Digest) -> None:
        with self.lock:
            self.writes.append((kind, digest))

    # looking

    def tagged(self, repository: str, tag: str) -> Digest | None:
        state = self.tags.get((repository, tag))
        return None if state is None else state.digest

    def lacks(self, repository: str) -> list[Digest]:
        """What a manifest of the mirror needs, and that is not there."""
        missing: list[Digest] = []
        for (name, _), manifest in self.revisions.items():
            if name == repository:
                missing += [it.digest for it in manifest.manifests if (name, it.digest) not in self.revisions]
                missing += [it.digest for it in manifest.blobs if (name, it.digest) not in self.links]
                missing += [it.digest for it in manifest.blobs if it.digest not in self.content]
        return missing


class Target:
    def __init__(self, mirror: Mirror) -> None:
        self.blobs = Blobs(mirror)
        self.manifests = Manifests(mirror, self.blobs)
        self.tags = Tags(mirror)
        self.history = History(mirror)
        self.referrers = Referrers(mirror, self.manifests, self.tags)


class Blocks:
    def __init__(self, size: int) -> None:
        self.size = size
        self.block_size = BLOCK
        self.count = max(1, -(-size // BLOCK))

    def block(self, index: int) -> tuple[int, int]:
        return index * BLOCK, min(BLOCK, self.size - index * BLOCK)


class Ingest(Blocks):
    """`replaces` are the wrong bytes in its place."""

    def __init__(self, mirror: Mirror, descriptor: Descriptor, resume: bool, replaces: bytes | None) -> None:
        super().__init__(descriptor.size)
        self.mends = replaces is not None
        self._mirror = mirror
        self._descriptor = descriptor
        self._replaces = replaces
        self._known = set(mirror.staged.get(descriptor.digest, ())) if resume and self.count > 1 else set()
        self._ids: dict[int, tuple[int, int, bytes]] = {}
        mirror.resumes.append(resume)

    def stage(self, index: int, data: memoryview, running: bytes) -> bool:
        self._mirror.check()
        self._mirror.before_stage(self._descriptor)
        offset, length = self.block(index)
        if len(data) != length:
            raise ValueError(f"block {index} has {length} bytes, not {len(data)}")
        name = (offset, length, running)
        self._ids[index] = name
        if name in self._known:
            return False
        with self._mirror.lock:
            self._mirror.staged.setdefault(self._descriptor.digest, {})[name] = bytes(data)
        return True

    def put(self, data: memoryview, digest: Digest) -> bool:
        self._mirror.check()
        self._check(digest)
        if len(data) != self.size:
            raise ValueError(f"the blob has {self.size} bytes, not {len(data)}")
        there = self._mirror.content.get(self._descriptor.digest)
        if self._replaces is None and there is not None and len(there) != self.size:
            if self._descriptor.digest.matches(there):
                raise Malformed(f"copy blob {self._descriptor.digest}", f"it has {len(there)} bytes", "Push it again.")
            self._replaces, self.mends = there, True
        return self._swap(bytes(data))

    def commit(self, digest: Digest, restage: Callable[[list[int]], None]) -> bool:
        self._mirror.check()
        self._check(digest)
        for _ in range(ROUNDS):
            staged = self._mirror.staged.get(self._descriptor.digest, {})
            missing = [index for index in range(self.count) if self._ids[index] not in staged]
            if not missing:
                return self._swap(b"".join(staged[self._ids[index]] for index in range(self.count)))
            if len(self._mirror.content.get(self._descriptor.digest, b"")) == self.size:
                return False
            self._known = set()
            restage(missing)
        raise Conflict("commit a blob", f"other writers won {ROUNDS} times", "Again.")

    def _check(self, digest: Digest) -> None:
        if digest != self._descriptor.digest:
            raise DigestMismatch(
                f"copy blob {self._descriptor.digest}", f"the bytes hash to {digest}", "Push it again."
            )

    def _swap(self, data: bytes) -> bool:
        digest = self._descriptor.digest
        with self._mirror.lock:
            there = self._mirror.content.get(digest)
            if there is not self._replaces:
                return False
            assert Digest.of(data, digest.algorithm) == digest, "a commit of other bytes than were hashed"
            self._mirror.content[digest] = data
            self._mirror.staged.pop(digest, None)
            self._mirror.writes.append(("blob", digest))
        return True


class Stored(Blocks, Reader):
    def __init__(self, mirror: Mirror, descriptor: Descriptor) -> None:
        there = mirror.content[descriptor.digest]
        Blocks.__init__(self, descriptor.size)
        Reader.__init__(self, self._unchanged, descriptor.size, mirror.reads)
        self._mirror = mirror
        self._descriptor = descriptor
        self._there = there

    def _unchanged(self) -> bytes | None:
        return self._there if self._mirror.content.get(self._descriptor.digest) is self._there else None

    def read_into(self, offset: int, buffer: memoryview, arrived: Callable[[int], None]) -> None:
        self._mirror.check()
        self._mirror.verified.append(self._descriptor.digest)
        super().read_into(offset, buffer, arrived)

    def replacement(self, *, resume: bool = True) -> Ingest:
        return Ingest(self._mirror, self._descriptor, resume, self._there)


class Blobs:
    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror
        self._known: set[tuple[str, Digest, int]] = set()

    def has(self, descriptor: Descriptor) -> bool:
        self._mirror.check()
        return self.stored(descriptor) is not None

    def blocks(self, descriptor: Descriptor) -> int:
        return Blocks(descriptor.size).count

    def ingest(self, descriptor: Descriptor, *, resume: bool = True) -> Ingest | None:
        self._mirror.check()
        there = self._mirror.content.get(descriptor.digest)
        if there is None:
            return Ingest(self._mirror, descriptor, resume, None)
        if len(there) == descriptor.size:
            return None
        if descriptor.digest.matches(there):
            raise Malformed(f"copy blob {descriptor.digest}", f"it has {len(there)} bytes", "Push it again.")
        return Ingest(self._mirror, descriptor, resume, there)

    def unasked(self, descriptor: Descriptor) -> Ingest | None:
        return Ingest(self._mirror, descriptor, True, None) if descriptor.size <= self._mirror.small else None

    def known(self, repository: str, descriptor: Descriptor) -> bool:
        return (repository, descriptor.digest, descriptor.size) in self._known

    def stored(self, descriptor: Descriptor) -> Stored | None:
        self._mirror.check()
        there = self._mirror.content.get(descriptor.digest)
        return Stored(self._mirror, descriptor) if there is not None and len(there) == descriptor.size else None

    def linked(self, repository: str, digest: Digest) -> bool:
        self._mirror.check()
        return (repository, digest) in self._mirror.links

    def link(self, repository: str, descriptor: Descriptor, *, mend: bool = False) -> None:
        self._mirror.check()
        there = self._mirror.content[descriptor.digest]
        assert descriptor.digest.matches(there), "a link to what is not there"
        self._mirror.wrote("link", descriptor.digest)
        self._mirror.links.add((repository, descriptor.digest))
        self._known.add((repository, descriptor.digest, descriptor.size))


class Manifests:
    def __init__(self, mirror: Mirror, blobs: Blobs) -> None:
        self._mirror = mirror
        self._blobs = blobs

    def revision(self, repository: str, digest: Digest) -> Revision | None:
        self._mirror.check()
        manifest = self._mirror.revisions.get((repository, digest))
        if manifest is None:
            return None
        descriptor = Descriptor(manifest.media_type, digest, manifest.size)
        whole = (repository, digest) not in self._mirror.partial
        return Revision(descriptor, whole, manifest.subject is not None)

    def write(self, repository: str, manifest: Manifest, *, anew: bool = False, whole: bool = True) -> None:
        self.put(manifest, anew=anew)
        self.link(repository, manifest, whole=whole)

    def put(self, manifest: Manifest, *, anew: bool = False) -> None:
        self._mirror.check()
        there = self._mirror.content.get(manifest.digest)
        if there is None or len(there) != manifest.size or (anew and there != manifest.raw):
            self._mirror.content[manifest.digest] = manifest.raw

    def link(self, repository: str, manifest: Manifest, *, whole: bool = True) -> None:
        self._mirror.check()
        assert manifest.digest in self._mirror.content, "a link to what is not there"
        self._mirror.wrote("manifest", manifest.digest)
        place = (repository, manifest.digest)
        (self._mirror.partial.discard if whole else self._mirror.partial.add)(place)
        self._mirror.revisions[place] = manifest

    def read(self, repository: str, descriptor: Descriptor) -> Manifest:
        self._mirror.check()
        raw = self._mirror.content.get(descriptor.digest)
        if raw is None:
            raise Damaged(f"read {repository}@{descriptor.digest}", "its content is missing", "Pull it with force.")
        return parse_manifest(raw, descriptor.media_type, descriptor.digest)


class Tags:
    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def read(self, repository: str, tag: str) -> TagState | None:
        self._mirror.check()
        return self._mirror.tags.get((repository, tag))

    def set(
        self,
        repository: str,
        tag: str,
        descriptor: Descriptor,
        at: Moment,
        expected: Any,
        event: TagEvent | None = None,
        *,
        meanwhile: Callable[[], None] | None = None,
    ) -> None:
        self._mirror.check(tag)
        if meanwhile is not None:
            meanwhile()
        self._mirror.before_tag()
        self._mirror.wrote("tag", descriptor.digest)
        try:
            self.move(repository, tag, descriptor, at, expected, event)
        except TagMoved:
            self._mirror.writes.pop()
            raise

    def move(
        self,
        repository: str,
        tag: str,
        descriptor: Descriptor,
        at: Moment,
        expected: Any,
        event: TagEvent | None = None,
    ) -> None:
        """As `set`, unseen by the test."""
        self._mirror.check(tag)
        with self._mirror.lock:
            current = self._mirror.tags.get((repository, tag))
            if current is not expected:
                raise TagMoved(f"set tag {repository}:{tag}", "another worker moved it", "Again.")
            self._mirror.tags[repository, tag] = TagState(
                descriptor.digest,
                (current.version if current else 0) + 1,
                at,
                TagEvent.newest(event, current.event if current else None),
            )


class History:
    def __init__(self, mirror: Mirror) -> None:
        self._mirror = mirror

    def observe(self, reference: Reference, seen: Observation) -> None:
        self._mirror.check(reference.tag or "")
        self._mirror.wrote("history", seen.digest)
        if (reference, seen) not in self._mirror.history:
            self._mirror.history.append((reference, seen))


class Referrers:
    def __init__(self, mirror: Mirror, manifests: Manifests, tags: Tags) -> None:
        self._mirror = mirror
        self._manifests = manifests
        self._tags = tags

    def add(self, repository: str, subject: Digest, referrers: Iterable[Descriptor], at: Moment) -> bool:
        tag, more = subject.referrers_tag, tuple(referrers)
        current = self._tags.read(repository, tag)
        known = self._list(repository, tag, current)
        if known is None:
            return False
        merged = merge_referrers(known, more)
        damaged = current is not None and self._read(repository, current) is None
        if {it.digest for it in merged} != {it.digest for it in known} or (damaged and merged):
            self._tags.move(repository, tag, self._index(repository, merged).descriptor(), at, current)
        return True

    def keep_tag(self, repository: str, tag: str, at: Moment) -> Digest | None:
        current = self._tags.read(repository, tag)
        known = self._list(repository, tag, current)
        if not known:
            return None
        if current is None or self._read(repository, current) is None:
            self._tags.move(repository, tag, self._index(repository, known).descriptor(), at, current)
        return self._mirror.tags[repository, tag].digest

    def merge_tag(
        self, repository: str, tag: str, theirs: Manifest, at: Moment, expected: Any, event: TagEvent | None = None
    ) -> Digest:
        known = self._list(repository, tag, expected) or ()
        lacks = {it.digest for it in known} - {it.digest for it in theirs.manifests}
        index = self._index(repository, merge_referrers(known, theirs.manifests)) if lacks else theirs
        self._tags.set(repository, tag, index.descriptor(), at, expected, event)
        return index.digest

    def _list(self, repository: str, tag: str, current: TagState | None) -> tuple[Descriptor, ...] | None:
        """None where the tag is something else. One that is damaged is made anew of what refers to its subject."""
        if current is None:
            return ()
        there = self._read(repository, current)
        if there is not None:
            return there.manifests if is_referrers_index(there) else None
        known = [it for (name, _), it in self._mirror.revisions.items() if name == repository and it.subject]
        return merge_referrers(
            [it.descriptor() for it in known if it.subject and it.subject.digest.referrers_tag == tag]
        )

    def _read(self, repository: str, current: TagState) -> Manifest | None:
        """None where it is damaged."""
        revision = self._manifests.revision(repository, current.digest) if current.digest is not None else None
        try:
            return self._manifests.read(repository, revision.descriptor) if revision is not None else None
        except (DigestMismatch, Damaged, Malformed):
            return None

    def _index(self, repository: str, entries: tuple[Descriptor, ...]) -> Manifest:
        index = parse_manifest(referrers_index(entries), OCI_INDEX)
        self._manifests.write(repository, index)
        return index
