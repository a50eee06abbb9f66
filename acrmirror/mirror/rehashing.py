"""What is stored at a digest's path, read again (rule B5)."""

import hashlib

from acrmirror.cancel import check_bound
from acrmirror.errors import Malformed
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from acrmirror.storage import Container


def rehash(container: Container, name: str, digest: Digest) -> tuple[Digest, int, str]:
    """Reads a stored blob again: its digest (in `digest`'s algorithm), its length, its ETag. Raises Cancelled as soon
    as this thread's job is cancelled."""
    stream = container.stream(name, f"read blob {digest} again")
    hasher = hashlib.new(digest.algorithm)
    size = 0
    for piece in stream.pieces:
        check_bound()
        hasher.update(piece)
        size += len(piece)
    return Digest(digest.algorithm, hasher.hexdigest()), size, stream.head.etag


def wrong_bytes(container: Container, name: str, descriptor: Descriptor) -> str | None:
    """The ETag of what is at `name` if that has another digest; None if it is right. Raises Malformed where it is
    right, and the descriptor's size is the lie; Cancelled as `rehash`."""
    found, length, etag = rehash(container, name, descriptor.digest)
    if found != descriptor.digest:
        return etag
    if length == descriptor.size:
        return None
    raise Malformed(
        f"copy blob {descriptor.digest}",
        f"its descriptor says {descriptor.size} bytes, and the content of that digest has {length}",
        "The manifest that lists it is wrong: build and push the image again.",
    )
