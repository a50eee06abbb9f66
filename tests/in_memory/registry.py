"""A registry in memory."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from acrmirror.errors import DigestMismatch, Malformed, MirrorError, NotFound, TooLarge
from acrmirror.history import Clock
from acrmirror.moments import Moment
from acrmirror.oci import (
    MAX_MANIFEST_SIZE,
    OCI_EMPTY,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    parse_manifest,
    parse_referrers,
)
from acrmirror.reference import Digest, Reference
from tests.in_memory.reading import Reader, Reads

AT = Moment("2026-04-25T21:39:47.000000000Z")
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PAGE = 2
"""Referrers that one request lists."""


@dataclass(frozen=True, slots=True)
class Resolved:
    descriptor: Descriptor
    at: Moment
    clock: Clock = "registry"


@dataclass(frozen=True, slots=True)
class ManifestBytes:
    raw: bytes
    media_type: str


class Registry:
    """What was pushed, and what was requested (`asked`, in order). Each of its `repositories` has all that was pushed;
    every name is one of them until a test says which. `failing` has what a digest is answered with, `refusing` what
    everything is."""

    def __init__(self) -> None:
        self.repositories: set[str] | None = None
        self.manifests: dict[Digest, ManifestBytes] = {}
        self.blobs: dict[Digest, bytes] = {}
        self.tags: dict[str, Digest] = {}
        self.listed: dict[Digest, list[dict[str, Any]]] = {}
        self.refusing: MirrorError | None = None
        self.reads = Reads()
        self.failing: dict[Digest, MirrorError] = {}
        self.asked: list[tuple[str, Digest | str]] = []
        self.before_resolve: Callable[[], None] = lambda: None
        self.after_resolve: Callable[[], None] = lambda: None
        self.before_manifest: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    # pushing

    def push(self, body: dict[str, Any], *, tag: str | None = None, media_type: str = "") -> Descriptor:
        return self.push_raw(json.dumps(body).encode(), media_type or str(body["mediaType"]), tag)

    def push_raw(self, raw: bytes, media_type: str, tag: str | None = None) -> Descriptor:
        digest = Digest.of(raw)
        self.manifests[digest] = ManifestBytes(raw, media_type)
        if tag is not None:
            self.tags[tag] = digest
        manifest = parse_manifest(raw, media_type, digest)
        described = manifest.descriptor()
        if manifest.subject is not None:
            entry = {"mediaType": described.media_type, "digest": str(digest), "size": len(raw)}
            more = {"artifactType": described.artifact_type, "annotations": dict(described.annotations)}
            entry |= {key: value for key, value in more.items() if value}
            self.listed.setdefault(manifest.subject.digest, []).append(entry)
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
        digest = self.tags.get(reference.tag) if reference.tag is not None else reference.digest
        if digest is None or digest not in self.manifests or not self._has(reference.repository):
            raise NotFound(f"resolve {reference}", "it answered 404", "Push it.")
        served = self.manifests[digest]
        self.after_resolve()
        return Resolved(Descriptor(served.media_type, digest, len(served.raw)), AT)

    def manifest(self, repository: str, digest: Digest) -> ManifestBytes:
        self.before_manifest()
        self._ask("manifest", digest)
        if digest not in self.manifests or not self._has(repository):
            raise NotFound(f"read {repository}@{digest}", "it answered 404", "Push it.")
        served = self.manifests[digest]
        if len(served.raw) > MAX_MANIFEST_SIZE:
            raise TooLarge(f"read {repository}@{digest}", f"it has {len(served.raw)} bytes", "Check the registry.")
        if not digest.matches(served.raw):
            raise DigestMismatch(f"read {repository}@{digest}", "its bytes have another digest", "Push it again.")
        return served

    @contextmanager
    def blob(self, repository: str, descriptor: Descriptor) -> Iterator[Reader]:
        if descriptor.size:
            self._ask("blob", descriptor.digest)
            self._find_blob(repository, descriptor.digest)
        reader = Reader(lambda: self.blobs.get(descriptor.digest, b""), descriptor.size, self.reads)
        try:
            yield reader
        finally:
            reader.close()

    def check_blob(self, repository: str, descriptor: Descriptor) -> None:
        self._ask("check", descriptor.digest)
        self._find_blob(repository, descriptor.digest)

    def referrers(self, repository: str, digest: Digest, odd: Callable[[Malformed], None]) -> Iterator[Descriptor]:
        entries = self.listed.get(digest, []) if self._has(repository) else []
        for start in range(0, max(1, len(entries)), PAGE):
            self._ask("referrers", digest)
            page = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries[start : start + PAGE]}
            yield from parse_referrers(json.dumps(page).encode(), odd)[0]

    def _has(self, repository: str) -> bool:
        return self.repositories is None or repository in self.repositories

    def _find_blob(self, repository: str, digest: Digest) -> None:
        if digest not in self.blobs or not self._has(repository):
            raise NotFound(f"read blob {digest} of {repository}", "it answered 404", "Push it.")

    def _ask(self, kind: str, what: Digest | str) -> None:
        with self._lock:
            self.asked.append((kind, what))
        if self.refusing is not None:
            raise self.refusing
        if isinstance(what, Digest) and what in self.failing:
            raise self.failing[what]

    def times(self, kind: str, what: Digest | str | None = None) -> int:
        return sum(1 for it in self.asked if it[0] == kind and what in (None, it[1]))
