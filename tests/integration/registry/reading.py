"""Whole blobs, read in blocks by several threads."""

from concurrent.futures import ThreadPoolExecutor

from acrmirror.oci import Descriptor
from acrmirror.registry import BlobReader, Registry

BLOCK = 256 * 1024


def read(reader: BlobReader, size: int, block: int = BLOCK, threads: int = 4) -> bytes:
    """The whole blob, in blocks, by several threads."""
    buffer = memoryview(bytearray(size))
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda at: reader.read_into(at, buffer[at : at + block]), range(0, size, block)))
    return bytes(buffer)


def pull(registry: Registry, repository: str, blob: Descriptor, **options: int) -> bytes:
    with registry.blob(repository, blob) as reader:
        return read(reader, blob.size, **options)
