"""Configs, layers and the bytes of manifests, each stored once for all repositories, and who may serve them."""

from acrmirror.errors import Damaged, DigestMismatch, TooLarge
from acrmirror.mirror.blocks import block_count
from acrmirror.mirror.ingest import Ingest
from acrmirror.mirror.known import KnownLinks
from acrmirror.mirror.layout import Layout
from acrmirror.mirror.rehashing import wrong_bytes
from acrmirror.mirror.stored import StoredBlob
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.storage import Container

_SIZE = "size"
"""Beside a link: how many bytes its blob has, so that who requests it needs no second request."""
ASKED_OVER = 256 * 1024
"""A blob of more bytes is looked for before it is read from the registry: reading a smaller one takes about as long as
asking does."""


class Blobs:
    """Blobs by their digests. Thread-safe."""

    def __init__(self, container: Container, layout: Layout) -> None:
        self._container = container
        self._layout = layout
        self._known = KnownLinks()

    def has(self, descriptor: Descriptor) -> bool:
        """Whether there are bytes at the digest, as many as the descriptor gives."""
        return self.stored(descriptor) is not None

    def blocks(self, descriptor: Descriptor) -> int:
        """How many blocks a blob is cut into: one of a single block needs no claim."""
        return block_count(descriptor.size)

    def ingest(self, descriptor: Descriptor, *, resume: bool = True) -> Ingest | None:
        """The way in for one blob, or None if it is in the mirror already.

        Bytes of another length at its path are hashed (rule B5): wrong ones will be replaced, and only they (If-Match).
        Raises Malformed if they are right and the descriptor's size is the lie.
        """
        name = self._layout.blob_data(descriptor.digest)
        head = self._container.head(name, f"look for blob {descriptor.digest}")
        if head is None:
            return self._way_in(descriptor, resume=resume)
        return None if head.size == descriptor.size else self._rehashed(descriptor, resume=resume)

    def unasked(self, descriptor: Descriptor) -> Ingest | None:
        """The way in for a small blob, whose put finds out whether it is in the mirror already; None for a larger
        one. Asks nobody."""
        if descriptor.size > ASKED_OVER:
            return None
        return self._way_in(descriptor)

    def stored(self, descriptor: Descriptor) -> StoredBlob | None:
        """What is at the digest, as long as the descriptor says, to be hashed by the caller; None if nothing is."""
        name = self._layout.blob_data(descriptor.digest)
        head = self._container.head(name, f"look for blob {descriptor.digest}")
        if head is None or head.size != descriptor.size:
            return None
        return StoredBlob(self._container, name, descriptor, head.etag)

    def length(self, digest: Digest) -> int | None:
        """Of what is at the digest, in bytes; None if nothing is."""
        head = self._container.head(self._layout.blob_data(digest), f"look for blob {digest}")
        return head.size if head is not None else None

    def put(self, raw: bytes, digest: Digest, *, anew: bool = False) -> None:
        """Writes a blob of at most one block, unless it is in the mirror; with `anew`, unless what is there hashes to
        its digest."""
        descriptor = Descriptor("application/octet-stream", digest, len(raw))
        hashes = anew and self.has(descriptor)
        way_in = self._rehashed(descriptor) if hashes else self._way_in(descriptor)
        if way_in is not None:
            way_in.put(memoryview(raw), Digest.of(raw, digest.algorithm))

    def read(self, digest: Digest, limit: int, asked: str) -> bytes:
        """The bytes at a digest's path, which are not hashed here. Raises Damaged, or TooLarge over `limit` bytes."""
        found = self._container.get(self._layout.blob_data(digest), limit, asked)
        if found is None:
            raise Damaged(asked, "the mirror has a link to it, and not its content", "Pull the image again with force.")
        if found.body is None:
            raise TooLarge(
                asked, f"what is stored there has more than {limit} bytes", "Pull the image again with force."
            )
        return found.body

    def read_small(self, descriptor: Descriptor, limit: int) -> bytes | None:
        """A small blob's bytes, such as a config's; None if it has more than `limit`. Raises Damaged or
        DigestMismatch where it is damaged."""
        if descriptor.size > limit:
            return None
        asked = f"read blob {descriptor.digest} from the mirror"
        raw = self.read(descriptor.digest, limit, asked)
        if not descriptor.digest.matches(raw):
            raise DigestMismatch(asked, "its bytes have another digest", "Pull the image again with force.")
        return raw

    def small(self, descriptor: Descriptor) -> bytes | None:
        """The bytes at the digest, not hashed; None if there are none, or not as many as the descriptor gives."""
        found = self._container.get(
            self._layout.blob_data(descriptor.digest), descriptor.size, f"read blob {descriptor.digest} from the mirror"
        )
        body = found.body if found is not None else None
        return body if body is not None and len(body) == descriptor.size else None

    def linked(self, repository: str, digest: Digest) -> bool:
        """Whether `repository` has its own link to a config or layer: only then is that served or signed for it."""
        name = self._layout.layer_link(repository, digest)
        return self._container.head(name, f"look for blob {digest} of {repository}") is not None

    def served(self, repository: str, digest: Digest) -> int | None:
        """How many bytes a config or layer has that `repository` has its own link to; None where it has none. One
        request, and another one for a link that does not tell, as those of earlier versions. Raises Damaged."""
        asked = f"look for blob {digest} of {repository}"
        link = self._container.head(self._layout.layer_link(repository, digest), asked)
        if link is None:
            return None
        size = link.metadata.get(_SIZE, "")
        if size.isascii() and size.isdecimal():
            return int(size)
        data = self._container.head(self._layout.blob_data(digest), asked)
        if data is None:
            raise Damaged(asked, "the mirror has a link to it, and not its content", "Pull the image again with force.")
        return data.size

    def known(self, repository: str, descriptor: Descriptor) -> bool:
        """Whether the blob, of that size, and the repository's link to it were in the mirror a few minutes ago. Asks
        nobody."""
        return self._known.has(repository, descriptor)

    def link(self, repository: str, descriptor: Descriptor, *, mend: bool = False) -> None:
        """Lets `repository` serve a config or layer that is in the mirror; with `mend`, also where a link is that may
        be damaged."""
        name = self._layout.layer_link(repository, descriptor.digest)
        body, asked = str(descriptor.digest).encode(), f"link blob {descriptor.digest} to {repository}"
        metadata = {_SIZE: str(descriptor.size)}
        if mend:
            self._container.put(name, body, asked, metadata)
        else:
            self._container.swap(name, body, None, asked, metadata)
        self._known.add(repository, descriptor)

    def _rehashed(self, descriptor: Descriptor, *, resume: bool = True) -> Ingest | None:
        """As `ingest`, after the bytes at the digest's path were read again."""
        wrong = wrong_bytes(self._container, self._layout.blob_data(descriptor.digest), descriptor)
        return self._way_in(descriptor, resume=resume, replaces=wrong) if wrong is not None else None

    def _way_in(self, descriptor: Descriptor, *, resume: bool = True, replaces: str | None = None) -> Ingest:
        name = self._layout.blob_data(descriptor.digest)
        return Ingest(self._container, name, descriptor, resume=resume, replaces=replaces)
