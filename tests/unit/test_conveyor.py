"""How blobs move: order, memory, what is hashed anew."""

import hashlib
import random
import threading
import time
from functools import partial

import pytest

from acrmirror.oci import Descriptor
from acrmirror.reference import Digest
from tests.in_memory import BLOCK, Claims, Mirror
from tests.unit.moved import blobs, of, opened, run, within


@pytest.mark.parametrize("threads", [1, 2, 4, 16])
def test_blobs_of_all_sizes_arrive(threads: int) -> None:
    descriptors, contents = blobs(0, 1, BLOCK, BLOCK + 1, 25 * BLOCK, 7 * BLOCK + 3, 40 * BLOCK)
    registry, mirror = of(contents), Mirror()
    within(20, lambda: run(registry, mirror, descriptors, threads=threads))
    assert mirror.content == contents


def test_no_pool_stalls_whatever_the_order_in_which_reads_end() -> None:
    """The first block of each blob comes last: its followers wait, each with its buffer, and must not starve it."""
    descriptors, contents = blobs(*[9 * BLOCK] * 6)
    for threads in (1, 2, 3, 4):
        registry = of(contents, lambda offset: time.sleep(0.02 if offset == 0 else 0))
        mirror = Mirror()
        within(20, partial(run, registry, mirror, descriptors, threads=threads))
        assert mirror.content == contents


def test_memory_is_bounded_by_the_threads() -> None:
    descriptors, contents = blobs(200 * BLOCK)
    registry = of(contents, lambda offset: time.sleep(0.001))
    run(registry, Mirror(), descriptors, threads=3)
    assert registry.reads.most <= 3


def test_what_the_mirror_has_is_hashed_anew_by_many_threads_at_once() -> None:
    descriptors, contents = blobs(30 * BLOCK, 20 * BLOCK + 7)
    registry, mirror = of(contents), Mirror()
    mirror.content = dict(contents)
    together = threading.Barrier(3)
    first = iter(range(3))

    def delay(offset: int) -> None:
        # Nobody gets on before three are reading: one after the other would never come together.
        if next(first, None) is not None:
            together.wait(10)

    mirror.reads.before = delay
    context = run(registry, mirror, descriptors, threads=3, force=True)
    assert opened(registry) == []
    assert mirror.reads.most == 3
    assert {it.state for it in context.progress.layers.values()} == {"skipped"}
    assert (context.progress.bytes_read, context.progress.bytes_written) == (0, 0)


@pytest.mark.parametrize("at", [0, 7 * BLOCK, 30 * BLOCK - 1])
def test_what_is_damaged_in_the_mirror_is_read_from_the_source_and_replaced(at: int) -> None:
    descriptors, contents = blobs(30 * BLOCK, 10)
    registry, mirror = of(contents), Mirror()
    damaged = bytearray(contents[descriptors[0].digest])
    damaged[at] ^= 1
    mirror.content = contents | {descriptors[0].digest: bytes(damaged)}
    claims = Claims()
    context = run(registry, mirror, descriptors, threads=3, force=True, claims=claims)
    assert mirror.content == contents
    assert opened(registry) == [descriptors[0].digest]
    assert [note for note in context.progress.notes if str(descriptors[0].digest) in note]
    assert claims.held == set()
    assert context.progress.layers[str(descriptors[0].digest)].state == "done"


def test_a_digest_that_is_listed_twice_is_read_once() -> None:
    descriptors, contents = blobs(3 * BLOCK, 10)
    registry, mirror = of(contents), Mirror()
    run(registry, mirror, descriptors * 3, threads=4)
    assert len(opened(registry)) == 2


def test_embedded_data_is_not_asked_for() -> None:
    descriptor = Descriptor("application/vnd.oci.empty.v1+json", Digest.of(b"{}"), 2, data=b"{}")
    registry, mirror = of({}), Mirror()
    run(registry, mirror, [descriptor], threads=1)
    assert opened(registry) == []
    assert mirror.content == {Digest.of(b"{}"): b"{}"}


def test_sha512_blobs_are_hashed_as_sha512() -> None:
    data = random.Random(7).randbytes(5 * BLOCK)
    descriptor = Descriptor("application/octet-stream", Digest("sha512", hashlib.sha512(data).hexdigest()), len(data))
    mirror = Mirror()
    run(of({descriptor.digest: data}), mirror, [descriptor], threads=2)
    assert mirror.content == {descriptor.digest: data}
