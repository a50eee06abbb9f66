"""Layers: real tar archives of an exact size, made anew from a seed whenever they are read.

gzip and zstd are written with stored (uncompressed) blocks. Such streams are valid for every reader, cost next to no
CPU, are the same bytes under every version of the compression libraries, and can be made to any length: digests stay
what they are from machine to machine, and a test can ask for a layer that ends one byte past a block.
"""

import hashlib
import random
import struct
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Literal

from acrmirror.reference import Digest
from testkit.images.content import CHUNK, Content

Packing = Literal["tar", "gzip", "zstd"]

SMALLEST = 4096
"""Bytes a layer has at the least: room for the headers and for what makes it differ from others."""

OCI_TYPES: dict[Packing, str] = {
    "tar": "application/vnd.oci.image.layer.v1.tar",
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
DOCKER_TYPES: dict[Packing, str] = {
    "tar": "application/vnd.docker.image.rootfs.diff.tar",
    "gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "zstd": "application/vnd.docker.image.rootfs.diff.tar.zstd",
}


@dataclass(frozen=True, slots=True)
class Layer:
    """`digest` is of the layer as stored, `diff_id` of the tar archive inside it, as an image's config lists it."""

    packing: Packing
    content: Content
    digest: Digest
    diff_id: Digest


@dataclass(frozen=True, slots=True)
class _Framing:
    """How a stream of stored blocks is put around a payload."""

    block: int  # most payload bytes in one block
    block_overhead: int
    header: bytes
    trailer: int  # bytes

    def fit(self, size: int) -> tuple[int, int]:
        """Payload bytes and blocks that make exactly `size` bytes."""
        room = size - len(self.header) - self.trailer
        blocks = -(-room // (self.block + self.block_overhead))
        return room - blocks * self.block_overhead, blocks


# RFC 1952 with the time left out; stored blocks as in RFC 1951, 3.2.4.
_GZIP = _Framing(0xFFFF, 5, bytes.fromhex("1f8b08000000000000ff"), 8)
# RFC 8878: a frame with a window of 128 KiB, no content size, no checksum; raw blocks.
_ZSTD = _Framing(0x20000, 3, bytes.fromhex("28b52ffd0038"), 0)


@cache
def make_layer(seed: str, size: int, packing: Packing = "gzip", algorithm: str = "sha256") -> Layer:
    """A layer of exactly `size` bytes as stored, always the same for the same arguments.

    Its digests are computed by making it once (about 0.5 s a GiB and hash); nothing of it is kept.
    """
    if size < SMALLEST:
        raise ValueError(f"a layer has at least {SMALLEST} bytes, not {size}")
    framing = {"tar": None, "gzip": _GZIP, "zstd": _ZSTD}[packing]
    archive_size, blocks = (size, 0) if framing is None else framing.fit(size)

    def archive() -> Iterator[bytes]:
        return _archive(seed, archive_size)

    def stored() -> Iterator[bytes]:
        if packing == "gzip":
            return _gzip(archive(), archive_size, blocks)
        if packing == "zstd":
            return _zstd(archive(), archive_size, blocks)
        return archive()

    diff_id = _digest(archive(), "sha256")
    digest = diff_id if packing == "tar" and algorithm == "sha256" else _digest(stored(), algorithm)
    return Layer(packing, Content.made(size, stored), digest, diff_id)


def gzip_stored(data: bytes) -> bytes:
    """Small content as a gzip stream that is the same everywhere."""
    return b"".join(_gzip(iter([data]), len(data), max(1, -(-len(data) // _GZIP.block))))


def _digest(pieces: Iterator[bytes], algorithm: str) -> Digest:
    hasher = hashlib.new(algorithm)
    for piece in pieces:
        hasher.update(piece)
    return Digest(algorithm, hasher.hexdigest())


def _archive(seed: str, size: int) -> Iterator[bytes]:
    """A tar archive of `size` bytes: a text file, and one of data that takes what room is left."""
    text = f"NAME={seed!r}\nID=local-stack\nPRETTY_NAME='Test content {seed}'\n".encode()
    yield _member("etc/os-release", len(text))
    yield text.ljust(512, b"\0") if len(text) <= 512 else text + bytes(-len(text) % 512)
    written = 512 + max(512, len(text) + -len(text) % 512)
    data = (size - written - 512 - 1024) // 512 * 512
    yield _member(f"usr/lib/{hashlib.sha256(seed.encode()).hexdigest()[:16]}.bin", data)
    yield from _data(seed, data)
    # Two zero blocks end an archive; what follows them is padding, of any length.
    yield bytes(size - written - 512 - data)


def _member(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size = size
    info.mode = 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def _data(seed: str, size: int) -> Iterator[bytes]:
    """Bytes that do not compress and where no two MiB are alike, at the speed of copying memory."""
    pool = random.Random(seed).randbytes(min(size, CHUNK))
    turn = 0
    while size > 0:
        start = turn * 7919 % len(pool)
        mark = hashlib.sha256(f"{seed}/{turn}".encode()).digest()
        piece = (mark + pool[start:] + pool[:start])[: min(size, len(pool))]
        yield piece
        size -= len(piece)
        turn += 1


def _regroup(pieces: Iterator[bytes], size: int, block: int, blocks: int) -> Iterator[tuple[bytes, bool]]:
    """The same bytes in exactly `blocks` blocks of at most `block` bytes (the last may be empty), and which is last."""
    held = bytearray()
    for number in range(1, blocks + 1):
        want = min(block, size)
        while len(held) < want:
            held += next(pieces)
        yield bytes(held[:want]), number == blocks
        del held[:want]
        size -= want


def _gzip(archive: Iterator[bytes], size: int, blocks: int) -> Iterator[bytes]:
    yield _GZIP.header
    check = 0
    for data, last in _regroup(archive, size, _GZIP.block, blocks):
        check = zlib.crc32(data, check)
        yield struct.pack("<BHH", last, len(data), len(data) ^ 0xFFFF) + data
    yield struct.pack("<II", check, size & 0xFFFFFFFF)


def _zstd(archive: Iterator[bytes], size: int, blocks: int) -> Iterator[bytes]:
    yield _ZSTD.header
    for data, last in _regroup(archive, size, _ZSTD.block, blocks):
        yield (last | len(data) << 3).to_bytes(3, "little") + data
