"""Manifests and blobs by repository and digest, of which a worker keeps what does not change."""

import math
import time
from collections.abc import Callable

from acrmirror.errors import DigestMismatch
from acrmirror.mirror import MirrorStore
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.serve.kept import Kept

LINK_SECONDS = 300.0
"""How long a link is believed to be there: only a policy of the owner's removes one."""
LINKS = 50_000
MANIFEST_LIMIT = 256 * 1024
"""Bytes of a manifest that is kept; larger ones are read each time."""
MANIFESTS_BYTES = 16 * 1024 * 1024


class Contents:
    """Thread-safe. Raises as the mirror's parts do."""

    def __init__(self, store: MirrorStore, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._revisions: Kept[tuple[str, Digest], Descriptor] = Kept(LINKS, LINK_SECONDS, clock)
        self._blobs: Kept[tuple[str, Digest], int] = Kept(LINKS, LINK_SECONDS, clock)
        self._manifests: Kept[Digest, bytes] = Kept(MANIFESTS_BYTES, math.inf, clock)

    def revision(self, repository: str, digest: Digest) -> Descriptor | None:
        """A manifest's descriptor, if the repository has it with all that it needs (rule L1)."""
        found = self._revisions.get((repository, digest))
        if found is None:
            found = self._store.manifests.find(repository, digest)
            if found is not None:
                self._revisions.put((repository, digest), found)
        return found

    def manifest(self, repository: str, descriptor: Descriptor) -> bytes:
        """The bytes of one that `revision` gave, hashed before they are kept."""
        raw = self._manifests.get(descriptor.digest)
        if raw is None:
            raw = self._store.manifests.raw(repository, descriptor)
            if not descriptor.digest.matches(raw):
                asked = f"read {repository}@{descriptor.digest} from the mirror"
                raise DigestMismatch(asked, "its bytes have another digest", "Pull the image again with force.")
            if len(raw) <= MANIFEST_LIMIT:
                self._manifests.put(descriptor.digest, raw, len(raw))
        return raw

    def blob(self, repository: str, digest: Digest) -> int | None:
        """A blob's size in bytes, if the repository has its own link to it (rule L10)."""
        size = self._blobs.get((repository, digest))
        if size is None:
            size = self._store.blobs.served(repository, digest)
            if size is not None:
                self._blobs.put((repository, digest), size)
        return size
