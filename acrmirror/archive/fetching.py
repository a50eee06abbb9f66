"""Ranges of blobs, fetched by many threads and handed out in order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from acrmirror.errors import DigestMismatch, Unavailable
from acrmirror.oci import Descriptor
from acrmirror.reference import Digest

BLOCK = 4 * 1024 * 1024
THREADS = 8
"""Memory is bounded by threads × block, twice, whatever a layer's size."""

Fetch = Callable[[Descriptor, int, int], bytes]
"""Gives exactly `length` bytes of a blob from `offset`: `fetch(blob, offset, length)`. Called from many threads."""
OnBytes = Callable[[Digest, int], None]
"""Told how many bytes of a blob are there so far, those of an earlier run included."""


@dataclass(frozen=True, slots=True)
class Range:
    blob: Descriptor
    offset: int
    length: int


def ranges(blob: Descriptor, start: int = 0, block: int = BLOCK) -> Iterable[Range]:
    for offset in range(start, blob.size, block):
        yield Range(blob, offset, min(block, blob.size - offset))


def fetch_in_order(wanted: Iterable[Range], fetch: Fetch, threads: int = THREADS) -> Generator[bytes]:
    """The ranges' bytes in the order requested, the next ones already on their way.

    Raises what `fetch` raises, or Unavailable if a range comes short. Close it to stop early.
    """

    def get(span: Range) -> bytes:
        data = fetch(span.blob, span.offset, span.length)
        if len(data) != span.length:
            raise Unavailable(
                f"read blob {span.blob.digest} from byte {span.offset}",
                f"{len(data)} bytes came instead of {span.length}",
                "Run it again: it goes on where it stopped.",
            )
        return data

    pending: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="fetch") as pool:
        try:
            for span in wanted:
                pending.append(pool.submit(get, span))
                if len(pending) > threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def check(blob: Descriptor, found: str) -> None:
    """Raises DigestMismatch unless `found`, in hexadecimal, is the blob's digest."""
    if found != blob.digest.encoded:
        raise DigestMismatch(
            f"read blob {blob.digest}",
            f"its bytes have the digest {blob.digest.algorithm}:{found}",
            "Run it again; if it lasts, what is stored there is damaged: mirror the image again with force.",
        )
