"""A registry and a mirror in memory, for tests of what is copied, in which order, and what is left."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from acrmirror.errors import Cancelled, DigestMismatch, Malformed, MirrorError, NotFound, TagMoved
from acrmirror.history import Observation, TagEvent
from acrmirror.oci import (
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Manifest,
    is_referrers_index,
    merge_referrers,
    parse_manifest,
    referrers_index,
)
from acrmirror.reference import Digest, Reference
from acrmirror.registry import ManifestBytes, Resolved

AT = "2026-04-25T21:39:47.000000000Z"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
BLOCK = 1000


class Registry:
    """What was pushed, and what was asked for (`asked`, in order)."""

    def __init__(self) -> None:
        self.manifests: dict[Digest, ManifestBytes] = {}
        self.blobs: dict[Digest, bytes] = {}
        self.tags: dict[str, Digest] = {}
        self.listed: dict[Digest, list[Descriptor]] = {}
        self.failing: dict[Digest, MirrorError] = {}
        self.asked: list[tuple[str, Digest | str]] = []
        self.before_resolve: Callable[[], None] = lambda: None
        self.after_resolve: Callable[[], None] = lambda: None
        self.before_manifest: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    # pushing

    def push(self, body: dict[str, Any], *, tag: str | None = None, media_type: str = "") -> Descriptor:
        raw = json.dumps(body).encode()
        digest = Digest.of(raw)
        self.manifests[digest] = ManifestBytes(raw, media_type or str(body["mediaType"]))
        if tag is not None:
            self.tags[tag] = digest
        subject = body.get("subject")
        described = parse_manifest(raw, self.manifests[digest].media_type, digest).descriptor()
        if subject is not None:
            self.listed.setdefault(Digest.parse(subject["digest"]), []).append(described)
        return described

    def blob_of(self, data: bytes, media_type: str = LAYER) -> dict[str, Any]:
        digest = Digest.of(data)
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": str(digest), "size": len(data)}

    def image(self, name: str, *layers: dict[str, Any], tag: str | None = None, **more: Any) -> Descriptor:
        """An image of one layer named after it, and of those given."""
        config = self.blob_of(f'{{"name": "{name}"}}'.encode(), "application/vnd.oci.image.config.v1+json")
        body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config}
        return self.push(body | {"layers": [self.blob_of(name.encode() * 700), *layers]} | more, tag=tag)

    def index(
        self, *children: Descriptor, tag: str | None = None, architectures: tuple[str, ...] = (), **more: Any
    ) -> Descriptor:
        entries: list[dict[str, Any]] = [
            {"mediaType": it.media_type, "digest": str(it.digest), "size": it.size} for it in children
        ]
        for entry, architecture in zip(entries, architectures, strict=False):
            entry["platform"] = {"os": "linux", "architecture": architecture}
        body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
        return self.push(body | more, tag=tag)

    def signature(self, subject: Descriptor, name: str = "signature", **more: Any) -> Descriptor:
        empty = {"mediaType": OCI_EMPTY, "digest": str(Digest.of(b"{}")), "size": 2, "data": "e30="}
        refers = {"mediaType": subject.media_type, "digest": str(subject.digest), "size": subject.size}
        body = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": "application/vnd.signature"}
        return self.push(body | {"config": empty, "layers": [self.blob_of(name.encode())], "subject": refers} | more)

    # what copying asks

    def resolve(self, reference: Reference) -> Resolved:
        self.before_resolve()
        self._ask("resolve", reference.tag or str(reference.digest))
        digest = self.tags.get(reference.tag or "")
        if digest is None:
            raise NotFound(f"resolve {reference}", "it answered 404", "Push it.")
        served = self.manifests[digest]
        self.after_resolve()
        return Resolved(Descriptor(served.media_type, digest, len(served.raw)), AT)

    def manifest(self, repository: str, digest: Digest) -> ManifestBytes:
        self.before_manifest()
        self._ask("manifest", digest)
        if digest not in self.manifests:
            raise NotFound(f"read {repository}@{digest}", "it answered 404", "Push it.")
        return self.manifests[digest]

    @contextmanager
    def blob(self, repository: str, descriptor: Descriptor) -> Iterator["Reader"]:
        self._ask("blob", descriptor.digest)
        if descriptor.digest not in self.blobs:
            raise NotFound(f"read blob {descriptor.digest}", "it answered 404", "Push it.")
        yield Reader(self.blobs[descriptor.digest])

    def check_blob(self, repository: str, descriptor: Descriptor) -> None:
        self._ask("check", descriptor.digest)
        if descriptor.digest not in self.blobs:
            raise NotFound(f"look for blob {descriptor.digest}", "it answered 404", "Push it.")

    def referrers(self, repository: str, digest: Digest, odd: Callable[[Malformed], None]) -> Iterator[Descriptor]:
        self._ask("referrers", digest)
        yield from self.listed.get(digest, [])

    def _ask(self, kind: str, what: Digest | str) -> None:
        with self._lock:
            self.asked.append((kind, what))
        if isinstance(what, Digest) and what in self.failing:
            raise self.failing[what]

    def times(self, kind: str, what: Digest | str | None = None) -> int:
        return sum(1 for it in self.asked if it[0] == kind and what in (None, it[1]))


class Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def read_into(self, offset: int, buffer: memoryview, arrived: Callable[[int], None]) -> None:
        part = self.data[offset : offset + len(buffer)]
        if len(part) != len(buffer):
            raise DigestMismatch("read a blob", f"it has {len(self.data)} bytes", "Push it again.")
        buffer[:] = part
        arrived(len(part))

    def close(self) -> None:
        return


class Ingest:
    def __init__(self, mirror: "Mirror", descriptor: Descriptor, mends: bool, standing: "Reader | None" = None) -> None:
        self.mirror = mirror
        self.descriptor = descriptor
        self.mends = mends
        self.standing = standing
        self.block_size = BLOCK
        self.count = max(1, -(-descriptor.size // BLOCK))
        self.parts: dict[int, bytes] = {}

    def block(self, index: int) -> tuple[int, int]:
        return index * BLOCK, min(BLOCK, self.descriptor.size - index * BLOCK)

    def stage(self, index: int, data: memoryview, running: bytes) -> bool:
        self.parts[index] = bytes(data)
        return True

    def put(self, data: memoryview, digest: Digest) -> bool:
        return self._commit(bytes(data), digest)

    def commit(self, digest: Digest, restage: Callable[[list[int]], None]) -> bool:
        return self._commit(b"".join(self.parts[index] for index in range(self.count)), digest)

    def _commit(self, data: bytes, digest: Digest) -> bool:
        if digest != self.descriptor.digest:
            raise DigestMismatch("commit a blob", f"it hashes to {digest}", "Push it again.")
        self.mirror.wrote("blob", digest)
        self.mirror.content[digest] = data
        return True


@dataclass
class TagState:
    digest: Digest
    version: int
    at: str = AT
    event: TagEvent | None = None

    @property
    def sequence(self) -> int:
        return self.version


@dataclass
class Mirror:
    """Keeps what stands, and every write in its order (`writes`)."""

    content: dict[Digest, bytes] = field(default_factory=dict)
    links: set[tuple[str, Digest]] = field(default_factory=set)
    revisions: dict[tuple[str, Digest], Manifest] = field(default_factory=dict)
    partial: set[tuple[str, Digest]] = field(default_factory=set)
    tags: dict[tuple[str, str], TagState] = field(default_factory=dict)
    history: list[tuple[Reference, Observation]] = field(default_factory=list)
    wrong: set[Digest] = field(default_factory=set)
    writes: list[tuple[str, Digest]] = field(default_factory=list)
    verified: list[Digest] = field(default_factory=list)
    before_tag: Callable[[], None] = lambda: None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def wrote(self, kind: str, digest: Digest) -> None:
        with self.lock:
            self.writes.append((kind, digest))

    def has(self, descriptor: Descriptor) -> bool:
        return descriptor.digest in self.content and descriptor.digest not in self.wrong

    def blocks(self, descriptor: Descriptor) -> int:
        return max(1, -(-descriptor.size // BLOCK))

    def stands(self, repository: str, digest: Digest, *, whole: bool = False) -> Descriptor | None:
        manifest = self.revisions.get((repository, digest))
        if whole and (repository, digest) in self.partial:
            return None
        return None if manifest is None else Descriptor(manifest.media_type, digest, manifest.size)

    def has_subject(self, repository: str, digest: Digest) -> bool:
        return self.revisions[repository, digest].subject is not None

    def ingest(
        self, descriptor: Descriptor, *, resume: bool = True, verify: Callable[[], None] | None = None
    ) -> Ingest | None:
        if verify is not None and descriptor.digest in self.content:
            verify()
            self.verified.append(descriptor.digest)
            if descriptor.size > BLOCK:
                return Ingest(self, descriptor, True, Reader(self.content[descriptor.digest]))
        return None if self.has(descriptor) else Ingest(self, descriptor, descriptor.digest in self.wrong)

    def linked(self, repository: str, digest: Digest) -> bool:
        return (repository, digest) in self.links

    def link(self, repository: str, descriptor: Descriptor, *, mend: bool = False) -> None:
        assert descriptor.digest in self.content, "a link to what is not there"
        self.wrote("link", descriptor.digest)
        self.links.add((repository, descriptor.digest))

    def write_manifest(
        self, repository: str, manifest: Manifest, *, verify: Callable[[], None] | None = None, whole: bool = True
    ) -> None:
        self.wrote("manifest", manifest.digest)
        (self.partial.discard if whole else self.partial.add)((repository, manifest.digest))
        self.revisions[repository, manifest.digest] = manifest

    def read_manifest(self, repository: str, descriptor: Descriptor) -> Manifest:
        return self.revisions[repository, descriptor.digest]

    def add_referrers(self, repository: str, subject: Digest, referrers: Iterable[Descriptor], at: str) -> bool:
        tag, more = subject.referrers_tag, tuple(referrers)
        known = self._list(repository, tag)
        if known is None:
            return False
        if more:
            index = self._index(repository, merge_referrers(known, more))
            self.tags[repository, tag] = TagState(index.digest, 0)
        return True

    def keep_referrers_tag(self, repository: str, tag: str, at: str) -> Digest | None:
        return self.tagged(repository, tag) if self._list(repository, tag) else None

    def merge_referrers_tag(
        self, repository: str, tag: str, theirs: Manifest, at: str, expected: Any, event: TagEvent | None = None
    ) -> Digest:
        known = self._list(repository, tag) or ()
        lacks = {it.digest for it in known} - {it.digest for it in theirs.manifests}
        index = self._index(repository, merge_referrers(known, theirs.manifests)) if lacks else theirs
        self.tag(repository, tag, index.descriptor(), at, expected, event)
        return index.digest

    def _list(self, repository: str, tag: str) -> tuple[Descriptor, ...] | None:
        """None where the tag is something else."""
        current = self.tags.get((repository, tag))
        if current is None:
            return ()
        there = self.revisions[repository, current.digest]
        return there.manifests if is_referrers_index(there) else None

    def _index(self, repository: str, entries: tuple[Descriptor, ...]) -> Manifest:
        index = parse_manifest(referrers_index(entries), OCI_INDEX)
        self.write_manifest(repository, index)
        return index

    def read_tag(self, repository: str, tag: str) -> TagState | None:
        return self.tags.get((repository, tag))

    def tag(
        self,
        repository: str,
        tag: str,
        descriptor: Descriptor,
        at: str,
        expected: Any,
        event: TagEvent | None = None,
    ) -> None:
        self.before_tag()
        current = self.tags.get((repository, tag))
        if current is not expected:
            raise TagMoved("set a tag", "another worker moved it", "Again.")
        self.wrote("tag", descriptor.digest)
        self.tags[repository, tag] = TagState(
            descriptor.digest,
            (current.version if current else 0) + 1,
            at,
            TagEvent.newest(event, current.event if current else None),
        )

    def observe(self, reference: Reference, seen: Observation) -> None:
        self.wrote("history", seen.digest)
        self.history.append((reference, seen))

    # looking

    def tagged(self, repository: str, tag: str) -> Digest | None:
        state = self.tags.get((repository, tag))
        return None if state is None else state.digest

    def lacks(self, repository: str) -> list[Digest]:
        """What a manifest that stands needs, and that is not there."""
        missing: list[Digest] = []
        for (name, _), manifest in self.revisions.items():
            if name == repository:
                missing += [it.digest for it in manifest.manifests if (name, it.digest) not in self.revisions]
                missing += [it.digest for it in manifest.blobs if (name, it.digest) not in self.links]
                missing += [it.digest for it in manifest.blobs if it.digest not in self.content]
        return missing


def cancelled() -> Cancelled:
    return Cancelled("copy", "a person cancelled it", "Ask again.")
