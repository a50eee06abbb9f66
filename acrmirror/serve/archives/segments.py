"""The archive as blocks of one blob: what has to be sent, and what storage copies from blobs that it has already.

The bytes are those that `acrmirror.archive` writes for the same parts.
"""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from acrmirror.archive import END, Part, Range, header, padding
from acrmirror.errors import TooLarge

SENT = 4 * 1024 * 1024
"""Bytes that one request sends, at most."""
COPIED = 16 * 1024 * 1024
"""Bytes of a blob that are copied by one request, as long as there are not too many of these."""
COPIED_LIMIT = 4000 * 1024 * 1024
"""Bytes that storage takes as one block, at most."""
SEGMENTS_LIMIT = 50_000
"""Blocks that a blob may have."""


@dataclass(frozen=True, slots=True)
class Segment:
    """`data`, or a range of a blob that storage copies; `offset` is where it is in the archive."""

    offset: int
    data: bytes = b""
    copied: Range | None = None

    @property
    def size(self) -> int:
        return self.copied.length if self.copied is not None else len(self.data)

    @property
    def block(self) -> str:
        """The id of its block, 57 characters: where it is, and a hash of what is in it. A block that was staged by an
        earlier run under this id, and has this size, is this segment."""
        copied = self.copied
        what = f"{copied.blob.digest} {copied.offset} {copied.length}".encode() if copied is not None else self.data
        kind = b"copied " if copied is not None else b"sent "
        hashed = base64.urlsafe_b64encode(hashlib.sha256(kind + what).digest()).rstrip(b"=").decode()
        return f"{self.offset:014d}{hashed}"


def segments(parts: Sequence[Part]) -> list[Segment]:
    """The archive, in order. Raises TooLarge where no blob can have it."""
    copied = COPIED
    while (count := _count(parts, copied)) > SEGMENTS_LIMIT:
        if copied == COPIED_LIMIT:
            raise TooLarge(
                f"put {len(parts)} files into one archive",
                f"it would have {count} blocks, and a blob may have {SEGMENTS_LIMIT}",
                "Request fewer images at once.",
            )
        copied = min(2 * copied, COPIED_LIMIT)
    return list(_segments(parts, copied))


def size_of(parts: Sequence[Part]) -> int:
    """Bytes of the whole archive."""
    return sum(len(header(it)) + it.size + len(padding(it.size)) for it in parts) + len(END)


def _count(parts: Sequence[Part], copied: int) -> int:
    """No more than `_segments` gives, but for what is sent beside the blobs in more than one piece."""
    blobs = [it.blob.size for it in parts if it.blob is not None and it.blob.size]
    return sum(-(-size // copied) for size in blobs) + len(blobs) + 1


def _segments(parts: Sequence[Part], copied: int) -> Iterator[Segment]:
    offset = 0
    pending = bytearray()

    def sent(upto: int) -> Iterator[Segment]:
        nonlocal offset
        while len(pending) > upto:
            yield Segment(offset, bytes(pending[:SENT]))
            offset += min(SENT, len(pending))
            del pending[:SENT]

    for part in parts:
        pending += header(part)
        if part.blob is None:
            pending += part.data
        elif part.size:
            yield from sent(0)
            for start in range(0, part.size, copied):
                span = Range(part.blob, start, min(copied, part.size - start))
                yield Segment(offset, copied=span)
                offset += span.length
        pending += padding(part.size)
        yield from sent(SENT)
    pending += END
    yield from sent(0)
