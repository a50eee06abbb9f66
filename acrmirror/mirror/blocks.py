"""How a blob is cut into blocks, and what they are called (rules B1 and B2)."""

import base64

from acrmirror.storage import PUT_LIMIT

BLOCK_SIZE = PUT_LIMIT
"""A blob up to this many bytes is one conditional put; larger ones are staged in blocks of at least this size."""
MAX_BLOCKS = 20_000
"""Blocks a blob may have; storage allows 50,000, and 200 GiB (the largest layer ACR takes) must fit with room."""


class Blocks:
    """A blob as it is cut: `count` blocks of `block_size` bytes, the last one maybe shorter; one of an empty blob."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.block_size = block_size(size)
        self.count = block_count(size)

    def block(self, index: int) -> tuple[int, int]:
        """Offset and length of block `index` in bytes."""
        offset = index * self.block_size
        return offset, min(self.block_size, self.size - offset)


def block_size(size: int) -> int:
    """Bytes in each block of a blob of `size` bytes but the last: the size alone decides (two workers that resume
    each other's blocks agree on it), and at most `MAX_BLOCKS` are needed."""
    length = BLOCK_SIZE
    while length * MAX_BLOCKS < size:
        length *= 2
    return length


def block_count(size: int) -> int:
    """How many blocks a blob of `size` bytes has; one of a single block is one put."""
    return max(1, -(-size // block_size(size)))


def block_id(offset: int, length: int, running: bytes) -> str:
    """Where a block lies and the running hash of the blob up to its end: 63 characters for every block.

    Offset and length are part of it because equal running hashes say nothing about where a block began: a 12 MiB
    layer ends in the same hash whether its last block has 2 or 4 MiB.
    """
    tail = base64.urlsafe_b64encode(running[:32]).rstrip(b"=").decode()
    return f"{offset:012d}{length:08d}{tail}"
