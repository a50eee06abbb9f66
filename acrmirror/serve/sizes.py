"""How large images are: what is pulled of them, read from their manifests."""

import threading
from collections.abc import Iterable

from acrmirror.errors import MirrorError
from acrmirror.mirror import MirrorStore
from acrmirror.mirror.listing import TagEntry
from acrmirror.oci import MAX_DEPTH, Descriptor, Manifest, parse_manifest
from acrmirror.reference import Digest
from acrmirror.threads import Threads

READ_AT_ONCE = 8
MANIFESTS_LIMIT = 1000
"""Manifests that are read for one page of tags; images beyond it have no size."""
BYTES_LIMIT = 32 * 1024 * 1024
"""Of those manifests together."""
KEPT_LIMIT = 50_000
"""Sizes that are kept. A digest's never changes."""


class ImageSizes:
    """Sizes by digest: bytes of config and layers, of an index those of all that it lists, each blob once.
    Thread-safe."""

    def __init__(self, store: MirrorStore, limit: int = MANIFESTS_LIMIT) -> None:
        self._store = store
        self._limit = limit
        self._kept: dict[Digest, int] = {}
        self._guard = threading.Lock()

    def of(self, repository: str, entries: Iterable[TagEntry]) -> dict[Digest, int]:
        """Of the tags' images, as far as their manifests can be read within the limits."""
        wanted = {it.digest: Descriptor(it.media_type, it.digest, it.size) for it in entries if it.media_type}
        with self._guard:
            found = {digest: self._kept[digest] for digest in wanted if digest in self._kept}
        roots = [it for digest, it in wanted.items() if digest not in found]
        new = _Reading(self._store, repository, self._limit).sizes(roots)
        with self._guard:
            if len(self._kept) + len(new) > KEPT_LIMIT:
                self._kept.clear()
            self._kept.update(new)
        return found | new


class _Reading:
    """The manifests that one answer reads."""

    def __init__(self, store: MirrorStore, repository: str, limit: int) -> None:
        self._store = store
        self._repository = repository
        self._left = limit
        self._bytes = BYTES_LIMIT
        self._read: dict[Digest, Manifest | None] = {}

    def sizes(self, roots: list[Descriptor]) -> dict[Digest, int]:
        with Threads(READ_AT_ONCE, thread_name_prefix="size") as pool:
            level = roots
            for _ in range(MAX_DEPTH):
                chosen = [it for it in {it.digest: it for it in level}.values() if self._takes(it)]
                self._read.update(zip((it.digest for it in chosen), pool.map(self._one, chosen), strict=True))
                level = [child for it in chosen if (one := self._read[it.digest]) for child in one.manifests]
                if not level:
                    break
        return {it.digest: size for it in roots if (size := self._size(it.digest)) is not None}

    def _takes(self, descriptor: Descriptor) -> bool:
        if descriptor.digest in self._read or not self._left or descriptor.size > self._bytes:
            return False
        self._left -= 1
        self._bytes -= descriptor.size
        return True

    def _one(self, descriptor: Descriptor) -> Manifest | None:
        try:
            raw = self._store.manifests.raw(self._repository, descriptor)
            return parse_manifest(raw, descriptor.media_type, descriptor.digest)
        except MirrorError:
            # What is damaged is found, and told, by whoever asks for the image and by audits.
            return None

    def _size(self, root: Digest) -> int | None:
        """None where a part of it was not read."""
        blobs: dict[Digest, int] = {}
        seen: set[Digest] = set()
        waiting = [root]
        while waiting:
            digest = waiting.pop()
            if digest in seen:
                continue
            seen.add(digest)
            manifest = self._read.get(digest)
            if manifest is None:
                return None
            blobs |= {blob.digest: blob.size for blob in manifest.blobs}
            waiting += [it.digest for it in manifest.manifests]
        return sum(blobs.values())
